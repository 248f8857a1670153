from dataclasses import replace
from typing import get_args

import pytest

from course.grading.submission import Record, Row, Status, Submission

ROW = Row("4.5", "accumulate", 10, 10, "correct", "right", notes=("odd",), answer="def accumulate(): ...")
RECORD = Record("Zoë\ud800\n=1+1", "day4a", "graded", (ROW,), notes=("late",), predictions={"4.5": ("nothing",)})


def test_record_survives_json_on_one_line():
    line = RECORD.to_json()
    assert "\n" not in line and line.isascii()
    assert Record.from_json(line) == Record.from_json(line.encode()) == RECORD
    one, other = ({a: (a,) for a in order} for order in ("bca", "abc"))
    assert replace(RECORD, predictions=one).to_json() == replace(RECORD, predictions=other).to_json()


def test_half_a_record_is_refused():
    line = RECORD.to_json()
    for broken in (line[: len(line) // 2], b"\xff", "{}", "[]", "null"):
        with pytest.raises(ValueError):
            Record.from_json(broken)
    for old, new, words in (
        ('"status": "graded"', '"status": "fine"', "not a record: the status is 'fine', expected one of .*'missing'"),
        ('"correct"', '"fine"', "not a record: the outcome of 4.5 is 'fine', expected one of .*'handed over'"),
        ('"student"', '"who"', "not a record: .*'who'"),
        ('"seed"', '"grain"', "not a record: .*'grain'"),
    ):
        assert old in line
        with pytest.raises(ValueError, match=words):
            Record.from_json(line.replace(old, new))


def test_a_failure_of_the_grader_is_no_zero():
    assert RECORD.points == 10
    assert Record("a", "day4a", "infrastructure", (ROW,)).points is None
    assert Record("a", "day4a", "missing").points == 0


def test_points_are_sums_over_the_exercises():
    half = replace(ROW, exercise="4.6", points=2.5, max_points=5)
    record = Record("a", "day4a", "graded", (ROW, half))
    assert (record.points, record.max_points) == (12.5, 15)
    assert record.row("4.6") is half and record.row("4.5") is ROW
    with pytest.raises(KeyError, match=r"a has no exercise 4\.7; there are \['4\.5', '4\.6'\]"):
        record.row("4.7")


def test_a_person_looks_at_all_that_was_not_simply_graded():
    records = [Record("a", "day4a", status) for status in get_args(Status)]
    assert [record.status for record in records if not record.needs_attention] == ["graded"]


def test_only_the_time_may_differ_when_it_is_graded_again():
    one, other = replace(RECORD, seconds=1.0), replace(RECORD, seconds=2.0)
    assert one != other and one.without_time() == other.without_time()
    assert one.without_time() != replace(other, late=True).without_time()


def test_the_collector_has_the_last_word_on_name_file_and_time():
    old = replace(RECORD, file="old.ipynb", notes=("two files", "one day late", "of the grader"), n_found=2)
    now = Submission("z1", "new.ipynb", b"1", late=True, notes=("in time", "by name", "alone"), name="Zoë")
    again = old.seen_again(now)
    notes = ("in time", "by name", "alone", "of the grader")
    assert again == replace(old, student="z1", name="Zoë", file="new.ipynb", late=True, notes=notes, n_found=3)
    assert again.seen_again(now) == again


def test_key_names_student_work_template_and_seed():
    submission = Submission("a", "a.ipynb", b"1")
    keys = {
        submission.key("t", 1),
        submission.key("t", 2),
        submission.key("u", 1),
        Submission("b", "a.ipynb", b"1").key("t", 1),
        Submission("a", "a.ipynb", b"2").key("t", 1),
        Submission("a", "a.ipynb", b"").key("t", 1),
        Submission("a", "", b"", missing=True).key("t", 1),
        Submission("a", "a.ipynb", b"", refused="It is too large: \ud800.").key("t", 1),
        Submission("a", "a.ipynb", b"", refused="It is encrypted.").key("t", 1),
        Submission("a", "a.ipynb", b"1").key("t1", 1),
        Submission("a", "a.ipynb", b"1").key("t", 11),
    }
    assert len(keys) == 11
    renamed = Submission("a", "renamed.ipynb", b"1", late=True, notes=("renamed",), name="Ada")
    assert renamed.key("t", 1) == submission.key("t", 1)

import pytest

from course.grading.submission import Record, Row, Submission

ROW = Row("4.5", "accumulate", 10, 10, "correct", "right", notes=("odd",), answer="def accumulate(): ...")
RECORD = Record("Zoë\ud800\n=1+1", "day4a", "graded", (ROW,), notes=("late",), predictions={"4.5": ("nothing",)})


def test_record_survives_json_on_one_line():
    line = RECORD.to_json()
    assert "\n" not in line and line.isascii()
    assert Record.from_json(line) == RECORD


def test_half_a_record_is_refused():
    line = RECORD.to_json()
    for broken in (line[: len(line) // 2], "{}", "[]", "null", line.replace('"graded"', '"fine"')):
        with pytest.raises(ValueError):
            Record.from_json(broken)


def test_a_failure_of_the_grader_is_no_zero():
    assert RECORD.points == 10
    assert Record("a", "day4a", "infrastructure", (ROW,)).points is None
    assert Record("a", "day4a", "missing").points == 0


def test_key_names_student_work_template_and_seed():
    submission = Submission("a", "a.ipynb", b"1")
    keys = {
        submission.key("t", 1),
        submission.key("t", 2),
        submission.key("u", 1),
        Submission("b", "a.ipynb", b"1").key("t", 1),
        Submission("a", "a.ipynb", b"2").key("t", 1),
    }
    assert len(keys) == 5
    assert Submission("a", "renamed.ipynb", b"1").key("t", 1) == submission.key("t", 1)

"""Tables, feedback pages and the report, from records."""

import csv
import io
import json
import os
import re
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from course.exercises import find
from course.grading import likeness, reports
from course.grading.gradebook import (
    Correction,
    Gradebook,
    feedback_name,
    gradebook,
    grades_csv,
    log_corrections,
    moodle_csv,
    quoted,
    read_manual,
    visible,
)
from course.grading.reports import (
    COLORS,
    MARKS,
    VERDICTS,
    bars_svg,
    code_spans,
    difficulties,
    distribution,
    feedback_html,
    histogram_svg,
    main,
    message_of,
    mistakes,
    number,
    predictions,
    report_html,
    write_reports,
)
from course.grading.submission import ROW_OUTCOMES, Record, Row

SEED = 914_273_655
SCRIPT = "<script>alert(1)</script>"
BUNDLES = "# exercise 4.5\ndef accumulate(messages, receivers, n_atoms):\n    return messages.mean(0)  # a < b"


def row(exercise: str, outcome: str = "correct", /, **more: object) -> Row:
    name, points = {"4.2": ("initial_features", 10), "4.5": ("accumulate", 10)}[exercise]
    got = points if outcome == "correct" else 0
    message = {"correct": f"✓ {exercise} {name}: well done.", "wrong": f"✗ {exercise} You averaged `x`."}
    plain = Row(exercise, name, got, points, outcome, message.get(outcome, outcome))  # type: ignore[arg-type]
    return replace(plain, **more)  # type: ignore[arg-type]


def record(student: str, *rows: Row, **more: object) -> Record:
    plain = Record(student, "day4a", "graded", rows or (row("4.2"), row("4.5")), f"{student}.ipynb", seed=SEED)
    return replace(plain, hash="f" * 64, key="e" * 64, seconds=1.5, **more)  # type: ignore[arg-type]


WRONG = record("ben", row("4.2"), row("4.5", "wrong", misconception="mean", answer=BUNDLES, notes=("Cell was moved.",)))
FAILED = record("fay", row("4.2", "not graded"), row("4.5", "not graded"), status="infrastructure")


def table(text: str) -> list[dict[str, str]]:
    """By the header; each line has as many cells as it."""
    header, *lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    return [dict(zip(header, line, strict=True)) for line in lines]


class Page(HTMLParser):
    """Tags, the text of a page, and the cells of its tables."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.words, self.is_in_cell = "", False
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.is_in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.is_in_cell &= tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.words += data if self.tags[-1:] != [("style", {})] else ""
        if self.is_in_cell:
            self.rows[-1][-1] += data


# --------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@x", "\tx", "\nx", "\rx", " =1", "\0=1", "＝1", "＋1", "－1", "＠x"]
)
def test_formulas_are_quoted(cell: str) -> None:
    assert quoted(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["ada", "4.5 accumulate", "", "a=b", "Ørsted", "12", "é-è"])
def test_other_cells_stay(cell: str) -> None:
    assert quoted(cell) == cell


def test_what_cannot_be_seen_is_written_out() -> None:
    hidden = (
        "\0\b\v\r\x1b\x1f\x7f\x80\x9f\xad\u061c\u200b\u2060\u2064\u200e\u200f\u202a\u202e\u2066\u2069\ud800\udfff\ufeff"
    )
    assert [visible(f"a{one}b") for one in hidden] == [f"a\\u{ord(one):04x}b" for one in hidden]
    assert visible("a\tb\nc é ✓ אב") == "a\tb\nc é ✓ אב"


def test_no_cell_of_any_table_begins_like_a_formula(tmp_path: Path) -> None:
    evil = record('=HYPERLINK("http://x")', row("4.2"), row("4.5"), file="@SUM(A1)", notes=("-1", "\u202e"))
    write_reports(tmp_path, [evil, record("+1,2\n=3")])
    for name in ("grades.csv", "canvas.csv", "moodle.csv"):
        text = (tmp_path / name).read_bytes().decode()
        assert text.startswith("\ufeff") == (name == "grades.csv")  # Excel needs it, Canvas and Moodle stumble
        text = text.removeprefix("\ufeff")
        assert "\u202e" not in text
        for line in csv.reader(io.StringIO(text, newline="")):
            assert not [cell for cell in line if re.match(r"[=+\-@\t\r\n]", cell)]


def test_grades_have_a_column_an_exercise() -> None:
    late = record("ada", late=True, notes=("Two files.", "Late."))
    by_hand = [Correction("ben", "4.5", 20 / 3, "good"), Correction("ben", "4.2", 9, "late")]
    ada, ben, fay = table(grades_csv(gradebook([late, WRONG, FAILED], by_hand)))
    assert (ada["4.2 initial_features"], ada["4.5 accumulate"], ada["points"], ada["of"]) == ("10", "10", "20", "20")
    assert (ada["late"], ben["late"]) == ("late", "")
    assert (ada["file"], ada["feedback"], ada["notes"]) == (
        "ada.ipynb",
        f"feedback/{feedback_name('ada')}",
        "Two files. Late.",
    )
    assert (ben["4.5 accumulate"], ben["points"], ben["changed by hand"]) == ("6.667", "15.667", "4.2: late; 4.5: good")
    assert (fay["4.5 accumulate"], fay["points"], fay["status"]) == ("", "", "infrastructure")  # not a zero


def test_tables_for_canvas_and_moodle(tmp_path: Path) -> None:
    write_reports(tmp_path, [record("1234"), record("ada@uni.edu"), FAILED])
    text = (tmp_path / "canvas.csv").read_text()
    assert text.startswith("Student,ID,SIS User ID,SIS Login ID,Section,day4a\n    Points Possible,,,,,20\n")
    _, one, email, failed = table(text)
    assert (one["Student"], one["ID"], one["SIS Login ID"], one["day4a"]) == ("1234", "1234", "", "20")
    assert (email["ID"], email["SIS Login ID"], failed["day4a"]) == ("", "ada@uni.edu", "")
    one, email, failed = table((tmp_path / "moodle.csv").read_text())
    assert (one["Username"], one["Email address"], one["Grade"], one["Maximum Grade"]) == ("1234", "", "20", "20")
    assert (email["Username"], email["Email address"], failed["Grade"]) == ("", "ada@uni.edu", "")
    assert failed["Feedback comments"] == "4.2 not graded; 4.5 not graded"


@pytest.mark.parametrize("student", ["12a", "１２", "²", "@ada"])
def test_what_is_no_number_and_no_address_is_a_user_name(tmp_path: Path, student: str) -> None:
    book = write_reports(tmp_path, [record(student)])
    line = table((tmp_path / "canvas.csv").read_text())[1]
    assert (line["ID"], line["SIS Login ID"]) == ("", quoted(student))
    (line,) = table(moodle_csv(book))
    assert [line[name] for name in ("Identifier", "Username", "Email address")] == [quoted(student)] * 2 + [""]


def test_a_later_record_of_a_student_replaces_the_earlier() -> None:
    book = gradebook([WRONG, record("ada"), record("ben")])
    assert [(r.student, book.total(r)) for r in book.records] == [("ben", 20), ("ada", 20)]


def test_every_record_has_a_row_for_each_exercise() -> None:
    book = gradebook([record("ada", row("4.2")), record("ben")])
    assert [(r.exercise, r.points, r.outcome) for r in book.records[0].rows] == [
        ("4.2", 10, "correct"), ("4.5", 0, "not graded"),
    ]  # fmt: skip
    assert book.max_points == 20
    words = Page(feedback_html(book, book.records[0])).words
    assert "1 of 2 exercises are right." in words and "Still open" not in words and "Everything" not in words
    book = gradebook([Record("ada", "day4a", "graded"), record("ben")])
    assert "0 of 2 exercises are right." in feedback_html(book, book.records[0])


def test_records_of_two_lessons_are_refused() -> None:
    with pytest.raises(ValueError, match="several lessons, day4a, day4b"):
        gradebook([record("ada", lesson="day4b"), record("ben")])
    with pytest.raises(ValueError, match="no records"):
        gradebook([])


# ---------------------------------------------------------------------------------------------------- corrections


def corrected(folder: Path, text: str, *records: Record) -> Gradebook:
    (folder / "manual.csv").write_text(text, encoding="utf-8")
    return write_reports(folder, records)


@pytest.mark.parametrize("exercise", ["4.5", "accumulate", "4.5 accumulate"])
def test_a_correction_wins_and_is_seen_everywhere(tmp_path: Path, exercise: str) -> None:
    text = f'student,exercise,points,reason\nben,{exercise},7.5,"half right, <b>see</b> mail"\n'
    book = corrected(tmp_path, text, record("ada"), WRONG)
    line = table((tmp_path / "grades.csv").read_text())[1]
    assert (line["4.5 accumulate"], line["points"]) == ("7.5", "17.5")
    assert line["changed by hand"] == "4.5: half right, <b>see</b> mail"
    assert "half right, <b>see</b> mail" in Page(feedback_html(book, book.records[1])).words
    assert "half right" not in feedback_html(book, book.records[0])
    assert "half right, <b>see</b> mail" in Page(report_html(book)).words


def test_corrections_are_logged_once_and_when_they_change(tmp_path: Path) -> None:
    head = "student,exercise,points,reason\n"
    for line in ("ben,4.5,7,good", "ben,accumulate,7,good", "ben,4.5,7,better", "ben,4.5,8,better", "", ""):
        corrected(tmp_path, f"{head}{line}\n", WRONG)
    logged = [json.loads(line) for line in (tmp_path / "manual.log").read_text().splitlines()]
    assert [(line["before"], line["points"], line["reason"]) for line in logged] == [
        (0, 7, "good"), (0, 7, "better"), (0, 8, "better"), (8, None, "withdrawn"),
    ]  # fmt: skip
    assert {(line["student"], line["exercise"]) for line in logged} == {("ben", "4.5")}
    assert all(re.fullmatch(r"[\d-]{10}T[\d:]{8}\+00:00", line["time"]) for line in logged)


def test_the_log_of_corrections_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    log = tmp_path / "manual.log"
    log.write_text("")
    with pytest.raises(OSError, match="No space"):
        log_corrections(gradebook([WRONG], [Correction("ben", "4.5", 7, "good")]), log)
    assert log.read_text() == ""


def test_a_person_may_decide_where_the_grader_failed() -> None:
    def total(*exercises: str) -> float | None:
        book = gradebook([FAILED], [Correction("fay", exercise, 6, "read by hand") for exercise in exercises])
        return book.total(book.records[0])

    assert [total(), total("4.2"), total("4.2", "4.5")] == [None, None, 12]
    book = gradebook([FAILED], [Correction("fay", e, 6, "read by hand") for e in ("4.2", "4.5")])
    assert {one.before for one in book.corrections.values()} == {None}  # the grader had said nothing
    assert "12 of 20 points" in feedback_html(book, book.records[0])
    assert table(grades_csv(book))[0]["points"] == "12"


REASON = "ill; late, a note; then; again; so; it; stays; open"


@pytest.mark.parametrize(
    "text",
    [
        f'student,exercise,points,reason\nben,4.5,7.5,"{REASON}"\n',
        f'\ufeffStudent;Exercise;Points;Reason\r\nben;4.5;7,5;"{REASON}"\r\n;;;\r\n',
        f"STUDENT\tEXERCISE\tPOINTS\tREASON\nben\t4.5\t7.5\t{REASON}\n",
        f' student , exercise , points , reason\n ben , 4.5 , 7.5 ," {REASON} "\n , , , \n',
    ],
    ids=["plain", "German", "tabs", "spaces"],
)
def test_spreadsheets_write_the_same_line_in_many_ways(tmp_path: Path, text: str) -> None:
    (tmp_path / "manual.csv").write_bytes(text.encode())
    assert read_manual(tmp_path / "manual.csv") == [Correction("ben", "4.5", 7.5, REASON)]


def test_no_points_are_points_too(tmp_path: Path) -> None:
    book = corrected(tmp_path, "student,exercise,points,reason\nada,4.5,0,copied\n", record("ada"))
    assert book.total(book.records[0]) == 10


def test_a_name_that_was_quoted_is_understood(tmp_path: Path) -> None:
    ben = replace(WRONG, student="=ben")
    for written in ("=ben", "'=ben"):
        book = corrected(tmp_path, f"student,exercise,points,reason\n{written},4.5,7,good\n", ben)
        assert book.total(book.records[0]) == 17
        assert book.corrections["=ben", "4.5"].student == "=ben"
    text = "student,exercise,points,reason\n'=ben,4.5,7,good\n"
    book = corrected(tmp_path, text, replace(ben, student="'=ben"), ben)
    assert [book.total(one) for one in book.records] == [17, 10]  # whoever has just this name


def test_manual_csv_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manual.csv").write_bytes("student,exercise,points,reason\nben,4.5,7,spät\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"manual\.csv is not UTF-8 text: save it as CSV UTF-8"):
        read_manual(tmp_path / "manual.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has the columns (), expected ('student', 'exercise', 'points', 'reason')"),
        ("who,exercise,points,reason\n", "expected ('student'"),
        ("student,exercise,points,reason\nzoe,4.5,7,good\n", "no student 'zoe'"),
        ("student,exercise,points,reason\nben,4.9,7,good\n", "no exercise '4.9'; there are 4.2 initial_features"),
        ("student,exercise,points,reason\nben,4.5,nan,good\n", "line 2: the points are 'nan'"),
        ("student,exercise,points,reason\nben,4.5,seven,good\n", "line 2: the points are 'seven'"),
        ("student,exercise,points,reason\nben,4.5,inf,good\n", "line 2: the points are 'inf'"),
        ("student,exercise,points,reason\nben,4.5,-1,good\n", "line 2: the points are '-1'"),
        ("student,exercise,points,reason\nben,4.5,7, \n", "the reason is missing"),
        ("student,exercise,points,reason\nben,4.5,7\n", "expected 4 cells"),
        ("student,exercise,points,reason\nben,4.5,7,good, but late\n", "expected 4 cells"),
        ("student,exercise,points,reason\nben,4.5,7,good\nben,4.5,8,good\n", "two lines for 4.5"),
    ],
)
def test_a_bad_correction_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        corrected(tmp_path, text, WRONG)
    assert not (tmp_path / "grades.csv").exists()


# ------------------------------------------------------------------------------------------------------- feedback


def page(one: Record) -> str:
    book = gradebook([one])
    return feedback_html(book, book.records[0])


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("✓ 4.5 accumulate: well done.", "Well done."),
        ("✓ 4.5 accumulated: well done.", "accumulated: well done."),
        ("✗ 4.5 You averaged `x`.", "You averaged `x`."),
        ("→ 4.5 The library's version.", "The library's version."),
        ("– 4.5 Write it.", "Write it."),
        ("✗ 415 atoms were expected.", "415 atoms were expected."),
        ("Not graded.", "Not graded."),
    ],
)
def test_message_goes_without_what_stands_in_the_heading(said: str, words: str) -> None:
    assert message_of(row("4.5", "wrong", message=said)) == words


def test_black_can_be_read_on_the_colour_of_each_outcome() -> None:
    for color in COLORS.values():
        parts = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        assert (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05) / 0.05 >= 4.5  # WCAG 2, AA
    assert len(set(COLORS.values())) == len(set(VERDICTS.values())) == len(ROW_OUTCOMES)


ADVICE = {
    "not attempted": "Write it, then run",
    "wrong": "it shows the smallest input for which your answer differs",
    "handed over": "take the line with stuck out",
    "crashed": "look where it stops",
    "timed out": "look where it stops",
}


@pytest.mark.parametrize("outcome", ROW_OUTCOMES)
def test_feedback_says_how_to_go_on(outcome: str) -> None:
    html = page(record("ada", row("4.2"), row("4.5", outcome)))
    words = Page(html).words
    assert f"{MARKS[outcome]} {VERDICTS[outcome]}" in words  # type: ignore[index]
    assert f"background:{COLORS[outcome]}" in html  # type: ignore[index]
    for advice in {*ADVICE.values(), "Change it, then run"}:
        assert (advice in words) == (advice == ADVICE.get(outcome))
    is_open = outcome in ADVICE
    assert ('check("4.5", accumulate)' in words) == is_open
    assert (find("4.5").hints[0].replace("`", "") in words) == is_open
    assert ("Still open: 4.5 accumulate." in " ".join(words.split())) == is_open
    assert ("1 of 2 exercises are right." in words) == (outcome != "correct")
    assert ("Everything is right." in words) == (outcome == "correct")
    assert words.count("What is right") == 1


def test_feedback_where_nothing_is_right_names_the_place_to_begin() -> None:
    ben = record("ben", row("4.2", "not attempted"), row("4.5", "wrong", misconception="mean"))
    words = Page(page(ben)).words
    assert "Begin with 4.2" in words and "exercises are right" not in words and "What is right" not in words
    assert "Change it, then run" in words  # the message has said what is wrong


def test_the_last_hint_says_that_it_tells_most() -> None:
    hints, words = find("4.5").hints, Page(page(WRONG)).words
    assert words.count("(close to the solution)") == 1 < len(hints)
    assert f"Hint {len(hints)} of {len(hints)} for 4.5 (close to the solution)" in words
    assert "`" not in words


def test_an_exercise_of_the_instructors_own_has_no_hints() -> None:
    words = Page(page(record("ben", row("4.5", "wrong", exercise="99.1")))).words
    assert "99.1 accumulate: not right yet" in words and "Hint" not in words


@pytest.mark.parametrize(
    ("status", "words"),
    [("crashed", "ended Python. The other"), ("timed out", "did not come to an end"), ("graded", "")],
)
def test_feedback_says_that_a_part_was_stopped(status: str, words: str) -> None:
    html = page(record("ada", row("4.2"), row("4.5", "wrong"), status=status))
    assert [w for w in ("ended Python. The other", "did not come to an end") if w in html] == [words] * bool(words)


def test_feedback_shows_what_was_handed_in_and_when() -> None:
    ada = record("ada", row("4.2", answer="x = 1"), row("4.5", answer="  "), predictions={"4.2": ("0 eV",)}, late=True)
    words = Page(page(ada)).words
    assert "What you handed in for 4.2\nx = 1" in words and "What you handed in for 4.5" not in words
    assert "You predicted for 4.2: 0 eV" in words and "4.2 initial_features\nWell done." in words
    assert "handed in late" in words and "handed in late" not in page(WRONG)
    assert "day4a: feedback for ada" in words
    assert "What you handed in" not in Page(page(record("ben", row("4.5", "not attempted", answer=" ")))).words


@pytest.mark.parametrize(
    "one", [row("4.5"), row("4.5", "wrong"), row("4.5", "not graded")], ids=lambda one: one.outcome
)
def test_a_correction_is_explained_once(one: Row) -> None:
    ada = record("ada", row("4.2"), one)
    book = gradebook([ada], [Correction("ada", "4.5", 7, "read by hand")])
    words = Page(feedback_html(book, book.records[0])).words
    assert words.count("Your instructor has set the points of 4.5 to 7: read by hand") == 1
    assert words.count("points set by your instructor") == 1 and "7 of 10" in words and "17 of 20 points" in words


def test_feedback_shows_all_predictions_of_an_exercise() -> None:
    said = {
        "4.5a": ("bundles of H",),
        "4.5b": ("nothing",),
        "4.2": ("0 eV",),
        "14.5": ("a hexagon",),
        "4.50": ("a square",),
    }
    words = Page(page(replace(WRONG, predictions=said))).words
    assert (
        "You predicted for 4.5: bundles of H; nothing" in words and "a hexagon" not in words and "square" not in words
    )


def test_feedback_shows_source_diagnosis_and_hints() -> None:
    words = Page(page(replace(WRONG, predictions={"4.5": ("bundles of H",)}))).words
    assert "10 of 20 points" in words
    assert "You averaged x." in words
    assert BUNDLES in words
    assert 'check("4.5", accumulate)' in words
    assert "bundles of H" in words
    hints = find("4.5").hints
    assert hints and all(hint.replace("`", "") in words for hint in hints)
    assert find("4.2").hints[0].replace("`", "") not in words  # is right already


def test_feedback_holds_nothing_that_is_not_for_the_learner() -> None:
    html = page(replace(WRONG, notes=("He copied.",), versions={"torch": "2.99"}, sandbox="bwrap"))
    for secret in (str(SEED), "f" * 8, "e" * 64, "He copied", "Cell was moved", "2.99", "bwrap", "Difference"):
        assert secret not in html


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("infrastructure", "The grader failed, not you"),
        ("unreadable", "could not be read as a notebook"),
        ("missing", "There is no notebook of yours"),
    ],
)
def test_feedback_of_what_was_not_graded(status: str, words: str) -> None:
    rows = (row("4.2", "not graded"), row("4.5", "not graded"))
    html = page(record("ada", *rows, status=status, notes=("Two files.", "The file is empty.")))
    assert words in html and "right" not in Page(html).words and "How to go on" not in html
    assert ("no points yet" in html) == (status == "unreadable")
    assert ("The file is empty." in html) == (status == "unreadable") and "Two files." not in html
    assert ("0 of 20 points" in html) == ("of 20 points" in html) == (status == "missing")
    assert ("– of 10" in html) == (status != "missing")  # no points are said
    assert words in page(record("ada", *rows, status=status))


def test_feedback_of_an_unreadable_file_with_points_by_hand() -> None:
    book = gradebook([UNREADABLE], [Correction("eve", "4.2", 6, "read by hand")])
    html = feedback_html(book, book.records[0])
    assert "could not be read" in html and "read by hand" in html and "no points yet" not in html


def test_feedback_where_the_grader_failed_and_a_person_has_decided() -> None:
    said = [Correction("fay", exercise, 4, "read on paper") for exercise in ("4.2", "4.5")]
    for corrections, is_open in ((said[:1], True), (said, False)):
        book = gradebook([FAILED], corrections)
        html = feedback_html(book, book.records[0])
        assert ("is not graded yet" in html) == is_open
        assert ("<p>Your instructor has set your points.</p>" in html) == (not is_open)


def everything(words: str) -> Record:
    rows = [row("4.2", answer=words, message=words, notes=(words,))]
    rows += [row("4.5", "wrong", answer=words, message=words, misconception=words, notes=(words,))]
    said = {words: (words,), "4.5": (words,)}
    more = {"notes": (words,), "sandbox": words, "versions": {words: words}, "predictions": said, "file": words}
    return record(words, *rows, **more)


@pytest.mark.parametrize("make", [feedback_html, lambda book, record: report_html(book)], ids=["feedback", "report"])
@pytest.mark.parametrize("status", ["graded", "crashed", "unreadable"])
@pytest.mark.parametrize(
    "words", [SCRIPT, '"><img src=x onerror=alert(1)>', "' onclick='x", "`<svg/onload=x>`", "{{ 7*7 }}"]
)
def test_nothing_from_a_learner_becomes_markup(
    make: Callable[[Gradebook, Record], str], status: str, words: str
) -> None:
    def tags(words: str) -> list[tuple[str, list[str]]]:
        book = gradebook([replace(everything(words), status=status)])  # type: ignore[arg-type]
        return [(tag, sorted(names)) for tag, names in Page(make(book, book.records[0])).tags if tag != "code"]

    assert tags(words) == tags("harmless")


def test_control_characters_are_written_out() -> None:
    html = page(everything("a\u202eb\0c\ud800d"))
    assert "a\\u202eb\\u0000c\\ud800d" in html
    html.encode()


def test_pages_are_whole_and_ask_for_nothing_from_elsewhere(tmp_path: Path) -> None:
    write_reports(tmp_path, [record("ada"), WRONG, FAILED])
    for path in [tmp_path / "report.html", *(tmp_path / "feedback").iterdir()]:
        tags = Page(path.read_text()).tags
        assert not [tag for tag, _ in tags if tag in ("script", "link", "img", "iframe", "form", "object")]
        links = [a["href"] or "" for tag, a in tags if tag == "a"]
        assert all(link.startswith("#") or (tmp_path / link).is_file() for link in links)
        assert all(a.get("scope") for tag, a in tags if tag == "th")
        assert all(a.get("aria-label") for tag, a in tags if tag in ("svg", "pre"))
        assert [tag for tag, _ in tags if tag in ("h1", "main")] == ["main", "h1"]
        assert all(a.get("role") == "img" for tag, a in tags if tag == "svg")
        assert ("html", {"lang": "en"}) in tags and ("meta", {"charset": "utf-8"}) in tags
        assert ("meta", {"name": "referrer", "content": "no-referrer"}) in tags
        (policy,) = [a["content"] or "" for tag, a in tags if a.get("http-equiv") == "Content-Security-Policy"]
        rules = {"default-src 'none'", "style-src 'unsafe-inline'", "base-uri 'none'", "form-action 'none'"}
        assert set(policy.split("; ")) == rules
        ids = [a["id"] for _, a in tags if "id" in a]
        assert len(ids) == len(set(ids)) and all(link[1:] in ids for link in links if link[0] == "#")


@pytest.mark.parametrize(
    "student", ["../../etc/passwd", "a/b\\c", "CON", "", ".", "x" * 300, "Zoë Ørsted", "a\nb", "\udcff", "Ω"]
)
def test_names_of_pages_are_ours(tmp_path: Path, student: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,40}-[0-9a-f]{10}\.html", feedback_name(student))
    write_reports(tmp_path, [record(student)])
    assert [path.name for path in (tmp_path / "feedback").iterdir()] == [feedback_name(student)]


def test_students_with_alike_names_have_pages_of_their_own() -> None:
    assert len({feedback_name(name) for name in ("Ada", "ada", "a d a", "áda", "ada ", "", "\udcff", "\udcfe")}) == 8
    assert re.fullmatch(r"jorg-degard-\w{10}\.html", feedback_name("Jörg Ødegård."))
    assert feedback_name("Ω").startswith("student-")


# --------------------------------------------------------------------------------------------------------- report


def test_distribution_has_places_for_nothing_and_everything() -> None:
    counts = dict(distribution([0, 0, 0.1, 10, 19.9, 20, 25], 20))
    assert {label: count for label, count in counts.items() if count} == {
        "0 %": 2, "0–10 %": 1, "50–60 %": 1, "90–100 %": 1, "100 %": 2,
    }  # fmt: skip
    assert sum(count for _, count in distribution([k / 100 for k in range(101)], 1)) == 101
    sums = distribution([sum([0.1] * 8), sum([0.1] * 10)], 1)  # 0.7999999999999999, 0.9999999999999999
    assert [label for label, count in sums if count] == ["80–90 %", "100 %"]
    assert distribution([0], 0)[0] == ("0 %", 1)  # a lesson without points


def test_difficulties_are_those_of_the_work_that_was_judged() -> None:
    book = gradebook([record("ada"), WRONG, UNREADABLE])
    assert [(one.row.exercise, one.share) for one in difficulties(book)] == [("4.5", 0.5), ("4.2", 1)]
    assert difficulties(book)[0].counts == {"correct": 1, "wrong": 1, "not graded": 1}
    book = gradebook([record("ada"), WRONG, UNREADABLE], [Correction("eve", "4.5", 2, "read by hand")])
    assert difficulties(book)[0].share == pytest.approx(0.4)
    assert [one.share for one in difficulties(gradebook([UNREADABLE]))] == [0, 0]


def test_mistakes_are_counted() -> None:
    def wrong(student: str, words: str, name: str | None = None, exercise: str = "4.5") -> Record:
        return record(student, row(exercise, "wrong", message=words, misconception=name), row("4.2", "crashed"))

    said = [
        ("zoe", "✗ 4.2 Zeros.", "zeros", "4.2"),
        ("mia", "✗ 4.5 You averaged 3.", "mean"),
        ("tom", "Odd."),
        ("cat", "Bad."),
    ]
    known, unknown = mistakes(
        [wrong(*one) for one in said] + [WRONG, replace(WRONG, student="bob"), wrong("kim", "Bad.")]
    )
    assert [(m.exercise, m.name, m.sentence, m.students) for m in known] == [
        ("4.5", "mean", "You averaged `x`.", ("mia", "ben", "bob")),  # what most were told
        ("4.2", "zeros", "Zeros.", ("zoe",)),
    ]
    assert [(m.name, m.sentence, m.students) for m in unknown] == [("", "Bad.", ("cat", "kim")), ("", "Odd.", ("tom",))]
    assert len(mistakes([wrong("a", "Bad."), wrong("b", "Bad.", None, "4.2")])[1]) == 2


def test_predictions_are_counted_in_the_order_of_the_lesson() -> None:
    said = [{"4.10": ("yes",), "4.5b": ("no",), "4.5a": ("no", "yes"), "9" * 5000: ("?",)}, {"4.5a": ("yes", "yes")}]
    *counted, _ = predictions(record(f"s{k}", predictions=one) for k, one in enumerate(said))
    assert counted == [("4.5a", [("yes", 3), ("no", 1)]), ("4.5b", [("no", 1)]), ("4.10", [("yes", 1)])]


def test_columns_are_as_tall_as_their_numbers() -> None:
    svg = histogram_svg([("low", 0), ("middle", 2), ("high", 4)])
    box = r'<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"'
    columns = [tuple(map(float, one)) for one in re.findall(box, svg)]
    assert [height for *_, height in columns] == [0, 80, 160]
    assert {y + height for _, y, _, height in columns} == {190}  # they stand on the axis
    assert all(x + width < right for (x, _, width, _), (right, *_) in pairwise(columns))
    assert re.findall(">([^<]+)</text>", svg) == ["low", "2", "middle", "4", "high"]
    assert "points. middle: 2; high: 4." in svg
    width, height = re.findall(r'viewBox="0 0 (\d+) (\d+)"', svg)[0]
    places = [(float(x), float(y)) for x, y in re.findall(r'<text x="([\d.]+)" y="([\d.]+)"', svg)]
    assert all(0 < x < int(width) and 10 < y < int(height) for x, y in places)
    assert 'height="0.0"' in histogram_svg([("low", 0)])  # nobody's points are known


def test_a_bar_is_cut_into_the_outcomes() -> None:
    class_ = [record(f"s{k}", row("4.2"), row("4.5", "wrong" if k < 15 else "correct")) for k in range(60)]
    class_[-1] = record("s59", row("4.2", "crashed"), row("4.5"))
    svg = bars_svg(difficulties(gradebook(class_)))
    part = r'<rect x="([\d.]+)" y="(\d+)" width="([\d.]+)" height="\d+" fill="(#\w+)"'
    parts = [(float(x), float(y), float(width), color) for x, y, width, color in re.findall(part, svg)]
    assert [(y, width, color) for _, y, width, color in parts] == [
        (2, 390, COLORS["correct"]), (2, 130, COLORS["wrong"]),
        (32, 511.3, COLORS["correct"]), (32, 8.7, COLORS["crashed"]),
    ]  # fmt: skip
    assert [x for x, *_ in parts] == pytest.approx([230, 620, 230, 741.3], abs=0.1)  # no gap, no overlap
    assert re.findall(">([^<]+)</text>", svg) == [
        "4.5 accumulate", "✓ 45", "✗ 15", "75%", "4.2 initial_features", "✓ 59", "98%",
    ]  # fmt: skip
    assert "first. 4.5: 75% of the points; 4.2: 98% of the points." in svg


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("radial_basis_sum", "14.10 radial_basis_sum"),
        ("radial_basis_sums", "14.10 radial_basis_sums"),
        ("radial_basis_sum_1", "14.10 radial_basis_sum…"),
        ("<b>", "14.10 &lt;b&gt;"),
        ("\u202e", "14.10 \\u202e"),
    ],
)
def test_a_long_name_beside_a_bar_ends_in_dots(name: str, shown: str) -> None:
    one = row("4.5", exercise="14.10", name=name)
    assert f">{shown}</text>" in bars_svg(difficulties(gradebook([record("ada", one)])))
    one = replace(one, exercise='">\u202e')
    assert "first. &#34;&gt;\\u202e: 100% of" in bars_svg(difficulties(gradebook([record("ada", one)])))


def test_numbers_and_code_in_pages() -> None:
    assert [number(value) for value in (None, 0, 17.25, 123.456, 20)] == ["–", "0", "17.25", "123.5", "20"]
    assert code_spans("`a` < `b`\u202e") == "<code>a</code> &lt; <code>b</code>\\u202e"


def test_report_holds_what_an_instructor_needs() -> None:
    slow = record("sue", row("4.2"), row("4.5", "timed out"), status="timed out", notes=("4.5 was stopped.",))
    said = record("ada", predictions={"4.5": ("bundles of H",)}, notes=("Two files; the newer one.",))
    words = Page(report_html(gradebook([said, WRONG, slow, FAILED]))).words
    for wanted in ("4 students", "median 10", "You averaged x.", "bundles of H", "4.5 was stopped.", "Two files"):
        assert wanted in words
    assert "Cell was moved." in words
    assert words.index("4.5 accumulate") < words.index("4.2 initial_features")  # the hardest first
    assert str(SEED) not in words  # it may be shown on a wall


def test_each_part_of_the_report() -> None:
    versions = {"python": "3.11", "torch": "2.9"}
    ada = record("ada", predictions={"4.5": ("up", "up")}, notes=("Two files.",), sandbox="bwrap", versions=versions)
    endless = row("4.5", "timed out", message="It had no end.")
    sue = record("sue", row("4.2"), endless, status="timed out", notes=("Slow.", "It was stopped."))
    tom = record("tom", row("4.2", "crashed"), row("4.5", "crashed"), status="crashed", late=True, name="Tom Lee")
    odd, cat = (record(student, row("4.2"), row("4.5", "wrong", message="Odd.")) for student in ("odd", "cat"))
    class_ = [ada, replace(WRONG, late=True), sue, tom, odd, cat, MISSING, FAILED]
    times = (3, 1.5, 9, 2, 4, 1.5, 0, 0)
    class_ = [replace(one, seconds=seconds) for one, seconds in zip(class_, times, strict=True)]
    page = Page(report_html(gradebook(class_, [Correction("ben", "4.5", 3, "half")])))
    words = " ".join(page.words.split())
    for sentence in (
        "8 students · median 10, mean 10.5 of 20 points Median and mean are those of the 6 whose work could be read.",
        "4 graded, 1 timed out, 1 crashed, 1 missing, 1 infrastructure. 2 late.",
        "Sandbox: bwrap. python 3.11, torch 2.9.",
        "✓ correct ✗ wrong ✗ crashed ✗ timed out ? not graded At the right",
        "Before 4.5 they expected",
        "A submission took 2.5 s (median), 9.0 s at most. The slowest 6",
        "22%",
    ):
        assert sentence in words
    rows = page.rows
    assert rows[: rows.index(["Share of the points", "Students"])] == [
        ["Student", "Status", "Why", "File"],
        ["sue", "timed out", "Slow. It was stopped.", "sue.ipynb"],
        ["tom Tom Lee", "crashed", "", "tom.ipynb"],
        ["max", "missing", "", "max.ipynb"],
        ["fay", "infrastructure", "", "fay.ipynb"],
    ]
    assert ["0 %", "1"] in rows and ["50–60 %", "3"] in rows and ["60–70 %", "1"] in rows and ["100 %", "1"] in rows
    assert rows[rows.index(["100 %", "1"]) + 1 :] == [
        ["Exercise", "Mean", "correct", "wrong", "crashed", "timed out", "not graded"],
        ["4.5 accumulate", "22 %", "1", "3", "1", "1", "2"],
        ["4.2 initial_features", "83 %", "5", "0", "1", "0", "2"],
        ["Students", "Exercise", "Misconception, and what the learner was told"],
        ["1", "4.5", "meanYou averaged x.Whoben"],
        ["Students", "Exercise", "What the learner was told"],
        ["2", "4.5", "Odd.Whoodd, cat"],
        ["Times", "Prediction"],
        ["2", "up"],
        ["Student", "Exercise", "Outcome", "What the learner was told"],
        ["sue", "4.5", "timed out", "It had no end."],
        ["tom Tom Lee", "4.2", "crashed", "crashed"],
        ["tom Tom Lee", "4.5", "crashed", "crashed"],
        ["Student", "Seconds"],
        *(["sue", "9.0"], ["odd", "4.0"], ["ada", "3.0"], ["tom Tom Lee", "2.0"], ["ben", "1.5"], ["cat", "1.5"]),
        ["Student", "Exercise", "Note"],
        ["ada", "all", "Two files."],
        ["ben", "4.5", "Cell was moved."],
        ["Student", "Exercise", "Grader", "Now", "Reason"],
        ["ben", "4.5", "0", "3", "half"],
    ]
    assert ("a", {"href": f"feedback/{feedback_name('tom')}"}) in page.tags
    assert len([tag for tag, _ in page.tags if tag == "svg"]) == 2


def test_a_report_with_nothing_to_tell_says_so() -> None:
    words = Page(report_html(gradebook([replace(record("ada"), seconds=0.0)]))).words
    for heading, said in {
        "instructor": "1 students · median 20, mean 20 of 20 points 1 graded. Sandbox: none recorded.",
        "Submissions that need a person": "None.",
        "Most common misconceptions": "None was recognised.",
        "Wrong in a way that has no sentence yet": "None.",
        "Predictions": "None was made.",
        "Crashed, stopped and slow": "No answer crashed or was stopped. Notes on graded submissions None.",
        "Answers that are alike": "None that chance does not explain.",
        "Changed by hand": "Nothing. To change points, write manual.csv",
    }.items():
        assert f"{heading} {said}" in " ".join(words.split())
    assert "median –, mean – of 20 points" in Page(report_html(gradebook([FAILED]))).words


def test_long_lists_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    def one(k: int) -> Record:
        rows = row("4.2", "wrong", message=f"odd{k}"), row("4.5", "wrong", message="Bad.", misconception=f"bad{k}")
        return replace(record(f"s{k}", *rows, predictions={"4.5": (f"said{k}",)}), seconds=k)

    class_ = [one(k) for k in range(30)]
    alike = [likeness.Pair(("s1", "s2"), (f"alike{k}",), 0.01) for k in range(30)]
    monkeypatch.setattr(likeness, "pairs", lambda records: alike)
    words = Page(report_html(gradebook(class_))).words
    assert [len(set(re.findall(rf"{what}\d+", words))) for what in ("odd", "bad", "said", "alike")] == [20] * 4
    assert "The slowest 10" in words


def test_all_from_the_journal_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [one.to_json() + "\n" for one in (record("ada"), WRONG, FAILED)]
    (tmp_path / "records.jsonl").write_text("".join(replace_keys(lines)))
    main([str(tmp_path)])
    assert "3 students" in capsys.readouterr().out
    assert len(table((tmp_path / "grades.csv").read_text())) == 3
    assert not (tmp_path / "manual.log").exists()  # nothing was changed by hand
    monkeypatch.setattr(sys, "argv", ["reports", str(tmp_path)])
    (tmp_path / "grades.csv").unlink()
    runpy.run_path(reports.__file__, run_name="__main__")
    assert (tmp_path / "grades.csv").exists()
    (tmp_path / "manual.csv").write_text("student,exercise,points,reason\nben,4.5,3,half\n")
    main([str(tmp_path)])
    assert "changes from manual.csv: 1" in capsys.readouterr().out
    (tmp_path / "manual.csv").write_text("student\n")
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "manual.csv has the columns" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([str(tmp_path / "nowhere")])
    assert "name the folder of a run" in capsys.readouterr().err


def replace_keys(lines: list[str]) -> list[str]:
    """The journal keeps a line a key."""
    return [line.replace("e" * 64, str(place) * 64) for place, line in enumerate(lines)]


# ------------------------------------------------------------------------------------------------ names and blanks


UNREADABLE = record("eve", row("4.2", "not graded"), row("4.5", "not graded"), status="unreadable", notes=("Empty.",))
MISSING = record("max", row("4.2", "not graded"), row("4.5", "not graded"), status="missing")


def test_what_nobody_could_read_is_uploaded_as_nothing_until_a_person_decides(tmp_path: Path) -> None:
    for decided in (False, True):
        text = "student,exercise,points,reason\n" + "eve,4.2,6,read by hand\nmax,4.2,3,oral\n" * decided
        corrected(tmp_path, text, UNREADABLE, MISSING)
        eve, missing = table((tmp_path / "grades.csv").read_text())
        assert (eve["points"], missing["points"]) == (("6", "3") if decided else ("", "0"))
        eve, missing = table((tmp_path / "canvas.csv").read_text())[1:]
        assert (eve["day4a"], missing["day4a"]) == (("6", "3") if decided else ("", "0"))
        eve, missing = table((tmp_path / "moodle.csv").read_text())
        assert (eve["Grade"], missing["Grade"]) == (("6", "3") if decided else ("", "0"))


def test_moodle_tells_the_learner_why_there_are_no_points_and_what_a_person_said(tmp_path: Path) -> None:
    unreadable = replace(UNREADABLE, notes=("Two files.", "Empty."), n_found=1)
    text = "student,exercise,points,reason\nben,4.5,2.5,half\nmax,4.2,3,oral\n"
    corrected(tmp_path, text, WRONG, unreadable, MISSING, replace(MISSING, student="tim"))
    assert [line["Feedback comments"] for line in table((tmp_path / "moodle.csv").read_text())] == [
        "4.2 correct; 4.5 2.5 of 10 by hand: half",
        "Empty.",
        "4.2 3 of 10 by hand: oral",
        "Nothing was handed in.",
    ]


def test_the_reason_comes_before_what_the_collector_noted() -> None:
    unreadable = replace(UNREADABLE, notes=("Found by the name.", "Empty."), n_found=1)
    assert ["eve", "unreadable", "Empty. Found by the name.", "eve.ipynb"] in Page(
        report_html(gradebook([unreadable]))
    ).rows


def test_more_points_than_there_are_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "records.jsonl").write_text(WRONG.to_json() + "\n")
    (tmp_path / "manual.csv").write_text("student,exercise,points,reason\nben,4.5,50,half\nben,4.2,10,all\n")
    main([str(tmp_path)])
    assert capsys.readouterr().out.splitlines()[1:] == [
        "by hand  changes from manual.csv: 2",
        "by hand  'ben' has 50 points for 4.5, more than its 10.",
    ]


def test_who_handed_in_nothing_readable_does_not_lower_the_median() -> None:
    words = Page(report_html(gradebook([record("ada"), WRONG, UNREADABLE, MISSING]))).words
    assert "median 15, mean 15" in words and "the 2 whose work could be read" in words
    assert "could be read" not in Page(report_html(gradebook([record("ada"), WRONG]))).words


def test_names_of_the_class_list_are_shown(tmp_path: Path) -> None:
    write_reports(tmp_path, [record("1234", name="Ada Lovelace"), record("Teilnehmer/in 7", name="=Bo")])
    ada, bo = table((tmp_path / "grades.csv").read_text())
    assert (ada["name"], bo["name"]) == ("Ada Lovelace", "'=Bo")
    assert [line["Student"] for line in table((tmp_path / "canvas.csv").read_text())[1:]] == ["Ada Lovelace", "'=Bo"]
    ada, bo = table((tmp_path / "moodle.csv").read_text())
    assert (ada["Identifier"], ada["Full name"]) == ("Participant 1234", "Ada Lovelace")
    assert (bo["Identifier"], bo["Full name"]) == ("Teilnehmer/in 7", "'=Bo")
    assert "Ada Lovelace" in (tmp_path / "report.html").read_text()
    words = Page((tmp_path / "feedback" / feedback_name("1234")).read_text()).words
    assert "Feedback for Ada Lovelace 1234" in " ".join(words.split())
    assert page(record("1234")).count("1234") == 2  # in the title and the heading

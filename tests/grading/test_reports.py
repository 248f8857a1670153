"""Tables, feedback pages and the report, from records."""

import csv
import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from course.exercises import find
from course.grading.gradebook import (
    Correction,
    Gradebook,
    feedback_name,
    gradebook,
    grades_csv,
    log_corrections,
    quoted,
)
from course.grading.reports import distribution, feedback_html, main, mistakes, report_html, write_reports
from course.grading.submission import Record, Row

SEED = 914_273_655
SCRIPT = "<script>alert(1)</script>"
BUNDLES = "# exercise 4.5\ndef accumulate(messages, receivers, n_atoms):\n    return messages.mean(0)  # a < b"


def row(exercise: str, outcome: str = "correct", **more: object) -> Row:
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
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


class Page(HTMLParser):
    """Tags, and the text of a page."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.words += data


# --------------------------------------------------------------------------------------------------------- tables


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\nx", "\rx", " =1", "＝1"])
def test_formulas_are_quoted(cell: str) -> None:
    assert quoted(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["ada", "4.5 accumulate", "", "a=b", "Ørsted", "12", "é-è"])
def test_other_cells_stay(cell: str) -> None:
    assert quoted(cell) == cell


def test_no_cell_of_any_table_begins_like_a_formula(tmp_path: Path) -> None:
    evil = record('=HYPERLINK("http://x")', row("4.2"), row("4.5"), file="@SUM(A1)", notes=("-1", "x"))
    write_reports(tmp_path, [evil, record("+1,2\n=3")])
    for name in ("grades.csv", "canvas.csv", "moodle.csv"):
        text = (tmp_path / name).read_bytes().decode().removeprefix("\ufeff")
        for line in csv.reader(io.StringIO(text, newline="")):
            assert not [cell for cell in line if re.match(r"[=+\-@\t\r\n]", cell)]


def test_grades_have_a_column_an_exercise() -> None:
    late = record("ada", late=True)
    ada, ben, fay = table(grades_csv(gradebook([late, WRONG, FAILED])))
    assert (ada["4.2 initial_features"], ada["4.5 accumulate"], ada["points"], ada["of"]) == ("10", "10", "20", "20")
    assert (ada["late"], ben["late"]) == ("late", "")
    assert (ben["4.5 accumulate"], ben["points"]) == ("0", "10")
    assert (fay["4.5 accumulate"], fay["points"], fay["status"]) == ("", "", "infrastructure")  # not a zero


def test_tables_for_canvas_and_moodle(tmp_path: Path) -> None:
    write_reports(tmp_path, [record("1234"), record("ada@uni.edu"), FAILED])
    possible, number, email, failed = table((tmp_path / "canvas.csv").read_text())
    assert (possible["Student"].strip(), possible["day4a"]) == ("Points Possible", "20")
    assert (number["ID"], number["SIS Login ID"], number["day4a"]) == ("1234", "", "20")
    assert (email["ID"], email["SIS Login ID"], failed["day4a"]) == ("", "ada@uni.edu", "")
    number, email, failed = table((tmp_path / "moodle.csv").read_text())
    assert (number["Username"], email["Email address"], email["Grade"], failed["Grade"]) == (
        "1234",
        "ada@uni.edu",
        "20",
        "",
    )


def test_a_later_record_of_a_student_replaces_the_earlier() -> None:
    book = gradebook([WRONG, record("ada"), record("ben")])
    assert [(r.student, book.total(r)) for r in book.records] == [("ben", 20), ("ada", 20)]


def test_records_of_two_lessons_are_refused() -> None:
    with pytest.raises(ValueError, match="several lessons, day4a, day4b"):
        gradebook([record("ada"), record("ben", lesson="day4b")])
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
    for text in ("ben,4.5,7,good\n", "ben,4.5,7,good\n", "ben,4.5,8,better\n", "", ""):
        corrected(tmp_path, head + text, WRONG)
    logged = [json.loads(line) for line in (tmp_path / "manual.log").read_text().splitlines()]
    assert [(line["before"], line["points"], line["reason"]) for line in logged] == [
        (0, 7, "good"), (0, 8, "better"), (8, None, "withdrawn"),
    ]  # fmt: skip


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


def test_a_german_spreadsheet_is_understood(tmp_path: Path) -> None:
    text = "\ufeffStudent;Exercise;Points;Reason\r\nben;4.5;7,5;gut, aber spät\r\n;;;\r\n"
    book = corrected(tmp_path, text, WRONG)
    assert book.total(book.records[0]) == 17.5


def test_a_name_that_was_quoted_is_understood(tmp_path: Path) -> None:
    book = corrected(tmp_path, "student,exercise,points,reason\n'=ben,4.5,7,good\n", replace(WRONG, student="=ben"))
    assert book.total(book.records[0]) == 17


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("who,exercise,points,reason\n", "expected"),
        ("student,exercise,points,reason\nzoe,4.5,7,good\n", "no student 'zoe'"),
        ("student,exercise,points,reason\nben,4.9,7,good\n", "no exercise '4.9'; there are 4.2 initial_features"),
        ("student,exercise,points,reason\nben,4.5,nan,good\n", "line 2: the points are 'nan'"),
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


def test_feedback_shows_all_predictions_of_an_exercise() -> None:
    said = {"4.5a": ("bundles of H",), "4.5b": ("nothing",), "4.2": ("0 eV",), "14.5": ("a hexagon",)}
    words = Page(page(replace(WRONG, predictions=said))).words
    assert "You predicted for 4.5: bundles of H; nothing" in words and "a hexagon" not in words


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
    html = page(record("ada", *rows, status=status, notes=("The file is empty.",)))
    assert words in html and "Everything is right" not in html
    assert ("The file is empty." in html) == (status == "unreadable")
    assert ("of 20 points" in html) == (status != "infrastructure")


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
        ids = [a["id"] for _, a in tags if "id" in a]
        assert len(ids) == len(set(ids)) and all(link[1:] in ids for link in links if link[0] == "#")


@pytest.mark.parametrize(
    "student", ["../../etc/passwd", "a/b\\c", "CON", "", ".", "x" * 300, "Zoë Ørsted", "a\nb", "\udcff"]
)
def test_names_of_pages_are_ours(tmp_path: Path, student: str) -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,40}-[0-9a-f]{10}\.html", feedback_name(student))
    write_reports(tmp_path, [record(student)])
    assert [path.name for path in (tmp_path / "feedback").iterdir()] == [feedback_name(student)]


def test_students_with_alike_names_have_pages_of_their_own() -> None:
    assert len({feedback_name(name) for name in ("Ada", "ada", "a d a", "áda", "ada ")}) == 5


# --------------------------------------------------------------------------------------------------------- report


def test_distribution_has_places_for_nothing_and_everything() -> None:
    counts = dict(distribution([0, 0, 0.1, 10, 19.9, 20, 25], 20))
    assert {label: count for label, count in counts.items() if count} == {
        "0 %": 2, "0–10 %": 1, "50–60 %": 1, "90–100 %": 1, "100 %": 2,
    }  # fmt: skip
    assert sum(count for _, count in distribution([k / 100 for k in range(101)], 1)) == 101


def test_mistakes_are_counted() -> None:
    other = record("cat", row("4.2"), row("4.5", "wrong", message="✗ 4.5 Some values are not the expected ones."))
    known, unknown = mistakes([WRONG, replace(WRONG, student="bob"), other, record("ada")])
    assert [(m.exercise, m.name, m.sentence, m.students) for m in known] == [
        ("4.5", "mean", "You averaged `x`.", ("ben", "bob"))
    ]
    assert [(m.name, m.sentence, m.students) for m in unknown] == [
        ("", "Some values are not the expected ones.", ("cat",))
    ]


def test_report_holds_what_an_instructor_needs() -> None:
    slow = record("sue", row("4.2"), row("4.5", "timed out"), status="timed out", notes=("4.5 was stopped.",))
    said = record("ada", predictions={"4.5": ("bundles of H",)}, notes=("Two files; the newer one.",))
    words = Page(report_html(gradebook([said, WRONG, slow, FAILED]))).words
    for wanted in ("4 students", "median 10", "You averaged x.", "bundles of H", "4.5 was stopped.", "Two files"):
        assert wanted in words
    assert "Cell was moved." in words
    assert words.index("4.5 accumulate") < words.index("4.2 initial_features")  # the hardest first
    assert str(SEED) not in words  # it may be shown on a wall


def test_all_from_the_journal_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [one.to_json() + "\n" for one in (record("ada"), WRONG, FAILED)]
    (tmp_path / "records.jsonl").write_text("".join(replace_keys(lines)))
    main([str(tmp_path)])
    assert "3 students" in capsys.readouterr().out
    assert len(table((tmp_path / "grades.csv").read_text())) == 3
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
        text = "student,exercise,points,reason\n" + "eve,4.2,6,read by hand\n" * decided
        corrected(tmp_path, text, UNREADABLE, MISSING)
        eve, missing = table((tmp_path / "canvas.csv").read_text())[1:]
        assert (eve["day4a"], missing["day4a"]) == ("6" if decided else "", "0")
        eve, missing = table((tmp_path / "moodle.csv").read_text())
        assert (eve["Grade"], missing["Grade"]) == ("6" if decided else "", "0")


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
    assert "Feedback for Ada Lovelace" in Page((tmp_path / "feedback" / feedback_name("1234")).read_text()).words

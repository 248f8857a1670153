"""Points by student and exercise: corrections by hand, and tables for a spreadsheet, Canvas and Moodle.

    book = gradebook(records, read_manual(out / "manual.csv"))
    book.total("ada")

`manual.csv` has the columns student, exercise, points, reason. What it says always wins.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from course.files import write_whole
from course.grading.submission import Record, Row

MANUAL_COLUMNS = ("student", "exercise", "points", "reason")
FORMULA = re.compile(r"[\s\0]*[=+\-@＝＋－＠]|[\t\r\n]")  # what a spreadsheet may take for a formula
HIDDEN = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ud800-\udfff\ufeff]"
)
Cell = str | float | int | None


@dataclass(frozen=True)
class Correction:
    """A line of manual.csv; `before` is what the grader had said."""

    student: str
    exercise: str
    points: float
    reason: str
    before: float | None = None


@dataclass(frozen=True)
class Gradebook:
    """The records with all corrections in them; every record has a row for each exercise."""

    lesson: str
    records: tuple[Record, ...]
    exercises: dict[str, Row] = field(default_factory=dict)  # "4.5" -> any row of it: its name, its points
    corrections: dict[tuple[str, str], Correction] = field(default_factory=dict)  # by student and exercise

    @property
    def max_points(self) -> float:
        return sum(row.max_points for row in self.exercises.values())

    def correction(self, record: Record, row: Row) -> Correction | None:
        return self.corrections.get((record.student, row.exercise))

    def points(self, record: Record, row: Row) -> float | None:
        """None where the grader failed, or the file is no notebook of this lesson, and nobody has decided."""
        if record.status not in ("infrastructure", "unreadable"):
            return row.points
        looked_at = record.rows if record.status == "unreadable" else (row,)  # who opens a file sees all of it
        return row.points if any(self.correction(record, one) for one in looked_at) else None

    def total(self, record: Record) -> float | None:
        """None while the points of an exercise are not known: a failure of the grader is no zero, nor a wrong file."""
        points = [self.points(record, row) for row in record.rows]
        return None if None in points else sum(p for p in points if p is not None)

    def known_total(self, record: Record) -> float | None:
        """None too where nothing was handed in and nobody has given points."""
        is_known = record.status != "missing" or any(self.correction(record, row) for row in record.rows)
        return self.total(record) if is_known else None

    def said_of_corrections(self) -> list[str]:
        """How many there are, and which give more than an exercise has: extra points, or a slip of the pen."""
        lines = [f"changes from manual.csv: {len(self.corrections)}"] if self.corrections else []
        for one in self.corrections.values():
            if one.points > (most := self.exercises[one.exercise].max_points):
                lines.append(f"{one.student!r} has {one.points:g} points for {one.exercise}, more than its {most:g}.")
        return lines


def gradebook(records: Iterable[Record], corrections: Iterable[Correction] = ()) -> Gradebook:
    """The last record of each student, corrected.

    Raises ValueError where a correction is of a student or an exercise that there is not.
    """
    by_student = {record.student: record for record in records}
    if not by_student:
        raise ValueError("There are no records: nothing has been graded yet.")
    lessons = {record.lesson for record in by_student.values()}
    if len(lessons) > 1:
        raise ValueError(f"The records are of several lessons, {', '.join(sorted(lessons))}: one folder a lesson.")
    exercises: dict[str, Row] = {}
    for record in by_student.values():
        for row in record.rows:
            exercises.setdefault(row.exercise, row)
    for student, record in by_student.items():
        own = {row.exercise: row for row in record.rows}
        rows = [
            own.get(e) or Row(e, r.name, 0, r.max_points, "not graded", "Not graded.") for e, r in exercises.items()
        ]
        by_student[student] = replace(record, rows=tuple(rows))
    names = {quoted(student): student for student in by_student} | {student: student for student in by_student}
    applied: dict[tuple[str, str], Correction] = {}
    for one in corrections:
        if one.student not in names:
            raise ValueError(f"manual.csv: there is no student {one.student!r}; take the name from grades.csv.")
        student, exercise = names[one.student], _exercise(one.exercise, exercises)
        if (student, exercise) in applied:
            raise ValueError(f"manual.csv: {student!r} has two lines for {exercise}; keep the one that holds.")
        record = by_student[student]
        before = None if record.status == "infrastructure" else record.row(exercise).points
        applied[student, exercise] = replace(one, student=student, exercise=exercise, before=before)
        rows = [replace(row, points=one.points) if row.exercise == exercise else row for row in record.rows]
        by_student[student] = replace(record, rows=tuple(rows))
    return Gradebook(lessons.pop(), tuple(by_student.values()), exercises, applied)


def _exercise(words: str, exercises: dict[str, Row]) -> str:
    """A spreadsheet makes a date or 4.1 of "4.10", so the heading of grades.csv and the bare name will do too."""
    for exercise, row in exercises.items():
        if words in (exercise, heading(row), row.name):
            return exercise
    known = ", ".join(heading(row) for row in exercises.values())
    raise ValueError(f"manual.csv: there is no exercise {words!r}; there are {known}.")


def heading(row: Row) -> str:
    return f"{row.exercise} {row.name}"


# ---------------------------------------------------------------------------------------------------- corrections


def read_manual(path: Path) -> list[Correction]:
    """The lines of manual.csv, none where there is no such file. Raises ValueError where one cannot be understood."""
    if not path.exists():
        return []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not UTF-8 text: save it as CSV UTF-8.") from error
    delimiter = max(",;\t", key=text.partition("\n")[0].count)  # a German spreadsheet writes semicolons
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    header = tuple(name.strip().lower() for name in reader.fieldnames or ())
    if header != MANUAL_COLUMNS:
        raise ValueError(f"{path.name} has the columns {header}, expected {MANUAL_COLUMNS}.")
    reader.fieldnames = header
    corrections = []
    for line in reader:
        where = f"{path.name}, line {reader.line_num}"
        if None in line or None in line.values():
            raise ValueError(f"{where}: expected {len(header)} cells; put a reason that has a {delimiter!r} in quotes.")
        if not any(value.strip() for value in line.values()):
            continue
        number = line["points"]
        try:
            points = float(number.replace(",", "."))
        except ValueError:
            points = math.nan
        if not 0 <= points < math.inf:
            raise ValueError(f"{where}: the points are {number!r}, expected a number, 0 or more.")
        if not line["reason"].strip():
            raise ValueError(f"{where}: the reason is missing; the learner will read it.")
        corrections.append(
            Correction(line["student"].strip(), line["exercise"].strip(), points, line["reason"].strip())
        )
    return corrections


def log_corrections(book: Gradebook, path: Path) -> None:
    """Add to `path`, a line of JSON each, what has changed since the last time: new, other and withdrawn ones."""
    last: dict[tuple[str, str], dict[str, Cell]] = {}
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for line in text.splitlines():
        old = json.loads(line)
        last[old["student"], old["exercise"]] = old
    now = datetime.now(UTC).isoformat(timespec="seconds")
    lines: list[dict[str, Cell]] = []
    for (student, exercise), one in book.corrections.items():
        new = {"student": student, "exercise": exercise, "before": one.before, "points": one.points}
        new["reason"] = one.reason
        if {name: value for name, value in last.get((student, exercise), {}).items() if name != "time"} != new:
            lines.append({"time": now, **new})
    for (student, exercise), old in last.items():
        if (student, exercise) not in book.corrections and old["points"] is not None:
            withdrawn = {"before": old["points"], "points": None, "reason": "withdrawn"}
            lines.append({"time": now, "student": student, "exercise": exercise, **withdrawn})
    if lines:
        text += "".join(json.dumps(line) + "\n" for line in lines)
        write_whole(path, text)


# --------------------------------------------------------------------------------------------------------- tables


def grades_csv(book: Gradebook) -> str:
    """A line a student, a column an exercise."""
    header = ["student", "name", *map(heading, book.exercises.values()), "points", "of", "status", "late"]
    lines: list[Sequence[Cell]] = [[*header, "changed by hand", "file", "feedback", "notes"]]
    for record in book.records:
        changed = [f"{c.exercise}: {c.reason}" for c in (book.correction(record, row) for row in record.rows) if c]
        points = [_number(book.points(record, row)) for row in record.rows]
        line = [record.student, record.name, *points, _number(book.total(record)), _number(book.max_points)]
        line += [record.status, "late" if record.late else "", "; ".join(changed), record.file]
        lines.append([*line, f"feedback/{feedback_name(record.student)}", " ".join(record.notes)])
    return _table(lines)


def canvas_csv(book: Gradebook) -> str:
    """For the import of Canvas's gradebook. A number is taken for Canvas's own id, anything else for the login.

    The cell is empty, which leaves Canvas's grade as it is, where the work cannot be read and nobody has decided.
    """
    lines: list[Sequence[Cell]] = [["Student", "ID", "SIS User ID", "SIS Login ID", "Section", book.lesson]]
    lines.append(["    Points Possible", "", "", "", "", _number(book.max_points)])
    for record in book.records:
        is_id = re.fullmatch("[0-9]+", record.student) is not None
        id, login = (record.student, "") if is_id else ("", record.student)
        lines.append([record.name or record.student, id, "", login, "", _number(book.total(record))])
    return _table(lines)


def moodle_csv(book: Gradebook) -> str:
    """For Moodle: as the grading worksheet of an assignment, or as an import of grades by e-mail or user name."""
    header = ["Identifier", "Full name", "Username", "Email address", "Grade", "Maximum Grade", "Feedback comments"]
    lines: list[Sequence[Cell]] = [header]
    for record in book.records:
        email = record.student if "@" in record.student[1:] else ""
        rows = [row for row in record.rows if book.correction(record, row)]  # of what nobody could read
        rows = rows if record.status in ("missing", "unreadable") else list(record.rows)
        words = "; ".join(_in_words(book, record, row) for row in rows)
        if not words:
            words = "Nothing was handed in." if record.status == "missing" else " ".join(record.notes[record.n_found :])
        is_number = re.fullmatch("[0-9]+", record.student) is not None
        who = [f"Participant {record.student}" if is_number else record.student, record.name]
        who += ["" if email else record.student, email]
        lines.append([*who, _number(book.total(record)), _number(book.max_points), words])
    return _table(lines)


def _in_words(book: Gradebook, record: Record, row: Row) -> str:
    if one := book.correction(record, row):
        return f"{row.exercise} {_number(one.points)} of {_number(row.max_points)} by hand: {one.reason}"
    return f"{row.exercise} {row.outcome}"


def feedback_name(student: str) -> str:
    """The name of a student's feedback page: letters, digits and a hash, whatever the student is called."""
    ascii = unicodedata.normalize("NFKD", student).encode("ascii", "ignore").decode()
    slug = re.sub("[^a-z0-9]+", "-", ascii.lower()).strip("-")[:40] or "student"
    return f"{slug}-{hashlib.sha256(student.encode('utf-8', 'surrogatepass')).hexdigest()[:10]}.html"


def quoted(cell: str) -> str:
    """The cell with a ' in front where a spreadsheet would compute it."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def visible(text: str) -> str:
    """The text with characters that cannot be seen, or that turn the reading direction, written out: \\u202e."""
    return HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _number(value: float | None) -> Cell:
    return "" if value is None else int(value) if value == int(value) else round(value, 3)


def _table(lines: Iterable[Sequence[Cell]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([visible(quoted(cell)) if isinstance(cell, str) else cell for cell in line] for line in lines)
    return text.getvalue()

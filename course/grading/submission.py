"""A submission, and what is written down about it: plain data, JSON in and out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

Status = Literal["graded", "crashed", "timed out", "unreadable", "missing", "infrastructure"]
STATUSES: tuple[Status, ...] = get_args(Status)
RowOutcome = Literal["correct", "not attempted", "wrong", "handed over", "crashed", "timed out", "not graded"]
ROW_OUTCOMES: tuple[RowOutcome, ...] = get_args(RowOutcome)


@dataclass(frozen=True)
class Submission:
    """One notebook, as it was handed in. The name of the file is only shown: nobody opens it again."""

    student: str
    file: str
    data: bytes
    late: bool = False
    notes: tuple[str, ...] = ()  # of the collector: "two files, the newer one was taken"
    name: str = ""  # of the student, where it is known
    refused: str = ""  # why nothing was opened
    missing: bool = False  # nothing was handed in

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.data or self.refused.encode("utf-8", "surrogatepass")).hexdigest()

    def key(self, template: str, seed: int) -> str:
        """Equal for the same work of the same student under the same template and seed: graded once is enough."""
        work = "missing" if self.missing else self.hash  # an empty file is no missing one
        parts = json.dumps([self.student, work, template, seed])
        return hashlib.sha256(parts.encode()).hexdigest()


@dataclass(frozen=True)
class Row:
    """One exercise of one submission."""

    exercise: str  # "4.5"
    name: str  # "accumulate"
    points: float
    max_points: float
    outcome: RowOutcome
    message: str  # for the learner; holds no expected value and no input
    misconception: str | None = None  # its name, for the statistics
    notes: tuple[str, ...] = ()  # for the instructor
    answer: str = ""  # the learner's source


@dataclass(frozen=True)
class Record:
    """What came out for one submission.

    status   graded          every exercise was judged
             crashed         an exercise ended the kernel; the others were judged without it
             timed out       an exercise, or the whole notebook, took too long; likewise
             unreadable      the file is no notebook of this lesson: a person must look, 0 points until then
             missing         a student on the roster who handed in nothing
             infrastructure  the grader failed, not the student: no points are said, grade again
    """

    student: str
    lesson: str  # "day4a_molecular_graph"
    status: Status
    rows: tuple[Row, ...] = ()
    file: str = ""
    late: bool = False
    notes: tuple[str, ...] = ()
    predictions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # "4.5" -> what the learner expected
    seconds: float = 0.0  # wall time, all runs of this submission
    sandbox: str = ""  # what the kernel was kept in, in words
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    hash: str = ""  # sha256 of the file
    template: str = ""  # sha256 of lesson and solution
    key: str = ""  # of Submission.key
    name: str = ""  # of the student, where it is known; `student` is the id
    n_found: int = 0  # how many of the notes are the collector's; they come first

    def seen_again(self, submission: Submission) -> Record:
        """What the collector says now of the same work: the class list may be another, or the name of the file."""
        return replace(
            self,
            student=submission.student,
            name=submission.name,
            file=submission.file,
            late=submission.late,
            notes=(*submission.notes, *self.notes[self.n_found :]),
            n_found=len(submission.notes),
        )

    @property
    def points(self) -> float | None:
        """The sum, None where the grader failed."""
        return None if self.status == "infrastructure" else sum(row.points for row in self.rows)

    @property
    def max_points(self) -> float:
        return sum(row.max_points for row in self.rows)

    @property
    def needs_attention(self) -> bool:
        return self.status != "graded"

    def row(self, exercise: str) -> Row:
        """Raises KeyError where there is none."""
        for row in self.rows:
            if row.exercise == exercise:
                return row
        raise KeyError(f"{self.student} has no exercise {exercise}; there are {[row.exercise for row in self.rows]}.")

    def without_time(self) -> Record:
        """All that must be the same when it is graded again."""
        return replace(self, seconds=0.0)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self), ensure_ascii=True, sort_keys=True)

    @classmethod
    def from_json(cls, line: str | bytes) -> Record:
        """Raises ValueError where the line is not a whole record, as after a crash in the middle of writing."""
        try:
            data: dict[str, Any] = json.loads(line)
            rows = tuple(Row(**{**row, "notes": tuple(row["notes"])}) for row in data.pop("rows"))
            predictions = {exercise: tuple(said) for exercise, said in data.pop("predictions").items()}
            record = cls(**{**data, "rows": rows, "notes": tuple(data["notes"]), "predictions": predictions})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"This is not a record: {error!r}.") from error
        if record.status not in STATUSES:
            raise ValueError(f"This is not a record: the status is {record.status!r}, expected one of {STATUSES}.")
        for row in rows:
            if row.outcome not in ROW_OUTCOMES:
                words = f"the outcome of {row.exercise} is {row.outcome!r}, expected one of {ROW_OUTCOMES}"
                raise ValueError(f"This is not a record: {words}.")
        return record

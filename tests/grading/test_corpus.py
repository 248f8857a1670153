"""The adversarial corpus: every submission gets what it deserves, and nothing outlives it."""

import os
import time
from pathlib import Path

import psutil
import pytest

from course.grading.grader import Assignment, grade
from course.grading.sandbox import FIRST_UID
from course.grading.submission import Submission
from tests.grading.corpus import CASES, EXERCISES, Case

EVERYTHING = "COURSE_ADVERSARIAL" in os.environ  # `make adversarial`


@pytest.mark.parametrize("case", [case for case in CASES if case.fast or EVERYTHING], ids=lambda case: case.name)
def test_case(case: Case, assignment: Assignment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "of the instructor")
    before = traces()
    record = grade(assignment, Submission("somebody", "a.ipynb", case.data))
    said = [*record.notes, *(row.message for row in record.rows), *(note for row in record.rows for note in row.notes)]
    wanted = {exercise: case.outcomes.get(exercise, "correct") for exercise in EXERCISES}
    got = {row.exercise: row.outcome for row in record.rows}
    for exercise, outcome in wanted.items():
        if outcome == "*":  # either way is well, a point is not
            assert got[exercise] != "correct", said
    assert {e: o for e, o in got.items() if wanted[e] != "*"} == {e: o for e, o in wanted.items() if o != "*"}, said
    assert case.status in (record.status, "*"), said
    assert case.note in "\n".join(said)
    assert case.outcomes == {} or any(said), "the reason must be in the record"
    end = time.monotonic() + 5  # the dead are buried by the kernel of the system, a moment later
    while traces() != before and time.monotonic() < end:
        time.sleep(0.02)
    assert traces() == before, "something is left over"


def traces() -> tuple[list[str], list[str]]:
    """Processes of kernels, and files in the temporary folder."""
    users = [p.info["uids"] for p in psutil.process_iter(["uids"]) if p.info["uids"]]
    alive = [str(uids.real) for uids in users if uids.real >= FIRST_UID]
    return alive, sorted(path.name for path in Path("/tmp").glob(f"course-grade-{os.getpid()}-*"))


def test_names_are_unique():
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))

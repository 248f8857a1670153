"""SIGKILL to any process below the grader, while a notebook runs: it is graded again, and nobody gets a zero for it.

`python -m benchmarks.grading killed` does the same to `course grade` itself, with a full disk too.
"""

import os
import threading
import time
from pathlib import Path

import pytest

from benchmarks.grading import below
from course.grading.grader import Assignment, Journal, grade_all
from course.grading.submission import Submission
from tests.grading.corpus import around

EVERYTHING = "COURSE_ADVERSARIAL" in os.environ


@pytest.mark.parametrize("what", ["pytest", *(["fork server", "kernel", "sandbox"] if EVERYTHING else [])])
def test_killed_process_is_nobodys_zero(what: str, assignment: Assignment, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill() -> None:
        end = time.monotonic() + 60
        while not killed and time.monotonic() < end:
            if below(os.getpid(), "kernel"):  # it is in the middle
                for process in below(os.getpid(), what):
                    process.kill()
                    killed.append(process.pid)
                    return
            time.sleep(0.01)

    thread = threading.Thread(target=kill)
    thread.start()
    slow = Submission("s", "s.ipynb", around("import time; time.sleep(3)"))
    journal = Journal(tmp_path / "records.jsonl")
    (record,) = grade_all(assignment, [slow], journal)
    thread.join()
    assert killed
    assert (record.status, record.points) == ("graded", assignment.max_points), record
    assert len(journal.path.read_bytes().splitlines()) == 1

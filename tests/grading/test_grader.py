"""Many submissions: nothing lost, nothing twice, and the grader's failures are nobody's zero."""

import json
import os
import resource
import subprocess
import tempfile
from dataclasses import replace
from typing import Any

import psutil
import pytest

from course.grading import forking, grader
from course.grading.grader import (
    Infrastructure,
    Journal,
    Threads,
    alone_in,
    grade,
    grade_all,
    prepare,
    records_of,
    seed_of,
    write_students,
)
from course.grading.running import remove_of_the_dead
from course.grading.sandbox import SandboxError, choose
from course.grading.submission import Record, Row, Submission
from tests.grading.corpus import BLANK, SOLUTION, around, as_bytes, with_answer


def submissions(n):
    return [Submission(f"s{k}", f"{k}.ipynb", b"%d" % k) for k in range(n)]


def fake(*arguments: Any, **options: Any) -> Any:
    return Fake(*arguments, **options)


class Fake:
    """An assignment whose grading is only counted."""

    hash, seed = "h", 1

    def __init__(self, monkeypatch, status=lambda submission, time: "graded", stop_after=1000):
        self.graded, self.status, self.stop_after = [], status, stop_after
        monkeypatch.setattr(grader, "grade", self.grade)

    def grade(self, assignment, submission):
        self.graded.append(submission.student)
        if len(self.graded) > self.stop_after:
            raise KeyboardInterrupt
        status = self.status(submission, self.graded.count(submission.student))
        row = Row("4.5", "accumulate", 10, 10, "correct", "")
        key = submission.key(self.hash, self.seed)
        return Record(submission.student, "l", status, (row,), notes=("n",), key=key)


def test_stopped_and_started_again_grades_exactly_the_rest(monkeypatch, tmp_path):
    one = fake(monkeypatch, stop_after=4)
    with pytest.raises(KeyboardInterrupt):
        grade_all(one, submissions(10), Journal(tmp_path / "r.jsonl"))
    again = fake(monkeypatch)
    records = grade_all(again, submissions(10), Journal(tmp_path / "r.jsonl"))
    assert again.graded == [f"s{k}" for k in range(4, 10)]
    assert [record.student for record in records] == [f"s{k}" for k in range(10)]
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 10


@pytest.mark.parametrize("lost", [10, 1])  # with the last byte goes the line's end
def test_half_a_line_at_the_end_is_graded_again(monkeypatch, tmp_path, lost):
    grade_all(fake(monkeypatch), submissions(3), Journal(tmp_path / "r.jsonl"))
    text = (tmp_path / "r.jsonl").read_bytes()
    (tmp_path / "r.jsonl").write_bytes(text[:-lost])
    again = fake(monkeypatch)
    grade_all(again, submissions(3), Journal(tmp_path / "r.jsonl"))
    assert again.graded == ["s2"]
    assert (tmp_path / "r.jsonl").read_bytes() == text


def test_full_disk_leaves_no_half_line(monkeypatch, tmp_path):
    journal = Journal(tmp_path / "r.jsonl")
    grade_all(fake(monkeypatch), submissions(1), journal)
    before = journal.path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        grade_all(fake(monkeypatch), submissions(2), journal)
    assert journal.path.read_bytes() == before


def test_failure_of_the_grader_is_tried_again_and_never_a_zero(monkeypatch, tmp_path):
    one = fake(monkeypatch, lambda it, time: "infrastructure" if it.student == "s1" and time == 1 else "graded")
    records = grade_all(one, submissions(3), Journal(tmp_path / "r.jsonl"), Threads(2))
    assert [record.status for record in records] == ["graded"] * 3
    one = fake(monkeypatch, lambda it, time: "infrastructure" if it.student == "s1" else "graded")
    records = grade_all(one, submissions(3), Journal(tmp_path / "q.jsonl"))
    assert records[1].points is None
    again = fake(monkeypatch)
    records = grade_all(again, submissions(3), Journal(tmp_path / "q.jsonl"))  # with --resume
    assert again.graded == ["s1"] and records[1].points == 10


def test_gives_up_where_everything_fails_and_not_before(monkeypatch, tmp_path):
    one = fake(monkeypatch, lambda it, time: "infrastructure")
    with pytest.raises(Infrastructure, match="5 times in a row"):
        grade_all(one, submissions(20), Journal(tmp_path / "r.jsonl"))
    one = fake(monkeypatch, lambda it, time: "infrastructure" if int(it.student[1:]) % 5 else "graded")
    records = grade_all(one, submissions(20), Journal(tmp_path / "q.jsonl"))
    assert [record.status for record in records].count("graded") == 4


def test_same_work_is_graded_once(monkeypatch, tmp_path):
    one = fake(monkeypatch)
    records = grade_all(one, submissions(2) * 2, Journal(tmp_path / "r.jsonl"))
    assert one.graded == ["s0", "s1"]
    assert [record.student for record in records] == ["s0", "s1", "s0", "s1"]


def test_timed_out_beside_others_is_run_once_more_alone(monkeypatch, tmp_path):
    one = fake(monkeypatch, lambda it, time: "timed out" if it.student == "s0" and time == 1 else "graded")
    records = grade_all(one, submissions(4), Journal(tmp_path / "r.jsonl"), Threads(2))
    assert [record.status for record in records] == ["graded"] * 4
    assert one.graded[-1] == "s0" and one.graded.count("s0") == 2
    one = fake(monkeypatch, lambda it, time: "timed out")
    grade_all(one, submissions(2), Journal(tmp_path / "q.jsonl"), Threads(1))  # it was alone
    assert one.graded == ["s0", "s1"]


def test_a_run_keeps_its_seed(tmp_path):
    lesson = tmp_path / "l.ipynb"
    seed = seed_of(tmp_path / "out", lesson, None, resume=False)
    assert seed_of(tmp_path / "out", lesson, None, resume=False) != seed, "nothing was graded with it"
    seed = seed_of(tmp_path / "out", lesson, None, resume=False)
    (tmp_path / "out/records.jsonl").touch()
    assert seed_of(tmp_path / "out", lesson, None, resume=True) == seed
    with pytest.raises(ValueError, match="--resume"):
        seed_of(tmp_path / "out", lesson, None, resume=False)
    with pytest.raises(ValueError, match="another folder"):
        seed_of(tmp_path / "out", lesson, seed + 1, resume=True)
    with pytest.raises(ValueError, match=r"a run of l with seed .* another folder"):
        seed_of(tmp_path / "out", tmp_path / "other.ipynb", None, resume=True)
    assert (tmp_path / "out/run.json").stat().st_mode & 0o077 == 0


def test_what_a_killed_grader_left_is_removed_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = [
        f"course-grade-{dead.pid}-a",
        f"course-grade-{os.getpid()}-a",
        "course-grade-x-a",
        f"course-other-{dead.pid}-a",
    ]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / f"course-fork-{dead.pid}-link").symlink_to(tmp_path / names[2])
    remove_of_the_dead()
    assert not (tmp_path / names[0]).exists() and all((tmp_path / name).exists() for name in names[1:])


def test_a_grader_in_a_container_leaves_the_others_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder, lock = forking.own_folder("grade")
    monkeypatch.setattr(psutil, "pid_exists", lambda pid: False)  # nobody outside is seen
    remove_of_the_dead()
    assert folder.exists()
    os.close(lock)
    remove_of_the_dead()
    assert not folder.exists()


def test_unknown_sandbox():
    with pytest.raises(SandboxError, match="no sandbox 'jail'"):
        choose("jail")


# -------------------------------------------------------------------------------------------------- with a kernel


def test_same_submission_same_record(assignment):
    one = Submission("=1+1\n", "a.ipynb", as_bytes(SOLUTION))
    first, second = grade(assignment, one), grade(assignment, one)
    assert first.without_time() == second.without_time()
    assert first.points == assignment.max_points == 35
    assert json.loads(first.to_json())["student"] == "=1+1\n"


def test_canary_stops_a_broken_grader(small):
    lesson, _ = small
    with pytest.raises(Infrastructure, match="Nothing was graded"):
        prepare(lesson, lesson, choose("bwrap"))


def test_kernel_that_cannot_start_is_no_zero(assignment):
    broken = replace(assignment, limits=replace(assignment.limits, memory_mb=20), forked=False)
    record = grade(broken, Submission("a", "a.ipynb", as_bytes(SOLUTION)))
    assert record.status == "infrastructure" and record.points is None
    assert "kernel" in record.notes[-1]


@pytest.mark.parametrize("error", [RecursionError("too deep"), OSError("no space")])
def test_a_mistake_of_ours_is_nobodys_zero_and_stops_nobody(assignment, monkeypatch, tmp_path, error):
    def merge(template, notebook):
        if len(notebook.cells) == 1:
            raise error
        return whole(template, notebook)

    whole = grader.merge
    monkeypatch.setattr(grader, "merge", merge)
    strange = {"nbformat": 4, "cells": [{"cell_type": "code", "source": "x"}]}
    works = [Submission("a", "a", json.dumps(strange).encode()), Submission("b", "b", as_bytes(BLANK))]
    first, second = grade_all(assignment, works, Journal(tmp_path / "r.jsonl"))
    assert (first.status, second.status) == ("unreadable", "graded")
    assert first.notes[-1] == f"The grader cannot take it apart: {type(error).__name__}: {error}."
    assert second.points == 0


def test_slow_way_and_no_sandbox_give_the_same_points(assignment):
    data = around("", "def accumulate(m, r, n): return m.sum()")
    rows = [row.outcome for row in grade(assignment, Submission("a", "a", data)).rows]
    for other in (replace(assignment, forked=False), replace(assignment, forked=False, sandbox=choose("none"))):
        record = grade(other, Submission("a", "a", data))
        assert [row.outcome for row in record.rows] == rows, record


def test_many_submissions_leave_nothing_behind(assignment):
    good, bad = Submission("g", "g", as_bytes(BLANK)), Submission("b", "b", around("import os; os._exit(0)"))
    grade(assignment, good)

    def held():
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    before, memory = held(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(10):
        grade(assignment, bad if number % 3 == 0 else good)
    assert held() == before
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < memory + 50_000  # kB


def test_an_answer_that_calls_a_wrong_one_is_judged_for_itself(assignment):
    calls = "def accumulate(m, r, n):\n    x = initial_features(torch.tensor([1]), [1], 3)\n"
    right = calls + "    return torch.zeros(n, m.shape[1], dtype=m.dtype).index_add(0, r, m) + 0 * x.sum()"
    wrong = calls + "    return torch.ones(n, m.shape[1]) + 0 * x.sum()"
    for first in ("def initial_features(*a): return 1 / 0", "import os; os._exit(0)", None):
        for second, outcome in ((right, "correct"), (wrong, "wrong")):
            data = with_answer("4.5", second)
            if first:
                data = with_answer("4.2", first, json.loads(data))
            row = grade(assignment, Submission("a", "a.ipynb", data)).row("4.5")
            assert row.outcome == outcome, row
            assert ("judged with the library's" in row.message) == (first is not None), row
            assert ("library's 4.2" in " ".join(row.notes)) == (first is not None)


def test_what_the_collector_says_is_as_of_today(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "records.jsonl")
    grade_all(fake(monkeypatch), [Submission("s", "old.ipynb", b"1", notes=("Not on the roster.",))], journal)
    again = fake(monkeypatch)
    late = Submission("s", "new.ipynb", b"1", late=True, name="Anna")
    for found in (grade_all(again, [late], journal), None):
        if found:
            write_students(tmp_path, found)
        (record,) = found or records_of(tmp_path)
        assert (record.name, record.file, record.late) == ("Anna", "new.ipynb", True)
        assert record.notes == ("n",)
    assert again.graded == []


def test_only_the_students_of_the_last_run_are_reported(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "records.jsonl")
    one = fake(monkeypatch)
    for data in (b"old", b"new", b"old"):  # a later notebook was handed in, and taken back
        records = grade_all(one, [Submission("s", "a.ipynb", data)], journal)
    assert one.graded == ["s", "s"]
    write_students(tmp_path, records)
    assert [record.key for record in records_of(tmp_path)] == [records[0].key]
    (tmp_path / "students.json").unlink()  # an older run, or one that was killed
    assert len(records_of(tmp_path)) == 2
    write_students(tmp_path, records)
    (tmp_path / "records.jsonl").write_text("")
    assert records_of(tmp_path) == []


def test_two_graders_do_not_share_a_folder(tmp_path):
    seed_of(tmp_path / "out", tmp_path / "l.ipynb", None, resume=False)
    with alone_in(tmp_path / "out"), pytest.raises(ValueError, match="Another"), alone_in(tmp_path / "out"):
        pass
    with alone_in(tmp_path / "out"):
        pass


def test_crashed_is_run_once_more_alone(monkeypatch, tmp_path):
    one = fake(monkeypatch, lambda it, time: "crashed" if it.student == "s0" and time == 1 else "graded")
    records = grade_all(one, submissions(2), Journal(tmp_path / "r.jsonl"))
    assert [record.status for record in records] == ["graded"] * 2

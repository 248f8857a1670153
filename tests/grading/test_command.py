"""The command `course grade`."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from course.cli import app
from course.grading import command, grader
from course.grading.sandbox import Sandbox
from course.grading.submission import Record, Row, Submission
from tests.grading import corpus

EVERYTHING = "COURSE_ADVERSARIAL" in os.environ


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Say what to grade"),
        (["lesson.ipynb", "."], "There is no lesson"),
        (["{lesson}", "nowhere"], "There is no folder"),
        (["{lesson}", ".", "--sandbox", "jail"], "no sandbox 'jail'"),
        (["{lesson}", ".", "--solution", "x.ipynb"], "There is no solution"),
    ],
)
def test_refusals(small: tuple[Path, Path], tmp_path: Path, arguments: list[str], words: str) -> None:
    arguments = [argument.format(lesson=small[0]) for argument in arguments]
    result = CliRunner().invoke(app, ["grade", *arguments, "-o", str(tmp_path / "out")])
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not EVERYTHING, reason="half a minute: make adversarial")
def test_killed_driver_resumes_with_exactly_the_rest(small: tuple[Path, Path], tmp_path: Path) -> None:
    cases = {case.name: case.data for case in corpus.CASES}
    (tmp_path / "in").mkdir()
    for number, name in enumerate(["correct", "untouched", "os._exit", "truncated JSON"] * 3):
        (tmp_path / "in" / f"s{number:02}.ipynb").write_bytes(cases[name])
    journal = tmp_path / "out/records.jsonl"
    line = [sys.executable, "-m", "course.cli", "grade", str(small[0]), str(tmp_path / "in")]
    line += ["-o", str(tmp_path / "out"), "--jobs", "2"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL) as driver:
        while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
            assert driver.poll() is None
        os.kill(driver.pid, signal.SIGKILL)
    before = journal.read_bytes()
    done = subprocess.run([*line, "--resume"], capture_output=True, text=True)
    assert done.returncode == 1, done.stdout + done.stderr  # some need attention
    assert journal.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    records = [Record.from_json(line) for line in journal.read_bytes().splitlines()]
    assert sorted(record.student for record in records) == [f"s{number:02}" for number in range(12)]
    assert len({record.seed for record in records}) == 1 == len([json.loads((tmp_path / "out/run.json").read_text())])
    by_student = sorted(records, key=lambda record: record.student)
    assert [record.points for record in by_student] == [35, 0, 25, 0] * 3


class Pretended:
    """`course grade` without a kernel; all are right."""

    def __init__(
        self,
        small: tuple[Path, Path],
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        students: Sequence[str] = ("ada", "bob"),
    ):
        self.small, self.folder, self.graded = small, folder, list[str]()
        self.stop_at = ""
        (folder / "in").mkdir()
        for student in students:
            (folder / f"in/{student}.ipynb").write_bytes(corpus.as_bytes(corpus.SOLUTION))
        monkeypatch.setattr(command, "choose", lambda name: Sandbox("none"))
        monkeypatch.setattr(command, "prepare", self.prepare)
        monkeypatch.setattr(grader, "grade", self.grade)

    def prepare(self, lesson: Path, solution: Path, sandbox: Sandbox, seed: int) -> Any:
        self.graded.append("canary")
        return SimpleNamespace(hash=grader.hash_of(lesson, solution), seed=seed)

    def grade(self, assignment: Any, submission: Submission) -> Record:
        if submission.student == self.stop_at:
            raise KeyboardInterrupt
        self.graded.append(submission.student)
        row = Row("4.5", "accumulate", 10, 10, "correct", "")
        key = submission.key(assignment.hash, assignment.seed)
        return Record(submission.student, "small", "graded", (row,), key=key)

    def run(self, *arguments: str) -> Any:
        self.graded.clear()
        out = ["-o", str(self.folder / "out")]
        return CliRunner().invoke(app, ["grade", str(self.small[0]), str(self.folder / "in"), *out, *arguments])


def test_points_by_hand_need_no_kernel(small, tmp_path, monkeypatch):
    class_of_two = Pretended(small, tmp_path, monkeypatch)
    assert class_of_two.run().exit_code == 0
    assert class_of_two.graded == ["canary", "ada", "bob"]
    (tmp_path / "out/manual.csv").write_text("student,exercise,points,reason\nbob,4.5,3,copied\n")
    result = class_of_two.run("--resume")
    assert (result.exit_code, class_of_two.graded) == (0, [])
    assert "1 exercises, from manual.csv" in result.output and "mean 6.5, median 6.5 of 10" in result.output
    assert "bob,,3,3,10,graded" in (tmp_path / "out/grades.csv").read_text()


def test_stopped_by_the_keyboard_goes_on(small, tmp_path, monkeypatch):
    class_of_two = Pretended(small, tmp_path, monkeypatch)
    class_of_two.stop_at = "bob"
    result = class_of_two.run()
    assert result.exit_code == 2 and "--resume goes on" in " ".join(result.output.split())
    assert not (tmp_path / "out/grades.csv").exists()
    class_of_two.stop_at = ""
    assert class_of_two.run("--resume").exit_code == 0
    assert class_of_two.graded == ["canary", "bob"]


def test_an_earlier_run_is_not_overwritten(small, tmp_path, monkeypatch):
    class_of_two = Pretended(small, tmp_path, monkeypatch)
    class_of_two.run()
    result = class_of_two.run()
    assert result.exit_code == 2 and "add --resume" in " ".join(result.output.split())
    assert class_of_two.graded == []


def test_nothing_to_grade(small, tmp_path, monkeypatch):
    class_of_two = Pretended(small, tmp_path, monkeypatch)
    for file in (tmp_path / "in").iterdir():
        file.unlink()
    result = class_of_two.run()
    assert result.exit_code == 2 and "Nothing was found" in result.output


def test_full_disk_stops_the_run_and_resume_grades_the_rest(small, tmp_path, monkeypatch):
    students = [f"s{k}" for k in range(10)]
    ten = Pretended(small, tmp_path, monkeypatch, students)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))  # no file can be larger: the system itself refuses
    try:
        result = ten.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.exit_code == 2 and "File too large" in result.output
    lines = (tmp_path / "out/records.jsonl").read_bytes().splitlines()
    done = [Record.from_json(line).student for line in lines]
    assert 0 < len(done) < 10
    assert ten.run("--resume").exit_code == 0
    assert sorted(ten.graded) == sorted(["canary", *(set(students) - set(done))])
    lines = (tmp_path / "out/records.jsonl").read_bytes().splitlines()
    assert sorted(Record.from_json(line).student for line in lines) == students

"""The command `course grade`."""

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from course.cli import app
from course.grading import command, grader, reports, selftest
from course.grading.collect import Collection
from course.grading.gradebook import gradebook
from course.grading.running import Infrastructure
from course.grading.sandbox import Sandbox, SandboxError
from course.grading.submission import ROW_OUTCOMES, Record, Row, Status, Submission
from tests.grading import corpus

EVERYTHING = "COURSE_ADVERSARIAL" in os.environ


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Say what to grade"),
        (["[/b].ipynb", "{empty}"], "There is no lesson [/b].ipynb."),
        (["{empty}", "{empty}"], "There is no lesson"),
        (["{lesson}", "nowhere"], "There is no folder"),
        (["{lesson}", "{empty}", "--sandbox", "jail"], "no sandbox 'jail'"),
        (["{lesson}", "{empty}", "--solution", "x.ipynb"], "There is no solution x.ipynb."),
        (["{lesson}", "{empty}", "--roster", "none.csv"], "There is no roster none.csv."),
        (["{lesson}", "{empty}", "--solution", "{lesson}"], "is the solution. First comes the lesson"),
        (["{lesson}", "{empty}", "-o", "{empty}"], "lies in the folder of the submissions"),
        (["{lesson}", "{empty}", "-o", "{empty}/graded"], "lies in the folder of the submissions"),
        (["{lesson}", "{empty}", "-o", "{lesson}"], "is a file: name a folder"),
    ],
)
def test_refusals(small: tuple[Path, Path], tmp_path: Path, arguments: list[str], words: str) -> None:
    empty = tmp_path / "in"
    empty.mkdir()
    arguments = [argument.format(lesson=small[0], empty=empty) for argument in arguments]
    result = CliRunner().invoke(app, ["grade", "-o", str(tmp_path / "out"), *arguments])
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
        self.small, self.folder, self.out, self.graded = small, folder, folder / "out", list[str]()
        self.stop_at, self.seed = "", 0
        self.statuses: dict[str, Status] = {}
        self.notes: dict[str, tuple[str, ...]] = {}
        (folder / "in").mkdir()
        for student in students:
            (folder / f"in/{student}.ipynb").write_bytes(corpus.as_bytes(corpus.SOLUTION))
        monkeypatch.setattr(command, "choose", lambda name: Sandbox("none"))
        monkeypatch.setattr(command, "prepare", self.prepare)
        monkeypatch.setattr(grader, "grade", self.grade)

    def prepare(self, lesson: Path, solution: Path, sandbox: Sandbox, seed: int) -> Any:
        self.graded.append("canary")
        self.seed = seed
        return SimpleNamespace(hash=grader.hash_of(lesson, solution), seed=seed)

    def grade(self, assignment: Any, submission: Submission) -> Record:
        if submission.student == self.stop_at:
            raise KeyboardInterrupt
        self.graded.append(submission.student)
        row = Row("4.5", "accumulate", 10, 10, "correct", "")
        key = submission.key(assignment.hash, assignment.seed)
        status = "missing" if submission.missing else self.statuses.get(submission.student, "graded")
        record = Record(submission.student, "small", status, (row,), submission.file, key=key, name=submission.name)
        return replace(record, notes=("Collected.", *self.notes.get(submission.student, ("Alone.",))), n_found=1)

    def run(self, *arguments: str) -> Any:
        self.graded.clear()
        out = ["-o", str(self.out)]
        return CliRunner().invoke(app, ["grade", str(self.small[0]), str(self.folder / "in"), *out, *arguments])


def test_points_by_hand_need_no_kernel(small, tmp_path, monkeypatch):
    class_of_two = Pretended(small, tmp_path, monkeypatch)
    assert class_of_two.run().exit_code == 0
    assert class_of_two.graded == ["canary", "ada", "bob"]
    (tmp_path / "out/manual.csv").write_text("student,exercise,points,reason\nbob,4.5,3,copied\n")
    result = class_of_two.run("--resume")
    assert (result.exit_code, class_of_two.graded) == (0, [])
    assert "by hand  changes from manual.csv: 1\n" in result.output and "mean 6.5, median 6.5 of 10" in result.output
    assert "bob,,3,3,10,graded" in (tmp_path / "out/grades.csv").read_text()
    (tmp_path / "out/manual.csv").write_text("student,exercise,points,reason\nbob,4.5,30,copied\n")
    assert "by hand  'bob' has 30 points for 4.5, more than its 10." in class_of_two.run("--resume").output


def test_stopped_by_the_keyboard_goes_on(small, tmp_path, monkeypatch):
    class_of_two = Pretended(small, tmp_path, monkeypatch)
    class_of_two.stop_at = "bob"
    result = class_of_two.run()
    assert result.exit_code == 2 and "--resume goes on" in " ".join(result.output.split())
    assert not (tmp_path / "out/grades.csv").exists()
    class_of_two.stop_at = ""
    result = class_of_two.run("--resume")
    assert (result.exit_code, class_of_two.graded) == (0, ["canary", "bob"])
    assert "2/2" in result.output


def test_an_earlier_run_is_not_overwritten(small, tmp_path, monkeypatch):
    class_of_two = Pretended(small, tmp_path, monkeypatch)
    class_of_two.run()
    result = class_of_two.run()
    assert result.exit_code == 2 and "add --resume" in " ".join(result.output.split())
    assert class_of_two.graded == []


def test_two_at_once_in_one_folder_are_refused(small, tmp_path, monkeypatch):
    class_of_two = Pretended(small, tmp_path, monkeypatch)
    class_of_two.run()
    with grader.alone_in(class_of_two.out):
        result = class_of_two.run("--resume")
    assert result.exit_code == 2 and "is at work in" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("status", "code"), [("graded", 0), ("crashed", 1), ("timed out", 1), ("unreadable", 1), ("infrastructure", 2)]
)
def test_exit_code_says_whether_a_person_is_needed(small, tmp_path, monkeypatch, status, code):
    class_of_two = Pretended(small, tmp_path, monkeypatch, ["ada", "[b]bob"])
    class_of_two.out = tmp_path / "[b]results[/i]"  # no markup
    class_of_two.statuses["[b]bob"] = status
    words = "The last one, which is longer than a line of this terminal is wide: it is not cut."
    class_of_two.notes["[b]bob"] = ("First.", "It is [/b].", words)
    result = class_of_two.run()
    assert result.exit_code == code
    assert (f"'[b]bob': {status}. It is [/b]. {words}\n" in result.output) == (code > 0)
    assert "'ada'" not in result.output
    assert f"report   {class_of_two.out / 'report.html'}\n" in result.output
    class_of_two.statuses.clear()
    result = class_of_two.run("--resume")
    is_failure = status == "infrastructure"  # of the grader: that one is graded again
    assert class_of_two.graded == (["canary", "[b]bob"] if is_failure else [])
    assert result.exit_code == (0 if is_failure else code)


def test_nothing_of_a_notebook_steers_the_terminal(small, tmp_path, monkeypatch):
    class_of_two = Pretended(small, tmp_path, monkeypatch)
    class_of_two.statuses["bob"], class_of_two.notes["bob"] = "crashed", ("The format is \x1b[1A\ud800.",)
    result = class_of_two.run()
    assert result.exit_code == 1
    assert "'bob': crashed. The format is \\u001b[1A\\ud800." in result.output


def test_options_are_handed_on(small, tmp_path, monkeypatch):
    class_of_two = Pretended(small, tmp_path, monkeypatch)
    seen: list[object] = []

    def choose(name: str) -> Sandbox:
        seen.append(name)
        return Sandbox("none")

    def threads(jobs: int) -> grader.Threads:
        seen.append(jobs)
        return grader.Threads(jobs)

    monkeypatch.setattr(command, "choose", choose)
    monkeypatch.setattr(command, "Threads", threads)
    solution = tmp_path / "other.ipynb"
    solution.write_bytes(small[1].read_bytes())
    result = class_of_two.run("--jobs", "3", "--seed", "7", "--sandbox", "bwrap", "--solution", str(solution))
    assert (result.exit_code, seen, class_of_two.seed) == (0, ["bwrap", 3], 7)
    assert "sandbox  none" in result.output and "mean 10, median 10 of 10; 2 that could be read" in result.output
    assert "2 submissions" in result.output and "by hand" not in result.output


def test_a_class_list_holds_at_once_and_for_reports_written_later(small, tmp_path, monkeypatch):
    class_of_two = Pretended(small, tmp_path, monkeypatch)
    class_of_two.statuses["bob"] = "crashed"
    (tmp_path / "in/[b]odd.txt").write_text("")
    class_of_two.run()
    (tmp_path / "class.csv").write_text("id,name\nada,Ada Lovelace\nzoe,Zoe\n")
    result = class_of_two.run("--resume", "--roster", str(tmp_path / "class.csv"))
    assert (result.exit_code, class_of_two.graded) == (1, ["canary", "zoe"])
    assert "missing: 'zoe'" in result.output and "not on the roster: 'bob'" in result.output
    assert "left out: '[b]odd.txt'" in result.output and "'zoe': missing. Alone.\n" in result.output
    assert "'bob': crashed. Alone.\n" in result.output  # what the collector says of him stands above

    def is_named() -> bool:
        return "ada,Ada Lovelace,10" in (class_of_two.out / "grades.csv").read_text()

    assert is_named()
    for options in ((), ("--roster", str(tmp_path / "class.csv"))):
        class_of_two.run("--resume", *options)
        assert (class_of_two.graded, is_named()) == ([], bool(options))
    reports.main([str(class_of_two.out)])
    assert is_named()


@pytest.mark.parametrize("error", [Infrastructure, SandboxError, ValueError, OSError])
def test_what_stops_the_grader_is_said(small, tmp_path, monkeypatch, error):
    def fail(*arguments: object) -> None:
        raise error("The canary gets 3 of 10 [/b].")

    class_of_two = Pretended(small, tmp_path, monkeypatch)
    monkeypatch.setattr(command, "prepare", fail)
    result = class_of_two.run()
    assert result.exit_code == 2 and result.output.endswith(f"{error.__name__}: The canary gets 3 of 10 [/b].\n")


def test_without_dask_it_says_how_to_get_it(small, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "course.grading.dask_engine", None)
    result = Pretended(small, tmp_path, monkeypatch).run("--dask", "tcp://127.0.0.1:1")
    assert result.exit_code == 2 and 'pip install "practical-nnp[dask]"' in " ".join(result.output.split())


def test_what_was_found_is_said_in_words():
    handed_in = [Submission(f"s{k}", "x.ipynb", b"1") for k in range(5)]
    refused = [Submission("huge", "huge.ipynb", b"", refused="Too large.")]
    missing = [Submission(f"m{k}", "", b"", missing=True) for k in range(20)]
    everybody = (*handed_in, *refused, *missing)
    collection = Collection(everybody, tuple(f"u{k}" for k in range(23)), ("notes.txt",))
    first, *others = command.found(collection).split("\n")
    assert first == "found    5 notebooks, 1 that cannot be opened"
    assert [line.partition(":")[0] for line in others] == ["missing", "not on the roster", "nobody's, left out"]
    assert others[0].endswith("'m18', 'm19'") and others[1].endswith("'u18', 'u19' and 3 more")
    assert others[2].endswith(": 'notes.txt'")
    assert command.found(Collection(tuple(handed_in))) == "found    5 notebooks, 0 that cannot be opened"


def record(student: str, points: float, outcome: Any = "wrong", status: Status = "graded") -> Record:
    return Record(student, "small", status, (Row("4.5", "accumulate", points, 10, outcome, ""),))


def test_middle_of_the_class_in_words():
    book = gradebook([record("a", 10), record("b", 2.5), record("c", 2), record("d", 0, status="unreadable")])
    assert command.in_words(book) == "mean 4.833, median 2.5 of 10; 3 that could be read"
    assert command.in_words(gradebook([record("d", 0, status="missing")])) == "nobody's are known, of 10"


def test_summary_counts_outcomes():
    other = Row("4.10", "sum_up", 0, 5, "timed out", "")
    class_ = [record("a", 10, "correct"), record("b", 0), replace(record("c", 0), rows=(*record("c", 0).rows, other))]
    table = command.summary(class_)
    assert table.title == "3 submissions"
    assert {column.header: list(column.cells) for column in table.columns} == {
        "exercise": ["4.5 accumulate", "4.10 sum_up"],
        "correct": ["1", ""],
        "wrong": ["2", ""],
        "timed out": ["", "1"],
    }
    everything = command.summary([record(outcome, 0, outcome) for outcome in ROW_OUTCOMES])
    assert [column.header for column in everything.columns[1:]] == list(ROW_OUTCOMES)


@pytest.mark.parametrize(("stopped", "code"), [((True, True), 0), ((True, False), 1), ((False, True), 1), (None, 2)])
def test_self_test_says_what_gets_through(monkeypatch, stopped, code):
    def choose(name: str) -> Sandbox:
        if stopped is None:
            raise SandboxError("There is no [/b] sandbox.")
        return Sandbox("none", program=name)

    monkeypatch.setattr(command, "choose", choose)
    monkeypatch.setattr(selftest, "try_all", lambda sandbox: [(f"{sandbox.program} {k}", k, "[/b]") for k in stopped])
    result = CliRunner().invoke(app, ["grade", "--self-test", "--sandbox", "none"])
    assert result.exit_code == code
    words = " ".join(result.output.split())
    assert words.startswith("sandbox none" if stopped else "There is no [/b] sandbox.")
    for k in stopped or ():
        assert f"none {k} │ {'is stopped' if k else 'succeeds'} │ [/b]" in words


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

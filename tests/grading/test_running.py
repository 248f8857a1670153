"""Who is left out of the next run, and what each run brings: without a kernel, as if one had done this or that."""

import json
import os
import stat
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from course.grading import running
from course.grading.merging import Task, Template, Unit
from course.grading.reading import Cell
from course.grading.running import LAST_LINE, CellRun, Infrastructure, run, run_once
from course.grading.sandbox import Limits, Sandbox

STUBS = {"4.2": ("stub 4.2", "second stub 4.2"), "4.4": ("stub 4.4",), "4.5": ("stub 4.5",)}
CELLS = tuple(Cell("code", source) for source in ("imports", *(s for stubs in STUBS.values() for s in stubs)))
PLACES = {"4.2": (1, 2), "4.4": (3,), "4.5": (4,)}
TASKS = {exercise: Task(exercise, ("f",), places, 10.0) for exercise, places in PLACES.items()}
TEMPLATE = Template("small", CELLS, ("template", "answer", "answer", "answer", "answer"), TASKS)
UNITS = [
    Unit("template", "imports", None, "template 0"),
    Unit("extra", "helper", None, "extra 0"),
    Unit("answer", "mine", "4.2", "answer 4.2 1"),
    Unit("answer", "mine", "4.2", "answer 4.2 2"),
    Unit("check", "", "4.2", "check 4.2"),
    Unit("answer", "mine", "4.4", "answer 4.4 3"),
    Unit("check", "", "4.4", "check 4.4"),
    Unit("answer", "mine", "4.5", "answer 4.5 4"),
    Unit("check", "", "4.5", "check 4.5"),
]
STATES = {
    "fine": ("done", "", True),
    "fails": ("error", "E: e", True),
    "loops": ("timed out", "more than 6 s", True),
    "loops for ever": ("timed out", "more than 6 s", False),
    "dies": ("stopped", "the kernel died", False),
    "is dead afterwards": ("done", "", False),
    "is not reached": ("not run", "Kernel dead on test start", False),
}


class Kernels:
    """In place of `run_once`. What a cell does is said by its key; the template's own do nothing."""

    def __init__(self, does: dict[str, str]):
        self.does = does
        self.runs: list[list[Unit]] = []
        self.more: list[Any] = []

    def __call__(self, template: Template, units: list[Unit], *more: Any) -> dict[str, CellRun]:
        self.runs.append(units)
        self.more.append(more)
        cells, alive = {}, True
        for unit in units:
            is_stub = unit.role == "answer" and unit.source != "mine"
            state, words, lives = STATES["fine" if is_stub else self.does.get(unit.key, "fine")]
            evidence = [f"run {len(self.runs)}"] if state == "done" and lives else []  # an answer may forge some
            cells[unit.key] = CellRun(state, words, lives, evidence, 0.1)
            if not alive:
                cells[unit.key] = CellRun("not run", "", False, [], 0.0)
            alive = alive and lives
        return cells


def doing(monkeypatch, does, limits=None):
    kernels = Kernels(does)
    monkeypatch.setattr(running, "run_once", kernels)
    return kernels, run(TEMPLATE, UNITS, [1], Sandbox("none"), limits or Limits(), True, "address")


def test_one_run_where_nothing_goes_wrong(monkeypatch):
    kernels, findings = doing(monkeypatch, {"answer 4.2 1": "fails", "answer 4.4 3": "loops"})
    assert kernels.runs == [UNITS] and kernels.more == [([1], Sandbox("none"), Limits(), True, "address")]
    assert findings.evidence == dict.fromkeys(TASKS, "run 1") and findings.failures == {}
    assert findings.notes == ["The answer to 4.4 was stopped: more than 6 s."]
    assert list(findings.cells) == [unit.key for unit in UNITS]
    assert 0 < findings.seconds < 60


@pytest.mark.parametrize(
    ("culprit", "what", "note"),
    [
        ("answer 4.2 1", "dies", "The answer to 4.2 was stopped: the kernel died."),
        ("answer 4.2 2", "loops for ever", "The answer to 4.2 was stopped: more than 6 s."),
        ("check 4.2", "dies", "The function of 4.2 was stopped: the kernel died."),
        ("extra 0", "dies", "A cell that was added was stopped: the kernel died."),
        ("template 0", "dies", ""),
        ("answer 4.2 2", "is dead afterwards", ""),
    ],
)
def test_who_ends_the_kernel_is_left_out_of_the_next(monkeypatch, culprit, what, note):
    kernels, findings = doing(monkeypatch, {culprit: what})
    first, second = kernels.runs
    if "4.2" in culprit:  # the template's own answer in its place, for those who call it, and no check
        stub = "stub 4.2\n\nsecond stub 4.2"
        assert second == [*first[:2], *(Unit("answer", stub, "4.2", f"answer 4.2 {k}") for k in (1, 2)), *first[5:]]
        assert findings.failures == {"4.2": CellRun(*STATES[what], [], 0.1)}
    else:
        assert second == [unit for unit in first if unit.key != culprit]
        assert findings.failures == {}
    assert findings.notes == ([note] if note else [])
    assert findings.evidence == dict.fromkeys([e for e in TASKS if e not in culprit], "run 2")


def test_what_has_been_brought_is_not_asked_for_again(monkeypatch):
    kernels, findings = doing(monkeypatch, {"answer 4.4 3": "dies"})
    assert findings.evidence == {"4.2": "run 1", "4.5": "run 2"}
    asked = [unit.key for unit in UNITS if unit.role != "check" or unit.exercise == "4.5"]
    assert [unit.key for unit in kernels.runs[1]] == asked, "the other answers stay: one may call them"
    kernels, findings = doing(monkeypatch, {"check 4.5": "dies"})  # there is nothing more to ask for
    assert len(kernels.runs) == 1 and set(findings.failures) == {"4.5"}


def test_a_cell_that_is_stopped_in_two_runs_is_noted_once(monkeypatch):
    _, findings = doing(monkeypatch, {"answer 4.2 1": "loops", "answer 4.4 3": "dies"})
    assert [note[:17] for note in findings.notes] == ["The answer to 4.2", "The answer to 4.4"]


def test_four_runs_and_no_more(monkeypatch):
    ends = ["template 0", "extra 0", "answer 4.2 1", "answer 4.4 3"]
    kernels, findings = doing(monkeypatch, dict.fromkeys(ends[1:], "dies"))
    assert len(kernels.runs) == 4 and findings.evidence == {"4.5": "run 4"}
    kernels, findings = doing(monkeypatch, dict.fromkeys(ends, "dies"))
    assert len(kernels.runs) == 4 and findings.evidence == {}
    assert findings.failures["4.4"].state == "stopped" and findings.failures["4.5"].state == "not run"


def test_a_kernel_that_ends_between_two_cells_is_nobodys_fault(monkeypatch):
    kernels, findings = doing(monkeypatch, {"answer 4.4 3": "is not reached"})
    assert len(kernels.runs) == 1 and findings.evidence == {"4.2": "run 1"} and findings.notes == []
    assert {e: cell.state for e, cell in findings.failures.items()} == {"4.4": "not run", "4.5": "not run"}


def test_no_further_run_when_the_time_is_over(monkeypatch):
    kernels, _ = doing(monkeypatch, {"extra 0": "dies"}, limits=replace(Limits(), submission_seconds=-1))
    assert len(kernels.runs) == 1


@pytest.mark.parametrize("what", ["fails", "loops", "dies"])
def test_a_cell_that_the_first_run_did_not_reach_is_judged_by_the_next(monkeypatch, what):
    _, findings = doing(monkeypatch, {"answer 4.2 1": "dies", "check 4.5": what})
    assert findings.failures["4.5"].state == STATES[what][0] and set(findings.evidence) == {"4.4"}
    _, findings = doing(monkeypatch, {"answer 4.2 1": "dies", "answer 4.5 4": what})
    assert findings.cells["answer 4.5 4"].state == STATES[what][0]
    assert findings.cells["answer 4.2 1"].state == "stopped" and "answer 4.2 2" not in findings.cells


# ------------------------------------------------------------------------------------------------ what one run brings


def line(state: str, words: str = "", **more: Any) -> str:
    return json.dumps({"state": state, "words": words, "alive": True, "evidence": [], "seconds": 0.0} | more)


def reported(monkeypatch, *lines, in_time=True, said="said\n by pytest", errors=None):
    """What `run_once` makes of these lines of a report."""
    folders: list[Path] = []

    def pytest_has_run(folder, limits, trusted, fork_server):
        folders.append(folder)
        if lines:
            (folder / "report.jsonl").write_text("\n".join(lines))
        if errors:
            (folder / "errors.txt").write_text(errors)
        return said, in_time

    monkeypatch.setattr(running, "_pytest", pytest_has_run)
    try:
        return [*run_once(TEMPLATE, UNITS[:2], [1], Sandbox("none"), Limits()).items()]
    finally:
        assert not folders[0].exists()


def test_lines_of_a_report(monkeypatch):
    missing = CellRun("not run", "said\n by pytest", False, [], 0.0)
    done, error = (CellRun(state, words, True, [], 0.0) for state, words in (("done", ""), ("error", "E: e")))
    keys = ("prepare", "template 0", "extra 0")
    whole = [line("done"), line("done"), line("error", "E: e"), LAST_LINE]
    assert reported(monkeypatch, *whole) == [*zip(keys, (done, done, error), strict=True)]
    cut = [*whole[:2], whole[2][:20]]  # it was killed while it wrote
    assert reported(monkeypatch, *cut, in_time=False) == [*zip(keys, (done, done, missing), strict=True)]


@pytest.mark.parametrize(
    ("lines", "more", "words"),
    [
        ([line("done"), line("done"), line("do")[:9]], {}, "ended from outside. said by pytest"),
        ([], {}, "ended from outside"),
        ([], {"in_time": False, "errors": "y" * 600 + " no bwrap"}, f"^The kernel did not start: {'y' * 491} no bwrap"),
        ([line("error", "No module"), LAST_LINE], {}, "^The kernel did not start: No module$"),
        ([line("done"), LAST_LINE], {"said": ""}, None),
    ],
)
def test_a_run_that_the_grader_failed_at(monkeypatch, lines, more, words):
    if words is None:
        assert len(reported(monkeypatch, *lines, **more)) == 3
        return
    with pytest.raises(Infrastructure, match=words):
        reported(monkeypatch, *lines, **more)


def test_what_the_run_is_told(monkeypatch):
    told: dict[str, Any] = {}
    removed: list[Path] = []

    def pytest_has_run(folder, limits, trusted, fork_server):
        told.update(json.loads((folder / "run.json").read_text()))
        told["modes"] = [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "kernel")]
        told["cells"] = [cell["source"] for cell in json.loads((folder / "notebook.ipynb").read_text())["cells"]]
        (folder / "report.jsonl").write_text("\n".join([line("done"), LAST_LINE]))
        return "", True

    monkeypatch.setattr(running, "_pytest", pytest_has_run)
    monkeypatch.setattr(Sandbox, "remove", lambda self, folder: removed.append(folder))
    run_once(TEMPLATE, [UNITS[2], UNITS[4]], [7], Sandbox("none"), Limits(), True, "address")
    assert told["modes"] == [0o711, 0o700], "others can neither list the folder nor look into that of the sockets"
    assert (told["roles"], told["trusted"], told["fork_server"]) == (["prepare", "answer", "check"], True, "address")
    prepare, answer, check = told["cells"]
    assert prepare.endswith("prepare(['4.2', '4.4', '4.5'])") and answer == "mine"
    wanted = {"exercise": "4.2", "names": ["f"], "seeds": [7], "with_references": True}
    assert json.loads(check.removeprefix("# evidence wanted ")) == wanted
    assert removed == [Path(told["folder"])]


PYTEST = """#!/bin/sh
env > {log}
echo "$@" "in:$PWD" "reads:$(readlink /proc/$$/fd/0)" >> {log}
sleep 100 &
echo $! > {log}.child
echo said; echo wrong >&2
{end}
"""


@pytest.mark.parametrize(
    ("end", "trusted", "seconds"),
    [("exit 3", False, 60), ("wait", False, 3), ("exec 2>&-; kill $!; wait $!; sleep 0.8", True, 0.5)],
)
def test_pytest_has_its_time_and_knows_nothing(monkeypatch, tmp_path, end, trusted, seconds):
    program, log = tmp_path / "python", tmp_path / "log"
    program.write_text(PYTEST.format(log=log, end=end))
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setenv("SECRET_TOKEN", "of the instructor")
    limits = Limits(start_seconds=0, submission_seconds=seconds - running.OVERHEAD)
    assert running._pytest(tmp_path, limits, trusted, "") == ("said\nwrong\n", end != "wait")
    words = log.read_text()
    assert "SECRET" not in words and "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1" in words and "OMP_NUM_THREADS=1" in words
    assert f"in:{tmp_path} reads:/dev/null" in words
    child = int(Path(f"{log}.child").read_text())
    if end == "exit 3":
        os.kill(child, 9)
    elif psutil.pid_exists(child):
        psutil.Process(child).wait(5)  # it was in the same process group


# ---------------------------------------------------------------------------------------------- what is left behind


def test_a_folder_is_removed_whatever_is_in_it():
    top = Path(tempfile.mkdtemp())  # not pytest's: it could not delete what we leave if this fails
    here = os.open(top, os.O_RDONLY)
    for _ in range(1000):  # deeper than Python can walk
        os.mkdir("x", dir_fd=here)
        here, above = os.open("x", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    try:
        running.remove(top)
        assert not top.exists()
    finally:
        subprocess.run(["rm", "-rf", top], check=True)


def test_only_own_folders_of_the_dead_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = subprocess.Popen(["true"])
    dead.wait()
    names = [f"course-{what}-{dead.pid}-a" for what in ("grade", "fork", "else")]
    for name in names:
        (tmp_path / name).mkdir()
    (tmp_path / f"course-grade-{dead.pid}-file").touch()
    monkeypatch.setattr(running.os, "getuid", lambda: 1 + tmp_path.stat().st_uid)
    running.remove_of_the_dead()
    assert len(list(tmp_path.iterdir())) == 4, "they are another user's"
    monkeypatch.undo()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    running.remove_of_the_dead()
    assert {path.name for path in tmp_path.iterdir()} == {names[2], f"course-grade-{dead.pid}-file"}
    (tmp_path / names[0]).mkdir()
    monkeypatch.setattr(running.forking, "is_owned", lambda folder: (folder / "gone").stat())  # removed just now
    running.remove_of_the_dead()

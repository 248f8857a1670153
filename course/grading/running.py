"""Run a merged notebook, and bring back the evidence for each exercise.

One nbval process a run, with a clean environment. When a cell ends the kernel, the notebook is run again without it:
one bad exercise hurts only itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from course.grading import evidence, forking
from course.grading.merging import Task, Template, Unit
from course.grading.sandbox import Limits, Sandbox

MAX_RUNS = 4  # the first, and three without whoever ended it
STOPPED = {"answer": "The answer to {}", "check": "The function of {}", "extra": "A cell that was added"}
PREPARE = "from course.grading import evidence as _course_evidence; _course_evidence.prepare"
LAST_LINE = "end"  # of a report that is whole
OVERHEAD = 30  # seconds for pytest itself


class Infrastructure(Exception):
    """The grader failed, not the learner."""


@dataclass(frozen=True)
class CellRun:
    """What happened to one cell: a line of the plugin's report."""

    state: str  # done, error, timed out, stopped, not run, no kernel
    words: str
    alive: bool  # whether the kernel lived on
    evidence: list[str]
    seconds: float


@dataclass
class Findings:
    """What all runs of one notebook have brought."""

    evidence: dict[str, str] = field(default_factory=dict)  # by exercise; JSON text, not yet looked into
    failures: dict[str, CellRun] = field(default_factory=dict)  # by exercise: why there is none
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cells: dict[str, CellRun] = field(default_factory=dict)  # by unit; of the last run that reached it


def run(
    template: Template,
    units: Sequence[Unit],
    seeds: Sequence[int],
    sandbox: Sandbox,
    limits: Limits,
    with_references: bool = False,
    fork_server: str = "",
) -> Findings:
    """Run a notebook until there is evidence for each exercise, or a reason why not. Raises Infrastructure."""
    findings, start = Findings(), time.monotonic()
    left_out: set[str] = set()
    for _ in range(MAX_RUNS):
        chosen = [_stub(template, unit) if unit.role == "answer" and unit.key in left_out else unit for unit in units]
        chosen = [unit for unit in chosen if unit.role == "answer" or unit.key not in left_out]
        chosen = [unit for unit in chosen if unit.role != "check" or unit.exercise not in findings.evidence]
        if not any(unit.role == "check" for unit in chosen):
            break
        cells = run_once(template, chosen, seeds, sandbox, limits, with_references, fork_server)
        findings.cells |= {k: cell for k, cell in cells.items() if cell.state != "not run" and k not in left_out}
        culprit = _collect(chosen, cells, findings)
        if culprit is None or time.monotonic() - start > limits.submission_seconds:
            break
        left_out |= _keys_of(culprit, chosen)
    findings.seconds = time.monotonic() - start
    return findings


def _collect(units: Sequence[Unit], cells: dict[str, CellRun], findings: Findings) -> Unit | None:
    """Take over what a run has brought; the result is the cell that ended the kernel."""
    culprit, known = None, findings.failures  # one culprit at most: after it, no cell is run
    for unit in units:
        cell = cells[unit.key]
        if unit.role == "check" and cell.evidence and unit.exercise:
            findings.evidence[unit.exercise] = cell.evidence[0]
            known.pop(unit.exercise, None)
        elif unit.role == "check" and unit.exercise and (cell.state != "not run" or unit.exercise not in known):
            known[unit.exercise] = cell
        if cell.state in ("timed out", "stopped") and unit.role in STOPPED:
            note = f"{STOPPED[unit.role].format(unit.exercise)} was stopped: {cell.words}."
            findings.notes += [note] if note not in findings.notes else []  # the cell runs again with the others
        if cell.state != "not run" and not cell.alive:
            culprit = unit
            if unit.exercise:
                known[unit.exercise] = cell
    return culprit


def _keys_of(culprit: Unit, units: Sequence[Unit]) -> set[str]:
    """What to leave out next time: of an exercise all answer cells, and its check."""
    if culprit.exercise is None:
        return {culprit.key}
    return {unit.key for unit in units if unit.exercise == culprit.exercise}


def _stub(template: Template, unit: Unit) -> Unit:
    """What stands in the place of an answer that is left out: the template's own."""
    task = template.tasks[str(unit.exercise)]
    source = "\n\n".join(template.cells[place].source for place in task.cells)
    return Unit("answer", source, unit.exercise, unit.key)


def run_once(
    template: Template,
    units: Sequence[Unit],
    seeds: Sequence[int],
    sandbox: Sandbox,
    limits: Limits,
    with_references: bool = False,
    fork_server: str = "",
) -> dict[str, CellRun]:
    """One kernel, all cells in order. Raises Infrastructure where there was no kernel, or it could not be prepared."""
    prepare = Unit("template", f"{PREPARE}({list(template.tasks)!r})", None, "prepare")
    units = [prepare, *units]
    sources = [
        publish(template.tasks[unit.exercise], seeds, with_references)
        if unit.role == "check" and unit.exercise
        else unit.source
        for unit in units
    ]
    folder, lock = forking.own_folder("grade")
    sockets = folder / "kernel"
    try:
        sockets.mkdir(mode=0o700)
        folder.chmod(0o711)  # the kernel's user passes through, and cannot look
        notebook, report = folder / "notebook.ipynb", folder / "report.jsonl"
        notebook.write_text(json.dumps(as_notebook(sources)), encoding="utf-8")
        settings: dict[str, Any] = {
            "report": str(report),
            "errors": str(folder / "errors.txt"),
            "folder": str(sockets),
            "sandbox": asdict(sandbox),
            "limits": asdict(limits),
            "roles": [unit.key if unit.key == "prepare" else unit.role for unit in units],
            "trusted": with_references,
            "last_line": LAST_LINE,
            "fork_server": fork_server,
        }
        (folder / "run.json").write_text(json.dumps(settings), encoding="utf-8")
        said, in_time = _pytest(folder, limits, with_references, fork_server)
        lines = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
        errors = (folder / "errors.txt").read_text(errors="replace") if (folder / "errors.txt").exists() else ""
    finally:
        sandbox.remove(sockets)
        remove(folder)
        os.close(lock)
    is_whole = lines[-1:] == [LAST_LINE]
    runs = [CellRun(**json.loads(line)) for line in lines[:-1]]  # the last one is LAST_LINE, or perhaps half a line
    if in_time and not is_whole:
        raise Infrastructure(f"The process that runs the notebook was ended from outside. {' '.join(said.split())}")
    if not runs or runs[0].state != "done":
        why = runs[0].words if runs else said
        raise Infrastructure(f"The kernel did not start: {' '.join((why + ' ' + errors).split())[-500:]}")
    missing = CellRun("not run", said, False, [], 0.0)
    runs += [missing] * (len(units) - len(runs))
    return {unit.key: cell for unit, cell in zip(units, runs, strict=True)}


def publish(task: Task, seeds: Sequence[int], with_references: bool) -> str:
    """The source that takes the place of a check."""
    wanted = {"exercise": task.exercise, "names": list(task.functions), "seeds": list(seeds)}
    return evidence.MARK + json.dumps(wanted | {"with_references": with_references})


def as_notebook(sources: Sequence[str]) -> dict[str, Any]:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for n, source in enumerate(sources)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def _pytest(folder: Path, limits: Limits, trusted: bool, fork_server: str) -> tuple[str, bool]:
    """Run pytest in a process group of its own; the result is the end of what it said, and whether it was in time."""
    arguments = ["-q", "-c", os.devnull, "--rootdir", str(folder), "--tb=line", "--color=no", "-p", "no:cacheprovider"]
    arguments += ["-p", "no:unraisableexception", "-p", "no:threadexception"]  # they collect garbage for half a second
    arguments += ["-p", "nbval.plugin", "-p", "course.grading.plugin", "--nbval-lax", "--nbval-kernel-name", "course"]
    arguments.append(str(folder / "notebook.ipynb"))
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    environment |= {"COURSE_GRADE_RUN": str(folder / "run.json"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "JUPYTER_PLATFORM_DIRS": "1"}
    seconds = 3600 if trusted else limits.submission_seconds + limits.start_seconds + OVERHEAD
    said = folder / "pytest.txt"
    if fork_server:
        request = {"kind": "run", "folder": str(folder), "arguments": arguments, "environment": environment}
        in_time = forking.wait_for_end(*forking.ask(fork_server, request | {"said": str(said)}), seconds)
        return said.read_text(errors="replace")[-500:], in_time
    with open(said, "w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments], env=environment, cwd=folder,
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
        in_time = True
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            in_time = False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    return said.read_text(errors="replace")[-500:], in_time


def remove_of_the_dead(sandbox: Sandbox | None = None) -> None:
    """Delete what graders that were killed have left in the temporary folder, and end their containers."""
    for folder in Path(tempfile.gettempdir()).glob("course-*-*-*"):
        _, what, pid, *_ = folder.name.split("-")
        with contextlib.suppress(OSError):  # somebody else removes it just now
            seen = folder.lstat()
            is_ours = what in ("grade", "fork") and pid.isdecimal() and seen.st_uid == os.getuid()
            if not is_ours or not stat.S_ISDIR(seen.st_mode):
                continue
            if not psutil.pid_exists(int(pid)) and not forking.is_owned(folder):
                if sandbox is not None and what == "grade":
                    sandbox.remove(folder / "kernel")
                remove(folder)


def remove(folder: Path) -> None:
    """Delete a folder, whatever a kernel has left in it."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        subprocess.run(["rm", "-rf", "--", str(folder)], capture_output=True)

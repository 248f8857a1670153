"""Run a notebook with nbval, and read from it what the checks said."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from course.exercises.lesson import OUTCOME_MIME

REPORT = "COURSE_CELL_REPORT"  # environment variable: the file that the plugin writes


@dataclass(frozen=True)
class CellRun:
    """What happened to one code cell."""

    number: int  # among the code cells, from 1
    first_line: str
    passed: bool
    outcome: dict[str, Any] | None  # of a check: exercise, outcome, text, misconception
    error: str  # the last line of what went wrong, "" for a green cell


def run_notebook(path: Path, cell_timeout: float = 600) -> list[CellRun]:
    """Run all cells in a fresh kernel of this environment, with `pytest --nbval-lax`; one CellRun a code cell.

    The notebook file is only read, and outputs that are saved in it are ignored. Raises FileNotFoundError where there
    is no notebook, RuntimeError where pytest could not run it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no notebook {path}.")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "cells.jsonl")
        command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(path.parent.absolute())]
        command += ["-p", "no:cacheprovider", "-p", "nbval.plugin", "-p", "course.exercises.notebook"]
        command += ["--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={cell_timeout}", str(path.absolute())]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        environment |= {REPORT: str(report), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode not in (0, 1) or not report.exists():
            raise RuntimeError(f"pytest could not run {path}:\n{done.stdout}\n{done.stderr}")
        return [CellRun(**json.loads(line)) for line in report.read_text(encoding="utf-8").splitlines()]


def report(path: Path, cell_timeout: float = 600) -> bool:
    """Print a line for each exercise of a notebook. True where all of them are right and every cell has run."""
    console = Console()
    with console.status(f"running {path}"):
        runs = run_notebook(path, cell_timeout)
    outcomes = [run.outcome for run in runs if run.outcome is not None]
    colours = {"correct": "green", "not attempted": "bright_black", "wrong": "red", "handed over": "blue"}
    for outcome in outcomes:
        console.print(outcome["text"], style=colours[outcome["outcome"]], markup=False, highlight=False)
    for run in runs:
        if not run.passed and run.outcome is None:
            console.print(f"! cell {run.number}, `{run.first_line}`: {run.error}", markup=False, highlight=False)
    n_right = sum(outcome["outcome"] == "correct" for outcome in outcomes)
    console.print(f"{n_right} of {len(outcomes)} right.")
    return n_right == len(outcomes) and all(run.passed for run in runs)


# --------------------------------------------------------------------------- the pytest plugin inside that subprocess


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:
        if hasattr(item, "cell"):  # what the learner has saved is not a reference
            item.cell.outputs, item.cell.execution_count, item.options["check"] = [], None, False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: pytest.CallInfo[None]) -> Any:
    """Write a line a cell, in their order: nbval's names for cells differ from version to version."""
    report = yield
    if REPORT in os.environ and hasattr(item, "cell") and (call.when == "call" or report.failed):
        outcome, error = None, "" if report.passed else str(report.longrepr).strip().rpartition("\n")[2]
        for output in item.test_outputs or []:
            outcome = output.get("data", {}).get(OUTCOME_MIME, outcome)
            if "ename" in output:
                error = f"{output['ename']}: {output['evalue']}"
        number = [other for other in item.session.items if other.parent is item.parent].index(item) + 1
        lines = [line for line in item.cell.source.splitlines() if line.strip()]
        run = {"number": number, "first_line": lines[0] if lines else "", "passed": report.passed}
        run |= {"outcome": outcome, "error": re.sub(r"\x1b\[[0-9;]*m", "", error)}
        with open(os.environ[REPORT], "a", encoding="utf-8") as file:
            file.write(json.dumps(run) + "\n")
    return report

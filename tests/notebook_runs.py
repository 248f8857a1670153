"""Run a notebook with nbval and say for each code cell whether it was green; compare that with what a lesson should do.

What a cell is for stands in its metadata, written by tools/build_notebooks.py:

    cell.metadata["course"] = {"exercise": "4.5", "role": "answer" | "check" | "predict" | ..., "needs": ["4.5"]}

In an untouched lesson a check is red, a cell that needs an answer may be either, and every other cell is green.
"""

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Literal, NamedTuple

import nbformat

ROOT = Path(__file__).parent.parent

Colour = Literal["green", "red", "not run"]


class CellRun(NamedTuple):
    """What happened to one code cell."""

    number: int  # among the code cells, from 0
    cell: Any  # nbformat's cell
    colour: Colour
    message: str  # why it is red, empty for a green one


def run_notebook(notebook: Path, cell_timeout: float = 120) -> list[CellRun]:
    """Run a copy of the notebook in a kernel of this environment with `pytest --nbval-lax`; one CellRun a code cell.

    The copy lies in an empty folder, so a notebook that needs or leaves files beside it is found out. Cells are matched
    with results by their order: nbval's names for them changed between versions.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, notebook.name)
        copy.write_bytes(notebook.read_bytes())
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", folder, "-q", f"--junitxml={report}"]
        command += ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "tests.sockets"]
        command += ["--nbval-lax", "--nbval-current-env", f"--nbval-cell-timeout={cell_timeout}", str(copy)]
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        env["PYTHONPATH"] = str(ROOT)
        output = subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder)
        if not report.exists():
            raise RuntimeError(f"pytest could not run {notebook}:\n{output.stdout}\n{output.stderr}")
        results = list(ET.parse(report).iter("testcase"))
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    if len(cells) != len(results):
        raise RuntimeError(f"{notebook} has {len(cells)} code cells, nbval reported {len(results)}:\n{output.stdout}")
    return [CellRun(n, cell, *_outcome(result)) for n, (cell, result) in enumerate(zip(cells, results, strict=True))]


def _outcome(result: ET.Element) -> tuple[Colour, str]:
    for verdict in result:
        if verdict.tag in ("failure", "error"):
            text = re.sub(r"#x1B\[[0-9;]*m", "", verdict.text or "")  # colours of the terminal, as XML spells them
            return "red", text.strip()
        if verdict.tag == "skipped":
            return "not run", verdict.get("message", "")
    return "green", ""


def expected_colour(cell: Any) -> Literal["green", "red", "either"]:
    """What an untouched lesson shows for this cell."""
    course = cell.metadata.get("course", {})
    if course.get("role") == "check":
        return "red"
    return "either" if course.get("needs") else "green"


def surprises_in_untouched(runs: list[CellRun]) -> list[str]:
    """A sentence for every cell of an untouched lesson that is not what it should be."""
    allowed = {"green": ["green"], "red": ["red"], "either": ["green", "red"]}
    return [
        f"code cell {run.number} is {run.colour}, expected {expected}:\n{run.cell.source}\n{run.message}"
        for run in runs
        if run.colour not in allowed[expected := expected_colour(run.cell)]
    ]


def failures(runs: list[CellRun]) -> list[str]:
    """A sentence for every cell that is not green."""
    return [f"code cell {run.number} is {run.colour}:\n{run.message}" for run in runs if run.colour != "green"]

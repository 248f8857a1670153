"""Every solution is green, every untouched lesson is red at its checks and nowhere else, and the files are clean."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tests.notebook_runs import failures, run_notebook, surprises_in_untouched

ROOT = Path(__file__).parent.parent
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
LESSONS = sorted((ROOT / "lessons").glob("*.ipynb"))

in_one_worker = pytest.mark.xdist_group("notebooks")  # two at a time would share the cores, and cells have time limits


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


# ----------------------------------------------------------------------------- the notebooks of the course


def test_every_solution_has_its_lesson() -> None:
    assert LESSONS, "there are no lessons: run `make build`"
    assert [path.name for path in SOLUTIONS] == [path.name for path in LESSONS]
    assert [path.stem for path in SOLUTIONS] == sorted(path.stem for path in (ROOT / "solutions").glob("day*.py"))


def test_the_notebooks_are_built_from_their_source() -> None:
    command = [sys.executable, "tools/build_notebooks.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@in_one_worker
@pytest.mark.notebooks
@pytest.mark.parametrize("solution", SOLUTIONS, ids=name)
def test_a_solution_is_green(solution: Path) -> None:
    assert not failures(run_notebook(solution))


@in_one_worker
@pytest.mark.notebooks
@pytest.mark.parametrize("lesson", LESSONS, ids=name)
def test_an_untouched_lesson_is_red_at_its_checks_and_nowhere_else(lesson: Path) -> None:
    assert not surprises_in_untouched(run_notebook(lesson))


@pytest.mark.parametrize("lesson", LESSONS, ids=name)
def test_a_lesson_holds_no_outputs_and_no_answers(lesson: Path) -> None:
    cells = [cell for cell in nbformat.read(lesson, as_version=4).cells if cell.cell_type == "code"]
    assert not [cell.source for cell in cells if cell.outputs or cell.execution_count is not None]
    text = "\n".join(cell.source for cell in cells)
    source = (ROOT / "solutions" / f"{lesson.stem}.py").read_text(encoding="utf-8")
    answers = re.findall(r"### BEGIN SOLUTION\n(.*?)\n[ \t]*### END SOLUTION", source, re.DOTALL)
    assert answers, f"solutions/{lesson.stem}.py marks no answers"
    assert not [answer for answer in answers if answer.strip() in text]
    assert "SOLUTION" not in text


@pytest.mark.parametrize("notebook", SOLUTIONS + LESSONS, ids=name)
def test_a_committed_notebook_is_clean_and_small(notebook: Path) -> None:
    assert not impurities(notebook)
    assert notebook.stat().st_size < (3e6 if notebook in SOLUTIONS else 3e5)


def impurities(path: Path) -> list[str]:
    """What should not be committed: widget state (it hides every fallback picture) and paths of one machine."""
    notebook = nbformat.read(path, as_version=4)
    found = ["metadata.widgets"] if "widgets" in notebook.metadata else []
    for text in texts_of(notebook):
        if text == "application/vnd.jupyter.widget-view+json":
            found.append(text)
        found += re.findall(r"(?:/home/|/Users/|/root/|/tmp/|[A-Z]:\\Users)[^\s\"']*", text)
        found += [folder for folder in (str(ROOT), sys.prefix) if folder in text]
    return found


def texts_of(node: Any) -> Iterator[str]:
    """All keys and texts in a notebook but the pictures, whose base64 may spell anything."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for value in node:
            yield from texts_of(value)
    elif isinstance(node, dict):
        for key, value in node.items():
            yield key
            if not key.startswith("image/p"):
                yield from texts_of(value)


# ----------------------------------------------------------------------------- the harness, on a notebook of five cells

PLAIN = "import math"
STUB = "def double(x):\n    ..."
CHECK = "assert double(2) == 4, 'not written yet'"
NEEDY = "print(double(1) + 1)"
LAST = "math.pi"


def write_lesson(folder: Path, **changed: str) -> Path:
    """A lesson with one exercise. `changed` replaces the source of a cell."""
    exercise = {"exercise": "9.1", "needs": []}
    cells = {
        "plain": (PLAIN, {}),
        "stub": (STUB, {"course": {**exercise, "role": "answer"}}),
        "check": (CHECK, {"course": {**exercise, "role": "check"}}),
        "needy": (NEEDY, {"course": {"role": "experiment", "needs": ["9.1"]}}),
        "last": (LAST, {}),
    }
    notebook = new_notebook(
        cells=[new_code_cell(changed.get(key, source), metadata=data) for key, (source, data) in cells.items()]
    )
    path = folder / "lesson.ipynb"
    nbformat.write(notebook, path)
    return path


@in_one_worker
@pytest.mark.notebooks
def test_the_harness_sees_an_untouched_lesson(tmp_path: Path) -> None:
    runs = run_notebook(write_lesson(tmp_path))
    assert [run.colour for run in runs] == ["green", "green", "red", "red", "green"]
    assert "not written yet" in runs[2].message
    assert not surprises_in_untouched(runs)
    assert [sentence[:11] for sentence in failures(runs)] == ["code cell 2", "code cell 3"]


@in_one_worker
@pytest.mark.notebooks
def test_the_harness_sees_a_solution(tmp_path: Path) -> None:
    assert not failures(run_notebook(write_lesson(tmp_path, stub="def double(x):\n    return 2 * x")))


@in_one_worker
@pytest.mark.notebooks
def test_the_harness_sees_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "beside.txt").write_text("the copy that is run does not have this file beside it")
    lesson = write_lesson(tmp_path, plain="open('beside.txt')", check="double(2) == 4", last="while True: pass")
    broken_cell, check_that_cannot_fail, endless_cell = surprises_in_untouched(run_notebook(lesson, cell_timeout=4))
    assert broken_cell.startswith("code cell 0 is red, expected green")
    assert check_that_cannot_fail.startswith("code cell 2 is green, expected red")
    assert endless_cell.startswith("code cell 4 is red, expected green")


def test_impurities_are_seen(tmp_path: Path) -> None:
    notebook = new_notebook(cells=[new_code_cell("1")], metadata={"widgets": {}})
    view = {"application/vnd.jupyter.widget-view+json": {}, "image/png": "/home/x", "text/plain": "/home/ada/a.xyz"}
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", data=view)]
    nbformat.write(notebook, tmp_path / "x.ipynb")
    assert impurities(tmp_path / "x.ipynb") == ["metadata.widgets", *list(view)[:1], "/home/ada/a.xyz"]
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), tmp_path / "y.ipynb")
    assert not impurities(tmp_path / "y.ipynb")

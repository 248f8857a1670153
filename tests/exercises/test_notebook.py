"""`course check`: a small lesson, run in a kernel of its own."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from typer.testing import CliRunner

from course.cli import app

IMPORTS = "import torch\nfrom course.exercises import check, hint, stuck, predict"
RIGHT = "def accumulate(m, r, n):\n    return torch.zeros(n, m.shape[1], dtype=m.dtype).index_add(0, r, m)"
WRONG = "def accumulate(m, r, n):\n    b = torch.zeros(n, m.shape[1], dtype=m.dtype)\n    b[r] += m\n    return b"
CHECK = 'check("4.5", accumulate)'
PREDICT = 'prediction = predict("4.5", ["a", "b"], answer=None)\nprediction.compare("b")'

pytestmark = [pytest.mark.notebooks, pytest.mark.xdist_group("notebooks")]


def write(folder: Path, *cells: str) -> Path:
    path = folder / "my lesson.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Nine"), *map(new_code_cell, cells)]), path)
    return path


def test_a_line_for_each_exercise_and_for_each_other_red_cell(tmp_path: Path) -> None:
    stub = 'def initial_features(numbers, elements, n_f):\n    raise NotImplementedError("4.2")'
    handed_over = 'concat_message, outer_message, matrix_message = stuck("4.4")'
    cells = [IMPORTS, WRONG, CHECK, stub, 'check("4.2", initial_features)', "# a comment\n1 / 0"]
    cells += [handed_over, 'check("4.4", concat_message, outer_message, matrix_message)']
    path = write(tmp_path, *cells)
    before = path.read_bytes()
    result = CliRunner().invoke(app, ["check", str(path)])
    lines = " ".join(result.output.split())
    assert result.exit_code == 1
    assert "✗ 4.5 Only the last message to each atom is left." in lines
    assert "– 4.2 initial_features: not written yet." in lines
    assert "→ 4.4 concat_message, outer_message, matrix_message: handed over by the library, 0 points." in lines
    assert "! cell 6, `# a comment`: ZeroDivisionError: division by zero" in lines
    assert lines.count("!") == 1, "a check that hands over does not raise"
    assert "0 of 3 right." in lines
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_all_right_whatever_the_learner_calls_his_variables_and_has_saved(tmp_path: Path) -> None:
    names = "sum = 0\nlen = None\nprint = 'x'\nzip = range = 1\ntorch_ = torch\ntorch = None\nnp = 'numpy'"
    path = write(tmp_path, IMPORTS, names, RIGHT.replace("torch.", "torch_."), CHECK, PREDICT)
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[4].metadata["tags"] = ["nbval-check-output"]
    notebook.cells[4].outputs = [new_output("stream", text="something old\n")]
    nbformat.write(notebook, path)
    result = CliRunner().invoke(app, ["check", str(path)])
    assert result.exit_code == 0, result.output
    assert "1 of 1 right." in result.output


def test_no_notebook(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(tmp_path / "none.ipynb")])
    assert result.exit_code == 2 and "There is no notebook" in result.output

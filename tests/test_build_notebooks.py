"""The builder, on a tiny course of one notebook."""

import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

import course.exercises
from tools.build_notebooks import NUMBERS, BuildError, build, clean, main, stub

SOURCE = '''# %% [markdown]
# # Nine
#
# A first notebook.

# %%
import math

from course.exercises import check, predict

values = [1, 2]

# %% [markdown]
# ## 9.1 Double

# %%
def double(x):
    """Twice x."""
    ### BEGIN SOLUTION
    y = 2 * x
    return y
    ### END SOLUTION

# %%
check("9.1", double)

# %%
predict("9.1", ["one", "two"])

# %%
def picture():
    return double(3)

# %% tags=["nbval-check-output"]
print("six", picture())

# %%
# exercise 9.2
class Twice:
    """A doubling layer."""

    def __init__(self):
        ### BEGIN SOLUTION
        self.factor = 2
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        return double(x) * self.factor
        ### END SOLUTION

# %%
check("9.2", Twice)

# %%
results = {}
results["a"] = Twice().forward(1)

# %%
print(math.pi, values)
len(results)

# %%
results = {}
print(results)
'''


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def find(id: str) -> SimpleNamespace:
        if id not in ("9.1", "9.2"):
            raise ValueError(f"There is no exercise {id!r}.")
        return SimpleNamespace(id=id)

    monkeypatch.setattr(course.exercises, "find", find)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "solutions").mkdir()
    (tmp_path / "lessons").mkdir()
    write(tmp_path, SOURCE)
    return tmp_path


def write(root: Path, source: str) -> Path:
    path = root / "solutions" / "nine.py"
    path.write_text(source, encoding="utf-8")
    return path


def errors(root: Path, source: str) -> str:
    with pytest.raises(BuildError) as error:
        build(write(root, source))
    return str(error.value)


# ------------------------------------------------------------------------------------------------------------- build


def test_stubs_keep_signature_and_docstring_and_solutions_keep_the_answer(root):
    lesson, solution = build(write(root, SOURCE))
    assert [cell.source for cell in lesson.cells if "def double" in cell.source] == [
        "# exercise 9.1\n"
        'def double(x):\n    """Twice x."""\n    raise NotImplementedError("9.1 double: not written yet")'
    ]
    text = "\n".join(cell.source for cell in lesson.cells)
    assert "2 * x" not in text and "SOLUTION" not in text
    assert text.count('NotImplementedError("9.2 Twice: not written yet")') == 2
    answer = next(cell.source for cell in solution.cells if "def double" in cell.source)
    assert "y = 2 * x" in answer and "SOLUTION" not in answer
    assert "Built from `solutions/nine.py`" in lesson.cells[0].source
    assert all(not cell.outputs for cell in lesson.cells if cell.cell_type == "code")


def test_roles_and_needs(root):
    lesson, _ = build(write(root, SOURCE))
    courses = [cell.metadata["course"] for cell in lesson.cells if cell.cell_type == "code"]
    assert [(c["role"], c["exercise"], c["needs"]) for c in courses] == [
        ("example", None, []),
        ("answer", "9.1", []),
        ("check", "9.1", ["9.1"]),
        ("predict", "9.1", []),
        ("example", None, []),  # only defines picture()
        ("experiment", "9.1", ["9.1"]),  # calls it
        ("answer", "9.2", []),
        ("check", "9.2", ["9.1", "9.2"]),
        ("experiment", "9.2", ["9.1", "9.2"]),
        ("experiment", "9.2", ["9.1", "9.2"]),  # results were changed in place; values and math were not
        ("example", None, []),  # and are made anew
    ]
    tagged = [cell for cell in lesson.cells if cell.metadata.get("tags")]
    assert [cell.metadata["tags"] for cell in tagged] == [["nbval-check-output"]]
    assert not any(name.startswith("lines_to") for cell in lesson.cells for name in cell.metadata)


def needs_of(root: Path, *cells: str) -> list[list[str]]:
    """The needs of some more code cells at the end of the source."""
    lesson, _ = build(write(root, SOURCE + "".join(f"\n# %%\n{cell}\n" for cell in cells)))
    return [cell.metadata["course"]["needs"] for cell in lesson.cells[-len(cells) :]]


@pytest.mark.parametrize(
    ("cells", "needs"),
    [
        (["y = double(1)", "y"], [["9.1"], ["9.1"]]),
        (["y = double(1)", "y = 1", "y"], [["9.1"], [], []]),
        (["y = double(1)", "[y for y in (1, 2)]"], [["9.1"], []]),
        (["y = double(1)", "for y in (1, 2):\n    print(y)", "y"], [["9.1"], [], []]),
        (["y = double(1)", "def f(y):\n    z = y\n    return z", "f(2)"], [["9.1"], [], []]),
        (["def f():\n    return g()", "def g():\n    return double(1)", "f()"], [[], [], ["9.1"]]),
        (["f = lambda x: double(x)", "f(1)"], [["9.1"], ["9.1"]]),
        (["[double(x) for x in values]"], [["9.1"]]),
        (["from elsewhere import double", "double(1)"], [[], []]),
        (["first = 1\ny = double(1)", "first"], [["9.1"], []]),
        (["y = double(1)\nlast = 1", "last"], [["9.1"], ["9.1"]]),
        (["y = math.sqrt(double(1))", "math.pi"], [["9.1"], []]),
        (["values.append(double(1))", "values", "math.pi"], [["9.1"], ["9.1"], []]),
    ],
)
def test_needs_follow_the_names(root, cells, needs):
    assert needs_of(root, *cells) == needs


def test_ids_are_the_same_in_each_build_and_survive_an_inserted_cell(root):
    first, solution = build(write(root, SOURCE))
    again, _ = build(write(root, SOURCE))
    ids = [cell.id for cell in first.cells]
    assert ids == [cell.id for cell in again.cells] == [cell.id for cell in solution.cells]
    assert len(set(ids)) == len(ids)
    inserted, _ = build(write(root, SOURCE.replace("# %%\ndef double", "# %%\n1 + 1\n\n# %%\ndef double")))
    assert set(ids) < {cell.id for cell in inserted.cells}
    changed, _ = build(write(root, SOURCE.replace("y = 2 * x", "y = x + x").replace("Twice x", "Two x")))
    assert ids == [cell.id for cell in changed.cells]  # the id of an answer is its exercise, not its text
    nbformat.validate(inserted)


def test_twin_cells_have_different_ids(root):
    lesson, _ = build(write(root, SOURCE + "\n# %%\nprint(1)\n\n# %%\nprint(1)\n"))
    ids = [cell.id for cell in lesson.cells]
    assert len(set(ids)) == len(ids)


# ------------------------------------------------------------------------------------------------------- build errors


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("    ### END SOLUTION\n\n# %%\ncheck", "\n# %%\ncheck", "`### BEGIN SOLUTION` is never closed"),
        ("    ### BEGIN SOLUTION\n    y", "    y", "`### END SOLUTION` without `### BEGIN SOLUTION`"),
        ("    y = 2", "    ### BEGIN SOLUTION\n    y = 2", "inside a solution"),
        ("    ### END SOLUTION\n\n# %%\ncheck", "    ### END SOLUTIONS\n\n# %%\ncheck", "is not a mark"),
        ('check("9.1", double)', "pass", "no check asks for the answer in this cell"),
        ('check("9.1", double)', 'check("9.1", triple)', "asks for `triple`, which no answer before it defines"),
        ('check("9.1", double)', 'check("9.7", double)', "There is no exercise '9.7'"),
        ('check("9.2", Twice)', 'check("9.1", Twice)', "exercise 9.1 has a check already"),
        ("# exercise 9.2", "# exercise 9.1", "the comment says exercise 9.1, its check says 9.2"),
        ("print(math.pi", "import torch\ntorch.allclose(a, b)\nprint(math.pi", "cannot fail"),
        ("print(math.pi", "np.allclose(a, b)\nprint(math.pi", "`np.allclose(a, b)` cannot fail"),
        ("print(math.pi", 'assert (a == b, "equal")\nprint(math.pi', "a tuple is always true"),
        ("values = [1, 2]", "### BEGIN SOLUTION\nvalues = [1, 2]\n### END SOLUTION", "outside of a function"),
        ("values = [1, 2]", "values = [1, 2", "this is not Python"),
        ("    ### END SOLUTION\n\n# %%\ncheck", "    ### END SOLUTION\n\ncheck", "stand in one cell"),
    ],
)
def test_build_errors(root, old, new, sentence):
    assert old in SOURCE
    message = errors(root, SOURCE.replace(old, new, 1))
    assert sentence in message
    assert "solutions/nine.py, line " in message


def test_the_line_of_an_error_is_the_line_of_its_cell(root):
    message = errors(root, SOURCE.replace('check("9.1", double)', "pass"))
    line = int(re.findall(r"line (\d+)", message)[0])
    assert SOURCE.splitlines()[line - 1 : line + 1] == ["# %%", "def double(x):"]


def test_an_assert_on_allclose_is_fine(root):
    build(write(root, SOURCE.replace("print(math.pi", "assert np.allclose(a, b)\nprint(math.pi")))


def test_a_mark_that_is_not_alone_on_its_line_is_seen(root):
    assert "is not a mark" in errors(
        root, SOURCE.replace("    ### BEGIN SOLUTION\n    y", "    # BEGIN SOLUTION\n    y", 1)
    )


# -------------------------------------------------------------------------------------------------- execute and check

RUNNABLE = """# %% [markdown]
# # Nine

# %%
def check(id, function):
    assert function(2) == 4, "9.1 is not right"

# %%
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %%
check("9.1", double)

# %%
import sys

from IPython.display import display

print("four", double(2))
print("\\r 10%|#   | 1/10 [00:01<00:09, 1.00it/s]", file=sys.stderr)
display({"text/plain": "HBox(children=())", "application/vnd.jupyter.widget-view+json": {"model_id": "1"}}, raw=True)
display({"text/plain": "a picture", "application/vnd.jupyter.widget-view+json": {}, "image/png": "aGk="}, raw=True)
"""


def test_build_executes_once_and_check_agrees_until_something_changes(root, capsys):
    path = write(root, RUNNABLE)
    assert main([], root) == 0
    solution = nbformat.read(root / "solutions" / "nine.ipynb", as_version=4)
    outputs = solution.cells[-1].outputs
    assert [output.output_type for output in outputs] == ["stream", "display_data"]
    assert outputs[0].text == "four 4\n"
    assert set(outputs[1].data) == {"text/plain", "image/png"}
    assert all("execution" not in cell.metadata for cell in solution.cells)
    assert not list(root.glob("*/.*")), "temporary files are left"
    assert main(["--check"], root) == 0
    before = (root / "lessons" / "nine.ipynb").read_bytes()
    assert main(["--no-execute", "nine"], root) == 0
    assert (root / "lessons" / "nine.ipynb").read_bytes() == before

    path.write_text(RUNNABLE.replace("# # Nine", "# # Ten"), encoding="utf-8")
    capsys.readouterr()
    assert main(["--check"], root) == 1
    said = capsys.readouterr().out
    assert "lessons/nine.ipynb is not what" in said and "solutions/nine.ipynb is not what" in said
    path.write_text(RUNNABLE, encoding="utf-8")
    assert main(["--check"], root) == 0

    (root / "lessons" / "old.ipynb").write_bytes(before)
    assert main(["--check"], root) == 1
    assert "lessons/old.ipynb has no source" in capsys.readouterr().out
    (root / "lessons" / "old.ipynb").unlink()

    solution.cells[-1].execution_count = None
    nbformat.write(solution, root / "solutions" / "nine.ipynb")
    assert main(["--check"], root) == 1
    assert "never executed" in capsys.readouterr().out

    path.write_text(RUNNABLE.replace("2 * x", "3 * x"), encoding="utf-8")
    assert main([], root) == 1
    assert "9.1 is not right" in capsys.readouterr().out
    assert main(["ten"], root) == 2


def test_missing_notebooks_are_named(root, capsys):
    assert main(["--check"], root) == 1
    assert "lessons/nine.ipynb is missing" in capsys.readouterr().out


def test_magics_do_not_disturb():
    source = "%matplotlib inline\ndef f(x):\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"
    assert stub(source, "9.1").splitlines()[2].strip() == 'raise NotImplementedError("9.1 f: not written yet")'


def test_clean_keeps_words_and_pictures():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    data = [{"text/plain": "Model(x=1)"}, {"text/plain": "50%|##  |", "text/html": "<b>"}, {"image/png": "aGk="}]
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", data=d) for d in data]
    clean(notebook)
    assert len(notebook.cells[0].outputs) == 3


def test_clean_joins_what_was_printed_in_one_go():
    cell = nbformat.v4.new_code_cell("1")
    said = [("stdout", "a\n"), ("stdout", "10%|# |\n"), ("stdout", "b\n"), ("stderr", "c\n"), ("stdout", "d\n")]
    cell.outputs = [nbformat.v4.new_output("stream", name=name, text=text) for name, text in said]
    clean(nbformat.v4.new_notebook(cells=[cell]))
    assert [(output.name, output.text) for output in cell.outputs] == [
        ("stdout", "a\nb\n"),
        ("stderr", "c\n"),
        ("stdout", "d\n"),
    ]


# ------------------------------------------------------------------------------------------------------- instructors

COUNTING = """
# %% tags=["instructor"]
print(f"twice two: {double(2)} ± 0 apples")
print("a time: 12:30: 3 ± 1 s")
"""
NOTES = "# Nine\n\nDraw two apples.\n\n{{numbers}}\n\nMost are stuck at 9.1.\n"


def notes(root: Path, text: str | None = NOTES, source: str = RUNNABLE + COUNTING) -> Path:
    write(root, source)
    file = root / "solutions" / "instructor" / "nine.md"
    file.parent.mkdir(exist_ok=True)
    file.unlink(missing_ok=True)
    if text is not None:
        file.write_text(text, encoding="utf-8")
    return root / "lessons" / "instructor" / "nine.md"


def test_the_numbers_of_an_instructor_come_from_the_solution_and_stand_in_no_notebook(root, capsys):
    built = notes(root)
    assert main([], root) == 0, capsys.readouterr().out
    text = built.read_text(encoding="utf-8")
    assert "Draw two apples.\n\n| what | expected |\n|:--|:--|\n| twice two | 4 ± 0 apples |" in text
    assert "| a time: 12:30 | 3 ± 1 s |\n\nMost are stuck" in text and NUMBERS not in text
    for folder in ("lessons", "solutions"):
        assert "apples" not in (root / folder / "nine.ipynb").read_text(encoding="utf-8")
    assert main(["--check"], root) == 0
    assert not list(root.glob("*/instructor/.*")), "temporary files are left"


@pytest.mark.parametrize(
    ("text", "source", "sentence"),
    [
        (NOTES.replace("two", "three"), RUNNABLE + COUNTING, "is not what solutions/instructor/nine.md says"),
        (NOTES.replace("Most", "Some"), RUNNABLE + COUNTING, "is not what solutions/instructor/nine.md says"),
        (NOTES, RUNNABLE + COUNTING.replace("double(2)", "4"), "is not what solutions/instructor/nine.md says"),
        (NOTES.replace(NUMBERS, "numbers"), RUNNABLE + COUNTING, "has 0 lines {{numbers}}; it needs one"),
        (None, RUNNABLE + COUNTING, "there are no notes: solutions/instructor/nine.md"),
        (NOTES, RUNNABLE, 'has no cell with tags=["instructor"]'),
    ],
)
def test_notes_that_are_not_up_to_date_are_named(root, capsys, text, source, sentence):
    notes(root)
    assert main([], root) == 0
    notes(root, text, source)
    capsys.readouterr()
    assert main(["--check"], root) == 1
    assert sentence in capsys.readouterr().out


def test_notes_that_are_missing_or_left_over_are_named(root, capsys):
    built = notes(root)
    assert main([], root) == 0
    built.rename(built.with_name("ten.md"))
    assert main(["--check"], root) == 1
    said = capsys.readouterr().out
    assert "lessons/instructor/nine.md is missing" in said and "instructor/ten.md has no source" in said


@pytest.mark.parametrize(
    ("cell", "sentence"), [('print("about four")', "printed 'about four'"), ("4", "has printed nothing")]
)
def test_a_cell_for_instructors_prints_values(root, capsys, cell, sentence):
    notes(root, source=f'{RUNNABLE}\n# %% tags=["instructor"]\n{cell}\n')
    assert main([], root) == 1
    assert sentence in capsys.readouterr().out
    assert not (root / "solutions" / "nine.ipynb").exists()

"""Lessons go out to nbgrader and otter-grader, and come back."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from course.cli import app
from course.exercises import ExerciseError, find
from course.grading import exchange
from course.grading.exchange import Cell, check_again, from_notebook, import_, read_source, to_nbgrader, to_otter

SOURCES = sorted((Path(__file__).parents[2] / "solutions").glob("day*.py"))
SPLIT = re.compile(r"(?=^# %%)", re.MULTILINE)
FOR_INSTRUCTORS = '# %% tags=["instructor"]'

# nbgrader's schema of a cell, version 3, and the rules of its validator
KEYS: dict[str, Any] = {
    "schema_version": int,
    "grade": bool,
    "locked": bool,
    "solution": bool,
    "task": bool,
    "grade_id": str,
    "points": (int, float),
    "checksum": str,
    "cell_type": str,
}


def problems_of(notebook: dict[str, Any]) -> list[str]:
    """What nbgrader would say."""
    found, ids = [], set()
    for cell in notebook["cells"]:
        meta = cell["metadata"].get("nbgrader")
        if meta is None:
            continue
        if missing := {"schema_version", "grade", "locked", "solution"} - set(meta):
            found.append(f"{missing} missing")
        found += [f"{key} unknown" for key in set(meta) - set(KEYS)]
        found += [f"{key} is {meta[key]!r}" for key in set(meta) & set(KEYS) if not isinstance(meta[key], KEYS[key])]
        if meta.get("schema_version") != 3:
            found.append("not version 3")
        if not re.fullmatch(r"[a-zA-Z0-9_\-]+", meta.get("grade_id", "")) or meta["grade_id"] in ids:
            found.append(f"id {meta.get('grade_id')!r}")
        ids.add(meta.get("grade_id"))
        if meta.get("grade") and not meta.get("points", -1) >= 0:
            found.append("no points")
        if meta.get("cell_type") != cell["cell_type"]:
            found.append("another type of cell")
    return found


def otter_problems(notebook: dict[str, Any]) -> list[str]:
    """What `otter assign` would say of blocks: opened and closed in turn, only tests in tests, only functions there."""
    found: list[str] = []
    blocks: list[str] = []
    for cell in notebook["cells"]:
        mark = exchange.OTTER_BLOCK.match(cell["source"]) if cell["cell_type"] == "raw" else None
        if mark and mark[3]:
            continue
        if mark and mark[1].lower() == "begin":
            if (mark[2] == "QUESTION") == bool(blocks):
                found.append(f"{mark[0]} in {blocks}")
            blocks.append(mark[2])
        elif mark:
            if blocks.pop() != mark[2]:
                found.append(f"{mark[0]} closes another block")
        elif blocks[-1:] == ["TESTS"] and not re.match(r"(# HIDDEN\n)?def \w+\(", cell["source"]):
            found.append("a test that is no function")
        elif blocks[-1:] != ["SOLUTION"] and re.search(r"^\s*# (BEGIN|END) SOLUTION", cell["source"], re.MULTILINE):
            found.append("an answer outside of a solution block")
        if "### BEGIN SOLUTION" in cell["source"]:  # otter wants one #
            found.append("nbgrader's marks")
    return found + blocks


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_lesson_goes_out_and_comes_back(path: Path) -> None:
    cells, notes = read_source(path)
    text = path.read_text(encoding="utf-8")
    assert len(notes) == (FOR_INSTRUCTORS in text)
    for notebook in (to_nbgrader(cells), to_otter(cells, path.stem)):
        back = from_notebook(json.dumps(notebook).encode(), "9")
        assert [cell for cell in back.cells if cell.source != ""] == cells
        assert back.rest == ""
        wanted = "".join(part for part in SPLIT.split(text) if not part.startswith(FOR_INSTRUCTORS))
        assert re.sub(r"\n+", "\n", back.text()) == re.sub(r"\n+", "\n", wanted)  # ruff sets the empty lines


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_both_tools_would_take_it(path: Path) -> None:
    cells, _ = read_source(path)
    notebook = to_nbgrader(cells)
    assert problems_of(notebook) == []
    graded = [cell for cell in notebook["cells"] if cell["metadata"].get("nbgrader", {}).get("grade")]
    tasks = exchange.tasks_of(cells)
    assert [cell["metadata"]["nbgrader"]["points"] for cell in graded] == [find(task.exercise).points for task in tasks]
    assert all(cell["metadata"]["nbgrader"]["locked"] and "BEGIN HIDDEN TESTS" in cell["source"] for cell in graded)
    assert otter_problems(to_otter(cells, path.stem)) == []
    assert len(tasks) == path.read_text(encoding="utf-8").count("\ncheck(")


def test_two_exports_have_other_hidden_inputs_and_one_seed_the_same():
    cells, _ = read_source(SOURCES[0])
    assert to_nbgrader(cells) != to_nbgrader(cells)
    assert to_nbgrader(cells, 1) == to_nbgrader(cells, 1)


def test_the_hidden_check_is_for_own_answers_and_says_nothing_of_what_was_expected():
    (right,) = find("4.5").reference

    def mine(*arguments):
        return right(*arguments)

    check_again("4.5", mine, seed=7)
    with pytest.raises(ExerciseError, match="0 points"):
        check_again("4.5", right, seed=7)
    with pytest.raises(ExerciseError) as caught:
        check_again("4.5", lambda messages, receivers, n_atoms: messages, seed=7)
    assert caught.value._render_traceback_() == ['4.5 is not right yet. hint("4.5") helps.']


ANSWER = "def square(x):\n    '''The square.'''\n    ### BEGIN SOLUTION\n    return x * x\n    ### END SOLUTION"
CHECK = 'check("4.5", square)'


def source(*sources: str) -> list[Cell]:
    return [Cell("markdown" if text.startswith("#:") else "code", text) for text in sources]


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (source("x = 1"), "There is no exercise"),
        (source(ANSWER), "No check asks for the answer that begins with `def square"),
        (source(CHECK), "asks for square, which no answer before it defines"),
        (source(ANSWER, ANSWER.replace("square", "cube"), CHECK, 'check("4.4", cube)'), "otter cannot say that"),
    ],
)
def test_what_cannot_go_out_is_said(cells: list[Cell], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        to_otter(cells, "lesson")


# ---------------------------------------------------------------------------------------- from somebody else's tools


def nbgrader(cell_type: str, text: str, **meta: Any) -> Cell:
    full = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False} | meta
    return Cell(cell_type, text, {"nbgrader": full})


def as_bytes(cells: list[Cell]) -> bytes:
    return json.dumps(exchange.as_notebook(cells)).encode()


def test_an_assignment_of_nbgrader():
    cells = [
        Cell("markdown", "# Squares"),
        Cell("code", "print(1)", {"tags": ["nbval-check-output"]}),
        nbgrader("code", ANSWER, grade_id="sq", solution=True),
        nbgrader("code", "assert square(2) == 4", grade_id="t1", grade=True, locked=True, points=2),
        nbgrader("code", "### BEGIN HIDDEN TESTS\nassert square(3) == 9\n### END HIDDEN TESTS",
                 grade_id="t2", grade=True, locked=True, points=1),
        nbgrader("code", "def cube(x):\n    return x ** 3", grade_id="cb", solution=True),
        nbgrader("code", "assert cube(2) == 8", grade_id="t3", grade=True, locked=True, points=4),
        nbgrader("markdown", "Because.", grade_id="why", grade=True, solution=True, points=5),
        nbgrader("markdown", "Add *two* numbers.\n=== BEGIN MARK SCHEME ===\nall\n=== END MARK SCHEME ===",
                 grade_id="task", task=True, points=5),
        nbgrader("code", "def add(x, y):\n    ### BEGIN SOLUTION\n    return x + y\n    ### END SOLUTION",
                 grade_id="add", grade=True, solution=True, points=5),
    ]  # fmt: skip
    got = from_notebook(as_bytes(cells), "7")
    assert [cell.source for cell in got.cells] == [
        "# Squares",
        "from course.exercises import check, hint, predict, stuck",
        "print(1)",
        f"# exercise 7.1\n{ANSWER}",
        'check("7.1", square)',
        "# exercise 7.2\ndef cube(x):\n    ### BEGIN SOLUTION\n    return x ** 3\n    ### END SOLUTION",
        'check("7.2", cube)',
        "*Your answer.*",
        "Add *two* numbers.\n",
        "def add(x, y):\n    ...",
    ]
    said = "\n".join(got.notes)
    assert "7.1 (there sq), 3 points: its tests are assertions and were not carried over" in said
    assert "course/exercises/day7.py" in said
    assert "why is graded by hand" in said
    assert "assert square(3) == 9" in got.rest
    assert "Because." in got.rest and "all\n" in got.rest and "return x + y" in got.rest
    assert "assert" not in got.text()
    assert '# %% tags=["nbval-check-output"]\nprint(1)' in got.text()
    compile(got.text(), "day7_topic.py", "exec")


OTTER = [
    "raw # ASSIGNMENT CONFIG\nname: hw1",
    "md  ```otter\n# BEGIN QUESTION\nname: q1\npoints:\n    - 1\n    - 2\n```",
    "md  Square it.",
    "raw # BEGIN SOLUTION",
    "py  def square(x):\n    y = x * x  # SOLUTION\n    return y  # SOLUTION\n\nsquare(1)",
    "raw # END SOLUTION",
    "raw # BEGIN TESTS",
    "py  square(2) == 4",
    "py  # HIDDEN\nsquare(3)",
    "raw # END TESTS",
    "raw # END QUESTION",
    "raw # BEGIN QUESTION\nname: q2",
    "raw # BEGIN SOLUTION",
    "py  def cube(x):\n    # BEGIN SOLUTION NO PROMPT\n    return x ** 3\n    # END SOLUTION\n"
    '    """ # BEGIN PROMPT\n    ...\n    """; # END PROMPT',
    "raw # END SOLUTION",
    "raw # END QUESTION",
    "raw # BEGIN QUESTION\nname: why\nmanual: true",
    "raw # BEGIN SOLUTION",
    "md  Because.",
    "raw # END SOLUTION",
    "raw # END QUESTION",
]


def test_an_assignment_of_otter():
    types = {"raw": "raw", "md": "markdown", "py": "code"}
    got = from_notebook(as_bytes([Cell(types[text[:4].strip()], text[4:]) for text in OTTER]), "7")
    begin, end = "    ### BEGIN SOLUTION\n", "    ### END SOLUTION"
    assert [cell.source for cell in got.cells] == [
        "Square it.",
        "from course.exercises import check, hint, predict, stuck",
        f"# exercise 7.1\ndef square(x):\n{begin}    y = x * x\n    return y\n{end}\n\nsquare(1)",
        'check("7.1", square)',
        f"# exercise 7.2\ndef cube(x):\n{begin}    return x ** 3\n{end}",
        "*Your answer.*",
        'check("7.2", cube)',
    ]
    said = "\n".join(got.notes)
    for words in ("7.1 (there q1), 3 points", "7.2 (there q2) had no tests", "why is graded by hand", "configuration"):
        assert words in said
    assert "square(2) == 4" in got.rest and "Because." in got.rest


def test_strange_answers_are_named():
    cells = [
        nbgrader("code", "### BEGIN SOLUTION\nx = 5\n### END SOLUTION", grade_id="a", solution=True),
        nbgrader("code", "assert x == 5", grade_id="b", grade=True, points=1),
        nbgrader(
            "code", "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()", grade_id="c", solution=True
        ),
        nbgrader("code", "y = 3", grade_id="d", solution=True),
    ]
    said = "\n".join(from_notebook(as_bytes(cells), "7").notes)
    assert "a: its answer is not inside a function" in said
    assert "7.1 (there a) is not answered by a function" in said
    assert "c: nothing is written in it. Is this the learners' version?" in said
    assert "d: no mark says where the answer begins" in said


def test_what_is_no_assignment_is_refused():
    with pytest.raises(ValueError, match="There is no answer in it"):
        from_notebook(as_bytes([Cell("code", "x = 1")]), "7")
    by_hand = nbgrader("markdown", "Because.", grade_id="why", grade=True, solution=True, points=5)
    with pytest.raises(ValueError, match="why is graded by hand"):
        from_notebook(as_bytes([by_hand]), "7")


# ------------------------------------------------------------------------------------------------------ command line


def test_there_and_back_by_command(tmp_path: Path) -> None:
    run = CliRunner().invoke
    for tool in ("nbgrader", "otter"):
        out = run(app, ["export", tool, str(SOURCES[0]), "-o", str(tmp_path / tool)])
        assert out.exit_code == 0, out.output
        assert "next: " in out.output and "must be installed" in out.output
        (notebook,) = (tmp_path / tool).rglob("*.ipynb")
        back = run(app, ["import", str(notebook), "-o", str(tmp_path / f"day0_{tool}.py")])
        assert back.exit_code == 0, back.output
        again = run(app, ["import", str(notebook), "-o", str(tmp_path / f"day0_{tool}.py")])
        assert again.exit_code == 2 and "is not written over" in again.output
    wrong = run(app, ["export", "moodle", str(SOURCES[0]), "-o", str(tmp_path)])
    assert wrong.exit_code == 2 and "choose nbgrader or otter" in wrong.output
    with pytest.raises(ValueError, match="A source has a name like day7_topic.py"):
        import_(tmp_path / "x.ipynb", tmp_path / "topic.py")

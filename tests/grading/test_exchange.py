"""Lessons go out to nbgrader and otter-grader, and come back."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from typer.testing import CliRunner

from course.cli import app
from course.exercises import ExerciseError, find
from course.grading import exchange
from course.grading.exchange import (
    Cell,
    check_again,
    export,
    from_notebook,
    import_,
    read_source,
    to_nbgrader,
    to_otter,
)

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
    n_left_out = text.count(FOR_INSTRUCTORS)
    words = f"{n_left_out} cells for instructors were left out: learners would see them."
    assert notes == ([words] if n_left_out else [])
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
    metas = [cell["metadata"].get("nbgrader", {}) for cell in notebook["cells"]]
    tasks = exchange.tasks_of(cells)
    assert len(tasks) == path.read_text(encoding="utf-8").count("\ncheck(")
    points = {task.check: find(task.exercise).points for task in tasks}
    assert {place: meta["points"] for place, meta in enumerate(metas) if meta.get("grade")} == points
    answers = [place for place, cell in enumerate(cells) if exchange.BEGIN in cell.source]
    assert [place for place, meta in enumerate(metas) if meta.get("solution")] == answers
    assert [place for place, meta in enumerate(metas) if meta.get("locked")] == list(points)
    for place in points:
        assert re.search(
            r"\n### BEGIN HIDDEN TESTS\n.+\n### END HIDDEN TESTS$", notebook["cells"][place]["source"], re.S
        )
    for_otter = to_otter(cells, path.stem)
    assert otter_problems(for_otter) == []
    for made in (notebook, for_otter):
        nbformat.validate(made)
        assert made["metadata"] == {"kernelspec": exchange.KERNELSPEC, "language_info": {"name": "python"}}


@pytest.mark.parametrize("make", [to_nbgrader, lambda cells, *seed: to_otter(cells, "lesson", *seed)])
def test_two_exports_have_other_hidden_inputs_and_one_seed_the_same(make: Any) -> None:
    cells, _ = read_source(SOURCES[0])
    kept = list(cells)
    assert make(cells) != make(cells)
    assert make(cells, 1) == make(cells, 1) != make(cells, 2)
    assert cells == kept


def test_the_hidden_check_is_for_own_answers_and_says_nothing_of_what_was_expected():
    (right,) = find("4.5").reference

    asked = []

    def mine(messages, receivers, n_atoms):
        asked.append(messages)
        return right(messages, receivers, n_atoms)

    seen = []
    for seed in (7, 7, 8):
        check_again("4.5", mine, seed=seed)
        seen.append([messages.tolist() for messages in asked])
        asked.clear()
    assert seen[0] == seen[1] != seen[2]
    with pytest.raises(ExerciseError, match="0 points"):
        check_again("4.5", right, seed=7)
    with pytest.raises(ExerciseError) as caught:
        check_again("4.5", lambda messages, receivers, n_atoms: messages, seed=7)
    assert caught.value._render_traceback_() == ['4.5 is not right yet. hint("4.5") helps.']
    with pytest.raises(ExerciseError):
        check_again("4.5", lambda *arguments: None, seed=7)  # not attempted


ANSWER = "def square(x):\n    '''The square.'''\n    ### BEGIN SOLUTION\n    return x * x\n    ### END SOLUTION"
CHECK = 'check("4.5", square)'


def source(*sources: str) -> list[Cell]:
    return [Cell("markdown" if text.startswith("#:") else "code", text) for text in sources]


CUBE, THIRD = ANSWER.replace("square", "cube"), ANSWER.replace("square", "third")


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (source("x = 1", "#: check('4.5', f)"), f'no answer between "{exchange.BEGIN}" and "{exchange.END}" with a'),
        (source(ANSWER), "No check asks for the answer that begins with `def square(x):`."),
        ([*source(ANSWER), Cell("markdown", CHECK)], "No check asks for the answer"),
        (source(ANSWER, CHECK, f"#: {ANSWER}"), "No check asks for the answer that begins with `#: def square(x):`."),
        (source(CHECK), "check('4.5') asks for square, which no answer before it defines"),
        (source("def square(x): ...", CHECK), "asks for square, which no answer"),
        (source(ANSWER, 'check("9.1", square)'), "There is no exercise '9.1'"),
        (
            source(ANSWER, CUBE, CHECK, THIRD, 'check("4.4", third, cube)'),
            "to 4.4 stands before the check of 4.5; otter cannot",
        ),
        (source(f"{ANSWER}\n{CHECK}"), "check('4.5') must be the only one of its exercise, in a cell of its own"),
        (source(ANSWER, CHECK, CHECK), "check('4.5') must be the only one"),
        (source(ANSWER, CUBE, f'{CHECK}\ncheck("4.4", cube)'), "check('4.4') must be the only one"),
    ],
)
def test_what_cannot_go_out_is_said(cells: list[Cell], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        to_otter(cells, "lesson")


def several() -> list[Cell]:
    """An exercise of two functions, and another one with a statement and with code that is not Python before it."""
    cells = source(
        ANSWER, "between = 1", CUBE, 'check("4.4", cube, square)', "for", "#: Again.", ANSWER, CHECK, "#: End."
    )
    return [Cell(cell.type, cell.source, {"tags": [f"t{n}"]}) for n, cell in enumerate(cells)]


def test_answers_and_checks_are_named_for_nbgrader() -> None:
    got = to_nbgrader(several(), 7)["cells"]
    metas = {place: cell["metadata"]["nbgrader"] for place, cell in enumerate(got) if "nbgrader" in cell["metadata"]}
    names = {place: meta.pop("grade_id") for place, meta in metas.items()}
    assert names == {0: "answer-4-4-1", 2: "answer-4-4-2", 3: "check-4-4", 6: "answer-4-5", 7: "check-4-5"}
    common = {"schema_version": 3, "task": False, "cell_type": "code"}
    assert metas[6] == common | {"solution": True, "grade": False, "locked": False}
    assert metas[7] == common | {"solution": False, "grade": True, "locked": True, "points": 10}
    assert [cell["metadata"]["tags"] for cell in got] == [[f"t{n}"] for n in range(9)]
    assert got[3]["source"] == (
        'check("4.4", cube, square)\n### BEGIN HIDDEN TESTS\nfrom course.grading.exchange import check_again\n'
        'check_again("4.4", cube, square, seed=7)\n### END HIDDEN TESTS'
    )


def test_questions_of_otter() -> None:
    got = to_otter(several(), "lesson", 7)["cells"]
    marked = [re.sub("### (BEGIN|END)", r"# \1", answer) for answer in (ANSWER, CUBE)]
    begin, end, begin_tests, end_tests = (
        f"# {mark}" for mark in ("BEGIN SOLUTION", "END SOLUTION", "BEGIN TESTS", "END TESTS")
    )
    question = "# BEGIN QUESTION\nname: {}\npoints: {}\nall_or_nothing: true"
    test = "def {}({}):\n    from course.{} import {}\n    {}"
    wanted = [
        "# ASSIGNMENT CONFIG\nname: lesson\ntests:\n    ok_format: false\nexport_cell:\n    pdf: false",
        question.format("q4_4", find("4.4").points), begin, marked[0], end,
        "between = 1",
        begin, marked[1], end,
        begin_tests,
        test.format("test_4_4", "cube, square", "exercises", "check", 'check("4.4", cube, square)'),
        "# HIDDEN\n" + test.format("test_again_4_4", "cube, square", "grading.exchange", "check_again",
                                   'check_again("4.4", cube, square, seed=7)'),
        end_tests, "# END QUESTION",
        "for",
        question.format("q4_5", 10), "#: Again.", begin, marked[0], end,
        begin_tests,
        test.format("test_4_5", "square", "exercises", "check", CHECK),
        "# HIDDEN\n" + test.format("test_again_4_5", "square", "grading.exchange", "check_again",
                                   'check_again("4.5", square, seed=7)'),
        end_tests, "# END QUESTION",
        "#: End.",
    ]  # fmt: skip
    assert [cell["source"] for cell in got] == wanted
    assert [cell["cell_type"] == "raw" for cell in got] == [bool(exchange.OTTER_BLOCK.match(text)) for text in wanted]
    assert [tag for cell in got for tag in cell["metadata"].get("tags", [])] == [
        "t0",
        "t1",
        "t2",
        "t4",
        "t5",
        "t6",
        "t8",
    ]
    assert all(yaml.safe_load(cell["source"]) for cell in got if "\n" in cell["source"] and cell["cell_type"] == "raw")


def test_exported_tests_tell_right_from_wrong() -> None:
    (right,) = find("4.5").reference
    cells = source("x = 1", ANSWER.replace("square", "accumulate"), CHECK.replace("square", "accumulate"))
    assert to_otter(cells, "lesson")["cells"][1]["source"] == "x = 1"  # no statement of the question
    *_, of_nbgrader = [cell["source"] for cell in to_nbgrader(cells, 7)["cells"]]
    once, again = [cell["source"] for cell in to_otter(cells, "lesson", 7)["cells"] if "def test" in cell["source"]]
    codes = (
        "from course.exercises import check\n" + of_nbgrader,
        once + "\ntest_4_5(accumulate)",
        again + "\ntest_again_4_5(accumulate)",
    )
    for code in codes:
        exec(code, {"accumulate": lambda *arguments: right(*arguments)})
        with pytest.raises(ExerciseError):
            exec(code, {"accumulate": lambda *arguments: 1 + right(*arguments)})


# ---------------------------------------------------------------------------------------- from somebody else's tools


def nbgrader(cell_type: str, text: str, **meta: Any) -> Cell:
    full = {"schema_version": 3, "grade": False, "solution": False, "locked": False, "task": False} | meta
    return Cell(cell_type, text, {"nbgrader": full})


def as_bytes(cells: list[Cell]) -> bytes:
    return json.dumps(exchange.as_notebook(cells)).encode()


def lost(what: str) -> str:
    number, day = what.split()[0], what.partition(".")[0]
    return (
        f"{what}: its tests are assertions and were not carried over. "
        f'`check("{number}", ...)` needs an Exercise in course/exercises/day{day}.py.'
    )


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
    assert [cell.type for cell in got.cells] == ["markdown", *["code"] * 6, "markdown", "markdown", "code"]
    by_hand = "is graded by hand: it became an empty cell without a check."
    assert got.notes == [
        f"why {by_hand}", f"task {by_hand}", f"add {by_hand}",
        lost("7.1 (there sq), 3 points"), lost("7.2 (there cb), 4 points"),
    ]  # fmt: skip
    assert got.rest.splitlines() == [
        "# why, graded by hand", "Because.", "",
        "# task, graded by hand", *cells[8].source.splitlines(), "",
        "# add, graded by hand", *cells[9].source.splitlines(), "",
        "# 7.1 square, 3 points", cells[3].source, *cells[4].source.splitlines(), "",
        "# 7.2 cube, 4 points", "assert cube(2) == 8",
    ]  # fmt: skip
    assert '# %% tags=["nbval-check-output"]\nprint(1)' in got.text()
    compile(got.text(), "day7_topic.py", "exec")


OTTER = [
    "raw # ASSIGNMENT CONFIG\nname: hw1",
    "md  ```otter\n# BEGIN QUESTION\nname: q1\npoints:\n    - 1\n    - 2\n```",
    "md  Square it.",
    "md  # Begin tests early",
    "md  ```otter\n# BEGIN QUESTION\n```\nThat is how otter writes it.",
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
    "raw # begin question\nname: why\nmanual: true",
    "md  Why?",
    "raw # begin prompt",
    "md  Say why.",
    "raw # end prompt",
    "raw # begin solution",
    "md  Because.",
    "py  reason = 1  # SOLUTION",
    "raw # end solution",
    "raw # BEGIN TESTS",
    "py  len(answer) > 3",
    "raw # END TESTS",
    "raw # END QUESTION",
    "raw # BEGIN QUESTION\nname: both\npoints: 0.5",
    "raw # BEGIN SOLUTION",
    "raw # BEGIN PROMPT",
    "py  ...",
    "raw # END PROMPT",
    "md  In words.",
    "py  def half(x):\n    return x / 2  # SOLUTION",
    "raw # END SOLUTION",
    "raw # BEGIN TESTS",
    "py  half(2) == 1",
    "raw # END TESTS",
    "raw # END QUESTION",
    "md  import otter",
    "py  import otter",
    "py  grader.check_all()",
]


def otter(*texts: str) -> list[Cell]:
    types = {"raw": "raw", "md": "markdown", "py": "code"}
    return [Cell(types[text[:4].strip()], text[4:]) for text in texts]


def test_an_assignment_of_otter():
    got = from_notebook(as_bytes(otter(*OTTER)), "7")
    begin, end = "    ### BEGIN SOLUTION\n", "    ### END SOLUTION"
    assert [cell.source for cell in got.cells] == [
        "Square it.",
        "# Begin tests early",
        "```otter\n# BEGIN QUESTION\n```\nThat is how otter writes it.",
        "from course.exercises import check, hint, predict, stuck",
        f"# exercise 7.1\ndef square(x):\n{begin}    y = x * x\n    return y\n{end}\n\nsquare(1)",
        'check("7.1", square)',
        f"# exercise 7.2\ndef cube(x):\n{begin}    return x ** 3\n{end}",
        "Why?",
        "*Your answer.*",
        "...",
        "*Your answer.*",
        f"# exercise 7.3\ndef half(x):\n{begin}    return x / 2\n{end}",
        'check("7.3", half)',
        "import otter",
        'check("7.2", cube)',
    ]
    assert got.notes == [
        "The assignment's configuration for otter was left out.",
        "why is graded by hand: it became empty cells without a check.",
        "The prompt of why was left out: an unwritten answer says so by itself.",
        "The prompt of both was left out: an unwritten answer says so by itself.",
        "both: what is answered in words became empty cells.",
        "Lines that start or call otter were left out.",
        lost("7.1 (there q1), 3 points"),
        "7.2 (there q2) had no tests: its check was written all the same.",
        lost("7.2 (there q2), points not said"),
        lost("7.3 (there both), 0.5 points"),
    ]
    assert got.rest.splitlines() == [
        "# why, graded by hand", "Because.", "",
        "# why, graded by hand", "### BEGIN SOLUTION", "reason = 1", "### END SOLUTION", "",
        "# why, graded by hand", "len(answer) > 3", "",
        "# both, answered in words", "In words.", "",
        "# 7.1 square, 3 points", "square(2) == 4", "# HIDDEN", "square(3)", "",
        "# 7.2 cube, points not said", "",
        "# 7.3 half, 0.5 points", "half(2) == 1",
    ]  # fmt: skip
    fenced = [re.sub(r"^raw (.*)", r"md  \n```otter\n\1\n```\n", text, flags=re.DOTALL) for text in OTTER]
    assert from_notebook(as_bytes(otter(*fenced)), "7") == got


def test_tags_stay_and_other_metadata_goes():
    of_nbgrader = [
        nbgrader("code", "print(1)"),
        nbgrader("code", ANSWER, grade_id="a", solution=True),
        nbgrader("code", "assert square(2) == 4", grade_id="b", grade=True),
        nbgrader("code", "square(5)", grade_id="c", grade=True, solution=True),
    ]
    of_otter = otter(
        "py  print(1)", "raw # BEGIN QUESTION\nmanual: true", "raw # BEGIN SOLUTION", "py  1", "raw # END SOLUTION",
        "raw # END QUESTION", "raw # BEGIN QUESTION", "raw # BEGIN SOLUTION", f"py  {ANSWER}", "raw # END SOLUTION",
        "raw # END QUESTION",
    )  # fmt: skip
    for cells, wanted in ((of_nbgrader, ["t0", "t1", "t2", "t3"]), (of_otter, ["t0", "t3", "t8", None])):
        for n, cell in enumerate(cells):
            cell.metadata.update(tags=[f"t{n}"], collapsed=True)
        got = from_notebook(as_bytes(cells), "7").cells
        assert [cell.metadata for cell in got[1:]] == [{"tags": [tag]} if tag else {} for tag in wanted]
    damaged: Any
    for damaged in (5, []):
        cells = [Cell("code", ANSWER, {"tags": damaged, "nbgrader": damaged})]
        assert [cell.metadata for cell in from_notebook(as_bytes(cells), "7").cells] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("config", "name", "points"),
    [
        ("name: q1\npoints: 2", "q1", "2 points"),
        ("name: q1\npoints: [1, [0.5], x, null]", "q1", "1.5 points"),
        ("points: many", "without a name", "points not said"),
        ("name: 'half", "without a name", "points not said"),
        ("- name\n- points", "without a name", "points not said"),
        ("name: q1\nmanual: false", "q1", "points not said"),
    ],
)
def test_configuration_of_a_question(config: str, name: str, points: str) -> None:
    texts = ["raw # BEGIN QUESTION\nmanual: true", "raw # END QUESTION"]
    texts += [f"raw # BEGIN QUESTION\n{config}", "raw # BEGIN SOLUTION", f"py  {ANSWER}", "raw # END SOLUTION"]
    texts += ["raw # BEGIN TESTS", "py  square(2) == 4", "raw # END TESTS", "raw # END QUESTION"]
    assert from_notebook(as_bytes(otter(*texts)), "7").notes[1:] == [lost(f"7.1 (there {name}), {points}")]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("# Start.\nimport otter\ngrader= otter.Notebook()", None),
        ("import torch\nimport otter", "import torch"),
        ("x = 1\ngrader = otter.Notebook()\ny = 2", "x = 1\n\ny = 2"),
        ("grader.check('q1')", None),
        ("2\ngrader.check_all()", "2"),
        ("grader.export(\n    'a')", None),
    ],
)
def test_calls_of_otter_are_left_out(text: str, left: str | None) -> None:
    cells = otter(f"py  {text}", "raw # BEGIN SOLUTION", f"py  {ANSWER}", "raw # END SOLUTION")
    cells[0].metadata["tags"] = ["mine"]
    got = from_notebook(as_bytes(cells), "7")
    assert got.cells[1:-2] == ([Cell("code", left, {"tags": ["mine"]})] if left else [])
    assert got.notes[0] == "Lines that start or call otter were left out."


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("x = 5  # SOLUTION", "<\nx = 5\n>"),
        ("x = 5 #SOLUTION NO PROMPT  \ny = 6  # SOLUTION \nz = 7", "<\nx = 5\ny = 6\n>\nz = 7"),
        ("# SOLUTIONS\nx = 5  # SOLUTION: five", "# SOLUTIONS\nx = 5  # SOLUTION: five"),
        ("for a in b:  # SOLUTION\n    c(a)  # SOLUTION\nd()", "<\nfor a in b:\n    c(a)\n>\nd()"),
        ("if a:\n    b()  # SOLUTION\nc()  # SOLUTION", "if a:\n    <\n    b()\n    >\n<\nc()\n>"),
        ("np.random.seed(4)  # SEED \nx = 1 # IGNORE\ny = 2", "y = 2"),
        ('x\n""" # BEGIN PROMPT \n...\n"""; # END PROMPT \ny', "x\ny"),
    ],
)
def test_single_lines_of_otter(theirs: str, ours: str) -> None:
    assert exchange._from_otter_marks(theirs) == ours.replace("<", exchange.BEGIN).replace(">", exchange.END)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("def f(x):\n    # BEGIN SOLUTION\n    1\n    #END SOLUTION", "def f(x):\n    <\n    1\n    >"),
        ("def f(x):\n    ## BEGIN SOLUTION NO PROMPT\n    1\n    #### END SOLUTION", "def f(x):\n    <\n    1\n    >"),
        ("def f(x):\n    1\ndef g(x):\n  2\n  3", "def f(x):\n    <\n    1\n    >\ndef g(x):\n  <\n  2\n  3\n  >"),
        ("def f(x):\n    ''\n    # Think.\n    1", "def f(x):\n    ''\n    # Think.\n    <\n    1\n    >"),
        ("def f(x):\n    @g\n    def h(): ...", "def f(x):\n    <\n    @g\n    def h(): ...\n    >"),
        ("x = 1\ndef f(x):\n    1", "x = 1\ndef f(x):\n    <\n    1\n    >"),
        ("def f(x): 1", "def f(x): 1"),
        ("def f(x):\n    'Words.'", "def f(x):\n    'Words.'"),
        ("def f(x:", "def f(x:"),
        ("class F:\n    def f(x):\n        1", "class F:\n    def f(x):\n        1"),
        ("print('# BEGIN SOLUTION')", "print('# BEGIN SOLUTION')"),
    ],
)
def test_marks_as_we_write_them(theirs: str, ours: str) -> None:
    notes: list[str] = []
    assert exchange._our_marks(theirs, "q", notes) == ours.replace("<", exchange.BEGIN).replace(">", exchange.END)
    assert notes == (
        [] if "<" in ours else ["q: no mark says where the answer begins, and it is no function; mark it by hand."]
    )


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("code", "x = 5", "# Your answer"),
        ("code", "def f():\n    #BEGIN SOLUTION\n    1\n    ### END SOLUTION\nf()", "def f():\n    ...\nf()"),
        ("markdown", "Why?\n  ### BEGIN SOLUTION\nSo.\n### END SOLUTION\nOh.", "Why?\n  *Your answer.*\nOh."),
    ],
)  # fmt: skip
def test_what_is_graded_by_hand_is_not_shown(kind: str, text: str, shown: str) -> None:
    assert exchange._by_hand(Cell(kind, text)) == (shown, text)
    scheme = f"{text}\n=== BEGIN MARK SCHEME === a\n1 point\n2 points\n=== END MARK SCHEME === b\nEnd."
    assert exchange._by_hand(Cell(kind, scheme), is_task=True) == (f"{text}\n\nEnd.", scheme)


def test_checks_of_ours_keep_their_numbers_and_those_of_others_get_the_next():
    def answer(name: str, *tests: str) -> list[Cell]:
        made = [nbgrader("code", f"def {name}(x):\n    return x", grade_id=name, solution=True)]
        return made + [nbgrader("code", test, grade_id=f"{name}{n}", grade=True) for n, test in enumerate(tests)]

    cells = [
        *answer("a", "assert a(1)"),
        *answer("b", "%%time\nx = 1", 'b(0)\ncheck("4.2", b, a)'),
        *answer("c", 'check("c", c(1))', "check()", "check(4.3, c)", "check(c(2))", "check('4.10.1', c)"),
        *answer("d", "def broken("),
    ]
    got = from_notebook(as_bytes([Cell("markdown", "from course.exercises import check"), *cells]), "4")
    sources = [cell.source for cell in got.cells]
    assert sources[:2] == [
        "from course.exercises import check",
        "from course.exercises import check, hint, predict, stuck",
    ]
    checks = [text for text in sources if text.startswith("check")]
    assert checks == ['check("4.1", a)', 'check("4.2", b, a)', 'check("4.3", c)', 'check("4.4", d)']
    assert [note for note in got.notes if "4.2" in note] == []


@pytest.mark.parametrize(
    ("tests", "functions"),
    [(["x = 1", "assert ff()"], "ff"), (["f(1) + ff"], "f, ff"), (["x = 1"], "f, ff"), (["(f)"], "f")],
)
def test_a_check_asks_for_what_the_tests_name(tests: list[str], functions: str) -> None:
    cells = [nbgrader("code", "def f(x):\n    return 1", grade_id="q", solution=True)]
    cells += [nbgrader("code", f"class ff:\n    {exchange.BEGIN}\n    pass", grade_id="r", solution=True)]
    cells += [nbgrader("code", test, grade_id="t", grade=True, points=None) for test in tests]
    got = from_notebook(as_bytes(cells), "7")
    assert [cell.source for cell in got.cells[3:]] == [f'check("7.1", {functions})']
    assert got.notes == [lost("7.1 (there q), points not said")]


def test_several_answers_of_one_exercise():
    begun = "# exercise 4.5\nfrom course.exercises import check\n" + ANSWER
    cells = [
        Cell("markdown", "# Begin tests here"),
        nbgrader("code", "assert True", grade_id="early", grade=True),
        nbgrader("code", begun, grade_id="", solution=True),
        nbgrader("code", f"\n# exercise 4.5\n{CUBE}", grade_id="second", solution=True),
        Cell("code", THIRD),
        Cell("code", "x = 1"),
        nbgrader("markdown", "locked", grade_id="l", grade=True, solution=False),
        nbgrader("markdown", "odd", grade_id="o", grade=False, solution=True),
        nbgrader("code", CHECK.replace("square", "square, cube, third"), grade_id="t", grade=True),
        nbgrader("code", "assert cube(1)", grade_id="t2", grade=True),
    ]
    got = from_notebook(as_bytes(cells), "7")
    assert [cell.source for cell in got.cells] == [
        "# Begin tests here", "assert True",
        begun, f"# exercise 4.5\n\n# exercise 4.5\n{CUBE}", f"# exercise 4.5\n{THIRD}",
        "x = 1", "locked", "odd", 'check("4.5", square, cube, third)',
    ]  # fmt: skip
    assert got.notes == ["The test early comes before any answer: it became an ordinary cell."]
    assert got.rest == ""


def test_strange_answers_are_named():
    cells = [
        nbgrader("code", "### BEGIN SOLUTION\nx = 5\n### END SOLUTION", grade_id="a", solution=True),
        nbgrader("code", "assert x == 5", grade_id="b", grade=True, points=1),
        nbgrader(
            "code", "def f(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()", grade_id="c", solution=True
        ),
        nbgrader("code", "y = 3", grade_id="d", solution=True),
        nbgrader("code", "def broken(", grade_id="e", solution=True),
    ]
    said = "\n".join(from_notebook(as_bytes(cells), "7").notes)
    assert "a: its answer is not inside a function" in said
    assert "7.1 (there a) is not answered by a function" in said
    assert "c: nothing is written in it. Is this the learners' version?" in said
    for name in "de":
        assert f"{name}: no mark says where the answer begins" in said


def test_what_is_no_assignment_is_refused():
    sought = "a check could take: no nbgrader solution cell, no otter question, no BEGIN SOLUTION."
    by_hand = nbgrader("markdown", "Because.", grade_id="why", grade=True, solution=True, points=5)
    for cells, words in (
        ([Cell("code", "x = 1")], ""),
        ([Cell("markdown", "# BEGIN QUESTION"), Cell("markdown", "# BEGIN SOLUTION"), Cell("code", "x = 1")], ""),
        ([by_hand], " why is graded by hand: it became an empty cell without a check."),
        (otter("raw # BEGIN QUESTION", "py  x", "raw # END QUESTION"), ""),
        (otter("raw #BEGIN QUESTION", "raw #BEGIN SOLUTION", "py  def f(): ...", "raw #END SOLUTION"), ""),
        (otter("raw # ASSIGNMENT CONFIG"), " The assignment's configuration for otter was left out."),
    ):
        with pytest.raises(ValueError, match=re.escape(sought + words) + "$"):
            from_notebook(as_bytes(cells), "7")


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
    assert wrong.exit_code == 2 and "There is no export to 'moodle': choose nbgrader or otter" in wrong.output


def test_what_an_export_writes(tmp_path: Path) -> None:
    notebook = exchange.as_notebook(source("#: Å", ANSWER, CHECK))
    path = tmp_path / "day7_squares.ipynb"
    for tags, words in ([], []), (["instructor"], ["1 cells for instructors were left out: learners would see them."]):
        notebook["cells"].append({**notebook["cells"][0], "id": f"new{len(tags)}", "metadata": {"tags": tags}})
        path.write_text(json.dumps(notebook))
        for tool, name in (("nbgrader", "source/day7_squares/day7_squares.ipynb"), ("otter", "day7_squares.ipynb")):
            made, notes = export(tool, path, tmp_path / "a" / tool)
            assert (made, notes) == (tmp_path / "a" / tool / name, words)
            text = made.read_text(encoding="utf-8")
            assert "Å" in text and text.endswith("\n}\n")
            assert ("name: day7_squares" in text) == (tool == "otter")
    config = tmp_path / "a/nbgrader/nbgrader_config.py"
    assert "c.ExecutePreprocessor.timeout = 300\n" in config.read_text()
    assert not (tmp_path / "a/otter/nbgrader_config.py").exists()
    config.write_text("# mine")
    export("nbgrader", path, tmp_path / "a/nbgrader")
    assert config.read_text() == "# mine"


def test_what_an_import_writes(tmp_path: Path) -> None:
    path = tmp_path / "x.ipynb"
    for name in ("topic.py", "day7.txt", "yesterday7.py"):
        with pytest.raises(ValueError, match=f"A source has a name like day7_topic.py, .* its name cannot be {name}"):
            import_(path, tmp_path / name)
    damaged = exchange.as_notebook([nbgrader("code", ANSWER, solution=True)]) | {"nbformat": 7}
    path.write_text(json.dumps(damaged))
    out, rest = tmp_path / "a/b/day12_topic.py", tmp_path / "a/b/day12_topic.rest.txt"
    first, *_, last = import_(path, out)
    assert first.startswith("The format is 7") and last.endswith("graded by hand, are in day12_topic.rest.txt.")
    assert 'check("12.1", square)' in out.read_text() and rest.read_text().startswith("# 12.1 square")
    for existing, other in ((out, rest), (rest, out)):
        other.unlink()
        with pytest.raises(ValueError, match=f"{existing.name} exists; it is not written over"):
            import_(path, out)
        other.write_text("")
    for one in (out, rest):
        one.unlink()
    ours = exchange.as_notebook([*source(ANSWER), nbgrader("code", CHECK, grade=True)])
    path.write_text(json.dumps(ours | {"nbformat": 7}))
    assert import_(path, out) == [first] and not rest.exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "jupytext", None)
        with pytest.raises(ValueError, match="This needs jupytext, .*pip install jupytext"):
            read_source(path)

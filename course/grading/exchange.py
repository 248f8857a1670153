"""Lessons for other graders, and theirs for ours, so that nobody is locked in.

    course export nbgrader solutions/day4a_molecular_graph.py -o OUT    a source assignment, cell metadata of version 3
    course export otter solutions/day4a_molecular_graph.py -o OUT       a notebook for `otter assign`
    course import NOTEBOOK -o solutions/day7_topic.py                   from either of them

Out go the answers between their marks and, as tests, our own checks: once as the learner sees them, once hidden on
other inputs. So this package must be installed where the other tool runs. What only our grader does stays behind:
secret inputs, and a verdict from outside of the learner's kernel.

In come texts and answers. Tests of somebody else are assertions, and a check of ours is an Exercise; they are written
into a file beside the source, for whoever turns them into one. What else is lost is said in words.
"""

from __future__ import annotations

import ast
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from course.exercises import ExerciseError, find
from course.files import write_whole
from course.grading import names
from course.grading.merging import ANCHOR
from course.grading.reading import Cell, read

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
OTTER_BLOCK = re.compile(
    r"#\s+(begin|end)\s+(question|solution|prompt|tests)\b|#\s+(assignment)\s+config", re.IGNORECASE
)
OTTER_LINE = re.compile(r"#\s?SOLUTION( NO PROMPT)?$")
OTTER_OWN = re.compile(r"^(import otter|grader\s*=\s*otter\.|grader\.(check|check_all|export)\().*", re.MULTILINE)
NUMBER = re.compile(r"\d+\.\d+")  # of an exercise of ours
HEADER = re.compile(r"^# +(format_version|jupytext_version): .*\n", re.MULTILINE)
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
NBGRADER_CONFIG = """\
c = get_config()  # noqa

# A cell of a lesson may take a minute; nbgrader's own limit is 30 seconds.
c.ExecutePreprocessor.timeout = 300
"""


def check_again(id: str, *functions: Any, seed: int) -> None:
    """The hidden half of an exported test: other inputs than the check in the lesson, and nothing for `stuck`.

    Raises ExerciseError, which does not say what was expected.
    """
    outcome = find(id).examine(functions, seed)
    if outcome.kind != "correct":
        raise ExerciseError(outcome, card_shown=True)


# --------------------------------------------------------------------------------------------------------- export


@dataclass(frozen=True)
class Task:
    """An exercise of a source: where its answers and its check stand."""

    exercise: str
    functions: tuple[str, ...]
    answers: tuple[int, ...]
    check: int
    points: float


def read_source(path: Path) -> tuple[list[Cell], list[str]]:
    """The cells of a source, a percent script or a notebook with marks, and what was left out."""
    cells = [
        Cell(node.cell_type, node.source, {"tags": node.metadata.tags} if "tags" in node.metadata else {})
        for node in _jupytext().read(path).cells
    ]
    kept = [cell for cell in cells if "instructor" not in cell.metadata.get("tags", [])]
    left_out = len(cells) - len(kept)
    notes = [f"{left_out} cells for instructors were left out: learners would see them."] if left_out else []
    return kept, notes


def tasks_of(cells: Sequence[Cell]) -> list[Task]:
    """The exercises of a source. Raises ValueError where answers and checks do not belong together."""
    homes: dict[str, int] = {}  # function -> the cell that answers
    tasks: list[Task] = []
    for place, cell in enumerate(cells):
        tree = names.parse(cell.source) if cell.type == "code" else None
        if tree is None:
            continue
        if BEGIN in cell.source:
            homes |= dict.fromkeys(names.definitions(tree), place)
        for call in names.calls(tree, "check"):
            exercise, functions = ast.literal_eval(call.args[0]), tuple(ast.unparse(a) for a in call.args[1:])
            if missing := [name for name in functions if name not in homes]:
                raise ValueError(f"check({exercise!r}) asks for {missing[0]}, which no answer before it defines.")
            answers = tuple(sorted({homes[name] for name in functions}))
            if BEGIN in cell.source or any(place == task.check or exercise == task.exercise for task in tasks):
                raise ValueError(f"check({exercise!r}) must be the only one of its exercise, in a cell of its own.")
            tasks.append(Task(exercise, functions, answers, place, find(exercise).points))
    asked = {place for task in tasks for place in task.answers}
    if loose := [cell.source for place, cell in enumerate(cells) if BEGIN in cell.source and place not in asked]:
        raise ValueError(f"No check asks for the answer that begins with `{loose[0].partition(chr(10))[0]}`.")
    if not tasks:
        raise ValueError(f'There is no exercise: no answer between "{BEGIN}" and "{END}" with a check after it.')
    return tasks


def to_nbgrader(cells: Sequence[Cell], seed: int | None = None) -> dict[str, Any]:
    """A source assignment for `nbgrader generate_assignment`."""
    seed = secrets.randbits(32) if seed is None else seed
    cells = list(cells)
    for task in tasks_of(cells):
        name = task.exercise.replace(".", "-")
        for number, place in enumerate(task.answers, 1):
            more = f"-{number}" if len(task.answers) > 1 else ""
            own = {"solution": True, "grade": False, "locked": False}
            cells[place] = _with_nbgrader(cells[place], f"answer-{name}{more}", own)
        hidden = f"### BEGIN HIDDEN TESTS\n{_hidden(task, seed)}\n### END HIDDEN TESTS"
        test = Cell("code", f"{cells[task.check].source}\n{hidden}", cells[task.check].metadata)
        graded = {"solution": False, "grade": True, "locked": True, "points": task.points}
        cells[task.check] = _with_nbgrader(test, f"check-{name}", graded)
    return as_notebook(cells)


def to_otter(cells: Sequence[Cell], name: str, seed: int | None = None) -> dict[str, Any]:
    """A notebook for `otter assign`. Raises ValueError where two exercises overlap: a question is one block."""
    seed = secrets.randbits(32) if seed is None else seed
    tasks = tasks_of(cells)
    before: dict[int, list[Cell]] = {}
    after: dict[int, list[Cell]] = {}
    for left, right in pairwise(tasks):
        if min(right.answers) < left.check:
            raise ValueError(
                f"The answer to {right.exercise} stands before the check of {left.exercise}; otter cannot say that."
            )
    for task in tasks:
        first = min(task.answers)
        statement = first - 1 if first and cells[first - 1].type == "markdown" else first
        config = f"name: q{task.exercise.replace('.', '_')}\npoints: {task.points:g}\nall_or_nothing: true"
        before[statement] = [_raw(f"# BEGIN QUESTION\n{config}")]
        for place in task.answers:
            before.setdefault(place, []).append(_raw("# BEGIN SOLUTION"))
            after[place] = [_raw("# END SOLUTION")]
        after[task.check] = [_raw("# END TESTS"), _raw("# END QUESTION")]
        before[task.check] = [_raw("# BEGIN TESTS")]
    checks = {task.check: task for task in tasks}
    config = f"name: {name}\ntests:\n    ok_format: false\nexport_cell:\n    pdf: false"
    made = [_raw(f"# ASSIGNMENT CONFIG\n{config}")]
    for place, cell in enumerate(cells):
        made += before.get(place, [])
        if place in checks:
            made += _otter_tests(checks[place], seed)
        else:
            marked = cell.source.replace(BEGIN, "# BEGIN SOLUTION").replace(END, "# END SOLUTION")
            made.append(Cell(cell.type, marked, cell.metadata))
        made += after.get(place, [])
    return as_notebook(made)


def _hidden(task: Task, seed: int) -> str:
    """A test on other inputs than the learner's check has."""
    call = f'check_again("{task.exercise}", {", ".join(task.functions)}, seed={seed})'
    return f"from course.grading.exchange import check_again\n{call}"


def _otter_tests(task: Task, seed: int) -> list[Cell]:
    visible = f'from course.exercises import check\ncheck("{task.exercise}", {", ".join(task.functions)})'
    arguments, name = ", ".join(task.functions), task.exercise.replace(".", "_")
    tests = []
    for first, what, body in (("", "test", visible), ("# HIDDEN\n", "test_again", _hidden(task, seed))):
        indented = "\n".join(f"    {line}" for line in body.splitlines())
        tests.append(Cell("code", f"{first}def {what}_{name}({arguments}):\n{indented}"))
    return tests


def _with_nbgrader(cell: Cell, grade_id: str, own: dict[str, Any]) -> Cell:
    metadata = {"grade_id": grade_id, "schema_version": 3, "task": False, "cell_type": cell.type, **own}
    return Cell(cell.type, cell.source, {**cell.metadata, "nbgrader": metadata})


def _raw(source: str) -> Cell:
    return Cell("raw", source)


def as_notebook(cells: Iterable[Cell]) -> dict[str, Any]:
    """Plain JSON, format 4.5."""
    made: list[dict[str, Any]] = []
    for number, cell in enumerate(cells):
        more: dict[str, Any] = {"outputs": [], "execution_count": None} if cell.type == "code" else {}
        own = {"id": f"c{number}", "metadata": cell.metadata, "source": cell.source}
        made.append({"cell_type": cell.type, **own, **more})
    metadata = {"kernelspec": KERNELSPEC, "language_info": {"name": "python"}}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": made}


def export(tool: str, source: Path, out: Path) -> tuple[Path, list[str]]:
    """Write an assignment for nbgrader or otter into a folder: the notebook's path, and what was left behind."""
    if tool not in ("nbgrader", "otter"):
        raise ValueError(f"There is no export to {tool!r}: choose nbgrader or otter.")
    cells, notes = read_source(source)
    if tool == "nbgrader":
        notebook, path = to_nbgrader(cells), out / "source" / source.stem / f"{source.stem}.ipynb"
        config = out / "nbgrader_config.py"
        if not config.exists():
            out.mkdir(parents=True, exist_ok=True)
            write_whole(config, NBGRADER_CONFIG)
    else:
        notebook, path = to_otter(cells, source.stem), out / f"{source.stem}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(notebook, ensure_ascii=False, indent=1) + "\n")
    return path, notes


# --------------------------------------------------------------------------------------------------------- import


@dataclass
class Group:
    """An exercise of somebody else's notebook, as it is being found."""

    name: str = ""  # there
    exercise: str = ""  # here
    points: float = 0.0
    functions: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)
    check: int | None = None  # where it goes among the cells made


@dataclass(frozen=True)
class Imported:
    """A source of ours, and what did not come along."""

    cells: list[Cell]
    notes: list[str]
    rest: str  # tests of the other tool and answers to what is graded by hand, as text

    def text(self) -> str:
        """A percent script, as in solutions/."""
        from nbformat import from_dict

        return HEADER.sub("", str(_jupytext().writes(from_dict(as_notebook(self.cells)), fmt="py:percent")))


def from_notebook(data: bytes, day: str) -> Imported:
    """An nbgrader or otter assignment as a source of ours; exercises that are new here are numbered day.1, day.2, ...

    Raises ValueError where it is neither, Unreadable where it is no notebook.
    """
    notebook = read(data)
    notes, rest = notebook.notes, list[str]()
    if any(cell.type == "raw" and OTTER_BLOCK.match(cell.source) for cell in _unfenced(notebook.cells)):
        cells, groups = _from_otter(_unfenced(notebook.cells), notes, rest)
    else:
        cells, groups = _from_nbgrader(notebook.cells, notes, rest)
    if not any(group.answers for group in groups):
        sought = "no nbgrader solution cell, no otter question, no BEGIN SOLUTION"
        raise ValueError(" ".join([f"There is no answer in it that a check could take: {sought}.", *notes]))
    return _as_source(cells, groups, day, notes, rest)


def import_(notebook: Path, out: Path) -> list[str]:
    """Write a source; the result is what could not be carried over."""
    if (day := re.match(r"day(\d+)", out.name)) is None or out.suffix != ".py":
        raise ValueError(
            f"A source has a name like day7_topic.py, and exercises 7.1, 7.2; its name cannot be {out.name}."
        )
    rest = out.with_suffix(".rest.txt")
    if existing := next((path for path in (out, rest) if path.exists()), None):
        raise ValueError(f"{existing} exists; it is not written over.")
    imported = from_notebook(notebook.read_bytes(), day[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, imported.text())
    if not imported.rest:
        return imported.notes
    write_whole(rest, imported.rest)
    return [*imported.notes, f"Tests, and answers that are graded by hand, are in {rest.name}."]


def _from_nbgrader(cells: Sequence[Cell], notes: list[str], rest: list[str]) -> tuple[list[Cell], list[Group]]:
    """Cells and exercises. The tests of an exercise are those between its answer and the next one."""
    made: list[Cell] = []
    groups = [Group()]
    for cell in cells:
        found = cell.metadata.get("nbgrader")
        meta: dict[str, Any] = found if isinstance(found, dict) else {}
        name, tags = str(meta.get("grade_id", "")), _tags(cell)
        is_test = cell.type == "code" and bool(meta.get("grade"))
        if meta.get("task") or (meta.get("grade") and meta.get("solution")):
            notes.append(f"{name} is graded by hand: it became an empty cell without a check.")
            lesson, answer = _by_hand(cell, is_task=bool(meta.get("task")))
            made.append(Cell(cell.type, lesson, tags))
            rest.append(f"# {name}, graded by hand\n{answer}\n")
        elif cell.type == "code" and (meta.get("solution") or "BEGIN SOLUTION" in cell.source):
            if groups[-1].tests:
                groups.append(Group())
            groups[-1].name = groups[-1].name or name
            groups[-1].answers.append(len(made))
            made.append(Cell("code", _our_marks(cell.source, name, notes), tags))
        elif is_test and groups[-1].answers:
            groups[-1].points += _number(meta.get("points"))
            groups[-1].tests.append(cell.source)
            if groups[-1].check is None:
                groups[-1].check = len(made)
                made.append(Cell("code", "", tags))
        else:
            if is_test:
                notes.append(f"The test {name} comes before any answer: it became an ordinary cell.")
            made.append(Cell(cell.type, cell.source, tags))
    return made, groups


def _from_otter(cells: Sequence[Cell], notes: list[str], rest: list[str]) -> tuple[list[Cell], list[Group]]:
    """Cells and exercises: a question is one."""
    made: list[Cell] = []
    groups = [Group()]
    blocks: list[str] = []
    manual = False
    for cell in cells:
        mark = OTTER_BLOCK.match(cell.source) if cell.type == "raw" else None
        if mark and mark[3]:
            notes.append("The assignment's configuration for otter was left out.")
        elif mark and mark[1].lower() == "begin":
            blocks.append(mark[2].lower())
            if blocks[-1] == "question":
                config = _yaml(cell.source)
                manual = bool(config.get("manual"))
                points = config.get("points")
                groups.append(Group(str(config.get("name", "")), points=_number(points)))
                if manual:
                    notes.append(f"{groups[-1].name} is graded by hand: it became empty cells without a check.")
        elif mark:
            blocks = blocks[:-1]
        elif "prompt" in blocks:
            notes.append(f"The prompt of {groups[-1].name} was left out: an unwritten answer says so by itself.")
        elif (manual and blocks[-1:] in (["solution"], ["tests"])) or ("solution" in blocks and cell.type != "code"):
            lesson, answer = _by_hand(Cell(cell.type, _from_otter_marks(cell.source)))
            made += [Cell(cell.type, lesson, _tags(cell))] if blocks[-1] == "solution" else []
            how = "graded by hand" if manual else "answered in words"
            rest.append(f"# {groups[-1].name}, {how}\n{answer}\n")
            if not manual:
                notes.append(f"{groups[-1].name}: what is answered in words became empty cells.")
        elif "tests" in blocks:
            groups[-1].tests.append(cell.source)
            if groups[-1].check is None:
                groups[-1].check = len(made)
                made.append(Cell("code", ""))
        elif "solution" in blocks:
            groups[-1].answers.append(len(made))
            made.append(Cell("code", _our_marks(_from_otter_marks(cell.source), groups[-1].name, notes), _tags(cell)))
        elif cell.type == "code" and OTTER_OWN.search(cell.source):
            notes.append("Lines that start or call otter were left out.")
            left = OTTER_OWN.sub("", cell.source).strip()
            if (tree := names.parse(left)) and tree.body:
                made.append(Cell("code", left, _tags(cell)))
        else:
            made.append(Cell(cell.type, cell.source, _tags(cell)))
    return made, groups


def _as_source(cells: list[Cell], groups: list[Group], day: str, notes: list[str], rest: list[str]) -> Imported:
    """Number the exercises, and write a check for each."""
    groups = [group for group in groups if group.answers]
    ours = [_our_check(group) for group in groups]
    used = {call[0] for call in ours if call}
    number = 0
    for group, call in zip(groups, ours, strict=True):
        defined = [name for place in group.answers for name in _functions(cells[place].source)]
        if call:
            group.exercise, group.functions = call
        else:
            while not group.exercise or group.exercise in used:
                number += 1
                group.exercise = f"{day}.{number}"
            said = "\n".join(group.tests)
            group.functions = [name for name in defined if re.search(rf"\b{name}\b", said)] or defined
        what = f"{group.exercise} (there {group.name or 'without a name'})"
        if group.check is None:
            notes.append(f"{what} had no tests: its check was written all the same.")
            group.check = len(cells)
            cells.append(Cell("code", ""))
        if not group.functions:
            notes.append(f"{what} is not answered by a function: write one, a check calls it on many inputs.")
        if not call:
            points = f"{group.points:g} points" if group.points else "points not said"
            notes.append(
                f"{what}, {points}: its tests are assertions and were not carried over. "
                f'`check("{group.exercise}", ...)` needs an Exercise in course/exercises/day{day}.py.'
            )
            rest.append("\n".join([f"# {group.exercise} {', '.join(group.functions)}, {points}", *group.tests, ""]))
        for place in group.answers:
            if not ANCHOR.match(cells[place].source.partition("\n")[0]):
                source = f"# exercise {group.exercise}\n{cells[place].source}"
                cells[place] = Cell("code", source, cells[place].metadata)
        arguments = ", ".join([f'"{group.exercise}"', *group.functions])
        cells[group.check] = Cell("code", f"check({arguments})", cells[group.check].metadata)
    if not any("course.exercises import" in cell.source for cell in cells if cell.type == "code"):
        place = next(n for n, cell in enumerate(cells) if cell.type == "code")
        cells.insert(place, Cell("code", "from course.exercises import check, hint, predict, stuck"))
    return Imported(cells, list(dict.fromkeys(notes)), "\n".join(rest))


def _our_check(group: Group) -> tuple[str, list[str]] | None:
    """The exercise and the functions that a test of ours asks for; None for somebody else's tests."""
    for test in group.tests:
        tree = names.parse(test)
        for call in names.calls(tree, "check") if tree else []:
            exercise = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
            if isinstance(exercise, str) and NUMBER.fullmatch(exercise):
                return exercise, [ast.unparse(argument) for argument in call.args[1:]]
    return None


def _our_marks(source: str, name: str, notes: list[str]) -> str:
    """The marks as we write them, inside functions."""
    lines = []
    for line in source.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        if re.match(r"\s*#+\s*(BEGIN|END) SOLUTION", line):
            line = indent + (BEGIN if "BEGIN SOLUTION" in line else END)
        lines.append(line)
    if not any(line.strip() == BEGIN for line in lines):
        lines = _marked_bodies(lines)
        if not any(line.strip() == BEGIN for line in lines):
            notes.append(f"{name}: no mark says where the answer begins, and it is no function; mark it by hand.")
        elif "NotImplementedError" in source:
            notes.append(f"{name}: nothing is written in it. Is this the learners' version?")
    elif any(line == BEGIN for line in lines):
        notes.append(f"{name}: its answer is not inside a function; ours must only fail when it is called.")
    return "\n".join(lines)


def _marked_bodies(lines: Sequence[str]) -> list[str]:
    """Marks around the body of each function: where nothing is marked, all of the cell is the answer."""
    tree, new = names.parse("\n".join(lines)), list(lines)
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)] if tree else []
    for node in reversed(functions):
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        first = min((n.lineno for one in body[:1] for n in (one, *getattr(one, "decorator_list", []))), default=0)
        if first > node.lineno and body[-1].end_lineno:
            indent = " " * body[0].col_offset
            new.insert(body[-1].end_lineno, indent + END)
            new.insert(first - 1, indent + BEGIN)
    return new


def _from_otter_marks(source: str) -> str:
    """otter also marks single lines, `x = 5  # SOLUTION`, and keeps other words for the learner in a prompt."""
    lines: list[str] = []
    begun = ""  # the indentation of the answer that ends with the last of the lines
    in_prompt = False
    for line in source.splitlines():
        if in_prompt or line.rstrip().endswith("# BEGIN PROMPT"):
            in_prompt = not line.rstrip().endswith("# END PROMPT")
        elif line.rstrip().endswith(("# SEED", "# IGNORE")):
            continue
        elif OTTER_LINE.search(line.rstrip()):
            indent = line[: len(line) - len(line.lstrip())]
            code = OTTER_LINE.sub("", line.rstrip()).rstrip()
            if lines and lines[-1].endswith(END) and indent.startswith(begun):  # one answer goes on
                lines[-1:] = [code, begun + END]
            else:
                begun = indent
                lines += [begun + BEGIN, code, begun + END]
        else:
            lines.append(line)
    return "\n".join(lines)


def _by_hand(cell: Cell, is_task: bool = False) -> tuple[str, str]:
    """What learners see of a cell that a person grades, and what they must not see."""
    empty = "# Your answer" if cell.type == "code" else "*Your answer.*"
    if is_task:  # the question itself, and below it what is worth how many points
        scheme = re.compile(r"^[^\n]*BEGIN MARK SCHEME.*END MARK SCHEME[^\n]*", re.M | re.S)
        return scheme.sub("", cell.source), cell.source
    outside, is_marked = [], False
    for line in cell.source.splitlines():
        if re.match(r"\s*#+\s*BEGIN SOLUTION", line):
            is_marked = True
            outside.append(line[: len(line) - len(line.lstrip())] + ("..." if cell.type == "code" else empty))
        elif re.match(r"\s*#+\s*END SOLUTION", line):
            is_marked = False
        elif not is_marked:
            outside.append(line)
    return ("\n".join(outside) if "BEGIN SOLUTION" in cell.source else empty), cell.source


def _functions(source: str) -> list[str]:
    tree = names.parse(source)
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)] if tree else []


def _unfenced(cells: Sequence[Cell]) -> list[Cell]:
    """otter's raw cells may also be written as Markdown, between ```otter and ```."""
    fenced = re.compile(r"\s*```otter\n(.*)\n```\s*", re.DOTALL)
    found = [(cell, fenced.fullmatch(cell.source)) for cell in cells]
    return [Cell("raw", match[1]) if match else cell for cell, match in found]


def _tags(cell: Cell) -> dict[str, Any]:
    tags = cell.metadata.get("tags")
    return {"tags": tags} if isinstance(tags, list) and tags else {}


def _yaml(source: str) -> dict[str, Any]:
    import yaml

    try:
        config = yaml.safe_load(source)
    except yaml.YAMLError:
        config = None
    return config if isinstance(config, dict) else {}


def _number(points: object) -> float:
    """otter's points: a number, a list with one for each test, or nothing."""
    if isinstance(points, list):
        return sum(_number(one) for one in points)
    return float(points) if isinstance(points, int | float) else 0.0


def _jupytext() -> Any:
    try:
        import jupytext
    except ImportError:
        raise ValueError("This needs jupytext, which reads and writes our sources: pip install jupytext") from None
    return jupytext

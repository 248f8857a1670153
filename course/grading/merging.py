"""The template is law: the learner's answers go into the instructor's notebook, everything else stays as it was.

An answer is found by the comment in its first lines (`# exercise 4.5`), then by the metadata of its cell, then by the
cell's id, and last by the name of the function. So it does not matter when cells were deleted, moved, copied, split,
or lost their metadata. Cells that the learner added go in after the cell that they followed.

What of the rest is run. An answer needs few of a lesson's cells: the imports, a constant, a function from an example.
Starting from the global names that the answers look up, those statements of the template (and those whole cells of the
learner) are taken that assign, define, import or change one of these names, then what they need in turn. Experiments,
plots, widgets and trainings stay out, unless an answer uses a name that they make. Switches such as
`torch.set_default_dtype(...)` are always run.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

from course.exercises import find
from course.exercises.prediction import chosen, in_words
from course.grading import names
from course.grading.reading import MAX_NOTES, Cell, Notebook, Unreadable, read

ANCHOR = re.compile(r"^#+[ \t]*exercise[ \t]+(\d+\.\d+)\b.*$", re.IGNORECASE | re.MULTILINE)
INDENTED = re.compile(r"(?:[ \t]*(?:#.*)?\n)*[ \t]+[^\s#]")  # the first statement belongs to one that stood before it
BACK_DOOR = re.compile(  # of Python, to what the library holds
    "stuck|find|reference|exec|eval|vars|globals|importlib|import_module|inspect|gc|ctypes|FunctionType|modules|setattr|"
    "_getframe|currentframe|f_back|f_locals|f_globals|__(import|builtins|globals|code|dict|setattr)__"
)
MAX_EXTRA = 200  # cells of the learner's own
MAX_EDITED = 200  # new statements in a cell of the template
PREDICTED = re.compile(r"\d{1,3}\.\d{1,3}[a-z]?")  # the name of a prediction
MAX_PREDICTIONS = 10  # of one exercise
Role = Literal["template", "answer", "extra", "check"]


@dataclass(frozen=True)
class Unit:
    """One cell of the merged notebook."""

    role: Role
    source: str  # of a check: empty, the evidence is collected in its place
    exercise: str | None
    key: str  # unique: "answer 4.5 17", "check 4.5", "extra 2", "template 7"


@dataclass(frozen=True)
class Task:
    """An exercise of a lesson, as its check asks for it."""

    exercise: str
    functions: tuple[str, ...]
    cells: tuple[int, ...]  # of the template, where the answer stands
    points: float


@dataclass(frozen=True)
class Template:
    """The instructor's lesson."""

    name: str
    cells: tuple[Cell, ...]  # code only
    roles: tuple[Role, ...]
    tasks: Mapping[str, Task]  # in the order of the lesson

    @classmethod
    def load(cls, name: str, data: bytes) -> Template:
        """Raises ValueError where the lesson has no checks, or a check without an answer."""
        cells = tuple(cell for cell in read(data).cells if cell.type == "code" and cell.source.strip())
        roles: list[Role] = []
        answers: dict[str, list[int]] = {}
        checks: dict[str, tuple[str, ...]] = {}
        for number, cell in enumerate(cells):
            course = _course(cell)
            if (course.get("role") or ("answer" if _anchors(cell.source) else "")) == "answer":
                exercise = str(course.get("exercise") or _anchors(cell.source)[0])
                answers.setdefault(exercise, []).append(number)
                roles.append("answer")
            elif found := _checks(cell.source):
                exercise, call = found[0]
                checks[exercise] = tuple(ast.unparse(argument) for argument in call.args[1:])
                roles.append("check")
            else:
                roles.append("template")
        if not checks or set(checks) != set(answers):
            raise ValueError(f"{name}: checks for {sorted(checks)}, but answers to {sorted(answers)}; is it a lesson?")
        tasks = {id: Task(id, called, tuple(answers[id]), find(id).points) for id, called in checks.items()}
        return cls(name, cells, tuple(roles), tasks)

    @property
    def hash(self) -> str:
        return hashlib.sha256(repr([(cell.source, cell.id) for cell in self.cells]).encode()).hexdigest()


@dataclass(frozen=True)
class Merged:
    """The notebook that is run, and what was noticed on the way."""

    units: list[Unit]
    answers: dict[str, str]  # "4.5" -> the learner's source, "" for an untouched stub
    notes: list[str]
    remarks: dict[str, list[str]]  # by exercise, for the instructor
    predictions: dict[str, tuple[str, ...]]
    written: set[str]  # exercises whose functions some cell of the learner's defines


@dataclass
class _Found:
    """The learner's cells, sorted."""

    answers: dict[str, list[tuple[int, Cell]]] = field(default_factory=dict)  # with the place of the template's cell
    prose: dict[str, list[tuple[int, Cell]]] = field(default_factory=dict)  # answers in cells that are not code
    extras: list[tuple[int, Cell]] = field(default_factory=list)  # with the template's cell that they follow
    edited: list[tuple[int, Cell]] = field(default_factory=list)
    by_name: list[Cell] = field(default_factory=list)  # extras that turned out to be answers
    present: set[int] = field(default_factory=set)  # cells of the template that are still there


def merge(template: Template, notebook: Notebook) -> Merged:
    """The template with the learner's answers and helper cells.

    Raises Unreadable where all answers are those of another lesson: that is a mistaken file, not a zero.
    """
    notes = list(notebook.notes)
    found = _sort(template, notebook, notes)
    others = dict.fromkeys(id for cell in notebook.cells for id in _anchors(cell.source) if id not in template.tasks)
    if others and not found.answers and not found.prose:
        raise Unreadable(f"It is the notebook of another lesson: it answers {', '.join(list(others)[:5])}.")
    placed: dict[int, list[tuple[Role, str | None, str]]] = {n: [] for n in range(-1, len(template.cells))}
    answers = {task.exercise: _place_answers(template, task, found, placed, notes) for task in template.tasks.values()}
    remarks = {
        exercise: [f"The answer {words}" for words in _library_in(source, template.tasks[exercise].functions)]
        for exercise, source in answers.items()
    }
    edited = {place: _new_statements(template.cells[place].source, cell.source) for place, cell in found.edited}
    lesson = "\n".join(cell.source for cell in template.cells)
    own = [_new_statements(lesson, cell.source) for _, cell in found.extras[:MAX_EXTRA]] + list(edited.values())
    functions = [function for task in template.tasks.values() for function in task.functions]
    notes += sorted({f"Another cell {words}" for source in own for words in _library_in(source, functions)})[:MAX_NOTES]
    given = {name for source in own for name in names.names_of(source).gives}
    written = {e for e, task in template.tasks.items() if answers[e].strip() or given & set(task.functions)}
    if len(found.extras) > MAX_EXTRA:
        notes.append(f"{len(found.extras)} cells were added; the first {MAX_EXTRA} were looked at.")
    for place, cell in found.extras[:MAX_EXTRA]:
        placed[place].append(("extra", None, cell.source))
    units: list[Unit] = []
    for place in range(-1, len(template.cells)):
        if place >= 0 and template.roles[place] == "template":
            units.append(Unit("template", template.cells[place].source, None, f"template {place}"))
            if place in edited:
                units.append(Unit("template", edited[place], None, f"edited {place}"))
        elif place >= 0 and template.roles[place] == "check":
            exercise = _checks(template.cells[place].source)[0][0]
            if place in edited:
                units.append(Unit("template", edited[place], None, f"edited {place}"))
            units.append(Unit("check", "", exercise, f"check {exercise}"))
        for role, of, source in placed[place]:
            key = f"answer {of} {len(units)}" if role == "answer" else f"extra {len(units)}"
            units.append(Unit(role, source, of, key))
    return Merged(_needed(units, template), answers, notes, remarks, _predictions(notebook), written)


# ------------------------------------------------------------------------------------------------- sort the cells


def _sort(template: Template, notebook: Notebook, notes: list[str]) -> _Found:
    by_id = {cell.id: place for place, cell in enumerate(template.cells) if cell.id}
    by_source = {cell.source.strip(): place for place, cell in enumerate(template.cells)}
    found, last = _Found(), -1
    for cell in (part for whole in notebook.cells for part in _parts(whole)):
        if not cell.source.strip():
            continue
        exercise, how = _exercise_of(cell, template, by_id, by_source)
        place = by_source.get(cell.source.strip(), by_id.get(cell.id))
        if exercise is not None:
            answer = _slot(template, template.tasks[exercise], cell, by_id)
            if cell.type != "code":
                if _defines(cell.source) & set(template.tasks[exercise].functions):
                    found.prose.setdefault(exercise, []).append((answer, cell))
                continue
            if how:
                notes.append(f"The answer to {exercise} was found by {how}.")
            found.answers.setdefault(exercise, []).append((answer, cell))
            last = answer
        elif cell.type != "code":
            continue
        elif place is not None:
            if cell.source.strip() != template.cells[place].source.strip():
                found.edited.append((place, cell))
                if template.roles[place] == "check":
                    notes.append(f"A check was edited; the lesson's own was used: {_first_line(template.cells[place])}")
            found.present.add(place)
            last = place
        else:
            found.extras.append((last, cell))
    gone = [p for p, role in enumerate(template.roles) if role == "check" and p not in found.present]
    if gone:
        notes.append(f"{len(gone)} checks were deleted; the lesson's own were used.")
    return found


def _parts(cell: Cell) -> list[Cell]:
    """Two answers that were merged into one cell, apart again."""
    starts = [match.start() for match in ANCHOR.finditer(cell.source)]
    if cell.type != "code" or len(starts) < 2:
        return [cell]
    edges = [0, *starts[1:], len(cell.source)]
    parts = [cell.source[a:b] for a, b in pairwise(edges)]
    if any(names.parse(part) is None or INDENTED.match(part) for part in parts):
        return [cell]
    return [Cell(cell.type, part) for part in parts]


def _exercise_of(
    cell: Cell, template: Template, by_id: Mapping[str, int], by_source: Mapping[str, int]
) -> tuple[str | None, str]:
    """The exercise that a cell answers, and how that was found out, where it was not the comment."""
    anchors = [id for id in _anchors(cell.source) if id in template.tasks]
    course = _course(cell)
    if anchors:
        return anchors[0], ""
    if course.get("role") == "answer" and course.get("exercise") in list(template.tasks):
        return str(course["exercise"]), "the metadata of its cell"
    place = by_id.get(cell.id)
    if place is not None and template.roles[place] == "answer":
        exercise = next(task.exercise for task in template.tasks.values() if place in task.cells)
        if by_source.get(cell.source.strip()) in (None, place):
            return exercise, "the id of its cell"
    return None, ""


def _slot(template: Template, task: Task, cell: Cell, by_id: Mapping[str, int]) -> int:
    """Where in the template an answer belongs, for an exercise whose answer is spread over several cells."""
    if by_id.get(cell.id) in task.cells:
        return by_id[cell.id]
    mine = _defines(cell.source)
    for place in task.cells:
        if mine & _defines(template.cells[place].source):
            return place
    return task.cells[-1]


def _anchors(source: str) -> list[str]:
    return ANCHOR.findall(source)


def _course(cell: Cell) -> dict[str, object]:
    course = cell.metadata.get("course")
    return course if isinstance(course, dict) else {}


def _defines(source: str) -> set[str]:
    tree = names.parse(source)
    return names.definitions(tree) if tree else set(re.findall(r"^(?:def|class) +(\w+)", source, re.MULTILINE))


def _checks(source: str) -> list[tuple[str, ast.Call]]:
    tree = names.parse(source)
    calls = names.calls(tree, "check") if tree else []
    return [(str(call.args[0].value), call) for call in calls if call.args and isinstance(call.args[0], ast.Constant)]


def _first_line(cell: Cell) -> str:
    return cell.source.strip().partition("\n")[0]


# ----------------------------------------------------------------------------------------------- place the answers


def _place_answers(
    template: Template,
    task: Task,
    found: _Found,
    placed: dict[int, list[tuple[Role, str | None, str]]],
    notes: list[str],
) -> str:
    """Put the answer to one exercise where it belongs; the result is its source, "" where nothing was written."""
    stubs = [template.cells[place].source for place in task.cells]
    candidates = found.answers.get(task.exercise, [])
    written = [(place, cell) for place, cell in candidates if not _is_stub(cell.source, stubs)]
    last = {cell.source: number for number, (_, cell) in enumerate(written)}  # of copies
    written = [one for number, one in enumerate(written) if last[one[1].source] == number][-MAX_EXTRA:]
    if not written and (prose := found.prose.get(task.exercise)):
        notes.append(f"The answer to {task.exercise} stood in a cell that is not code; it was run all the same.")
        written = prose
    mine = set(task.functions)
    elsewhere = [cell for _, cell in found.extras if _defines(cell.source) & mine]
    if written and elsewhere:
        notes.append(f"A cell without the comment defines a function of {task.exercise} too; it is not the answer.")
    elif not written:
        found.extras = [one for one in found.extras if not _defines(one[1].source) & mine]
        found.by_name += elsewhere
        cells = elsewhere or [_only(cell, mine) for cell in _with_several(template, task, found)]
        written = [(task.cells[-1], cell) for cell in cells if _defines(cell.source) & mine]
        if written:
            notes.append(f"The answer to {task.exercise} was found by the name of its function.")
    if len(candidates) > len(task.cells):
        notes.append(f"There are {len(candidates)} cells for {task.exercise}; what was defined last counts.")
    if not candidates and not written:
        notes.append(f"There is no cell for {task.exercise}.")
    covered = {name for _, cell in written for name in _defines(cell.source)}
    for place in task.cells:
        own = [cell for where, cell in written if where == place]
        if not own and not (written and _defines(template.cells[place].source) <= covered):
            placed[place].append(("answer", task.exercise, template.cells[place].source))
        placed[place] += [("answer", task.exercise, cell.source) for cell in own]
    return "\n\n".join(cell.source.strip("\n") for _, cell in written)


def _is_stub(source: str, stubs: Sequence[str]) -> bool:
    """Whether nothing was written: comments, docstrings, `pass` and `raise NotImplementedError` are nothing."""
    bare = _bare(source)
    return bare is not None and (not bare or bare in map(_bare, stubs))


@lru_cache(256)
def _bare(source: str) -> str | None:
    """Code without what does nothing, None where it is not Python."""
    tree = names.parse(source)
    try:
        return names.text(_Bare().visit(copy.deepcopy(tree))) if tree else None
    except RecursionError:
        return None


class _Bare(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_Raise(self, node: ast.Raise) -> ast.AST | None:
        called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
        return None if getattr(called, "id", "") == "NotImplementedError" else node


def _with_several(template: Template, task: Task, found: _Found) -> list[Cell]:
    """Cells that answer other exercises, and may hold the answer to this one as well."""
    others = [one for one in template.tasks.values() if one is not task]
    stubs = [template.cells[place].source for one in others for place in one.cells]
    cells = [cell for one in others for _, cell in found.answers.get(one.exercise, [])]
    return [cell for cell in (*cells, *found.by_name) if not _is_stub(cell.source, stubs)]


def _only(cell: Cell, functions: set[str]) -> Cell:
    """Of a cell with answers to several exercises: what defines these functions."""
    tree = names.parse(cell.source)
    body = [one for one in tree.body if names.definitions(ast.Module([one], [])) & functions] if tree else []
    return Cell(cell.type, "\n\n".join(map(names.text, body)))


def _library_in(source: str, functions: Sequence[str]) -> list[str]:
    """Ways in which code may reach for the library's answers: for a person to look at, it decides nothing."""
    tree = names.parse(source)
    if tree is None:
        return []
    remarks = []
    for node in ast.walk(tree):
        taken = ""
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "course":
            taken = next((a.name for a in node.names if a.name in (*functions, "*") or BACK_DOOR.fullmatch(a.name)), "")
            taken = taken or (str(node.module) if re.search(r"\.(exercises\.|grading)", str(node.module)) else "")
        elif isinstance(node, ast.ImportFrom):
            taken = node.module if node.module and BACK_DOOR.fullmatch(node.module) else ""
        elif isinstance(node, ast.Import):
            found = [a.name for a in node.names if BACK_DOOR.fullmatch(a.name) or a.name.startswith("course.")]
            taken = found[0] if found else ""
        elif isinstance(node, ast.Attribute) and (node.attr in functions or BACK_DOOR.fullmatch(node.attr)):
            taken = names.text(node) or node.attr
            taken = "" if taken.startswith(("np.", "numpy.", "torch.", "scipy.")) else taken
        elif isinstance(node, ast.Name) and BACK_DOOR.fullmatch(node.id):
            taken = node.id
        if taken:
            remarks.append(f"uses `{taken[:80]}`: is it the learner's own?")
    return sorted(set(remarks))


# ------------------------------------------------------------------------------------------------- who uses whom


def used_by(template: Template, merged: Merged, exercise: str) -> set[str]:
    """The exercises whose functions this answer looks up, itself or through a helper of the learner's."""
    sources = [unit.source for unit in merged.units if unit.role == "answer" and unit.exercise == exercise]
    needs = {name for source in sources for name in names.names_of(source).needs}
    helpers = [names.names_of(unit.source) for unit in merged.units if unit.role == "extra"]
    while new := [helper for helper in helpers if helper.gives & needs and not helper.needs <= needs]:
        needs |= {name for helper in new for name in helper.needs}
    return {task.exercise for task in template.tasks.values() if needs & set(task.functions)}


def with_the_librarys(template: Template, units: Sequence[Unit], exercises: set[str], checks: set[str]) -> list[Unit]:
    """The notebook with the library's functions in place of the answers to `exercises`, and with these checks only."""
    result: list[Unit] = []
    for unit in units:
        if unit.role == "check" and unit.exercise not in checks:
            continue
        if unit.role == "answer" and unit.exercise in exercises:
            given = ", ".join(template.tasks[unit.exercise].functions)
            source = f'from course.exercises import stuck\n{given} = stuck("{unit.exercise}")'
            unit = Unit("template", source, None, unit.key)
        result.append(unit)
    return result


# ------------------------------------------------------------------------------------------------- what is needed


@dataclass
class _Piece:
    """A statement of the template, or a whole cell of the learner."""

    unit: int
    names: names.Names
    statement: ast.stmt | None


def _needed(units: Sequence[Unit], template: Template) -> list[Unit]:
    """The units without what no answer needs."""
    wanted = {"*"} | {name for task in template.tasks.values() for name in task.functions}
    pieces: list[_Piece] = []
    for number, unit in enumerate(units):
        if unit.role == "answer":
            wanted |= names.names_of(unit.source).needs
        elif unit.role == "extra":
            pieces.append(_Piece(number, names.names_of(unit.source), None))
        elif unit.role == "template" and (tree := names.parse(unit.source)) is not None:
            pieces += _statements(number, unit, tree, template)
    modules = _modules(tuple(cell.source for cell in template.cells))
    taken = [piece for piece in pieces if piece.statement is not None and _is_setup(piece.statement, modules)]
    wanted |= {name for piece in taken for name in piece.names.needs}
    pieces = [piece for piece in pieces if piece not in taken]
    while new := [piece for piece in pieces if piece.names.gives & wanted]:
        pieces = [piece for piece in pieces if not piece.names.gives & wanted]
        taken += new
        wanted |= {name for piece in new for name in piece.names.needs}
    kept: list[Unit] = []
    for number, unit in enumerate(units):
        own = [piece.statement for piece in taken if piece.unit == number]
        if unit.role in ("answer", "check") or (unit.role == "extra" and own):
            kept.append(unit)
        elif own:
            statements = [_only_wanted(statement, wanted) for statement in own if statement is not None]
            statements.sort(key=lambda statement: statement.lineno)
            kept.append(Unit("template", "\n".join(map(names.text, statements)), None, unit.key))
    return kept


def _statements(number: int, unit: Unit, tree: ast.Module, template: Template) -> list[_Piece]:
    """The statements of a cell. In an experiment `plt.show()` and `course.scorecard(...)` do not change the module."""
    place = int(unit.key.partition(" ")[2])
    is_example = _course(template.cells[place]).get("role", "example") == "example"
    ignore = frozenset() if is_example else _modules(tuple(cell.source for cell in template.cells))
    return [_Piece(number, of, statement) for statement, of in _names_of_statements(unit.source, ignore)]


@lru_cache(1024)
def _names_of_statements(source: str, ignore: frozenset[str]) -> list[tuple[ast.stmt, names.Names]]:
    tree, found = names.parse(source), []
    for statement in tree.body if tree else []:
        with contextlib.suppress(*names.TOO_MUCH):
            found.append((statement, names.names_in([statement], ignore)))
    return found


@lru_cache(8)
def _modules(sources: tuple[str, ...]) -> frozenset[str]:
    return frozenset(name for source in sources if (tree := names.parse(source)) for name in names.imported(tree))


def _is_setup(statement: ast.stmt, modules: frozenset[str]) -> bool:
    """A switch for the whole notebook, `torch.set_default_dtype(torch.float64)`: it is needed without being named."""
    function = (
        statement.value.func if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) else None
    )
    if not isinstance(function, ast.Attribute) or not function.attr.startswith("set_"):
        return False
    return isinstance(function.value, ast.Name) and function.value.id in modules


def _only_wanted(statement: ast.stmt, wanted: set[str]) -> ast.stmt:
    """Of an import only the names that somebody uses: `from course.widgets import explore` takes seconds."""
    if not isinstance(statement, ast.Import | ast.ImportFrom):
        return statement
    aliases = [a for a in statement.names if (a.asname or a.name.partition(".")[0]) in wanted]
    kind = ast.Import(names=aliases)
    if isinstance(statement, ast.ImportFrom):
        return ast.copy_location(ast.ImportFrom(statement.module, aliases, statement.level), statement)
    return ast.copy_location(kind, statement)


def _new_statements(template: str, learner: str) -> str:
    """What the learner has written into a cell of the template, for instance one more import."""
    tree, known = names.parse(learner), _lines_of(template)
    own = [text for statement in (tree.body if tree else []) if (text := names.text(statement)) not in known]
    return "\n".join(own[:MAX_EDITED])


@lru_cache(64)
def _lines_of(source: str) -> frozenset[str]:
    tree = names.parse(source)
    return frozenset(names.text(statement) for statement in (tree.body if tree else []))


# ---------------------------------------------------------------------------------------------------- predictions


def _predictions(notebook: Notebook) -> dict[str, tuple[str, ...]]:
    """What the learner expected, read from the source of the cells: `predict("4.5", [...], answer=2)`.

    Choices may have a name of the same cell. Where they come from elsewhere, the number of the choice is what is known.
    """
    said: dict[str, tuple[str, ...]] = {}
    for cell in notebook.cells:
        if cell.type != "code" or "predict(" not in cell.source or (tree := names.parse(cell.source)) is None:
            continue
        for call in names.calls(tree, "predict"):
            given = dict(zip(("id", "choices", "answer"), call.args, strict=False))
            given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
            exercise, choices, answer = (_plain(given.get(name), tree) for name in ("id", "choices", "answer"))
            if answer is None or not isinstance(exercise, str) or not PREDICTED.fullmatch(exercise):
                continue
            if len(said.get(exercise, ())) >= MAX_PREDICTIONS or len(said) >= MAX_EXTRA:
                continue
            try:
                if isinstance(choices, list | tuple):
                    words = chosen(choices, answer)
                else:
                    words = f"choice {in_words(answer)}" if "choices" in given else in_words(answer)
            except (ValueError, TypeError):  # none of the choices
                continue
            said[exercise] = (*said.get(exercise, ()), words[:200])
    return said


def _plain(node: ast.expr | None, tree: ast.Module) -> Any:
    """The value of an expression of plain values, or of a name that the code gives to one; None for all others."""
    if isinstance(node, ast.Name):
        given = [n.value for n in tree.body if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == node.id]
        node = given[-1] if given else None
    try:
        return None if node is None else ast.literal_eval(node)
    except (*names.TOO_MUCH, TypeError, OverflowError):
        return None

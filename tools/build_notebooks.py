"""Build lessons/NAME.ipynb, solutions/NAME.ipynb and lessons/instructor/NAME.md from solutions/NAME.py.

    python tools/build_notebooks.py                      all notebooks, solutions executed
    python tools/build_notebooks.py day4a_molecular_graph
    python tools/build_notebooks.py --no-execute         lessons only
    python tools/build_notebooks.py --check              say what is not up to date, write nothing, execute nothing

How a source is written. It is a jupytext percent script:

    # %% [markdown]
    # ## 4.5 Collect the messages  ●●○  10 min
    # Each atom now has a pile of messages ...

    # %%
    # exercise 4.5
    def accumulate(messages, receivers, n_atoms):
        '''Sum the messages that arrive at each atom.'''
        ### BEGIN SOLUTION
        return torch.zeros(n_atoms, messages.shape[1]).index_add(0, receivers, messages)
        ### END SOLUTION

    # %%
    check("4.5", accumulate)

- The lesson gets `raise NotImplementedError` in place of what stands between the marks, the solution loses the marks.
  The marks stand inside a function or method, so that an unwritten answer only fails where it is called. A cell may
  hold several; an exercise with several functions may spread over several cells.
- The exercise of an answer is the one whose `check` names the function. The comment in the first line says the same
  to the learner, and to whoever looks for the answer in a notebook without metadata; left out, it is written in.
- One check an exercise, in a cell of its own, after the answer.
- `# %% tags=["nbval-check-output"]` marks a cell whose text output is the same on every machine: the tests compare it.
- `# %% tags=["instructor"]` marks a cell that prints what an instructor should expect, a line each:
  `force error after a minute: 42 ± 8 meV/Å`. It runs with the solution and stands in neither notebook. What it prints
  takes the place of the line `{{numbers}}` in solutions/instructor/NAME.md, and the whole becomes
  lessons/instructor/NAME.md.

What is derived. Each code cell gets `metadata["course"] = {"exercise", "role", "needs"}`. The role is answer, check,
predict, experiment (it needs an answer) or example. `needs` lists the exercises without which the cell may fail: those
whose names it uses, directly or through names made with them. Cell ids are hashes of the notebook's name and of the
exercise and role, or of the cell's text: an inserted cell leaves the others' ids alone.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import re
import symtable
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
INSTRUCTOR, NUMBERS = "instructor", "{{numbers}}"
ANCHOR = re.compile(r"#\s*exercise\s+(\d+\.\d+)\s*$")
KERNEL = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
PROGRESS_BAR = re.compile(r"\d+%\|.*\||\[\d+:\d\d[<,]")  # "40%|████" and "3epoch [00:09, 3.1s/epoch"
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
WIDGET_TEXT = re.compile(r"[A-Z]\w*\(.*\)", re.DOTALL)  # "VBox(children=(...))", all that is left of a live widget


class BuildError(Exception):
    """What is wrong with a source, a line each."""


@dataclass
class Cell:
    """One cell of a source, and what the build has found out about it."""

    node: NotebookNode
    where: str  # "solutions/day4a.py, line 12"
    tree: ast.Module | None = None  # of a code cell
    exercise: str | None = None
    role: str = "example"
    needs: set[str] = field(default_factory=set)


# ----------------------------------------------------------------------------------------------------------- read


def read_source(path: Path) -> list[Cell]:
    """The cells of a percent script, code parsed."""
    text = path.read_text(encoding="utf-8")
    errors, cells = [], []
    starts = [n for n, line in enumerate(text.splitlines(), 1) if line.startswith("# %%")]
    nodes = jupytext.reads(text, fmt="py:percent").cells
    starts = starts if len(starts) == len(nodes) else [1, *starts]  # text before the first mark is a cell too
    for start, node in zip(starts, nodes, strict=False):
        cell = Cell(node, f"{path.parent.name}/{path.name}, line {start}")
        if node.cell_type == "code":
            lines = ["pass" if line.startswith(("%", "!")) else line for line in node.source.splitlines()]
            try:
                cell.tree = ast.parse("\n".join(lines))
            except SyntaxError as error:
                errors.append(f"{cell.where}: this is not Python: {error.msg} in `{(error.text or '').strip()}`.")
        cells.append(cell)
    if errors:
        raise BuildError("\n".join(errors))
    return cells


def analyse(cells: list[Cell]) -> None:
    """Give each code cell its exercise, role and needs. Raises BuildError with everything that is wrong."""
    errors = [error for cell in cells if cell.tree for error in mark_errors(cell) + idle_checks(cell)]
    answers: dict[str, Cell] = {}  # name that an answer defines -> its cell
    checks: dict[str, Cell] = {}  # exercise -> its check
    for cell in cells:
        if cell.tree is None:
            continue
        if BEGIN in cell.node.source:
            cell.role = "answer"
            for name in defined_functions(cell.tree):
                answers[name] = cell
        for id, arguments in calls_of("check", cell.tree):
            if cell.role == "answer":
                errors.append(f"{cell.where}: the answer and its check stand in one cell; the check needs its own.")
            if id in checks:
                errors.append(f"{cell.where}: exercise {id} has a check already, in {checks[id].where}.")
            if problem := unknown_exercise(id):
                errors.append(f"{cell.where}: {problem}")
            checks[id], cell.role, cell.exercise = cell, "check", id
            for name in arguments:
                if name not in answers:
                    errors.append(f'{cell.where}: check("{id}") asks for `{name}`, which no answer before it defines.')
                elif answers[name].exercise not in (None, id):
                    both = f"{answers[name].exercise} and {id}"
                    errors.append(f"{answers[name].where}: this cell answers {both}; one cell, one exercise.")
                else:
                    answers[name].exercise = id
        if cell.role == "example" and (predictions := calls_of("predict", cell.tree)):
            cell.role, cell.exercise = "predict", predictions[0][0]
    for cell in cells:
        if cell.role == "answer":
            anchor = ANCHOR.match(cell.node.source.partition("\n")[0])
            if cell.exercise is None:
                errors.append(f"{cell.where}: no check asks for the answer in this cell.")
            elif anchor and anchor[1] != cell.exercise:
                errors.append(f"{cell.where}: the comment says exercise {anchor[1]}, its check says {cell.exercise}.")
    if errors:
        raise BuildError("\n".join(errors))
    find_needs(cells)


def unknown_exercise(id: str) -> str | None:
    from course.exercises import find

    try:
        find(id)
    except ValueError as error:
        return str(error)
    return None


def mark_errors(cell: Cell) -> list[str]:
    """What is wrong with the marks of a cell."""
    errors: list[str] = []
    begin: int | None = None
    functions = [node for node in ast.walk(cell.tree or ast.Module([], [])) if isinstance(node, ast.FunctionDef)]
    for number, line in enumerate(cell.node.source.splitlines(), 1):
        mark = line.strip()
        if mark == BEGIN:
            if begin is not None:
                errors.append(f"{cell.where}: `{BEGIN}` inside a solution; is the mark before it closed?")
            begin = number
            if not any(f.lineno < number < (f.end_lineno or 0) + 1 for f in functions):
                errors.append(
                    f"{cell.where}: a solution outside of a function; an unwritten answer must only fail when called."
                )
        elif mark == END:
            if begin is None:
                errors.append(f"{cell.where}: `{END}` without `{BEGIN}`.")
            begin = None
        elif "SOLUTION" in mark and mark.startswith("#"):
            errors.append(f"{cell.where}: `{mark}` is not a mark; write `{BEGIN}` or `{END}`.")
    if begin is not None:
        errors.append(f"{cell.where}: `{BEGIN}` is never closed.")
    return errors


def idle_checks(cell: Cell) -> list[str]:
    """Checks that cannot fail."""
    errors = []
    for node in ast.walk(cell.tree or ast.Module([], [])):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            if name in ("allclose", "isclose", "array_equal", "equal"):
                errors.append(f"{cell.where}: `{ast.unparse(node)}` cannot fail; write `assert` before it.")
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Tuple):
            errors.append(f"{cell.where}: `{ast.unparse(node)}` cannot fail, a tuple is always true.")
    return errors


def calls_of(function: str, tree: ast.Module) -> list[tuple[str, list[str]]]:
    """(exercise, names of the further arguments) for each call of `check` or `predict`."""
    return [
        (str(node.args[0].value), [argument.id for argument in node.args[1:] if isinstance(argument, ast.Name)])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == function
        if node.args and isinstance(node.args[0], ast.Constant)
    ]


def defined_functions(tree: ast.Module) -> list[str]:
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]


# ---------------------------------------------------------------------------------------------------------- needs


@dataclass
class Name:
    """A global name of the notebook: the exercises that its value was made with, and the names it will look up."""

    needs: set[str] = field(default_factory=set)
    refers: set[str] = field(default_factory=set)


def find_needs(cells: list[Cell]) -> None:
    """Follow the names through the notebook, statement by statement."""
    names: dict[str, Name] = {}
    modules: set[str] = set()

    def needs_of(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        if name not in names or name in seen:
            return set()
        return names[name].needs.union(*(needs_of(other, seen | {name}) for other in names[name].refers))

    for cell in cells:
        if cell.tree is None:
            continue
        for statement in cell.tree.body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):  # its body runs later, when it is called
                names[statement.name] = Name(refers=used_names(statement) - {statement.name})
                if cell.role == "answer":
                    names[statement.name].needs.add(str(cell.exercise))
                continue
            for name in used_names(statement):
                cell.needs |= needs_of(name)
            made = stored_names(statement)
            if isinstance(statement, ast.Import | ast.ImportFrom):
                modules |= made
            for name in made | (changed_names(statement) - modules if cell.needs else set()):
                names[name] = Name(needs=set(cell.needs))
        if cell.role == "check":
            cell.needs.add(str(cell.exercise))
        if cell.role == "example" and cell.needs:
            cell.role, cell.exercise = "experiment", sorted(cell.needs, key=by_number)[-1]


def used_names(statement: ast.stmt) -> set[str]:
    """Global names that a statement, or a function defined in it, looks up."""
    used = {symbol.get_name() for symbol in table_of(statement).get_symbols() if symbol.is_referenced()}
    if isinstance(statement, ast.For):  # its variables are set before they are used
        used -= names_in(statement.target) - names_in(statement.iter)
    tables = list(table_of(statement).get_children())
    while tables:
        table = tables.pop()
        used |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
        tables += table.get_children()
    return used


def stored_names(statement: ast.stmt) -> set[str]:
    """Global names that a statement sets."""
    symbols = table_of(statement).get_symbols()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}


def table_of(statement: ast.stmt) -> symtable.SymbolTable:
    return symtable.symtable(ast.unparse(statement), "cell", "exec")


def names_in(tree: ast.AST) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def changed_names(tree: ast.AST) -> set[str]:
    """Names whose value a statement may change in place: `results.append(...)`, `table["T = 1"] = ...`."""
    changed = set()
    for node in ast.walk(tree):
        is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        is_part = isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store)
        base: Any = node.func if is_method else node if is_part else None  # type: ignore[attr-defined]
        while isinstance(base, ast.Subscript | ast.Attribute):
            base = base.value
        if isinstance(base, ast.Name):
            changed.add(base.id)
    return changed


def by_number(id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in id.split("."))


# ---------------------------------------------------------------------------------------------------------- write


def stub(source: str, exercise: str) -> str:
    """The source with each solution replaced by `raise NotImplementedError`."""
    tree = ast.parse("\n".join("pass" if line.startswith(("%", "!")) else line for line in source.splitlines()))
    lines: list[str] = []
    inside = False
    for number, line in enumerate(source.splitlines(), 1):
        if line.strip() == BEGIN:
            inside = True
            owner = next(n for n in tree.body if n.lineno <= number <= (n.end_lineno or 0))
            indent = line[: len(line) - len(line.lstrip())]
            lines.append(
                f'{indent}raise NotImplementedError("{exercise} {getattr(owner, "name", "")}: not written yet")'
            )
        elif line.strip() == END:
            inside = False
        elif not inside:
            lines.append(line)
    return "\n".join(lines)


def without_marks(source: str) -> str:
    return "\n".join(line for line in source.splitlines() if line.strip() not in (BEGIN, END))


def build(path: Path) -> tuple[NotebookNode, NotebookNode]:
    """The lesson and the solution (not executed, with the cells for instructors) of a source."""
    cells = read_source(path)
    analyse(cells)
    lesson, solution = (nbformat.v4.new_notebook(metadata=nbformat.from_dict(KERNEL)) for _ in range(2))
    seen: Counter[str] = Counter()
    for cell in cells:
        source = cell.node.source
        metadata = {name: value for name, value in cell.node.metadata.items() if not name.startswith("lines_to_")}
        key = source
        if cell.tree is not None:
            needs = sorted(cell.needs, key=by_number)
            metadata["course"] = {"exercise": cell.exercise, "role": cell.role, "needs": needs}
            if cell.role in ("answer", "check", "predict"):
                key = f"{cell.exercise} {cell.role}"
        seen[key] += 1
        id = hashlib.sha256(f"{path.stem}\n{seen[key]}\n{key}".encode()).hexdigest()[:12]
        if cell.role == "answer" and not ANCHOR.match(source.partition("\n")[0]):
            source = f"# exercise {cell.exercise}\n{source}"
        blank = stub(source, str(cell.exercise)) if cell.role == "answer" else source
        for notebook, text in ((lesson, blank), (solution, without_marks(source))):
            if notebook is lesson and is_for_instructors(cell.node):
                continue
            new = nbformat.v4.new_code_cell if cell.tree is not None else nbformat.v4.new_markdown_cell
            notebook.cells.append(new(text, id=id, metadata=nbformat.from_dict(metadata)))
    for notebook, what in ((lesson, "Your copy to work in"), (solution, "The worked solution")):
        note = f"*{what}. Built from `solutions/{path.name}`: to change the course, edit that file and build again.*"
        if notebook.cells and notebook.cells[0].cell_type == "markdown":
            notebook.cells[0].source += f"\n\n{note}"
        else:
            id = hashlib.sha256(f"{path.stem}\nfirst".encode()).hexdigest()[:12]
            notebook.cells.insert(0, nbformat.v4.new_markdown_cell(note, id=id))
    return lesson, solution


def is_for_instructors(node: NotebookNode) -> bool:
    return INSTRUCTOR in node.metadata.get("tags", [])


def take_instructor_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Remove the cells for instructors from a notebook, and return them."""
    taken = [cell for cell in notebook.cells if is_for_instructors(cell)]
    notebook.cells = [cell for cell in notebook.cells if not is_for_instructors(cell)]
    return taken


def notes_around_numbers(path: Path, cells: list[NotebookNode]) -> tuple[str, str] | None:
    """What an instructor's notes say before and after the numbers; None where a source has neither notes nor cells.

    The first line carries a hash of the cells, so that notes whose numbers are of another time are found out.
    """
    file = path.parent / "instructor" / f"{path.stem}.md"
    where = f"solutions/instructor/{file.name}"
    if not cells and not file.exists():
        return None
    if not file.exists():
        raise BuildError(f"solutions/{path.name} has a cell for instructors, and there are no notes: {where}.")
    if not cells:
        raise BuildError(f'{where} has no numbers: solutions/{path.name} has no cell with tags=["{INSTRUCTOR}"].')
    lines = file.read_text(encoding="utf-8").splitlines()
    if lines.count(NUMBERS) != 1:
        raise BuildError(f"{where} has {lines.count(NUMBERS)} lines {NUMBERS}; it needs one.")
    hash = hashlib.sha256("\n".join(cell.source for cell in cells).encode()).hexdigest()[:12]
    first = f"<!-- Built from {where}; the numbers come from solutions/{path.name}, {hash}. -->"
    place = lines.index(NUMBERS)
    return "\n".join([first, "", *lines[:place], ""]), "\n".join(["", *lines[place + 1 :], ""])


def table_of_numbers(cells: list[NotebookNode]) -> str:
    """The lines that executed cells have printed, `what: value`, as a table."""
    printed = [line for cell in cells for output in cell.outputs for line in output.get("text", "").splitlines()]
    rows = [line.rpartition(": ") for line in printed if line.strip()]
    if wrong := ["".join(row) for row in rows if not row[1]]:
        raise BuildError(
            f"A cell for instructors must print lines `what: value ± tolerance`, and printed {wrong[0]!r}."
        )
    if not rows:
        raise BuildError("The cell for instructors has printed nothing.")
    return "\n".join(["| what | expected |", "|:--|:--|", *(f"| {what} | {value} |" for what, _, value in rows)])


def execute(notebook: NotebookNode, name: str, timeout: int) -> None:
    """Run all cells in an empty folder, and keep the outputs that a page can show."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from traitlets.config import Config

    # sockets in a folder of their own: a TCP port may be taken before the kernel has bound it
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as sockets:
        client = NotebookClient(
            notebook,
            timeout=timeout,
            kernel_name="python3",
            record_timing=False,
            resources={"metadata": {"path": folder}},
            config=Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"}),
        )
        try:
            client.execute()
        except CellExecutionError as error:
            raise BuildError(f"{name}: a cell of the solution fails.\n{error}") from error
    notebook.metadata = nbformat.from_dict(KERNEL)
    clean(notebook)


def clean(notebook: NotebookNode) -> None:
    """Drop what only a live notebook can show: widget views and progress bars."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = joined([output for output in cell.outputs if keep(output)])
            cell.metadata.pop("execution", None)


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """What was printed in one go as one piece: a kernel sends it in several, cut by the clock."""
    found: list[NotebookNode] = []
    for output in outputs:
        if found and output.output_type == found[-1].output_type == "stream" and output.name == found[-1].name:
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def keep(output: NotebookNode) -> bool:
    """Whether an output still says something on paper; its live parts are removed on the way."""
    if output.output_type == "stream":
        lines = [line.rpartition("\r")[2] for line in output.text.splitlines(keepends=True)]
        output.text = "".join(line for line in lines if not PROGRESS_BAR.search(line))
        return bool(output.text.strip())
    if "data" not in output:
        return True
    was_widget = output.data.pop(WIDGET_VIEW, None) is not None
    text = output.data.get("text/plain", "")
    if set(output.data) <= {"text/plain"}:
        return not (PROGRESS_BAR.search(text) or (was_widget and WIDGET_TEXT.fullmatch(text.strip())))
    return True


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    nbformat.validate(notebook)
    write_atomically(as_text(notebook), path)


def write_atomically(text: str, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def as_text(notebook: NotebookNode) -> str:
    return nbformat.writes(notebook, version=4).rstrip("\n") + "\n"


# ---------------------------------------------------------------------------------------------------------- check


def differences(path: Path, lessons: Path) -> list[str]:
    """What in the committed notebooks of a source is not what a build would write."""
    lesson, solution = build(path)
    notes = notes_around_numbers(path, take_instructor_cells(solution))
    committed_lesson, committed = lessons / f"{path.stem}.ipynb", path.with_suffix(".ipynb")
    found = []
    for file in (committed_lesson, committed):
        if not file.exists():
            found.append(f"{file.parent.name}/{file.name} is missing.")
    if committed_lesson.exists() and committed_lesson.read_text(encoding="utf-8") != as_text(lesson):
        found.append(f"lessons/{committed_lesson.name} is not what solutions/{path.name} says.")
    if committed.exists():
        theirs = nbformat.read(committed, as_version=4)
        outputs = [cell for cell in theirs.cells if cell.cell_type == "code"]
        if any(cell.execution_count is None for cell in outputs):
            found.append(f"solutions/{committed.name} holds cells that were never executed.")
        if any(output.output_type == "error" for cell in outputs for output in cell.outputs):
            found.append(f"solutions/{committed.name} holds an error.")
        if any(WIDGET_VIEW in output.get("data", {}) for cell in outputs for output in cell.outputs):
            found.append(f"solutions/{committed.name} holds a widget view.")
        for cell in outputs:
            cell.execution_count, cell.outputs = None, []
        if as_text(theirs) != as_text(solution):
            found.append(f"solutions/{committed.name} is not what solutions/{path.name} says.")
    if notes is not None:
        file = lessons / INSTRUCTOR / f"{path.stem}.md"
        said = file.read_text(encoding="utf-8") if file.exists() else ""
        if not said:
            found.append(f"lessons/instructor/{file.name} is missing.")
        elif not (said.startswith(notes[0]) and said.endswith(notes[1]) and len(said) > len("".join(notes))):
            found.append(f"lessons/instructor/{file.name} is not what solutions/instructor/{file.name} says.")
    return found


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Build the notebooks from solutions/*.py.")
    parser.add_argument("names", nargs="*", help="notebooks to build, without .py; all of them if left out")
    parser.add_argument("--check", action="store_true", help="write nothing; say what is not up to date")
    parser.add_argument("--no-execute", action="store_true", help="build the lessons only")
    parser.add_argument("--timeout", type=int, default=600, help="seconds that one cell of a solution may take")
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(root))  # the exercises are looked up in `course`
    solutions, lessons = root / "solutions", root / "lessons"
    sources = {path.stem: path for path in sorted(solutions.glob("*.py"))}
    if unknown := [name for name in options.names if name not in sources]:
        print(f"There is no source for {', '.join(unknown)} in {solutions}. There are: {', '.join(sources)}.")
        return 2
    problems: list[str] = []
    if options.check and not options.names:
        built = [*lessons.glob("*.ipynb"), *solutions.glob("*.ipynb")]
        built += [*lessons.glob("instructor/*.md"), *solutions.glob("instructor/*.md")]
        problems += [f"{p.parent.name}/{p.name} has no source." for p in sorted(built) if p.stem not in sources]
    for name in options.names or sources:
        try:
            if options.check:
                problems += differences(sources[name], lessons)
                continue
            lesson, solution = build(sources[name])
            notes = notes_around_numbers(sources[name], [cell for cell in solution.cells if is_for_instructors(cell)])
            write_notebook(lesson, lessons / f"{name}.ipynb")
            if not options.no_execute:
                execute(solution, name, options.timeout)
                cells = take_instructor_cells(solution)
                if notes is not None:
                    write_atomically(table_of_numbers(cells).join(notes), lessons / INSTRUCTOR / f"{name}.md")
                write_notebook(solution, solutions / f"{name}.ipynb")
            print(f"{name}: built")
        except BuildError as error:
            problems.append(str(error))
    if problems:
        print("\n".join(problems))
        print("Build again with: python tools/build_notebooks.py" if options.check else "Not built.")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())

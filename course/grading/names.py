"""Which names a piece of code needs and gives: enough to leave out what no answer needs."""

from __future__ import annotations

import ast
import contextlib
import re
import symtable
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from IPython.core.inputtransformer2 import TransformerManager

MAX_SOURCE = 100_000  # characters; longer cells are not looked into
MAX_MAGIC = 50  # lines of IPython's own syntax; the time to translate them grows with their square
MAGIC = re.compile(r"^.*[%!?].*$", re.MULTILINE)
TIMED = re.compile(r"\A\s*%%(?:time|timeit|capture|prun)\b.*\n")
TOO_MUCH = (SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True)
class Names:
    """The global names of a cell."""

    gives: frozenset[str]  # assigned, imported ("*": all of a module), defined, or changed in place
    needs: frozenset[str]  # looked up, also later, inside a function


@lru_cache(256)
def parse(source: str) -> ast.Module | None:
    """The syntax tree of a cell, IPython's own syntax (`%magic`, `!ls`) translated; None where it is not Python."""
    if len(source) > MAX_SOURCE:
        return None
    with contextlib.suppress(*TOO_MUCH):
        return ast.parse(source)
    source = TIMED.sub("", source, count=1)  # what is timed is Python like the rest
    if len(MAGIC.findall(source)) > MAX_MAGIC:
        return None
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except Exception:  # IPython raises a RuntimeError where it does not come to an end
        return None


def text(node: ast.AST) -> str:
    """The source of a piece of a syntax tree, "" where it is nested too deeply to be written down."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return ""


@lru_cache(256)
def names_of(source: str) -> Names:
    """Of code that is not Python, or nested too deeply, every word counts as needed."""
    if tree := parse(source):
        with contextlib.suppress(*TOO_MUCH):
            return names_in(tree.body)
    return Names(frozenset(), frozenset(re.findall(r"\b[^\W\d]\w*", source)))


def names_in(statements: list[ast.stmt], ignore: frozenset[str] = frozenset()) -> Names:
    """`ignore`: names that a method call does not change, such as modules: `plt.show()`.

    Raises one of TOO_MUCH where the code cannot be compiled.
    """
    gives: set[str] = set()
    needs: set[str] = set()
    table = symtable.symtable(ast.unparse(ast.Module(statements, [])), "cell", "exec")
    for symbol in table.get_symbols():
        if symbol.is_assigned() or symbol.is_imported():
            gives.add(symbol.get_name())
        if symbol.is_referenced():
            needs.add(symbol.get_name())
    tables = list(table.get_children())
    while tables:
        table = tables.pop()
        for symbol in table.get_symbols():
            if symbol.is_global():
                needs.add(symbol.get_name())
                if symbol.is_assigned():  # `global count; count = 1`
                    gives.add(symbol.get_name())
        tables += table.get_children()
    return Names(frozenset(gives | (_changed(statements) - ignore)), frozenset(needs))


def _changed(statements: list[ast.stmt]) -> set[str]:
    """Names whose value is changed in place: `table["a"] = ...`, `Graph.e = ...`, and `results.append(...)`.

    `from math import *` changes any: "*".
    """
    changed = set()
    for node in (node for statement in statements for node in ast.walk(statement)):
        base: ast.AST | None = None
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            changed.add("*")
        elif isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            base = node
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            base = node.value.func if isinstance(node.value.func, ast.Attribute) else None
        while isinstance(base, ast.Subscript | ast.Attribute):
            base = base.value
        if isinstance(base, ast.Name):
            changed.add(base.id)
    return changed


def imported(tree: ast.Module) -> frozenset[str]:
    """Names that come from an import."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    return frozenset(alias.asname or alias.name.partition(".")[0] for node in nodes for alias in node.names)


def definitions(tree: ast.Module) -> set[str]:
    """Names that a cell defines at its top level, also under an `if`: functions, classes, variables."""
    found = set()
    for node in _unfolded(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            nodes = (node for target in targets for node in ast.walk(target))
            found |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return found


def _unfolded(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.ExceptHandler | ast.With):
            yield from _unfolded(ast.iter_child_nodes(node))


def calls(tree: ast.AST, function: str) -> list[ast.Call]:
    """The calls of a function by its plain name."""
    return [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "id", "") == function]

"""Answers that are alike: who has written what hardly anybody else has written? A person decides what it means.

Many learners find the same short answer, so one answer in common says little. The form of an answer is its syntax tree
without comments, docstrings, annotations, imports and the learner's own names. If g of n learners wrote the same form,
another learner has it with the probability p = (g - 1) / (n - 1). By chance a class has

    n (n - 1) / 2 * p_1 p_2 ... p_k

pairs that share the forms of k exercises. Where this is far below one, chance is a bad explanation.
"""

from __future__ import annotations

import ast
import builtins
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from course.grading.names import TOO_MUCH, parse
from course.grading.submission import Record

MAX_BY_CHANCE = 0.05  # pairs in the whole class; below this they are shown
KEPT = frozenset(dir(builtins))


@dataclass(frozen=True)
class Pair:
    """Two learners, and the exercises to which their answers have the same form."""

    students: tuple[str, str]
    exercises: tuple[str, ...]
    by_chance: float  # so many pairs like this a class of this size would have


def pairs(records: Iterable[Record]) -> list[Pair]:
    """The least likely first."""
    forms: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))  # exercise -> form -> students
    students = 0
    for record in records:
        students += 1
        for row in record.rows:
            if row.outcome != "handed over" and (form := form_of(row.answer)):
                forms[row.exercise][form].append(record.student)
    shared: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for exercise, groups in forms.items():
        n = sum(map(len, groups.values()))
        for group in groups.values():
            for pair in combinations(sorted(group), 2):
                shared[pair][exercise] = (len(group) - 1) / (n - 1)
    all_pairs = students * (students - 1) / 2
    found = [Pair(who, tuple(p), all_pairs * math.prod(p.values())) for who, p in shared.items()]
    return sorted((pair for pair in found if pair.by_chance < MAX_BY_CHANCE), key=lambda pair: pair.by_chance)


def form_of(source: str) -> str:
    """What stays when a learner renames, comments and lays out anew; "" where nothing can be read."""
    tree = parse(source)  # which is kept for others: a copy of it is changed
    try:
        return ast.dump(_Form(tree).visit(ast.parse(ast.unparse(tree)))) if tree and tree.body else ""
    except TOO_MUCH:
        return ""


class _Form(ast.NodeTransformer):
    """Own names become numbers, in the order in which they occur."""

    def __init__(self, tree: ast.Module) -> None:
        self.names: dict[str, str] = {}
        nodes = list(ast.walk(tree))
        self.attributes = {n.name for n in nodes if isinstance(n, ast.FunctionDef)}
        self.attributes |= {n.attr for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}

    def renamed(self, name: str) -> str:
        return name if name in KEPT else self.names.setdefault(name, str(len(self.names)))

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(self.renamed(node.id), node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        value = self.visit(node.value)
        return ast.Attribute(value, self.renamed(node.attr) if node.attr in self.attributes else node.attr, node.ctx)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(self.renamed(node.arg))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name, node.returns = self.renamed(node.name), None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self.renamed(node.name)
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return self.visit(ast.Assign([node.target], node.value)) if node.value else None

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        return None

"""What goes into the graded notebook, without running anything."""

import json
from dataclasses import replace

import pytest

from course.grading.merging import Template, merge
from course.grading.names import MAX_SOURCE, names_of, parse
from course.grading.reading import read
from tests.grading.corpus import (
    BLANK,
    EXERCISES,
    ROOT,
    SOLUTION,
    as_bytes,
    cell_of,
    changed,
    code,
    edits,
    with_answer,
)

TEMPLATE = Template.load("small", as_bytes(BLANK))
# where the answer is damaged beyond reading
LOST = ("untouched", "partly right", "answer deleted", "checks edited, answer wrong", "source a list", "source null")


def merged(data):
    return merge(TEMPLATE, read(data))


def test_template_knows_its_exercises():
    assert list(TEMPLATE.tasks) == list(EXERCISES)
    assert TEMPLATE.tasks["4.4"].functions == ("concat_message", "outer_message", "matrix_message")
    assert TEMPLATE.tasks["4.4"].points == 15


def test_a_notebook_without_checks_is_no_template():
    with pytest.raises(ValueError, match="is it a lesson"):
        Template.load("x", as_bytes({**BLANK, "cells": BLANK["cells"][:1]}))


@pytest.mark.parametrize("case", [c for c in edits() if not c.name.startswith(LOST)], ids=lambda case: case.name)
def test_however_the_notebook_was_edited_all_answers_are_found_in_order(case):
    units = merged(case.data).units
    checks = [unit.exercise for unit in units if unit.role == "check"]
    assert checks == list(EXERCISES), "every check, once, in the lesson's order"
    for exercise in EXERCISES:
        own = [n for n, unit in enumerate(units) if unit.role == "answer" and unit.exercise == exercise]
        check = next(n for n, unit in enumerate(units) if unit.role == "check" and unit.exercise == exercise)
        before = "\n".join(unit.source for unit in units[:check])
        for name in TEMPLATE.tasks[exercise].functions:
            assert f"def {name}(" in before
        assert own and max(own) < check
        assert "NotImplementedError" not in units[max(own)].source


def test_nothing_of_the_checks_comes_from_the_learner():
    data = changed(lambda nb: [cell_of(nb, e, "check").update(source="1 / 0") for e in EXERCISES])
    assert all("1 / 0" not in unit.source for unit in merged(data).units)


def test_experiments_and_plots_stay_out():
    lesson = (ROOT / "lessons/day4a_molecular_graph.ipynb").read_bytes()
    solution = (ROOT / "solutions/day4a_molecular_graph.ipynb").read_bytes()
    sources = [u.source for u in merge(Template.load("day4a", lesson), read(solution)).units if u.role == "template"]
    said = "\n".join(sources)
    assert "import torch" in said and "set_default_dtype" in said
    assert "plt" not in said and "draw_" not in said and "explore" not in said


def test_an_experiment_comes_in_where_an_answer_needs_its_names():
    source = "def accumulate(messages, receivers, n_atoms):\n    return by_loop"
    taken = [unit.source for unit in merged(with_answer("4.5", source)).units if unit.role == "template"]
    assert any("by_loop = torch.zeros(3, 2)" in source for source in taken)
    assert any("sent_to = " in source or "sent_by, sent_to" in source for source in taken), "and what that needs"


def test_own_cells_come_in_where_an_answer_needs_their_names():
    def add(nb):
        place = nb["cells"].index(cell_of(nb, "4.5"))
        nb["cells"][place:place] = [code("SCALE = factor()"), code("def factor(): return 1.0"), code("plot(SCALE)")]
        cell_of(nb, "4.5")["source"] = "def accumulate(m, r, n): return SCALE * m"

    extras = [unit.source for unit in merged(changed(add)).units if unit.role == "extra"]
    assert extras == ["SCALE = factor()", "def factor(): return 1.0"]


def test_two_versions_of_an_answer_both_run_and_the_last_counts():
    def add(nb):
        answer = cell_of(nb, "4.5")
        nb["cells"].insert(nb["cells"].index(answer), {**answer, "source": "# exercise 4.5\naccumulate = 1"})

    units = [unit for unit in merged(changed(add)).units if unit.exercise == "4.5" and unit.role == "answer"]
    assert units[0].source.endswith("accumulate = 1") and "index_add" in "".join(units[-1].source)


def test_an_exercise_whose_answer_is_spread_over_several_cells():
    def apart(nb):
        whole = cell_of(nb, "4.4")
        parts = "".join(whole["source"]).split("\n\n\ndef ")
        sources = [parts[0], *("# exercise 4.4\ndef " + part for part in parts[1:])]
        place = nb["cells"].index(whole)
        nb["cells"][place : place + 1] = [{**whole, "source": s, "id": f"x{n}"} for n, s in enumerate(sources)]

    template = Template.load("apart", changed(apart, BLANK))
    assert len(template.tasks["4.4"].cells) == 3
    solved = read(changed(apart))
    for cells in (solved.cells, solved.cells[::-1]):
        units = merge(template, replace(solved, cells=cells)).units
        own = [unit for unit in units if unit.role == "answer" and unit.exercise == "4.4"]
        assert ["concat" in own[0].source, "outer" in own[1].source, "matrix" in own[2].source] == [True] * 3
        assert len({unit.key for unit in units}) == len(units)
    one_missing = [cell for cell in solved.cells if "def outer_message" not in cell.source]
    own = [u for u in merge(template, replace(solved, cells=one_missing)).units if u.exercise == "4.4"]
    assert ["NotImplementedError" in unit.source for unit in own] == [False, True, False, False]


def test_predictions_are_read_from_the_source():
    lesson = json.loads((ROOT / "lessons/day4a_molecular_graph.ipynb").read_text())
    for cell in lesson["cells"]:
        if cell["metadata"].get("course", {}).get("role") == "predict":
            cell["source"] = "".join(cell["source"]).replace("answer=None", "answer=2")
    lesson["cells"].append(code('predict("4.6", answer=__import__("os").getcwd())'))
    lesson["cells"].append(code('predict("4.9", sorted(MESSAGES), answer=[1, 3])'))
    lesson["cells"].append(code('x = y = 3\npredict("4.10", ["one"], answer=7)\npredict("4.2", answer=0.12345678)'))
    found = merge(Template.load("day4a", as_bytes(lesson)), read(as_bytes(lesson))).predictions
    assert found["4.6"] == ("after 2 rounds",)
    assert found["4.5"] == ("the two hydrogens hear something else, the others do not",)  # choices with a name
    assert found["4.9"] == ("choice [1, 3]",) and "4.10" not in found and found["4.2"] == ("0.1235",)
    assert all(len(said) == 1 for said in found.values())


def test_use_of_the_library_is_remarked():
    for source in (
        'accumulate = stuck("4.5")',
        "import course.models.message_passing as m\ndef accumulate(*a): return m.accumulate(*a)",
        "from course.exercises import find\naccumulate = find('4.5').reference[0]",
    ):
        assert merged(with_answer("4.5", source)).remarks["4.5"], source
    assert not any(merged(as_bytes(SOLUTION)).remarks.values())


@pytest.mark.parametrize(
    "source",
    ["x = " + "-" * 50_000 + "1", "(" * 5000, "x" + ".x" * 20_000, "x = " + "1+" * 20_000 + "1", "\0", "def f(:"],
    ids=["minus", "brackets", "dots", "plus", "zero", "syntax"],
)
def test_code_that_breaks_parsers(source):
    names_of(source)
    merged(with_answer("4.5", source))


def test_very_long_code_is_not_looked_into():
    assert parse("x = 1\n" * MAX_SOURCE) is None


@pytest.mark.parametrize(
    ("source", "gives", "needs"),
    [
        ("import numpy as np", {"np"}, set()),
        ("def f(x):\n    return g(x) + C", {"f"}, {"g", "C"}),
        ("table['a'] = make()", {"table"}, {"table", "make"}),
        ("Graph.e = 1", {"Graph"}, {"Graph"}),
        ("torch.set_num_threads(1)", {"torch"}, {"torch"}),
        ("class A(B):\n    def f(self): return C", {"A"}, {"B", "C"}),
        ("def f():\n    global n\n    n = 1", {"f", "n"}, {"n"}),
        ("[i for i in range(k)]", set(), {"range", "k"}),
        ("%matplotlib inline\nx = y", {"x", "get_ipython"}, {"get_ipython", "y"}),
    ],
)
def test_names(source, gives, needs):
    names = names_of(source)
    assert set(names.gives) - {"get_ipython"} == gives - {"get_ipython"}
    assert needs <= set(names.needs)

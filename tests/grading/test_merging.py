"""What goes into the graded notebook, without running anything."""

import ast
import json
import time
from dataclasses import replace

import pytest

from course.exercises import find
from course.grading.merging import Task, Template, merge, used_by, with_the_librarys
from course.grading.names import Names, calls, definitions, imported, names_in, names_of, parse
from course.grading.reading import Cell, Notebook, Unreadable, read
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
        ("%matplotlib inline\nx = y", {"x"}, {"get_ipython", "y"}),
        ("def f():\n    def g():\n        return C", {"f"}, {"C"}),
        ("nonlocal x\ny = z", set(), {"nonlocal", "x", "y", "z"}),
        ("y = = z9 9z", set(), {"y", "z9"}),
    ],
)
def test_names(source, gives, needs):
    assert names_of(source) == Names(frozenset(gives), frozenset(needs))


# ------------------------------------------------------------------------------------------- a lesson of eight cells

CELLS = {
    "setup": "import math\nimport torch\nfrom os import path, sep",
    "a42": "# exercise 4.2\ndef f(x):\n    raise NotImplementedError\n",
    "c42": 'check("4.2", f)\ncheck("4.5", f)\n',
    "a44g": "# exercise 4.4\ndef g(x):\n    raise NotImplementedError",
    "mid": "g.mark = 1",  # it changes a function that is asked for, so it always runs
    "a44h": "# exercise 4.4\ndef h(x):\n    raise NotImplementedError",
    "c44": 'check("4.4", g, h)',
    "example": "shape = [1, 2]\nsize = len(shape)\nunused = 4",
}
F = "# exercise 4.2\ndef f(x): return 1"
OF_42 = {"course": {"role": "answer", "exercise": "4.2"}}


def tiny_lesson(cells=CELLS, *more):
    return Template.load(
        "tiny", as_bytes({"nbformat": 4, "cells": [*(code(s, id=i) for i, s in cells.items()), *more]})
    )


TINY = tiny_lesson()


def own(source, metadata=None, id="", type="code"):
    return Cell(type, source, metadata or {}, id)


def tiny(*more, template=TINY, **changed):
    """The small lesson with other sources for some cells (None: deleted) and with more cells at its end."""
    cells = [own(source, id=id) for id, source in {**CELLS, **changed}.items() if source is not None]
    return merge(template, Notebook([*cells, *more], []))


def sources(result, *roles):
    return [unit.source or unit.key for unit in result.units if not roles or unit.role in roles]


@pytest.mark.parametrize(
    ("line", "is_one"),
    [
        ("# exercise 4.2", True),
        ("# Exercise 4.2", True),
        ("##exercise\t4.2: degrees", True),
        ("#  exercise  4.2", True),
        ("    # exercise 4.2", False),  # inside a function it is a remark
        ("exercise 4.2", False),
        ("# exercise4.2", False),
        ("# exercise 4.2b", False),
        ("# the exercise 4.2", False),
        ("# exercise 4", False),
    ],
)
def test_the_comment_of_an_answer(line, is_one):
    assert bool(tiny(own(f"x = 1\n{line}\ny = 2")).answers["4.2"]) == is_one


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["setup"], r"tiny: checks for \[\], but answers to \[\]; is it a lesson\?"),
        (["c42"], r"checks for \['4.2'\], but answers to \[\]"),
        (["a42"], r"checks for \[\], but answers to \['4.2'\]"),
        (["a42", "c42", "a44g"], r"checks for \['4.2'\], but answers to \['4.2', '4.4'\]"),
    ],
)
def test_what_is_no_lesson(ids, message):
    with pytest.raises(ValueError, match=message):
        tiny_lesson({id: CELLS[id] for id in ids})


def test_a_check_of_no_constant_is_not_one():
    with pytest.raises(ValueError, match="is it a lesson"):
        tiny_lesson({"a42": CELLS["a42"], "c": "check()\ncheck(name, f)"})


def test_metadata_say_what_a_cell_of_the_lesson_is():
    template = tiny_lesson(
        {},
        code("# exercise 4.4\nf = 0", metadata=OF_42),
        code('check("4.2", f, 2 * 3)'),
        code("# exercise 4.2\nf = 1", metadata={"course": {"role": "example"}}),
        code("# exercise 4.4\ng = 0", metadata={"course": {"role": "answer"}}),
        code('check("4.4")\ncheck("4.5")', metadata={"course": 7}),
        code(" \n"),
        {"cell_type": "markdown", "source": "# exercise 4.6"},
    )
    assert template.roles == ("answer", "check", "template", "answer", "check")
    assert template.tasks["4.2"] == Task("4.2", ("f", "2 * 3"), (0,), find("4.2").points)
    assert template.tasks["4.4"] == Task("4.4", (), (3,), find("4.4").points)


def test_the_hash_of_a_lesson_is_that_of_its_sources_and_ids():
    assert TINY.hash == tiny_lesson({**CELLS}).hash
    assert (
        len({TINY.hash, tiny_lesson({**CELLS, "setup": ""}).hash, tiny_lesson({**CELLS, "mid": "g.mark = 2"}).hash})
        == 3
    )
    assert tiny_lesson({("s" if id == "setup" else id): source for id, source in CELLS.items()}).hash != TINY.hash


BY_ID = "The answer to 4.2 was found by the id of its cell."
BY_METADATA = "The answer to 4.2 was found by the metadata of its cell."
TOO = "A cell without the comment defines a function of 4.2 too; it is not the answer."
BY_NAME = "The answer to 4.2 was found by the name of its function."
NOT_CODE = "The answer to 4.2 stood in a cell that is not code; it was run all the same."
NO_CELL = "There is no cell for 4.2."
TWO_CELLS = "There are 2 cells for 4.2; what was defined last counts."
EDITED = "A check was edited; the lesson's own was used: "
DELETED = "checks were deleted; the lesson's own were used."


@pytest.mark.parametrize(
    ("changed", "more", "notes", "answer"),
    [
        ({}, [], [], ""),
        ({"a42": F}, [], [], F),
        ({"a42": f"\n{F}\n\n"}, [], [], F),
        ({"a42": CELLS["a42"].strip()}, [], [], ""),
        ({"a42": "f = 1"}, [], [BY_ID], "f = 1"),
        ({"a42": CELLS["mid"]}, [], [NO_CELL], ""),  # the source says what it is, before the id
        ({"a42": CELLS["mid"] + "\n"}, [], [NO_CELL], ""),
        ({"a42": "f = 2"}, [own("f = 1", OF_42)], [BY_ID, BY_METADATA, TWO_CELLS], "f = 2\n\nf = 1"),
        ({"a42": None}, [own("f = 1", OF_42)], [BY_METADATA], "f = 1"),
        ({"a42": None}, [own("f = 1", {"course": {"role": "check", "exercise": "4.2"}})], [BY_NAME], "f = 1"),
        ({"a42": None}, [own("f = 1", {"course": {"role": "answer", "exercise": ["4.2"]}})], [BY_NAME], "f = 1"),
        ({"a42": None}, [own("f = 1", {"course": {"role": "answer", "exercise": "4.9"}})], [BY_NAME], "f = 1"),
        ({"a42": None}, [own("f = 1"), own("class f: 1")], [BY_NAME], "f = 1\n\nclass f: 1"),
        ({}, [own("f = 1")], [BY_NAME], "f = 1"),
        ({"a42": F}, [own("f = 1")], [TOO], F),
        ({"a42": "# exercise 9.9\nf = 1"}, [], [BY_ID], "# exercise 9.9\nf = 1"),
        ({"a42": None}, [own("# exercise 9.9\n" + F)], [], F),
        ({"a42": None}, [own("# exercise 9.9\nf = 1")], [BY_NAME], "# exercise 9.9\nf = 1"),
        ({"a42": None}, [], [NO_CELL], ""),
        ({"a42": " \n"}, [], [NO_CELL], ""),
        ({"a42": None}, [own(F, type="markdown")], [NOT_CODE], F),
        ({}, [own(F, type="raw")], [NOT_CODE], F),
        ({}, [own("# exercise 4.2\nThis is\ndef f(x): 1", type="markdown")], [NOT_CODE], None),
        ({}, [own("# exercise 4.2\nThis is\nclass f: 1", type="markdown")], [NOT_CODE], None),
        ({}, [own("# exercise 4.2\nI would def f(x): 1", type="markdown")], [], ""),
        ({}, [own("# exercise 4.2\nis hard", type="markdown")], [], ""),
        ({}, [own("# exercise 4.2\ndef g(x): 1", type="markdown")], [], ""),
        ({"a42": F}, [own(F + " + 1", type="markdown")], [], F),
        ({}, [own(F)], [TWO_CELLS], F),
        ({"a42": F}, [own(F)], [TWO_CELLS], F),
        ({"a42": F}, [own("# exercise 4.2\nf = 2"), own(F)],
         [TWO_CELLS.replace("2", "3", 1)], f"# exercise 4.2\nf = 2\n\n{F}"),
        ({"c42": "print(f)\n"}, [], [EDITED + 'check("4.2", f)'], ""),
        ({"c42": CELLS["c42"] + "\n"}, [], [], ""),
        ({"c42": None, "c44": " "}, [], ["2 " + DELETED], ""),
        ({"setup": "import math", "example": None}, [], [], ""),
        ({"a42": F}, [own("f.z = 1"), own("f.z = 1", type="markdown")], [], F),
        ({"c42": None}, [own(CELLS["c42"].strip())], [], ""),
        ({"example": CELLS["c42"], "c42": None}, [], [], ""),  # the source before the id
    ],
)  # fmt: skip
def test_how_an_answer_was_found_is_noted(changed, more, notes, answer):
    result = tiny(*more, **changed)
    assert result.notes == notes
    assert answer is None or result.answers["4.2"] == answer
    assert len(set(sources(result))) == len(result.units), "nothing runs twice"


def test_notes_of_reading_come_first_and_stay_as_they_were():
    notebook = Notebook([], ["It was in UTF-16."])
    assert merge(TINY, notebook).notes[0] == "It was in UTF-16." and len(notebook.notes) == 1


def test_the_notebook_of_another_lesson():
    cells = [own(f"# exercise 9.{k}\nh = {k}") for k in (2, 1, 3, 2, 4, 5, 6)]
    with pytest.raises(
        Unreadable, match=r"It is the notebook of another lesson: it answers 9\.2, 9\.1, 9\.3, 9\.4, 9\.5\.$"
    ):
        merge(TINY, Notebook(cells, []))
    assert tiny(*cells).units  # beside this lesson's cells they are helper cells
    prose = own("# exercise 4.2\ndef f(x): 1", type="markdown")
    assert merge(TINY, Notebook([*cells, prose], [])).units


def test_an_answer_that_is_untouched_and_without_a_comment():
    template = tiny_lesson({}, code("f = 0", metadata=OF_42, id="a"), code('check("4.2", f)'))
    result = merge(template, Notebook([own("f = 0", id="a"), own('check("4.2", f)')], []))
    assert (result.notes, result.answers) == ([BY_ID], {"4.2": ""})


def test_cells_without_an_id_are_not_the_same_cell():
    template = Template.load("no ids", as_bytes({"cells": [code(source) for source in CELLS.values()]}))
    assert sources(merge(template, Notebook([own("f.z = 1")], [])), "extra") == ["f.z = 1"]


def test_own_cells_follow_the_cell_that_they_followed():
    here = {**CELLS, "a42": F + " + size + math.pi"}
    cells = [own("f.mark = 0")]
    for number, (id, source) in enumerate(here.items(), 1):
        cells += [own(source, id=id), own(f"f.mark = {number}")]
    result = merge(TINY, Notebook(cells, []))
    assert sources(result) == [
        *("f.mark = 0", "import math", "f.mark = 1", here["a42"], "f.mark = 2", "check 4.2", "f.mark = 3"),
        *(CELLS["a44g"], "f.mark = 4", "g.mark = 1", "f.mark = 5", CELLS["a44h"], "f.mark = 6", "check 4.4"),
        *("f.mark = 7", "shape = [1, 2]\nsize = len(shape)", "f.mark = 8"),
    ]  # fmt: skip
    assert len({unit.key for unit in result.units}) == len(result.units)


@pytest.mark.parametrize("many", [200, 201])
def test_the_first_two_hundred_own_cells_are_looked_at(many):
    result = tiny(*(own(f"z{n} = {n}") for n in range(many)), a42="# exercise 4.2\nf = z199 + z200")
    assert sources(result, "extra") == ["z199 = 199"]
    assert result.notes == [f"{many} cells were added; the first 200 were looked at."] * (many > 200)


def test_statements_that_were_written_into_cells_of_the_lesson():
    result = tiny(
        setup="import re\nfrom os import path\nimport math\nif True: import json",
        a42="# exercise 4.2\ndef f(x): return re.match(path, sep) + K + json + math",
        c42='K = 2\nL = 3\ncheck("4.2", f)',
    )
    assert sources(result)[:6] == [
        "import math\nfrom os import path, sep",
        "import re\nfrom os import path\nif True:\n    import json",
        "# exercise 4.2\ndef f(x): return re.match(path, sep) + K + json + math",
        "K = 2",
        "check 4.2",
        CELLS["a44g"],
    ]
    assert len({unit.key for unit in result.units}) == len(result.units)


@pytest.mark.parametrize("setup", ["import re\ndef", "", "import math\nimport torch\nfrom os import path, sep\n\n"])
def test_a_cell_of_the_lesson_stays_what_it_was(setup):
    assert sources(tiny(setup=setup, a42=F + " + re + math"), "template") == ["import math", "g.mark = 1"]


def test_a_statement_that_cannot_be_compiled_hurts_only_itself():
    assert "import re" in sources(tiny(setup="nonlocal re\nimport re", a42=F + " + re"))


def test_code_of_the_lesson_that_is_not_python_stays_out():
    template = tiny_lesson({**CELLS, "mid": "g.mark = = 1", "example": "%%bash\nls"})
    assert sources(tiny(template=template, mid="g.mark = 2"), "template") == ["g.mark = 2"]


def test_two_answers_in_one_cell():
    result = tiny(a42="import re\n" + F + "\n# exercise 4.4\ndef g(x): return 2\n# exercise 9.9\nf.k = 3", a44g=None)
    assert result.answers["4.2"] == "import re\n" + F
    assert result.answers["4.4"] == "# exercise 4.4\ndef g(x): return 2"
    assert sources(result, "extra") == ["# exercise 9.9\nf.k = 3"]


@pytest.mark.parametrize(
    "source",
    [
        "# exercise 4.2\ndef f(x):\n    # exercise 4.4\n    return 1",
        "# exercise 4.2\nf = '''\n# exercise 4.4\n'''",
        "# exercise 4.4\nThis is no Python\n# exercise 4.2",
    ],
)
def test_one_answer_with_two_comments(source):
    first = source[11:14]
    assert tiny(own(source), a42=None).answers == {"4.2": "", "4.4": "", first: source}


def test_prose_with_two_comments_is_not_taken_apart():
    assert tiny(own(F + "\n# exercise 4.4\ng = 1", type="markdown")).answers["4.2"].endswith("g = 1")


G, H = "# exercise 4.4\ndef g(x): return 2", "# exercise 4.4\ndef h(x): return 3"


@pytest.mark.parametrize(
    ("changed", "more", "wanted"),
    [
        ({}, [], [CELLS["a44g"], "g.mark = 1", CELLS["a44h"]]),
        ({"a44g": H, "a44h": G}, [], [H, "g.mark = 1", G]),  # the id first
        ({"a44g": None, "a44h": None}, [own(H), own(G)], [G, "g.mark = 1", H]),  # then what is defined
        ({"a44g": None, "a44h": None}, [own("# exercise 4.4\nz")], [CELLS["a44g"], "g.mark = 1", "# exercise 4.4\nz"]),
        ({"a44g": f"{G}\n{H}", "a44h": None}, [], [f"{G}\n", "g.mark = 1", H]),
        ({"a44g": f"{G}\ndef h(x): 1"}, [], [f"{G}\ndef h(x): 1", "g.mark = 1"]),  # nothing is left to the stub
        ({"a44g": None, "a44h": None}, [own("def h(x): 1")], [CELLS["a44g"], "g.mark = 1", "def h(x): 1"]),
        ({"a44g": None, "a44h": None}, [own("g = h = 1")], ["g.mark = 1", "g = h = 1"]),
    ],
)  # fmt: skip
def test_where_the_parts_of_an_answer_go(changed, more, wanted):
    units = tiny(*more, **changed).units
    assert [unit.source for unit in units if unit.exercise == "4.4" or unit.role == "template"][: len(wanted)] == wanted


def test_a_stub_that_defines_nothing_runs_where_nothing_was_written():
    template = tiny_lesson({**CELLS, "a42": "# exercise 4.2\n..."})
    cells = [own(source, id=id) for id, source in {**CELLS, "a42": "# exercise 4.2\n..."}.items()]
    assert sources(merge(template, Notebook(cells, [])))[0] == "# exercise 4.2\n..."


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("from course.models import f, torch", ["f"]),
        ("from course.exercises.day4 import anything", ["course.exercises.day4"]),
        ("from course.models import anything\nfrom . import f\nfrom math import f\nfrom .exercises import f", []),
        ("h = m.f(g.f)\nm.g", ["g.f", "m.f"]),
        ("f = find(1).reference[0]", ["find(1).reference", "find"]),
        ("import course.models as m\nfrom course.models import *", ["*", "course.models"]),
        ("import gc, math\nfrom inspect import getsource\nvars(m)", ["gc", "inspect", "vars"]),
        ("y = np.add.f(x) + torch.f(x)", []),
        ("f = stuck(1)\nf = stuck(2)", ["stuck"]),
        ("exec(a)\neval(b)", ["eval", "exec"]),
        (f"{'a' * 100}.f", ["a" * 80]),
        ("def f(:", []),
    ],
)
def test_what_may_be_the_librarys_own(source, used):
    remarks = tiny(a42=f"# exercise 4.2\n{source}").remarks
    assert remarks == {"4.2": [f"The answer uses `{name}`: is it the learner's own?" for name in used], "4.4": []}


def test_what_other_cells_take_from_the_library_is_noted_once():
    door = "from course.models import f as mine\nuses = 1"
    cells = [own(door), own(door + "\n"), own("from course.exercises import check, hint"), own(CELLS["setup"])]
    notes = tiny(*cells, a42="# exercise 4.2\ndef f(x): return mine(x)").notes
    assert [note for note in notes if "Another" in note] == ["Another cell uses `f`: is it the learner's own?"]


NOTHING = [
    "# exercise 4.2\ndef f(x):\n    # still to do\n    pass",
    '# exercise 4.2\ndef f(x):\n    "Was es ist."\n    raise NotImplementedError',
    "# exercise 4.2\n# def f(x):\n#     return 1",
]


@pytest.mark.parametrize("stub", NOTHING)
def test_a_touched_stub_is_a_stub(stub):
    cells = {**CELLS, "a42": '# exercise 4.2\ndef f(x):\n    """What it is."""\n    raise NotImplementedError("4.2")'}
    template = tiny_lesson(cells)
    learners = [own(source, id=id) for id, source in {**cells, "a42": stub}.items()]
    result = merge(template, Notebook([*learners, own("def f(x): return 1")], []))
    assert (result.answers["4.2"], BY_NAME in result.notes) == ("def f(x): return 1", True)
    assert merge(template, Notebook(learners, [])).answers["4.2"] == ""


@pytest.mark.parametrize("anchor", ["# exercise 4.4\n", ""])
@pytest.mark.parametrize("gone", [None, CELLS["a42"]])
def test_one_cell_with_the_answers_to_several_exercises(anchor, gone):
    several = f"{anchor}def g(x): return 2\n\ndef f(x): return 1\n\ndef h(x): return 3"
    changed = {"a42": gone, "a44g": None, "a44h": None}
    result = tiny(own(several), **changed)
    assert "def f(x)" in result.answers["4.2"] and "def g(x)" in result.answers["4.4"]
    assert result.written == {"4.2", "4.4"}
    assert CELLS["a42"] not in sources(result), "no stub after what was written"


def test_a_remark_inside_a_function_cuts_nothing():
    answer = "# exercise 4.2\ndef f(x):\n    # Exercise 4.4: not this one\n# exercise 4.4 neither\n    return 1"
    result = tiny(a42=answer)
    assert (result.answers["4.2"], result.answers["4.4"]) == (answer, "")


@pytest.mark.parametrize("magic", ["%%time", "%%timeit -n 3", "%%capture"])
def test_what_is_timed_is_python(magic):
    result = tiny(own(f"{magic}\ndef helper(x): return 1"), a42="# exercise 4.2\ndef f(x): return helper(x)")
    assert f"{magic}\ndef helper(x): return 1" in sources(result)


def test_cells_that_take_long_to_translate_are_left_alone():
    start = time.monotonic()
    assert parse("!ls\n" * 600 + "predict(") is None and parse("!ls\n" * 600) is None
    assert time.monotonic() - start < 5


def test_what_defines_under_an_if_defines():
    tree = ast.parse("if a:\n    def f(): 1\nelse:\n    f = 2\ntry:\n    g = 1\nexcept E:\n    h = 1")
    assert definitions(tree) == {"f", "g", "h"}


def test_predictions_have_a_bound_and_a_name():
    strange = ['predict("ad: buy", answer=1)', f"predict('4.6', answer={16**300} + 1j)"]
    many = own("\n".join(['predict("4.5", answer=1)'] * 100 + strange))
    assert tiny(many).predictions == {"4.5": ("1",) * 10}


def test_who_uses_whom():
    helpers = [own("def inner(): return h(1)"), own("def outer(): return inner()"), own("def other(): return f(1)")]
    result = tiny(*helpers, a42=F + " + outer()", a44g=G + " + f(1)")
    assert used_by(TINY, result, "4.2") == {"4.4"}
    assert used_by(TINY, result, "4.4") == {"4.2"}
    assert used_by(TINY, tiny(a42=F, a44g=G), "4.2") == set()


def test_the_librarys_functions_in_place_of_answers():
    units = tiny(a42=F, a44g=G).units
    result = with_the_librarys(TINY, units, {"4.4"}, {"4.4"})
    taken = 'from course.exercises import stuck\ng, h = stuck("4.4")'
    assert [unit.source or unit.key for unit in result] == [F, taken, "g.mark = 1", taken, "check 4.4"]
    assert [unit.role for unit in result] == ["answer", "template", "template", "template", "check"]
    assert [(unit.key, unit.exercise) for unit in result if unit.source == taken] == [
        (unit.key, None) for unit in units if unit.role == "answer" and unit.exercise == "4.4"
    ]


@pytest.mark.parametrize(
    ("statement", "needed"),
    [
        ("torch.set_default_dtype(size)", True),
        ("torch.manual_seed(0)", False),
        ("seen.set_default_dtype(size)", False),
        ("torch.nn.set_it(size)", False),
        ("set_it(size)", False),
        ("z = torch.set_it(size)", False),
    ],
)
def test_switches_are_needed_without_being_named(statement, needed):
    template = tiny_lesson({**CELLS, "switch": statement})
    taken = sources(tiny(template=template), "template")
    assert (statement in taken) == needed
    assert ("import torch" in taken) == needed and ("shape = [1, 2]\nsize = len(shape)" in taken) == needed


@pytest.mark.parametrize(("role", "changes"), [("example", True), ("experiment", False)])
def test_what_a_method_call_in_an_experiment_does_not_change(role, changes):
    more = code("math.show()\nshape.append(math)", metadata={"course": {"role": role}}, id="more")
    taken = sources(tiny(template=tiny_lesson(CELLS, more), a42=F + " + math + shape"), "template")
    assert ("math.show()\nshape.append(math)" in taken, "shape.append(math)" in taken) == (changes, not changes)


@pytest.mark.parametrize(
    ("line", "name", "taken"),
    [
        ("import os.path as p, sys", "p", "import os.path as p"),
        ("import os.path, sys", "os", "import os.path"),
        ("from ..a import b, c as d", "d", "from ..a import c as d"),
        ("a, b = 1, 2", "a", "a, b = (1, 2)"),
    ],
)
def test_only_what_is_wanted_of_an_import(line, name, taken):
    template = tiny_lesson({**CELLS, "example": line})
    assert sources(tiny(template=template, example=line, a42=F + f" + {name}"), "template") == ["g.mark = 1", taken]


@pytest.mark.parametrize("where", ["setup", "example"])
def test_everything_of_a_module_may_be_needed(where):
    """What a star brings nobody knows, so it always comes in."""
    added = tiny(**{where: CELLS[where] + "\nfrom math import *"})
    assert "from math import *" in sources(added, "template")
    assert sources(tiny(own("from math import *")), "extra") == ["from math import *"]
    lesson = tiny_lesson({**CELLS, where: "from math import *\nx = 1"})
    assert "from math import *" in sources(tiny(template=lesson), "template")


def test_own_cells_that_nobody_needs_or_that_are_not_python_stay_out():
    more = [own("z = 1"), own("plot(f)"), own("f.mark = = 1"), own("y = z"), own("f.mark = y")]
    assert sources(tiny(*more), "extra") == ["z = 1", "y = z", "f.mark = y"]


def test_code_that_is_nested_too_deeply_hurts_only_itself():
    deep = "x" + ".x" * 900
    result = tiny(
        own(f"{deep} = 1\npredict('4.2', answer=x)"),
        setup=f"import re\nz = {deep}",
        a42=F + f" + re\ny = {deep}.reference",
    )
    assert "import re" in sources(result, "template")
    assert result.remarks["4.2"] == ["The answer uses `reference`: is it the learner's own?"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('predict("4.2", ["a", "b"], 2)', ("b",)),
        ('predict("4.2", ("a", "b"), answer=[1, 2])', ("a, b",)),
        ('predict(id="4.2", choices=["a"], answer=1)', ("a",)),
        ('predict("4.2", ["a"], answer="a")', ("a",)),
        ('predict("4.2", answer=0.12345678, unit="eV")', ("0.1235",)),
        ('predict("4.2", None, 3)', ("choice 3",)),
        ('predict("4.2", "ab", 1)', ("choice 1",)),
        ('predict("4.2", elsewhere, 3, 4, 5)', ("choice 3",)),
        ('a = ["x"]\na = ["y"]\npredict("4.2", a, answer=1)', ("y",)),
        ('a.b = ["x"]\npredict("4.2", b, answer=1)', ("choice 1",)),
        ('said = predict("4.2", answer=1)\npredict("4.2", answer=2)', ("1", "2")),
        ('predict("4.2", answer="' + "a" * 300 + '")', ("a" * 200,)),
        ('predict("4.2", **more, answer=1)', ("1",)),
        ('predict("4.2", ["a"])', None),
        ('predict("4.2", ["a"], answer=None)', None),
        ('predict("4.2", ["a"], answer=2)', None),
        ('predict("4.2", ["a"], answer=2j)', None),
        ('predict("4.2", answer={[]})', None),
        ('predict("4.2", answer=1 + "a")', None),
        ("predict(4.2, answer=1)", None),
        ("predict(answer=1)", None),
        ('guess("4.2", answer=1)', None),
        ('predict("4.2", answer=1', None),
        ('# predict("4.2", answer=1)', None),
    ],
)
def test_a_prediction(source, said):
    assert tiny(own(source)).predictions == ({"4.2": said} if said else {})
    assert not tiny(own(source, type="markdown")).predictions


# ------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("lines", [0, 1])
def test_code_up_to_a_limit_is_looked_into(lines):
    source = "x".ljust(100_000 - 1 + lines) + "\n"
    assert (parse(source) is None) == bool(lines)


def test_jupyters_own_syntax_is_understood():
    assert parse("%matplotlib inline\nx = !ls\nf?") and parse("%%bash\nls") and parse("x =") is None


@pytest.mark.parametrize(
    ("statement", "changed"),
    [
        ("a[0].b.c[1] = 1", {"a"}),
        ("del a.b", {"a"}),
        ("a.b += 1", {"a"}),
        ("a.b.append(1)", {"a"}),
        ("if x: a.append(1)", {"a"}),
        ("for a[0] in x: pass", {"a"}),
        ("b = a.pop()", {"b"}),
        ("a(1)", set()),
        ("a().b = 1", set()),
        ("a.b", set()),
        ("print(a[0], a.b())", set()),
        ("from a import *", {"*"}),
        ("def g():\n    from a import b", {"g"}),
    ],
)
def test_what_is_changed_in_place(statement, changed):
    assert names_of(statement).gives == changed


def test_names_that_a_method_call_does_not_change():
    tree = ast.parse("plt.show()\nx = 1\ny.z()\nplt = 2\nw.v()")
    assert names_in(tree.body, frozenset({"plt", "y"})).gives == {"x", "plt", "w"}


def test_what_a_cell_defines_and_imports():
    tree = ast.parse(
        "import a.b, c as d\ndef f():\n    from e import g as h\n    inside = 1\nasync def i(): 1\nclass J: k = 1\n"
        "l = (m, *n) = 1\ns[t] = u.v = 1\no: int = 1\np += 1\nif q: r = 1"
    )
    assert imported(tree) == {"a", "d", "h"}
    assert definitions(tree) == {"f", "i", "J", "l", "m", "n", "o", "r"}


def test_calls_by_plain_name():
    assert len(calls(ast.parse("check(1)\nx = [check(2), m.check(3), check]\ncheck(1)(check)"), "check")) == 3

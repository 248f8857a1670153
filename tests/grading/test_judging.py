"""Evidence in, rows out; and nothing that a kernel may send breaks the judge."""

import copy
import json
import random
from dataclasses import replace
from typing import Any

import pytest

from course.exercises import find
from course.grading.judging import Forged, _restored, judge_all
from course.grading.merging import Template, merge
from course.grading.reading import read
from course.grading.running import CellRun, Findings
from tests.grading.corpus import BLANK, SOLUTION, WRONG, as_bytes

SEEDS = (11, 12)
TEMPLATE = Template.load("small", as_bytes(BLANK))
MERGED = merge(TEMPLATE, read(as_bytes(SOLUTION)))
REFERENCES = {e: [find(e).collect_references(seed) for seed in SEEDS] for e in TEMPLATE.tasks}
wrong_answers: dict[str, Any] = {}
exec(f"import torch{WRONG}", wrong_answers)


def payload(exercise, functions=None):
    functions = functions or find(exercise).reference
    evidence = [find(exercise).collect(functions, seed) for seed in SEEDS]
    return {"exercise": exercise, "state": "evidence", "evidence": evidence}


GOOD = {exercise: payload(exercise) for exercise in TEMPLATE.tasks}


def rows(**changes):
    """The rows when some payloads are others; of 4.5 under the name `accumulate`."""
    texts = {exercise: json.dumps(content) for exercise, content in GOOD.items()}
    if "accumulate" in changes:
        texts["4.5"] = changes["accumulate"]
    findings = Findings(evidence=texts)
    return {row.exercise: row for row in judge_all(TEMPLATE, MERGED, findings, REFERENCES)}


def test_right_answers_get_their_points():
    assert {row.exercise: row.points for row in rows().values()} == {"4.2": 10, "4.4": 15, "4.5": 10}


def test_wrong_answer_costs_only_itself_and_shows_no_value():
    wrong = rows(accumulate=json.dumps(payload("4.5", (wrong_answers["accumulate"],))))
    assert [row.outcome for row in wrong.values()] == ["correct", "correct", "wrong"]
    assert wrong["4.5"].points == 0
    assert "xpected [" not in wrong["4.5"].message


def test_misconception_is_named():
    misconception = find("4.5").misconceptions[0]
    evidence = [find("4.5").collect_misconception(misconception, seed) for seed in SEEDS]
    found = rows(accumulate=json.dumps({**GOOD["4.5"], "evidence": evidence}))["4.5"]
    assert found.misconception == misconception.name


def test_right_by_luck_counts_as_wrong():
    evidence = [GOOD["4.5"]["evidence"][0], payload("4.5", (wrong_answers["accumulate"],))["evidence"][1]]
    found = rows(accumulate=json.dumps({**GOOD["4.5"], "evidence": evidence}))["4.5"]
    assert found.outcome == "wrong" and "some of the random inputs" in found.notes[0]


def test_evidence_for_other_inputs_is_refused():
    evidence = [find("4.5").collect(find("4.5").reference, seed) for seed in (1, 2)]
    found = rows(accumulate=json.dumps({**GOOD["4.5"], "evidence": evidence}))["4.5"]
    assert found.outcome == "wrong" and "not those of the seed" in found.notes[0]


@pytest.mark.parametrize(("off", "outcome"), [(1e-7, "correct"), (1e-2, "wrong")])
def test_inputs_in_single_precision_are_still_the_same(off, outcome):
    def moved(value):
        if isinstance(value, float):
            return value * (1 + off)
        if isinstance(value, dict):
            return {name: moved(part) for name, part in value.items()}
        return [moved(part) for part in value] if isinstance(value, list) else value

    evidence = copy.deepcopy(GOOD["4.5"])
    for record in (record for of_seed in evidence["evidence"] for record in of_seed):
        record["inputs"] = moved(record["inputs"])
    assert rows(accumulate=json.dumps(evidence))["4.5"].outcome == outcome


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"exercise": "4.4", "state": "evidence", "evidence": []}',
        '{"exercise": "4.5", "state": "correct"}',
        '{"exercise": "4.5", "state": "evidence", "evidence": [[], []]}',
        '{"exercise": "4.5", "state": "evidence", "evidence": 7}',
        "[" * 100_000,
        "9" * 100_000,
        '{"exercise": "4.5", "state": "evidence", "evidence": [[{}], [{}]]}',
    ],
)
def test_forged_evidence_is_wrong(text):
    found = rows(accumulate=text)
    assert [row.outcome for row in found.values()] == ["correct", "correct", "wrong"]
    assert "cannot be read" in found["4.5"].notes[0]


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda it: it.update(exercise="4.4"), "does not belong to this exercise"),
        (lambda it: it.update(state="correct"), "its state is 'correct'"),
        (lambda it: it["evidence"].pop(), "not one list a seed"),
        (lambda it: it["evidence"][1].pop(), "records, not"),
        (lambda it: it["evidence"][1][0].update(function=3), "not those of the seed"),
        (lambda it: it["evidence"].__setitem__(0, {}), "not a list of records"),
        (lambda it: it["evidence"][1].__setitem__(0, "x"), "not a list of records"),
    ],
)
def test_right_evidence_in_the_wrong_frame_is_worth_nothing(change, note):
    forged = copy.deepcopy(GOOD["4.5"])
    change(forged)
    row = rows(accumulate=json.dumps(forged))["4.5"]
    assert (row.outcome, row.points) == ("wrong", 0) and note in row.notes[0]


@pytest.mark.parametrize(
    ("state", "words", "outcome", "message"),
    [
        ("handed over", "", "handed over", "handed over by the library, 0 points"),
        ("no function", "accumulate is a int", "wrong", "A function is needed, and accumulate is a int."),
        ("too large", "900 MB", "wrong", "returns far too much: 900 MB."),
        ("missing", "accumulate", "wrong", "There is no `accumulate` after your cell has run."),
        ("no function", "x" * 10_000, "wrong", "A function is needed"),
    ],
)
def test_no_answer_to_call(state, words, outcome, message):
    row = rows(accumulate=json.dumps({"exercise": "4.5", "state": state, "words": words}))["4.5"]
    assert (row.outcome, row.points) == (outcome, 0)
    assert message in row.message and len(row.message) < 500


@pytest.mark.parametrize(
    ("state", "written", "outcome", "message"),
    [
        ("timed out", True, "timed out", "Your cell did not come to an end: more than 6 s."),
        ("error", True, "wrong", "Your cell fails: more than 6 s."),
        ("done", True, "wrong", "There is no `accumulate`"),
        ("done", False, "not attempted", "accumulate: not written yet."),
    ],
)
def test_a_missing_function_has_a_reason(state, written, outcome, message):
    cells = {"answer 4.5 9": CellRun(state, "more than 6 s", True, [], 6.0)}
    text = json.dumps({"exercise": "4.5", "state": "missing", "words": "accumulate"})
    merged = MERGED if written else replace(MERGED, answers={**MERGED.answers, "4.5": " "})
    row = judge_all(TEMPLATE, merged, Findings(evidence={"4.5": text}, cells=cells), REFERENCES)[2]
    assert (row.outcome, row.points) == (outcome, 0) and message in row.message


def test_what_was_remarked_stands_in_the_row_and_a_long_answer_is_cut():
    answers = {**MERGED.answers, "4.5": "x" * 100_000}
    merged = replace(MERGED, remarks={**MERGED.remarks, "4.5": ["Is it their own?"]}, answers=answers)
    row = judge_all(TEMPLATE, merged, Findings(), REFERENCES)[2]
    assert row.notes == ("Is it their own?",) and len(row.answer) == 20_000


def test_right_evidence_without_a_line_of_the_learners_gets_nothing():
    evidence = {e: json.dumps(payload(e)) for e in TEMPLATE.tasks}
    blank = merge(TEMPLATE, read(as_bytes(BLANK)))
    rows = judge_all(TEMPLATE, blank, Findings(evidence=evidence), REFERENCES)
    assert [(row.outcome, row.points) for row in rows] == [("not attempted", 0)] * len(rows)
    assert all("did a cell change the library?" in row.notes[-1] for row in rows)
    assert all(row.outcome == "correct" for row in judge_all(TEMPLATE, MERGED, Findings(evidence=evidence), REFERENCES))


def test_a_changed_library_is_no_evidence():
    text = json.dumps({"exercise": "4.5", "state": "changed", "words": "course.exercises.exercise._record"})
    row = judge_all(TEMPLATE, MERGED, Findings(evidence={"4.5": text}), REFERENCES)[2]
    assert row.outcome == "wrong" and "changed the library: course.exercises.exercise._record." in row.message


@pytest.mark.parametrize(
    "result",
    [
        {"shape": [2 * 10**7, 0], "kind": "int", "values": []},
        {"shape": [3], "kind": "int", "values": [1, 2]},
        {"shape": [1.0], "kind": "int", "values": [1]},
        {"shape": "1", "kind": "int", "values": [1]},
        {"shape": [20_001], "kind": "int", "values": [1] * 20_001},
        {"shape": [1] * 10, "kind": "int", "values": [1]},
    ],
)
def test_impossible_arrays_are_not_looked_at(result):
    forged = json.loads(json.dumps(payload("4.5")))
    forged["evidence"][0][0]["result"] = {"parts": [{"fields": {"x": result}}]}
    row = judge_all(TEMPLATE, MERGED, Findings(evidence={"4.5": json.dumps(forged)}), REFERENCES)[2]
    assert row.outcome == "wrong" and "another shape than its values" in row.notes[-1]


def test_a_measurement_that_is_far_too_large_is_forged():
    asked = find("4.10")
    reference = asked.collect(asked.reference, 1)
    assert _restored(reference, reference) == reference
    large = {"shape": [1, 9_000], "kind": "float", "values": [0.0] * 9_000}
    with pytest.raises(Forged, match="more numbers than were asked for"):
        _restored([*reference, {**reference[-1], "result": large}], reference)


def test_mutilated_evidence_never_breaks_the_judge_and_never_gains():
    rng = random.Random(0)
    strange: list[Any] = [
        None,
        [],
        {},
        "x" * 1000,
        1e999,
        -1,
        [[]],
        {"values": 1},
        {"shape": [10**9], "kind": "float", "values": []},
    ]
    start = payload("4.5", (wrong_answers["accumulate"],))
    for _ in range(300):
        forged = copy.deepcopy(start)
        record = rng.choice(rng.choice(forged["evidence"]))
        place = rng.choice([record, record["result"]])
        place[rng.choice(list(place))] = rng.choice(strange)
        assert rows(accumulate=json.dumps(forged))["4.5"].outcome in ("wrong", "not attempted"), forged


@pytest.mark.parametrize(
    ("state", "words", "alive", "outcome", "message"),
    [
        ("timed out", "more than 6 s", True, "timed out", "did not come to an end: more than 6 s"),
        ("stopped", "the kernel died", False, "crashed", "ended the kernel: the kernel died"),
        ("stopped", "the notebook took longer than 300 s", False, "timed out", "was stopped: the notebook took"),
        ("not run", "", False, "crashed", "ended before this exercise was reached"),
        ("error", "NameError: x", True, "wrong", "could not call your function: NameError: x"),
        ("error", "", False, "crashed", "ended the kernel: the kernel died"),
        ("done", "", True, "wrong", "brought nothing back"),
    ],
)
def test_no_evidence(state, words, alive, outcome, message):
    findings = Findings(failures={"4.5": CellRun(state, words, alive, [], 0.0)})
    row = judge_all(TEMPLATE, MERGED, findings, REFERENCES)[2]
    assert (row.outcome, row.points) == (outcome, 0) and message in row.message

"""From evidence to points, in a process that the learner's code has never been in.

The evidence is text that a kernel has sent: it may hold anything. What was called, and with which inputs, is taken from
the reference's evidence; only what came back is taken from the learner's. Inputs that are not those of the seed are a
sign that somebody has changed the random numbers, and count as wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from course.exercises import find
from course.exercises.evidence import MAX_VALUES, agree
from course.exercises.exercise import Evidence, Outcome
from course.grading.merging import Merged, Task, Template
from course.grading.running import CellRun, Findings
from course.grading.submission import Row, RowOutcome

References = Mapping[str, Sequence[dict[str, Evidence]]]  # by exercise; for each seed what the probe of each gave
MAX_MEASURED = 1_000  # numbers that a measurement may hold beyond those of the reference
MAX_MESSAGE = 4_000  # characters of what is said of an exercise
MAX_TEXT = 400  # characters of any text that a kernel has sent
MAX_ANSWER = 20_000  # characters of source that are kept in the record
WORST: list[RowOutcome] = ["wrong", "not attempted", "handed over", "correct"]


class Forged(Exception):
    """This is not what the evidence module publishes."""


def judge_all(template: Template, merged: Merged, findings: Findings, references: References) -> tuple[Row, ...]:
    """One row an exercise, in the order of the lesson."""
    rows = []
    for exercise, task in template.tasks.items():
        answer = merged.answers[exercise]
        outcome, message, misconception, notes = judge_one(task, answer, findings, references[exercise])
        if outcome == "correct" and exercise not in merged.written:
            notes = [*notes, "Nothing was written, and the evidence is right: did a cell change the library?"]
            outcome, message = "not attempted", f"– {exercise} {', '.join(task.functions)}: not written yet."
        points = task.points if outcome == "correct" else 0
        notes = [*merged.remarks[exercise], *notes]
        name = ", ".join(task.functions)
        row = Row(
            exercise, name, points, task.points, outcome, message, misconception, tuple(notes), answer[:MAX_ANSWER]
        )
        rows.append(row)
    return tuple(rows)


def judge_one(
    task: Task, answer: str, findings: Findings, references: Sequence[dict[str, Evidence]]
) -> tuple[RowOutcome, str, str | None, list[str]]:
    """(outcome, message, misconception, notes) of one exercise."""
    text = findings.evidence.get(task.exercise)
    if text is None:
        outcome, message = _why_none(findings.failures.get(task.exercise))
        return outcome, message, None, []
    try:
        payload = _clean(json.loads(text))
        if not isinstance(payload, dict) or payload.get("exercise") != task.exercise:
            raise Forged("it does not belong to this exercise")
        if payload.get("state") != "evidence":
            return *_no_evidence(task, answer, payload, findings), None, []
        if len(payload["evidence"]) != len(references):
            raise Forged("it is not one list a seed")
        pairs = zip(payload["evidence"], references, strict=True)
        outcomes = [find(task.exercise).judge(_restored(mine, theirs["reference"]), theirs) for mine, theirs in pairs]
    except Exception as error:  # whatever a forged message may do to a judge, it is not the judge who is wrong
        note = f"The evidence cannot be read: {type(error).__name__}: {str(error)[:200]}."
        return "wrong", "Your answer could not be judged: what it returned cannot be read.", None, [note]
    worst = min(outcomes, key=lambda outcome: WORST.index(outcome.kind))
    unstable = len({outcome.kind for outcome in outcomes}) > 1
    notes = ["Right for some of the random inputs, wrong for others."] if unstable else []
    return worst.kind, _message(worst), worst.misconception, notes


def _message(outcome: Outcome) -> str:
    return outcome.text(reveal=False)[:MAX_MESSAGE]


def _restored(evidence: Any, reference: Evidence) -> Evidence:
    """The learner's results beside the reference's inputs."""
    if not isinstance(evidence, list) or not all(isinstance(record, dict) for record in evidence):
        raise Forged("it is not a list of records")
    if not reference or "inputs" not in reference[0]:  # an exercise judged by laws: it measures, and may end early
        if not evidence or not isinstance(evidence[-1].get("printed"), str):
            raise Forged("it holds nothing")
        most = max(_n_values(record) for record in reference) + MAX_MEASURED  # laws compare all with all
        if any(_n_values(record) > most for record in evidence):
            raise Forged("it holds more numbers than were asked for")
        return evidence
    if len(evidence) != len(reference):
        raise Forged(f"it has {len(evidence)} records, not {len(reference)}")
    restored: Evidence = []
    for mine, theirs in zip(evidence, reference, strict=True):
        if mine.get("function") != theirs["function"] or not _same_inputs(mine.get("inputs"), theirs["inputs"]):
            raise Forged("its inputs are not those of the seed: were the random numbers changed?")
        got = {name: mine[name] for name in ("result", "changed", "printed")}
        restored.append({**theirs, **got})
    return restored


def _n_values(record: Mapping[str, Any]) -> int:
    result = record.get("result")
    values = result.get("values") if isinstance(result, dict) else None
    return len(values) if isinstance(values, list) else 0


def _same_inputs(mine: Any, theirs: Mapping[str, Any]) -> bool:
    if mine == theirs:
        return True
    return isinstance(mine, dict) and mine.keys() == theirs.keys() and all(
        mine[name] == theirs[name] or agree(mine[name], theirs[name], 1e-5) for name in theirs
    )  # fmt: skip


def _clean(value: Any) -> Any:
    """The same with all texts cut. Raises Forged for impossible arrays, RecursionError where it is too deep."""
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, dict):
        if {"shape", "values"} <= value.keys() and not _is_array(value):
            raise Forged("an array has another shape than its values")
        return {name[:MAX_TEXT]: _clean(part) for name, part in value.items()}
    if isinstance(value, list):
        return [part if type(part) in (int, float, bool) else _clean(part) for part in value]
    return value


def _is_array(encoded: Mapping[str, Any]) -> bool:
    shape, values = encoded["shape"], encoded["values"]
    if not isinstance(shape, list) or not isinstance(values, list) or len(shape) >= 10:
        return False
    is_shape = all(type(length) is int and 0 <= length <= MAX_VALUES for length in shape)
    return is_shape and math.prod(shape) == len(values) <= MAX_VALUES


def _no_evidence(task: Task, answer: str, payload: Mapping[str, Any], findings: Findings) -> tuple[RowOutcome, str]:
    state, words = payload.get("state"), str(payload.get("words", ""))
    if state == "handed over":
        return "handed over", f"→ {task.exercise} {', '.join(task.functions)}: handed over by the library, 0 points."
    if state == "missing":
        cells = [cell for key, cell in findings.cells.items() if key.startswith(f"answer {task.exercise} ")]
        late = next((cell for cell in cells if cell.state == "timed out"), None)
        failed = next((cell for cell in cells if cell.state == "error"), None)
        if not answer.strip():
            return "not attempted", f"– {task.exercise} {words}: not written yet."
        if late is not None:
            return "timed out", f"✗ {task.exercise} Your cell did not come to an end: {late.words}."
        if failed is not None:
            return "wrong", f"✗ {task.exercise} Your cell fails: {failed.words[:MAX_TEXT]}."
        return "wrong", f"✗ {task.exercise} There is no `{words}` after your cell has run."
    if state == "no function":
        return "wrong", f"✗ {task.exercise} A function is needed, and {words}."
    if state == "changed":
        return "wrong", f"✗ {task.exercise} Your notebook has changed the library: {words}. Nothing could be judged."
    if state == "too large":
        return "wrong", f"✗ {task.exercise} Your function returns far too much: {words}."
    raise Forged(f"its state is {state!r}")


def _why_none(cell: CellRun | None) -> tuple[RowOutcome, str]:
    """What to say of an exercise without evidence."""
    if cell is None or cell.state == "not run":
        return "crashed", "Your notebook ended before this exercise was reached."
    if cell.state == "timed out":
        return "timed out", f"Your answer did not come to an end: {cell.words}."
    if cell.state == "stopped" and "took longer" in cell.words:
        return "timed out", f"Your notebook was stopped: {cell.words}."
    if cell.state == "stopped" or not cell.alive:
        return "crashed", f"Your answer ended the kernel: {cell.words or 'the kernel died'}."
    if cell.state == "error":
        return "wrong", f"The check could not call your function: {cell.words[:MAX_TEXT]}."
    return "wrong", "The check brought nothing back from your notebook."

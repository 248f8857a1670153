"""An exercise: what is asked of the learner's functions, and who says what about the answers.

`probe` calls the functions and writes down evidence, a list of records; `judge` reads that evidence beside the
evidence of the reference and of the misconceptions, and never sees a function. The two may run in different
processes. There are two ways to write an exercise:

`by_value`  the answers are compared, case by case, with those of a reference function. A misconception is a wrong
            function; whoever answers like it in every case gets its sentence.
`by_laws`   the answers cannot be predicted, because the weights are the learner's. The probe measures, and each law
            reads the measurements. A misconception is a class that breaks the law.
"""

from __future__ import annotations

import copy
import inspect
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch

from course.exercises.evidence import (
    Encoded,
    agree,
    array,
    describe,
    describe_error,
    encode,
    encode_error,
    first_difference,
    last_printed,
    number,
    quiet,
    run,
    shape_only,
)

Function = Callable[..., Any]
Functions = tuple[Function, ...]
Record = dict[str, Any]  # {"function": name, "inputs": {name: Encoded}, "result": Encoded, "printed": text, ...}
Evidence = list[Record]
Pairs = list[tuple[Record, Record]]  # the learner's and the reference's, case by case
Kind = Literal["correct", "not attempted", "wrong", "handed over"]
SYMBOLS: dict[Kind, str] = {"correct": "✓", "not attempted": "–", "wrong": "✗", "handed over": "→"}


def ended(words: str) -> str:
    """The words with a full stop, which a number such as `3.` brings along."""
    return words if words.endswith(".") else f"{words}."


@dataclass(frozen=True)
class Difference:
    """The first, and smallest, case in which the answer differs from the expected one."""

    inputs: Mapping[str, Encoded]
    expected: Encoded
    got: Encoded
    tolerance: float = 1e-4
    given: str = ""  # the inputs in words, where they are more than arrays

    def text(self) -> str:
        return f"First difference: {ended(self.input())} {self.expected_and_got()}"

    def input(self) -> str:
        return self.given or ", ".join(f"{name} {describe(value)}" for name, value in self.inputs.items())

    def lines(self) -> list[tuple[str, str]]:
        """The same as `text`, as (label, words) to be set under one another."""
        said = self.expected_and_got()
        halves = re.fullmatch(r"Expected (.*), got (.*)\.", said, re.DOTALL)
        if halves is None or len(said) > 300:
            return [("input", self.input()), ("", said)]
        return [("input", self.input()), ("expected", halves[1]), ("got", halves[2])]

    def expected_and_got(self) -> str:
        expected, got = self.expected, self.got
        if "values" in expected and "values" in got:
            if expected["shape"] != got["shape"]:
                return (
                    f"Expected shape {tuple(expected['shape'])}, got {tuple(got['shape'])}: "
                    f"expected {describe(expected)}, got {describe(got)}."
                )
            place = first_difference(got, expected, self.tolerance)
            if len(expected["values"]) > 24 and place is not None:
                at = ", ".join(str(int(k)) for k in np.unravel_index(place, expected["shape"]))
                mine = number(got["values"][place])
                return f"At [{at}] expected {number(expected['values'][place])}, got {ended(mine)}"
        if "fields" in expected and "fields" in got and len(describe(expected)) > 120:
            for name, part in expected["fields"].items():
                if not agree(got["fields"].get(name, {"nothing": True}), part, self.tolerance):
                    inner = Difference({}, part, got["fields"].get(name, {"nothing": True}), self.tolerance)
                    return f"In `{name}`: {inner.expected_and_got()}"
        return f"Expected {describe(expected)}, got {describe(got)}."


@dataclass(frozen=True)
class Outcome:
    """What a check has found. `message` holds no expected value; `difference` does."""

    exercise: str  # "4.5"
    kind: Kind
    message: str
    misconception: str | None = None  # its name
    difference: Difference | None = None
    printed: str = ""  # the end of what the learner's function printed, for one that is not right yet

    def text(self, reveal: bool = True) -> str:
        """One paragraph. With `reveal=False` it does not say what was expected."""
        words = [f"{SYMBOLS[self.kind]} {self.exercise}", self.message]
        if self.difference is not None:
            words[1:] = [f"{self.message}:"] if self.message else []
            words.append(self.difference.text() if reveal else "Some values are not the expected ones.")
        if self.printed and reveal:  # it may hold the inputs
            words.append(f"Your function printed: {self.printed}")
        return " ".join(words)


@dataclass(frozen=True)
class Misconception:
    """A plausible wrong answer, and what a good teacher would say to it.

    The sentence may be a function that fills in numbers: it gets the smallest differing case.
    """

    name: str
    sentence: str | Callable[[Difference], str]
    function: Function
    of: str | None = None  # in an exercise with several functions: the one that this is a version of
    fails_with: str = ""  # words of its exception; else any failure in the same cases counts as this one


@dataclass(frozen=True)
class Exercise:
    """One exercise, ready to be checked in a lesson and graded outside of it."""

    id: str  # "4.5"
    name: str  # "accumulate"; with several functions "concat_message, outer_message, matrix_message"
    points: int
    probe: Callable[[Functions, np.random.Generator], Evidence]
    judge: Callable[[Evidence, dict[str, Evidence]], Outcome]
    hints: tuple[str, ...]
    misconceptions: tuple[Misconception, ...]
    reference: Functions

    @property
    def function_names(self) -> list[str]:
        return self.name.split(", ")

    def collect(self, functions: Sequence[Function], seed: int = 0) -> Evidence:
        """The evidence for these functions: same seed, same inputs."""
        with quiet(seed):
            return self.probe(tuple(functions), np.random.default_rng([seed, zlib.crc32(self.id.encode())]))

    def collect_misconception(self, misconception: Misconception, seed: int = 0) -> Evidence:
        """The evidence of a misconception, in the company of the right versions of the other functions."""
        functions = list(self.reference)
        functions[self.function_names.index(misconception.of) if misconception.of else 0] = misconception.function
        return self.collect(functions, seed)

    def collect_references(self, seed: int = 0) -> dict[str, Evidence]:
        """The evidence of the reference and of each misconception, for the same inputs."""
        references = {"reference": self.collect(self.reference, seed)}
        return references | {m.name: self.collect_misconception(m, seed) for m in self.misconceptions}

    def examine(self, functions: Sequence[Any], seed: int = 0) -> Outcome:
        """Probe and judge in one place, as the lesson does."""
        names = self.function_names
        call = f'check("{self.id}", {self.name})'
        if len(functions) != len(names):
            expected = "one function" if len(names) == 1 else f"{len(names)} functions"
            came = f"{len(functions)} came" if functions else "none came"
            return Outcome(self.id, "wrong", f"{self.name}: the check expects {expected}, and {came}. Write {call}.")
        for name, function, reference in zip(names, functions, self.reference, strict=True):
            if isinstance(reference, type) and isinstance(function, torch.nn.Module):
                words = (
                    f"{name}: this is a network, not its class. Hand over the class itself, without brackets: {call}."
                )
                return Outcome(self.id, "wrong", words)
            if not callable(function):
                kind = type(function).__name__
                got = f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}, not a function"
                words = f"{name}: this is {got}. Hand over the function itself, without brackets: {call}."
                return Outcome(self.id, "wrong", words)
        if any(function is reference for function, reference in zip(functions, self.reference, strict=True)):
            return Outcome(self.id, "handed over", f"{self.name}: handed over by the library, 0 points.")
        return self.judge(self.collect(functions, seed), _References(self, seed))


class _References(dict[str, Evidence]):
    """What `collect_references` gives, each part collected when the judge asks for it."""

    def __init__(self, exercise: Exercise, seed: int):
        super().__init__()
        self.exercise, self.seed = exercise, seed

    def __missing__(self, name: str) -> Evidence:
        if name == "reference":
            self[name] = self.exercise.collect(self.exercise.reference, self.seed)
        else:
            misconception = next(m for m in self.exercise.misconceptions if m.name == name)
            self[name] = self.exercise.collect_misconception(misconception, self.seed)
        return self[name]


# -------------------------------------------------------------------------------------------------------- by value


@dataclass(frozen=True)
class Case:
    """Arguments for one call."""

    args: tuple[Any, ...]
    given: str = ""  # the arguments in words, where they are more than arrays: "a chain 0 - 1 - 2, T = 1"
    of: str | None = None  # in an exercise with several functions: the only one that gets this case
    when: str = ""  # what is awkward about it, said in front of an error: "with no edges at all"


def by_value(
    id: str,
    *functions: Function,
    cases: Callable[[np.random.Generator], Iterable[Case]],
    success: str,
    start: str,
    hints: tuple[str, ...],
    misconceptions: Iterable[Misconception],
    points: int = 10,
    call: Callable[[Function, tuple[Any, ...]], Any] = lambda function, args: function(*args),
    canonical: Callable[[Encoded], Encoded] = lambda encoded: encoded,
    wrong_kinds: Mapping[str, str] | None = None,
    tolerance: float = 1e-4,
) -> Exercise:
    """An exercise whose answers are compared with those of a reference.

    functions   the reference, one function or several; their names are the names in the statement
    cases       inputs, smallest first: the first that differs is shown to the learner
    success     what is said of a right answer: "every message arrived, once, where it was sent."
    start       what is said of an empty one: "Start from torch.zeros(n_atoms, n_m)."
    call        calls a function and returns what is to be compared, where that is more than its answer
    canonical   brings an answer into an order, where the order is free
    wrong_kinds what is said of right values of the wrong kind: {"int": "...", "bool": "..."}
    """
    names = [function.__name__ for function in functions]

    def probe(learners: Functions, rng: np.random.Generator) -> Evidence:
        evidence = []
        for case in cases(rng):
            for name, reference, function in zip(names, functions, learners, strict=True):
                if case.of is None or case.of == name:
                    evidence.append(_record(name, reference, function, case, call))
        return evidence

    misconceptions = tuple(misconceptions)
    name = ", ".join(names)

    def judge(evidence: Evidence, references: dict[str, Evidence]) -> Outcome:
        for function in names:
            outcome = judge_one(function, _only(function, evidence), references)
            if outcome.kind != "correct":
                return outcome
        return Outcome(id, "correct", f"{name}: {success}")

    def judge_one(function: str, mine: Evidence, references: dict[str, Evidence]) -> Outcome:
        if all(_is_empty(record["result"]) for record in mine):
            words = _not_written(id, function, mine, start)
            return Outcome(id, "not attempted", words, printed=mine[0]["printed"])
        prefix = f"{function}: " if len(names) > 1 else ""
        pairs = list(zip(mine, _only(function, references["reference"]), strict=True))
        wrong = [(a, b) for a, b in pairs if not same(a, b)]  # the cases come smallest first
        if wrong:
            return replace(diagnosis(function, prefix, pairs, wrong, references), printed=wrong[0][0]["printed"])
        changed = [argument for record in mine for argument in record["changed"]]
        if changed:
            return Outcome(
                id,
                "wrong",
                f"{function}: the answer is right, but your function changed its input `{changed[0]}` in place. "
                "Whoever called it still needs the old values: work on a copy.",
            )
        for record in mine:
            kind = record["result"].get("kind")
            if wrong_kinds and kind in wrong_kinds:
                return Outcome(id, "wrong", prefix + wrong_kinds[kind], f"kind: {kind}", printed=record["printed"])
        return Outcome(id, "correct", function)

    def diagnosis(function: str, prefix: str, pairs: Pairs, wrong: Pairs, references: dict[str, Evidence]) -> Outcome:
        mine = [record for record, _ in pairs]
        own = [m for m in misconceptions if (m.of or names[0]) == function]
        for misconception in own:
            theirs = _only(function, references[misconception.name])
            alike = all(same(a, b) for a, b in zip(mine, theirs, strict=True))
            alike = alike and all(misconception.fails_with in words for words in _last_words(mine))
            if alike and (not _only_errors(mine) or _last_words(mine) == _last_words(theirs)):
                return Outcome(id, "wrong", prefix + sentence(misconception, *wrong[0]), misconception.name)
        # an error in some cases does not hide what is wrong with the others
        wrong_answers = [(a, b) for a, b in wrong if "error" not in a["result"]]
        for misconception in own if wrong_answers else []:
            theirs = _only(function, references[misconception.name])
            if all(same(a, b) for a, b in zip(mine, theirs, strict=True) if "error" not in a["result"]):
                return Outcome(id, "wrong", prefix + sentence(misconception, *wrong_answers[0]), misconception.name)
        record = wrong[0][0]
        case = f"{function}, {record['when']}" if record["when"] else function
        if "error" in record["result"]:
            shapes = ", ".join(f"{name} {shape_only(value)}" for name, value in record["inputs"].items())
            given = record["given"] or shapes
            return Outcome(id, "wrong", f"{case}: {describe_error(record['result'])}. The input was {ended(given)}")
        if not {"values", "parts", "fields", "too large"} & record["result"].keys():
            got = describe(record["result"])
            if "nothing" in record["result"]:
                got += " (is the `return` inside of a loop or an `if`?)"
            return Outcome(id, "wrong", f"{case}: your function returned {got}; a tensor or numbers are needed.")
        return Outcome(id, "wrong", function if len(names) > 1 else "", None, difference(*wrong[0]))

    def same(a: Record, b: Record) -> bool:
        return agree(canonical(a["result"]), canonical(b["result"]), tolerance)

    def difference(record: Record, expected: Record) -> Difference:
        return Difference(
            inputs=record["inputs"],
            expected=canonical(expected["result"]),
            got=canonical(record["result"]),
            tolerance=tolerance,
            given=record["given"],
        )

    def sentence(misconception: Misconception, record: Record, expected: Record) -> str:
        words = misconception.sentence
        return words if isinstance(words, str) else words(difference(record, expected))

    return Exercise(id, name, points, probe, judge, hints, misconceptions, functions)


def _record(
    name: str, reference: Function, function: Function, case: Case, call: Callable[[Function, tuple[Any, ...]], Any]
) -> Record:
    """Call the function on copies of the arguments, and write down what came back."""
    mine = copy.deepcopy(case.args)
    parameters = list(inspect.signature(reference).parameters)
    inputs = {name: _encode_input(argument) for name, argument in zip(parameters, case.args, strict=False)}
    with last_printed() as printed:
        result = run(call, function, mine)
    after = {name: _encode_input(argument) for name, argument in zip(parameters, mine, strict=False)}
    changed = [name for name in inputs if inputs[name] != after[name]]
    record: Record = {"function": name, "inputs": inputs, "given": case.given, "when": case.when}
    return record | {"result": result, "changed": changed, "printed": printed()}


def _only_errors(evidence: Evidence) -> bool:
    return all("error" in record["result"] for record in evidence)


def _last_words(evidence: Evidence) -> list[str]:
    """The exceptions, in words."""
    return [record["result"]["error"]["message"] for record in evidence if "error" in record["result"]]


def _encode_input(argument: Any) -> Encoded:
    """As `encode`; of a function its name."""
    return {"other": getattr(argument, "__name__", "")} if inspect.isfunction(argument) else encode(argument)


def _only(function: str, evidence: Evidence) -> Evidence:
    return [record for record in evidence if record["function"] == function]


def _is_empty(result: Encoded) -> bool:
    return "nothing" in result or bool(result.get("error", {}).get("stub"))


def _not_written(id: str, function: str, evidence: Evidence, start: str) -> str:
    for record in evidence:
        other = re.match(r"(\d+\.\d+) (\w+): not written yet", record["result"].get("error", {}).get("message", ""))
        if other and other[1] != id:
            return (
                f"{function}: it calls `{other[2]}` of {other[1]}, which is not written yet. "
                f'`{other[2]} = stuck("{other[1]}")` hands it over.'
            )
    if any("nothing" in record["result"] for record in evidence):
        return f"{function}: it returns nothing. Not written yet, or is the `return` missing? {start}"
    return f"{function}: not written yet. {start}"


# --------------------------------------------------------------------------------------------------------- by laws


Measured = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Law:
    """Something that must hold for every right answer, and what to say to whom it does not.

    holds      reads the measurements; a law whose measurement is missing is passed over
    broken_by  a class, or function, that breaks this law and none before it
    """

    name: str
    sentence: str
    holds: Callable[[Measured], bool]
    broken_by: Function | None = None


def by_laws(
    id: str,
    *functions: Function,
    measure: Callable[..., Iterator[tuple[str, Any]]],
    laws: Sequence[Law],
    success: str,
    start: str,
    hints: tuple[str, ...],
    points: int = 10,
) -> Exercise:
    """An exercise whose answers are judged by the laws that they obey.

    What the judge must know for itself, such as which of the inputs are equal, is measured under a name that begins
    with "secret". It is taken from the reference's evidence, so evidence for other inputs does not obey the laws.

    functions  the reference, one class or several
    measure    gets the learner's classes and a random generator; yields (name, value) pairs
    laws       read in order; the first that is broken speaks
    """
    name = ", ".join(function.__name__ for function in functions)
    misconceptions = tuple(Misconception(law.name, law.sentence, law.broken_by) for law in laws if law.broken_by)

    def probe(learners: Functions, rng: np.random.Generator) -> Evidence:
        evidence: Evidence = []
        dtype = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)  # for the learner's layers, also those that no module knows of
        with last_printed() as printed:
            try:
                for measurement, value in measure(*learners, rng):
                    evidence.append({"function": name, "name": measurement, "result": encode(value)})
            except (Exception, SystemExit) as error:
                evidence.append({"function": name, "name": "failure", "result": encode_error(error)})
            finally:
                torch.set_default_dtype(dtype)
        evidence[-1]["printed"] = printed()
        return evidence

    def judge(evidence: Evidence, references: dict[str, Evidence]) -> Outcome:
        outcome = judge_laws(evidence, references)
        return outcome if outcome.kind == "correct" else replace(outcome, printed=evidence[-1]["printed"])

    def judge_laws(evidence: Evidence, references: dict[str, Evidence]) -> Outcome:
        results = {record["name"]: record["result"] for record in evidence}
        known = {record["name"]: record["result"] for record in references["reference"]}
        results |= {name: result for name, result in known.items() if name.startswith("secret")}
        failure = results.pop("failure", None)
        if any(_is_empty(record["result"]) for record in evidence):
            return Outcome(id, "not attempted", _not_written(id, name, evidence, start))
        strange = next((result for result in results.values() if "values" not in result), None)
        measured = {key: array(result) for key, result in results.items() if "values" in result}
        for law in laws:
            try:
                holds = law.holds(measured)
            except KeyError:  # the probe did not come that far
                continue
            if not holds:
                return Outcome(id, "wrong", law.sentence, law.name if law.broken_by else None)
        if strange is not None:
            return Outcome(id, "wrong", f"{name}: a tensor is needed, and {describe(strange)} came back.")
        if failure is not None:
            return Outcome(id, "wrong", f"{name}: {describe_error(failure)}")
        missing = [r["name"] for r in references["reference"] if r["name"] not in results]
        if missing:
            return Outcome(id, "wrong", f"{name}: the check could not measure {missing[0]}.")
        return Outcome(id, "correct", f"{name}: {success}")

    return Exercise(id, name, points, probe, judge, hints, misconceptions, functions)


def close(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-5) -> bool:
    """Whether two measurements are equal within the tolerance, relative to the larger of the largest value and 1."""
    if a.shape != b.shape or not bool(np.isfinite(a).all() and np.isfinite(b).all()):
        return False
    scale = max(1.0, float(np.abs(b).max(initial=0)))
    return float(np.abs(a - b).max(initial=0)) <= tolerance * scale


def tensor(values: Any) -> torch.Tensor:
    """A double-precision tensor, or one of integers where the values are integers."""
    values = np.asarray(values)
    return torch.from_numpy(values.astype(np.int64 if values.dtype.kind in "iu" else np.float64))

"""The exercises of every day: right answers pass, stubs are not attempted, misconceptions are named."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import course.exercises
from course.exercises.exercise import Exercise, Misconception
from tests.exercises.alternatives import collect

ALTERNATIVES = collect()
DAYS = sorted(path.stem for path in Path(course.exercises.__file__).parent.glob("day[0-9].py"))
EXERCISES: tuple[Exercise, ...] = sum((import_module(f"course.exercises.{day}").EXERCISES for day in DAYS), ())
BY_ID = {exercise.id: exercise for exercise in EXERCISES}
SEEDS = (0, 1, 2)

every_exercise = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)


def somebody_elses(function: Any) -> Any:
    """The same, but not the library's own object, which would count as handed over."""
    return type(function.__name__, (function,), {}) if isinstance(function, type) else lambda *args: function(*args)


def test_every_exercise_of_a_notebook_exists_and_no_other() -> None:
    sources = sorted((Path(__file__).parents[2] / "solutions").glob("day*.py"))
    asked = re.findall(r"^# exercise (\d+\.\d+)$", "\n".join(path.read_text() for path in sources), re.MULTILINE)
    assert sorted(asked) == sorted(BY_ID) == sorted(ALTERNATIVES)


@every_exercise
def test_what_every_exercise_brings_with_it(exercise: Exercise) -> None:
    assert len(exercise.hints) >= 3
    assert len(exercise.misconceptions) >= 4
    assert len(ALTERNATIVES[exercise.id]) >= 5
    assert exercise.points > 0
    assert len({misconception.name for misconception in exercise.misconceptions}) == len(exercise.misconceptions)
    assert [function.__name__ for function in exercise.reference] == exercise.function_names


@every_exercise
def test_the_reference_is_right_and_the_librarys_own_is_handed_over(exercise: Exercise) -> None:
    for seed in SEEDS:
        outcome = exercise.examine([somebody_elses(function) for function in exercise.reference], seed)
        assert outcome.kind == "correct", outcome.text()
    assert exercise.examine(exercise.reference).kind == "handed over"


@pytest.mark.parametrize(
    ("id", "functions"),
    [
        pytest.param(id, fs, id=f"{id}-{k}-{fs[0].__name__}")
        for id, many in ALTERNATIVES.items()
        for k, fs in enumerate(many)
    ],
)
def test_other_right_answers(id: str, functions: tuple[Any, ...]) -> None:
    for seed in SEEDS:
        outcome = BY_ID[id].examine(functions, seed)
        assert outcome.kind == "correct", outcome.text()


@pytest.mark.parametrize(
    ("exercise", "misconception"),
    [pytest.param(e, m, id=f"{e.id}-{m.name}") for e in EXERCISES for m in e.misconceptions],
)
def test_each_misconception_is_rejected_and_named(exercise: Exercise, misconception: Misconception) -> None:
    functions = [somebody_elses(function) for function in exercise.reference]
    functions[exercise.function_names.index(misconception.of) if misconception.of else 0] = misconception.function
    for seed in SEEDS:
        outcome = exercise.examine(functions, seed)
        assert (outcome.kind, outcome.misconception) == ("wrong", misconception.name), outcome.text()
        if isinstance(misconception.sentence, str):
            assert misconception.sentence in outcome.text()


def stub(*args: Any) -> Any:
    raise NotImplementedError("not written yet")


class StubInInit(nn.Module):
    def __init__(self, *sizes: int):
        super().__init__()
        raise NotImplementedError("not written yet")


class StubInForward(nn.Module):
    def __init__(self, *sizes: Any):
        super().__init__()

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError("not written yet")


class StubPass(nn.Module):
    def __init__(self, *sizes: Any):
        super().__init__()

    def forward(self, *inputs: torch.Tensor) -> None:
        pass


@every_exercise
def test_an_untouched_stub_is_not_attempted(exercise: Exercise) -> None:
    stubs: list[Any] = (
        [StubInInit, StubInForward, StubPass] if isinstance(exercise.reference[0], type) else [stub, lambda *a: None]
    )
    for untouched in stubs:
        outcome = exercise.examine([untouched] * len(exercise.reference))
        assert outcome.kind == "not attempted", outcome.text()


@every_exercise
@pytest.mark.parametrize("answer", [0.0, "words", float("nan"), [[1.0], [1.0, 2.0]]], ids=repr)
def test_nonsense_is_wrong_and_does_not_break_the_check(exercise: Exercise, answer: Any) -> None:
    class Nonsense(nn.Module):
        def __init__(self, *sizes: Any):
            super().__init__()

        def forward(self, *inputs: torch.Tensor) -> Any:
            return answer

    nonsense: Any = Nonsense if isinstance(exercise.reference[0], type) else lambda *args: answer
    outcome = exercise.examine([nonsense] * len(exercise.reference))
    assert outcome.kind == "wrong"
    assert outcome.text().startswith(f"✗ {exercise.id} ")

"""Answers that learners of Day 4c may give, and what they are told."""

from typing import Any

import numpy as np
import pytest
import torch

import course
from course.exercises import find
from course.training import Errors, evaluate, fit

answer: Any


def said_of(id: str, function: Any) -> str:
    outcome = find(id).examine([function])
    assert outcome.kind != "correct"
    return outcome.text()


# ------------------------------------------------------------------------------------------------------------ 4.13


def all_the_same(make_model, data, sizes, seeds, steps=2000):
    """Right, but for what each test below changes in a copy."""
    train, validation, test = (data.split(name) for name in ("train", "validation", "test"))
    return {size: [one(make_model, train, validation, test, size, seed, steps) for seed in seeds] for size in sizes}


def one(make_model, train, validation, test, size, seed, steps):
    frames = train[np.random.default_rng(seed).permutation(len(train))[:size]]
    torch.manual_seed(seed)
    potential = course.Potential.for_data(make_model(frames), frames)
    fit(potential, frames, validation, epochs=max(1, steps * 5 // size), seed=seed, progress=False)
    return evaluate(potential, test)


def test_the_pattern_of_these_answers_is_right() -> None:
    assert find("4.13").examine([all_the_same]).kind == "correct"


def list_of_errors(make_model, data, sizes, seeds, steps=2000):
    return list(all_the_same(make_model, data, sizes, seeds, steps).values())


def keys_in_words(make_model, data, sizes, seeds, steps=2000):
    return {f"{size} frames": row for size, row in all_the_same(make_model, data, sizes, seeds, steps).items()}


def force_errors_only(make_model, data, sizes, seeds, steps=2000):
    curve = all_the_same(make_model, data, sizes, seeds, steps)
    return {size: [errors.force_mae for errors in row] for size, row in curve.items()}


def model_without_frames(make_model, data, sizes, seeds, steps=2000):
    return {size: [make_model() for _ in seeds] for size in sizes}


def model_of_a_number(make_model, data, sizes, seeds, steps=2000):
    return {size: [make_model(size) for _ in seeds] for size in sizes}


def only_the_last_seed(make_model, data, sizes, seeds, steps=2000):
    train, validation, test = (data.split(name) for name in ("train", "validation", "test"))
    curve = {}
    for size in sizes:
        for seed in seeds:
            curve[size] = [one(make_model, train, validation, test, size, seed, steps)]
    return curve


def never_trained(make_model, data, sizes, seeds, steps=2000):
    train, test = data.split("train"), data.split("test")
    curve: dict[int, list[Errors]] = {}
    for size in sizes:
        curve[size] = []
        for seed in seeds:
            torch.manual_seed(seed)
            frames = train[np.random.default_rng(seed).permutation(len(train))[:size]]
            curve[size].append(evaluate(course.Potential.for_data(make_model(frames), frames), test))
    return curve


def steps_as_epochs(make_model, data, sizes, seeds, steps=2000):
    train, validation, test = (data.split(name) for name in ("train", "validation", "test"))
    return {
        size: [one(make_model, train, validation, test, size, seed, steps * size // 5) for seed in seeds]
        for size in sizes
    }


def evaluated_before_the_training(make_model, data, sizes, seeds, steps=2000):
    curve: dict[int, list[Errors]] = {size: [] for size in sizes}
    for size in sizes:
        for seed in seeds:
            torch.manual_seed(seed)
            frames = data.split("train")[np.random.default_rng(seed).permutation(30)[:size]]
            potential = course.Potential.for_data(make_model(frames), frames)
            curve[size].append(evaluate(potential, data.split("test")))
            fit(potential, frames, data.split("validation"), epochs=steps * 5 // size, seed=seed, progress=False)
    return curve


def bare_model(make_model, data, sizes, seeds, steps=2000):
    train, validation, test = (data.split(name) for name in ("train", "validation", "test"))
    curve: dict[int, list[Errors]] = {}
    for size in sizes:
        curve[size] = []
        for seed in seeds:
            torch.manual_seed(seed)
            model = make_model(train[np.random.default_rng(seed).permutation(len(train))[:size]])
            fit(model, train[:size], validation, epochs=steps * 5 // size, seed=seed, progress=False)
            curve[size].append(evaluate(model, test))
    return curve


def one_generator_for_all(make_model, data, sizes, seeds, steps=2000):
    train, validation, test = (data.split(name) for name in ("train", "validation", "test"))
    rng = np.random.default_rng(0)
    curve: dict[int, list[Errors]] = {size: [] for size in sizes}
    for size in sizes:
        for seed in seeds:
            torch.manual_seed(seed)
            frames = train[rng.permutation(len(train))[:size]]
            potential = course.Potential.for_data(make_model(frames), frames)
            fit(potential, frames, validation, epochs=steps * 5 // size, seed=seed, progress=False)
            curve[size].append(evaluate(potential, test))
    return curve


def steps_typed_in(make_model, data, sizes, seeds, steps=2000):
    return all_the_same(make_model, data, sizes, seeds, 2000)


def seed_as_a_place(make_model, data, sizes, seeds, steps=2000):
    train = data.split("train")
    return {size: [make_model(train[seed * size : (seed + 1) * size]) for seed in seeds] for size in sizes}


def every_so_many(make_model, data, sizes, seeds, steps=2000):
    train, validation, test = (data.split(name) for name in ("train", "validation", "test"))
    curve: dict[int, list[Errors]] = {size: [] for size in sizes}
    for size in sizes:
        for seed in seeds:
            torch.manual_seed(seed)
            frames = train[:: len(train) // size][:size]
            potential = course.Potential.for_data(make_model(frames), frames)
            fit(potential, frames, validation, epochs=steps * 5 // size, seed=seed, progress=False)
            curve[size].append(evaluate(potential, test))
    return curve


def keeps_the_stub_of_the_loop(make_model, data, sizes, seeds, steps=2000):
    curve: dict[int, list[Errors]] = {}
    for size in sizes:
        curve[size] = []
    return curve


def wrong_name_of_a_split(make_model, data, sizes, seeds, steps=2000):
    return data.split("training")


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (list_of_errors, "returned a list. A dictionary is needed, {size: [errors, errors]}"),
        (keys_in_words, "no entry for 5 frames; its keys are ['5 frames', '20 frames']"),
        (force_errors_only, "Keep the errors of every seed: `curve[size]` is a list with one `course.evaluate(...)`"),
        (model_without_frames, "missing 1 required positional argument: 'frames'"),
        (model_of_a_number, "you called make_model with a int. It wants the training frames"),
        (only_the_last_seed, "a list with one `course.evaluate(...)` a seed"),
        (never_trained, "`course.fit(potential, frames, ...)` has taken no step"),
        (steps_as_epochs, "epochs = steps * 5 // size"),
        (evaluated_before_the_training, "After `course.fit` the potential holds its best weights"),
        (bare_model, "not yet a potential. `course.Potential.for_data(make_model(frames), frames)` makes one"),
        (one_generator_for_all, "when no other seed stood before them"),
        (steps_typed_in, "a training was stopped after 500 steps. The check had called learning_curve(..., steps=20)"),
        (seed_as_a_place, "A seed is any number, not a place in the data"),
        (every_so_many, "Two seeds were trained on the same frames"),
        (keeps_the_stub_of_the_loop, "Keep the errors of every seed"),
        (wrong_name_of_a_split, "training"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_a_learner_is_told_of_a_curve(answer: Any, sentence: str) -> None:
    assert sentence in said_of("4.13", answer)


# ------------------------------------------------------------------------------------------------------------ 4.14


def right_row(trainings, model):
    table = np.array([[e.energy_mae, e.force_mae] for e in trainings])
    error = table.std(axis=0, ddof=1) / np.sqrt(len(table)) if len(table) > 1 else [np.nan, np.nan]
    row = dict(zip(["energy_mae", "force_mae"], table.mean(axis=0), strict=True))
    row |= dict(zip(["energy_error", "force_error"], error, strict=True))
    return row | {"parameters": sum(w.numel() for w in model.parameters() if w.requires_grad)}


def test_the_pattern_of_these_rows_is_right() -> None:
    assert find("4.14").examine([right_row]).kind == "correct"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda t, m: list(right_row(t, m).values()), "returned a list; a dictionary with the keys energy_mae"),
        (lambda t, m: {k: v for k, v in right_row(t, m).items() if k != "parameters"}, "no entry 'parameters'"),
        (lambda t, m: right_row(t, m) | {"parameters": len(list(m.parameters()))}, "You counted tensors"),
        (
            lambda t, m: right_row(t, m) | {"parameters": sum(w.numel() for w in m.parameters())},
            "You counted weights that the training does not move",
        ),
        (
            lambda t, m: (
                right_row(t, m)
                | {f"{k}_error": np.std([getattr(e, f"{k}_mae") for e in t]) for k in ("energy", "force")}
            ),
            "Two slips",
        ),
        (lambda t, m: right_row(t[:1], m), "energy_error"),
        (lambda t, m: right_row([Errors(*(x / 1000 for x in e)) for e in t], m), "is in meV already"),
        (lambda t, m: right_row([e._replace(energy_mae=e.energy_mae / 9) for e in t], m), "got energy_mae 0.4444"),
        (lambda t, m: right_row(t, m)["energy_mae"], "a dictionary with the keys"),
        (lambda t, m: right_row(t, m) | {"force_error": "3.1"}, "force_error"),
        (lambda t, m: right_row(sorted(t)[1:2], m), "list index out of range|nan"),
    ],
)
def test_what_a_learner_is_told_of_a_row(answer: Any, sentence: str) -> None:
    said = said_of("4.14", answer)
    assert any(part in said for part in sentence.split("|")), said

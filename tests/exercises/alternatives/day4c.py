"""Right answers to the exercises of Day 4c, written in other ways than the library's. All of them must pass."""

import math
import statistics
from typing import Any

import numpy as np
import torch

import course
from course.training import Errors, collate, evaluate, fit, samples
from tests.exercises.alternatives import right

# ----------------------------------------------------------------------------------------------------------- 4.13


def curve_by_two_loops(make_model, data, sizes, seeds, steps=2000):
    train, validation, test = (data.split(name) for name in ("train", "validation", "test"))
    curve: dict[int, list[Errors]] = {}
    for size in sizes:
        curve[size] = []
        for seed in seeds:
            frames = train[np.random.default_rng(seed).permutation(len(train))[:size]]
            torch.manual_seed(seed)
            potential = course.Potential.for_data(make_model(frames), frames)
            course.fit(potential, frames, validation, epochs=steps * 5 // size, seed=seed, progress=False)
            curve[size].append(course.evaluate(potential, test))
    return curve


def curve_by_comprehension(new, d, n, s, total=2000):  # other names; torch chooses the frames
    def one(size, seed):
        torch.manual_seed(seed)
        frames = d.split("train")[torch.randperm(len(d.split("train")))[:size].tolist()]
        potential = course.Potential.for_data(new(frames), frames)
        fit(potential, frames, d.split("validation"), epochs=max(1, round(5 * total / size)), seed=seed, progress=False)
        return evaluate(potential, d.split("test"))

    return {size: [one(size, seed) for seed in s] for size in n}


def curve_seeds_outside(make_model, data, sizes, seeds, steps=2000):
    """The large sets contain the small ones; weights are made before the frames are chosen."""
    curve: dict[int, list[Errors]] = {size: [] for size in sizes}
    for seed in seeds:
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(data.split("train")))
        for size in sizes:
            frames = data.split("train")[np.sort(order[:size])]
            torch.manual_seed(1000 + seed)
            model = make_model(frames)
            potential = course.Potential.for_data(model, frames)
            course.fit(
                potential, frames, data.split("validation")[::2], epochs=math.ceil(steps * 5 / size), progress=False
            )
            curve[size] += [course.evaluate(potential, data.split("test"))]
    return curve


def curve_with_its_own_loop(make_model, data, sizes, seeds, steps=2000):
    """Plain steps of Adam on all frames at once: other errors, the same honesty."""
    curve = {}
    for size in sizes:
        row = []
        for seed in seeds:
            torch.manual_seed(seed)
            chosen = np.random.default_rng([seed, size]).choice(len(data.split("train")), size, replace=False)
            frames = data.split("train")[chosen]
            potential = course.Potential.for_data(make_model(frames), frames)
            optimizer = torch.optim.Adam(potential.parameters(), lr=1e-2)
            sample = collate(samples(frames, potential.cutoff))
            for _ in range(steps):
                course.training.train_step(potential, optimizer, sample, 0.1)
            row.append(course.evaluate(potential, data.split("test")))
        curve[size] = tuple(row)
    return curve


def curve_from_the_library(make_model, data, sizes, seeds, steps=2000):
    potentials = {
        (n, s): course.training.trained(make_model, data, n, s, steps, progress=False) for n in sizes for s in seeds
    }
    members = samples(data.split("test"), cutoff=3.0)
    return {n: [evaluate(potentials[n, s], members) for s in seeds] for n in sizes}


for curve in (
    curve_by_two_loops,
    curve_by_comprehension,
    curve_seeds_outside,
    curve_with_its_own_loop,
    curve_from_the_library,
):
    right("4.13", curve)


# ----------------------------------------------------------------------------------------------------------- 4.14


def row_with_numpy(trainings, model):
    table = np.array([errors[:2] for errors in trainings])
    n = len(table)
    error = table.std(axis=0, ddof=1) / np.sqrt(n) if n > 1 else np.full(2, np.nan)
    return {
        "energy_mae": table[:, 0].mean(),
        "energy_error": error[0],
        "force_mae": table[:, 1].mean(),
        "force_error": error[1],
        "parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }


def row_with_torch(errors, potential):  # other names; the standard deviation of torch divides by n - 1
    row: dict[str, Any] = {}
    for name in ("energy", "force"):
        values = torch.tensor([getattr(e, f"{name}_mae") for e in errors])
        row[f"{name}_mae"], row[f"{name}_error"] = values.mean(), values.std() / len(values) ** 0.5
    return row | {"parameters": sum(math.prod(w.shape) for w in potential.parameters() if w.requires_grad)}


def row_with_statistics(trainings, model):
    def mean_and_error(values):
        return statistics.mean(values), statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else np.nan

    energy, force = mean_and_error([e.energy_mae for e in trainings]), mean_and_error([e.force_mae for e in trainings])
    names = ["force_error", "force_mae", "energy_error", "energy_mae"]  # another order, and one entry more
    row = dict(zip(names, [*force[::-1], *energy[::-1]], strict=True))
    return row | {"parameters": len(np.concatenate([[], *all_weights(model)])), "seeds": len(trainings)}


def all_weights(model):
    return [w.detach().numpy().ravel() for w in model.parameters() if w.requires_grad]


def row_by_hand(trainings, model):
    def mean(x):
        return sum(x) / len(x)

    def error(x):
        if len(x) == 1:
            return float("nan")
        return math.sqrt(sum((v - mean(x)) ** 2 for v in x) / (len(x) - 1) / len(x))

    energies, forces = [e[0] for e in trainings], [e[1] for e in trainings]
    n_parameters = 0
    for weights in model.parameters():
        if weights.requires_grad:
            n_parameters += weights.nelement()
    return {
        "energy_mae": mean(energies),
        "energy_error": error(energies),
        "force_mae": mean(forces),
        "force_error": error(forces),
        "parameters": n_parameters,
    }


def row_in_single_precision(trainings, model):
    table = np.array(trainings, dtype=np.float32)[:, :2]
    s = np.sqrt(((table - table.mean(0)) ** 2).sum(0) / np.float32(max(len(table) - 1, 1)))
    error = s / np.sqrt(np.float32(len(table))) if len(table) > 1 else np.array([np.nan, np.nan], np.float32)
    keys = ["energy_mae", "force_mae", "energy_error", "force_error", "parameters"]
    weights = torch.nn.utils.parameters_to_vector([torch.zeros(0), *(w for w in model.parameters() if w.requires_grad)])
    return dict(zip(keys, [*table.mean(0).tolist(), *error.tolist(), weights.numel()], strict=True))


for row in (row_with_numpy, row_with_torch, row_with_statistics, row_by_hand, row_in_single_precision):
    right("4.14", row)

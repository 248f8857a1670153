"""Learning curves: the error on strangers against the number of training frames."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from course.datasets import Dataset
from course.files import write_whole
from course.potential import Potential
from course.training.errors import Errors, evaluate
from course.training.loop import fit

Curve = dict[int, list[Errors]]  # number of training frames -> errors, one an independent training


def random_frames(dataset: Dataset, size: int, seed: int) -> Dataset:
    """So many frames of a data set, no frame twice."""
    return dataset[np.random.default_rng(seed).permutation(len(dataset))[:size]]


def trained(
    make_model: Callable[[Dataset], torch.nn.Module],
    data: Dataset,
    size: int,
    seed: int,
    steps: int = 2000,
    batch_size: int = 5,
    **settings: Any,
) -> Potential:
    """One point of a learning curve: a potential trained on `size` random frames, with so many steps for every size.

    make_model  gets the chosen frames, and makes a new model with random weights. What it takes from the data (means
                of features, lengths of springs) it takes from these frames
    data        a data set with the splits "train" and "validation"
    seed        of the frames, of the weights, and of the order of the frames in the training
    settings    are handed to `fit`
    """
    train, validation = data.split("train"), data.split("validation")
    if not batch_size <= size <= len(train):
        raise ValueError(f"{size} training frames: there are {len(train)}, and a batch takes {batch_size}.")
    chosen = random_frames(train, size, seed)
    torch.manual_seed(seed)
    potential = Potential.for_data(make_model(chosen), chosen)
    epochs = max(1, steps * batch_size // size)
    # few frames make short epochs, and looking at the validation data after each would take most of the time
    judges = validation[:: max(1, len(validation) * epochs // (4 * steps))]
    fit(potential, chosen, judges, epochs=epochs, batch_size=batch_size, seed=seed, **settings)
    return potential


def learning_curve(
    make_model: Callable[[Dataset], torch.nn.Module],
    data: Dataset,
    sizes: Sequence[int],
    seeds: Sequence[int],
    steps: int = 2000,
    **settings: Any,
) -> Curve:
    """Errors on the split "test" against the number of training frames, one `trained` potential a size and seed."""
    test = data.split("test")
    return {
        size: [evaluate(trained(make_model, data, size, seed, steps, **settings), test) for seed in seeds]
        for size in sizes
    }


def save_curves(curves: Mapping[str, Curve], path: str | Path) -> None:
    """Learning curves by name, as JSON."""
    write_whole(path, json.dumps(curves, indent=1))


def load_curves(path: str | Path) -> dict[str, Curve]:
    return curves_of(json.loads(Path(path).read_text()))


def curves_of(record: Mapping[str, Mapping[str, Any]]) -> dict[str, Curve]:
    """Learning curves from what JSON makes of them."""
    return {
        name: {int(size): [Errors(*errors) for errors in trainings] for size, trainings in curve.items()}
        for name, curve in record.items()
    }

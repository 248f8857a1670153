"""The models of the course side by side, and what was measured of them.

MODELS["MPNN, T = 2"](frames)      a new, untrained model for these training frames
results = load_comparison()        what tools/compare_potentials.py has measured
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from torch import nn

from course.datasets import Dataset
from course.descriptors.coulomb import CoulombVector
from course.descriptors.symmetry_functions import SymmetryFunctions
from course.models.behler_parrinello import BehlerParrinello
from course.models.message_passing import MPNN
from course.models.molecular_mechanics import MolecularMechanics
from course.scorecard import LAWS, Finding, Scorecard, Violation
from course.training import Curve, Errors, curves_of


def coulomb(frames: Dataset) -> BehlerParrinello:
    """Charges over distances, largest first; the vector has room for all other atoms of the largest molecule."""
    length = max(len(frame.numbers) for frame in frames) - 1
    return BehlerParrinello(CoulombVector(5.0, length), frames.elements).standardize(frames)


def radial(frames: Dataset) -> BehlerParrinello:
    """The radial functions of ANI-1x."""
    functions = SymmetryFunctions.ani1x(frames.elements)
    return BehlerParrinello(SymmetryFunctions(frames.elements, functions.radial), frames.elements).standardize(frames)


def radial_and_angular(frames: Dataset) -> BehlerParrinello:
    """All functions of ANI-1x."""
    return BehlerParrinello(SymmetryFunctions.ani1x(frames.elements), frames.elements).standardize(frames)


def message_passing(frames: Dataset, T: int) -> MPNN:
    return MPNN(frames.elements, T=T)


# name -> a new model; all that it takes from the data is in these frames
MODELS: dict[str, Callable[[Dataset], nn.Module]] = {
    "molecular mechanics": MolecularMechanics.for_data,
    "Coulomb vector": coulomb,
    "BPNN, radial": radial,
    "BPNN, radial + angular": radial_and_angular,
    **{f"MPNN, T = {T}": partial(message_passing, T=T) for T in range(4)},
}


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error of the mean, s / sqrt(n) with s^2 = sum (x - mean)^2 / (n - 1).

    The error of a single value is not known: nan.
    """
    n = len(values)
    return float(np.mean(values)), float(np.std(values, ddof=1) / math.sqrt(n)) if n > 1 else math.nan


def n_learned(model: nn.Module) -> int:
    """How many numbers of a model are learned."""
    return sum(weights.numel() for weights in model.parameters() if weights.requires_grad)


def table_row(trainings: Sequence[Errors], model: nn.Module) -> dict[str, float]:
    """One row of the table: what several trainings of one model say together.

    trainings  errors on the same test frames, one an independent training
    model      one of the trained models
    returns    energy_mae, energy_error   mean and standard error, meV
               force_mae, force_error     mean and standard error, meV/Angstrom
               parameters                 how many numbers are learned
    """
    energy_mae, energy_error = mean_and_error([errors.energy_mae for errors in trainings])
    force_mae, force_error = mean_and_error([errors.force_mae for errors in trainings])
    return {
        "energy_mae": energy_mae,
        "energy_error": energy_error,
        "force_mae": force_mae,
        "force_error": force_error,
        "parameters": n_learned(model),
    }


@dataclass(frozen=True)
class Cost:
    """What a model costs, in milliseconds of one core."""

    n_parameters: int  # those that are learned
    step: float  # one training step with five frames of ethanol
    describe: float  # the fixed description of one frame and its derivatives, once, before the training
    predict: float  # energy and forces of one new geometry


@dataclass(frozen=True)
class Comparison:
    """The results: the same data, the same steps for every model."""

    steps: int  # of every training
    batch_size: int
    curves: dict[str, Curve]  # model -> number of frames of ethanol -> test errors, one an independent training
    molecules: dict[str, list[Errors]]  # model -> test errors on small_molecules, trained on all of its frames
    elsewhere: dict[str, dict[str, list[Errors]]]  # model -> test_300K, test_1000K -> errors, after the largest size
    costs: dict[str, Cost]
    scorecard: Scorecard


def load_comparison(path: Path | None = None) -> Comparison:
    """The results that came with the course, or those in another file."""
    record = json.loads((path or Path(__file__).parent / "trained" / "comparison.json").read_text())
    return Comparison(
        steps=record["steps"],
        batch_size=record["batch_size"],
        curves=curves_of(record["curves"]),
        molecules={name: [Errors(*errors) for errors in trainings] for name, trainings in record["molecules"].items()},
        elsewhere={
            name: {split: [Errors(*errors) for errors in trainings] for split, trainings in splits.items()}
            for name, splits in record["elsewhere"].items()
        },
        costs={name: Cost(**cost) for name, cost in record["costs"].items()},
        scorecard=Scorecard(
            {
                name: [Finding(law, Violation(*row[law.name])) for law in LAWS if law.name in row]
                for name, row in record["laws"].items()
            }
        ),
    )

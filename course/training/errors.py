"""How far the predictions are from their reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from course.datasets import Dataset
from course.potential import Potential
from course.training.samples import Sample, batches, samples


class Errors(NamedTuple):
    """Mean absolute and root mean squared errors, in the units of the literature's tables."""

    energy_mae: float  # meV a molecule
    force_mae: float  # meV/Angstrom a component
    energy_rmse: float  # meV
    force_rmse: float  # meV/Angstrom

    def __str__(self) -> str:
        kcal = 23.0605e-3  # kcal/mol in one meV
        return (
            f"energy MAE {self.energy_mae:.1f} meV ({self.energy_mae * kcal:.3f} kcal/mol), "
            f"force MAE {self.force_mae:.1f} meV/Å ({self.force_mae * kcal:.3f} kcal/mol/Å)"
        )


def predict(potential: Potential, members: Sequence[Sample], batch_size: int = 100) -> tuple[Tensor, Tensor]:
    """Energies (n_molecules,) and forces (n_atoms, 3) of many samples, on the CPU."""
    was_training = potential.training
    potential.eval()
    device = device_of(potential)
    energies, forces = [], []
    for _, sample in batches(members, batch_size, range(len(members))):
        prediction = potential(sample.graph.to(device))
        energies.append(prediction.energy.cpu())
        forces.append(prediction.forces.cpu())
    potential.train(was_training)
    return torch.cat(energies), torch.cat(forces)


class Parity(NamedTuple):
    """Predictions beside their reference."""

    energies: Tensor  # (n_molecules,)  eV
    e_ref: Tensor  # (n_molecules,)  eV
    forces: Tensor  # (n_atoms, 3)    eV/Angstrom
    f_ref: Tensor  # (n_atoms, 3)    eV/Angstrom

    @property
    def errors(self) -> Errors:
        energy_error, force_error = self.energies - self.e_ref, self.forces - self.f_ref
        return Errors(
            energy_mae=1000 * energy_error.abs().mean().item(),
            force_mae=1000 * force_error.abs().mean().item(),
            energy_rmse=1000 * energy_error.square().mean().sqrt().item(),
            force_rmse=1000 * force_error.square().mean().sqrt().item(),
        )


def compare(potential: Potential, members: Sequence[Sample], batch_size: int = 100) -> Parity:
    """What a potential predicts for the samples, beside their labels."""
    energies, forces = predict(potential, members, batch_size)
    e_ref, f_ref = torch.cat([sample.energy for sample in members]), torch.cat([sample.forces for sample in members])
    return Parity(energies, e_ref, forces, f_ref)


def evaluate(potential: Potential, data: Dataset | Sequence[Sample], batch_size: int = 100) -> Errors:
    """The errors of a potential on a data set that it has not been trained on."""
    members = samples(data, potential.cutoff) if isinstance(data, Dataset) else data
    if not members:
        raise ValueError("There is nothing to evaluate: the data set is empty.")
    return compare(potential, members, batch_size).errors


def device_of(potential: Potential) -> torch.device:
    return next((weight.device for weight in potential.parameters()), torch.device("cpu"))

"""The composition model: every element has its price, and a molecule costs the sum. It sees no geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from course.datasets import Dataset
from course.graph import Graph


def fit_composition(numbers_list: Sequence[ArrayLike], energies: ArrayLike, elements: Sequence[int]) -> np.ndarray:
    """One energy an element, by least squares over molecules.

        minimise  sum over molecules (E - sum over elements N_Z e_Z)^2

    numbers_list  n_molecules arrays of atomic numbers
    energies      (n_molecules,)  eV
    elements      the atomic numbers in the order of the answer
    returns       (n_elements,)   eV an atom; of all solutions the smallest one, where the data leave a choice
    """
    counts = np.array([[np.sum(np.asarray(numbers) == element) for element in elements] for numbers in numbers_list])
    return np.linalg.lstsq(counts.astype(float), np.asarray(energies, dtype=float), rcond=None)[0]


class Composition(nn.Module):
    """E_i = e_Z(i): the model without geometry, and the baseline that every other model is added to.

    The energies are thousands of eV, so they stay in double precision whatever the precision of the network is.
    """

    cutoff = 1.0  # it listens to nobody, but a graph needs some radius
    T = 0

    def __init__(self, energies: Mapping[int, float]):
        super().__init__()
        self.energies = {int(element): float(energy) for element, energy in energies.items()}
        self.elements = sorted(self.energies)

    @classmethod
    def fit(cls, dataset: Dataset) -> Composition:
        elements = list(dataset.elements)
        frames = list(dataset)
        energies = fit_composition([frame.numbers for frame in frames], dataset.energies, elements)
        return cls(dict(zip(elements, energies, strict=True)))

    @property
    def settings(self) -> dict:
        return {"energies": {str(element): energy for element, energy in self.energies.items()}}

    def forward(self, graph: Graph) -> Tensor:
        """Atomic energies (n_atoms,), eV."""
        device = graph.positions.device
        dtype = torch.float32 if device.type == "mps" else torch.float64  # Apple's GPU has no double precision
        energy_of = torch.full((119,), torch.nan, dtype=dtype, device=device)
        energy_of[self.elements] = torch.tensor([self.energies[z] for z in self.elements], dtype=dtype, device=device)
        energies = energy_of[graph.numbers]
        if energies.isnan().any():
            unknown = sorted(set(graph.numbers.tolist()) - set(self.elements))
            raise ValueError(
                f"Atomic numbers {unknown} are unknown to this model, which was fitted to {self.elements}."
            )
        return energies

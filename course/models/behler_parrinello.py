"""The Behler-Parrinello network: a fixed description of each atom, and one small network for each element.

    E_i = network of element Z_i ( (x_i - mean) / spread ),   x_i the symmetry functions of atom i

Behler, Parrinello, Phys. Rev. Lett. 2007, 98, 146401, doi 10.1103/PhysRevLett.98.146401.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from course.datasets import Dataset
from course.descriptors.coulomb import CoulombVector
from course.descriptors.precomputed import recalled
from course.descriptors.symmetry_functions import SymmetryFunctions, element_index
from course.graph import Graph, batch, molecular_graph
from course.models.message_passing import perceptron


class Descriptor(Protocol):
    """A fixed description: graph -> (n_atoms, n_features)."""

    @property
    def cutoff(self) -> float: ...
    @property
    def n_features(self) -> int: ...
    def __call__(self, graph: Graph) -> Tensor: ...


SMALLEST_SPREAD = 0.01  # a feature that hardly changes, blown up, would answer wildly to a new molecule

# what makes a description again from its `settings`
DESCRIPTORS: dict[str, Callable[..., Descriptor]] = {
    "CoulombVector": CoulombVector,
    "SymmetryFunctions": SymmetryFunctions.from_settings,
}


def standardize(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Every column with mean 0 and spread 1, and the mean and the spread that did it.

        x' = (x - mean) / spread,   spread = root of the mean of (x - mean)^2

    A column that hardly changes, spread below 0.01, is only shifted: its spread is returned as 1.

    features  (n_atoms, n_features)
    returns   x' (n_atoms, n_features), mean (n_features,), spread (n_features,)
    """
    mean, spread = features.mean(dim=0), features.std(dim=0, correction=0)
    spread = torch.where(spread > SMALLEST_SPREAD, spread, 1.0)
    return (features - mean) / spread, mean, spread


class AtomicNetwork(nn.Module):
    """Features of an atom -> its energy: linear layers with SiLU between them.

    n_features   width of the input
    hidden       widths of the hidden layers
    """

    def __init__(self, n_features: int, hidden: Sequence[int]):
        super().__init__()
        self.layers = perceptron(n_features, *hidden, 1)

    def forward(self, x_i: Tensor) -> Tensor:
        """(n_atoms, n_features) -> (n_atoms,)"""
        return self.layers(x_i)[:, 0]


class BehlerParrinello(nn.Module):
    """One network an element, on a fixed description: graph -> atomic energies (n_atoms,).

    descriptor  from `course.descriptors`, or any other
    elements    the atomic numbers that the model knows
    hidden      widths of the hidden layers
    """

    T = 1  # an atom sees its neighbours, and nobody behind them
    mean: Tensor  # (n_elements, n_features)
    spread: Tensor  # (n_elements, n_features)

    def __init__(self, descriptor: Descriptor, elements: Sequence[int], hidden: Sequence[int] = (64, 64)):
        super().__init__()
        self.descriptor, self.elements, self.hidden = descriptor, list(elements), list(hidden)
        self.cutoff = descriptor.cutoff
        self.networks = nn.ModuleList(AtomicNetwork(descriptor.n_features, hidden) for _ in elements)
        self.register_buffer("mean", torch.zeros(len(self.elements), descriptor.n_features))
        self.register_buffer("spread", torch.ones(len(self.elements), descriptor.n_features))

    @property
    def settings(self) -> dict[str, Any] | None:
        """What makes the same model again, as JSON can hold it; None with a description of one's own."""
        name = type(self.descriptor).__name__
        if name not in DESCRIPTORS:
            return None
        descriptor = {"name": name, "settings": self.descriptor.settings}  # type: ignore[attr-defined]
        return {"descriptor": descriptor, "elements": self.elements, "hidden": self.hidden}

    @classmethod
    def from_settings(cls, descriptor: dict[str, Any], elements: list[int], hidden: list[int]) -> BehlerParrinello:
        return cls(DESCRIPTORS[descriptor["name"]](**descriptor["settings"]), elements, hidden)

    def standardize(self, dataset: Dataset, n_frames: int = 200) -> BehlerParrinello:
        """Set mean and spread of every feature, element by element, from some frames of the (training) data."""
        frames = dataset[:: max(1, len(dataset) // n_frames)]
        graph = batch([molecular_graph((frame.numbers, frame.positions), self.cutoff) for frame in frames])
        x = self.descriptor(graph)
        for k, element in enumerate(self.elements):
            rows = x[graph.numbers == element]
            if len(rows):
                _, self.mean[k], self.spread[k] = standardize(rows)
        return self

    def forward(self, graph: Graph) -> Tensor:
        """Atomic energies (n_atoms,)."""
        x = recalled(graph)  # (n_atoms, n_features), where it was computed beforehand
        x = self.descriptor(graph) if x is None else x
        k = element_index(graph.numbers, self.elements)
        x = (x - self.mean[k]) / self.spread[k]
        E_i = x.new_zeros(graph.n_atoms)
        for element, network in zip(self.elements, self.networks, strict=True):
            (rows,) = torch.nonzero(graph.numbers == element, as_tuple=True)
            E_i = E_i.index_copy(0, rows, network(x.index_select(0, rows)))
        return E_i

"""The Behler-Parrinello network: a fixed description of each atom, and one small network for each element.

    E_i = network of element Z_i ( (x_i - mean) / spread ),   x_i the symmetry functions of atom i

Behler, Parrinello, Phys. Rev. Lett. 2007, 98, 146401, doi 10.1103/PhysRevLett.98.146401.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from course.datasets import Dataset
from course.descriptors.precomputed import recalled
from course.descriptors.symmetry_functions import element_index
from course.graph import Graph, batch, molecular_graph
from course.models.message_passing import perceptron


class Descriptor(Protocol):
    """A fixed description: graph -> (n_atoms, n_features)."""

    @property
    def cutoff(self) -> float: ...
    @property
    def n_features(self) -> int: ...
    def __call__(self, graph: Graph) -> Tensor: ...


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
        self.descriptor, self.elements, self.cutoff = descriptor, list(elements), descriptor.cutoff
        self.networks = nn.ModuleList(perceptron(descriptor.n_features, *hidden, 1) for _ in elements)
        self.register_buffer("mean", torch.zeros(len(self.elements), descriptor.n_features))
        self.register_buffer("spread", torch.ones(len(self.elements), descriptor.n_features))

    def standardize(self, dataset: Dataset, n_frames: int = 200) -> BehlerParrinello:
        """Set mean and spread of every feature, element by element, from some frames of the (training) data.

        A feature that hardly changes in them keeps its size: blown up, it would answer wildly to a new molecule.
        """
        frames = dataset[:: max(1, len(dataset) // n_frames)]
        graph = batch([molecular_graph((frame.numbers, frame.positions), self.cutoff) for frame in frames])
        x = self.descriptor(graph)
        for k, element in enumerate(self.elements):
            rows = x[graph.numbers == element]
            if len(rows):
                spread = rows.std(dim=0, correction=0)
                self.mean[k] = rows.mean(dim=0)
                self.spread[k] = torch.where(spread > 0.01, spread, 1.0)
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
            E_i = E_i.index_copy(0, rows, network(x[rows])[:, 0])
        return E_i

"""Data on their way to the model: labelled graphs, one molecule or a batch of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from course.datasets import Dataset
from course.descriptors.precomputed import described
from course.graph import Graph, batch, molecular_graph


class Sample(NamedTuple):
    """A graph and its labels: one molecule, or a batch of them."""

    graph: Graph
    energy: Tensor  # (n_molecules,)  eV
    forces: Tensor  # (n_atoms, 3)    eV/Angstrom


def samples(
    dataset: Dataset,
    cutoff: float,
    dtype: torch.dtype = torch.float32,
    descriptor: Callable[[Graph], Tensor] | None = None,
) -> list[Sample]:
    """Every frame as a graph with its labels. Energies stay in double precision, all else is of type `dtype`.

    With a fixed descriptor, the graphs carry its features and their derivatives from now on.
    """
    if dataset.forces is None:
        raise ValueError(f"The data set {dataset.name!r} has no forces; training and evaluation need them.")
    graphs = [molecular_graph((frame.numbers, frame.positions), cutoff).to(dtype=dtype) for frame in dataset]
    if descriptor is not None:
        graphs = described(graphs, descriptor)
    energies = torch.tensor(dataset.energies, dtype=torch.float64)[:, None]
    forces = [torch.tensor(frame.forces, dtype=dtype) for frame in dataset]
    return [Sample(*labelled) for labelled in zip(graphs, energies, forces, strict=True)]


def collate(members: Sequence[Sample]) -> Sample:
    """Samples as one sample: the graphs as one large graph, the labels stacked."""
    graphs, energies, forces = zip(*members, strict=True)
    return Sample(batch(graphs), torch.cat(energies), torch.cat(forces))


def batches(members: Sequence[Sample], batch_size: int, order: Sequence[int]) -> Iterator[tuple[Sequence[int], Sample]]:
    """The members in this order, `batch_size` at a time, each with the indices that it was made of."""
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        yield chosen, collate([members[index] for index in chosen])

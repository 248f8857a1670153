"""The molecular graph: atoms are nodes, and every pair closer than the cutoff is joined by two directed edges.

The index rule of the whole course: i is the receiver, j the sender, R_ij = R_j - R_i, and a message m_ji travels
from j to i. Both directions are present, and no atom is its own neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import vesin
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import ArrayLike
from torch import Tensor

FEATURES = ("e_ij", "x_i", "dx_dR")  # what a graph may carry besides numbers, positions and edges


@dataclass(frozen=True)
class Graph:
    """One molecule, or several that do not see each other.

    numbers         (n_atoms,)      atomic numbers
    positions       (n_atoms, 3)    R_i, Angstrom
    senders         (n_edges,)      index j of the atom that speaks
    receivers       (n_edges,)      index i of the atom that listens
    molecule_index  (n_atoms,)      the molecule that each atom belongs to
    n_molecules                     how many molecules there are
    e_ij            (n_edges, n_e)  edge features, where somebody has chosen some
    x_i             (n_atoms, n_f)  a fixed description of the atoms, where somebody has computed it beforehand,
    dx_dR           (n_edges, 3, n_f)   and its derivatives, dx_i / dR_ij; true for these positions only
    """

    numbers: Tensor
    positions: Tensor
    senders: Tensor
    receivers: Tensor
    molecule_index: Tensor
    n_molecules: int = 1
    e_ij: Tensor | None = None
    x_i: Tensor | None = None
    dx_dR: Tensor | None = None

    @property
    def n_atoms(self) -> int:
        return len(self.numbers)

    @property
    def n_edges(self) -> int:
        return len(self.senders)

    @property
    def displacements(self) -> Tensor:
        """R_ij = R_j - R_i, (n_edges, 3), Angstrom."""
        return self.positions[self.senders] - self.positions[self.receivers]

    @property
    def distances(self) -> Tensor:
        """r_ij = |R_ij|, (n_edges,), Angstrom."""
        return torch.linalg.vector_norm(self.displacements, dim=1)

    def moved(self, positions: Tensor) -> Graph:
        """The same graph, same edges, with its atoms elsewhere."""
        return replace(self, positions=positions)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Graph:
        """The same graph on another device; `dtype` is for positions and features, indices stay integers."""
        tables = {name: getattr(self, name) for name in FEATURES}
        features: dict[str, Any] = {n: None if t is None else t.to(device, dtype) for n, t in tables.items()}
        return replace(
            self,
            numbers=self.numbers.to(device),
            positions=self.positions.to(device, dtype),
            senders=self.senders.to(device),
            receivers=self.receivers.to(device),
            molecule_index=self.molecule_index.to(device),
            **features,
        )


def molecular_graph(atoms: Atoms | tuple[ArrayLike, ArrayLike], cutoff: float) -> Graph:
    """The graph of one molecule: an edge j -> i for every ordered pair with r_ij < cutoff.

    atoms   an `ase.Atoms`, or the pair (numbers (n_atoms,), positions (n_atoms, 3) in Angstrom)
    cutoff  r_c, Angstrom

    Raises ValueError for a cutoff that is not positive, for arrays that do not fit, and for a periodic cell.
    """
    if not cutoff > 0:
        raise ValueError(f"The cutoff must be a positive length in Angstrom, got {cutoff}.")
    if isinstance(atoms, Atoms):
        if atoms.pbc.any():
            raise ValueError("The molecule is periodic (pbc is set); this course treats molecules in empty space.")
        atoms = (atoms.numbers, atoms.positions)
    numbers = torch.tensor(np.asarray(atoms[0], dtype=np.int64))
    positions = torch.tensor(np.asarray(atoms[1], dtype=np.float64))
    if positions.shape != (len(numbers), 3):
        raise ValueError(
            f"{len(numbers)} atomic numbers need positions of shape ({len(numbers)}, 3), got {tuple(positions.shape)}."
        )
    neighbors = vesin.NeighborList(cutoff=cutoff, full_list=True)
    i, j = neighbors.compute(points=positions.numpy(), box=np.zeros((3, 3)), periodic=False, quantities="ij")
    return Graph(
        numbers=numbers,
        positions=positions,
        senders=torch.as_tensor(j.astype(np.int64)),
        receivers=torch.as_tensor(i.astype(np.int64)),
        molecule_index=torch.zeros(len(numbers), dtype=torch.int64),
    )


def batch(graphs: Sequence[Graph]) -> Graph:
    """Several graphs as one large graph without edges between them.

    Atoms are stacked, edge indices are shifted by the number of atoms before them, and `molecule_index` remembers
    who belongs together.

    Raises ValueError for an empty list.
    """
    if not graphs:
        raise ValueError("A batch needs at least one graph, got an empty list.")
    atoms_before = np.cumsum([0] + [graph.n_atoms for graph in graphs[:-1]]).tolist()
    molecules_before = np.cumsum([0] + [graph.n_molecules for graph in graphs[:-1]]).tolist()
    features = {name: [getattr(graph, name) for graph in graphs] for name in FEATURES}
    return Graph(
        numbers=torch.cat([graph.numbers for graph in graphs]),
        positions=torch.cat([graph.positions for graph in graphs]),
        senders=torch.cat([graph.senders + n for graph, n in zip(graphs, atoms_before, strict=True)]),
        receivers=torch.cat([graph.receivers + n for graph, n in zip(graphs, atoms_before, strict=True)]),
        molecule_index=torch.cat([graph.molecule_index + n for graph, n in zip(graphs, molecules_before, strict=True)]),
        n_molecules=sum(graph.n_molecules for graph in graphs),
        **{name: None if any(t is None for t in tables) else torch.cat(tables) for name, tables in features.items()},
    )


def neighbor_pairs(receivers: Tensor) -> tuple[Tensor, Tensor]:
    """All pairs of edges that end at the same atom, each pair once: the corners of an angle.

    receivers  (n_edges,)
    returns    first (n_pairs,), second (n_pairs,): numbers of edges, with receivers[first] == receivers[second]
    """
    order = torch.argsort(receivers, stable=True)  # edges of the same atom stand side by side
    crowd = torch.bincount(receivers)
    ends = crowd.cumsum(0)[receivers[order]]  # where the edges of this atom end
    behind = ends - 1 - torch.arange(len(order), device=receivers.device)  # how many of them come after this one
    first = torch.repeat_interleave(torch.arange(len(order), device=receivers.device), behind)
    started = torch.repeat_interleave(behind.cumsum(0) - behind, behind)
    second = first + 1 + torch.arange(len(first), device=receivers.device) - started
    return order[first], order[second]


def bond_length(z_i: Tensor, z_j: Tensor) -> Tensor:
    """The sum of the covalent radii of two elements, Angstrom; atomic numbers of any shape."""
    radius = torch.as_tensor(covalent_radii, device=z_i.device)
    return radius[z_i] + radius[z_j]


def is_bond(z_i: Tensor, z_j: Tensor, distances: Tensor) -> Tensor:
    """Whether two atoms are joined by a chemical bond: closer than 1.25 times the sum of their covalent radii."""
    return distances < 1.25 * bond_length(z_i, z_j)

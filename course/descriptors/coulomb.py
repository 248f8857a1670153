"""The local Coulomb vector: the first idea one has, and a lesson in what goes wrong.

It is invariant under rotation, translation and permutation. It is not smooth: a neighbour that leaves takes its entry
along at once, and shifts all behind it; where two entries trade places the slope jumps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from course.graph import Graph


def local_coulomb_vector(graph: Graph, length: int) -> Tensor:
    """The nuclear charges of the neighbours over their distances, largest first, filled up with zeros.

        x_i = sorted { Z_j / r_ij  for all neighbours j }

    graph    its edges are the neighbours
    length   number of features, at least the number of neighbours of the most crowded atom
    returns  (n_atoms, length)   1/Angstrom

    Raises ValueError for an atom with more neighbours than `length`.

    A row of the Coulomb matrix of Rupp, Tkatchenko, Mueller, von Lilienfeld, Phys. Rev. Lett. 2012, 108, 058301,
    doi 10.1103/PhysRevLett.108.058301, with the charge of the atom itself left out, and cut off.
    """
    crowd = torch.bincount(graph.receivers, minlength=graph.n_atoms)
    if graph.n_edges and crowd.max() > length:
        raise ValueError(
            f"Atom {int(crowd.argmax())} has {int(crowd.max())} neighbours, and the vector has room for {length}."
        )
    entries = graph.numbers[graph.senders] / graph.distances  # (n_edges,)
    order = torch.argsort(entries, descending=True, stable=True)
    order = order[torch.argsort(graph.receivers[order], stable=True)]  # atom by atom, and largest first within each
    i = graph.receivers[order]
    place = torch.arange(graph.n_edges, device=i.device) - (crowd.cumsum(0) - crowd)[i]
    x = graph.positions.new_zeros(graph.n_atoms, length)
    return x.index_put((i, place), entries[order])


class CoulombVector:
    """`local_coulomb_vector` with its settings: graph -> (n_atoms, length)."""

    def __init__(self, cutoff: float, length: int):
        self.cutoff, self.n_features = cutoff, length
        self.settings = {"cutoff": cutoff, "length": length}

    def __call__(self, graph: Graph) -> Tensor:
        return local_coulomb_vector(graph, self.n_features)

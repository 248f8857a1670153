"""Timings as ratios against a peer, in one run: `make bench`. Below 1, ours is faster.

graph   building the molecular graph, against ASE's neighbour list
batch   energies and forces of ten molecules as one large graph, against one by one
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list

from course import MPNN, Potential, batch, load, molecular_graph


def seconds(function: Callable[[], object], at_least: float = 1.0) -> float:
    """The median time of a call, over as many calls as fit into a second."""
    function()  # the first call pays for caches
    times: list[float] = []
    while sum(times) < at_least or len(times) < 5:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def graph_against_ase(n_atoms: int) -> float:
    rng = np.random.default_rng(0)
    atoms = Atoms("H" * n_atoms, rng.uniform(0, (10 * n_atoms) ** (1 / 3), size=(n_atoms, 3)))  # 0.1 atoms / A^3
    return seconds(lambda: molecular_graph(atoms, 5.0)) / seconds(lambda: neighbor_list("ijD", atoms, 5.0))


def batch_against_one_by_one() -> float:
    ethanol = load("ethanol")
    potential = Potential(MPNN(ethanol.elements)).eval()
    graphs = [potential.graph(ethanol.to_ase(k)) for k in range(10)]
    together = batch(graphs)
    return seconds(lambda: potential(together)) / seconds(lambda: [potential(graph) for graph in graphs])


if __name__ == "__main__":
    torch.manual_seed(0)
    for n_atoms in (10, 100, 1000):
        print(f"graph of {n_atoms:4} atoms / ASE      {graph_against_ase(n_atoms):.3f}")
    print(f"batch of 10 ethanols / one by one  {batch_against_one_by_one():.3f}")

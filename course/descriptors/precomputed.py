"""The one virtue of an inflexible description: nothing in it is learned, so it is computed once.

A training asks for x_i and dx_i/dR of the same geometries again and again. Here they are stored in the graphs, and
from then on the description is a straight line with the right value and the right slope:

    x_i(R) = x_i + sum_j dx_i/dR_ij (R_ij - R_ij^0),   at R = R^0

There is no term for the atom i itself: a description knows displacements only, so dx_i/dR_i = -sum_j dx_i/dR_ij.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from course.graph import Graph, batch


def described(graphs: Sequence[Graph], descriptor: Callable[[Graph], Tensor], at_once: int = 50) -> list[Graph]:
    """The same graphs with x_i (n_atoms, n_f) and dx_dR (n_edges, 3, n_f) of a descriptor.

    One atom is moved in one direction, in many molecules at once: what does that do to every feature? A description
    hears its neighbours only, so every such derivative belongs to an edge.
    """
    result: list[Graph] = []
    for start in range(0, len(graphs), at_once):
        chunk = list(graphs[start : start + at_once])
        result += split(chunk, *derivatives(batch(chunk), descriptor))
    return result


def derivatives(graph: Graph, descriptor: Callable[[Graph], Tensor]) -> tuple[Tensor, Tensor]:
    """x_i (n_atoms, n_f) and dx_dR (n_edges, 3, n_f) of one graph with many molecules."""
    graph = replace(graph, x_i=None, dx_dR=None)
    sizes = torch.bincount(graph.molecule_index, minlength=graph.n_molecules)
    place = torch.arange(graph.n_atoms) - (sizes.cumsum(0) - sizes)[graph.molecule_index]  # within its molecule
    R = graph.positions.detach().requires_grad_()
    x_i = descriptor(graph.moved(R)) + 0 * R.sum()  # also where no atom has a neighbour
    # The gradient of u . x is linear in u; its derivative by u, along a step, is the change of x along that step.
    u = torch.zeros_like(x_i, requires_grad=True)
    (gradient,) = torch.autograd.grad(x_i, R, u, create_graph=True)
    dx_dR = x_i.new_zeros(graph.n_edges, 3, x_i.shape[1])
    for k in range(int(sizes.max())):
        edges = place[graph.senders] == k
        for direction in range(3):
            step = torch.zeros_like(R)
            step[place == k, direction] = 1.0  # atom k of every molecule
            (change,) = torch.autograd.grad(gradient, u, step, retain_graph=True)
            dx_dR[edges, direction] = change[graph.receivers[edges]]
    return x_i.detach(), dx_dR


def split(graphs: Sequence[Graph], x_i: Tensor, dx_dR: Tensor) -> list[Graph]:
    """What was computed for all together, given back to each."""
    x_parts = x_i.split([graph.n_atoms for graph in graphs])
    d_parts = dx_dR.split([graph.n_edges for graph in graphs])
    return [replace(g, x_i=x.clone(), dx_dR=d.clone()) for g, x, d in zip(graphs, x_parts, d_parts, strict=True)]


def recalled(graph: Graph) -> Tensor | None:
    """The stored description of a graph as a function of its positions, (n_atoms, n_f); None where there is none."""
    if graph.x_i is None or graph.dx_dR is None:
        return None
    R_ij = graph.displacements
    step = (R_ij - R_ij.detach())[:, :, None]  # zero, with the slope of one
    change = (graph.dx_dR * step).sum(dim=1)  # (n_edges, 3, n_f) -> (n_edges, n_f)
    return graph.x_i.index_add(0, graph.receivers, change)

"""Exercises 4.1 to 4.6: the molecular graph, and one round of message passing by hand."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course import graph as library
from course.exercises.evidence import Encoded, Slip, array, describe, encode
from course.exercises.exercise import Case, Difference, Misconception, by_value, tensor
from course.graph import Graph
from course.models.message_passing import (
    accumulate,
    concat_message,
    initial_features,
    matrix_message,
    message_passing,
    outer_message,
)
from course.radial import cosine_cutoff, gaussian_basis, radial_grid

# ----------------------------------------------------------------------------------------------- 4.1 molecular_graph


def molecular_graph(positions: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    """The sender j and the receiver i of each edge j -> i with r_ij < cutoff."""
    graph = library.molecular_graph((np.ones(len(positions)), positions.numpy()), cutoff)
    return graph.senders, graph.receivers


def positions_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([[0.0, 0, 0], [0, 0, 1]]), 1.5))
    yield Case((tensor([[0.0, 0, 0]]), 2.0), when="with one atom alone")
    yield Case((tensor([[0.0, 0, 0], [0, 0, 1.0], [0, 0, 2.5]]), 2))  # a chain: 0 and 2 do not see each other
    yield Case((tensor([[0.0, 0, 0], [3.0, 4.0, 0]]), 5.0))  # exactly at the cutoff
    yield Case((tensor([[0.0, 0, 0], [1.5, 1.5, 0], [0.5, 0, 0]]), 2.0))  # near along each axis, far in space
    yield Case((tensor([[0.0, 0, 0], [0.6, 0, 0], [9.0, 9, 9]]), 0.5), when="where nobody sees anybody")
    for n_atoms in (5, 9):
        while True:
            positions = rng.uniform(-2, 2, size=(n_atoms, 3))
            distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
            if np.abs(distances - 2.2).min() > 1e-3:  # single precision must see the same edges
                break
        yield Case((tensor(positions), 2.2))


def sorted_edges(encoded: Encoded) -> Encoded:
    """The edges in one order. An answer that is not two equal rows stays as it is."""
    if "values" not in encoded or len(encoded["shape"]) != 2 or encoded["shape"][0] != 2:
        return encoded
    edges = array(encoded)
    edges = edges[:, np.lexsort(edges)]
    return {"fields": {"senders": encode(edges[0]), "receivers": encode(edges[1])}}


def all_distances(positions: Tensor) -> Tensor:
    return torch.linalg.vector_norm(positions[None, :, :] - positions[:, None, :], dim=2)


def without_self(near: Tensor) -> Tensor:
    return near & ~torch.eye(len(near), dtype=torch.bool)


def edges_of(near: Tensor) -> tuple[Tensor, Tensor]:
    receivers, senders = torch.nonzero(near, as_tuple=True)
    return senders, receivers


def inside_a_box(positions: Tensor, cutoff: float) -> tuple[Tensor, Tensor]:
    return edges_of(without_self((positions[None] - positions[:, None]).abs().amax(dim=2) < cutoff))


MOLECULAR_GRAPH = by_value(
    "4.1",
    molecular_graph,
    cases=positions_cases,
    canonical=sorted_edges,
    wrong_kinds={
        "float": "The edges are right, but your indices are not integers. With no edges, `torch.tensor([])` is a "
        "tensor of floats, and no tensor can be indexed with it: write `dtype=torch.long`."
    },
    success="every pair inside the cutoff talks both ways, and nobody talks to himself.",
    start="Start from the table of all distances, (n_atoms, n_atoms).",
    hints=(
        "Which entries of the (n_atoms, n_atoms) table of distances are edges, and which entries never are?",
        "`torch.nonzero(mask, as_tuple=True)` gives the row and the column of each True in a table.",
        "`mask = (r < cutoff) & ~torch.eye(n_atoms, dtype=torch.bool)`, with `r` from "
        "`torch.linalg.vector_norm(positions[None, :, :] - positions[:, None, :], dim=2)`.",
    ),
    misconceptions=[
        Misconception(
            "self edges",
            "Every atom is its own neighbour in your graph. Its distance to itself is 0, and 0 is below every cutoff, "
            "so it has to be taken out by hand.",
            lambda positions, cutoff: edges_of(all_distances(positions) < cutoff),
        ),
        Misconception(
            "each pair once",
            "Each pair is in your list once. A message travels one way, so a pair that talks needs two edges, "
            "j -> i and i -> j. As it stands, one of the two atoms never hears anything.",
            lambda positions, cutoff: edges_of(torch.triu(all_distances(positions) < cutoff, diagonal=1)),
        ),
        Misconception(
            "each pair once, the other half",
            "Each pair is in your list once. A message travels one way, so a pair that talks needs two edges, "
            "j -> i and i -> j. As it stands, one of the two atoms never hears anything.",
            lambda positions, cutoff: edges_of(torch.tril(all_distances(positions) < cutoff, diagonal=-1)),
        ),
        Misconception(
            "at the cutoff",
            "An atom that stands exactly at the cutoff is in your graph. The rule is r_ij < r_c. There f_c is 0 and "
            "no energy notices, but two people who count edges should find the same number.",
            lambda positions, cutoff: edges_of(without_self(all_distances(positions) <= cutoff)),
        ),
        Misconception(
            "squared distance",
            "You compared the squared distance with the cutoff. Take the square root, or square the cutoff too.",
            lambda positions, cutoff: edges_of(without_self(all_distances(positions) ** 2 < cutoff)),
        ),
        Misconception(
            "axis by axis",
            "You compared the coordinates one by one with the cutoff. That is a box and not a sphere: two atoms that "
            "are near along each axis can be far apart, and the graph would change when the molecule turns.",
            inside_a_box,
        ),
        *(
            Misconception(
                f"one row an edge, {kind.__name__}",
                "Your answer has one row, or one pair, for each edge. Asked are two rows of numbers, all senders and "
                "all receivers: `return senders, receivers`.",
                lambda positions, cutoff, kind=kind: kind(torch.stack(molecular_graph(positions, cutoff), dim=1)),
            )
            for kind in (Tensor.clone, Tensor.tolist)
        ),
        Misconception(
            "a table",
            "You return the whole table of who is near whom. Asked are the places of its Trues: "
            "`receivers, senders = torch.nonzero(mask, as_tuple=True)`.",
            lambda positions, cutoff: without_self(all_distances(positions) < cutoff),
        ),
        Misconception(
            "the far ones",
            "Your edges join the atoms that are farther apart than the cutoff. The comparison points the other way.",
            lambda positions, cutoff: edges_of(all_distances(positions) > cutoff),
        ),
    ],
)

# ---------------------------------------------------------------------------------------------- 4.2 initial_features


def numbers_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([8, 1]), [1, 8], 3))
    yield Case((tensor([1]), [1], 1))  # one atom, no buffer
    yield Case((tensor([6, 8, 1]), [6, 1, 8, 7], 4))  # the order of the elements is not that of the numbers
    yield Case((tensor([6, 8, 1]), [8, 1, 6, 7], 12))  # the same molecule, two elements have changed places
    yield Case((tensor([1, 1]), [6, 1], 5))  # an element that the molecule does not have
    elements = rng.permutation([1, 6, 7, 8]).tolist()
    yield Case((tensor(rng.choice(elements, size=9)), elements, 16))


def columns(numbers: Tensor, elements: list[int], n_f: int) -> Tensor:
    """One-hot columns in this order, and the buffer."""
    x = torch.zeros(len(numbers), n_f)
    for column, element in enumerate(elements):
        x[numbers == element, column] = 1
    return x


def columns_by_number(numbers: Tensor, elements: list[int], n_f: int) -> Tensor:
    return torch.nn.functional.one_hot(numbers, n_f)


def ones_in_the_buffer(numbers: Tensor, elements: list[int], n_f: int) -> Tensor:
    x = columns(numbers, elements, n_f)
    x[:, len(elements) :] = 1
    return x


def buffer_first(numbers: Tensor, elements: list[int], n_f: int) -> Tensor:
    return columns(numbers, elements, n_f).roll(n_f - len(elements), dims=1)


INITIAL_FEATURES = by_value(
    "4.2",
    initial_features,
    cases=numbers_cases,
    wrong_kinds={
        "int": "The values are right, but they are integers: `one_hot` gives integers. Features are floating-point "
        "numbers: add `.to(torch.get_default_dtype())`.",
        "bool": "The values are right, but they are True and False: a comparison gives those. Features are "
        "floating-point numbers: add `.to(torch.get_default_dtype())`.",
    },
    success="each atom knows its element and nothing else.",
    start="Start from torch.zeros(n_atoms, n_f).",
    hints=(
        "Each row holds a single 1. What decides its column: the atomic number, or its place in `elements`?",
        "`numbers[:, None] == torch.tensor(elements)` compares every atom with every element. Which shape has it?",
        "`x = torch.zeros(n_atoms, n_f); x[:, :len(elements)] = (numbers[:, None] == torch.tensor(elements)).float()`",
    ),
    misconceptions=[
        Misconception(
            "sorted columns",
            "Your columns are in the order of the atomic numbers. The order of `elements` decides: its first element "
            "has column 0.",
            lambda numbers, elements, n_f: columns(numbers, sorted(elements), n_f),
        ),
        Misconception(
            "numbers for ones",
            "You wrote the atomic number where a 1 belongs. Then oxygen is eight times as much as hydrogen, and carbon "
            "lies between them. An element is a name, not an amount.",
            lambda numbers, elements, n_f: columns(numbers, elements, n_f) * numbers[:, None],
        ),
        Misconception(
            "column is the atomic number",
            "You used the atomic number itself as the column. Carbon then needs column 6, most columns stay empty, and "
            "n_f must exceed the heaviest element. The column is the place of the element in `elements`.",
            columns_by_number,
        ),
        Misconception(
            "elements of this molecule",
            "Your columns belong to the elements that occur in this molecule. In the next molecule column 0 may then "
            "mean another element, and a network cannot read that. Use the columns of `elements`, also the empty ones.",
            lambda numbers, elements, n_f: columns(numbers, torch.unique(numbers).tolist(), n_f),
        ),
        Misconception(
            "no buffer",
            lambda d: (
                f"The buffer is missing: your rows have {got_width(d)} numbers, n_f is "
                f"{describe(d.inputs['n_f'])}. The zeros are room in which the atom writes down what it hears."
            ),
            lambda numbers, elements, n_f: columns(numbers, elements, len(elements)),
        ),
        Misconception(
            "buffer first",
            "Your buffer stands before the element columns. It belongs behind them.",
            buffer_first,
        ),
        Misconception(
            "ones in the buffer",
            "Your buffer holds ones. It is room for what the atom is going to hear, and nobody has spoken yet: zeros.",
            ones_in_the_buffer,
        ),
        Misconception(
            "transposed",
            "Rows and columns are exchanged: an atom is a row, a feature is a column.",
            lambda numbers, elements, n_f: columns(numbers, elements, n_f).T,
        ),
    ],
)


def got_width(difference: Difference) -> str:
    return str(difference.got["shape"][-1])


# ------------------------------------------------------------------------------------------------- 4.3 edge_features


def edge_features(distances: Tensor, n_e: int, cutoff: float) -> Tensor:
    """e_ij,k = exp(-eta (r_ij - R_k)^2) f_c(r_ij), with R_k from 0 to the cutoff and eta = (n_e / cutoff)^2."""
    centers, eta = radial_grid(cutoff, n_e)
    return gaussian_basis(distances, centers, eta) * cosine_cutoff(distances, cutoff)[:, None]


def distances_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([1.5]), 3, 4.0))  # three different columns
    yield Case((tensor(np.zeros(0)), 4, 3.0), when="with no edges at all")
    yield Case((tensor([3.0, 2.999, 3.5, 6.0]), 4, 3.0))  # at, just inside and beyond the cutoff
    yield Case((tensor(rng.uniform(0.7, 5.0, size=5)), 5, 5.0))  # as many edges as features
    yield Case((tensor(rng.uniform(0.7, 4.5, size=11)), 8, 4.5))
    yield Case((tensor([1, 2]), 2, 4), when="with integers for distances")


def f_c(distances: Tensor, cutoff: float) -> Tensor:
    return cosine_cutoff(distances, cutoff)[:, None]


def gaussians(distances: Tensor, n_e: int, cutoff: float) -> Tensor:
    return gaussian_basis(distances, *radial_grid(cutoff, n_e))


def never_cut(distances: Tensor, n_e: int, cutoff: float) -> Tensor:
    return gaussians(distances, n_e, cutoff) * (torch.cos(math.pi * distances / cutoff)[:, None] + 1) / 2


def centers_without_the_last(distances: Tensor, n_e: int, cutoff: float) -> Tensor:
    centers = torch.arange(n_e) * cutoff / n_e
    return gaussian_basis(distances, centers, (n_e / cutoff) ** 2) * f_c(distances, cutoff)


def in_radians(distances: Tensor, n_e: int, cutoff: float) -> Tensor:
    weights = torch.where(distances < cutoff, (torch.cos(distances / cutoff) + 1) / 2, 0)
    return gaussians(distances, n_e, cutoff) * weights[:, None]


def far_edges_dropped(distances: Tensor, n_e: int, cutoff: float) -> Tensor:
    return edge_features(distances[distances < cutoff], n_e, cutoff)


def hard_cutoff(distances: Tensor, n_e: int, cutoff: float) -> Tensor:
    return gaussians(distances, n_e, cutoff) * (distances < cutoff)[:, None]


EDGE_FEATURES = by_value(
    "4.3",
    edge_features,
    cases=distances_cases,
    success="a row of overlapping Gaussians, and silence from the cutoff on.",
    start="Start from the centres, torch.linspace(0, cutoff, n_e).",
    hints=(
        "Two factors: how close the distance is to each centre, and how much an atom at that distance may still say.",
        "`distances[:, None] - centers` has the shape (n_edges, n_e). The cutoff function is one number an edge: which "
        "shape must it have to multiply each row?",
        "`torch.exp(-eta * (distances[:, None] - centers) ** 2) * f_c[:, None]`, where `f_c` is "
        "`(cos(pi r / r_c) + 1) / 2` inside the cutoff and 0 outside (`torch.where`).",
    ),
    misconceptions=[
        Misconception(
            "no cutoff function",
            "The Gaussians are right, but f_c is missing. An atom that comes in over the cutoff then brings a finite "
            "feature with it from one step to the next.",
            gaussians,
        ),
        Misconception(
            "hard cutoff",
            "You set the features to zero beyond the cutoff, and leave them whole inside it. That is the jump that "
            "f_c is there to remove.",
            hard_cutoff,
        ),
        Misconception(
            "cutoff function squared",
            "f_c stands in your features twice. It belongs there once.",
            lambda distances, n_e, cutoff: gaussians(distances, n_e, cutoff) * f_c(distances, cutoff) ** 2,
        ),
        Misconception(
            "never cut",
            "Beyond the cutoff the cosine rises again, and so do your features: an atom outside gets a voice. There "
            "f_c is 0, whatever the cosine says.",
            never_cut,
        ),
        Misconception(
            "not squared",
            "exp(-eta |r - R_k|) has a kink at each centre, and forces would jump there. Square the difference.",
            lambda distances, n_e, cutoff: (
                torch.exp(-((n_e / cutoff) ** 2) * (distances[:, None] - radial_grid(cutoff, n_e)[0]).abs())
                * f_c(distances, cutoff)
            ),
        ),
        Misconception(
            "eta is a width",
            "You divided by eta. It is a sharpness, in 1/A^2, and multiplies the square.",
            lambda distances, n_e, cutoff: (
                gaussian_basis(distances, radial_grid(cutoff, n_e)[0], (cutoff / n_e) ** 2) * f_c(distances, cutoff)
            ),
        ),
        Misconception(
            "eta without the square",
            "Your eta is n_e / r_c. It carries the unit 1/A^2: square it.",
            lambda distances, n_e, cutoff: (
                gaussian_basis(distances, radial_grid(cutoff, n_e)[0], n_e / cutoff) * f_c(distances, cutoff)
            ),
        ),
        Misconception(
            "eta from the gaps",
            "Your eta is ((n_e - 1) / r_c)^2: one over the square of the gap. The course counts the centres, "
            "(n_e / r_c)^2.",
            lambda distances, n_e, cutoff: (
                gaussian_basis(distances, radial_grid(cutoff, n_e)[0], ((n_e - 1) / cutoff) ** 2)
                * f_c(distances, cutoff)
            ),
        ),
        Misconception(
            "eta with the cutoff alone squared",
            "Your eta is n_e / r_c^2. The whole fraction is squared: (n_e / r_c)^2.",
            lambda distances, n_e, cutoff: (
                gaussian_basis(distances, radial_grid(cutoff, n_e)[0], n_e / cutoff**2) * f_c(distances, cutoff)
            ),
        ),
        Misconception(
            "no power at all",
            "You did not square r - R_k. Left of the centre the exponent is then positive, and there is no bell: "
            "exp(-eta (r - R_k)^2).",
            lambda distances, n_e, cutoff: (
                torch.exp(-((n_e / cutoff) ** 2) * (distances[:, None] - radial_grid(cutoff, n_e)[0]))
                * f_c(distances, cutoff)
            ),
        ),
        Misconception(
            "sign of the exponent",
            "Your exponent is positive: the features grow with the distance from the centre. A Gaussian falls, "
            "exp(-eta (r - R_k)^2).",
            lambda distances, n_e, cutoff: (
                gaussian_basis(distances, radial_grid(cutoff, n_e)[0], -((n_e / cutoff) ** 2)) * f_c(distances, cutoff)
            ),
        ),
        Misconception(
            "cutoff function without 1/2",
            "Your features are twice too large: the factor 1/2 of f_c is missing. At distance 0 it must be 1.",
            lambda distances, n_e, cutoff: 2 * edge_features(distances, n_e, cutoff),
        ),
        Misconception(
            "cutoff function without pi",
            "The pi is missing in your f_c. Without it the cosine has not come down to -1 at the cutoff, and f_c "
            "jumps there.",
            in_radians,
        ),
        Misconception(
            "far edges dropped",
            "You left out the edges beyond the cutoff. Each distance that comes in gets its row; beyond the cutoff f_c "
            "fills it with zeros.",
            far_edges_dropped,
        ),
        Misconception(
            "cutoff function along the wrong axis",
            "f_c has the shape (n_edges,), and `*` lays it along the columns: one f_c a Gaussian, not one an edge, and "
            "an error where the numbers do not fit. `f_c[:, None]` makes it a column that multiplies each row.",
            lambda distances, n_e, cutoff: gaussians(distances, n_e, cutoff) * cosine_cutoff(distances, cutoff),
        ),
        Misconception(
            "last centre missing",
            "Your centres stop one step before the cutoff. They run from 0 to the cutoff, both included.",
            centers_without_the_last,
        ),
        Misconception(
            "transposed",
            "Rows and columns are exchanged: an edge is a row, a Gaussian is a column.",
            lambda distances, n_e, cutoff: edge_features(distances, n_e, cutoff).T,
        ),
    ],
)

# ------------------------------------------------------------------------------------------------------ 4.4 messages


def pairs_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([[1.0, 2.0]]), tensor([[3.0, 4.0]]), tensor([[5.0, 6.0]])))
    yield Case((tensor([[1.0, 0.0]]), tensor([[0.0, 1.0]]), tensor([[0.1, 0.2, 0.3, 0.4]])))
    yield Case((tensor([[0.0, 1.0]]), tensor([[1.0, 0.0]]), tensor([[0.1, 0.2, 0.3, 0.4]])))  # the other way round
    nothing = tensor(np.zeros((0, 2))), tensor(np.zeros((0, 2))), tensor(np.zeros((0, 4)))
    yield Case(nothing, when="with no edges at all")
    for n_edges, n_f, n_e in ((3, 3, 3), (6, 3, 6), (4, 2, 8)):
        x_j, x_i, e_ij = (tensor(rng.normal(size=(n_edges, n))) for n in (n_f, n_f, n_e))
        yield Case((x_j, x_i, e_ij))
    yield Case((tensor([[1, 2]]), tensor([[3, 4]]), tensor([[5, 6]])), when="with integers")


NO_ROWS = (
    "Right, until there are no edges. With no rows, torch cannot guess a -1 in `reshape` and cannot stack an empty "
    "list; the answer has the shape (0, n_m)."
)


def cat(*parts: Tensor) -> Tensor:
    return torch.cat(parts, dim=1)


def matrices(e_ij: Tensor, n_f: int) -> Tensor:
    return e_ij.unflatten(1, (e_ij.shape[1] // n_f, n_f))


def apply(A: Tensor, x: Tensor) -> Tensor:
    return (A @ x[:, :, None]).squeeze(2)


MESSAGES = by_value(
    "4.4",
    concat_message,
    outer_message,
    matrix_message,
    cases=pairs_cases,
    success="three ways to say the same thing, and none of them has anything to learn yet.",
    start="Every row is one edge, and edges do not mix.",
    points=15,
    hints=(
        "Fix one edge and write its message on paper. The first axis of every tensor here is the edge; let it stand.",
        "concat: `torch.cat` along which axis? outer: `x_j[:, :, None] * e_ij[:, None, :]` has the shape "
        "(n_edges, n_f, n_e); flatten the last two. matrix: `e_ij.unflatten(1, (n_m, n_f))` is one matrix an edge.",
        "`torch.cat([x_j, x_i, e_ij], dim=1)`; `(x_j[:, :, None] * e_ij[:, None, :]).flatten(1)`; "
        "`(e_ij.unflatten(1, (n_m, n_f)) @ x_j[:, :, None]).squeeze(2)`",
    ),
    misconceptions=[
        Misconception(
            "concat: sender and receiver",
            "The receiver stands first in your message. The order is [x_j, x_i, e_ij]: who speaks, who listens, what "
            "lies between them.",
            lambda x_j, x_i, e_ij: cat(x_i, x_j, e_ij),
        ),
        Misconception(
            "concat: edge first",
            "The edge stands first in your message. The order is [x_j, x_i, e_ij].",
            lambda x_j, x_i, e_ij: cat(e_ij, x_j, x_i),
        ),
        Misconception(
            "concat: no receiver",
            "Your message does not hold x_i, the features of the one who listens.",
            lambda x_j, x_i, e_ij: cat(x_j, e_ij),
        ),
        Misconception(
            "concat: no edge",
            "Your message does not hold e_ij. It says who speaks, and not from where.",
            lambda x_j, x_i, e_ij: cat(x_j, x_i),
        ),
        Misconception(
            "concat: along the edges",
            "You put the tables under one another, and so made new edges. The features of one edge belong in one row: "
            "concatenate along the second axis.",
            lambda x_j, x_i, e_ij: torch.cat([x_j, x_i, e_ij], dim=0),
        ),
        Misconception(
            "concat: row by row",
            NO_ROWS,
            lambda x_j, x_i, e_ij: torch.stack([torch.cat(parts) for parts in zip(x_j, x_i, e_ij, strict=True)]),
        ),
        Misconception(
            "outer: the receiver speaks",
            "You multiplied e_ij with x_i, the atom that listens. It knows itself already; what it wants to hear is "
            "x_j.",
            lambda x_j, x_i, e_ij: outer_message(x_i, x_j, e_ij),
            of="outer_message",
        ),
        Misconception(
            "outer: distance first",
            "All products are there, in another order. Column f * n_e + k holds x_jf e_ijk: one block of n_e numbers "
            "for each node feature.",
            lambda x_j, x_i, e_ij: (e_ij[:, :, None] * x_j[:, None, :]).flatten(1),
            of="outer_message",
        ),
        Misconception(
            "outer: not flat",
            "You return one matrix an edge. A message is one row: flatten the last two axes.",
            lambda x_j, x_i, e_ij: x_j[:, :, None] * e_ij[:, None, :],
            of="outer_message",
        ),
        Misconception(
            "outer: without the edge",
            "You multiplied the two atoms with each other. The product is of x_j and e_ij: which element, at which "
            "distance.",
            lambda x_j, x_i, e_ij: (x_j[:, :, None] * x_i[:, None, :]).flatten(1),
            of="outer_message",
        ),
        Misconception(
            "outer: column by column",
            "`x_j * e_ij` multiplies column with column, which needs n_f = n_e. The outer product holds each x_jf "
            "times each e_ijk: n_f n_e numbers an edge.",
            lambda x_j, x_i, e_ij: x_j * e_ij,
            of="outer_message",
        ),
        Misconception(
            "outer: minus one",
            NO_ROWS,
            lambda x_j, x_i, e_ij: (x_j[:, :, None] * e_ij[:, None, :]).reshape(len(x_j), -1),
            of="outer_message",
        ),
        Misconception(
            "matrix: the receiver speaks",
            "Your matrix acts on x_i, the atom that listens. The message comes from x_j.",
            lambda x_j, x_i, e_ij: apply(matrices(e_ij, x_i.shape[1]), x_i),
            of="matrix_message",
        ),
        Misconception(
            "matrix: column by column",
            "You read e_ij column by column. It fills the matrix row by row: the first n_f numbers are the first row.",
            lambda x_j, x_i, e_ij: apply(
                e_ij.unflatten(1, (x_j.shape[1], e_ij.shape[1] // x_j.shape[1])).transpose(1, 2), x_j
            ),
            of="matrix_message",
        ),
        Misconception(
            "matrix: not summed",
            "You multiplied the entries and did not add them up. In A x each row of A is multiplied with x and summed.",
            lambda x_j, x_i, e_ij: (matrices(e_ij, x_j.shape[1]) * x_j[:, None, :]).flatten(1),
            of="matrix_message",
        ),
        Misconception(
            "matrix: a column is left",
            "Your message has a last axis of length 1. `@` with a column gives a column; `squeeze(2)` takes it away.",
            lambda x_j, x_i, e_ij: matrices(e_ij, x_j.shape[1]) @ x_j[:, :, None],
            of="matrix_message",
        ),
        Misconception(
            "matrix: all axes of length 1 are gone",
            "`squeeze()` takes away every axis of length 1, also that of a single edge, or of a message of one number. "
            "`squeeze(2)` takes the last axis only.",
            lambda x_j, x_i, e_ij: (matrices(e_ij, x_j.shape[1]) @ x_j[:, :, None]).squeeze(),
            of="matrix_message",
        ),
        Misconception(
            "matrix: minus one",
            NO_ROWS,
            lambda x_j, x_i, e_ij: apply(e_ij.reshape(len(e_ij), -1, x_j.shape[1]), x_j),
            of="matrix_message",
        ),
    ],
)

# ---------------------------------------------------------------------------------------------------- 4.5 accumulate


def messages_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([[1.0, 2.0]]), tensor([1]), 2))
    yield Case((tensor([[1.0], [2.0], [4.0]]), tensor([1, 1, 0]), 3))  # atom 2 hears nothing
    yield Case((tensor([[3.0, 1.0]]), tensor([0]), 1), when="with one atom alone")
    yield Case((tensor(np.zeros((0, 2))), tensor(np.zeros(0, int)), 3), when="with no edges at all")
    yield Case((tensor([[-1.0], [-2.0], [-3.0]]), tensor([2, 0, 2]), 4))  # all negative, not in order
    receivers = rng.integers(0, 6, size=15)
    yield Case((tensor(rng.normal(size=(15, 3))), tensor(receivers), 7))
    yield Case((tensor(rng.normal(size=(5, 5))), tensor(rng.permutation(5)), 5))  # as many edges as atoms
    yield Case((tensor([[1, 2], [3, 4]]), tensor([1, 1]), 2), when="with integer messages")


def counts(receivers: Tensor, n_atoms: int) -> Tensor:
    return torch.bincount(receivers, minlength=n_atoms)[:, None]


def overwrite(messages: Tensor, receivers: Tensor, n_atoms: int) -> Tensor:
    bundles = torch.zeros(n_atoms, messages.shape[1], dtype=messages.dtype)
    bundles[receivers] += messages
    return bundles


def largest(messages: Tensor, receivers: Tensor, n_atoms: int) -> Tensor:
    rows = [messages[receivers == i] for i in range(n_atoms)]
    return torch.stack([row.amax(dim=0) if len(row) else row.sum(dim=0) for row in rows])


def to_the_largest_receiver(messages: Tensor, receivers: Tensor, n_atoms: int) -> Tensor:
    return accumulate(messages, receivers, int(receivers.max()) + 1)


def in_single_precision(messages: Tensor, receivers: Tensor, n_atoms: int) -> Tensor:
    return torch.zeros(n_atoms, messages.shape[1], dtype=torch.float32).index_add(0, receivers, messages)


def in_double_precision(messages: Tensor, receivers: Tensor, n_atoms: int) -> Tensor:
    return torch.zeros(n_atoms, messages.shape[1], dtype=torch.float64).index_add(0, receivers, messages)


def lost_messages(difference: Difference) -> str:
    """How many messages the busiest atom of the differing case got."""
    heard = np.bincount(array(difference.inputs["receivers"]))
    return (
        f"Only the last message to each atom is left. With an index that repeats, `+=` writes every place once. Atom "
        f"{heard.argmax()} was sent {heard.max()} messages and kept 1. Look for an operation that adds at an index."
    )


def dropped_atoms(difference: Difference) -> str:
    n_atoms = int(array(difference.inputs["n_atoms"]))
    rows = difference.got["shape"][0] if difference.got.get("shape") else "fewer"
    return (
        f"Atoms to whom nobody speaks have no row in your answer: expected {n_atoms} rows, got {rows}. They hear "
        "zeros, and their number is n_atoms, not what stands in `receivers`."
    )


ACCUMULATE = by_value(
    "4.5",
    accumulate,
    cases=messages_cases,
    success="every message arrived, once, where it was sent.",
    start="Start from torch.zeros(n_atoms, n_m).",
    hints=(
        "How many rows must the answer have, and what does an atom get to whom nobody speaks?",
        "Several edges point to one atom. Which torch operation adds rows at repeated indices?",
        "`torch.zeros(n_atoms, n_m, dtype=messages.dtype).index_add(0, receivers, messages)`",
    ),
    misconceptions=[
        Misconception("last one wins", lost_messages, overwrite),
        Misconception(
            "mean",
            "You averaged. Two neighbours then sound the same as one, and an atom cannot tell how many there are.",
            lambda m, r, n: accumulate(m, r, n) / counts(r, n).clamp(min=1),
        ),
        Misconception(
            "mean with 0 / 0",
            "You averaged, and where no message arrives that is 0 / 0. The bundle is a sum: two neighbours are to "
            "sound louder than one, and silence is zero.",
            lambda m, r, n: accumulate(m, r, n) / counts(r, n),
        ),
        Misconception(
            "largest",
            "You kept the largest message in each column. The other neighbours are then not heard at all, and where "
            "the largest changes hands the forces have a jump. In a sum everybody is heard, and it stays smooth.",
            largest,
        ),
        Misconception("up to the largest receiver", dropped_atoms, to_the_largest_receiver),
        Misconception(
            "up to the largest receiver, silence allowed",
            dropped_atoms,
            lambda m, r, n: accumulate(m, r, int(r.max()) + 1 if len(r) else 0),
        ),
        Misconception(
            "only atoms that hear something",
            dropped_atoms,
            lambda m, r, n: accumulate(m, r, n)[torch.unique(r)],
        ),
        Misconception(
            "everybody hears everything",
            "Every atom gets the sum of all messages. A message goes to one atom only, receivers[e].",
            lambda m, r, n: m.sum(dim=0).expand(n, -1),
        ),
        Misconception(
            "transposed",
            "Rows and columns are exchanged: an atom is a row, a component of the message is a column.",
            lambda m, r, n: accumulate(m, r, n).T,
        ),
        Misconception(
            "single precision",
            "torch.zeros makes float32 unless it is told otherwise, and refuses to add numbers of another kind. Give "
            "it the kind of the messages: dtype=messages.dtype.",
            in_single_precision,
        ),
        Misconception(
            "floats only",
            "Right, until the messages are integers: `torch.zeros` makes floating-point numbers, and torch does not "
            "add integers to them. `dtype=messages.dtype` makes zeros of the same kind.",
            in_double_precision,
        ),
    ],
)

# ----------------------------------------------------------------------------------------------- 4.6 message_passing


def message_passing_watched(learners: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """Call message passing with an f_m and an f_U that look at what they are given.

    Raises Slip where they are given rows that do not belong together, or are not called in T > 0 rounds.
    """
    x, graph, right_f_m, right_f_U, T = args
    called = set()

    def f_m(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
        called.add("f_m")
        if not len(x_j) == len(x_i) == len(e_ij):
            raise Slip(
                f"`f_m` was given {len(x_j)} rows of x_j, {len(x_i)} of x_i and {len(e_ij)} of e_ij. Each row is one "
                "edge of the graph that came in: x[graph.senders], x[graph.receivers], graph.e_ij, and no tensor "
                "from another cell"
            )
        return right_f_m(x_j, x_i, e_ij)

    def f_U(M_i: Tensor, x_i: Tensor) -> Tensor:
        called.add("f_U")
        if len(M_i) != len(x_i):
            raise Slip(
                f"`f_U` was given {len(M_i)} rows of M and {len(x_i)} of x. Each row is one atom of the graph that "
                "came in: M = accumulate(messages, graph.receivers, graph.n_atoms)"
            )
        return right_f_U(M_i, x_i)

    f_m.__qualname__, f_U.__qualname__ = "f_m", "f_U"  # for Python's own words on a wrong number of arguments
    answer = learners(x, graph, f_m, f_U, T)
    if answer is not None and T > 0:
        if "f_m" not in called:
            raise Slip(
                "you never call `f_m`, the function that comes in as an argument. Your messages come from a function "
                "of another cell, or there are none; the same lines are to serve every f_m"
            )
        if "f_U" not in called:
            raise Slip(
                "you never call `f_U`, the function that comes in as an argument. The bundle is not yet the new x: "
                "f_U decides what an atom makes of what it heard and of what it was"
            )
    return answer


def f_m(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
    """A message that treats speaker, listener and edge differently; n_m = n_f + 1."""
    return torch.cat([2 * x_j - 0.5 * x_i * x_j, e_ij[:, :1]], dim=1)


def f_U(M_i: Tensor, x_i: Tensor) -> Tensor:
    """An update that treats bundle and old features differently."""
    return 0.5 * x_i + torch.tanh(M_i[:, :-1]) + 0.25 * M_i[:, -1:]


def repeat(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
    """Say what you are."""
    return x_j


def add(M_i: Tensor, x_i: Tensor) -> Tensor:
    """Remember twice what you were, and add what you heard."""
    return 2 * x_i + M_i


def listening_graph(edges: list[tuple[int, int]], n_atoms: int, e_ij: np.ndarray | None = None) -> Graph:
    """A graph from edges (j, i), with edge features; the positions play no part."""
    senders, receivers = np.array(edges, dtype=int).reshape(-1, 2).T
    return Graph(
        numbers=torch.ones(n_atoms, dtype=torch.int64),
        positions=torch.zeros(n_atoms, 3, dtype=torch.float64),
        senders=tensor(senders),
        receivers=tensor(receivers),
        molecule_index=torch.zeros(n_atoms, dtype=torch.int64),
        e_ij=tensor(np.ones((len(edges), 1)) if e_ij is None else e_ij),
    )


def rounds_cases(rng: np.random.Generator) -> Iterator[Case]:
    says = "f_m = x_j, f_U = 2 x_i + M_i"
    one_way = listening_graph([(0, 1)], 2)
    yield Case(
        (tensor([[1.0], [10.0]]), one_way, repeat, add, 1),
        given=f"one edge 0 -> 1, x = [[1.], [10.]], {says}, T = 1",
    )
    yield Case(
        (tensor([[1.0], [10.0]]), one_way, repeat, add, 0),
        given=f"one edge 0 -> 1, x = [[1.], [10.]], {says}, T = 0",
        when="with T = 0",
    )
    chain = listening_graph([(0, 1), (1, 0), (1, 2), (2, 1)], 3)
    yield Case(
        (tensor([[1.0], [0.0], [0.0]]), chain, repeat, add, 2),
        given=f"a chain 0 - 1 - 2, x = [[1.], [0.], [0.]], {says}, T = 2",
    )
    alone = listening_graph([], 1)
    yield Case(
        (tensor([[1.0, 2.0]]), alone, f_m, f_U, 3),
        given="one atom without neighbours, x = [[1., 2.]], T = 3",
        when="with no edges at all",
    )
    for n_atoms, n_edges, n_f, T in ((4, 7, 2, 1), (6, 14, 3, 3)):
        edges = [(int(j), int(i)) for j, i in rng.integers(0, n_atoms - 1, size=(n_edges, 2))]  # the last hears nothing
        graph = listening_graph(edges, n_atoms, rng.normal(size=(n_edges, 2)))
        x = tensor(rng.normal(size=(n_atoms, n_f)))
        yield Case((x, graph, f_m, f_U, T), given=f"a random one-way graph with {n_edges} edges, T = {T}")
    yield Case(
        (tensor([[1], [2]]), one_way, repeat, add, 2),
        given=f"one edge 0 -> 1, x = [[1], [2]], {says}, T = 2",
        when="with integers",
    )


Rounds = Callable[..., Tensor]


def rounds(
    *,
    swap_ends: bool = False,
    swap_message: bool = False,
    swap_update: bool = False,
    mean: bool = False,
    keep_bundles: bool = False,
    n_rounds: Callable[[int], int] = lambda T: T,
    from_the_start: bool = False,
    update_the_start: bool = False,
    add_the_old: bool = False,
) -> Rounds:
    """Message passing with one thing wrong."""

    def wrong(x: Tensor, graph: Graph, f_m: Rounds, f_U: Rounds, T: int) -> Tensor:
        speaks, listens = (graph.receivers, graph.senders) if swap_ends else (graph.senders, graph.receivers)
        first, M = x, torch.zeros(())
        for _ in range(n_rounds(T)):
            heard = first if from_the_start else x
            x_j, x_i = heard[speaks], heard[listens]
            messages = f_m(x_i, x_j, graph.e_ij) if swap_message else f_m(x_j, x_i, graph.e_ij)
            bundles = accumulate(messages, listens, graph.n_atoms)
            if mean:
                bundles = bundles / counts(listens, graph.n_atoms).clamp(min=1)
            M = M + bundles if keep_bundles else bundles
            old = first if update_the_start else x
            x = (x if add_the_old else 0) + (f_U(old, M) if swap_update else f_U(M, old))
        return x

    return wrong


def backwards(x: Tensor, graph: Graph, f_m: Rounds, f_U: Rounds, T: int) -> Tensor:
    for _ in range(T):
        messages = f_m(x[graph.senders], x[graph.receivers], graph.e_ij)
        x = f_U(accumulate(messages, graph.senders, graph.n_atoms), x)
    return x


def return_in_the_loop(x: Tensor, graph: Graph, f_m: Rounds, f_U: Rounds, T: int) -> Tensor | None:
    return rounds(n_rounds=lambda T: 1)(x, graph, f_m, f_U, T) if T > 0 else None


def one_after_the_other(x: Tensor, graph: Graph, f_m: Rounds, f_U: Rounds, T: int) -> Tensor:
    """Atom 1 hears what atom 0 has already become."""
    x = x.clone()
    for _ in range(T):
        for i in range(graph.n_atoms):
            mine = graph.receivers == i
            messages = f_m(x[graph.senders[mine]], x[graph.receivers[mine]], graph.e_ij[mine])  # type: ignore[index]
            x[i] = f_U(messages.sum(dim=0, keepdim=True), x[i : i + 1])[0]
    return x


def bundles_as_wide_as_x(x: Tensor, graph: Graph, f_m: Rounds, f_U: Rounds, T: int) -> Tensor:
    for _ in range(T):
        messages = f_m(x[graph.senders], x[graph.receivers], graph.e_ij)
        x = f_U(torch.zeros_like(x).index_add(0, graph.receivers, messages), x)
    return x


MESSAGE_PASSING = by_value(
    "4.6",
    message_passing,
    cases=rounds_cases,
    call=message_passing_watched,
    success="T rounds, and in each one everybody spoke before anybody changed.",
    start="Write one round first: gather, f_m, accumulate, f_U. Then repeat it T times.",
    points=15,
    hints=(
        "Messages, bundles, new features: a round is three lines. What does each of them need, and what does it give?",
        "`x[graph.senders]` is one row an edge: the features of the one who speaks. Who is `x_i` in a message?",
        "In the loop: `m_ji = f_m(x[graph.senders], x[graph.receivers], graph.e_ij)`, "
        "`M = accumulate(m_ji, graph.receivers, graph.n_atoms)`, `x = f_U(M, x)`.",
    ),
    misconceptions=[
        Misconception(
            "sent back",
            "The messages went back to those who sent them: accumulate wants the receivers. On a graph with both "
            "directions you might never notice.",
            backwards,
        ),
        Misconception(
            "senders and receivers",
            "Senders and receivers are exchanged throughout. An edge j -> i carries what j says, to i. With both "
            "directions in the graph you would never notice.",
            rounds(swap_ends=True),
        ),
        Misconception(
            "f_m(x_i, x_j)",
            "f_m takes the speaker first, then the listener: f_m(x_j, x_i, e_ij), with x_j = x[graph.senders].",
            rounds(swap_message=True),
        ),
        Misconception(
            "f_U(x, M)",
            "f_U takes the bundle first, then the old features: f_U(M_i, x_i).",
            rounds(swap_update=True),
        ),
        Misconception(
            "one round",
            "However large T is, your atoms hear their neighbours and nobody behind them. Either one round is made, or "
            "x changes only after the last one: f_U belongs inside the loop.",
            rounds(n_rounds=lambda T: min(T, 1)),
        ),
        Misconception(
            "always one round",
            "Your function makes one round, whatever T is, also for T = 0. With T = 0 nobody speaks and x stays as it "
            "was; with T = 2 atoms hear their neighbours' neighbours.",
            rounds(n_rounds=lambda T: 1),
        ),
        Misconception(
            "return inside the loop",
            "With T = 0 your function returns nothing, and with T = 2 it makes one round: is the `return` inside the "
            "loop?",
            return_in_the_loop,
        ),
        Misconception(
            "one round too many",
            "You made a round more than T. With T = 0 nobody speaks, and x comes back unchanged.",
            rounds(n_rounds=lambda T: T + 1),
        ),
        Misconception(
            "old news",
            "In every round your atoms repeat what they knew at the start. The second round must use the features "
            "that the first one made, otherwise nothing travels farther than one edge.",
            rounds(from_the_start=True),
        ),
        Misconception(
            "the old x twice",
            "`x + f_U(M, x)`: f_U has the old x among its arguments and decides itself how much of it to keep. What it "
            "returns is the new x.",
            rounds(add_the_old=True),
        ),
        Misconception(
            "updates the start",
            "In every round you update the x of the start. f_U wants the features as they are in this round, "
            "f_U(M, x).",
            rounds(update_the_start=True),
        ),
        Misconception(
            "bundles as wide as x",
            "Your bundles have n_f columns, like x: `torch.zeros_like(x)`? They hold messages, n_m numbers each, and "
            "n_m need not be n_f. Take the width of the messages; `accumulate` of 4.5 does.",
            bundles_as_wide_as_x,
            fails_with="source tensor shape must match",
        ),
        Misconception(
            "bundles pile up",
            "Your bundles still hold the messages of the round before. Each round starts with empty bundles; what was "
            "heard earlier is in x already.",
            rounds(keep_bundles=True),
        ),
        Misconception(
            "mean",
            "You averaged the messages. M_i is their sum.",
            rounds(mean=True),
        ),
        Misconception(
            "one after the other",
            "Your atoms take turns, and the later ones hear what the earlier ones have just become. Then the result "
            "depends on the numbering of the atoms. All messages first, then all updates.",
            one_after_the_other,
        ),
    ],
)

EXERCISES = (MOLECULAR_GRAPH, INITIAL_FEATURES, EDGE_FEATURES, MESSAGES, ACCUMULATE, MESSAGE_PASSING)

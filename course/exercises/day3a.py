"""Exercises 3.1 to 3.4: the cutoff function, radial symmetry functions, their grid, one block an element."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course import radial
from course.descriptors import symmetry_functions as library
from course.exercises.evidence import Encoded
from course.exercises.exercise import Case, Difference, Misconception, by_value, tensor
from course.graph import molecular_graph
from course.radial import gaussian_basis

# ------------------------------------------------------------------------------------------------- 3.1 cosine_cutoff


def cosine_cutoff(r: Tensor, cutoff: float) -> Tensor:
    """f_c(r) = (cos(pi r / r_c) + 1) / 2 inside the cutoff, 0 from there on."""
    return radial.cosine_cutoff(r, cutoff)


def distances_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([0.0, 1.0]), 3.0))
    yield Case((tensor([0.0, 1.0, 2.0, 3.5]), 4.0))  # cos 0, 45, 90 degrees
    yield Case((tensor([3.0, 2.999, 3.001]), 3.0))  # at the cutoff, just inside, just outside
    yield Case((tensor([0.5, 4.0, 5.5, 6.0, 7.2]), 3.0))  # outside, where the cosine rises again
    yield Case((tensor(np.zeros(0)), 3.0), when="with no distances at all")
    yield Case((tensor(rng.uniform(0, 6, size=(3, 4))), 4.5), when="with a table (3, 4) of distances")
    yield Case((tensor([1, 2, 5]), 4), when="with integers for distances")


def faded(function: Callable[[Tensor, float], Tensor]) -> Callable[[Tensor, float], Tensor]:
    """The function inside the cutoff, 0 from there on."""
    return lambda r, cutoff: torch.where(r < cutoff, function(r, cutoff), 0.0)


COSINE_CUTOFF = by_value(
    "3.1",
    cosine_cutoff,
    cases=distances_cases,
    success="1 at no distance, 0 at the cutoff, and silence beyond.",
    start="Start from torch.cos(torch.pi * r / cutoff).",
    hints=(
        "Two cases: inside the cutoff a formula, outside a zero. What does the formula give at 0, at r_c / 2, at r_c?",
        "`torch.where(condition, a, b)` takes from `a` where the condition is true, and from `b` elsewhere.",
        "`torch.where(r < cutoff, 0.5 * (torch.cos(torch.pi * r / cutoff) + 1), 0.0)`",
    ),
    misconceptions=[
        Misconception(
            "never cut",
            "Beyond the cutoff the cosine rises again, and at 2 r_c your f_c is back at 1. An atom out there must be "
            "silent: 0 for all r >= r_c.",
            lambda r, cutoff: (torch.cos(math.pi * r / cutoff) + 1) / 2,
        ),
        Misconception(
            "hard cutoff",
            "You return 1 inside and 0 outside. That is the jump of Day 2. Between the two there must be a slope.",
            lambda r, cutoff: (r < cutoff).to(torch.float64),
        ),
        Misconception(
            "without pi",
            "The pi is missing. At the cutoff your cosine has come down to cos(1) = 0.54 and not to -1, so f_c jumps "
            "there by 0.77.",
            faded(lambda r, cutoff: (torch.cos(r / cutoff) + 1) / 2),
        ),
        Misconception(
            "in degrees",
            "You gave the cosine 180 degrees. `torch.cos` takes radians: pi r / r_c.",
            faded(lambda r, cutoff: (torch.cos(180 * r / cutoff) + 1) / 2),
        ),
        Misconception(
            "a whole period",
            "Your cosine runs through a whole period inside the cutoff: 2 pi r / r_c. It falls to 0 half way and is "
            "back at 1 at the cutoff. Half a period is enough: pi r / r_c.",
            faded(lambda r, cutoff: (torch.cos(2 * math.pi * r / cutoff) + 1) / 2),
        ),
        Misconception(
            "a quarter of a period",
            "cos(pi r / 2 r_c) is 0 at the cutoff, but it arrives there with a slope, and the force jumps. "
            "(cos(pi r / r_c) + 1) / 2 arrives flat.",
            faded(lambda r, cutoff: torch.cos(math.pi * r / cutoff / 2)),
        ),
        Misconception(
            "without 1/2",
            "Your values are twice too large: the factor 1/2 is missing. At distance 0 it must be 1.",
            faded(lambda r, cutoff: torch.cos(math.pi * r / cutoff) + 1),
        ),
        Misconception(
            "without + 1",
            "The + 1 is missing. A bare cosine is negative in the outer half, and -1 at the cutoff.",
            faded(lambda r, cutoff: torch.cos(math.pi * r / cutoff)),
        ),
        Misconception(
            "half a cosine, plus 1",
            "You halved the cosine and not the sum: cos / 2 + 1 is 1.5 at distance 0. Brackets: (cos + 1) / 2.",
            faded(lambda r, cutoff: torch.cos(math.pi * r / cutoff) / 2 + 1),
        ),
        Misconception(
            "half a cosine, plus 1, never cut",
            "You halved the cosine and not the sum: cos / 2 + 1 is 1.5 at distance 0. Brackets: (cos + 1) / 2. Then "
            "make it 0 from r_c on.",
            lambda r, cutoff: torch.cos(math.pi * r / cutoff) / 2 + 1,
        ),
        Misconception(
            "the 1 inside the cosine",
            "Your + 1 stands inside the cosine: cos(pi r / r_c + 1). It belongs behind: cos(pi r / r_c) + 1.",
            faded(lambda r, cutoff: torch.cos(math.pi * r / cutoff + 1) / 2),
        ),
        Misconception(
            "the cutoff of the notebook",
            "Your cutoff is 4 A, whatever your function is told: that is r_c of the notebook. Use the argument "
            "`cutoff`.",
            lambda r, cutoff: cosine_cutoff(r, 4.0),
        ),
        Misconception(
            "one question for all",
            "Boolean value of Tensor is ambiguous: `if` asks one question, and `r` holds many distances. "
            "`torch.where(r < cutoff, ..., 0.0)` asks each of them.",
            lambda r, cutoff: cosine_cutoff(r, cutoff) if r < cutoff else 0.0,
        ),
        Misconception(
            "a cosine for one number",
            "`math.cos` takes one number, and `r` holds many distances. `torch.cos` takes them all.",
            lambda r, cutoff: torch.where(r < cutoff, (math.cos(math.pi * r / cutoff) + 1) / 2, 0.0),
        ),
        Misconception(
            "squared",
            "You squared it. f_c is (cos + 1) / 2, once; half way to the cutoff it is 1/2.",
            faded(lambda r, cutoff: ((torch.cos(math.pi * r / cutoff) + 1) / 2) ** 2),
        ),
        Misconception(
            "upside down",
            "Your f_c rises from 0 at the atom to 1 at the cutoff. Near neighbours must count, far ones fade: "
            "cos + 1, not 1 - cos.",
            faded(lambda r, cutoff: (1 - torch.cos(math.pi * r / cutoff)) / 2),
        ),
        Misconception(
            "the wrong side",
            "Your comparison points the other way: the atoms inside are silent, and those outside speak.",
            lambda r, cutoff: torch.where(r < cutoff, 0.0, (torch.cos(math.pi * r / cutoff) + 1) / 2),
        ),
        Misconception(
            "a straight line",
            "1 - r / r_c is 0 at the cutoff, but has a kink there: its slope jumps from -1 / r_c to 0, and the force "
            "with it.",
            faded(lambda r, cutoff: 1 - r / cutoff),
        ),
        Misconception(
            "far distances dropped",
            "You left out the distances beyond the cutoff. Each distance that comes in gets a number; beyond the "
            "cutoff it is 0.",
            lambda r, cutoff: cosine_cutoff(r[r < cutoff], cutoff),
        ),
        Misconception(
            "summed",
            "You added the values up. Here each distance keeps its own; the sum comes in 3.2.",
            lambda r, cutoff: cosine_cutoff(r, cutoff).sum(),
        ),
    ],
)

# ------------------------------------------------------------------------------------- 3.2 radial_symmetry_functions


def radial_symmetry_functions(distances: Tensor, centers: Tensor, eta: float, cutoff: float) -> Tensor:
    """G_k = sum_j exp(-eta (r_ij - R_k)^2) f_c(r_ij), (K,)."""
    return library.radial_symmetry_functions(distances, centers, eta, cutoff)


def neighbours_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([1.5]), tensor([1.0, 2.0]), 1.0, 3.0))
    yield Case((tensor([1.0, 1.5, 2.0]), tensor([1.0, 2.0]), 4.0, 4.0))  # more neighbours than centres
    yield Case((tensor([1.1, 1.1, 1.1]), tensor([1.0, 2.0]), 2.0, 3.0))  # the hydrogens of a methyl group
    yield Case((tensor(np.zeros(0)), tensor([0.0, 1.0, 2.0]), 4.0, 3.0), when="where nobody is near")
    yield Case((tensor([1.2, 2.5]), tensor([0.5, 1.5, 2.5, 3.5]), 2.0, 4.0))  # more centres than neighbours
    yield Case((tensor([1.0, 2.5, 3.0]), tensor([0.0, 1.0, 2.0]), 0.5, 3.0))  # as many, one of them at the cutoff
    yield Case((tensor([1.0, 3.5, 6.5]), tensor([1.0, 3.0]), 1.0, 3.0))  # two are outside
    distances = rng.uniform(0.8, 5.5, size=7)
    yield Case((tensor(distances), tensor(np.linspace(0, 5, 6)), 1.44, 5.0))
    yield Case((tensor([1, 2]), tensor([0.0, 1.0, 2.0, 3.0]), 1.0, 4), when="with integers for distances")


def gaussians(distances: Tensor, centers: Tensor, eta: float) -> Tensor:
    return gaussian_basis(distances.to(torch.float64), centers, eta)


def column(distances: Tensor, cutoff: float) -> Tensor:
    """f_c, (n_neighbors, 1)."""
    return cosine_cutoff(distances, cutoff)[:, None]


def weights_along_the_centers(distances: Tensor, centers: Tensor, eta: float, cutoff: float) -> Tensor:
    return (gaussians(distances, centers, eta) * cosine_cutoff(distances, cutoff)).sum(dim=0)


def mean_over_neighbours(distances: Tensor, centers: Tensor, eta: float, cutoff: float) -> Tensor:
    return radial_symmetry_functions(distances, centers, eta, cutoff) / max(1, len(distances))


def last_neighbour_only(distances: Tensor, centers: Tensor, eta: float, cutoff: float) -> Tensor:
    if len(distances) == 0:
        return torch.zeros(len(centers))
    return library.radial_term(distances, centers, eta, cutoff)[-1]


def without_a_table(distances: Tensor, centers: Tensor, eta: float, cutoff: float) -> Tensor:
    return (torch.exp(-eta * (distances - centers) ** 2) * cosine_cutoff(distances, cutoff)).sum()


def rising_again(distances: Tensor, centers: Tensor, eta: float, cutoff: float) -> Tensor:
    weights = (torch.cos(math.pi * distances / cutoff) + 1) / 2
    return (gaussians(distances, centers, eta) * weights[:, None]).sum(dim=0)


def nobody_near(distances: Tensor, centers: Tensor, eta: float, cutoff: float) -> Tensor:
    return torch.stack([radial_symmetry_functions(r[None], centers, eta, cutoff) for r in distances]).sum(dim=0)


RADIAL_SYMMETRY_FUNCTIONS = by_value(
    "3.2",
    radial_symmetry_functions,
    cases=neighbours_cases,
    success="each neighbour answers each Gaussian, fades with the distance, and all answers are added.",
    start="Start from distances[:, None] - centers, one row a neighbour, one column a Gaussian.",
    points=15,
    hints=(
        "Write the table on paper first: one row a neighbour, one column a centre. Which of the two axes is summed?",
        "`distances[:, None] - centers` has the shape (n_neighbors, K). f_c is one number a neighbour: which shape "
        "must it have to multiply each row?",
        "`(torch.exp(-eta * (distances[:, None] - centers) ** 2) * cosine_cutoff(distances, cutoff)[:, None])"
        ".sum(dim=0)`",
    ),
    misconceptions=[
        Misconception(
            "no cutoff function",
            "f_c is missing. Neighbours beyond the cutoff still speak in your sum. And if you drop them, the Gaussian "
            "near r_c loses a neighbour from one step to the next: that is the jump of the cell above.",
            lambda distances, centers, eta, cutoff: gaussians(distances, centers, eta).sum(dim=0),
        ),
        Misconception(
            "hard cutoff",
            "You dropped the neighbours outside and left those inside whole. A neighbour that leaves then takes its "
            "share along at once. Multiply each term by f_c(r_ij).",
            lambda distances, centers, eta, cutoff: gaussians(distances[distances < cutoff], centers, eta).sum(dim=0),
        ),
        Misconception(
            "cutoff function squared",
            "f_c stands in your sum twice. It belongs there once.",
            lambda distances, centers, eta, cutoff: (
                gaussians(distances, centers, eta) * column(distances, cutoff) ** 2
            ).sum(dim=0),
        ),
        Misconception(
            "cutoff function of the centres",
            "You took f_c of the centres R_k. They never move. It is the neighbour that fades: f_c(r_ij).",
            lambda distances, centers, eta, cutoff: (
                gaussians(distances, centers, eta).sum(dim=0) * cosine_cutoff(centers, cutoff)
            ),
        ),
        Misconception(
            "cutoff function along the wrong axis",
            "f_c has the shape (n_neighbors,), and `*` lays it along the columns: one f_c a Gaussian, not one a "
            "neighbour, and an error where the numbers do not fit. `f_c[:, None]` makes it a column.",
            weights_along_the_centers,
        ),
        Misconception(
            "not summed",
            "You return one row a neighbour. Another molecule has another number of neighbours, and no network takes "
            "that. Add up the rows: dim=0.",
            lambda distances, centers, eta, cutoff: library.radial_term(distances, centers, eta, cutoff),
        ),
        Misconception(
            "summed over the Gaussians",
            "You added up the Gaussians and kept the neighbours: one number a neighbour. The other way round: sum over "
            "j, one number a Gaussian.",
            lambda distances, centers, eta, cutoff: library.radial_term(distances, centers, eta, cutoff).sum(dim=1),
        ),
        Misconception(
            "summed over everything",
            "You added up everything to one number. A network needs one number a Gaussian: sum over the neighbours "
            "alone, dim=0.",
            lambda distances, centers, eta, cutoff: library.radial_term(distances, centers, eta, cutoff).sum(),
        ),
        Misconception(
            "mean",
            "You averaged over the neighbours. Two neighbours at the same distance then sound like one, and methane "
            "like a CH fragment. Add them.",
            mean_over_neighbours,
        ),
        Misconception(
            "mean, also of nothing",
            "You averaged over the neighbours. Two neighbours at the same distance then sound like one, and the mean "
            "of no neighbours is no number. Add them.",
            lambda distances, centers, eta, cutoff: library.radial_term(distances, centers, eta, cutoff).mean(dim=0),
        ),
        Misconception(
            "equal distances once",
            "You count equal distances once. Three hydrogens at 1.1 A are three neighbours, and say everything three "
            "times.",
            lambda distances, centers, eta, cutoff: radial_symmetry_functions(distances.unique(), centers, eta, cutoff),
        ),
        Misconception(
            "a product of sums",
            "You added up the Gaussians, added up f_c, and multiplied the two sums. Each neighbour has a weight of its "
            "own: multiply first, then add.",
            lambda distances, centers, eta, cutoff: (
                gaussians(distances, centers, eta).sum(dim=0) * cosine_cutoff(distances, cutoff).sum()
            ),
        ),
        Misconception(
            "the cutoff of the notebook",
            "Your cutoff is 4 A, whatever your function is told: that is r_c of the notebook. Use the argument "
            "`cutoff`.",
            lambda distances, centers, eta, cutoff: radial_symmetry_functions(distances, centers, eta, 4.0),
        ),
        Misconception(
            "last neighbour only",
            "Only the last neighbour is left: each one overwrites the one before it. Add, with `+=`.",
            last_neighbour_only,
        ),
        Misconception(
            "without a table",
            "`distances - centers` pairs the first distance with the first centre, the second with the second. Every "
            "neighbour must meet every centre: `distances[:, None] - centers` is a table.",
            without_a_table,
        ),
        Misconception(
            "without a table or a sum",
            "`distances - centers` pairs the first distance with the first centre, the second with the second, and "
            "fails where their numbers differ. Every neighbour must meet every centre: `distances[:, None] - centers` "
            "is a table.",
            lambda distances, centers, eta, cutoff: (
                torch.exp(-eta * (distances - centers) ** 2) * cosine_cutoff(distances, cutoff)
            ),
        ),
        Misconception(
            "a row too many",
            "The numbers are right, but they stand in a table with one row, (1, K). Return the row, (K,).",
            lambda distances, centers, eta, cutoff: library.radial_term(distances, centers, eta, cutoff).sum(
                dim=0, keepdim=True
            ),
        ),
        Misconception(
            "the cosine rises again",
            "Neighbours beyond the cutoff still speak: out there the cosine rises again. f_c is 0 from r_c on; "
            "your `cosine_cutoff` of 3.1 knows that.",
            rising_again,
        ),
        Misconception(
            "nobody near",
            "Right, until nobody is near: torch cannot stack an empty list, and your function fails. An atom alone has "
            "K zeros.",
            nobody_near,
        ),
        Misconception(
            "a sum that begins with 0",
            "Right, until nobody is near: Python's sum of nothing is the number 0. An atom alone has K zeros.",
            lambda distances, centers, eta, cutoff: sum(library.radial_term(distances, centers, eta, cutoff)),
        ),
        Misconception(
            "eta is a width",
            "You divided by eta. It is a sharpness, in 1/A^2, and multiplies the square.",
            lambda distances, centers, eta, cutoff: radial_symmetry_functions(distances, centers, 1 / eta, cutoff),
        ),
        Misconception(
            "eta like a sigma",
            "You wrote exp(-(r - R)^2 / (2 eta^2)), the Gaussian of statistics with a width sigma. Here the formula is "
            "exp(-eta (r - R)^2).",
            lambda distances, centers, eta, cutoff: radial_symmetry_functions(
                distances, centers, 1 / (2 * eta**2), cutoff
            ),
        ),
        Misconception(
            "half of eta",
            "Your exponent has a factor 1/2, as in statistics. Behler's has none: exp(-eta (r - R)^2).",
            lambda distances, centers, eta, cutoff: radial_symmetry_functions(distances, centers, eta / 2, cutoff),
        ),
        Misconception(
            "sign of the exponent",
            "Your exponent is positive: the values grow with the distance from the centre. A Gaussian falls.",
            lambda distances, centers, eta, cutoff: radial_symmetry_functions(distances, centers, -eta, cutoff),
        ),
        Misconception(
            "no square",
            "The square is missing: exp(-eta (r - R_k)) has no top, and grows without end left of the centre. Square "
            "the difference.",
            lambda distances, centers, eta, cutoff: (
                torch.exp(-eta * (distances[:, None] - centers)) * column(distances, cutoff)
            ).sum(dim=0),
        ),
        Misconception(
            "f_c of the difference",
            "You took f_c of r_ij - R_k. It is the neighbour that fades, whatever the centre: f_c(r_ij).",
            lambda distances, centers, eta, cutoff: (
                gaussians(distances, centers, eta) * cosine_cutoff(distances[:, None] - centers, cutoff)
            ).sum(dim=0),
        ),
        Misconception(
            "not squared",
            "exp(-eta |r - R_k|) has a kink at each centre, and forces would jump there. Square the difference.",
            lambda distances, centers, eta, cutoff: (
                torch.exp(-eta * (distances[:, None] - centers).abs()) * column(distances, cutoff)
            ).sum(dim=0),
        ),
        Misconception(
            "the square outside",
            "You squared the exponential and not the difference: exp(-eta (r - R))^2. Left of the centre that grows. "
            "The square belongs inside.",
            lambda distances, centers, eta, cutoff: (
                torch.exp(-eta * (distances[:, None] - centers)) ** 2 * column(distances, cutoff)
            ).sum(dim=0),
        ),
        Misconception(
            "eta squared too",
            "You squared eta as well: (eta (r - R))^2. Only the difference is squared.",
            lambda distances, centers, eta, cutoff: radial_symmetry_functions(distances, centers, eta**2, cutoff),
        ),
    ],
)

# --------------------------------------------------------------------------------------------------- 3.3 radial_grid


def radial_grid(cutoff: float, n_radial: int) -> tuple[Tensor, float]:
    """R_k = k r_c / (n_radial - 1) and eta = (n_radial / r_c)^2."""
    return radial.radial_grid(cutoff, n_radial)


def grid_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((2.0, 3))
    yield Case((5.0, 11))
    yield Case((4.0, 2))
    yield Case((3.0, 1), when="with a single centre")
    yield Case((6, 4), when="with an integer for the cutoff")
    yield Case((float(rng.uniform(2.5, 6.5)), int(rng.integers(5, 20))))


def two_fields(encoded: Encoded) -> Encoded:
    """The two answers by name. What is not a pair stays as it is, and a dictionary is no pair."""
    if "fields" in encoded:
        return {"fields": {"a dictionary with": encoded}}
    parts = encoded.get("parts", [])
    return {"fields": {"centers": parts[0], "eta": parts[1]}} if len(parts) == 2 else encoded


def centers(cutoff: float, n_radial: int) -> Tensor:
    return radial.radial_grid(cutoff, n_radial)[0]


def inner_centers(cutoff: float, n_radial: int) -> Tensor:
    """Neither the atom itself nor the cutoff."""
    return cutoff * torch.arange(1, n_radial + 1) / (n_radial + 1)


RADIAL_GRID = by_value(
    "3.3",
    radial_grid,
    cases=grid_cases,
    canonical=two_fields,
    success="no hole between the hills, and no two hills alike.",
    start="Start from torch.linspace.",
    points=5,
    hints=(
        "From 0 to r_c, both included, n_radial posts: how many gaps are between them?",
        "`torch.linspace(start, end, n)` counts posts, not gaps, and includes both ends. It copes with n = 1 too.",
        "`return torch.linspace(0, cutoff, n_radial), (n_radial / cutoff) ** 2`",
    ),
    misconceptions=[
        Misconception(
            "last centre missing",
            "Your centres stop one step before the cutoff. They run from 0 to the cutoff, both included: n_radial "
            "posts, n_radial - 1 gaps.",
            lambda cutoff, n_radial: (torch.arange(n_radial) * cutoff / n_radial, (n_radial / cutoff) ** 2),
        ),
        Misconception(
            "first centre missing",
            "Your centres begin one step away from the atom. They run from 0 to the cutoff, both included.",
            lambda cutoff, n_radial: (torch.arange(1, n_radial + 1) * cutoff / n_radial, (n_radial / cutoff) ** 2),
        ),
        Misconception(
            "both ends missing",
            "Your centres leave out both ends. They run from 0 to the cutoff, both included.",
            lambda cutoff, n_radial: (inner_centers(cutoff, n_radial), (n_radial / cutoff) ** 2),
        ),
        Misconception(
            "a single centre",
            "Right, but for a single centre you divide by n_radial - 1 = 0. It stands at 0, and `torch.linspace` "
            "knows that.",
            lambda cutoff, n_radial: (
                torch.arange(n_radial) * cutoff / (n_radial - 1),
                (n_radial / cutoff) ** 2,
            ),
        ),
        Misconception(
            "one centre too many",
            "You have n_radial + 1 centres: n_radial gaps. Count the posts, not the gaps.",
            lambda cutoff, n_radial: (centers(cutoff, n_radial + 1), (n_radial / cutoff) ** 2),
        ),
        Misconception(
            "one centre too few",
            "`torch.arange(0, cutoff, step)` and `range(n_radial - 1)` stop before the end: the centre at the cutoff "
            "is missing. `torch.linspace` includes both ends.",
            lambda cutoff, n_radial: (
                torch.arange(n_radial - 1) * cutoff / max(1, n_radial - 1),
                (n_radial / cutoff) ** 2,
            ),
        ),
        Misconception(
            "the cutoff of the notebook",
            "Your cutoff is 4 A, whatever your function is told: that is r_c of the notebook. Use the argument "
            "`cutoff`.",
            lambda cutoff, n_radial: (centers(4.0, n_radial), (n_radial / 4.0) ** 2),
        ),
        Misconception(
            "only the cutoff squared",
            "Your eta is n / r_c^2: `**` comes before `/`, and n is not squared. Brackets: (n / r_c)^2.",
            lambda cutoff, n_radial: (centers(cutoff, n_radial), n_radial / cutoff**2),
        ),
        Misconception(
            "eta without the square",
            "Your eta is n / r_c. It carries the unit 1/A^2: square it.",
            lambda cutoff, n_radial: (centers(cutoff, n_radial), n_radial / cutoff),
        ),
        Misconception(
            "eta is a width",
            "Your eta is (r_c / n)^2, the square of a distance. It is a sharpness, 1/A^2: turn the fraction over.",
            lambda cutoff, n_radial: (centers(cutoff, n_radial), (cutoff / n_radial) ** 2),
        ),
        Misconception(
            "eta from the gaps",
            "Your eta is ((n - 1) / r_c)^2: one over the square of the gap. That overlaps well too. The course counts "
            "the centres, (n / r_c)^2, and Day 4 compares with these numbers; with one centre yours would be 0.",
            lambda cutoff, n_radial: (centers(cutoff, n_radial), ((n_radial - 1) / cutoff) ** 2),
        ),
        Misconception(
            "one eta a centre",
            "You return one eta for each centre, all alike. One number is enough: all hills have the same width.",
            lambda cutoff, n_radial: (
                centers(cutoff, n_radial),
                torch.full((n_radial,), (n_radial / cutoff) ** 2),
            ),
        ),
        Misconception(
            "the other order",
            "The two answers have changed places: first the centres, then eta.",
            lambda cutoff, n_radial: ((n_radial / cutoff) ** 2, centers(cutoff, n_radial)),
        ),
        Misconception(
            "a dictionary",
            "You return a dictionary. Whoever calls writes `centers, eta = radial_grid(...)`, and would get its keys: "
            "`return centers, eta`.",
            lambda cutoff, n_radial: {"centers": centers(cutoff, n_radial), "eta": (n_radial / cutoff) ** 2},
        ),
        Misconception(
            "centres only",
            "You return the centres alone. The caller needs eta as well: `return centers, eta`.",
            lambda cutoff, n_radial: centers(cutoff, n_radial),
        ),
    ],
)

# ---------------------------------------------------------------------------------------------------- 3.4 radial_aev


def radial_aev(
    numbers: Tensor, positions: Tensor, elements: list[int], centers: Tensor, eta: float, cutoff: float
) -> Tensor:
    """One block of K columns for each element of the neighbours, (n_atoms, n_elements K)."""
    graph = molecular_graph((numbers.numpy(), positions.numpy()), cutoff)
    return library.radial_aev(graph, elements, centers, eta, cutoff)


THREE = tensor([0.5, 1.5, 2.5]), 1.0, 3.0


def molecules_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([8, 1]), tensor([[0.0, 0, 0], [0, 0, 1]]), [1, 8], tensor([1.0, 2.0]), 1.0, 3.0))
    yield Case((tensor([6]), tensor([[0.5, 0, 0]]), [1, 6], *THREE), when="with one atom alone")
    # C at 1.2 and O at 1.5 A of a nitrogen, then the two exchanged; elements neither sorted nor all present
    corner = tensor([[0.0, 0, 0], [1.2, 0, 0], [0, 1.5, 0]])
    yield Case((tensor([7, 6, 8]), corner, [8, 1, 6, 7], *THREE))
    yield Case((tensor([7, 8, 6]), corner, [8, 1, 6, 7], *THREE))
    yield Case((tensor([1, 1, 6]), tensor([[0.0, 0, 0], [3.0, 0, 0], [9.0, 9, 9]]), [6, 1], *THREE))  # at the cutoff
    yield Case((tensor([6, 8]), tensor([[0.0, 0, 0], [8.0, 0, 0]]), [6, 8], *THREE), when="where nobody is near")
    for n_atoms in (4, 8):
        numbers = rng.choice([1, 6, 8], size=n_atoms)
        positions = rng.uniform(-1.8, 1.8, size=(n_atoms, 3))
        yield Case((tensor(numbers), tensor(positions), [6, 1, 8], tensor(np.linspace(0, 4, 4)), 1.0, 4.0))
    methane = [[0.0, 0, 0], [0.63, 0.63, 0.63], [-0.63, -0.63, 0.63], [-0.63, 0.63, -0.63], [0.63, -0.63, -0.63]]
    yield Case(
        (tensor([6, 1, 1, 1, 1]), tensor(methane), [1, 6], tensor(np.linspace(0, 2, 5)), 4, 2)
    )  # 5 atoms, 5 hills


def all_distances(positions: Tensor) -> Tensor:
    positions = positions.to(torch.float64)
    return torch.linalg.vector_norm(positions[None] - positions[:, None], dim=2)


def table(r: Tensor, centers: Tensor, eta: float, cutoff: float) -> Tensor:
    """The term of every pair, (n, n, K), that of an atom with itself included."""
    return library.radial_term(r.flatten(), centers, eta, cutoff).reshape(*r.shape, len(centers))


def bare(r: Tensor, centers: Tensor, eta: float, cutoff: float) -> Tensor:
    """As `table`, without f_c."""
    return gaussian_basis(r.flatten(), centers, eta).reshape(*r.shape, len(centers))


def others(r: Tensor) -> Tensor:
    """1 for every pair, 0 for an atom with itself, (n, n, 1)."""
    return 1 - torch.eye(len(r), dtype=torch.float64)[:, :, None]


def blocks(numbers: Tensor, elements: list[int], terms: Tensor) -> Tensor:
    """Terms (n, n, K), summed over the neighbours of each element: (n, n_elements, K)."""
    one_hot = (numbers[:, None] == tensor(elements)).to(terms)  # (n, n_elements)
    return torch.einsum("ijk,jz->izk", terms, one_hot)


def aev_of(
    terms: Callable[[Tensor, Tensor, float, float], Tensor],
    arrange: Callable[[Tensor], Tensor] = lambda x: x.flatten(1),
) -> Callable[[Tensor, Tensor, list[int], Tensor, float, float], Tensor]:
    """An AEV with other terms (n, n, K), or arranged in another way."""

    def aev(
        numbers: Tensor, positions: Tensor, elements: list[int], centers: Tensor, eta: float, cutoff: float
    ) -> Tensor:
        return arrange(blocks(numbers, elements, terms(all_distances(positions), centers, eta, cutoff)))

    return aev


def pairs(r: Tensor, *how: Any) -> Tensor:
    return table(r, *how) * others(r)


def block_of_the_center(
    numbers: Tensor, positions: Tensor, elements: list[int], centers: Tensor, eta: float, cutoff: float
) -> Tensor:
    own = (numbers[:, None] == tensor(elements)).to(torch.float64)  # (n, n_elements)
    total = pairs(all_distances(positions), centers, eta, cutoff).sum(dim=1)  # (n, K)
    return (own[:, :, None] * total[:, None, :]).flatten(1)


def last_of_each_element(
    numbers: Tensor, positions: Tensor, elements: list[int], centers: Tensor, eta: float, cutoff: float
) -> Tensor:
    terms = pairs(all_distances(positions), centers, eta, cutoff)
    x = torch.zeros(len(numbers), len(elements), len(centers), dtype=torch.float64)
    for i in range(len(numbers)):
        for j in range(len(numbers)):
            if i != j:
                x[i, elements.index(int(numbers[j]))] = terms[i, j]
    return x.flatten(1)


def weighted_by_charge(
    numbers: Tensor, positions: Tensor, elements: list[int], centers: Tensor, eta: float, cutoff: float
) -> Tensor:
    return (pairs(all_distances(positions), centers, eta, cutoff) * numbers[None, :, None]).sum(dim=1)


def without_empty_blocks(
    numbers: Tensor, positions: Tensor, elements: list[int], centers: Tensor, eta: float, cutoff: float
) -> Tensor:
    x = blocks(numbers, elements, pairs(all_distances(positions), centers, eta, cutoff))  # (n, n_elements, K)
    one_hot = (numbers[:, None] == tensor(elements)).long()
    met = one_hot.sum(dim=0) - one_hot  # how many others there are of each element, (n, n_elements)
    return torch.stack(
        [torch.cat([block for block, n in zip(row, ns, strict=True) if n]) for row, ns in zip(x, met, strict=True)]
    )


def heard(difference: Difference) -> str:
    """Which width the answer has."""
    return str(difference.got["shape"][-1]) if difference.got.get("shape") else "none"


RADIAL_AEV = by_value(
    "3.4",
    radial_aev,
    cases=molecules_cases,
    success="every atom knows how far its neighbours are, element by element.",
    start="Start from the table of all distances, (n_atoms, n_atoms).",
    points=20,
    hints=(
        "For atom i and element Z: which distances go into `radial_symmetry_functions`? A loop over atoms and elements "
        "is a right answer; write that one first.",
        "`distances[i, (numbers == Z) & (torch.arange(n_atoms) != i)]` are the distances from i to the others of "
        "element Z. Without loops: the terms of all pairs are a table (n_atoms, n_atoms, K), and `numbers[:, None] == "
        "torch.tensor(elements)` says which column belongs to which element.",
        '`torch.einsum("ijk,jz->izk", terms, one_hot).flatten(1)`, where `terms` (n_atoms, n_atoms, K) is zero on its '
        "diagonal, and `one_hot = (numbers[:, None] == torch.tensor(elements)).double()`.",
    ),
    misconceptions=[
        Misconception(
            "counts the atom itself",
            "Your atoms hear themselves: the distance 0 is in the sum. Leave out j = i.",
            aev_of(table),
        ),
        Misconception(
            "one block for all",
            lambda d: (
                "You added all neighbours into one block, whatever they are: "
                f"{heard(d)} columns. A carbon at 1.2 A and an oxygen at 1.5 A then look like the reverse. Give each "
                "element its own K columns."
            ),
            lambda numbers, positions, elements, *how: pairs(all_distances(positions), *how).sum(dim=1),
        ),
        Misconception(
            "the element of the centre",
            "You filled the block of the atom's own element. The block says who the NEIGHBOUR is: Z_j, not Z_i.",
            block_of_the_center,
        ),
        Misconception(
            "sorted blocks",
            "Your blocks are in the order of the atomic numbers. The order of `elements` decides: its first element "
            "has the first K columns.",
            lambda numbers, positions, elements, *how: radial_aev(numbers, positions, sorted(elements), *how),
        ),
        Misconception(
            "elements of this molecule",
            "Your blocks are those of the elements in this molecule. The next molecule has others, and a column would "
            "change its meaning. Use `elements`, also where a block stays empty.",
            lambda numbers, positions, elements, *how: radial_aev(
                numbers, positions, [z for z in elements if z in numbers.tolist()], *how
            ),
        ),
        Misconception(
            "sorted elements of this molecule",
            "Your blocks are those of the elements in this molecule. The next molecule has others, and a column would "
            "change its meaning. Use `elements`, in its order, also where a block stays empty.",
            lambda numbers, positions, elements, *how: radial_aev(
                numbers, positions, sorted(set(numbers.tolist())), *how
            ),
        ),
        Misconception(
            "last neighbour only",
            "Where an atom has two neighbours of an element, only the last one is left in the block: each one "
            "overwrites the one before it. Add, with `+=`.",
            last_of_each_element,
        ),
        Misconception(
            "elements first",
            "You stacked the blocks of the elements: (n_elements, n_atoms, K). They belong beside one another, in one "
            "row an atom: `torch.cat(..., dim=1)`.",
            aev_of(pairs, lambda x: x.transpose(0, 1)),
        ),
        Misconception(
            "interleaved",
            "All numbers are there, in another order. Column (place of Z) * K + k: all K Gaussians of the first "
            "element, then those of the second.",
            aev_of(pairs, lambda x: x.transpose(1, 2).flatten(1)),
        ),
        Misconception(
            "not flat",
            "You return a table (n_elements, K) for each atom. A network takes one row an atom: flatten the last two "
            "axes.",
            aev_of(pairs, lambda x: x),
        ),
        Misconception(
            "weighted by the charge",
            "You multiplied by the atomic number. The blocks tell the elements apart already; each neighbour counts 1.",
            lambda numbers, positions, elements, centers, *how: (
                radial_aev(numbers, positions, elements, centers, *how)
                * tensor(elements).repeat_interleave(len(centers))
            ),
        ),
        Misconception(
            "one block, weighted by the charge",
            "You multiplied each neighbour by Z_j and added all of them into one block. An oxygen then sounds like "
            "1.33 carbons. Give each element its own K columns, where each neighbour counts 1.",
            weighted_by_charge,
        ),
        Misconception(
            "empty blocks left out",
            "You left out the blocks of elements that no neighbour has, and the columns behind them have moved up. "
            "That is the Coulomb vector's old trouble. A block without a neighbour is K zeros.",
            without_empty_blocks,
        ),
        Misconception(
            "the first atom only",
            "Your answer has one row: the `return` stands inside the loop over the atoms. Every atom has a row.",
            lambda *args: radial_aev(*args)[:1],
        ),
        Misconception(
            "the cutoff of the notebook",
            "Your cutoff is 4 A, whatever your function is told: that is r_c of the notebook. Use the argument "
            "`cutoff`.",
            lambda numbers, positions, elements, centers, eta, cutoff: radial_aev(
                numbers, positions, elements, centers, eta, 4.0
            ),
        ),
        Misconception(
            "no cutoff function",
            "f_c is missing: atoms beyond the cutoff still speak.",
            aev_of(lambda r, *how: bare(r, *how) * others(r)),
        ),
        Misconception(
            "hard cutoff",
            "You dropped the far atoms and left the near ones whole. Multiply each term by f_c.",
            aev_of(lambda r, *how: bare(r, *how) * others(r) * (r < how[-1])[:, :, None]),
        ),
        Misconception(
            "each pair once",
            "Each pair is in your sum once, for the first of the two atoms. The second one hears nothing. Both are "
            "centres: i over all atoms, j over all others.",
            aev_of(lambda r, *how: pairs(r, *how) * torch.ones_like(r).triu()[:, :, None]),
        ),
        Misconception(
            "squared distances",
            "You used the squared distance where r belongs. Take the square root.",
            aev_of(lambda r, *how: pairs(r**2, *how)),
        ),
        Misconception(
            "the table of features of the molecule",
            "You added up the rows of all atoms: one row for the molecule. Each atom keeps its own row; it is the "
            "energies that are added.",
            lambda *args: radial_aev(*args).sum(dim=0),
        ),
        Misconception(
            "lonely atoms dropped",
            "Atoms without neighbours have no row in your answer. They get zeros.",
            lambda *args: (x := radial_aev(*args))[x.abs().sum(dim=1) > 0],
        ),
    ],
)


EXERCISES = (COSINE_CUTOFF, RADIAL_SYMMETRY_FUNCTIONS, RADIAL_GRID, RADIAL_AEV)

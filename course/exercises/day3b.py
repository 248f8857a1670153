"""Exercises 3.5 to 3.8: angular symmetry functions, and who can be told apart with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course.descriptors import symmetry_functions as library
from course.descriptors.symmetry_functions import Pairs, angular_term, element_index, pairs_of, sum_over_pairs
from course.descriptors.twins import distinguishable, without_twin
from course.exercises.evidence import Encoded, array, encode
from course.exercises.exercise import Case, Difference, Misconception, by_value, tensor
from course.graph import Graph, molecular_graph, neighbor_pairs
from course.radial import cosine_cutoff, radial_grid

# -------------------------------------------------------------------------------------------------- 3.5 angular_term

Triples = tuple[Tensor, Tensor, Tensor]  # eta, zeta, lam

ONE: Triples = (tensor([0.1]), tensor([1.0]), tensor([1.0]))
FOUR: Triples = (tensor([0.05, 0.05, 0.2, 0.0]), tensor([1.0, 4.0, 2.0, 1.5]), tensor([1.0, -1.0, -1.0, 1.0]))


def terms_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([0.0]), tensor([1.0]), tensor([1.0]), tensor([np.sqrt(2)]), *ONE, 3.0))  # a right angle
    sharp = tensor([0.0]), tensor([4.0]), tensor([-1.0])
    yield Case((tensor([0.5]), tensor([1.0]), tensor([1.2]), tensor([1.4]), *sharp, 4.0))
    nothing = tensor(np.zeros(0))
    yield Case((nothing, nothing, nothing, nothing, *FOUR, 3.0), when="with no pairs at all")
    yield Case((tensor([-0.5]), tensor([2.0]), tensor([2.0]), tensor([3.3]), *FOUR, 3.0))  # the third side is too long
    yield Case((tensor([0.1, 0.2]), tensor([3.0, 2.9]), tensor([1.0, 3.5]), tensor([1.1, 1.0]), *FOUR, 3.0))
    straight = tensor([-1.0 - 2e-16, 1.0 + 2e-16])
    yield Case(
        (straight, tensor([1.0, 1.0]), tensor([0.9, 1.1]), tensor([1.9, 0.1]), *FOUR, 3.0),
        when="with an angle of 180 degrees, where rounding makes the cosine -1.0000000000000002",
    )
    for n_pairs in (4, 7):  # as many pairs as functions, then more
        R_ij, R_ik = rng.normal(size=(2, n_pairs, 3))
        r_ij, r_ik = np.linalg.norm(R_ij, axis=1), np.linalg.norm(R_ik, axis=1)
        cosine = (R_ij * R_ik).sum(axis=1) / (r_ij * r_ik)
        r_jk = np.linalg.norm(R_ij - R_ik, axis=1)
        yield Case((tensor(cosine), tensor(r_ij), tensor(r_ik), tensor(r_jk), *FOUR, 4.0))
    whole = tensor([1, 2, 4]), tensor([1, 1, -1])
    yield Case(
        (tensor([0.3]), tensor([1.0]), tensor([1.2]), tensor([1.3]), tensor([0.1, 0.1, 0.1]), *whole, 3),
        when="with integers for zeta and lam",
    )


def terms(
    cos_theta: Tensor,
    r_ij: Tensor,
    r_ik: Tensor,
    r_jk: Tensor,
    eta: Tensor,
    zeta: Tensor,
    lam: Tensor,
    cutoff: float,
    *,
    angle: Callable[..., Tensor] = lambda c, zeta, lam: 2.0 ** (1 - zeta) * (1 + lam * c).clamp(min=0) ** zeta,
    size: Callable[..., Tensor] = lambda r_ij, r_ik, r_jk: r_ij**2 + r_ik**2 + r_jk**2,
    fade: Callable[..., Tensor] = lambda f_ij, f_ik, f_jk: f_ij * f_ik * f_jk,
) -> Tensor:
    """The three factors, each of which a misconception may replace."""
    f_c = fade(*(cosine_cutoff(r, cutoff) for r in (r_ij, r_ik, r_jk)))
    return angle(cos_theta[:, None], zeta, lam) * torch.exp(-eta * size(r_ij, r_ik, r_jk)[:, None]) * f_c[:, None]


def variant(**replaced: Any) -> Callable[..., Tensor]:
    return lambda *args: terms(*args, **replaced)


def always_one(f_ij: Tensor, f_ik: Tensor, f_jk: Tensor) -> Tensor:
    return torch.ones_like(f_ij)


def growing(*args: Any) -> Tensor:
    cos_theta, r_ij, r_ik, r_jk, eta, zeta, lam, cutoff = args
    return angular_term(cos_theta, r_ij, r_ik, r_jk, -eta, zeta, lam, cutoff)


def pair_with_pair(*args: Any) -> Tensor:
    """One function a pair, where the numbers happen to fit."""
    cos_theta, r_ij, r_ik, r_jk, eta, zeta, lam, cutoff = args
    f_c = cosine_cutoff(r_ij, cutoff) * cosine_cutoff(r_ik, cutoff) * cosine_cutoff(r_jk, cutoff)
    angle = 2.0 ** (1 - zeta) * (1 + lam * cos_theta).clamp(min=0) ** zeta
    return angle * torch.exp(-eta * (r_ij**2 + r_ik**2 + r_jk**2)) * f_c


def cutoffs_in_a_row(*args: Any) -> Tensor:
    """f_c (n_pairs,) against a table (n_pairs, n_angular)."""
    _, r_ij, r_ik, r_jk, *_, cutoff = args
    f_c = cosine_cutoff(r_ij, cutoff) * cosine_cutoff(r_ik, cutoff) * cosine_cutoff(r_jk, cutoff)
    return terms(*args, fade=always_one) * f_c


def squares_in_a_row(*args: Any) -> Tensor:
    """The sum of squares (n_pairs,) against eta (n_angular,)."""
    _, r_ij, r_ik, r_jk, eta, *_ = args
    whole = terms(*args, size=lambda a, b, c: torch.zeros_like(a))
    return whole * torch.exp(-eta * (r_ij**2 + r_ik**2 + r_jk**2))


ANGULAR_TERM = by_value(
    "3.5",
    angular_term,
    cases=terms_cases,
    success="an angle, a size and three cutoffs, in one number.",
    start="Start from the factor of the angle, (1 + lam * cos_theta[:, None]) ** zeta.",
    hints=(
        "Three factors: one knows the angle, one the size of the triangle, one lets the triangle fade. Which of them "
        "have one value a pair, and which a value for each pair and each function?",
        "`cos_theta[:, None]` is a column, (n_pairs, 1); `zeta` is a row, (n_angular,). Together they make a table "
        "(n_pairs, n_angular). What has one value a pair must become a column before it meets the table.",
        "`2.0 ** (1 - zeta) * (1 + lam * cos_theta[:, None]).clamp(min=0) ** zeta * torch.exp(-eta * squares[:, None]) "
        "* f_c[:, None]`, with `squares = r_ij**2 + r_ik**2 + r_jk**2` and `f_c` the product of three "
        "`cosine_cutoff`.",
    ),
    misconceptions=[
        Misconception(
            "no prefactor",
            "The factor 2^(1 - zeta) is missing. Without it a sharp function is a tall one: at zeta = 16 it would "
            "stand at 65536 where the others stand at 2.",
            variant(angle=lambda c, zeta, lam: (1 + lam * c).clamp(min=0) ** zeta),
        ),
        Misconception(
            "prefactor upside down",
            "Your prefactor is 2^(zeta - 1). It makes the tall functions taller; the exponent is 1 - zeta.",
            variant(angle=lambda c, zeta, lam: 2.0 ** (zeta - 1) * (1 + lam * c).clamp(min=0) ** zeta),
        ),
        Misconception(
            "integer powers",
            "Right, as long as zeta holds floating-point numbers. With integers torch keeps 2 ** (1 - zeta) an "
            "integer, and 2 ** -3 becomes 0, without a warning. Write 2.0 ** (1 - zeta).",
            variant(angle=lambda c, zeta, lam: 2 ** (1 - zeta) * (1 + lam * c).clamp(min=0) ** zeta),
        ),
        Misconception(
            "not clamped",
            "Right, except where three atoms stand in a line. There rounding can make 1 + lam cos a little less than "
            "zero, and a negative number to the power 1.5 is no number: NaN. `.clamp(min=0)` before the power.",
            variant(angle=lambda c, zeta, lam: 2.0 ** (1 - zeta) * (1 + lam * c) ** zeta),
        ),
        Misconception(
            "through the angle",
            "You went through the angle with arccos. Rounding can make the cosine -1.0000000000000002, whose arccos is "
            "NaN, and near 180 degrees its slope is infinite. The cosine is all that the formula needs.",
            variant(
                angle=lambda c, zeta, lam: (
                    2.0 ** (1 - zeta) * (1 + lam * torch.cos(torch.arccos(c))).clamp(min=0) ** zeta
                )
            ),
        ),
        Misconception(
            "2 - zeta",
            "`2 ** 1 - zeta` is 2 - zeta: the power comes before the minus. Brackets: 2.0 ** (1 - zeta).",
            variant(angle=lambda c, zeta, lam: (2.0 - zeta) * (1 + lam * c).clamp(min=0) ** zeta),
        ),
        Misconception(
            "no power",
            "zeta does not sharpen your hill: the whole bracket stands to the power zeta, "
            "(1 + lambda cos(theta)) ** zeta.",
            variant(angle=lambda c, zeta, lam: 2.0 ** (1 - zeta) * (1 + lam * c).clamp(min=0)),
        ),
        Misconception(
            "power of the cosine",
            "Your power belongs to the cosine alone. It is the whole bracket that stands to the power zeta: "
            "(1 + lambda cos(theta)) ** zeta.",
            variant(angle=lambda c, zeta, lam: 2.0 ** (1 - zeta) * (1 + lam * c**zeta)),
        ),
        Misconception(
            "sign of lambda",
            "Your hills have changed places: with lambda = +1 the hill stands at 0 degrees, where the cosine is 1. "
            "1 + lambda cos(theta), with a plus.",
            variant(angle=lambda c, zeta, lam: 2.0 ** (1 - zeta) * (1 - lam * c).clamp(min=0) ** zeta),
        ),
        Misconception(
            "lambda outside",
            "Your lambda stands in front of the bracket. It belongs to the cosine, 1 + lambda cos(theta): with -1 it "
            "turns the hill from 0 to 180 degrees. In front it only changes the sign.",
            variant(angle=lambda c, zeta, lam: 2.0 ** (1 - zeta) * lam * (1 + c).clamp(min=0) ** zeta),
        ),
        Misconception(
            "lambda forgotten",
            "lambda does nothing in your function. With +1 the hill is at 0 degrees, with -1 at 180: "
            "1 + lambda cos(theta).",
            variant(angle=lambda c, zeta, lam: 2.0 ** (1 - zeta) * (1 + c).clamp(min=0) ** zeta),
        ),
        Misconception(
            "times zeta",
            "You multiplied by zeta. It is an exponent: the bracket to the power zeta makes the hill narrow.",
            variant(angle=lambda c, zeta, lam: 2.0 ** (1 - zeta) * (1 + lam * c).clamp(min=0) * zeta),
        ),
        Misconception(
            "cosine of the cosine",
            "You took the cosine of `cos_theta`. It is the cosine already, not the angle.",
            variant(angle=lambda c, zeta, lam: 2.0 ** (1 - zeta) * (1 + lam * torch.cos(c)).clamp(min=0) ** zeta),
        ),
        Misconception(
            "no third side",
            "The third side is missing: r_jk stands neither in your exponent nor in your cutoff functions. Behler "
            "calls that function G5. In G4 the triangle counts only if all three of its sides are short.",
            variant(size=lambda a, b, c: a**2 + b**2, fade=lambda a, b, c: a * b),
        ),
        Misconception(
            "no third cutoff",
            "f_c(r_jk) is missing. Then a triangle whose third side is longer than the cutoff still counts.",
            variant(fade=lambda a, b, c: a * b),
        ),
        Misconception(
            "no third square",
            "r_jk^2 is missing in your exponent. All three sides stand there.",
            variant(size=lambda a, b, c: a**2 + b**2),
        ),
        Misconception(
            "no cutoff function",
            "The cutoff functions are missing. A neighbour that comes in then brings all its triangles at once.",
            variant(fade=always_one),
        ),
        Misconception(
            "no size",
            "The size is missing: exp(-eta (r_ij^2 + r_ik^2 + r_jk^2)). eta does nothing in your function.",
            variant(size=lambda a, b, c: torch.zeros_like(a)),
        ),
        Misconception(
            "hard cutoff",
            "You drop triangles with a side beyond the cutoff and keep the others whole: the jump of Day 2. Multiply "
            "by the three `cosine_cutoff`.",
            variant(fade=lambda a, b, c: ((a > 0) & (b > 0) & (c > 0)).to(a)),
        ),
        Misconception(
            "the cutoff of the notebook",
            "Your cutoff is 3 A, whatever your function is told: that is r_c of the cell above. Use the argument "
            "`cutoff`.",
            lambda cos_theta, r_ij, r_ik, r_jk, eta, zeta, lam, cutoff: angular_term(
                cos_theta, r_ij, r_ik, r_jk, eta, zeta, lam, 3.0
            ),
        ),
        Misconception(
            "cutoffs along the functions",
            "f_c has one value a pair, (n_pairs,), and lies along the functions in your product: a wrong number where "
            "there are as many pairs as functions, an error elsewhere. `f_c[:, None]` makes it a column.",
            cutoffs_in_a_row,
        ),
        Misconception(
            "size along the functions",
            "The sum of squares has one value a pair, (n_pairs,), and meets eta function by function: a wrong number "
            "where there are as many pairs as functions, an error elsewhere. `squares[:, None]` makes it a column.",
            squares_in_a_row,
        ),
        Misconception(
            "cutoff functions added",
            "You added the three cutoff functions. A triangle fades as soon as one of its sides does: multiply them.",
            variant(fade=lambda a, b, c: a + b + c),
        ),
        Misconception(
            "square of the sum",
            "You squared the sum of the sides. The exponent holds the sum of the squares.",
            variant(size=lambda a, b, c: (a + b + c) ** 2),
        ),
        Misconception(
            "not squared",
            "The sides stand in your exponent without a square: eta, in 1/A^2, multiplies r_ij^2 + r_ik^2 + r_jk^2.",
            variant(size=lambda a, b, c: a + b + c),
        ),
        Misconception(
            "sign of the exponent",
            "Your exponent is positive, so that large triangles count most. It is -eta times the squares.",
            growing,
        ),
        Misconception(
            "summed already",
            "You added up all pairs. Here each pair keeps its row; who belongs to which atom comes in 3.7.",
            lambda *args: angular_term(*args).sum(dim=0),
        ),
        Misconception(
            "transposed",
            "Rows and columns are exchanged: a pair is a row, a triple (eta, zeta, lam) is a column.",
            lambda *args: angular_term(*args).T,
        ),
        Misconception(
            "pair with function",
            "`cos_theta` and `zeta` lie along the same axis in your product: pair number n meets function number n, "
            "and there is an error where the numbers do not fit. `cos_theta[:, None]` makes it a column that meets "
            "every function; the same for the sides.",
            pair_with_pair,
        ),
        Misconception(
            "pair with function, in a row",
            "`cos_theta` and `zeta` lie along the same axis in your product: pair number n meets function number n, "
            "and there is an error where the numbers do not fit. `cos_theta[:, None]` makes it a column that meets "
            "every function; the same for the sides.",
            lambda *args: pair_with_pair(*args)[None],
        ),
    ],
)

# ------------------------------------------------------------------------------------------------ 3.6 neighbor_pairs


def receivers_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([0, 0]),))
    yield Case((tensor(np.zeros(0, int)),), when="with no edges at all")
    yield Case((tensor([3]),), when="with one edge alone")
    yield Case((tensor([0, 1, 2]),), when="where every atom has one neighbour")
    yield Case((tensor([1, 1, 1, 1]),))  # six pairs, and atom 0 hears nobody
    yield Case((tensor([2, 0, 2, 0, 2]),))  # not sorted
    yield Case((tensor([1, 0, 0, 1, 4, 4, 4]),))
    yield Case((tensor(rng.integers(0, 5, size=14)),))


def sorted_pairs(encoded: Encoded) -> Encoded:
    """Pairs in one order, and in each the smaller number first. What is not two equal rows stays as it is."""
    if "values" not in encoded or len(encoded["shape"]) != 2 or encoded["shape"][0] != 2:
        return encoded
    pairs = np.sort(array(encoded), axis=0)
    pairs = pairs[:, np.lexsort(pairs[::-1])]
    return {"fields": {"first": encode(pairs[0]), "second": encode(pairs[1])}}


def pairs_where(keep: Callable[[Tensor], Tensor]) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """All (edge, edge) of a table of booleans made from the receivers."""

    def pairs(receivers: Tensor) -> tuple[Tensor, Tensor]:
        first, second = torch.nonzero(keep(receivers), as_tuple=True)
        return first, second

    return pairs


def same_center(receivers: Tensor) -> Tensor:
    return receivers[:, None] == receivers[None, :]


def next_ones(receivers: Tensor) -> tuple[Tensor, Tensor]:
    """Each edge with the next one at the same atom."""
    order = torch.argsort(receivers, stable=True)
    meet = receivers[order[:-1]] == receivers[order[1:]]
    return order[:-1][meet], order[1:][meet]


def never_back(receivers: Tensor) -> tuple[Tensor, Tensor]:
    """The numbers of the edges in the sorted list."""
    return neighbor_pairs(receivers.sort().values)


def counted_in_the_atom(receivers: Tensor) -> tuple[Tensor, Tensor]:
    place = torch.tril(same_center(receivers), diagonal=-1).sum(dim=1)
    first, second = neighbor_pairs(receivers)
    return place[first], place[second]


def atoms_for_edges(receivers: Tensor) -> tuple[Tensor, Tensor]:
    first, second = neighbor_pairs(receivers)
    return receivers[first], receivers[second]


NEIGHBOR_PAIRS = by_value(
    "3.6",
    neighbor_pairs,
    cases=receivers_cases,
    canonical=sorted_pairs,
    wrong_kinds={
        "float": "The pairs are right, but your indices are not integers. With no pairs, `torch.tensor([])` is a "
        "tensor of floats, and no tensor can be indexed with it: write `dtype=torch.long`."
    },
    success="every two edges that meet at an atom, once.",
    start="Start from the table receivers[:, None] == receivers[None, :].",
    hints=(
        "Two edges make a pair when they end at the same atom. Write the table of all (edge, edge) in which that is "
        "so. Which of its entries do you want?",
        "The table is symmetric, and its diagonal is every edge with itself. `torch.triu(table, diagonal=1)` keeps "
        "what lies above the diagonal.",
        "`same = receivers[:, None] == receivers[None, :]`, then "
        "`torch.nonzero(torch.triu(same, diagonal=1), as_tuple=True)`.",
    ),
    misconceptions=[
        Misconception(
            "both orders",
            "Each pair is in your list twice, as (j, k) and as (k, j). It is one angle, and would count double.",
            pairs_where(lambda receivers: same_center(receivers) & ~torch.eye(len(receivers), dtype=torch.bool)),
        ),
        Misconception(
            "an edge with itself",
            "Every edge is paired with itself in your list. That is an angle of 0 degrees that does not exist: start "
            "one place beyond the diagonal.",
            pairs_where(lambda receivers: torch.triu(same_center(receivers))),
        ),
        Misconception(
            "both orders, and itself",
            "You took the whole table: each pair twice, and every edge with itself. What lies above the diagonal is "
            "enough.",
            pairs_where(same_center),
        ),
        Misconception(
            "any two edges",
            "You paired all edges with all others. An angle needs two edges that end at the same atom.",
            pairs_where(lambda receivers: torch.triu(torch.ones(len(receivers), len(receivers)), diagonal=1)),
        ),
        Misconception(
            "only the next one",
            "You paired each edge with the next one only. Four neighbours make six pairs, not three.",
            next_ones,
        ),
        Misconception(
            "numbers of a sorted list",
            "You sorted the receivers, and your numbers are places in the sorted list. Whoever uses them holds the "
            "edges in the old order: translate back with the result of `argsort`.",
            never_back,
        ),
        Misconception(
            "numbered within the atom",
            "You counted the neighbours of each atom from 0. The numbers should say which edge it is in the whole "
            "list, so that `distances[first]` is the right distance.",
            counted_in_the_atom,
        ),
        Misconception(
            "atoms for edges",
            "You returned the atoms in the middle. Asked are the numbers of the two edges: with them we look up "
            "distances, senders and everything else.",
            atoms_for_edges,
        ),
        Misconception(
            "rows of pairs",
            "Your answer is a list of pairs. Asked are two lists: all first edges, then all second edges.",
            lambda receivers: torch.stack(neighbor_pairs(receivers), dim=1),
        ),
        Misconception(
            "a table of pairs",
            "Your answer has one row a pair, (n_pairs, 2). Asked are two tensors, all first edges and all second "
            "edges: `torch.nonzero(..., as_tuple=True)`, or the two columns.",
            lambda receivers: torch.nonzero(torch.triu(same_center(receivers), diagonal=1)),
        ),
        Misconception(
            "a list of pairs",
            "Your answer is a list of pairs. Asked are two lists: all first edges, then all second edges.",
            lambda receivers: torch.nonzero(torch.triu(same_center(receivers), diagonal=1)).tolist(),
        ),
        Misconception(
            "the last atom missing",
            "The pairs at the last atom are missing: `range(n)` ends at n - 1. The largest receiver is an atom too.",
            pairs_where(
                lambda receivers: torch.triu(same_center(receivers), diagonal=1) & (receivers < receivers.max())
            ),
        ),
    ],
)

# --------------------------------------------------------------------------------------------------- 3.7 angular_aev


def angular_aev(
    numbers: Tensor, positions: Tensor, elements: Sequence[int], eta: Tensor, zeta: Tensor, lam: Tensor, cutoff: float
) -> Tensor:
    """G4 of every atom: (n_atoms, n_element_pairs n_angular)."""
    graph = molecular_graph((numbers.numpy(), positions.numpy()), cutoff)
    return library.angular_aev(graph, elements, eta, zeta, lam, cutoff)


def molecules_cases(rng: np.random.Generator) -> Iterator[Case]:
    right_angle = [[0.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0]]
    yield Case((tensor([8, 1, 1]), tensor(right_angle), [1, 8], *ONE, 3.0), given="water with a right angle, ONE")
    yield Case((tensor([6]), tensor([[0.0, 0, 0]]), [1, 6], *FOUR, 3.0), when="with one atom alone")
    yield Case((tensor([8, 1]), tensor([[0.0, 0, 0], [0, 0, 1]]), [1, 8], *FOUR, 3.0), when="with no pairs at all")
    lonely = [[0.0, 0, 0], [1.1, 0, 0], [0, 1.2, 0], [9.0, 9, 9]]
    yield Case((tensor([8, 1, 6, 1]), tensor(lonely), [1, 6, 8], *FOUR, 3.0))  # all elements differ, one is far away
    yield Case((tensor([8, 1, 6, 1]), tensor(lonely), [8, 1, 6], *FOUR, 3.0))  # the same, blocks in another order
    yield Case((tensor([8, 6, 1, 1]), tensor(lonely), [1, 6, 8], *FOUR, 3.0))  # two neighbours have changed places
    yield Case((tensor([7, 1, 1]), tensor([[0.0, 0, 0], [2.0, 0, 0], [0, 1.5, 0]]), [1, 7], *FOUR, 2))  # at the cutoff
    open_triangle = [[0.0, 0, 0], [1.9, 0, 0], [-1.9, 0.1, 0]]
    yield Case((tensor([8, 1, 1]), tensor(open_triangle), [1, 8], *FOUR, 3.0))  # H and H do not see each other
    for n_atoms in (4, 7):
        positions = rng.uniform(-1.3, 1.3, size=(n_atoms, 3))
        yield Case((tensor(rng.choice([1, 6, 8], size=n_atoms)), tensor(positions), [6, 1, 8], *FOUR, 2.7))


def in_words(args: tuple[Any, ...]) -> str:
    """The input of 3.7 as a learner would type it."""
    numbers, positions, elements, eta, zeta, lam, cutoff = args
    table = positions.numpy().round(2).tolist() if len(numbers) < 5 else f"an array of shape {tuple(positions.shape)}"
    triples = ", ".join(f"{name} {t.tolist()}" for name, t in (("eta", eta), ("zeta", zeta), ("lam", lam)))
    return f"numbers {numbers.tolist()}, positions {table}, elements {elements}, {triples}, cutoff {cutoff}"


def described_cases(rng: np.random.Generator) -> Iterator[Case]:
    for case in molecules_cases(rng):
        yield Case(case.args, given=in_words(case.args), when=case.when)


class Setting:
    """A molecule with its pairs, for the misconceptions of 3.7."""

    def __init__(
        self,
        numbers: Tensor,
        positions: Tensor,
        elements: Sequence[int],
        eta: Tensor,
        zeta: Tensor,
        lam: Tensor,
        cutoff: float,
    ):
        self.graph: Graph = molecular_graph((numbers.numpy(), positions.numpy()), cutoff)
        self.elements, self.how = list(elements), (eta, zeta, lam, cutoff)
        self.pairs: Pairs = pairs_of(self.graph, cutoff)
        self.n_angular = len(eta)

    def terms(self, **other: Tensor) -> Tensor:
        """(n_pairs, n_angular), with some of cos_theta, r_ij, r_ik, r_jk replaced."""
        p = self.pairs._replace(**other)
        return angular_term(p.cos_theta, p.r_ij, p.r_ik, p.r_jk, *self.how)

    def sum(self, terms: Tensor, **other: Tensor) -> Tensor:
        return sum_over_pairs(self.graph, self.elements, self.pairs._replace(**other), terms)

    def sum_in(self, block: Tensor, n_blocks: int) -> Tensor:
        """As `sum`, in other blocks (n_pairs,)."""
        x = torch.zeros(self.graph.n_atoms * n_blocks, self.n_angular, dtype=torch.float64)
        return x.index_add(0, self.pairs.center * n_blocks + block, self.terms()).reshape(self.graph.n_atoms, -1)

    def places(self) -> tuple[Tensor, Tensor]:
        """The places of the elements of j and of k in `elements`."""
        place = element_index(self.graph.numbers, self.elements)
        return place[self.pairs.j], place[self.pairs.k]

    def blocks(self) -> Tensor:
        """The result as (n_atoms, n_blocks, n_angular)."""
        return self.sum(self.terms()).unflatten(1, (-1, self.n_angular))

    def pair_names(self) -> list[tuple[int, int]]:
        """(place, place) of each block, in the right order."""
        n = len(self.elements)
        return [(a, b) for a in range(n) for b in range(a, n)]

    def in_order(self, names: list[tuple[int, int]]) -> Tensor:
        right = self.pair_names()
        return self.blocks()[:, [right.index(name) for name in names]].flatten(1)


def wrong_vertex(*args: Any) -> Tensor:
    s = Setting(*args)
    p = s.pairs
    return s.sum(s.terms(cos_theta=(p.r_ij**2 + p.r_jk**2 - p.r_ik**2) / (2 * p.r_ij * p.r_jk)))


def sign_of_one_arrow(*args: Any) -> Tensor:
    s = Setting(*args)
    return s.sum(s.terms(cos_theta=-s.pairs.cos_theta))


def third_side(*args: Any) -> Tensor:
    s = Setting(*args)
    return s.sum(s.terms(r_jk=torch.zeros_like(s.pairs.r_jk)))


def sum_of_two_sides(*args: Any) -> Tensor:
    s = Setting(*args)
    return s.sum(s.terms(r_jk=(s.pairs.r_ij - s.pairs.r_ik).abs()))


def at_the_first_neighbor(*args: Any) -> Tensor:
    s = Setting(*args)
    return s.sum(s.terms(), center=s.pairs.j)


def mean_of_pairs(*args: Any) -> Tensor:
    s = Setting(*args)
    count = torch.bincount(s.pairs.center, minlength=s.graph.n_atoms).clamp(min=1)
    return s.sum(s.terms()) / count[:, None]


def ordered_blocks(*args: Any) -> Tensor:
    """n_elements^2 blocks: H-O and O-H are two."""
    s = Setting(*args)
    a, b = s.places()
    n = len(s.elements)
    return s.sum_in(a * n + b, n * n)


def only_in_order(*args: Any) -> Tensor:
    """O-H pairs are lost where H-O ones are kept."""
    s = Setting(*args)
    a, b = s.places()
    return s.sum(torch.where((a <= b)[:, None], s.terms(), 0.0))


def only_equal(*args: Any) -> Tensor:
    s = Setting(*args)
    a, b = s.places()
    return s.sum(torch.where((a == b)[:, None], s.terms(), 0.0))


def equal_pairs_first(*args: Any) -> Tensor:
    s = Setting(*args)
    names = s.pair_names()
    return s.in_order([name for name in names if name[0] == name[1]] + [name for name in names if name[0] != name[1]])


def lower_triangle(*args: Any) -> Tensor:
    s = Setting(*args)
    n = len(s.elements)
    return s.in_order([(b, a) for a in range(n) for b in range(a + 1)])


def sorted_elements(*args: Any) -> Tensor:
    return angular_aev(args[0], args[1], sorted(args[2]), *args[3:])


def one_block(*args: Any) -> Tensor:
    return Setting(*args).blocks().sum(dim=1)


def functions_first(*args: Any) -> Tensor:
    return Setting(*args).blocks().transpose(1, 2).flatten(1)


def blocks_by_the_center(*args: Any) -> Tensor:
    """The elements of i and j, in place of j and k."""
    s = Setting(*args)
    return s.sum(s.terms(), j=s.pairs.center, k=s.pairs.j)


def lonely_dropped(*args: Any) -> Tensor:
    s = Setting(*args)
    return angular_aev(*args)[torch.unique(s.graph.receivers)]


def n_squared_blocks(*args: Any) -> Tensor:
    """n_elements^2 blocks, those below the diagonal empty."""
    s = Setting(*args)
    a, b = s.places()
    n = len(s.elements)
    return s.sum_in(torch.minimum(a, b) * n + torch.maximum(a, b), n * n)


def formula_for_sorted_places(*args: Any) -> Tensor:
    """The number of the block as for a <= b, and the places as they come."""
    s = Setting(*args)
    a, b = s.places()
    n = len(s.elements)
    return s.sum_in(a * n - a * (a - 1) // 2 + b - a, n * (n + 1) // 2)


def last_pair_only(*args: Any) -> Tensor:
    """One pair overwrites another of the same block; they come in the order of the atoms."""
    s = Setting(*args)
    names, terms = s.pair_names(), s.terms()
    x = torch.zeros(s.graph.n_atoms, len(names), s.n_angular, dtype=torch.float64)
    low, high = torch.minimum(s.pairs.j, s.pairs.k), torch.maximum(s.pairs.j, s.pairs.k)
    places = torch.stack(s.places(), dim=1).sort(dim=1).values.tolist()
    for p in np.lexsort((high.numpy(), low.numpy())).tolist():
        x[s.pairs.center[p], names.index((places[p][0], places[p][1]))] = terms[p]
    return x.flatten(1)


def sum_of_two_arrows(*args: Any) -> Tensor:
    s = Setting(*args)
    p = s.pairs
    return s.sum(s.terms(r_jk=(p.r_ij**2 + p.r_ik**2 + 2 * p.r_ij * p.r_ik * p.cos_theta).clamp(min=0).sqrt()))


def not_normalized(*args: Any) -> Tensor:
    s = Setting(*args)
    return s.sum(s.terms(cos_theta=s.pairs.cos_theta * s.pairs.r_ij * s.pairs.r_ik))


def angle_for_cosine(*args: Any) -> Tensor:
    s = Setting(*args)
    return s.sum(s.terms(cos_theta=torch.arccos(s.pairs.cos_theta)))


def elements_met(*args: Any) -> Tensor:
    return angular_aev(args[0], args[1], sorted(set(args[0].tolist())), *args[3:])


def rows_missing(difference: Difference) -> str:
    rows, got = difference.expected["shape"][0], (difference.got.get("shape") or ["no"])[0]
    return (
        f"An atom that hears nobody has no row in your answer: expected {rows} rows, got {got}. Its row is all zeros."
    )


ANGULAR_AEV = by_value(
    "3.7",
    angular_aev,
    cases=described_cases,
    success="every triangle counts at its corner, once, in the block of its two far ends.",
    start="Start from the graph: who hears whom, then which edges meet.",
    points=15,
    hints=(
        "Four steps: the edges (`molecular_graph`), the pairs of edges (3.6), one row a pair (3.5), and a sum of rows "
        "into the right place. The place is an atom and a block. Which atom, which block?",
        "With `first, second = neighbor_pairs(graph.receivers)` the corner is `graph.receivers[first]`, and the far "
        "ends are `graph.senders[first]` and `graph.senders[second]`. A small table `block[a, b] = block[b, a]` "
        "turns two elements into the number of their block.",
        "`x = torch.zeros(n_atoms, n_blocks, n_angular)`, then `x.index_put_((i, block), terms, accumulate=True)` or "
        "`x.flatten(0, 1).index_add(0, i * n_blocks + block, terms)`, and at the end `reshape(n_atoms, -1)`. The "
        "cosine is `(R_ij * R_ik).sum(1) / (r_ij * r_ik)`, and r_jk is the length of R_ik - R_ij.",
    ),
    misconceptions=[
        Misconception(
            "each pair twice",
            "Your numbers are twice too large: each pair counts as (j, k) and as (k, j). It is one triangle: j < k.",
            lambda *args: 2 * angular_aev(*args),
        ),
        Misconception(
            "angle at the wrong vertex",
            "Your angle is the one at the neighbour j. Asked is the angle at i, the atom in the middle, between the "
            "arrows to j and to k. With the law of cosines: r_jk is the side opposite to it.",
            wrong_vertex,
        ),
        Misconception(
            "sign of one arrow",
            "Your cosine has the wrong sign: one of the two arrows points to the atom in the middle, the other away "
            "from it. Both start at i: R_ij = R_j - R_i and R_ik = R_k - R_i.",
            sign_of_one_arrow,
        ),
        Misconception(
            "no third side",
            "The third side does not count in your function: f_c(r_jk) and r_jk^2 belong to G4. Without them the "
            "function is Behler's G5.",
            third_side,
        ),
        Misconception(
            "third side from lengths",
            "Your r_jk is the difference of the two distances. The third side needs the arrows: |R_ik - R_ij|.",
            sum_of_two_sides,
        ),
        Misconception(
            "third side from a sum",
            "Your r_jk is |R_ij + R_ik|. From j to k leads the difference of the arrows: |R_ik - R_ij|.",
            sum_of_two_arrows,
        ),
        Misconception(
            "cosine not divided",
            "Your cosine is R_ij . R_ik, as for arrows of length 1. Divide by r_ij r_ik.",
            not_normalized,
        ),
        Misconception(
            "angle for cosine",
            "You gave the angle to 3.5, in radians. It wants the cosine: no arccos.",
            angle_for_cosine,
        ),
        Misconception(
            "summed at a neighbour",
            "You added each triangle to its atom j. It belongs to the atom in the middle, `receivers[first]`.",
            at_the_first_neighbor,
        ),
        Misconception(
            "mean",
            "You averaged over the pairs. An atom with many neighbours then looks like one with few: sum.",
            mean_of_pairs,
        ),
        Misconception(
            "H-O and O-H",
            "Your answer has a block for H-O and another for O-H. Which of the two neighbours is called j is an "
            "accident of the list. n elements make n (n + 1) / 2 blocks, not n^2.",
            ordered_blocks,
        ),
        Misconception(
            "n^2 blocks",
            "Your answer has n^2 blocks, and those below the diagonal of the table stay empty. n elements make "
            "n (n + 1) / 2 blocks.",
            n_squared_blocks,
        ),
        Misconception(
            "places not sorted",
            "Some pairs stand in the block of another pair. The number of a block that you compute holds for a <= b: "
            "sort the places of the two elements first.",
            formula_for_sorted_places,
        ),
        Misconception(
            "last pair only",
            "Where two pairs belong to one atom and one block, only the last is left. In a loop: `+=`, not `=`. With "
            "an index that repeats, `x[i, block] += terms` writes each entry once: `index_add` or `index_put_(..., "
            "accumulate=True)` adds.",
            last_pair_only,
        ),
        Misconception(
            "lost in one order",
            "Some pairs of different elements are lost: you keep (H, O) and drop (O, H). Sort the two places before "
            "you look up the block.",
            only_in_order,
        ),
        Misconception(
            "only equal elements",
            "Pairs of two different elements are missing in your sum.",
            only_equal,
        ),
        Misconception(
            "blocks: equal pairs first",
            "Your blocks begin with the pairs of equal elements. The order is that of a table read row by row: "
            "(0,0), (0,1), ... (1,1), (1,2), ...",
            equal_pairs_first,
        ),
        Misconception(
            "blocks: lower triangle",
            "Your blocks run through the lower half of the table: (0,0), (0,1), (1,1), (0,2). Asked is the upper "
            "half, row by row: (0,0), (0,1), (0,2), (1,1).",
            lower_triangle,
        ),
        Misconception(
            "blocks by atomic number",
            "Your blocks are in the order of the atomic numbers. The order of `elements` decides.",
            sorted_elements,
        ),
        Misconception(
            "elements of this molecule",
            "Your blocks are those of the elements in this molecule. The next molecule has others, and a column would "
            "change its meaning. Use `elements`, in its order, also where a block stays empty.",
            elements_met,
        ),
        Misconception(
            "not flat",
            "You return a table (n_blocks, n_angular) for each atom. A network takes one row an atom: flatten the last "
            "two axes.",
            lambda *args: Setting(*args).blocks(),
        ),
        Misconception(
            "one row for the molecule",
            "You added up the rows of all atoms. Each atom keeps its own row; it is the energies that are added.",
            lambda *args: angular_aev(*args).sum(dim=0),
        ),
        Misconception(
            "no blocks",
            "All pairs are in one block: H-H, H-O and O-O cannot be told apart. Each pair of elements has a block.",
            one_block,
        ),
        Misconception(
            "function first",
            "All numbers are there, in another order: you put the function before the pair of elements. The numbers "
            "of one pair of elements stand side by side, in column block * n_angular + function.",
            functions_first,
        ),
        Misconception(
            "block of the middle atom",
            "Your block is chosen by the atom in the middle and one neighbour. It is the two neighbours, j and k, who "
            "choose it; the atom in the middle will have a network of its own.",
            blocks_by_the_center,
        ),
        Misconception("lonely atoms dropped", rows_missing, lonely_dropped),
    ],
)

# ---------------------------------------------------------------------------------------------- 3.8 distinguishable

ELEMENTS = [1, 6, 7, 8]


def radial_3(numbers: Tensor, positions: Tensor) -> Tensor:
    """Radial functions, r_c = 3 A."""
    graph = molecular_graph((numbers.numpy(), positions.numpy()), 3.0)
    return library.radial_aev(graph, ELEMENTS, *radial_grid(3.0, 6), 3.0)


def radial_and_angular_3(numbers: Tensor, positions: Tensor) -> Tensor:
    """Radial and angular functions, r_c = 3 A."""
    angular = angular_aev(numbers, positions, ELEMENTS, *FOUR, 3.0)
    return torch.cat([radial_3(numbers, positions), angular], dim=1)


def tiny(numbers: Tensor, positions: Tensor) -> Tensor:
    """Radial functions in very small units."""
    return 1e-9 * radial_3(numbers, positions)


def large(numbers: Tensor, positions: Tensor) -> Tensor:
    """Radial functions in very large units."""
    return 1e9 * radial_3(numbers, positions)


def plain(numbers: Tensor, positions: Tensor) -> Tensor:
    """Positions as they are: a table that can be written down by hand."""
    return positions


def table(*rows: Sequence[float], numbers: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
    """A molecule whose positions, and so its rows under `plain`, are these."""
    return tensor(list(numbers) or [6] * len(rows)), tensor([[float(x) for x in row] for row in rows])


def water(degrees: float) -> tuple[Tensor, Tensor]:
    half = np.radians(degrees) / 2
    arms = [[0.96 * np.sin(half), 0.96 * np.cos(half), 0], [-0.96 * np.sin(half), 0.96 * np.cos(half), 0]]
    return tensor([8, 1, 1]), tensor([[0.0, 0, 0], *arms])


def elsewhere(molecule: tuple[Tensor, Tensor], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The same molecule turned, moved, and with its atoms in another order."""
    numbers, positions = molecule
    Q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = torch.from_numpy(np.roll(rng.permutation(len(numbers)), 1))
    return numbers[order], (positions @ tensor(Q) + tensor(rng.normal(size=3)))[order]


def carbon_only(numbers: Tensor, positions: Tensor) -> Tensor:
    """Radial and angular functions, and zeros for all atoms but carbon."""
    return radial_and_angular_3(numbers, positions) * (numbers == 6)[:, None]


INTEGER_PAIR = [
    table([0, 0, 0], [1, 0, 1], [1, 1, 1], [-1, -1, 1], [0, y, 1], numbers=[6, 1, 1, 1, 1]) for y in (1, -1)
]


def twins_cases(rng: np.random.Generator) -> Iterator[Case]:
    def by_hand(why: str, a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> Case:
        rows = " and ".join(f"[{', '.join(str(row.int().tolist()) for row in rows)}]" for _, rows in (a, b))
        names = (
            ""
            if torch.equal(a[0], b[0]) or len(a[0]) != len(b[0])
            else f" of atoms {a[0].tolist()} and {b[0].tolist()}"
        )
        return Case((plain, a, b), given=f"{why}, the tables {rows}{names}")

    one_two, three_four = [1, 2, 0], [3, 4, 0]
    both = table(one_two, three_four)
    yield by_hand("the same rows", both, both)
    yield by_hand("the same rows in another order", both, table(three_four, one_two))
    yield by_hand("one number differs", both, table(one_two, [3, 5, 0]))
    yield by_hand("one number differs", table(one_two, [3, 5, 0]), both)
    yield by_hand("other rows with the same sum", both, table([2, 3, 0], [2, 3, 0]))
    yield by_hand("two numbers have changed rows", both, table([1, 4, 0], [3, 2, 0]))
    twice = table(one_two, one_two, three_four), table(one_two, three_four, three_four)
    yield by_hand("one row is there twice, but not the same one", *twice)
    yield by_hand("one row twice, and both once", table(one_two, one_two), both)
    yield by_hand("two rows of equal length", table([3, 4, 0]), table([5, 0, 0]))
    yield by_hand("the same row, once and twice", table(one_two), table(one_two, one_two))
    yield by_hand("equal rows", table(one_two, numbers=[7]), table(one_two, numbers=[8]))
    swapped = table(one_two, three_four, numbers=[7, 8]), table(one_two, three_four, numbers=[8, 7])
    yield by_hand("two atoms have exchanged their rows", *swapped)
    tie = 1 + 2e-16
    yield Case(
        (plain, table([1, 5, 0], [tie, 3, 0]), table([tie, 5, 0], [1, 3, 0])),
        given="rows equal up to rounding, the tables [[1, 5, 0], [1 + 2e-16, 3, 0]] and [[1 + 2e-16, 5, 0], [1, 3, 0]]",
    )
    yield Case(
        (plain, table([1, 0, 0]), table([1, 1e-17, 0])),
        given="rows equal up to rounding, the tables [[1, 0, 0]] and [[1, 1e-17, 0]]",
    )
    yield Case(
        (plain, table([1, 2, 0], [3, 4, 0]), table([1, 2.0003, 0], [3, 4, 0])),
        given="a small but real difference, the tables [[1, 2, 0], [3, 4, 0]] and [[1, 2.0003, 0], [3, 4, 0]]",
    )
    bent = water(104.5)
    for name, descriptor in (("radial functions", radial_3), ("radial functions times 1e9", large)):
        yield Case((descriptor, bent, elsewhere(bent, rng)), given=f"water and a turned copy of it, {name}")
    for name, descriptor in (("radial functions", radial_3), ("radial functions times 1e-9", tiny)):
        yield Case((descriptor, bent, water(180)), given=f"water, bent and straight, {name}, r_c = 3 A")
    clump = tensor([6, 1, 1, 8, 7]), tensor(rng.uniform(-1.2, 1.2, size=(5, 3)))
    copy = elsewhere(clump, rng)
    yield Case((radial_and_angular_3, clump, copy), given="five atoms and a turned copy, radial + angular functions")
    pushed = copy[0], copy[1] + tensor([[0.02, 0, 0], *[[0.0, 0, 0]] * 4])
    yield Case(
        (radial_and_angular_3, clump, pushed), given="five atoms, and a turned copy with one atom moved by 0.02 A"
    )
    pair = "a degenerate pair, radial + angular functions"
    yield Case((carbon_only, *INTEGER_PAIR), given=f"{pair}, hydrogens silent")
    yield Case((radial_and_angular_3, *INTEGER_PAIR), given=pair)
    yield from drawn_pairs(rng)


def drawn_pairs(rng: np.random.Generator, n: int = 12) -> Iterator[Case]:
    """Tables of small numbers. Only the seed knows which are the same: nobody can write that down beforehand."""
    for _ in range(n):
        rows, numbers = rng.integers(1, 6, size=(3, 3)), rng.choice([6, 7, 8], size=3, replace=False)
        others, order = rows.copy(), rng.permutation(3)
        if rng.random() < 0.5:
            atom, column = rng.integers(3, size=2)
            others[atom, column] += 1
            others[(atom + 1) % 3, column] -= rng.integers(2)  # half of them have the same sum
        a, b = table(*rows, numbers=numbers.tolist()), table(*others[order], numbers=numbers[order].tolist())
        words = [f"{x.int().tolist()} of atoms {z.tolist()}" for z, x in (a, b)]
        yield Case((plain, a, b), given=f"the tables {words[0]} and {words[1]}")


Rows = tuple[Tensor, Tensor, Tensor, Tensor]  # numbers and rows of a, numbers and rows of b


def judged_by(same: Callable[[Tensor, Tensor, Tensor, Tensor], Any]) -> Callable[..., bool]:
    """`distinguishable` made of a rule that gets numbers and rows of both."""

    def mine(descriptor: Callable[..., Tensor], a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> bool:
        if len(a[0]) != len(b[0]):
            return True
        return not bool(same(a[0], descriptor(*a), b[0], descriptor(*b)))

    return mine


def near(x: Tensor, y: Tensor) -> Tensor:
    """Which entries are equal within the tolerance of the statement."""
    return (x - y).abs() <= 1e-6 * torch.cat([x, y]).abs().max()


def with_name(numbers: Tensor, x: Tensor) -> Tensor:
    """The element as a first column, so that it takes part."""
    return torch.cat([numbers[:, None] * x.abs().max(), x], dim=1)


def sorted_rows(x: Tensor) -> Tensor:
    return x[np.lexsort(x.numpy().T[::-1]).copy()]


def exactly_equal_rows(z_a: Tensor, x: Tensor, z_b: Tensor, y: Tensor) -> bool:
    return sorted(with_name(z_a, x).tolist()) == sorted(with_name(z_b, y).tolist())


def alike(z_a: Tensor, x: Tensor, z_b: Tensor, y: Tensor) -> Tensor:
    """Which atom of a could stand beside which atom of b, (n_a, n_b)."""
    largest = torch.cat([x, y]).abs().max()
    return ((x[:, None] - y[None, :]).abs() <= 1e-6 * largest).all(dim=2) & (z_a[:, None] == z_b[None, :])


def each_has_a_twin(z_a: Tensor, x: Tensor, z_b: Tensor, y: Tensor) -> bool:
    twins = alike(z_a, x, z_b, y)
    return bool(twins.any(dim=1).all() and twins.any(dim=0).all())


def absolute(tolerance: float) -> Callable[..., bool]:
    def same(z_a: Tensor, x: Tensor, z_b: Tensor, y: Tensor) -> bool:
        unit = tolerance / 1e-6 / torch.cat([x, y]).abs().max()  # `without_twin` multiplies by the largest number
        return not torch.cat(without_twin(z_a, x, z_b, y, 1e-6 * float(unit))).any()

    return same


def looser(tolerance: float) -> Callable[..., bool]:
    return lambda z_a, x, z_b, y: not torch.cat(without_twin(z_a, x, z_b, y, tolerance)).any()


def without_the_numbers(z_a: Tensor, x: Tensor, z_b: Tensor, y: Tensor) -> bool:
    nobody = torch.zeros_like(z_a)
    return not torch.cat(without_twin(nobody, x, nobody, y)).any()


def numbers_for_themselves(z_a: Tensor, x: Tensor, z_b: Tensor, y: Tensor) -> bool:
    return without_the_numbers(z_a, x, z_b, y) and torch.equal(z_a.sort().values, z_b.sort().values)


def one_sided(z_a: Tensor, x: Tensor, z_b: Tensor, y: Tensor) -> bool:
    """Rows in order, and b may be larger by any amount."""
    x, y = sorted_rows(with_name(z_a, x)), sorted_rows(with_name(z_b, y))
    return bool(((y - x).max() <= 1e-6 * y.abs().max()).item())


def elementwise(z_a: Tensor, x: Tensor, z_b: Tensor, y: Tensor) -> bool:
    """Every entry relative to itself."""
    twins = ((x[:, None] - y[None]).abs() <= 1e-6 * y[None].abs()).all(dim=2) & (z_a[:, None] == z_b[None])
    return bool((twins.sum(dim=0) > 0).all() and (twins.sum(dim=1) > 0).all())


def shorter(descriptor: Callable[..., Tensor], a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> bool:
    """Atoms that are too many are not noticed."""
    alone = without_twin(a[0], descriptor(*a), b[0], descriptor(*b))
    return bool((alone[0] if len(alone[0]) <= len(alone[1]) else alone[1]).any())


DISTINGUISHABLE = by_value(
    "3.8",
    distinguishable,
    cases=twins_cases,
    success="True only for a difference that no renaming of atoms explains.",
    start="Start from the two tables, x_a = descriptor(*a) and x_b = descriptor(*b).",
    hints=(
        "Water has two hydrogens, and nobody says which is the first. When do two tables of rows hold the same rows? "
        "Think of pairing them off: each row of a takes one equal row of b, and nobody takes a row that is taken.",
        "One row against all rows of b: `(x_b - row).abs().amax(dim=1) <= 1e-6 * largest`, and the elements must agree "
        "too. Keep a list of those in b that are still free.",
        "A loop: `free = list(range(len(x_b)))`; for each i find the first k in `free` with the same element and an "
        "equal row; none: return True; else `free.remove(k)`. At the end someone may be left over: `len(free) > 0`.",
    ),
    misconceptions=[
        Misconception(
            "row by row",
            "You compared row 0 with row 0, row 1 with row 1. The order of the atoms is an accident: the same molecule "
            "with its atoms renamed would count as another one.",
            judged_by(lambda z_a, x, z_b, y: torch.equal(z_a, z_b) and near(x, y).all()),
        ),
        Misconception(
            "row by row, elements forgotten",
            "You compared row 0 with row 0, row 1 with row 1. The order of the atoms is an accident: the same molecule "
            "with its atoms renamed would count as another one.",
            judged_by(lambda z_a, x, z_b, y: near(x, y).all()),
        ),
        Misconception(
            "allclose",
            "`torch.allclose(x_a, x_b)` compares row 0 with row 0, row 1 with row 1. The order of the atoms is an "
            "accident. And its tolerance is a fixed number; ask for 1e-6 of the largest number of both tables.",
            judged_by(lambda z_a, x, z_b, y: torch.allclose(x, y)),
        ),
        Misconception(
            "sum of the rows, elements forgotten",
            "You compared the sums (or means) of the rows. Different rows can have equal sums: 1 + 3 = 2 + 2. A "
            "network acts on each row before anything is added up, and each element has a network of its own.",
            judged_by(lambda z_a, x, z_b, y: near(x.sum(dim=0), y.sum(dim=0)).all()),
        ),
        Misconception(
            "columns sorted, elements forgotten",
            "You sorted each column for itself. That tears the rows apart: [1, 2], [3, 4] becomes the same as "
            "[1, 4], [3, 2]. A row belongs to one atom, with its element, and travels as a whole.",
            judged_by(lambda z_a, x, z_b, y: near(x.sort(dim=0).values, y.sort(dim=0).values).all()),
        ),
        Misconception(
            "sum of the rows",
            "You compared the sums (or means) of the rows. Different rows can have equal sums: 1 + 3 = 2 + 2. A "
            "network acts on each row before anything is added up.",
            judged_by(
                lambda z_a, x, z_b, y: (
                    torch.equal(z_a.sort().values, z_b.sort().values) and near(x.sum(dim=0), y.sum(dim=0)).all()
                )
            ),
        ),
        Misconception(
            "columns sorted one by one",
            "You sorted each column for itself. That tears the rows apart: [1, 2], [3, 4] becomes the same as "
            "[1, 4], [3, 2]. A row belongs to one atom and travels as a whole.",
            judged_by(
                lambda z_a, x, z_b, y: (
                    torch.equal(z_a.sort().values, z_b.sort().values)
                    and near(x.sort(dim=0).values, y.sort(dim=0).values).all()
                )
            ),
        ),
        Misconception(
            "a twin taken twice",
            "Each row has an equal one on the other side, and that is not enough: two atoms may not share one twin. "
            "With the rows A, A, B against A, B, B somebody is left over.",
            judged_by(each_has_a_twin),
        ),
        Misconception(
            "a twin taken twice, seen from a",
            "Each row of a has an equal one in b, and that is not enough: two atoms may not share one twin, and nobody "
            "in b may be left over. With the rows A, A, B against A, B, B somebody is.",
            judged_by(lambda z_a, x, z_b, y: alike(z_a, x, z_b, y).any(dim=1).all()),
        ),
        Misconception(
            "exactly equal",
            "You ask for rows that are equal to the last digit. A turned copy of the same molecule differs from it in "
            "the 16th digit. Allow a difference of 1e-6 of the largest number.",
            judged_by(exactly_equal_rows),
        ),
        Misconception(
            "sorted, and rounding decides",
            "You sorted the rows and compared them in that order. Where two rows agree in their first numbers, the "
            "16th digit decides who comes first, and a twin lands beside a stranger. Round before you sort, or pair "
            "the rows off.",
            judged_by(
                lambda z_a, x, z_b, y: near(sorted_rows(with_name(z_a, x)), sorted_rows(with_name(z_b, y))).all()
            ),
        ),
        Misconception(
            "absolute tolerance",
            "Your tolerance is a fixed number. Features may be tiny or huge, and then everything, or nothing, is "
            "equal. Measure the difference against the largest number of both tables.",
            judged_by(absolute(1e-6)),
        ),
        Misconception(
            "tolerance too large",
            "Your tolerance is so large that small differences are lost. 1e-6 of the largest number is far above "
            "rounding, and far below anything that an atom does.",
            judged_by(looser(1e-2)),
        ),
        Misconception(
            "each number against itself",
            "You measured each difference against the number itself. Where a feature is 0 on one side and 1e-17 on the "
            "other, that is a difference of 100 %. Measure against the largest number of both tables.",
            judged_by(elementwise),
        ),
        Misconception(
            "elements forgotten",
            "You compared the rows, and not whose they are. A nitrogen and an oxygen with equal rows are different "
            "atoms: each element has a network of its own.",
            judged_by(without_the_numbers),
        ),
        Misconception(
            "elements for themselves",
            "You compared the elements, and then the rows, each for itself. Who has which row got lost: N with row A "
            "and O with row B is not N with row B and O with row A.",
            judged_by(numbers_for_themselves),
        ),
        Misconception(
            "lengths of the rows",
            "You compared the lengths of the rows. [3, 4] and [5, 0] are equally long and different.",
            judged_by(
                lambda z_a, x, z_b, y: (
                    not torch.cat(without_twin(z_a, x.norm(dim=1)[:, None], z_b, y.norm(dim=1)[:, None])).any()
                )
            ),
        ),
        Misconception(
            "no absolute value",
            "A difference can be negative. `(x_b - x_a).max()` sees only where b is larger: take the absolute value.",
            judged_by(one_sided),
        ),
        Misconception(
            "the first atom only",
            "You compared the first atoms only. The molecule is distinguishable as soon as any atom is.",
            judged_by(lambda z_a, x, z_b, y: z_a[0] == z_b[0] and near(x[:1], y[:1]).all()),
        ),
        Misconception(
            "atoms left over",
            "One molecule has an atom more, and your answer does not notice: the rest of the rows agree.",
            shorter,
        ),
        Misconception(
            "the other way round",
            "Your answer is True where the molecules look the same. Asked is the opposite: can they be told apart?",
            lambda descriptor, a, b: not distinguishable(descriptor, a, b),
        ),
    ],
)

EXERCISES = (ANGULAR_TERM, NEIGHBOR_PAIRS, ANGULAR_AEV, DISTINGUISHABLE)

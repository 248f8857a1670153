"""Answers that learners have given to 3.5 to 3.8, under the settings of the notebook, and what they are told."""

from typing import Any

import numpy as np
import pytest
import torch

import course
from course.descriptors import symmetry_functions as library
from course.graph import neighbor_pairs
from course.radial import cosine_cutoff
from tests.exercises.answers import outcome_of, told

pytestmark = pytest.mark.usefixtures("as_in_the_notebook")


# ----------------------------------------------------------------------------------------------------------- 3.5


def term(power=lambda base, zeta: base**zeta, two=2.0, minimum=0.0, squares=None, cutoffs=3, axis=1):
    """The angular term as a learner writes it, with a slip."""

    def mine(cos_theta, r_ij, r_ik, r_jk, eta, zeta, lam, cutoff):
        base = 1 + lam * cos_theta.unsqueeze(axis)
        base = base if minimum is None else base.clamp(min=minimum)
        size = squares(r_ij, r_ik, r_jk) if squares else r_ij**2 + r_ik**2 + r_jk**2
        f_c = torch.ones_like(r_ij)
        for r in (r_ij, r_ik, r_jk)[:cutoffs]:
            f_c = f_c * cosine_cutoff(r, cutoff)
        return two ** (1 - zeta) * power(base, zeta) * torch.exp(-eta * size.unsqueeze(axis)) * f_c.unsqueeze(axis)

    return mine


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"two": 2}, "2 ** -3 becomes 0, without a warning"),
        ({"minimum": None}, "`.clamp(min=0)` before the power"),
        ({"power": lambda base, zeta: base * zeta}, "It is an exponent"),
        ({"squares": lambda a, b, c: a**2 + b**2}, "r_jk^2 is missing in your exponent"),
        ({"squares": lambda a, b, c: a**2 + b**2, "cutoffs": 2}, "Behler calls that function G5"),
        ({"cutoffs": 2}, "f_c(r_jk) is missing"),
        ({"cutoffs": 0}, "The cutoff functions are missing"),
        ({"axis": 0}, "pair number n meets function number n"),
    ],
)
def test_slips_in_the_term(slip: dict[str, Any], words: str) -> None:
    assert outcome_of("3.5", term()).kind == "correct"
    assert words in told("3.5", term(**slip))


def test_there_and_back_through_the_angle() -> None:
    def mine(cos_theta, *rest):
        return term()(torch.cos(torch.acos(cos_theta)), *rest)

    assert "whose arccos is NaN" in told("3.5", mine)


# ----------------------------------------------------------------------------------------------------------- 3.6


def test_pairs_that_are_floats_where_there_are_none() -> None:
    def mine(receivers):
        pairs = [
            (a, b) for a in range(len(receivers)) for b in range(a + 1, len(receivers)) if receivers[a] == receivers[b]
        ]
        return torch.tensor([a for a, _ in pairs]), torch.tensor([b for _, b in pairs])

    assert "`torch.tensor([])` is a tensor of floats" in told("3.6", mine)


def test_a_table_that_was_not_cut() -> None:
    def both(receivers):
        first, second = torch.where(receivers[:, None] == receivers[None, :])
        return first[first != second], second[first != second]

    def whole(receivers):
        return torch.where(receivers[:, None] == receivers[None, :])

    assert "Each pair is in your list twice" in told("3.6", both)
    assert "each pair twice, and every edge with itself" in told("3.6", whole)


def test_no_edges_and_no_pairs_are_named_in_front_of_an_error() -> None:
    def mine(receivers):
        pairs = torch.tensor(
            [(a, b) for a in range(len(receivers)) for b in range(a) if receivers[a] == receivers[b]], dtype=torch.long
        )
        return pairs[:, 0], pairs[:, 1]

    assert "neighbor_pairs, with no edges at all: IndexError" in told("3.6", mine)


# ----------------------------------------------------------------------------------------------------------- 3.7


def aev(pairs=neighbor_pairs, vertex="i", sort=True, n_rows=None, block=None):
    """G4 of all atoms as a learner writes it, with a slip."""

    def mine(numbers, positions, elements, eta, zeta, lam, cutoff):
        graph = course.molecular_graph((numbers, positions), cutoff)
        first, second = pairs(graph.receivers)
        i, j, k = graph.receivers[first], graph.senders[first], graph.senders[second]
        r_ij, r_ik, r_jk = ((positions[a] - positions[b]).norm(dim=1) for a, b in ((i, j), (i, k), (j, k)))
        one, two = {"i": (j, k), "j": (i, k)}[vertex]
        corner = {"i": i, "j": j}[vertex]
        a, b = positions[one] - positions[corner], positions[two] - positions[corner]
        cos_theta = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
        terms = library.angular_term(cos_theta, r_ij, r_ik, r_jk, eta, zeta, lam, cutoff)
        names = [(p, q) for p in range(len(elements)) for q in range(p, len(elements))]
        G = torch.zeros(n_rows(graph) if n_rows else len(numbers), len(names), len(eta))
        for row, atom, left, right in zip(terms, i.tolist(), j.tolist(), k.tolist(), strict=True):
            ends = [elements.index(int(numbers[end])) for end in (left, right)]
            name = tuple(sorted(ends) if sort else ends)
            if name in names:
                G[atom, names.index(name)] += row
        return G.reshape(len(G), -1)

    return mine


def in_both_orders(receivers):
    first, second = neighbor_pairs(receivers)
    return torch.cat([first, second]), torch.cat([second, first])


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"pairs": in_both_orders}, "Your numbers are twice too large"),
        ({"sort": False}, "you keep (H, O) and drop (O, H)"),
        ({"vertex": "j"}, "the one at the neighbour j"),
        ({"n_rows": lambda graph: int(graph.receivers.max(initial=0)) + 1}, "max"),
    ],
)
def test_slips_in_the_sum(slip: dict[str, Any], words: str) -> None:
    assert outcome_of("3.7", aev()).kind == "correct"
    assert words in told("3.7", aev(**slip))


def test_a_wrong_number_is_shown_with_the_molecule() -> None:
    def mine(*args):
        return 1.5 * aev()(*args)

    text = told("3.7", mine)
    assert "numbers [8, 1, 1], positions [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], elements [1, 8]" in text


# ----------------------------------------------------------------------------------------------------------- 3.8


def test_verdicts_that_are_too_quick() -> None:
    def close_in_order(descriptor, a, b):
        x, y = descriptor(*a), descriptor(*b)
        return x.shape != y.shape or not torch.allclose(x, y)

    def sets(descriptor, a, b):
        return set(map(tuple, descriptor(*a).tolist())) != set(map(tuple, descriptor(*b).tolist()))

    def sums(descriptor, a, b):
        return len(a[0]) != len(b[0]) or not torch.allclose(descriptor(*a).sum(0), descriptor(*b).sum(0), atol=1e-12)

    assert "First difference: the same rows in another order" in told("3.8", close_in_order)
    assert "First difference: one row is there twice, but not the same one" in told("3.8", sets)
    assert "First difference: other rows with the same sum" in told("3.8", sums)


def test_rows_that_do_not_fit() -> None:
    def mine(descriptor, a, b):
        x, y = descriptor(*a), descriptor(*b)
        return bool((x - y).abs().max() > 1e-6 * x.abs().max())

    assert "First difference: the same rows in another order" in told("3.8", mine)


def test_a_difference_for_an_answer() -> None:
    def mine(descriptor, a, b):
        return np.abs(descriptor(*a).numpy().sum() - descriptor(*b).numpy().sum())

    assert "Expected" in told("3.8", mine)

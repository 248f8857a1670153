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
        ({"power": lambda base, zeta: base}, "zeta does not sharpen your hill"),
        ({"squares": lambda a, b, c: 0 * a}, "The size is missing"),
    ],
)
def test_slips_in_the_term(slip: dict[str, Any], words: str) -> None:
    assert outcome_of("3.5", term()).kind == "correct"
    assert words in told("3.5", term(**slip))


def whole(angle, cos_theta, r_ij, r_ik, r_jk, eta, lam, cutoff):
    """Size and fade, times the angular part."""
    f_c = cosine_cutoff(r_ij, cutoff) * cosine_cutoff(r_ik, cutoff) * cosine_cutoff(r_jk, cutoff)
    return angle * (torch.exp(-eta * (r_ij**2 + r_ik**2 + r_jk**2)[:, None]) * f_c[:, None])


def test_slips_in_the_angular_part() -> None:
    def precedence(c, a, b, d, eta, zeta, lam, r_c):
        return whole((2**1 - zeta) * (1 + lam * c[:, None]).clamp(min=0) ** zeta, c, a, b, d, eta, lam, r_c)

    def narrow(c, a, b, d, eta, zeta, lam, r_c):
        return whole(2.0 ** (1 - zeta) * (1 + lam * c[:, None] ** zeta), c, a, b, d, eta, lam, r_c)

    def minus(c, a, b, d, eta, zeta, lam, r_c):
        return whole(2.0 ** (1 - zeta) * (1 - lam * c[:, None]).clamp(min=0) ** zeta, c, a, b, d, eta, lam, r_c)

    assert "the power comes before the minus" in told("3.5", precedence)
    assert "Your power belongs to the cosine alone" in told("3.5", narrow)
    assert "Your hills have changed places" in told("3.5", minus)


def test_slips_in_size_and_fade() -> None:
    def fade_in_a_row(c, a, b, d, eta, zeta, lam, r_c):
        f_c = cosine_cutoff(a, r_c) * cosine_cutoff(b, r_c) * cosine_cutoff(d, r_c)
        angle = 2.0 ** (1 - zeta) * (1 + lam * c[:, None]).clamp(min=0) ** zeta
        return angle * torch.exp(-eta * (a**2 + b**2 + d**2)[:, None]) * f_c

    def squares_in_a_row(c, a, b, d, eta, zeta, lam, r_c):
        f_c = cosine_cutoff(a, r_c) * cosine_cutoff(b, r_c) * cosine_cutoff(d, r_c)
        angle = 2.0 ** (1 - zeta) * (1 + lam * c[:, None]).clamp(min=0) ** zeta
        return angle * torch.exp(-eta * (a**2 + b**2 + d**2)) * f_c[:, None]

    def all_or_nothing(c, a, b, d, eta, zeta, lam, r_c):
        inside = (a < r_c) & (b < r_c) & (d < r_c)
        return term(cutoffs=0)(c, a, b, d, eta, zeta, lam, r_c) * inside[:, None]

    assert "`f_c[:, None]` makes it a column" in told("3.5", fade_in_a_row)
    assert "`squares[:, None]` makes it a column" in told("3.5", squares_in_a_row)
    assert "the jump of Day 2" in told("3.5", all_or_nothing)
    assert "r_c of the cell above" in told("3.5", lambda *args: term()(*args[:-1], 3.0))


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


def test_one_row_a_pair() -> None:
    def table(receivers):
        return torch.triu(receivers[:, None] == receivers[None, :], diagonal=1).nonzero()

    def listed(receivers):
        n = len(receivers)
        return [(a, b) for a in range(n) for b in range(a + 1, n) if receivers[a] == receivers[b]]

    assert "`torch.nonzero(..., as_tuple=True)`" in told("3.6", table)
    assert "Your answer is a list of pairs" in told("3.6", listed)


def test_a_range_that_ends_too_early() -> None:
    def mine(receivers):
        first, second = [], []
        for atom in range(int(receivers.max())):
            edges = torch.nonzero(receivers == atom)[:, 0].tolist()
            for n, a in enumerate(edges):
                for b in edges[n + 1 :]:
                    first.append(a)
                    second.append(b)
        return torch.tensor(first), torch.tensor(second)

    assert "The pairs at the last atom are missing" in told("3.6", mine)


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


def aev(
    pairs=neighbor_pairs,
    vertex="i",
    sort=True,
    n_rows=None,
    add=lambda old, new: old + new,
    cosine=lambda a, b: (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)),
    third=lambda a, b: (b - a).norm(dim=1),
    flat=lambda G: G.reshape(len(G), -1),
    block=None,
):
    """G4 of all atoms as a learner writes it, with a slip."""

    def mine(numbers, positions, elements, eta, zeta, lam, cutoff):
        graph = course.molecular_graph((numbers, positions), cutoff)
        first, second = pairs(graph.receivers)
        i, j, k = graph.receivers[first], graph.senders[first], graph.senders[second]
        r_ij, r_ik = ((positions[end] - positions[i]).norm(dim=1) for end in (j, k))
        r_jk = third(positions[j] - positions[i], positions[k] - positions[i])
        one, two = {"i": (j, k), "j": (i, k)}[vertex]
        corner = {"i": i, "j": j}[vertex]
        a, b = positions[one] - positions[corner], positions[two] - positions[corner]
        cos_theta = cosine(a, b)
        terms = library.angular_term(cos_theta, r_ij, r_ik, r_jk, eta, zeta, lam, cutoff)
        n = len(elements)
        names = [(p, q) for p in range(n) for q in range(0 if block == "all" else p, n)]
        G = torch.zeros(n_rows(graph) if n_rows else len(numbers), len(names), len(eta))
        for row, atom, left, right in zip(terms, i.tolist(), j.tolist(), k.tolist(), strict=True):
            ends = [elements.index(int(numbers[end])) for end in (left, right)]
            name = tuple(sorted(ends) if sort else ends)
            place = names.index(name) if name in names else None
            if block == "formula":
                place = name[0] * n - name[0] * (name[0] - 1) // 2 + name[1] - name[0]
            if place is not None:
                G[atom, place] = add(G[atom, place], row)
        return flat(G)

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
        ({"add": lambda old, new: new}, "only the last is left"),
        ({"cosine": lambda a, b: (a * b).sum(1)}, "Divide by r_ij r_ik"),
        ({"cosine": lambda a, b: torch.acos((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)))}, "no arccos"),
        ({"third": lambda a, b: (a + b).norm(dim=1)}, "the difference of the arrows"),
        ({"flat": lambda G: G}, "flatten the last two axes"),
        ({"flat": lambda G: G.sum(0).flatten()}, "it is the energies that are added"),
        ({"block": "all"}, "stay empty"),
        ({"block": "formula", "sort": False}, "Some pairs stand in the block of another pair"),
        ({"n_rows": lambda graph: int(graph.receivers.max(initial=0)) + 1}, "max"),
    ],
)
def test_slips_in_the_sum(slip: dict[str, Any], words: str) -> None:
    assert outcome_of("3.7", aev()).kind == "correct"
    assert words in told("3.7", aev(**slip))


def test_an_index_that_repeats() -> None:
    def mine(numbers, positions, elements, eta, zeta, lam, cutoff):
        graph = course.molecular_graph((numbers, positions), cutoff)
        same = graph.receivers[:, None] == graph.receivers[None, :]
        first, second = torch.nonzero(torch.triu(same, diagonal=1), as_tuple=True)
        R, r = graph.displacements, graph.distances
        cos_theta = (R[first] * R[second]).sum(1) / (r[first] * r[second])
        r_jk = (R[second] - R[first]).norm(dim=1)
        terms = library.angular_term(cos_theta, r[first], r[second], r_jk, eta, zeta, lam, cutoff)
        places = torch.tensor([elements.index(z) for z in numbers.tolist()])[graph.senders]
        n = len(elements)
        block = torch.zeros(n, n, dtype=torch.long)
        upper = torch.triu_indices(n, n)
        block[upper[0], upper[1]] = block[upper[1], upper[0]] = torch.arange(upper.shape[1])
        x = torch.zeros(len(numbers), n * (n + 1) // 2, len(eta))
        x[graph.receivers[first], block[places[first], places[second]]] += terms
        return x.flatten(1)

    assert "`x[i, block] += terms` writes each entry once" in told("3.7", mine)


def test_the_elements_of_one_molecule() -> None:
    def mine(numbers, positions, elements, *how):
        return aev()(numbers, positions, sorted(set(numbers.tolist())), *how)

    assert "also where a block stays empty" in told("3.7", mine)


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

    def columns(descriptor, a, b):
        x, y = (descriptor(*molecule).sort(dim=0).values for molecule in (a, b))
        return x.shape != y.shape or bool((x - y).abs().max() > 1e-6 * torch.cat([x, y]).abs().max())

    def shared_twins(descriptor, a, b):
        x, y = descriptor(*a), descriptor(*b)
        if len(x) != len(y):
            return True
        for z, row in zip(a[0], x, strict=True):
            alike = (y - row).abs().amax(dim=1) <= 1e-6 * torch.cat([x, y]).abs().max()
            if not (alike & (b[0] == z)).any():
                return True
        return False

    assert "compares row 0 with row 0" in told("3.8", close_in_order)
    assert "That tears the rows apart" in told("3.8", columns)
    assert "nobody in b may be left over" in told("3.8", shared_twins)

    def shared_by_both(descriptor, a, b):
        return shared_twins(descriptor, a, b) or shared_twins(descriptor, b, a)

    assert "two atoms may not share one twin. With" in told("3.8", shared_by_both)
    assert "First difference: one row is there twice, but not the same one" in told("3.8", sets)
    assert "You compared the sums (or means) of the rows" in told("3.8", sums)


def test_rows_that_do_not_fit() -> None:
    def mine(descriptor, a, b):
        x, y = descriptor(*a), descriptor(*b)
        return bool((x - y).abs().max() > 1e-6 * x.abs().max())

    assert "First difference: the same rows in another order" in told("3.8", mine)


def test_a_difference_for_an_answer() -> None:
    def mine(descriptor, a, b):
        return np.abs(descriptor(*a).numpy().sum() - descriptor(*b).numpy().sum())

    assert "Expected" in told("3.8", mine)

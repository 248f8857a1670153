"""Who has a twin: by hand, and against all ways to match the atoms."""

from itertools import permutations

import numpy as np
import pytest
import torch

from course import load
from course.descriptors import SymmetryFunctions
from course.descriptors.symmetry_functions import Angular, Radial
from course.descriptors.twins import distinguishable, without_twin
from course.graph import molecular_graph
from course.radial import radial_grid

C, H = 6, 1


def alone(numbers_a, x_a, numbers_b, x_b, **how):
    tables = (torch.tensor(t, dtype=torch.float64) for t in (x_a, x_b))
    a, b = tables
    return [t.tolist() for t in without_twin(torch.tensor(numbers_a), a, torch.tensor(numbers_b), b, **how)]


def test_each_twin_is_taken_once() -> None:
    assert alone([H, H, H], [[1], [1], [3]], [H, H, H], [[1], [3], [3]]) == [[False, True, False], [False, False, True]]
    assert alone([H, H], [[1], [1]], [H], [[1]]) == [[False, True], [False]]


def test_an_element_is_part_of_a_row() -> None:
    assert alone([H, C], [[1], [3]], [C, H], [[3], [1]]) == [[False, False], [False, False]]
    assert alone([H, C], [[1], [3]], [C, H], [[1], [3]]) == [[True, True], [True, True]]


@pytest.mark.parametrize("unit", [1e-9, 1.0, 1e9])
def test_the_tolerance_is_that_of_the_largest_number(unit: float) -> None:
    for change, expected in ((1e-8, False), (1e-3, True)):
        x = unit * torch.tensor([[0.0, 1.0]], dtype=torch.float64)
        y = x + unit * change * torch.tensor([[1.0, 0.0]])
        assert [t.item() for t in without_twin(torch.tensor([H]), x, torch.tensor([H]), y)] == [expected, expected]


def test_features_that_are_all_zero() -> None:
    assert alone([H], [[0, 0]], [H], [[0, 0]]) == [[False], [False]]


def test_against_all_matchings() -> None:
    """Few different rows, so that many are equal: the verdict is that of the best of all matchings."""
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(200):
        x, a = torch.tensor(rng.integers(0, 2, size=(4, 2)).astype(float)), torch.tensor(rng.integers(1, 3, size=4))
        order = rng.permutation(4)
        y, b = x[order], a[order]
        y[0, 0] = int(rng.integers(0, 2))  # as it was, or not
        same = any(torch.equal(x, y[list(to)]) and torch.equal(a, b[list(to)]) for to in permutations(range(4)))
        assert distinguishable(lambda numbers, positions: positions, (a, x), (b, y)) is not same
        seen.add(same)
    assert seen == {True, False}


def test_the_carbon_of_a_degenerate_pair_is_blind_and_its_hydrogens_are_not() -> None:
    centers, eta = radial_grid(4.0, 6)
    radial = Radial(tuple(centers.tolist()), (eta,) * 6, 4.0)
    angular = Angular((0.05, 0.05), (1.0, 4.0), (1.0, -1.0), 4.0)
    degenerate = load("degenerate")
    for group in sorted(set(degenerate.groups.tolist())):
        frames = degenerate.group(group).to_ase()
        numbers = [torch.tensor(atoms.numbers) for atoms in frames]
        for descriptor, hydrogens in (
            (SymmetryFunctions([1, 6], radial), [False, True, True, False]),
            (SymmetryFunctions([1, 6], radial, angular), [True] * 4),
        ):
            x = [descriptor(molecular_graph(atoms, 4.0)) for atoms in frames]
            for side in without_twin(numbers[0], x[0], numbers[1], x[1]):
                assert side.tolist() == [False, *hydrogens]

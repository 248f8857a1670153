"""Two molecules, looked at through a description: which atoms are told apart, and are the molecules?

Two atoms are twins when they have the same element and the same row of features. Two molecules look the same when
their atoms can be paired off, twin with twin: then every model that adds up atomic energies made from these rows
gives both the same energy. The order of the atoms plays no part.
"""

from collections.abc import Callable

import torch
from torch import Tensor

Molecule = tuple[Tensor, Tensor]  # numbers (n_atoms,), positions (n_atoms, 3) in Angstrom


def without_twin(
    numbers_a: Tensor, x_a: Tensor, numbers_b: Tensor, x_b: Tensor, tolerance: float = 1e-6
) -> tuple[Tensor, Tensor]:
    """The atoms of a, and those of b, that have no twin in the other molecule; each twin is taken once.

    x_a, x_b   (n_atoms, n_features)
    tolerance  rows are equal where no number differs by more than this times the largest number of both tables
    returns    (n_atoms of a,), (n_atoms of b,)   True where an atom is alone
    """
    largest = torch.cat([x_a.abs().flatten(), x_b.abs().flatten(), x_a.new_zeros(1)]).max()
    differ = (x_a[:, None, :] - x_b[None, :, :]).abs().amax(dim=2)  # (n_a, n_b)
    alike = (differ <= tolerance * largest) & (numbers_a[:, None] == numbers_b[None, :])
    alone_a, alone_b = torch.ones(len(x_a), dtype=torch.bool), torch.ones(len(x_b), dtype=torch.bool)
    for i, row in enumerate(alike):
        free = torch.nonzero(row & alone_b)
        if len(free):
            alone_a[i] = alone_b[free[0, 0]] = False
    return alone_a, alone_b


def distinguishable(descriptor: Callable[[Tensor, Tensor], Tensor], a: Molecule, b: Molecule) -> bool:
    """Whether a description sees any difference between two molecules.

    descriptor  descriptor(numbers, positions) -> (n_atoms, n_features)
    a, b        numbers (n_atoms,) and positions (n_atoms, 3)
    """
    alone = without_twin(a[0], descriptor(*a), b[0], descriptor(*b))
    return bool(torch.cat(alone).any())

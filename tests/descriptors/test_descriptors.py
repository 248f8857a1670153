"""Fixed descriptions: against loops that know nothing of graphs, and against the laws."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.geometry import get_angles

import course
from course.descriptors import CoulombVector, SymmetryFunctions
from course.descriptors.precomputed import described, recalled
from course.descriptors.symmetry_functions import Angular, Radial, radial_aev
from course.graph import batch, molecular_graph, neighbor_pairs
from course.models.behler_parrinello import BehlerParrinello
from course.radial import radial_grid
from course.scorecard import orthogonal_matrix
from course.training import samples

ELEMENTS = [1, 6, 8]
RADIAL = Radial(centers=(0.0, 1.0, 2.0), eta=(0.5, 4.0, 4.0), cutoff=3.5)
ANGULAR = Angular(eta=(0.1, 0.1, 0.3), zeta=(1.0, 4.0, 16.0), lam=(1.0, -1.0, 1.0), cutoff=2.6)
DESCRIPTORS: dict[str, Any] = {
    "Coulomb": CoulombVector(3.0, 12),
    "radial": SymmetryFunctions(ELEMENTS, RADIAL),
    "radial and angular": SymmetryFunctions(ELEMENTS, RADIAL, ANGULAR),
    "ANI-1x": SymmetryFunctions.ani1x(ELEMENTS),
}


def ethanol(rng: np.random.Generator) -> Atoms:
    atoms = molecule("CH3CH2OH")
    atoms.positions += 0.1 * rng.normal(size=(9, 3))
    return atoms


# ----------------------------------------------------------------------------- against loops


def f_c(r: float, cutoff: float) -> float:
    return 0.5 * (np.cos(np.pi * r / cutoff) + 1) if r < cutoff else 0.0


def test_symmetry_functions_are_those_of_the_paper():
    """Eqs. 6 and 8 of Behler 2011, pair by pair; the angles are ASE's."""
    atoms = ethanol(np.random.default_rng(0))
    r = atoms.get_all_distances()
    expected = np.zeros((9, 3 * 3 + 6 * 3))
    blocks: dict[tuple[int, ...], int] = {
        pair: k for k, pair in enumerate([(1, 1), (1, 6), (1, 8), (6, 6), (6, 8), (8, 8)])
    }
    for i in range(9):
        others = [j for j in range(9) if j != i]
        for j in others:
            g2 = np.exp(-np.array(RADIAL.eta) * (r[i, j] - np.array(RADIAL.centers)) ** 2) * f_c(r[i, j], 3.5)
            start = 3 * ELEMENTS.index(atoms.numbers[j])
            expected[i, start : start + 3] += g2
        for j, k in combinations(others, 2):
            theta = np.radians(
                get_angles([atoms.positions[j] - atoms.positions[i]], [atoms.positions[k] - atoms.positions[i]])[0]
            )
            eta, zeta, lam = (np.array(values) for values in (ANGULAR.eta, ANGULAR.zeta, ANGULAR.lam))
            g4 = (
                2 ** (1 - zeta)
                * (1 + lam * np.cos(theta)) ** zeta
                * np.exp(-eta * (r[i, j] ** 2 + r[i, k] ** 2 + r[j, k] ** 2))
            )
            g4 *= f_c(r[i, j], 2.6) * f_c(r[i, k], 2.6) * f_c(r[j, k], 2.6)
            start = 9 + 3 * blocks[tuple(sorted((int(atoms.numbers[j]), int(atoms.numbers[k]))))]
            expected[i, start : start + 3] += g4
    descriptor = DESCRIPTORS["radial and angular"]
    np.testing.assert_allclose(descriptor(molecular_graph(atoms, descriptor.cutoff)).numpy(), expected, atol=1e-12)


def test_the_coulomb_vector_is_sorted_and_filled_up():
    graph = molecular_graph(Atoms("CHHO", [[0, 0, 0], [0, 0, 1.0], [0, 2.0, 0], [1.6, 0, 0]]), 2.5)
    assert CoulombVector(2.5, 5)(graph)[0].tolist() == pytest.approx([8 / 1.6, 1.0, 0.5, 0, 0])
    with pytest.raises(ValueError, match="Atom 0 has 3 neighbours, and the vector has room for 2"):
        CoulombVector(2.5, 2)(graph)


@pytest.mark.parametrize("receivers", [[], [0], [0, 0], [2, 0, 2, 2, 0], [1, 1, 1, 1]])
def test_every_pair_of_edges_at_an_atom_comes_once(receivers):
    first, second = neighbor_pairs(torch.tensor(receivers, dtype=torch.int64))
    expected = {frozenset((a, b)) for a, b in combinations(range(len(receivers)), 2) if receivers[a] == receivers[b]}
    got = [frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)]
    assert len(got) == len(set(got)) and set(got) == expected


def test_one_round_of_outer_products_is_the_radial_functions():
    """The second rung of the ladder, with the library on both sides."""
    from course.models.message_passing import initial_features, outer_message
    from course.radial import cosine_cutoff, gaussian_basis

    graph = molecular_graph(ethanol(np.random.default_rng(1)), 3.0)
    centers, eta = radial_grid(3.0, 8)
    x = initial_features(graph.numbers, ELEMENTS, 3, torch.float64)
    e_ij = gaussian_basis(graph.distances, centers, eta) * cosine_cutoff(graph.distances, 3.0)[:, None]
    m_ji = outer_message(x[graph.senders], x[graph.receivers], e_ij)
    M_i = torch.zeros(9, 24, dtype=torch.float64).index_add(0, graph.receivers, m_ji)
    assert (M_i - radial_aev(graph, ELEMENTS, centers, eta, 3.0)).abs().max() < 1e-12


# ----------------------------------------------------------------------------- laws


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_a_description_does_not_depend_on_the_observer(name):
    rng = np.random.default_rng(2)
    descriptor, atoms = DESCRIPTORS[name], ethanol(rng)
    x = descriptor(molecular_graph(atoms, descriptor.cutoff))
    assert x.shape == (9, descriptor.n_features) and x.abs().max() > 0.1
    turned = atoms.positions @ orthogonal_matrix(rng, -1).T + rng.normal(size=3)
    x_turned = descriptor(molecular_graph((atoms.numbers, turned), descriptor.cutoff))
    assert (x_turned - x).abs().max() < 1e-12
    order = rng.permutation(9)
    x_renamed = descriptor(molecular_graph(atoms[order], descriptor.cutoff))
    assert (x_renamed - x[order]).abs().max() < 1e-12


def test_radial_functions_cannot_tell_bent_from_straight_and_angular_ones_can():
    water = [Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [0.96 * np.cos(a), 0.96 * np.sin(a), 0]]) for a in (1.82, np.pi)]
    radial = SymmetryFunctions(ELEMENTS, Radial((0.5, 1.0), (4.0, 4.0), 1.2))
    angular = SymmetryFunctions(ELEMENTS, Radial((0.5, 1.0), (4.0, 4.0), 1.2), Angular((0.1,), (1.0,), (1.0,), 3.0))
    x, y = (radial(molecular_graph(atoms, 1.2))[0] for atoms in water)
    assert (x - y).abs().max() < 1e-15
    x, y = (angular(molecular_graph(atoms, 3.0))[0] for atoms in water)
    assert (x - y).abs().max() > 0.01


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_a_description_has_the_precision_of_the_positions(name):
    graph = molecular_graph(ethanol(np.random.default_rng(0)), DESCRIPTORS[name].cutoff)
    assert graph.positions.dtype == torch.float64
    was = torch.get_default_dtype()
    try:
        rows = []
        for default in (torch.float32, torch.float64):
            torch.set_default_dtype(default)
            rows.append(DESCRIPTORS[name](graph))
    finally:
        torch.set_default_dtype(was)
    assert rows[0].dtype == torch.float64
    assert torch.equal(*rows)


def test_unknown_elements_are_named():
    with pytest.raises(ValueError, match=r"\[7\] are unknown"):
        DESCRIPTORS["radial"](molecular_graph(molecule("NH3"), 3.5))


# ----------------------------------------------------------------------------- computed once


def test_a_lonely_atom_has_a_description_too():
    (graph,) = described([molecular_graph(Atoms("O"), 3.5)], DESCRIPTORS["ANI-1x"])
    assert graph.x_i is not None and graph.x_i.abs().max() == 0
    assert graph.dx_dR is not None and graph.dx_dR.shape == (0, 3, DESCRIPTORS["ANI-1x"].n_features)


@pytest.mark.parametrize("name", ["radial and angular", "ANI-1x"])
def test_a_description_that_was_computed_once_gives_the_same_energies_and_forces(name):
    data = course.load("small_molecules").split("validation")[::40]  # molecules of different sizes
    elements = list(data.elements)
    angular = ANGULAR if name != "ANI-1x" else SymmetryFunctions.ani1x(elements).angular
    descriptor = SymmetryFunctions(elements, RADIAL, angular)
    torch.manual_seed(0)
    potential = course.Potential(BehlerParrinello(descriptor, elements, hidden=(8,)).standardize(data)).double().eval()
    graphs = [sample.graph for sample in samples(data, potential.cutoff, torch.float64)]
    stored = described(graphs, descriptor, at_once=3)
    assert recalled(graphs[0]) is None
    fresh, quick = potential(batch(graphs)), potential(batch(stored))
    assert fresh.forces.abs().max() > 1e-3
    assert (fresh.energy - quick.energy).abs().max() < 1e-10
    assert (fresh.forces - quick.forces).abs().max() < 1e-10

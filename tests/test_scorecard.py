"""The physics contract: kept by every model, broken in the right place by models that were broken on purpose."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from torch import nn

import course
from course import MPNN, Composition, Potential
from course.descriptors import CoulombVector, SymmetryFunctions
from course.models.behler_parrinello import BehlerParrinello
from course.models.message_passing import MESSAGES, perceptron
from course.models.molecular_mechanics import MolecularMechanics
from course.scorecard import LAWS, influence, orthogonal_matrix, reach

SMALL: dict[str, Any] = {"elements": [1, 6, 8], "n_f": 16, "n_e": 8, "n_m": 16, "T": 2, "cutoff": 3.0}
COMPOSITION = Composition({1: -13.6, 6: -1030.0, 8: -2040.0})

SOUND: dict[str, Any] = {
    "composition": lambda: COMPOSITION,
    **{message: lambda message=message: MPNN(**SMALL, message=message) for message in MESSAGES},
    **{f"T = {T}": lambda T=T: MPNN(**{**SMALL, "T": T}) for T in (0, 1, 3)},
    "with a baseline": lambda: Potential(MPNN(**SMALL), COMPOSITION, scale=1.5),
    "radial symmetry functions": lambda: BehlerParrinello(
        SymmetryFunctions.evenly_spaced([1, 6, 8], 8, 3.0), [1, 6, 8]
    ),
    "ANI-1x": lambda: BehlerParrinello(SymmetryFunctions.ani1x([1, 6, 8]), [1, 6, 8], hidden=(16,)),
    "trained": lambda: Potential.load(course.datasets.FOLDER.parent / "trained" / "ethanol_mpnn.npz"),
}


@pytest.mark.parametrize("name", SOUND)
def test_every_model_keeps_every_law(name):
    torch.manual_seed(0)
    card = course.scorecard(SOUND[name]())
    assert card.broken() == [], card


def test_the_coulomb_vector_is_not_smooth():
    """A neighbour that leaves takes its entry along, and the force of two entries that trade places jumps."""
    torch.manual_seed(0)
    card = course.scorecard(BehlerParrinello(CoulombVector(3.0, 12), [1, 6, 8], hidden=(16,)))
    assert "smooth at the cutoff" in card.broken(), card
    assert not {"permutation", "rotation", "reflection", "translation"} & set(card.broken()), card


def mechanics(cutoff=10.0, **settings):
    torch.manual_seed(0)
    train = course.load("ethanol").split("train")[:20]
    return Potential(MolecularMechanics.for_data(train, cutoff=cutoff, **settings))


def test_molecular_mechanics_breaks_where_a_bond_switches():
    """A bond is perceived below 1.25 times the sum of two covalent radii: its spring, its charges and its exclusions
    appear at once. At 10 Angstrom a van der Waals pair is too weak for the law to see its jump."""
    card = course.scorecard(mechanics())
    assert card.broken() == ["smooth inside"], card


def test_molecular_mechanics_cuts_its_pairs_off():
    """With a short cutoff the jump at the cutoff is seen, and nothing else is new."""
    card = course.scorecard(mechanics(cutoff=3.0))
    assert set(card.broken()) == {"smooth at the cutoff", "smooth inside"}, card


def test_molecular_mechanics_has_no_answer_for_two_atoms_in_one_place_that_are_not_bonded():
    """Bonds that are given do not switch, so the clumps of the scorecard are only pairs: 1 / r^12 is infinite."""
    card = course.scorecard(mechanics(bonds=[]))
    assert set(card.broken()) == {"no NaN"}, card


# ----------------------------------------------------------------------------- broken on purpose


class AbsoluteCoordinates(MPNN):
    def forward(self, graph, trace=False):
        return super().forward(graph) * (1 + 0.1 * graph.positions[:, 0])


class MeanPooling(Potential):
    def atomic_energies(self, graph):
        return super().atomic_energies(graph) / torch.bincount(graph.molecule_index)[graph.molecule_index]


class HardCutoff(MPNN):
    def f_c(self, distances):
        return torch.ones_like(distances)


class Swapped(MPNN):
    def forward(self, graph, trace=False):
        return super().forward(replace(graph, senders=graph.receivers, receivers=graph.senders))


class ReLUMessage(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(40, 16), nn.ReLU(), nn.Linear(16, 16))

    def forward(self, x_j, x_i, e_ij):
        return self.network(torch.cat([x_j, x_i, e_ij], dim=1))


class WrongSign(Potential):
    def forward(self, graph):
        prediction = super().forward(graph)
        return prediction._replace(forces=-prediction.forces)


class ByNumber(MPNN):
    """The first atom is special."""

    def forward(self, graph, trace=False):
        first = torch.zeros(graph.n_atoms, dtype=graph.positions.dtype)
        first[:1] = 1
        return super().forward(graph) * (1 + first)


class Dropped(MPNN):
    """Atoms without neighbours have no row."""

    def forward(self, graph, trace=False):
        return super().forward(graph)[torch.unique(graph.receivers)]


class Inverse(MPNN):
    """1 / r in an energy, without a thought for r = 0."""

    def forward(self, graph, trace=False):
        E_i = super().forward(graph)
        assert isinstance(E_i, torch.Tensor)
        return E_i.index_add(0, graph.receivers, self.f_c(graph.distances) / graph.distances)


class Handed(MPNN):
    """A triple product: left and right hands have different energies."""

    def forward(self, graph, trace=False):
        bundle = torch.zeros(graph.n_atoms, 3, 3, dtype=graph.positions.dtype)
        f_c = self.f_c(graph.distances)
        for k in range(3):
            weights = f_c * graph.distances**k
            bundle[:, k] = bundle[:, k].index_add(0, graph.receivers, weights[:, None] * graph.displacements)
        return super().forward(graph) + torch.linalg.det(bundle)


BROKEN = {
    "absolute coordinates": (lambda: AbsoluteCoordinates(**SMALL), {"translation", "rotation", "total force"}),
    "BatchNorm": (
        lambda: MPNN(**SMALL, readout=nn.Sequential(nn.BatchNorm1d(16), perceptron(16, 16, 1))),
        {"alone or in a batch"},
    ),
    "mean pooling": (lambda: MeanPooling(MPNN(**SMALL)), {"additivity", "isolated atom"}),
    "hard cutoff": (lambda: HardCutoff(**SMALL), {"smooth at the cutoff"}),
    "swapped on a one-way edge": (lambda: Swapped(**SMALL), {"locality"}),
    "ReLU": (lambda: MPNN(**SMALL, message=ReLUMessage()), {"smooth inside"}),
    "forces of the wrong sign": (lambda: WrongSign(MPNN(**SMALL)), {"forces = -gradient"}),
    "the first atom is special": (lambda: ByNumber(**SMALL), {"permutation"}),
    "lonely atoms dropped": (lambda: Dropped(**SMALL), {"isolated atom"}),
    "1 / r": (lambda: Inverse(**SMALL), {"no NaN"}),
    "handed": (lambda: Handed(**SMALL), {"reflection"}),
}


@cache
def card_of(name):
    torch.manual_seed(0)
    return course.scorecard(BROKEN[name][0]())


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_breaks_the_right_law(name):
    expected, card = BROKEN[name][1], card_of(name)
    assert expected <= set(card.broken()), card
    # and what is not related to the damage stays whole
    assert len(card.broken()) <= len(expected) + 5, card


def test_every_law_has_been_seen_broken():
    assert {law for name in BROKEN for law in card_of(name).broken()} == {law.name for law in LAWS}


# ----------------------------------------------------------------------------- the table


def test_the_table_shows_what_was_found():
    torch.manual_seed(0)
    card = course.scorecard(fine=MPNN(**SMALL), swapped=Swapped(**SMALL))
    assert card.broken("fine") == []
    assert card.broken("swapped") == ["locality"]
    assert "BROKEN" in str(card)
    assert "swapped" in str(card)
    html = card._repr_html_()
    assert html.count("✗") == 1
    assert "E_i hears 2 hops, F_i 4" in html


def test_the_jump_at_the_cutoff_is_said_in_its_units():
    class Neighbours(MPNN):
        def forward(self, graph, trace=False):
            count = torch.bincount(graph.receivers, minlength=graph.n_atoms)
            return 0.25 * count + 0 * graph.positions.sum()  # a pair that parts loses two neighbours

    shown = course.scorecard(Neighbours(**SMALL))._repr_html_()
    assert "E jumps by 0.5 eV, F by 0 eV/Å; inside they change by 1" in shown
    assert "✗ 0.5<" in shown


def test_long_names_break_between_words_only():
    named: Any = {"MPNN, T = 0": MPNN(**SMALL)}
    shown = course.scorecard(**named)._repr_html_()
    assert '<th scope="col">MPNN, T&nbsp;=&nbsp;0</th>' in shown


def test_a_model_that_raises_breaks_the_law_with_its_words():
    class Raises(MPNN):
        def forward(self, graph, trace=False):
            raise RuntimeError("out of order")

    card = course.scorecard(Raises(**SMALL))
    assert len(card.broken()) == len(LAWS)
    assert "out of order" in card._repr_html_()


@pytest.mark.parametrize("T", [0, 1, 2, 3])
def test_energy_reaches_T_edges_and_force_two_T(T):
    torch.manual_seed(0)
    potential = Potential(MPNN(**{**SMALL, "T": T})).double()
    energy, force = reach(potential, np.random.default_rng(0), n_atoms=2 * T + 3)
    assert [np.flatnonzero(row)[-1] if row.any() else 0 for row in (energy, force)] == [T, 2 * T]


# ----------------------------------------------------------------------------- influence

ETHANOL = molecule("CH3CH2OH")


def network(T=2):
    """An untrained network in double precision. With its cutoff the ends of ethanol are three edges apart."""
    torch.manual_seed(0)
    return Potential(MPNN(**{**SMALL, "cutoff": 2.0, "T": T})).double().eval()


def all_influence(potential, atoms=ETHANOL):
    """|dE_i/dR_j| and |dF_i/dR_j|, (n_atoms, n_atoms) each, row i, column j."""
    graph = potential.graph(atoms)
    rows = [influence(potential, graph, i) for i in range(len(atoms))]
    return [np.stack(table) for table in zip(*rows, strict=True)]


def test_influence_agrees_with_finite_differences():
    potential, n, h = network(), len(ETHANOL), 1e-4
    dE = np.empty((n, 3, n))  # by each coordinate of each atom j: the change of every E_i
    dF = np.empty((n, 3, n, 3))
    for j, x in np.ndindex(n, 3):
        step = np.zeros((n, 3))
        step[j, x] = h
        ahead, behind = (potential.predict(Atoms(ETHANOL.numbers, ETHANOL.positions + s * step)) for s in (1, -1))
        dE[j, x] = (ahead.atomic_energies - behind.atomic_energies).numpy() / (2 * h)
        dF[j, x] = (ahead.forces - behind.forces).numpy() / (2 * h)
    of_energy, of_force = all_influence(potential)
    np.testing.assert_allclose(of_energy, np.sqrt((dE**2).sum(axis=1)).T, rtol=1e-5, atol=1e-10)
    np.testing.assert_allclose(of_force, np.sqrt((dF**2).sum(axis=(1, 3))).T, rtol=1e-5, atol=1e-10)


def test_influence_on_the_force_is_a_block_of_the_hessian_and_mutual():
    """dF_i/dR_j = -d2E/dR_i dR_j: what j means to the force on i, i means to the force on j."""
    potential = network()
    graph = potential.graph(ETHANOL)
    hessian = torch.autograd.functional.hessian(
        lambda R: potential.atomic_energies(graph.moved(R)).sum(), graph.positions
    )  # (n_atoms, 3, n_atoms, 3)
    _, of_force = all_influence(potential)
    np.testing.assert_allclose(of_force, hessian.square().sum(dim=(1, 3)).sqrt(), rtol=1e-10)
    np.testing.assert_allclose(of_force, of_force.T, rtol=1e-8, atol=1e-12)


def test_influence_on_the_energy_is_not_mutual():
    """C and O do not weigh the same; a matrix that is symmetric by construction would be wrong."""
    of_energy, _ = all_influence(network())
    assert not np.allclose(of_energy, of_energy.T, rtol=1e-2)


def test_where_all_atoms_move_together_nothing_changes():
    """sum_j dE_i/dR_j = 0, and so for F_i: nobody outweighs all others, and of two atoms both weigh the same."""
    for table in all_influence(network()):
        own = np.diag(table)
        assert np.all(own <= (table.sum(axis=1) - own) * (1 + 1e-12))
        assert np.all(own > 0)
    for table in all_influence(network(), Atoms("CO", [[0, 0, 0], [1.1, 0, 0]])):
        np.testing.assert_allclose(table[:, 0], table[:, 1], rtol=1e-12)


def test_influence_does_not_depend_on_where_we_look_from():
    rng, order = np.random.default_rng(0), np.random.default_rng(1).permutation(len(ETHANOL))
    turned = ETHANOL.copy()
    turned.positions = turned.positions @ orthogonal_matrix(rng, -1) + rng.normal(size=3)
    tables = [all_influence(network(), atoms) for atoms in (ETHANOL, turned, ETHANOL[order])]
    for here, there, renumbered in zip(*tables, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(renumbered, here[np.ix_(order, order)], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("T", [0, 1, 2, 3])
def test_influence_ends_exactly_where_the_rounds_end(T):
    potential = network(T)
    graph = potential.graph(ETHANOL)
    joined = np.eye(len(ETHANOL))
    joined[graph.receivers, graph.senders] = 1
    within = [np.linalg.matrix_power(joined, steps) > 0 for steps in (T, 2 * T)]  # a walk of at most so many edges
    for table, reached in zip(all_influence(potential), within, strict=True):
        assert np.array_equal(table > 0, reached & (T > 0))


def test_prices_of_elements_have_no_influence_and_the_scale_multiplies_it():
    potential = network()
    scaled = Potential(potential.model, COMPOSITION, scale=3.0)
    for table, larger, none in zip(
        all_influence(potential), all_influence(scaled), all_influence(Potential(COMPOSITION)), strict=True
    ):
        np.testing.assert_allclose(larger, 3 * table, rtol=1e-12)
        assert not none.any()


def test_a_lonely_atom_influences_nobody():
    both = ETHANOL + Atoms("O", [[50.0, 0, 0]])
    potential = network()
    for table, alone in zip(all_influence(potential, both), all_influence(potential), strict=True):
        np.testing.assert_allclose(table[:-1, :-1], alone, rtol=1e-12)
        assert not table[-1].any()
        assert not table[:, -1].any()

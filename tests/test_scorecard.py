"""The physics contract: kept by every model, broken in the right place by models that were broken on purpose."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import course
from course import MPNN, Composition, Potential
from course.models.message_passing import MESSAGES, perceptron
from course.scorecard import LAWS, reach

SMALL: dict[str, Any] = {"elements": [1, 6, 8], "n_f": 16, "n_e": 8, "n_m": 16, "T": 2, "cutoff": 3.0}
COMPOSITION = Composition({1: -13.6, 6: -1030.0, 8: -2040.0})

SOUND: dict[str, Any] = {
    "composition": lambda: COMPOSITION,
    **{message: lambda message=message: MPNN(**SMALL, message=message) for message in MESSAGES},
    **{f"T = {T}": lambda T=T: MPNN(**{**SMALL, "T": T}) for T in (0, 1, 3)},
    "with a baseline": lambda: Potential(MPNN(**SMALL), COMPOSITION, scale=1.5),
    "trained": lambda: Potential.load(course.datasets.FOLDER.parent / "trained" / "ethanol_mpnn.npz"),
}


@pytest.mark.parametrize("name", SOUND)
def test_every_model_keeps_every_law(name):
    torch.manual_seed(0)
    card = course.scorecard(SOUND[name]())
    assert card.broken() == [], card


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

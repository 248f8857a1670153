"""The cutoff explorer without a browser: what is described, where the curves have a gap, and what goes wrong."""

from typing import Any

import numpy as np
import pytest
import torch
from ase.build import molecule

from course.datasets import load
from course.exercises.day2 import local_coulomb_vector
from course.models.message_passing import perceptron
from course.radial import cosine_cutoff
from course.widgets.cutoff_explorer import FARTHEST, Walk, cutoff_explorer
from course.widgets.lab import Bars, Curves, Geometry, Lab, Words

ETHANOL = molecule("CH3CH2OH")
COULOMB, FADED = "Coulomb vector", "faded"


def faded(numbers: Any, positions: Any, i: int, cutoff: float, length: int) -> Any:
    r = (positions - positions[i]).norm(dim=1)
    near = (r < cutoff) & (r > 0)
    x = (numbers[near] / r[near] * cosine_cutoff(r[near], cutoff)).sort(descending=True).values
    return torch.cat([x, torch.zeros(length - len(x))])


@pytest.fixture
def walk() -> Walk:
    """The oxygen leaves the carbon next to it; the network has random weights."""
    torch.manual_seed(0)
    network = perceptron(8, 16, 1)
    return Walk({COULOMB: local_coulomb_vector, FADED: faded}, ETHANOL, 1, 2, lambda x: network(x)[0], 8)


def test_only_the_mover_moves_and_along_the_line(walk: Walk) -> None:
    assert walk.start == round(ETHANOL.get_distance(1, 2), 2)
    atoms = walk.at(3.2)
    assert atoms.get_distance(1, 2) == pytest.approx(3.2)
    others = [0, 1, 3, 4, 5, 6, 7, 8]
    assert np.abs(atoms.positions[others] - ETHANOL.positions[others]).max() == 0
    there = atoms.positions[2] - ETHANOL.positions[1]
    assert np.linalg.norm(np.cross(there, ETHANOL.positions[2] - ETHANOL.positions[1])) < 1e-12


def test_the_energy_jumps_at_the_cutoff_unless_the_vector_fades(walk: Walk) -> None:
    for cutoff in (2.6, 3.0):
        r, E, F = walk.curve(COULOMB, cutoff)
        (gap,) = np.flatnonzero(np.isnan(E))
        assert r[gap] == cutoff and np.isnan(F[gap]) and np.all(np.diff(r) > 0)
        assert r[0] == walk.nearest and r[-1] == FARTHEST
        assert abs(E[gap + 1] - E[gap - 1]) > 0.05
        assert np.ptp(E[gap + 1 :]) < 1e-6 and np.abs(F[gap + 1 :]).max() < 1e-4  # nothing is seen beyond
        _, E, F = walk.curve(FADED, cutoff)
        assert abs(E[gap + 1] - E[gap - 1]) < 1e-5 and abs(F[gap + 1] - F[gap - 1]) < 1e-2


def test_the_force_is_minus_the_slope(walk: Walk) -> None:
    r, E, F = walk.curve(COULOMB, 3.0)
    for k in (5, 20):
        E_k = [walk.energy_of(walk.features(COULOMB, 3.0, r[k] + h)) for h in (-1e-2, 1e-2)]
        assert F[k] == pytest.approx((E_k[0] - E_k[1]) / 2e-2, abs=5e-3)
    assert E[5] == pytest.approx(walk.energy_of(walk.features(COULOMB, 3.0, r[5])))


def test_picture(walk: Walk) -> None:
    words, geometry, bars, energy, force = walk.picture(2.99, 3.0, COULOMB)
    assert isinstance(words, Words) and isinstance(geometry, Geometry) and isinstance(bars, Bars)
    assert isinstance(energy, Curves) and isinstance(force, Curves)
    assert words.text.startswith("O2 is 2.99 Å from C1, inside its sphere. 8 of 8 places are filled.")
    assert geometry.sphere == (1, 3.0) and geometry.marked == [2]
    assert energy.at == force.at == 2.99
    before, first = (np.array(list(bars.groups[name])) for name in ("now", "at first"))
    assert first[0] == pytest.approx(8 / walk.start, abs=0.02)
    words, _, bars, *_ = walk.picture(3.01, 3.0, COULOMB)
    assert isinstance(words, Words) and isinstance(bars, Bars)
    assert "outside its sphere. 7 of 8 places are filled" in words.text
    after = np.array(list(bars.groups["now"]))
    assert after[0] == pytest.approx(before[0]) and after[1:-1] == pytest.approx(before[2:]) and after[-1] == 0


def test_the_walk_of_the_lesson_shows_every_trade_of_places() -> None:
    """H6 and O2 of the first training frame: faded entries trade places much nearer than the cutoff."""
    ethanol = load("ethanol").split("train").to_ase(0)
    walk = Walk({COULOMB: local_coulomb_vector, FADED: faded}, ethanol, 6, 2, lambda x: x.sum(), 12)

    def trades(description: str) -> list[float]:
        """Where the place of the oxygen's entry changes, Angstrom."""
        r = np.arange(walk.nearest, 3.0, 0.005)
        alone = Walk(walk.descriptions, ethanol[[6, 2]], 0, 1, walk.energy, 12)
        pairs = [(walk.features(description, 3.0, x), alone.features(description, 3.0, x)[0]) for x in r.tolist()]
        places = np.array([int((x - own).abs().argmin()) for x, own in pairs])
        return r[1:][np.diff(places) != 0].round(2).tolist()

    assert walk.start == 2.83 and walk.nearest < 2.0
    assert trades(COULOMB) == pytest.approx([2.81], abs=0.011)
    assert trades(FADED)[:2] == pytest.approx([2.21, 2.49], abs=0.011)


def test_a_curve_is_computed_once(walk: Walk) -> None:
    assert walk.curve(COULOMB, 3.0) is walk.curve(COULOMB, 3.0)


def test_the_widget_and_what_goes_wrong_in_a_description() -> None:
    def crowded(numbers: Any, positions: Any, i: int, cutoff: float, length: int) -> Any:
        raise ValueError(f"8 neighbours, and there is room for {length}")

    lab = cutoff_explorer({COULOMB: local_coulomb_vector, "mine": crowded}, ETHANOL, 1, 2, lambda x: x.sum())
    assert isinstance(lab, Lab) and not lab.answer["problem"]
    assert lab.state == {"distance": round(ETHANOL.get_distance(1, 2), 2), "cutoff": 3.0, "description": COULOMB}
    lab.state = {**lab.state, "description": "mine"}
    assert "8 neighbours, and there is room for 12" in lab.answer["problem"] and len(lab.answer["panels"]) == 5


def test_the_walk_begins_inside_every_sphere() -> None:
    far = cutoff_explorer({COULOMB: local_coulomb_vector}, ETHANOL, 8, 3, lambda x: x.sum())  # 3.5 A apart
    for cutoff in (2.5, 4.0):
        far.state = {**far.state, "cutoff": cutoff}
        assert not far.answer["problem"]

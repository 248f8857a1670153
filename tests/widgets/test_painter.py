"""The atomic-energy painter without a browser: what turns, what is painted, and what the curve says."""

from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from course import MPNN, Composition, Potential
from course.descriptors import SymmetryFunctions
from course.models.behler_parrinello import BehlerParrinello
from course.widgets.lab import Lab, Moving
from course.widgets.painter import ANGLE, TORSION, TURNS, behind, paint

PRICES = Composition({1: -13.6, 6: -1030.0, 8: -2040.0})


def network() -> Potential:
    torch.manual_seed(0)
    descriptor = SymmetryFunctions.evenly_spaced([1, 6, 8], 8, 4.0)
    return Potential(BehlerParrinello(descriptor, [1, 6, 8], [8]), PRICES).double()


def panels(lab: Lab) -> dict[str, Any]:
    assert not lab.answer["problem"]
    return {panel["kind"]: panel for panel in lab.answer["panels"]}


def shape_of(lab: Lab, positions: list) -> Atoms:
    control = lab.controls["atoms"]
    assert isinstance(control, Moving)
    return control.read(positions)


def test_what_hangs_on_a_bond():
    ethanol = molecule("CH3CH2OH")  # C, C, O, H on O, two H on the middle carbon, three on the other
    sides = behind(ethanol, 0, 1), behind(ethanol, 1, 0)
    assert (sides[0] ^ sides[1]).all() and sorted([sides[0].sum(), sides[1].sum()]) == [4, 5]
    with pytest.raises(ValueError, match="joined by another way"):
        behind(molecule("C6H6"), 0, 1)


def test_the_sliders_turn_and_bend_and_nothing_else():
    lab = paint(network())
    first = panels(lab)["geometry"]["positions"]
    atoms = shape_of(lab, first)
    lab.state = {**lab.state, "torsion": 70, "angle": 120}
    bent = shape_of(lab, panels(lab)["geometry"]["positions"])
    assert bent.get_dihedral(*TORSION) == pytest.approx(70)
    assert bent.get_angle(*ANGLE) == pytest.approx(120)
    moved = np.abs(bent.positions - atoms.positions).max(axis=1) > 1e-9
    assert moved.tolist() == [k in (2, 3) for k in range(9)]  # O, and the H on it
    for a, b in ((0, 1), (1, 2), (2, 3), (0, 6)):
        assert bent.get_distance(a, b) == pytest.approx(atoms.get_distance(a, b))


def test_paint_arrows_and_curve_are_the_potentials():
    potential = network()
    lab = paint(potential)
    lab.state = {**lab.state, "torsion": TURNS[4]}
    shown = panels(lab)
    atoms = shape_of(lab, shown["geometry"]["positions"])
    energy, forces, E_i = potential.eval().predict(atoms)
    shares = E_i.numpy() - [PRICES.energies[z] for z in atoms.numbers]
    np.testing.assert_allclose(shown["geometry"]["values"], shares, atol=1e-9)
    np.testing.assert_allclose(shown["geometry"]["forces"], forces, atol=1e-9)
    np.testing.assert_allclose(shown["bars"]["series"][0]["values"], shares, atol=1e-9)
    curve, at = shown["curves"]["series"][0]["values"], shown["curves"]["at"]
    assert at == TURNS[4] and min(curve) == 0
    lab.state = {**lab.state, "torsion": TURNS[7]}
    other = shape_of(lab, panels(lab)["geometry"]["positions"])
    assert panels(lab)["curves"]["series"][0]["values"] == curve  # turning does not change the curve
    difference = potential.predict(other).energy.item() - energy.item()
    assert curve[7] - curve[4] == pytest.approx(difference, abs=1e-8)


def test_small_forces_have_short_arrows():
    """A molecule at rest must not look as if it were torn apart."""
    lab = paint(network())
    shown = panels(lab)["geometry"]
    assert 0 < np.linalg.norm(shown["forces"], axis=1).max() < 1
    assert shown["force_scale"] == 1  # an arrow of 1 Angstrom for 1 eV/Angstrom


def test_a_dragged_atom_changes_the_curve_and_keeps_the_torsion():
    lab = paint(network())
    before = panels(lab)["curves"]["series"][0]["values"]
    positions = np.array(lab.state["atoms"])
    positions[8] += [0.2, 0.0, 0.1]
    lab.state = {**lab.state, "atoms": positions.tolist()}
    shown = panels(lab)
    assert np.abs(np.subtract(shown["curves"]["series"][0]["values"], before)).max() > 1e-6
    np.testing.assert_allclose(shown["geometry"]["positions"][8], positions[8])
    atoms = shape_of(lab, shown["geometry"]["positions"])
    assert atoms.get_dihedral(*TORSION) == pytest.approx(lab.state["torsion"])


def test_it_paints_other_potentials_and_leaves_them_as_they_were():
    potential = Potential(MPNN([1, 6, 8], n_f=4, n_e=4, n_m=4, T=1, cutoff=2.0)).train()
    lab = paint(potential)
    assert "largest force" in lab.in_words()
    assert potential.training

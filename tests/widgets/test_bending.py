"""Stretch, bend and twist without a browser: whose curves these are, and where the markers stand."""

from typing import Any

import numpy as np
import pytest

import course
from course import MPNN, Potential
from course.models.molecular_mechanics import MolecularMechanics
from course.widgets.bending import cuts_of, stretch_bend_twist, with_fixed_bonds
from course.widgets.lab import Lab

SCANS = course.load("scans")


@pytest.fixture(scope="module")
def potential() -> Potential:
    train = course.load("small_molecules")[::15]
    return Potential.for_data(MolecularMechanics.for_data(train), train).double().eval()


def panels(lab: Lab) -> list[dict[str, Any]]:
    assert not lab.answer["problem"]
    return lab.answer["panels"]


def test_the_curves_are_those_of_the_scans_and_of_the_potential(potential: Potential) -> None:
    for motion, name in (("bond", "ethanol_oh"), ("angle", "water_bend"), ("torsion", "ethane_torsion")):
        scan, cut = SCANS.group(name), cuts_of(potential)[motion]
        lowest = int(scan.energies.argmin())
        assert cut.energies["quantum"] == pytest.approx(scan.energies - scan.energies.min())
        assert not cut.energies["composition"].any()
        fixed = with_fixed_bonds(potential, scan.to_ase(lowest))
        one = fixed.predict(scan.to_ase(-1)).energy - fixed.predict(scan.to_ase(lowest)).energy
        assert cut.energies["molecular mechanics"][-1] == pytest.approx(one.item(), abs=1e-6)
        at_rest = potential.predict(scan.to_ase(lowest)).energy  # nothing is stretched: bonds are bonds
        assert fixed.predict(scan.to_ase(lowest)).energy.item() == pytest.approx(at_rest.item(), abs=1e-6)
    spring = cuts_of(potential)["bond"].energies["molecular mechanics"]
    assert spring[-1] > 20 and (np.diff(spring[10:]) > 0).all()  # it does not break


def test_each_slider_moves_its_own_molecule(potential: Potential) -> None:
    lab = stretch_bend_twist(potential)
    before = panels(lab)
    lab.state = {**lab.state, "angle": 140.0}
    after = panels(lab)
    changed = [a["positions"] != b["positions"] for a, b in zip(before[:3], after[:3], strict=True)]
    assert changed == [False, True, False]
    assert [panel["at"] for panel in after[3:]] == [1.0, 140.0, 60.0]
    quantum = dict(zip(after[4]["x"], after[4]["series"][0]["values"], strict=True))
    assert quantum[140.0] == pytest.approx(0.688, abs=1e-3)


def test_every_position_of_a_slider_has_its_own_quantum_energy(potential: Potential) -> None:
    lab = stretch_bend_twist(potential)
    for motion, cut in cuts_of(potential).items():
        control = lab.settings["controls"][list(lab.controls).index(motion)]
        values = np.arange(control["low"], control["high"] + control["step"] / 2, control["step"])
        assert values == pytest.approx(cut.x)


def test_a_spring_that_has_left_the_picture_is_not_drawn(potential: Potential) -> None:
    lines = {one["label"]: one["values"] for one in panels(stretch_bend_twist(potential))[3]["series"]}
    assert None not in lines["quantum"]
    assert lines["molecular mechanics"][-1] is None
    assert max(v for v in lines["molecular mechanics"] if v is not None) < 9


def test_another_model_is_refused() -> None:
    with pytest.raises(TypeError, match="holds a MPNN; a MolecularMechanics is expected"):
        stretch_bend_twist(Potential(MPNN([1, 6, 8], T=1)))

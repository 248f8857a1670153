"""Stretch, bend and twist: three cuts through energy surfaces, by quantum mechanics, springs, and a price list.

    stretch_bend_twist(potential)

The quantum energies are those of the shipped scans, and so are the geometries, point by point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

import course
from course.datasets import Dataset
from course.graph import batch
from course.models.molecular_mechanics import MolecularMechanics, bonds_of
from course.potential import Potential
from course.widgets.lab import Curves, Geometry, Lab, Panel, Slider

SPRINGS, PRICES, QUANTUM = "molecular mechanics", "composition", "quantum"


@dataclass(frozen=True)
class Cut:
    """Energies along one coordinate, eV above the quantum minimum; `shown` says which are worth drawing."""

    name: str  # "O–H of ethanol"
    moved: str  # "stretched"
    unit: str
    atoms: list[Atoms]
    x: np.ndarray  # (n_points,)
    energies: dict[str, np.ndarray]  # (n_points,) each

    def nearest(self, x: float) -> int:
        return int(np.abs(self.x - x).argmin())

    def panels(self, x: float) -> tuple[Panel, Panel]:
        k = self.nearest(x)
        top = 1.6 * self.energies[QUANTUM].max()  # a spring that has left the picture is not followed
        lines = {label: np.where(values < top, values, np.nan) for label, values in self.energies.items()}
        axis = f"{self.name}, {self.unit}"
        return (
            Geometry(f"{self.name}, {self.moved}", self.atoms[k]),
            Curves(f"{self.name}: energy", self.x, lines, axis, "E, eV", at=self.x[k]),
        )


def with_fixed_bonds(potential: Potential, atoms: Atoms) -> Potential:
    """The same force field with the bonds of this geometry, which now stretch and do not break."""
    model = potential.model
    if not isinstance(model, MolecularMechanics):
        raise TypeError(f"The potential holds a {type(model).__name__}; a MolecularMechanics is expected.")
    bonds = bonds_of(potential.graph(atoms)).tolist()
    fixed = MolecularMechanics(**{**model.settings, "bonds": bonds}).to(next(model.parameters()))
    fixed.load_state_dict(model.state_dict())
    return Potential(fixed, potential.baseline, potential.scale).eval()


def cut_along(scan: Dataset, potential: Potential, name: str, moved: str, unit: str) -> Cut:
    """What the potential and its baseline say along a scan."""
    atoms, lowest = scan.to_ase(), int(scan.energies.argmin())
    fixed = with_fixed_bonds(potential, atoms[lowest])
    energies = {QUANTUM: scan.energies}
    graphs = batch([fixed.graph(each) for each in atoms])
    energies[SPRINGS] = fixed(graphs).energy.numpy()
    if potential.baseline is not None:
        energies[PRICES] = Potential(potential.baseline).eval()(graphs).energy.numpy()
    relative = {label: values - values[lowest] for label, values in energies.items()}
    return Cut(name, moved, unit, atoms, np.asarray(scan.coordinate), relative)


def cuts_of(potential: Potential) -> dict[str, Cut]:
    scans = course.load("scans")
    return {
        "bond": cut_along(scans.group("ethanol_oh"), potential, "O–H of ethanol", "stretched", "Å"),
        "angle": cut_along(scans.group("water_bend"), potential, "H–O–H of water", "bent", "°"),
        "torsion": cut_along(scans.group("ethane_torsion"), potential, "H–C–C–H of ethane", "twisted", "°"),
    }


def stretch_bend_twist(potential: Potential) -> Lab:
    """Three sliders: a bond length, an angle and a torsion, each on a molecule with a quantum curve to compare with.

    potential  molecular mechanics that knows H, C and O, with a composition as its baseline
    """
    cuts = cuts_of(potential)

    def picture(**x: float) -> list[Panel]:
        molecules, curves = zip(*(cuts[motion].panels(value) for motion, value in x.items()), strict=True)
        return [*molecules, *curves]

    return Lab(
        picture,
        title="Stretch, bend, twist",
        bond=Slider(1.0, 0.75, 2.5, 0.05, unit="Å", label="O–H bond of ethanol"),
        angle=Slider(104.0, 80.0, 180.0, 4.0, unit="°", label="H–O–H angle of water"),
        torsion=Slider(60.0, 0.0, 120.0, 5.0, unit="°", label="H–C–C–H torsion of ethane"),
    )

"""The cutoff explorer: an atom walks out of the sphere of another, and what is left of it is drawn.

    cutoff_explorer({"Coulomb vector": local_coulomb_vector}, ethanol, center=1, mover=2, energy=network)

The description is the learner's own function. What jumps in its bars jumps in the energy, and so in the force.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from course.widgets.lab import Bars, Choice, Curves, Geometry, Lab, Panel, Slider, Words

Description = Callable[[Tensor, Tensor, int, float, int], Any]  # numbers, positions, i, cutoff, length -> (length,)
Energy = Callable[[Tensor], Any]  # (length,) -> E_i, eV

LOW, HIGH, STEP = 1.1, 4.5, 0.01  # of the distance, Angstrom
NARROWEST, WIDEST = 2.0, 4.0  # cutoffs, Angstrom


@dataclass(frozen=True)
class Walk:
    """One atom leaves another along the line through both. `picture` is what the lab shows at one distance."""

    descriptions: Mapping[str, Description]
    atoms: Atoms
    center: int
    mover: int
    energy: Energy
    length: int
    curves: dict[tuple[str, float], tuple[np.ndarray, ...]] = field(default_factory=dict)  # computed already

    def at(self, distance: float) -> Atoms:
        """The molecule with the mover at this distance from the centre, Angstrom."""
        atoms = self.atoms.copy()
        line = atoms.positions[self.mover] - atoms.positions[self.center]
        atoms.positions[self.mover] = atoms.positions[self.center] + distance * line / np.linalg.norm(line)
        return atoms

    def features(self, description: str, cutoff: float, atoms: Atoms) -> Tensor:
        """The description of the atom in the middle, (length,)."""
        numbers, positions = torch.tensor(atoms.numbers), torch.tensor(atoms.positions)
        x = self.descriptions[description](numbers, positions, self.center, cutoff, self.length)
        return torch.as_tensor(x, dtype=torch.float64)

    def energy_of(self, x: Tensor) -> float:
        with torch.no_grad():
            return float(self.energy(x.to(torch.get_default_dtype())))

    def energy_and_force(self, description: str, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Distances, E and -dE/dr along the walk, with a gap at the cutoff: no slope is taken across it."""
        if (description, cutoff) not in self.curves:
            pieces = []
            for low, high in ((LOW, cutoff - 1e-6), (cutoff + 1e-6, HIGH)):
                r = np.linspace(low, high, round((high - low) / 0.02) + 2)
                E = np.array([self.energy_of(self.features(description, cutoff, self.at(x))) for x in r])
                pieces += [(r, E, -np.gradient(E, r, edge_order=2)), (np.array([cutoff]), *np.full((2, 1), np.nan))]
            self.curves[description, cutoff] = tuple(map(np.concatenate, zip(*pieces[:3], strict=True)))
        r, E, F = self.curves[description, cutoff]
        return r, E, F

    def picture(self, distance: float, cutoff: float, description: str) -> list[Panel]:
        atoms = self.at(distance)
        x = self.features(description, cutoff, atoms)
        first = self.features(description, cutoff, self.atoms)
        r, E, F = self.energy_and_force(description, cutoff)
        i, j = (f"{self.atoms.symbols[k]}{k}" for k in (self.center, self.mover))
        filled = int((x != 0).sum())
        where = "inside" if distance < cutoff else "outside"
        now = f"{j} is {distance:.2f} Å from {i}, {where} its sphere. {filled} of {self.length} places are filled."
        return [
            Words(f"{now} E of {i}: {self.energy_of(x):.3f} eV."),
            Geometry(f"{j} leaves {i}", atoms, sphere=(self.center, cutoff), marked=[self.mover]),
            Bars(f"description of {i}", {"now": x, "before the walk": first}, "place", "value, 1/Å"),
            Curves("energy", r, {f"E of {i}": E}, f"distance {i}–{j}, Å", "E, eV", at=distance),
            Curves("force", r, {f"−dE/dr of {i}": F}, f"distance {i}–{j}, Å", "force, eV/Å", at=distance),
        ]


def cutoff_explorer(
    descriptions: Mapping[str, Description], atoms: Atoms, center: int, mover: int, energy: Energy, length: int = 12
) -> Lab:
    """A slider takes the atom `mover` away from the atom `center`, through its cutoff.

    descriptions  name -> function (numbers, positions, i, cutoff, length) -> (length,)
    energy        (length,) -> energy of the atom in the middle, eV: a network, trained or not
    """
    walk = Walk(descriptions, atoms, center, mover, energy, length)
    start = float(np.clip(round(atoms.get_distance(center, mover), 2), LOW, HIGH))
    names = list(descriptions)
    return Lab(
        walk.picture,
        title="Cutoff explorer",
        distance=Slider(start, LOW, HIGH, STEP, unit="Å", label="distance of the atom that walks"),
        cutoff=Slider(3.0, NARROWEST, WIDEST, 0.1, unit="Å", label="cutoff"),
        description=Choice(names[0], names),
    )

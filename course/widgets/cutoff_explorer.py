"""The cutoff explorer: an atom walks out of the sphere of another, and what is left of it is drawn.

    cutoff_explorer({"Coulomb vector": local_coulomb_vector}, ethanol, center=6, mover=2, energy=network)

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
Curve = tuple[np.ndarray, np.ndarray, np.ndarray]  # r, E, -dE/dr

FARTHEST = 4.3  # of the walk, Angstrom
CUTOFFS = 2.5, 4.0  # Angstrom


@dataclass(frozen=True)
class Walk:
    """One atom leaves another along the line through both. `picture` is what the lab shows at one distance."""

    descriptions: Mapping[str, Description]
    atoms: Atoms
    center: int
    mover: int
    energy: Energy
    length: int
    curves: dict[tuple[str, float], Curve] = field(default_factory=dict)  # those that were asked for already

    @property
    def start(self) -> float:
        """The distance of the two atoms in the molecule as it came in, Angstrom."""
        return round(float(self.atoms.get_distance(self.center, self.mover)), 2)

    @property
    def nearest(self) -> float:
        """Where the walk begins, Angstrom."""
        return round(min(0.7 * self.start, CUTOFFS[0] - 0.1), 2)

    def at(self, distance: float) -> Atoms:
        """The molecule with the mover at this distance from the centre, Angstrom."""
        atoms = self.atoms.copy()
        line = atoms.positions[self.mover] - atoms.positions[self.center]
        atoms.positions[self.mover] = atoms.positions[self.center] + distance * line / np.linalg.norm(line)
        return atoms

    def features(self, description: str, cutoff: float, distance: float) -> Tensor:
        """The description of the atom in the middle, (length,)."""
        atoms = self.at(distance)
        numbers, positions = torch.tensor(atoms.numbers), torch.tensor(atoms.positions)
        x = self.descriptions[description](numbers, positions, self.center, cutoff, self.length)
        return torch.as_tensor(x, dtype=torch.get_default_dtype())

    def energy_of(self, x: Tensor) -> float:
        with torch.no_grad():
            return float(self.energy(x))

    def curve(self, description: str, cutoff: float) -> Curve:
        """E and -dE/dr along the walk, with a gap at the cutoff: no slope is taken across it."""
        if (description, cutoff) not in self.curves:
            pieces = []
            for low, high in ((self.nearest, cutoff - 1e-6), (cutoff + 1e-6, FARTHEST)):
                r = np.linspace(low, high, round((high - low) / 0.02) + 3)
                E = np.array([self.energy_of(self.features(description, cutoff, x)) for x in r])
                pieces.append(np.stack([r, E, -np.gradient(E, r, edge_order=2)]))
            gap = np.array([[cutoff], [np.nan], [np.nan]])
            r, E, F = np.hstack([pieces[0], gap, pieces[1]])
            self.curves[description, cutoff] = r, E, F
        return self.curves[description, cutoff]

    def picture(self, distance: float, cutoff: float, description: str) -> list[Panel]:
        now, first = (self.features(description, cutoff, r) for r in (distance, self.start))
        r, E, F = self.curve(description, cutoff)
        i, j = (f"{self.atoms.symbols[k]}{k}" for k in (self.center, self.mover))
        where, n_filled = "inside" if distance < cutoff else "outside", int((now != 0).sum())
        x_label = f"distance {i}–{j}, Å"
        return [
            Words(
                f"{j} is {distance:.2f} Å from {i}, {where} its sphere. {n_filled} of {self.length} places are filled. "
                f"The energy of {i} is {self.energy_of(now):.3f} eV."
            ),
            Geometry(f"{j} leaves {i}", self.at(distance), sphere=(self.center, cutoff), marked=[self.mover]),
            Bars(f"description of {i}", {"now": now, "at first": first}, "place", "value, 1/Å"),
            Curves(f"energy of {i}", r, {"E": E}, x_label, "E, eV", at=distance),
            Curves(f"what it does to {j}", r, {"−dE/dr": F}, x_label, "force, eV/Å", at=distance),
        ]


def cutoff_explorer(
    descriptions: Mapping[str, Description], atoms: Atoms, center: int, mover: int, energy: Energy, length: int = 12
) -> Lab:
    """A slider takes the atom `mover` away from the atom `center`, through its cutoff.

    descriptions  name -> function (numbers, positions, i, cutoff, length) -> (length,)
    energy        (length,) -> energy of the atom in the middle, eV: a network, trained or not
    """
    walk = Walk(descriptions, atoms, center, mover, energy, length)
    names = list(descriptions)
    return Lab(
        walk.picture,
        title="Cutoff explorer",
        distance=Slider(walk.start, walk.nearest, FARTHEST, 0.01, unit="Å", label="distance of the atom that walks"),
        cutoff=Slider(3.0, *CUTOFFS, 0.1, unit="Å", label="cutoff"),
        description=Choice(names[0], names),
    )

"""Drag x along an energy curve: the tangent is minus the force.

    tangent(morse, force)

Both functions are the reader's; the quantum-chemical curve of two hydrogen atoms stands beside them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from ase import Atoms
from scipy.interpolate import CubicSpline
from torch import Tensor

from course.datasets import load
from course.widgets.lab import Curves, Geometry, Lab, Panel, Slider, Words

LEFT, RIGHT = 0.5, 3.5  # ends of the curves, Angstrom
BOTTOM, TOP = -5.5, 1.0  # eV
HALF = 0.6  # of the tangent, Angstrom

Energy = Callable[[Tensor], Tensor]


def tangent(energy_fn: Energy, force: Callable[[Energy, Tensor], Tensor], x: float = 1.2) -> Lab:
    """Two hydrogen atoms x apart, their energy, and a line whose slope is minus the force.

    energy_fn  x () -> energy (), Angstrom and eV, 0 for atoms that are far apart
    force      (energy_fn, x) -> minus dE/dx, eV/Angstrom
    x          where to begin, Angstrom
    """
    scan = load("scans").group("h2_fci")
    assert scan.coordinate is not None
    r = np.linspace(LEFT, RIGHT, 91)
    exact = CubicSpline(scan.coordinate, scan.energies - scan.energies[-1])(r)  # the last atoms are 5 Angstrom apart

    def picture(x: float) -> list[Panel]:
        energies = np.array([float(energy_fn(torch.tensor(d))) for d in r.tolist()])
        here = torch.tensor(x)
        E, F = float(energy_fn(here)), float(force(energy_fn, here))
        line = np.where(np.abs(r - x) <= HALF, E - F * (r - x), np.nan)
        curves = {"energy": energies, "line of slope −F": line, "full CI": exact}
        how = "there is hardly a force" if abs(F) < 0.1 else f"the atom is {'pushed away' if F > 0 else 'pulled back'}"
        forces = np.array([[0, 0, 0], [F, 0, 0]])
        words = f"At x = {x:.2f} Å the energy is {E:.3f} eV and the force is {F:.3f} eV/Å: {how}."
        return [
            Words(words.replace("-", "−")),
            Curves("energy", r, {name: inside(y) for name, y in curves.items()}, "x, Å", "E, eV", at=x),
            Geometry("the force on the atom at x", Atoms("H2", [[0, 0, 0], [x, 0, 0]]), forces=forces),
        ]

    slider = Slider(x, 0.55, 3.4, 0.01, unit="Å", label="distance x")
    return Lab(picture, title="The tangent of an energy curve", x=slider)


def inside(energies: np.ndarray) -> np.ndarray:
    """What lies in the frame: a repulsive wall would make the well a scratch at the bottom."""
    return np.where((energies > BOTTOM) & (energies < TOP), energies, np.nan)

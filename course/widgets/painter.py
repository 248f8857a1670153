"""The atomic-energy painter: a molecule bends, and every atom shows its share of the energy.

    paint(potential)                ethanol, whose hydroxyl group turns and whose C-C-O angle opens

The paint is what the network adds to the energy of each atom's element. The arrows are the forces.
"""

from __future__ import annotations

import numpy as np
import torch
from ase import Atoms

from course.datasets import load
from course.graph import batch
from course.plotting import bonded
from course.potential import Potential
from course.widgets.engine import resting
from course.widgets.lab import Bars, Curves, Geometry, Lab, Moving, Panel, Slider, Words

TORSION, ANGLE = (0, 1, 2, 3), (0, 1, 2)  # C-C-O-H and C-C-O of ethanol
TURNS = np.arange(0, 361, 20).tolist()  # degrees


def behind(atoms: Atoms, a: int, b: int) -> np.ndarray:
    """Which atoms hang on b when the bond a-b is cut, (n_atoms,) of True and False. Raises ValueError for a ring."""
    joined = bonded(atoms.numbers, atoms.positions)
    joined[[a, b], [b, a]] = False
    group = np.arange(len(atoms)) == b
    for _ in range(len(atoms)):
        group = group | joined[group].any(axis=0)
    if group[a]:
        raise ValueError(f"Atoms {a} and {b} are joined by another way too; nothing can turn about their bond.")
    return group


def turned(atoms: Atoms, torsion: float, group: np.ndarray) -> Atoms:
    """The molecule with this C-C-O-H torsion, degrees; the atoms of the group turn about the C-O bond."""
    atoms = atoms.copy()
    atoms.set_dihedral(*TORSION, torsion, mask=group)
    return atoms


def energies_along(potential: Potential, atoms: Atoms, group: np.ndarray) -> np.ndarray:
    """E on a whole turn of the hydroxyl group, eV above its lowest point, (n_turns,)."""
    graph = batch([potential.graph(turned(atoms, degrees, group)) for degrees in TURNS])
    with torch.no_grad():
        energy = potential.atomic_energies(graph).reshape(len(TURNS), -1).sum(dim=1).numpy()
    return energy - energy.min()


def painted(potential: Potential, atoms: Atoms, torsion: float, curve: np.ndarray) -> list[Panel]:
    """The molecule in the colours of E_i, the curve along the turn, and E_i in numbers."""
    graph = potential.graph(atoms)
    _, forces, E_i = potential(graph)
    if potential.baseline is not None:
        E_i = E_i - potential.baseline(graph)
    names = [f"{symbol}{k}" for k, symbol in enumerate(atoms.symbols)]
    return [
        Geometry("E_i, the network's part", atoms, E_i, "eV", forces=forces, moves="atoms", least_force_scale=1.0),
        Curves("the hydroxyl group turns", TURNS, {"E": curve}, "torsion C–C–O–H, degrees", "E, eV", at=torsion),
        Bars("shares of the energy", {"E_i": E_i}, "atom", "E_i, eV", names),
        Words(f"E = {E_i.sum():+.3f} eV relative to the elements; largest force {forces.norm(dim=1).max():.2f} eV/Å."),
    ]


def paint(potential: Potential) -> Lab:
    """Turn, bend and drag ethanol, and see which atoms pay for it."""
    potential = resting(potential)
    scan = load("scans").group("ethanol_oh")
    relaxed = scan.to_ase(int(np.argmin(scan.energies)))
    ethanol = Atoms(relaxed.numbers, relaxed.positions)
    ethanol.set_distance(*TORSION[2:], 0.973, fix=0)  # the minimum lies between two points of the scan
    on_O, on_H = (behind(ethanol, *bond) for bond in (ANGLE[1:], TORSION[1:3]))
    curves: dict[bytes, np.ndarray] = {}  # the last one: turning the group leaves it as it is

    def picture(atoms: Atoms, torsion: float, angle: float) -> list[Panel]:
        atoms.set_angle(*ANGLE, angle, mask=on_O)
        shape = turned(atoms, 0, on_H).positions.round(6).tobytes()
        if shape not in curves:
            curve = energies_along(potential, atoms, on_H)
            curves.clear()
            curves[shape] = curve
        return painted(potential, turned(atoms, torsion, on_H), torsion, curves[shape])

    return Lab(
        picture,
        title="Who pays?",
        torsion=Slider(round(ethanol.get_dihedral(*TORSION)), 0, 360, 1, unit="°", label="torsion C–C–O–H"),
        angle=Slider(round(ethanol.get_angle(*ANGLE)), 90, 140, 1, unit="°", label="angle C–C–O"),
        atoms=Moving(ethanol),
    )

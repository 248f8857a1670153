"""Can you fool it? Two molecules, their rows of features, and who can be told from whom.

fool_it()                                                   radial, or radial and angular functions
fool_it(yours=lambda numbers, positions, cutoff: ...)       and a description of your own
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import permutations
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols
from torch import Tensor

from course.datasets import load
from course.descriptors.symmetry_functions import Angular, Radial
from course.descriptors.twins import without_twin
from course.graph import molecular_graph
from course.radial import radial_grid
from course.widgets.lab import Bars, Choice, Geometry, Lab, Moving, Panel, Slider, Table, Words

Describe = Callable[[Tensor, Tensor, float], Tensor]  # numbers, positions, cutoff -> (n_atoms, n_features)

N_RADIAL = 4
ZETA, LAM = (1.0, 1.0, 4.0, 4.0), (1.0, -1.0, 1.0, -1.0)
EQUAL = {"0.0001 %": 1e-6, "1 %": 1e-2, "5 %": 5e-2}  # of the largest feature


def pairs() -> dict[str, tuple[Atoms, Atoms]]:
    """The molecules to begin with."""
    water = load("scans").group("water_bend")
    bent = int(np.argmin(water.energies))  # 104 degrees
    degenerate = load("degenerate").group("methane_1.0")
    turns = np.radians(60 * np.arange(6))
    hexagon = 1.4 * np.stack([np.cos(turns), np.sin(turns), 0 * turns], axis=1)
    corners = 1.4 / np.sqrt(3) * np.stack([np.cos(turns[::2]), np.sin(turns[::2]), 0 * turns[::2]], axis=1)
    triangles = np.concatenate([corners - [2.2, 0, 0], corners * [-1, 1, 1] + [2.2, 0, 0]])
    return {
        "water": (plain(water.to_ase(bent)), plain(water.to_ase(-1))),
        "methane pair": (plain(degenerate.to_ase(0)), plain(degenerate.to_ase(1))),
        "hexagon or triangles": (Atoms("C6", hexagon), Atoms("C6", triangles)),
    }


def plain(atoms: Atoms) -> Atoms:
    """Without energies and notes."""
    return Atoms(atoms.numbers, atoms.positions)


# ----------------------------------------------------------------------------- the library's descriptions


def radial_of(cutoff: float) -> Radial:
    centers, eta = radial_grid(cutoff, N_RADIAL)
    return Radial(tuple(centers.tolist()), (eta,) * N_RADIAL, cutoff)


def radial(numbers: Tensor, positions: Tensor, cutoff: float) -> Tensor:
    elements = torch.unique(numbers).tolist()
    return radial_of(cutoff)(molecular_graph((numbers, positions), cutoff), elements)


def radial_and_angular(numbers: Tensor, positions: Tensor, cutoff: float) -> Tensor:
    elements = torch.unique(numbers).tolist()
    graph = molecular_graph((numbers, positions), cutoff)
    angular = Angular((0.05,) * len(ZETA), ZETA, LAM, cutoff)
    return torch.cat([radial_of(cutoff)(graph, elements), angular(graph, elements)], dim=1)


def names_of(numbers: np.ndarray, cutoff: float, n_features: int) -> list[str]:
    """What stands under the bars of the two functions above."""
    symbols = [chemical_symbols[z] for z in sorted(set(numbers.tolist()))]
    names = [f"{a} {r:.1f} Å" for a in symbols for r in radial_of(cutoff).centers]
    two = [a + b for k, a in enumerate(symbols) for b in symbols[k:]]
    names += [f"{ab} ζ{zeta:.0f} λ{'+' if lam > 0 else '−'}" for ab in two for zeta, lam in zip(ZETA, LAM, strict=True)]
    return names[:n_features]


# ----------------------------------------------------------------------------- the picture


def misfit(a: Atoms, b: Atoms) -> float:
    """The largest difference of a distance, Angstrom, when the atoms are matched as well as can be; 0: congruent."""
    r_a, r_b = a.get_all_distances(), b.get_all_distances()
    orders = np.array(list(permutations(range(len(a)))))
    orders = orders[(b.numbers[orders] == a.numbers).all(axis=1)]
    matched = r_b[orders[:, :, None], orders[:, None, :]]  # (n_orders, n_atoms, n_atoms)
    return float(np.abs(matched - r_a).max(axis=(1, 2)).min())


def listed(atoms: Atoms, alone: np.ndarray) -> str:
    return ", ".join(f"{atoms.symbols[k]}{k}" for k in np.flatnonzero(alone))


def picture(
    left: Atoms,
    right: Atoms,
    describe: Describe,
    cutoff: float,
    atom: int,
    tolerance: float,
    moves: tuple[str | None, str | None] = (None, None),
) -> list[Panel]:
    """Both molecules with a ring around every atom that has no twin, the rows of one atom, and the verdicts.

    atom   the atom whose rows are shown; the last one, where there are not so many
    moves  the controls that move the two molecules
    """
    atom = min(atom, len(left) - 1)
    numbers = torch.tensor(left.numbers), torch.tensor(right.numbers)
    x = [
        torch.as_tensor(describe(z, torch.tensor(atoms.positions), cutoff)).detach()
        for z, atoms in zip(numbers, (left, right), strict=True)
    ]
    alone = [each.numpy() for each in without_twin(numbers[0], x[0], numbers[1], x[1], tolerance)]
    rows = [table[atom].numpy() for table in x]
    shown = np.flatnonzero((np.abs(rows[0]) > 1e-12) | (np.abs(rows[1]) > 1e-12))
    own = describe not in (radial, radial_and_angular)
    names = [str(k) for k in range(len(rows[0]))] if own else names_of(left.numbers, cutoff, len(rows[0]))
    apart = np.abs(rows[0] - rows[1]).max(initial=0)
    who = f"row of {left.symbols[atom]}{atom}, "
    who += f"largest difference {apart:.0e}" if apart else "the same on both sides"
    sides = [
        Geometry(side, atoms, sphere=(atom, cutoff), moves=moved, marked=np.flatnonzero(lonely).tolist())
        for side, atoms, moved, lonely in zip(("left", "right"), (left, right), moves, alone, strict=True)
    ]
    bars = {side: row[shown] for side, row in zip(("left", "right"), rows, strict=True)}
    verdicts = {
        f"{symbol}{k}": [not alone[0][k], not alone[1][k]] for k, symbol in enumerate(left.symbols)
    }  # the two have the same atoms in the same order
    return [
        *sides,
        Bars(who, bars, "feature (zeros left out)", "value", [names[k] for k in shown]),
        Table("has a twin on the other side?", ["left", "right"], verdicts, words=("yes", "no")),
        Words(verdict(left, right, alone)),
    ]


def verdict(left: Atoms, right: Atoms, alone: list[np.ndarray]) -> str:
    difference = misfit(left, right)
    if difference < 1e-6:
        return "This is the same molecule twice: there is nothing to tell apart."
    if not (alone[0].any() or alone[1].any()):
        return (
            f"Fooled. The molecules are different (a distance differs by {difference:.2f} Å however they are matched), "
            "and every atom has a twin: any network behind this description gives both the same energy."
        )
    where = [f"{listed(atoms, a)} on the {side}" for side, atoms, a in
             zip(("left", "right"), (left, right), alone, strict=True) if a.any()]  # fmt: skip
    return f"Told apart. Without a twin: {'; '.join(where)}."


# ----------------------------------------------------------------------------- the widget


def fool_it(yours: Describe | None = None) -> Lab:
    """Two molecules, draggable, and what a description makes of them.

    yours  a description of your own: yours(numbers, positions, cutoff) -> (n_atoms, n_features)
    """
    describe: dict[str, Describe] = {"radial": radial, "radial + angular": radial_and_angular}
    if yours is not None:
        describe["yours"] = yours
    molecules = pairs()
    # a name for each molecule that can be moved: pair_0_left, pair_0_right, ...
    moving = {
        f"pair_{k}_{side}": Moving(atoms)
        for k, both in enumerate(molecules.values())
        for side, atoms in zip(("left", "right"), both, strict=True)
    }

    def show(pair: str, description: str, cutoff: float, atom: int, equal: str, **moved: Atoms) -> list[Panel]:
        k = list(molecules).index(pair)
        moves = f"pair_{k}_left", f"pair_{k}_right"
        left, right = (moved[name] for name in moves)
        return picture(left, right, describe[description], cutoff, atom, EQUAL[equal], moves)

    controls: Mapping[str, Any] = {
        "pair": Choice("water", list(molecules), label="pair"),
        "description": Choice("radial" if yours is None else "yours", list(describe), label="description"),
        "cutoff": Slider(3.0, 1.0, 6.0, 0.1, unit="Å", label="cutoff"),
        "atom": Slider(0, 0, 5, 1, label="atom in the bars"),
        "equal": Choice("0.0001 %", list(EQUAL), label="equal within"),
    }
    return Lab(show, title="Can you fool it?", **controls, **moving)

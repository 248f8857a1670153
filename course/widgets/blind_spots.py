"""The blind-spot lab: pairs of molecules, and which model can tell them apart at which cutoff and number of rounds.

What is compared are the numbers that a model knows of each atom before its last network: features, or states after T
rounds. Where these are equal, atom for atom, every energy is equal too, whatever the networks behind them learn. A
message-passing network has random weights here, and nothing about it is trained.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from course.datasets import load
from course.descriptors.coulomb import local_coulomb_vector
from course.descriptors.symmetry_functions import Angular, ANIAngular, SymmetryFunctions
from course.descriptors.twins import without_twin
from course.graph import Graph, batch, molecular_graph
from course.models.message_passing import MPNN, initial_features
from course.widgets.lab import Choice, Geometry, Lab, Panel, Slider, Table, Words

ELEMENTS = [1, 6, 8]
BOND = 1.4  # Angstrom, of the rings
TOLERANCE = 1e-10  # of the largest feature; rounding errors are below 1e-13

# ----------------------------------------------------------------------------- pairs


def ring(symbols: str, x: float = 0.0) -> Atoms:
    """A flat ring with equal bonds, one letter an atom."""
    turns = 2 * np.pi * np.arange(len(symbols)) / len(symbols)
    radius = BOND / 2 / np.sin(np.pi / len(symbols))
    return Atoms(list(symbols), radius * np.stack([np.cos(turns), np.sin(turns), 0 * turns], axis=1) + [x, 0, 0])


def water(degrees: float) -> Atoms:
    half = np.radians(degrees) / 2
    ends = 0.96 * np.array([[np.sin(half), np.cos(half), 0], [-np.sin(half), np.cos(half), 0]])
    return Atoms("OHH", [[0, 0, 0], *ends])


@lru_cache(maxsize=1)
def known_pairs() -> dict[str, tuple[Atoms, Atoms]]:
    """Molecules of the same atoms that are different, and look alike to somebody."""
    methane = load("degenerate").group("methane_1.0")
    twins = [Atoms(frame.numbers, frame.positions) for frame in methane]
    return {
        "six carbons": (ring("CCCCCC"), ring("CCC", -2.2) + ring("CCC", 2.2)),
        "water": (water(104.5), water(180.0)),
        "methane": (twins[0], twins[1]),
        "eight-ring": (ring("OCCOCCCC"), ring("OCCCOCCC")),
    }


# ----------------------------------------------------------------------------- what a model knows of each atom


@lru_cache(maxsize=64)
def network(cutoff: float, T: int) -> MPNN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return MPNN(ELEMENTS, n_f=32, n_e=16, n_m=32, T=T, cutoff=cutoff).double()


def radial(graph: Graph, cutoff: float) -> Tensor:
    return SymmetryFunctions.evenly_spaced(ELEMENTS, 16, cutoff)(graph)


def behler(graph: Graph, cutoff: float) -> Tensor:
    """G2 and G4: the three atoms of an angle must be within the cutoff of each other."""
    zeta, lam = (1.0, 4.0, 16.0) * 2, (1.0,) * 3 + (-1.0,) * 3
    return torch.cat([radial(graph, cutoff), Angular((0.01,) * 6, zeta, lam, cutoff)(graph, ELEMENTS)], dim=1)


def ani(graph: Graph, cutoff: float) -> Tensor:
    """ANI's functions: it is enough that both neighbours are within the cutoff of the centre."""
    sections = tuple((2 * np.arange(8) + 1) * np.pi / 16)
    return torch.cat(
        [radial(graph, cutoff), ANIAngular((1.0, 1.7), sections, 8.0, 32.0, cutoff)(graph, ELEMENTS)], dim=1
    )


FIXED = {
    "composition": lambda graph, cutoff: initial_features(graph.numbers, ELEMENTS, 3),
    "Coulomb": lambda graph, cutoff: local_coulomb_vector(graph, 7),
    "radial": radial,
    "G2 and G4": behler,
    "ANI": ani,
}
MODELS = [*FIXED, "MPNN"]
SHORT = {"six carbons": "C₆", "water": "H₂O", "methane": "CH₄", "eight-ring": "ring"}  # heads of narrow columns


@lru_cache(maxsize=512)
def known(model: str, cutoff: float, T: int) -> dict[str, list[Tensor]]:
    """What a model knows of each atom of each pair, twice (n_atoms, n_features). All molecules are one batch."""
    molecules = [atoms for pair in known_pairs().values() for atoms in pair]
    graph = batch([molecular_graph(atoms, cutoff) for atoms in molecules])
    x_i = FIXED[model](graph, cutoff) if model in FIXED else network(cutoff, T)(graph, trace=True).x_i
    parts = x_i.detach().double().split([len(atoms) for atoms in molecules])
    return {pair: [*parts[2 * k : 2 * k + 2]] for k, pair in enumerate(known_pairs())}


class Seen(NamedTuple):
    """The atoms that have no equal on the other side, and how different the least equal of them are."""

    left: list[int]
    right: list[int]
    difference: float  # relative to the largest number


@lru_cache(maxsize=4096)
def seen(model: str, pair: str, cutoff: float, T: int) -> Seen:
    """How a model sees a pair. T plays no part for a fixed description: call it with 0."""
    x = known(model, cutoff, T)[pair]
    numbers = [torch.tensor(atoms.numbers) for atoms in known_pairs()[pair]]
    alone = without_twin(numbers[0], x[0], numbers[1], x[1], TOLERANCE)
    apart = (x[0][:, None] - x[1][None]).abs().amax(dim=2)  # (n_left, n_right)
    apart = torch.where(numbers[0][:, None] == numbers[1], apart, torch.inf)
    largest = max(each.abs().max().item() for each in x) or 1.0  # all zeros where nobody has a neighbour
    difference = max(apart.amin(dim=0).max().item(), apart.amin(dim=1).max().item()) / largest
    lonely = [torch.nonzero(each)[:, 0].tolist() for each in alone]
    return Seen(lonely[0], lonely[1], difference)


# ----------------------------------------------------------------------------- the picture


def picture(pair: str, model: str, cutoff: float, T: int) -> list[Panel]:
    """Both molecules, with a ring around every atom that gives them away to the model; and the verdicts of all."""
    cutoff = round(cutoff, 3)
    left, right = known_pairs()[pair]
    mine = seen(model, pair, cutoff, T if model == "MPNN" else 0)
    rows = {
        name: [bool(seen(name, each, cutoff, T if name == "MPNN" else 0).left) for each in known_pairs()]
        for name in MODELS
    }
    name = f"The MPNN after {T} round{'s' * (T != 1)}" if model == "MPNN" else f"The model “{model}”"
    if mine.left:
        n = len(mine.left) + len(mine.right)
        words = f"{name} sees a difference at {n} atoms, by {mine.difference:.0e} of its largest number."
    else:
        words = f"{name} is blind here: every atom has its equal, and any network behind it gives equal energies."
    return [
        Geometry("left", left, sphere=(0, cutoff), marked=mine.left),
        Geometry("right", right, sphere=(0, cutoff), marked=mine.right),
        Words(words),
        Table("Who sees the difference?", [SHORT[each] for each in known_pairs()], rows, words=("sees", "blind")),
    ]


def blind_spots() -> Lab:
    """The lab: choose a pair, a model, a cutoff and a number of rounds."""
    return Lab(
        picture,
        title="Blind spots",
        pair=Choice("six carbons", list(known_pairs()), label="pair"),
        model=Choice("MPNN", MODELS, label="rings: atoms that betray it to"),
        cutoff=Slider(1.7, 1.2, 5.0, 0.1, unit="Å", label="cutoff"),
        T=Slider(1, 0, 6, 1, label="rounds T"),
    )

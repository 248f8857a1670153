"""A molecule in three dimensions, to turn and to zoom.

nglview draws it, with WebGL. Where the browser has none, or takes it away, the still picture stands in its place and a
sentence says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import traitlets
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from IPython.utils.capture import capture_output
from matplotlib import colormaps
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from course.datasets import Dataset
from course.plotting import SKY, best_view, bonded, draw_forces, draw_molecule, flatten
from course.widgets.base import CourseWidget, module, png, style


def show_molecule(
    atoms: Atoms | Dataset | Sequence[Atoms],
    atomic_energies: Any = None,
    forces: Any = None,
    sphere: tuple[int, float] | None = None,
) -> MoleculeView:
    """A molecule in 3D; of several, or of a trajectory, the one that a slider chooses.

        show_molecule(atoms)
        show_molecule(atoms, prediction.atomic_energies, prediction.forces)
        show_molecule(frames, forces=[potential.predict(atoms).forces for atoms in frames])
        show_molecule(atoms, sphere=(1, 3.0))

    atomic_energies  (n_atoms,), eV; for several frames a list of them. They colour the atoms. Energies of different
                     elements lie hundreds of eV apart, so what is coloured is E_i minus the mean over all atoms of
                     the same element in all frames: it compares a C with the other C, not with an O.
    forces           (n_atoms, 3), eV/Angstrom; for several frames a list of them. Arrows, all on one scale.
    sphere           (atom, r_c): the sphere of radius r_c, Angstrom, around an atom, and lines to its neighbours

    Raises ValueError for numbers that do not fit the atoms or are not finite.
    """
    molecules: list[Any] = [atoms] if isinstance(atoms, Atoms) else list(atoms)
    if not molecules or not all(hasattr(molecule, "positions") for molecule in molecules):
        raise ValueError(f"Expected ase.Atoms, a list of them, or a Dataset, got {atoms!r}.")
    numbers = [np.asarray(molecule.numbers) for molecule in molecules]
    n_atoms = min(map(len, numbers))
    if n_atoms == 0:
        raise ValueError("A molecule without atoms cannot be shown.")
    if sphere is not None and not (sphere[0] in range(n_atoms) and sphere[1] > 0):
        raise ValueError(f"sphere: expected an atom from 0 to {n_atoms - 1} and a positive radius, got {sphere}.")
    positions = per_atom("positions", [molecule.positions for molecule in molecules], numbers, 3)
    energies: list[Any] = [None] * len(numbers)
    arrows: list[Any] = [None] * len(numbers)
    if atomic_energies is not None:
        energies = relative(per_atom("atomic energies", atomic_energies, numbers), numbers)
    if forces is not None:
        arrows = per_atom("forces", forces, numbers, 3)
    return MoleculeView([Shown(*frame) for frame in zip(numbers, positions, energies, arrows, strict=True)], sphere)


MEANING = "$E_i$ − mean of its element, eV"


class Shown(NamedTuple):
    """One frame."""

    numbers: np.ndarray  # (n_atoms,)
    positions: np.ndarray  # (n_atoms, 3)  Angstrom
    energies: np.ndarray | None  # (n_atoms,)  E_i minus the mean of its element, eV
    forces: np.ndarray | None  # (n_atoms, 3)  eV/Angstrom

    def name(self, i: int) -> str:
        return f"{chemical_symbols[self.numbers[i]]}{i}"


def per_atom(name: str, values: Any, numbers: list[np.ndarray], *shape: int) -> list[np.ndarray]:
    """One array (n_atoms, *shape) a frame, from a list of such arrays or tensors, or from one that holds them all."""
    parts = [np.asarray(v.detach() if isinstance(v, Tensor) else v, dtype=float) for v in values]
    lengths = [len(Z) for Z in numbers]
    size = sum(part.size for part in parts)
    if size != sum(lengths) * np.prod(shape) or any(part.shape[part.ndim - len(shape) :] != shape for part in parts):
        shapes = [str(tuple(each.shape)) for each in ([values] if hasattr(values, "shape") else parts)]
        got = " + ".join(shapes[:4] + ["..."] * (len(shapes) > 4))
        needed = f"{plural(sum(lengths), 'atom')} in {plural(len(lengths), 'frame')} need {(sum(lengths), *shape)}"
        raise ValueError(f"{name}: {needed}, got {got}.")
    flat = np.concatenate([part.reshape(-1, *shape) for part in parts])
    ends = np.cumsum(lengths)[:-1]
    for k, part in enumerate(np.split(flat, ends)):
        if not np.isfinite(part).all():
            atom = int(np.argwhere(~np.isfinite(part))[0, 0])
            raise ValueError(f"{name}: atom {atom} of frame {k} has {part[atom]}; every number must be finite.")
    return np.split(flat, ends)


def relative(energies: list[np.ndarray], numbers: list[np.ndarray]) -> list[np.ndarray]:
    """Atomic energies minus the mean over all atoms of the same element."""
    every_E, every_Z = np.concatenate(energies), np.concatenate(numbers)
    mean = {z: every_E[every_Z == z].mean() for z in np.unique(every_Z)}
    return [E_i - np.array([mean[z] for z in Z]) for E_i, Z in zip(energies, numbers, strict=True)]


class MoleculeView(CourseWidget):
    """What `show_molecule` returns. The arrays of all frames lie one after another."""

    _esm = module("dom.mjs", "molecule_scene.mjs", "molecule.mjs")
    _css = style()

    frame = traitlets.Int(0).tag(sync=True)
    center = traitlets.Int(0).tag(sync=True)  # the atom in the middle of the sphere
    radius = traitlets.Float(0.0).tag(sync=True)  # of the sphere, Angstrom; 0: none
    in_3d = traitlets.Bool(True).tag(sync=True)  # False where the browser shows the still picture

    offsets = traitlets.Bytes().tag(sync=True)  # (n_frames + 1,) int32: first atom of each frame, and the end
    numbers = traitlets.Bytes().tag(sync=True)  # (n_atoms_total,) uint8
    positions = traitlets.Bytes().tag(sync=True)  # (n_atoms_total, 3) float32, Angstrom
    colors = traitlets.Bytes().tag(sync=True)  # (n_atoms_total, 3) uint8: red, green, blue
    bonds = traitlets.Bytes().tag(sync=True)  # (n_bonds_total, 2) int32: atoms, counted through all frames
    energies = traitlets.Bytes().tag(sync=True)  # (n_atoms_total,) float32, eV, or nothing
    forces = traitlets.Bytes().tag(sync=True)  # (n_atoms_total, 3) float32, eV/Angstrom, or nothing
    force_scale = traitlets.Float(0.0).tag(sync=True)  # eV/Angstrom that an arrow of 1 Angstrom stands for
    elements = traitlets.Dict().tag(sync=True)  # atomic number -> [symbol, covalent radius in Angstrom]
    legend = traitlets.Dict().tag(sync=True)  # low and high in eV, and the colours between them
    axes: traitlets.List[Any] = traitlets.List().tag(
        sync=True
    )  # (3, 3): right, up and towards the reader, as in the still picture
    viewer = traitlets.Unicode().tag(sync=True)  # of nglview: its model id

    words = traitlets.Unicode().tag(sync=True)
    still = traitlets.Bytes().tag(sync=True)  # the picture as PNG

    def __init__(self, frames: list[Shown], sphere: tuple[int, float] | None) -> None:
        self.frames = frames
        self.view = best_view(frames[0].positions)
        numbers = np.concatenate([frame.numbers for frame in frames])
        offsets = np.cumsum([0] + [len(frame.numbers) for frame in frames])
        bonds = [np.argwhere(np.triu(bonded(frame.numbers, frame.positions))) for frame in frames]
        colors, self.limits, legend = jmol_colors[numbers], None, {}
        if frames[0].energies is not None:
            energies, cividis = np.concatenate([frame.energies for frame in frames]), colormaps["cividis"]
            self.limits = low, high = float(energies.min()), float(energies.max())
            colors = cividis(Normalize(low, high)(energies))[:, :3]
            legend = {"low": low, "high": high, "colors": [to_hex(color) for color in cividis(np.linspace(0, 1, 9))]}
        super().__init__(
            center=0 if sphere is None else sphere[0],
            radius=0.0 if sphere is None else sphere[1],
            offsets=offsets.astype(np.int32).tobytes(),
            numbers=numbers.astype(np.uint8).tobytes(),
            positions=packed([frame.positions for frame in frames]),
            colors=np.rint(255 * colors).astype(np.uint8).tobytes(),
            bonds=np.concatenate(
                [pairs + k for pairs, k in zip(bonds, offsets[:-1], strict=True)], dtype=np.int32
            ).tobytes(),
            energies=packed([frame.energies for frame in frames]),
            forces=packed([frame.forces for frame in frames]),
            force_scale=round_scale([frame.forces for frame in frames]),
            elements={int(z): [chemical_symbols[z], covalent_radii[z]] for z in np.unique(numbers)},
            legend=legend,
            axes=self.view.tolist(),
            viewer=viewer(),
        )
        self.words = self.in_words()

    @traitlets.validate("frame")
    def check_frame(self, proposal: Any) -> int:
        if proposal["value"] not in range(len(self.frames)):
            raise traitlets.TraitError(f"There is no frame {proposal['value']}: they are 0 to {len(self.frames) - 1}.")
        return proposal["value"]

    @traitlets.observe("frame", "center", "in_3d", "live")
    def describe(self, _: Any) -> None:
        """Words for every state; a picture only where it is looked at, since it takes 0.2 s."""
        self.words = self.in_words()
        if not (self.in_3d and self.live):
            self.still = png(self.picture(), self.words)

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict, dict]:
        data, metadata = super()._repr_mimebundle_(**kwargs)
        self.still = data["image/png"]  # the browser keeps it for the case that WebGL goes away
        return data, metadata

    def neighbors(self) -> np.ndarray:
        """Indices of the atoms within the sphere, the one in the middle not among them."""
        R = self.frames[self.frame].positions
        r = np.linalg.norm(R - R[self.center], axis=1)
        return np.flatnonzero((r < self.radius) & (np.arange(len(R)) != self.center))

    def in_words(self) -> str:
        frame = self.frames[self.frame]
        text = f"{Atoms(frame.numbers).get_chemical_formula()}, {plural(len(frame.numbers), 'atom')}"
        text += f", frame {self.frame + 1} of {len(self.frames)}." if len(self.frames) > 1 else "."
        if frame.energies is not None:
            low, high = int(frame.energies.argmin()), int(frame.energies.argmax())
            text += f" Colours: E_i minus the mean of its element, {frame.energies[low]:.3g} eV on {frame.name(low)}"
            text += f" to {frame.energies[high]:.3g} eV on {frame.name(high)}."
        if frame.forces is not None:
            size = np.linalg.norm(frame.forces, axis=1)
            text += f" Arrows: forces; the largest, {size.max():.3g} eV/Å, is that on {frame.name(int(size.argmax()))}."
        if self.radius:
            near = [frame.name(i) for i in self.neighbors()]
            text += f" {frame.name(self.center)} has {plural(len(near), 'neighbour')} within {self.radius:g} Å"
            text += f": {', '.join(near)}." if near else "."
        return text

    def picture(self) -> Figure:
        numbers, R, energies, forces = self.frames[self.frame]
        same = np.array_equal(numbers, self.frames[0].numbers)
        view = self.view if same else best_view(R)
        figure = Figure(figsize=(5.5, 4.0), layout="constrained")
        ax = draw_molecule(numbers, R, energies, MEANING, self.limits, view=view, ax=figure.add_subplot())
        notes = [f"frame {self.frame + 1} of {len(self.frames)}"] if len(self.frames) > 1 else []
        if forces is not None:
            draw_forces(R, forces, self.force_scale, view, ax)
            notes.append(f"arrow of 1 Å: {self.force_scale:g} eV/Å")
        if self.radius:
            xy = flatten(R, view)
            ax.add_patch(Circle(xy[self.center], self.radius, color=SKY, alpha=0.2, zorder=-1))
            for j in self.neighbors():
                ax.plot(*xy[[self.center, j]].T, color=SKY, linewidth=1.5, zorder=1)
            notes.append(f"sphere: {self.radius:g} Å around {self.frames[self.frame].name(self.center)}")
        ax.set_title(", ".join(notes), fontsize=9)
        return figure


def packed(arrays: Sequence[np.ndarray | None]) -> bytes:
    """All frames one after another as float32, or nothing where there is nothing."""
    return b"".join(array.astype(np.float32).tobytes() for array in arrays if array is not None)


def round_scale(forces: Sequence[np.ndarray | None]) -> float:
    """A round number of eV/Angstrom for an arrow of 1 Angstrom: the longest is 0.8 to 2 Angstrom. 0 without forces."""
    if forces[0] is None:
        return 0.0
    largest = max(np.linalg.norm(F, axis=1).max() for F in forces if F is not None)
    if largest == 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(largest / 2))
    return float(next(scale for scale in (power, 2 * power, 5 * power, 10 * power) if largest / scale <= 2))


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


@cache
def viewer() -> str:
    """The model id of the widget of nglview that all our views belong to; each of them has a canvas of its own."""
    with capture_output():  # the import writes an empty output into the cell
        from nglview import NGLWidget
    return str(NGLWidget().model_id)

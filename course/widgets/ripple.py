"""The ripple: touch one atom, and see how far it is heard.

    ripple(octanol, potential)

Reach and influence are two things: news travels one edge a round, and grows faint on the way.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import traitlets
from ase import Atoms
from matplotlib.figure import Figure
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from course.graph import Graph
from course.models.message_passing import MPNN
from course.plotting import best_view, bonded, draw_molecule
from course.potential import Potential
from course.scorecard import influence
from course.widgets.base import CourseWidget, module, style
from course.widgets.engine import Engine, integers
from course.widgets.explorer import looks_of

Kind = Literal["hops", "energy", "force"]
KINDS: dict[str, str] = {
    "hops": "edges between them",
    "energy": "|∂E_i/∂R_j|, eV/Å",
    "force": "|∂F_i/∂R_j|, eV/Å²",
}
FAINTEST = 1e-6  # of the loudest; what is fainter is drawn as that


def ripple(
    atoms: Atoms, potential: Potential | torch.nn.Module, atom: int = 0, T: int | None = None, kind: Kind = "hops"
) -> Ripple:
    """Colour every atom j by what it means to one atom i, which you choose by a click.

    atoms      a molecule
    potential  any potential, or a model of atomic energies; of course.MPNN also fewer rounds can be looked at
    atom       i, to start with
    T          rounds; left out: all
    kind       "hops": edges between j and i; "energy": |dE_i/dR_j|; "force": |dF_i/dR_j|
    """
    potential = potential if isinstance(potential, Potential) else Potential(potential)
    T_max = getattr(potential.model, "T", None)
    if not 0 <= atom < len(atoms):
        raise ValueError(f"There is no atom {atom}: the molecule has atoms 0 to {len(atoms) - 1}.")
    if kind not in KINDS:
        raise ValueError(f"There is no kind {kind!r}; choose one of {', '.join(KINDS)}.")
    if T is not None and not (isinstance(potential.model, MPNN) and 0 <= T <= potential.model.T):
        raise ValueError(
            f"T = {T} rounds: this model has {'none' if T_max is None else f'0 to {T_max}'} to choose from."
        )
    return Ripple(atoms, potential, atom, T_max if T is None else T, kind)


class Ripple(CourseWidget):
    """What `ripple` returns. The browser writes `request` (atom, rounds); Python answers with `answer`."""

    _esm = module("logic.mjs", "dom.mjs", "stage.mjs", "ripple.mjs")
    _css = style()
    settings = traitlets.Dict().tag(sync=True)
    request = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    kind = traitlets.Unicode().tag(sync=True)
    recordings: traitlets.List[dict] = traitlets.List().tag(sync=True)  # of a page without Python

    def __init__(self, atoms: Atoms, potential: Potential, atom: int, T: int | None, kind: Kind):
        self.atoms, self.potential = atoms.copy(), potential
        self.engine = Engine.of_potential(potential) if isinstance(potential.model, MPNN) else None
        self.graph = potential.graph(atoms)
        self.hops = hops(self.graph)
        names = [f"{symbol}{k}" for k, symbol in enumerate(atoms.symbols)]
        settings: dict[str, Any] = {
            "title": atoms.get_chemical_formula(),
            "elements": looks_of(set(atoms.numbers.tolist())),
            "axes": best_view(atoms.positions).tolist(),
            "names": names,
            "numbers": atoms.numbers.tolist(),
            "positions": atoms.positions.tolist(),
            "bonds": np.argwhere(np.triu(bonded(atoms.numbers, atoms.positions))).tolist(),
            "senders": integers(self.graph.senders),
            "receivers": integers(self.graph.receivers),
            "cutoff": potential.cutoff,
            "T_max": T if self.engine is None else self.engine.T_max,
            "rounds_can_change": self.engine is not None,
            "kinds": KINDS,
            "faintest": FAINTEST,
        }
        super().__init__(settings=settings, request={"atom": atom, "T": T}, kind=kind)
        self.respond()
        self.observe(lambda _: self.respond(), names="request")

    def respond(self) -> None:
        """Influence of every atom on the one that the request names."""
        i, T = self.request["atom"], self.request["T"]
        potential = self.potential if self.engine is None else self.engine.make(T, self.potential.cutoff)
        answer: dict[str, Any] = {"atom": i, "T": T, "hops": self.hops[i].tolist(), "problem": ""}
        try:
            sizes = influence(potential, self.graph, i)._asdict()
            for kind, size in sizes.items():
                if not np.isfinite(size).all():
                    raise FloatingPointError(f"the influence on {self.settings['names'][i]} is not a finite number")
                answer[kind] = size.tolist()
        except Exception as error:
            answer |= {"energy": None, "force": None, "problem": f"{type(error).__name__}: {error}"}
        self.answer = answer

    def to_html(self, path: str | Path) -> None:
        """A page without Python. It holds the answers for every atom, with the present number of rounds."""
        asked = self.request
        recordings = []
        for i in range(len(self.atoms)):
            self.request = {**asked, "atom": i}
            recordings.append(self.answer)
        self.request, self.recordings = asked, recordings
        try:
            super().to_html(path)
        finally:
            self.recordings = []

    # ------------------------------------------------------------------------- the still picture

    def in_words(self) -> str:
        i, T = self.answer["atom"], self.answer["T"]
        name, n = self.settings["names"][i], len(self.atoms)
        words = f"Ripple. {self.settings['title']}, cutoff {self.potential.cutoff:g} Å"
        words += f", {T} rounds. " if T is not None else ". "
        if self.answer["problem"]:
            return words + self.answer["problem"]
        reached = {kind: sum(size > 0 for size in self.answer[kind]) for kind in ("energy", "force")}
        return words + (
            f"The energy of {name} depends on {reached['energy']} of {n} atoms, "
            f"the force on it on {reached['force']} of {n}."
        )

    def picture(self) -> Figure:
        figure = Figure(figsize=(7.5, 4.2), layout="constrained")
        ax = figure.subplots()
        i = self.answer["atom"]
        if self.kind == "hops" or self.answer["problem"]:
            steps = np.array(self.answer["hops"], dtype=float)
            values, label = np.where(steps < 0, steps.max() + 1, steps), "edges between them"
        else:
            size = np.array(self.answer[self.kind])
            values = np.log10(np.maximum(size / max(size.max(), 1e-300), FAINTEST))
            label = f"log10 of {KINDS[self.kind]}, relative to the largest"
        draw_molecule(self.atoms.numbers, self.atoms.positions, values, label, ax=ax)
        ax.set_title(f"what each atom means to {self.settings['names'][i]}")
        return figure


def hops(graph: Graph) -> np.ndarray:
    """Edges on the way from atom j to atom i, (n_atoms, n_atoms), row i, column j; -1 where there is no way."""
    senders, receivers = graph.senders.numpy(), graph.receivers.numpy()
    edges = csr_array((np.ones(len(senders)), (senders, receivers)), shape=(graph.n_atoms, graph.n_atoms))
    steps = shortest_path(edges, unweighted=True).T
    return np.where(np.isfinite(steps), steps, -1).astype(int)

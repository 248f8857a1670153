"""The ripple: touch one atom, and see how far it hears, and whom how well.

    ripple(octanol, potential)

Reach and influence are two things: news travels one edge a round, and grows faint on the way. What the force on i
feels of j, the force on j feels of i; for energies it is not so.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
import traitlets
from ase import Atoms
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from course.graph import Graph
from course.models.message_passing import MPNN
from course.plotting import best_view, bonded, draw_molecule, flatten
from course.potential import Potential
from course.scorecard import influence
from course.widgets.base import CourseWidget, module, style
from course.widgets.engine import Engine, Watched, integers, lost_gradient, resting, said
from course.widgets.explorer import looks_of

Kind = Literal["hops", "energy", "force"]
KINDS: dict[str, dict[str, str]] = {
    "hops": {"name": "edges on the way", "symbol": "edges", "unit": ""},
    "energy": {"name": "influence on the energy", "symbol": "|∂E_i/∂R_j|", "unit": "eV/Å"},
    "force": {"name": "influence on the force", "symbol": "|∂F_i/∂R_j|", "unit": "eV/Å²"},
}
FAINTEST = 1e-6  # of the largest influence; what is fainter is drawn as that
NOTHING: dict[str, Any] = {"energy": None, "force": None}


def ripple(
    atoms: Atoms, potential: Potential | torch.nn.Module, atom: int = 0, T: int | None = None, kind: Kind = "hops"
) -> Ripple:
    """Colour every atom j by what it means to one atom i, which you choose by a click.

    atoms      a molecule
    potential  any potential, or a model of atomic energies; of course.MPNN also fewer rounds can be looked at
    atom       i, to start with
    T          rounds; left out: all
    kind       "hops": edges between j and i; "energy": |dE_i/dR_j|; "force": |dF_i/dR_j|

    Raises ValueError for an atom, a number of rounds or a kind that is not there, and for what is no molecule or model.
    """
    if not isinstance(atoms, Atoms) or len(atoms) == 0:
        raise ValueError(f"The ripple needs a molecule of at least one atom (ase.Atoms), got {atoms!r}.")
    if not isinstance(potential, torch.nn.Module):
        raise ValueError(f"The ripple needs a course.Potential or a model of atomic energies, got {potential!r}.")
    potential = potential if isinstance(potential, Potential) else Potential(potential)
    if not hasattr(potential.model, "cutoff"):
        kind_of_model = type(potential.model).__name__
        raise ValueError(f"The model {kind_of_model} has no attribute `cutoff` (Angstrom): who is a neighbour?")
    if kind not in KINDS:
        raise ValueError(f"There is no kind {kind!r}; choose one of {', '.join(KINDS)}.")
    return Ripple(atoms, potential, atom, T, kind)


class Ripple(CourseWidget):
    """What `ripple` returns. The browser writes `request` (atom, rounds); Python answers with `answer`."""

    _esm = module("logic.mjs", "dom.mjs", "stage.mjs", "ripple.mjs")
    _css = style()
    settings = traitlets.Dict().tag(sync=True)
    request = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    kind = traitlets.Enum(list(KINDS), "hops").tag(sync=True)

    def __init__(self, atoms: Atoms, potential: Potential, atom: int, T: int | None, kind: Kind):
        self.atoms, self.potential = atoms.copy(), potential
        self.engine = Engine.of_potential(potential) if isinstance(potential.model, MPNN) else None
        T_max = getattr(potential.model, "T", None)
        self.T_max = T_max if isinstance(T_max, int) else None
        atom, T = self.checked({"atom": atom, "T": self.T_max if T is None else T})
        self.graph = potential.graph(atoms)
        self.hops = hops(self.graph)
        settings: dict[str, Any] = {
            "title": atoms.get_chemical_formula(),
            "elements": looks_of(set(atoms.numbers.tolist())),
            "axes": best_view(atoms.positions).tolist(),
            "names": [f"{symbol}{k}" for k, symbol in enumerate(atoms.symbols)],
            "numbers": atoms.numbers.tolist(),
            "positions": atoms.positions.tolist(),
            "bonds": np.argwhere(np.triu(bonded(atoms.numbers, atoms.positions))).tolist(),
            "senders": integers(self.graph.senders),
            "receivers": integers(self.graph.receivers),
            "cutoff": float(potential.cutoff),
            "T_max": self.T_max,
            "rounds_can_change": self.engine is not None,
            "kinds": KINDS,
            "faintest": FAINTEST,
            "colors": [to_hex(color) for color in colormaps["cividis"](np.linspace(0, 1, 64))],
        }
        super().__init__(settings=settings, request={"atom": atom, "T": T}, kind=kind)
        self.answer = self.answer_to(self.request)
        self.observe(self.respond, names="request")

    def respond(self, change: traitlets.Bunch) -> None:
        answer = self.answer_to(change.new)
        if self.request == change.new:  # JupyterLab may ask in another thread, while this one computes
            self.answer = answer

    def checked(self, request: dict[str, Any]) -> tuple[int, int | None]:
        """The atom and the rounds of a request. Raises ValueError for what is not there."""
        i: Any = request.get("atom")
        T: Any = request.get("T")
        n = len(self.atoms)
        if i not in range(n):
            raise ValueError(f"There is no atom {i!r}: the molecule has atoms 0 to {n - 1}.")
        if self.engine is None:
            if self.T_max != T:
                model = type(self.potential.model).__name__
                raise ValueError(f"T = {T!r} rounds: of a {model} no other number of rounds can be looked at.")
            return int(i), self.T_max
        if T not in range(self.engine.T_max + 1):
            raise ValueError(f"T = {T!r} rounds: this model has 0 to {self.engine.T_max}.")
        return int(i), int(T)

    def answer_to(self, request: dict) -> dict[str, Any]:
        """Influence of every atom on the one that the request names, or what went wrong, in words."""
        try:
            i, T = self.checked(request)
        except ValueError as refusal:
            return {**self.answer, **NOTHING, "problem": str(refusal)}
        answer = {"atom": i, "T": T, "hops": self.hops[i].tolist(), **NOTHING, "problem": ""}
        potential = resting(self.potential)
        if self.engine is not None and T is not None:
            potential = self.engine.make(T, self.potential.cutoff)
        try:
            with torch.random.fork_rng(devices=[]):
                with torch.no_grad():
                    shape = tuple(potential.atomic_energies(self.graph).shape)
                if shape != (len(self.atoms),):
                    problem = f"The model returned a tensor of shape {shape}; expected ({len(self.atoms)},), "
                    return {**answer, "problem": problem + "one energy an atom."}
                sizes = influence(potential, self.graph, i)
                cut = any(isinstance(part, Watched) and part.cut for part in potential.modules())
                if cut and (problem := lost_gradient(potential, self.graph, potential(self.graph).forces)):
                    return {**answer, "problem": problem}
        except Exception as error:
            return {**answer, "problem": said(error)}
        if not all(np.isfinite(size).all() for size in sizes):
            name = self.settings["names"][i]
            return {**answer, "problem": f"The influence on {name} is not a finite number (NaN or infinite)."}
        return {**answer, "energy": sizes.energy.tolist(), "force": sizes.force.tolist()}

    def recorded(self) -> list[dict]:
        """The answers for every atom, with the present number of rounds."""
        return [self.answer_to({**self.request, "atom": i}) for i in range(len(self.atoms))]

    # ------------------------------------------------------------------------- the still picture

    def in_words(self) -> str:
        answer, n = self.answer, len(self.atoms)
        name = self.settings["names"][answer["atom"]]
        words = f"Ripple. {self.settings['title']}, cutoff {self.potential.cutoff:g} Å"
        if answer["T"] is not None:
            words += f", {answer['T']} round{'' if answer['T'] == 1 else 's'}"
        if answer["problem"]:
            return f"{words}. {answer['problem']}"
        energy, force = (sum(size > 0 for size in answer[kind]) for kind in ("energy", "force"))
        return f"{words}. The energy of {name} depends on {energy} of {n} atoms, the force on it on {force} of {n}."

    def picture(self) -> Figure:
        """The molecule with the colours of the present kind. White: no way there, or no influence at all."""
        figure = Figure(figsize=(7.5, 4.2), layout="constrained")
        ax = figure.subplots()
        kind = "hops" if self.answer["problem"] else self.kind
        size = np.array(self.answer[kind], dtype=float)
        largest = size.max()
        if kind == "hops":
            values, limits, label = np.where(size < 0, np.nan, size), (0.0, max(largest, 1.0)), KINDS[kind]["name"]
        else:
            least = np.min(size, where=size > 0, initial=largest)
            shown = np.where(size > 0, np.maximum(size, FAINTEST * largest), np.nan)
            values, label = np.log10(shown), f"{KINDS[kind]['symbol']}, {KINDS[kind]['unit']}"
            limits = tuple(np.log10([max(least, FAINTEST * largest), largest])) if largest > 0 else (-1.0, 0.0)
        draw_molecule(self.atoms.numbers, self.atoms.positions, values, label, limits, ax=ax)
        bar = figure.axes[1].yaxis
        bar.set_major_locator(MaxNLocator(integer=True))
        if kind != "hops":
            bar.set_major_formatter(lambda x, _: f"{10**x:g}")
        i = self.answer["atom"]
        x, y = flatten(self.atoms.positions)[i]
        ax.scatter(x, y, s=1100, facecolors="none", edgecolors="black", linewidths=2)
        ax.set_title(f"{KINDS[kind]['name']}, i = {self.settings['names'][i]}")
        white = "white: no way to i" if kind == "hops" else "white: no influence at all"
        note = self.answer["problem"] or (white if np.isnan(values).any() else "")
        ax.text(0.5, 0, note, transform=ax.transAxes, ha="center", va="top", wrap=True)
        return figure


def hops(graph: Graph) -> np.ndarray:
    """Edges on the way from atom j to atom i, (n_atoms, n_atoms), row i, column j; -1 where there is no way."""
    senders, receivers = graph.senders.numpy(), graph.receivers.numpy()
    edges = csr_array((np.ones(len(senders)), (senders, receivers)), shape=(graph.n_atoms, graph.n_atoms))
    steps = shortest_path(edges, unweighted=True).T
    return np.where(np.isfinite(steps), steps, -1).astype(int)

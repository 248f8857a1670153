"""The message explorer: see messages travel on a molecular graph, made by functions of your own.

    explore(ethanol, message=f_m, update=f_U, readout=f_R, T=3)
    explore(ethanol, potential)

Source: the recipe is that of `course.models.message_passing`, Gilmer et al., ICML 2017, arXiv 1704.01212.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import traitlets
from ase import Atoms
from ase.data import atomic_names, chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from course.models.message_passing import MPNN, Message, MessageTrace, Readout, Update
from course.plotting import best_view, draw_features, draw_graph, draw_messages
from course.potential import Potential
from course.widgets.base import CourseWidget, module, style
from course.widgets.engine import Engine, Snapshot, look, packed, said

STEPS = ("message", "accumulate", "update")
LOUDEST = 60  # messages in the still picture; more take seconds to draw, and nobody can tell them apart
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def explore(
    atoms: Atoms | Sequence[Atoms],
    potential: Potential | MPNN | None = None,
    *,
    message: Message | Sequence[Message] | None = None,
    update: Update | Sequence[Update] | None = None,
    readout: Readout | None = None,
    T: int | None = None,
    cutoff: float | None = None,
    n_f: int = 4,
    n_e: int = 16,
    elements: Sequence[int] | None = None,
    selected: int | Sequence[int] | None = None,
) -> MessageExplorer:
    """Watch messages travel on a molecule.

    atoms       one molecule, or two to compare
    potential   a potential or a network of the course, or else functions:
    message     f_m(x_j, x_i, e_ij) -> (n_edges, n_m), or a list with one a round; left out: the matrix message
    update      f_U(M_i, x_i) -> (n_atoms, n_f), or a list; left out: x_i + M_i
    readout     f_R(x_i) -> (n_atoms, 1), eV; without one there are no energies and no forces
    T           rounds to start with; left out: 2, or those of the potential
    cutoff      r_c, Angstrom; left out: 3, or that of the potential
    n_f, n_e    numbers of node features and of edge features (Gaussians) that the functions are given
    elements    atomic numbers, in the order of the one-hot columns; left out: those of the molecules
    selected    the atom to look at first

    The functions get e_ij without the cutoff function; every message is multiplied by f_c, as in course.MPNN.
    """
    molecules = [atoms] if isinstance(atoms, Atoms) else atoms
    if not isinstance(molecules, list | tuple) or not 1 <= len(molecules) <= 2 or not all(map(is_molecule, molecules)):
        raise ValueError(
            f"The explorer shows one molecule, or two to compare (ase.Atoms, not periodic), got {atoms!r}."
        )
    given = {"message": message, "update": update, "readout": readout, "elements": elements}
    if potential is not None:
        if extra := [name for name, value in given.items() if value is not None]:
            raise ValueError(f"Give a potential or functions, not both: got a potential and {', '.join(extra)}.")
        engine = Engine.of_potential(potential)
    else:
        elements = sorted({*np.concatenate([m.numbers for m in molecules]).tolist()}) if elements is None else elements
        rounds, r_c = 2 if T is None else T, 3.0 if cutoff is None else cutoff
        engine = Engine.of_functions(elements, message, update, readout, rounds, r_c, n_f, n_e)
    T, cutoff = engine.T if T is None else T, float(engine.cutoff if cutoff is None else cutoff)
    engine.refuse(T, cutoff)
    chosen = list(selected) if isinstance(selected, Sequence) else [selected] + [None] * (len(molecules) - 1)
    for molecule, i in zip(molecules, chosen, strict=False):
        if i is not None and i not in range(len(molecule)):
            raise ValueError(f"There is no atom {i}: {molecule.symbols} has atoms 0 to {len(molecule) - 1}.")
    if len(chosen) != len(molecules):
        raise ValueError(f"selected = {selected}: choose one atom, or None, for each of {len(molecules)}.")
    return MessageExplorer(molecules, engine, int(T), cutoff, [None if i is None else int(i) for i in chosen])


def is_molecule(atoms: Any) -> bool:
    return isinstance(atoms, Atoms) and len(atoms) > 0 and not atoms.pbc.any() and np.isfinite(atoms.positions).all()


class MessageExplorer(CourseWidget):
    """What `explore` returns.

    answered    the last request that could be answered
    snapshots   the answer for each molecule: graph, trace, energy, forces, or the problem in words
    trace       the `MessageTrace` of the first molecule

    Three traits go between browser and Python. The browser writes `request` (cutoff, rounds, positions); Python runs
    the functions and answers with `snapshot`. `view` (step, chosen atom, open panel) is nobody's business but the
    reader's. Python may read both and set both: `widget.view = {**widget.view, "step": 4}`.
    """

    _esm = module("logic.mjs", "dom.mjs", "stage.mjs", "panels.mjs", "explorer.mjs")
    _css = style()
    settings = traitlets.Dict().tag(sync=True)
    request = traitlets.Dict().tag(sync=True)
    snapshot = traitlets.Dict().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)

    def __init__(self, molecules: Sequence[Atoms], engine: Engine, T: int, cutoff: float, selected: list[int | None]):
        self.engine = engine
        self.molecules = [molecule.copy() for molecule in molecules]
        self.titles = [molecule.get_chemical_formula().translate(SUBSCRIPTS) for molecule in self.molecules]
        if len(set(self.titles)) < len(self.titles):  # isomers, or one molecule twice
            self.titles = [f"{side} {title}" for side, title in zip(("left", "right"), self.titles, strict=True)]
        positions = [
            {"order": list(range(len(molecule))), "positions": molecule.positions.tolist()}
            for molecule in self.molecules
        ]
        request: dict[str, Any] = {"revision": 0, "T": T, "cutoff": cutoff, "bonds_only": False, "molecules": positions}
        view = {"step": min(1, T), "selected": selected, "edge": None, "panel": "atom", "first": 0, "speed": 1}
        view |= {"strips": True, "heard": False, "forces": False}
        self.answered, self.snapshots = request, self.looks(request)
        answer = answer_to(request, self.snapshots)
        settings = {
            "T_max": engine.T_max,
            "cutoff_min": min(0.5, cutoff),
            "cutoff_max": engine.cutoff_max,
            "has_energy": engine.has_energy,
            "names": engine.names,
            "elements": looks_of({z for molecule in self.molecules for z in molecule.numbers.tolist()}),
            "molecules": [
                {"title": title, "axes": best_view(molecule.positions).tolist(), "energy": first["energy"]}
                for title, molecule, first in zip(self.titles, self.molecules, answer["molecules"], strict=True)
            ],
            "first_view": view,
            "first_request": request,
        }
        super().__init__(settings=settings, view=view, request=request, snapshot=answer)
        self.observe(self.on_request, names="request")

    @property
    def trace(self) -> MessageTrace | None:
        return self.snapshots[0].trace

    def looks(self, request: dict[str, Any]) -> list[Snapshot]:
        """Run the functions on what a request asks for."""
        how = request["T"], request["cutoff"], request["bonds_only"]
        asked = zip(self.molecules, request["molecules"], strict=True)
        return [look(self.engine, numbers_of(molecule, each), each["positions"], *how) for molecule, each in asked]

    def on_request(self, change: dict[str, Any]) -> None:
        """Answer. What Python has set itself is made the newest request first, so that the pages follow it."""
        new = change["new"]
        newest = self.snapshot["revision"]  # that was answered
        if not isinstance(new.get("revision"), int) or new["revision"] <= newest:
            self.request = {**new, "revision": newest + 1}
            return
        try:
            self.answered, self.snapshots = new, self.looks(new)
            self.snapshot = answer_to(new, self.snapshots)
        except Exception as error:  # whatever a page sends, the widget lives on
            problem = f"This cannot be shown. {said(error)}"
            self.snapshots = [replace(snapshot, problem=problem) for snapshot in self.snapshots]
            molecules = [{**molecule, "problem": problem} for molecule in self.snapshot["molecules"]]
            self.snapshot = {"revision": new["revision"], "refused": True, "molecules": molecules}

    def recorded(self) -> list[dict]:
        """The answers for a row of cutoffs."""
        ends = self.settings["cutoff_min"], self.settings["cutoff_max"]
        cutoffs = sorted({self.answered["cutoff"], *np.linspace(*ends, 12).round(2).tolist()})
        requests = [{**self.answered, "cutoff": cutoff} for cutoff in cutoffs]
        return [{"cutoff": each["cutoff"], "snapshot": answer_to(each, self.looks(each))} for each in requests]

    # ------------------------------------------------------------------------- the still picture

    @property
    def step(self) -> tuple[str, int]:
        """What the present step is called, and its round."""
        step, T = self.view["step"], self.answered["T"]
        if step == 0:
            return "initialise", 0
        return (STEPS[(step - 1) % 3], (step - 1) // 3 + 1) if step <= 3 * T else ("readout", T)

    def in_words(self) -> str:
        kind, t = self.step
        where = f"round {t} of {self.answered['T']}, {kind}" if kind in STEPS else kind
        sentences = []
        for title, snapshot, i in zip(self.titles, self.snapshots, self.view["selected"], strict=True):
            graph, names = snapshot.graph, snapshot.names()
            atoms, edges = counted(graph.n_atoms, "atom"), counted(graph.n_edges, "directed edge")
            sentences.append(f"{title}: {atoms} and {edges} within {self.answered['cutoff']:g} Å; {where}.")
            if snapshot.energy is not None:
                sentences.append(f"E = {snapshot.energy:.3f} eV.")
            heard = torch.nonzero(graph.receivers == i)[:, 0].tolist() if i is not None else []
            if snapshot.trace and kind in STEPS and t <= len(snapshot.trace.rounds) and heard:
                m_ji = snapshot.trace.rounds[t - 1].m_ji
                loudest = max(heard, key=lambda edge: float(m_ji[edge].norm()))
                speaker = names[graph.senders[loudest]]
                sentences.append(f"{names[i]} hears {counted(len(heard), 'atom')}, {speaker} the loudest.")
            if snapshot.problem:
                sentences.append(snapshot.problem)
        return "Message explorer. " + " ".join(sentences)

    def picture(self) -> Figure:
        """For each molecule the messages of the present round, and what the atoms know."""
        kind, t = self.step
        n = len(self.molecules)
        figure = Figure(figsize=(10, 3.8 * n))
        axes = figure.subplots(n, 2, squeeze=False, width_ratios=[3, 2])
        figure.subplots_adjust(left=0.01, right=0.99, top=1 - 0.1 / n, bottom=0.14 / n, wspace=0.05, hspace=0.3)
        shown = zip(axes, self.titles, self.snapshots, self.view["selected"], strict=True)
        for (left, right), title, snapshot, i in shown:
            graph, trace = snapshot.graph, snapshot.trace
            if trace is not None and kind in STEPS and t <= len(trace.rounds):
                draw_messages(graph, trace.rounds[t - 1].m_ji, i, LOUDEST if i is None else None, ax=left)
                which = "all messages" if graph.n_edges <= LOUDEST else f"the {LOUDEST} loudest messages"
                which = f"{which} of" if i is None else f"what {snapshot.names()[i]} hears in"
                left.set_title(f"{title}: {which} round {t}")
            else:
                atoms = Atoms(graph.numbers.numpy(), graph.positions.numpy())
                draw_graph(atoms, graph.senders, graph.receivers, None if trace is None else trace.f_c, ax=left)
                left.set_title(f"{title}: {counted(graph.n_edges, 'edge')} within {self.answered['cutoff']:g} Å")
            if trace is not None:
                after = [*(state.x_i for state in trace.rounds), trace.x_i]
                done = min(t, len(trace.rounds))
                features = draw_features(after[done], graph.numbers, ax=right)
                features.set_title(f"node features after round {done}" if done else "node features at first")
                right.tick_params(axis="y", labelsize=min(10, 200 / graph.n_atoms))
            else:
                right.set_axis_off()
            if snapshot.problem:
                left.text(0.5, -0.02, snapshot.problem, transform=left.transAxes, ha="center", va="top", wrap=True)
        return figure


def numbers_of(molecule: Atoms, asked: dict[str, Any]) -> np.ndarray:
    """Atomic numbers in the order that the page asks for: the labels may have been shuffled."""
    order = asked["order"]
    if sorted(order) != list(range(len(molecule))):
        raise ValueError(f"The order of {len(molecule)} atoms must name each of them once, got {order}.")
    return molecule.numbers[order]


def answer_to(request: dict[str, Any], snapshots: Sequence[Snapshot]) -> dict[str, Any]:
    """The snapshots as the page takes them."""
    asked = zip(request["molecules"], snapshots, strict=True)
    molecules = [{"order": molecule["order"], **packed(snapshot)} for molecule, snapshot in asked]
    return {"revision": request["revision"], "refused": False, "molecules": molecules}


def counted(n: int, thing: str) -> str:
    return f"{n} {thing}{'' if n == 1 else 's'}"


def looks_of(numbers: set[int]) -> dict[str, dict[str, Any]]:
    """Symbol, name, radius (Angstrom) and usual colour of each element."""
    return {
        str(z): {
            "symbol": chemical_symbols[z],
            "name": atomic_names[z].lower(),
            "radius": float(covalent_radii[z]),
            "color": to_hex(jmol_colors[z]),
        }
        for z in sorted(numbers)
    }

"""What the explorer shows, computed: a molecule, a model or somebody's functions, and the trace of every round.

No browser and no widget here. A `Snapshot` holds numbers, and where a function failed, the sentence that says so.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols
from torch import Tensor, nn

from course.graph import Graph, molecular_graph
from course.models.message_passing import MPNN, Message, MessageTrace, Readout, Update, matrix_message
from course.plotting import bonded
from course.potential import Potential

NO_ENERGY = "There is no energy: no readout was given."
ARGUMENTS = {"message": ("x_j", "x_i", "e_ij"), "update": ("M_i", "x_i"), "readout": ("x_i",)}
EXPECTED = {"message": "({n}, n_m)", "update": "({n}, n_f)", "readout": "({n}, 1)"}


class FunctionFailed(Exception):
    """One of the functions raised, or returned something else than expected. The rounds before it are good."""

    def __init__(self, good_rounds: int, words: str):
        super().__init__(words)
        self.good_rounds = good_rounds


class Watched(nn.Module):
    """A function that says, where it fails, what it was given and what it was expected to return.

    part     "message", "update" or "readout"
    round    the round it is called in, from 1
    """

    def __init__(self, function: Callable[..., Tensor], part: str, round: int):
        super().__init__()
        self.function, self.part, self.round = function, part, round

    def forward(self, *tensors: Tensor) -> Tensor:
        given = ", ".join(f"{name} {tuple(t.shape)}" for name, t in zip(ARGUMENTS[self.part], tensors, strict=True))
        where = f"{self.part}({given})" + ("" if self.part == "readout" else f" in round {self.round}")
        try:
            result = self.function(*tensors)
        except Exception as error:
            raise FunctionFailed(self.round - 1, f"{where} raised {type(error).__name__}: {error}") from error
        expected, n = EXPECTED[self.part], len(tensors[0])
        shape = tuple(result.shape) if isinstance(result, Tensor) else None
        if shape and (shape in ((n, 1), (n,)) if self.part == "readout" else len(shape) == 2 and shape[0] == n):
            return result
        got = f"a {type(result).__name__}" if shape is None else f"a tensor of shape {shape}"
        raise FunctionFailed(self.round - 1, f"{where} returned {got}; expected {expected.format(n=n)}.")


def keep_and_add(M_i: Tensor, x_i: Tensor) -> Tensor:
    """The simplest update: keep what you knew, add what you heard."""
    return x_i + M_i


def no_readout(x_i: Tensor) -> Tensor:
    return x_i.new_zeros(len(x_i), 1)


# ----------------------------------------------------------------------------- models that can be asked


@dataclass(frozen=True)
class Engine:
    """A family of potentials: one for each number of rounds and each cutoff that the reader may choose.

    make         (T, cutoff) -> the potential
    T, cutoff    what it starts with
    T_max        the largest number of rounds
    cutoff_max   the largest cutoff, Angstrom
    names        what the functions are called
    has_energy   False where nobody gave a readout
    """

    make: Callable[[int, float], Potential]
    T: int
    cutoff: float
    T_max: int
    cutoff_max: float
    names: dict[str, str] = field(default_factory=dict)
    has_energy: bool = True

    @classmethod
    def of_functions(
        cls,
        elements: Sequence[int],
        message: Message | Sequence[Message] | None,
        update: Update | Sequence[Update] | None,
        readout: Readout | None,
        T: int,
        cutoff: float,
        n_f: int,
        n_e: int,
    ) -> Engine:
        """Functions of your own, or a list with one a round. Left out: the matrix message, an update that adds."""
        if message is None and n_e != n_f**2:
            raise ValueError(f"The matrix message needs n_e = n_f * n_f = {n_f**2} edge features, got n_e = {n_e}.")
        message, update = message or matrix_message, update or keep_and_add
        lists = [f for f in (message, update) if not callable(f)]
        if any(len(functions) == 0 for functions in lists):
            raise ValueError("An empty list of functions: give one function, or one a round.")
        T_max = min((len(functions) for functions in lists), default=max(6, T))

        def make(T: int, cutoff: float) -> Potential:
            model = MPNN(elements, n_f, n_e, 1, 0, cutoff, matrix_message, keep_and_add, no_readout)
            model.T = T
            model.messages = nn.ModuleList(Watched(of_round(message, t), "message", t) for t in range(1, T + 1))
            model.updates = nn.ModuleList(Watched(of_round(update, t), "update", t) for t in range(1, T + 1))
            model.readout = Watched(readout or no_readout, "readout", T + 1)
            return Potential(model).eval()

        given = {"message": message, "update": update} | ({"readout": readout} if readout else {})
        names = {part: name_of(of_round(f, 1)) for part, f in given.items()}
        return cls(make, min(T, T_max), cutoff, T_max, max(6.0, cutoff), names, has_energy=readout is not None)

    @classmethod
    def of_potential(cls, potential: Potential | MPNN) -> Engine:
        """A potential that is there already. It can be asked for fewer rounds and a smaller cutoff, not for more."""
        potential = potential if isinstance(potential, Potential) else Potential(potential)
        model = potential.model
        if not isinstance(model, MPNN):
            raise ValueError(
                f"The explorer follows the rounds of course.MPNN; it cannot look into a {type(model).__name__}. "
                f"Hand in its functions: explore(atoms, message=..., update=..., readout=...)."
            )

        def make(T: int, cutoff: float) -> Potential:
            return Potential(shortened(model, T, cutoff), potential.baseline, potential.scale).eval()

        names = {
            part: name_of(functions[0])
            for part, functions in (
                ("message", model.messages),
                ("update", model.updates),
                ("readout", [model.readout]),
            )
            if len(functions)
        }
        return cls(make, model.T, model.cutoff, model.T, model.cutoff, names)


def shortened(model: MPNN, T: int, cutoff: float) -> MPNN:
    """The same network with the same weights, stopped after T rounds, and deaf beyond a smaller cutoff."""
    short = copy.copy(model)
    short._modules = {**model._modules, "messages": model.messages[:T], "updates": model.updates[:T]}
    short.T, short.cutoff = T, cutoff
    return short


def of_round(functions: Any, t: int) -> Callable[..., Tensor]:
    """The function of round t, from 1."""
    return functions if callable(functions) else functions[t - 1]


def name_of(function: Any) -> str:
    function = getattr(function, "function", function)  # a plain function in a module's coat
    return getattr(function, "__name__", type(function).__name__)


# ----------------------------------------------------------------------------- one look at a molecule


@dataclass(frozen=True)
class Snapshot:
    """A molecule and what the rounds made of it.

    graph      the molecular graph, with all edges that carry messages
    trace      every number of every round; None where nothing could be computed
    energy     eV, None without a readout
    E_i        (n_atoms,), eV, None without a readout
    baseline   (n_atoms,), eV, the part of E_i that the composition baseline gives, None without one
    forces     (n_atoms, 3), eV/Angstrom, None without a readout
    problem    what went wrong, in words; empty where nothing did
    """

    graph: Graph
    trace: MessageTrace | None = None
    energy: float | None = None
    E_i: Tensor | None = None
    baseline: Tensor | None = None
    forces: Tensor | None = None
    problem: str = ""

    def names(self) -> list[str]:
        """C0, C1, O2 ..."""
        return [f"{chemical_symbols[z]}{k}" for k, z in enumerate(self.graph.numbers.tolist())]


def look(engine: Engine, numbers: Any, positions: Any, T: int, cutoff: float, bonds_only: bool = False) -> Snapshot:
    """Run the functions on one geometry. Whatever goes wrong in them becomes a sentence.

    numbers     (n_atoms,)
    positions   (n_atoms, 3), Angstrom
    bonds_only  keeps only the edges along chemical bonds
    """
    graph = molecular_graph((numbers, positions), cutoff)
    if bonds_only:
        along = torch.from_numpy(bonded(numbers, positions))[graph.senders, graph.receivers]
        graph = replace(graph, senders=graph.senders[along], receivers=graph.receivers[along])
    snapshot = Snapshot(graph)
    names = snapshot.names()
    r = graph.distances
    if graph.n_edges and r.min() < 1e-3:
        j, i = int(graph.senders[r.argmin()]), int(graph.receivers[r.argmin()])
        return replace(snapshot, problem=f"{names[j]} and {names[i]} are at the same place. Move one of them away.")
    try:
        trace, problem = trace_of(engine.make(T, cutoff), graph), ""
    except FunctionFailed as failure:
        problem = str(failure)
        trace = trace_of(engine.make(failure.good_rounds, cutoff), graph, readout=False)
        return replace(snapshot, trace=trace, problem=problem)
    except Exception as error:
        return replace(snapshot, problem=f"{type(error).__name__}: {error}")
    snapshot = replace(snapshot, trace=trace, problem=not_a_number(trace, graph, names))
    if not engine.has_energy:
        return snapshot
    try:
        potential = engine.make(T, cutoff)
        energy, forces, E_i = potential(graph)
    except Exception as error:
        return replace(snapshot, problem=snapshot.problem or f"No forces: {type(error).__name__}: {error}")
    baseline = None if potential.baseline is None else potential.baseline(graph)
    return replace(snapshot, energy=energy.item(), E_i=E_i, baseline=baseline, forces=forces)


def trace_of(potential: Potential, graph: Graph, readout: bool = True) -> MessageTrace:
    """The trace of a potential's model, in the precision of its weights."""
    model: Any = potential.model
    if not readout:
        model = shortened(model, model.T, model.cutoff)
        model.readout = Watched(no_readout, "readout", model.T + 1)
    weight = next(model.parameters(), graph.positions)  # as in course.Potential
    with torch.no_grad():
        return model(graph.to(weight.device, weight.dtype), trace=True)


def not_a_number(trace: MessageTrace, graph: Graph, names: list[str]) -> str:
    """Where the first number is NaN or infinite, in words."""
    after = [*(state.x_i for state in trace.rounds[1:]), trace.x_i]
    for t, (state, x_i) in enumerate(zip(trace.rounds, after, strict=False), start=1):  # no round, none to look at
        for part, table in (("message", state.m_ji), ("update", x_i)):
            rows = torch.nonzero(~torch.isfinite(table).all(dim=1))[:, 0].tolist()
            if rows:
                edge = part == "message"
                whom = (
                    f"{names[graph.senders[rows[0]]]} → {names[graph.receivers[rows[0]]]}" if edge else names[rows[0]]
                )
                many = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
                return f"{part} returned a value that is not a finite number in round {t}: {whom}{many}."
    rows = torch.nonzero(~torch.isfinite(trace.E_i))[:, 0].tolist()
    return f"readout returned a value that is not a finite number for {names[rows[0]]}." if rows else ""


def packed(snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot as the browser takes it: arrays as bytes, float32 and int32, row by row."""
    graph, trace = snapshot.graph, snapshot.trace
    record: dict[str, Any] = {
        "numbers": graph.numbers.tolist(),
        "names": snapshot.names(),
        "positions": floats(graph.positions),
        "bonds": integers(np.argwhere(np.triu(bonded(graph.numbers, graph.positions)))),
        "senders": integers(graph.senders),
        "receivers": integers(graph.receivers),
        "energy": snapshot.energy if snapshot.energy is not None and np.isfinite(snapshot.energy) else None,
        "problem": snapshot.problem,
        "rounds": [],
    }
    if snapshot.E_i is not None and snapshot.forces is not None:
        record |= {"E_i": doubles(snapshot.E_i), "forces": floats(snapshot.forces)}
    if snapshot.baseline is not None:
        record["baseline"] = doubles(snapshot.baseline)
    if trace is not None:
        record |= {"e_ij": floats(trace.e_ij), "f_c": floats(trace.f_c), "x_i": floats(trace.x_i)}
        record["rounds"] = [{name: floats(table) for name, table in state._asdict().items()} for state in trace.rounds]
    return record


def floats(array: Any) -> bytes:
    return np.asarray(array, dtype="<f4").tobytes()


def doubles(array: Any) -> bytes:
    """For energies: a total energy has more digits than a float32."""
    return np.asarray(array, dtype="<f8").tobytes()


def integers(array: Any) -> bytes:
    return np.asarray(array, dtype="<i4").tobytes()

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

ARGUMENTS = {"message": ("x_j", "x_i", "e_ij"), "update": ("M_i", "x_i"), "readout": ("x_i",)}
EXPECTED = {"message": "({n}, n_m)", "update": "({n}, n_f)", "readout": "({n}, 1)"}
TOO_CLOSE = 1e-3  # Angstrom; closer than this, two atoms have no direction between them and no forces


class FunctionFailed(Exception):
    """One of the functions raised, or returned something else than expected. The rounds before it are good."""

    def __init__(self, good_rounds: int, words: str):
        super().__init__(words)
        self.good_rounds = good_rounds


class Watched(nn.Module):
    """A function that says, where it fails, what it was given and what it was expected to return.

    part     "message", "update" or "readout"
    round    the round it is called in, from 1
    cut      whether the last result lost the gradient of the arguments
    """

    def __init__(self, function: Callable[..., Tensor], part: str, round: int):
        super().__init__()
        self.function, self.part, self.round, self.cut = function, part, round, False

    def __str__(self) -> str:
        return self.part if self.part == "readout" else f"{self.part} in round {self.round}"

    def forward(self, *tensors: Tensor) -> Tensor:
        given = ", ".join(f"{name} {tuple(t.shape)}" for name, t in zip(ARGUMENTS[self.part], tensors, strict=True))
        call = str(self).replace(self.part, f"{self.part}({given})")
        try:
            result = self.function(*tensors)
        except Exception as error:
            hint = f" The arguments are {tensors[0].dtype}." if "dtype" in str(error) else ""
            raise FunctionFailed(self.round - 1, f"{call} raised {type(error).__name__}: {error}{hint}") from error
        expected, n = EXPECTED[self.part], len(tensors[0])
        shape = tuple(result.shape) if isinstance(result, Tensor) else None
        if shape and (shape in ((n, 1), (n,)) if self.part == "readout" else len(shape) == 2 and shape[0] == n):
            self.cut = any(t.requires_grad for t in tensors) and not result.requires_grad
            return result
        got = f"an object of type {type(result).__name__}" if shape is None else f"a tensor of shape {shape}"
        expected = f"a tensor of shape {expected.format(n=n)}"
        raise FunctionFailed(self.round - 1, f"{call} returned {got}; expected {expected}.")


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
        message = matrix_message if message is None else message
        update = keep_and_add if update is None else update
        n_rounds = [len(each(part, f)) for part, f in (("message", message), ("update", update)) if is_list(f)]
        T_max = min(n_rounds, default=max(6, T))

        def make(T: int, cutoff: float) -> Potential:
            bare = MPNN(elements, n_f, n_e, T=0, cutoff=cutoff, readout=no_readout if readout is None else readout)
            messages, updates = each("message", message, T), each("update", update, T)
            return resting(Potential(watched(bare, messages, updates, cutoff)))

        make(0, 1.0)  # more elements than features? said now
        given = {"message": message, "update": update} | ({} if readout is None else {"readout": readout})
        names = {part: name_of(each(part, function)[0]) for part, function in given.items()}
        return cls(make, min(T, T_max), cutoff, T_max, max(6.0, cutoff), names, has_energy=readout is not None)

    @classmethod
    def of_potential(cls, potential: Potential | MPNN) -> Engine:
        """A potential that is there already. It can be asked for fewer rounds and a smaller cutoff, not for more."""
        potential = potential if isinstance(potential, Potential) else Potential(potential)
        model = potential.model
        if not isinstance(model, MPNN):
            kind = f"{type(model).__module__}.{type(model).__name__}"
            raise ValueError(
                f"The explorer follows the rounds of course.MPNN; it cannot look into a {kind}. "
                f"Hand in its functions: explore(atoms, message=..., update=..., readout=...)."
            )

        def make(T: int, cutoff: float) -> Potential:
            return resting(with_parts(potential, model=watched(model, messages[:T], updates[:T], cutoff)))

        messages, updates = list(model.messages), list(model.updates)
        parts = {"message": messages, "update": updates, "readout": [model.readout]}
        names = {part: name_of(functions[0]) for part, functions in parts.items() if functions}
        return cls(make, model.T, model.cutoff, model.T, model.cutoff, names)

    def refuse(self, T: int, cutoff: float) -> None:
        """Raise ValueError for rounds or a cutoff that cannot be chosen."""
        if not (isinstance(T, int | np.integer) and 0 <= T <= self.T_max):
            raise ValueError(f"T = {T} rounds: choose a whole number from 0 to {self.T_max}.")
        if not 0 < cutoff <= self.cutoff_max < np.inf:
            raise ValueError(f"A cutoff of {cutoff} Angstrom: choose one above 0 and up to {self.cutoff_max}.")


def watched(model: MPNN, messages: Sequence[Any], updates: Sequence[Any], cutoff: float) -> MPNN:
    """The same network with the same weights, with these functions, one a round, and deaf beyond this cutoff."""
    network = with_parts(
        model,
        messages=nn.ModuleList(Watched(f_m, "message", t) for t, f_m in enumerate(messages, start=1)),
        updates=nn.ModuleList(Watched(f_U, "update", t) for t, f_U in enumerate(updates, start=1)),
        readout=Watched(model.readout, "readout", len(messages) + 1),
    )
    network.T, network.cutoff = len(messages), cutoff
    return network


def with_parts(module: Any, **parts: nn.Module) -> Any:
    """A copy of a module in which some parts are others. The weights are shared, the module itself stays as it is."""
    twin = copy.copy(module)
    twin._modules = {**module._modules, **parts}
    return twin


def resting(module: Any) -> Any:
    """A copy in evaluation mode, the weights shared: a training that runs in another thread keeps its own mode."""
    parts = {name: resting(part) for name, part in module._modules.items() if part is not None}
    twin = with_parts(module, **parts)
    twin.training = False
    return twin


def is_list(functions: Any) -> bool:
    return isinstance(functions, list | tuple | nn.ModuleList)  # torch can call a ModuleList, in vain


def each(part: str, functions: Any, T: int | None = None) -> list[Callable[..., Tensor]]:
    """The functions of rounds 1 to T; with T left out, those that were given."""
    given = list(functions)[:T] if is_list(functions) else [functions] * (1 if T is None else T)
    if wrong := [function for function in given if not callable(function)]:
        raise ValueError(f"{part} must be a function, or a list with one a round, got {wrong[0]!r}.")
    if not given and T is None:
        raise ValueError(f"{part} is an empty list: give one function, or one a round.")
    return given


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
    forces     (n_atoms, 3), eV/Angstrom, None where there are none
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

    Raises ValueError for what no reader can choose: more rounds than there are, positions that are no numbers.
    """
    engine.refuse(T, cutoff)
    positions = np.asarray(positions, dtype=float)
    if not np.isfinite(positions).all():
        raise ValueError(f"Positions must be finite numbers, got {positions[~np.isfinite(positions)][0]}.")
    graph = molecular_graph((numbers, positions), cutoff)
    if bonds_only:
        along = torch.from_numpy(bonded(numbers, positions))[graph.senders, graph.receivers]
        graph = replace(graph, senders=graph.senders[along], receivers=graph.receivers[along])
    snapshot = Snapshot(graph)
    names = snapshot.names()
    r = graph.distances
    if graph.n_edges and r.min() < TOO_CLOSE:
        j, i = int(graph.senders[r.argmin()]), int(graph.receivers[r.argmin()])
        return replace(snapshot, problem=f"{names[j]} and {names[i]} are at the same place. Move one of them away.")
    potential = engine.make(T, cutoff)
    try:
        trace = trace_of(potential, graph)
    except FunctionFailed as failure:
        return replace(snapshot, trace=good_part(engine, graph, failure.good_rounds, cutoff), problem=str(failure))
    except Exception as error:
        return replace(snapshot, problem=said(error))
    snapshot = replace(snapshot, trace=trace, problem=not_a_number(trace, graph, names))
    return with_energy(snapshot, potential) if engine.has_energy else snapshot


def said(error: Exception) -> str:
    return str(error) if isinstance(error, FunctionFailed) else f"{type(error).__name__}: {error}"


def trace_of(potential: Potential, graph: Graph) -> MessageTrace:
    """The trace of a potential's model, in the precision of its weights."""
    model: Any = potential.model
    weight = next(model.parameters(), graph.positions)  # as in course.Potential
    with torch.no_grad(), torch.random.fork_rng(devices=[]):  # the reader's random numbers stay his
        return model(graph.to(weight.device, weight.dtype), trace=True)


def good_part(engine: Engine, graph: Graph, n_rounds: int, cutoff: float) -> MessageTrace | None:
    """The trace of the rounds before a function failed, without energies."""
    potential = engine.make(n_rounds, cutoff)
    model: Any = potential.model
    model.readout = Watched(no_readout, "readout", n_rounds + 1)
    try:
        return trace_of(potential, graph)
    except Exception:  # a function that fails now and then
        return None


def with_energy(snapshot: Snapshot, potential: Potential) -> Snapshot:
    """The snapshot with energy and forces, or with the reason why there are none."""
    graph, problem, forces = snapshot.graph, snapshot.problem, None
    with torch.random.fork_rng(devices=[]):
        try:
            energy, forces, E_i = potential(graph)
            problem = problem or lost_gradient(potential, graph, forces)
        except Exception as error:
            problem = problem or f"No forces: {said(error)}"
            with torch.no_grad():
                E_i = potential.atomic_energies(graph)
            energy = E_i.sum()
        baseline = None if potential.baseline is None else potential.baseline(graph)
    return replace(snapshot, energy=energy.item(), E_i=E_i, baseline=baseline, forces=forces, problem=problem)


def lost_gradient(potential: Potential, graph: Graph, forces: Tensor) -> str:
    """Where a function cut the way from the energy back to the positions, in words.

    A constant needs no gradient either. So a small step of all atoms decides: does the energy change as promised?
    """
    cut = [str(part) for part in potential.modules() if isinstance(part, Watched) and part.cut]
    if not cut:
        return ""
    step = 1e-3 * torch.sin(torch.arange(3.0 * graph.n_atoms)).reshape(-1, 3)  # Angstrom, for every atom another
    with torch.no_grad():
        ahead, behind = (potential.atomic_energies(graph.moved(graph.positions + s * step)).sum() for s in (0.5, -0.5))
    change, promised = ahead - behind, -(forces * step).sum()
    if (change - promised).abs() <= 0.05 * change.abs() + 1e-6:  # eV
        return ""
    suspects = " or ".join(cut)
    return f"The forces are wrong: {suspects} loses the gradient (detach, numpy, item and torch.tensor do that)."


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
    if snapshot.E_i is not None:
        record["E_i"] = doubles(snapshot.E_i)
    if snapshot.forces is not None:
        record["forces"] = floats(snapshot.forces)
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

"""Exercise 4.10: the message-passing network as a whole, judged by the laws of a potential."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course.exercises.day4b_functions import (
    KNOWS_ITS_INPUTS,
    STEPS,
    PlainTensor,
    draws,
    has_no_kinks,
    influence,
    n_random,
    n_unknown,
    parameters,
    slopes,
)
from course.exercises.exercise import Law, Measured, by_laws, close, tensor
from course.graph import Graph, batch, molecular_graph
from course.models.message_passing import (
    MPNN,
    ContinuousFilter,
    NeuralMessage,
    ResidualUpdate,
    accumulate,
    initial_features,
    perceptron,
)
from course.radial import cosine_cutoff, gaussian_basis, radial_grid

ELEMENTS, N_F, N_E, N_M, CUTOFF = [1, 6, 8], 5, 6, 7, 2.0
Model = Callable[[Graph], Tensor]

# ------------------------------------------------------------------------------------------------------- measure


def graph_of(numbers: list[int], positions: Any) -> Graph:
    return molecular_graph((np.array(numbers), np.array(positions, dtype=float).reshape(-1, 3)), CUTOFF)


def measure_network(network_class: Callable[..., Model], rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    def network(T: int = 2, elements: list[int] = ELEMENTS) -> Model:
        return network_class(elements, N_F, N_E, N_M, T, CUTOFF)

    numbers, positions = [8, 6, 1, 1, 1], rng.uniform(-1, 1, size=(5, 3)) * 1.2
    graph = graph_of(numbers, positions)
    yield "n_random tensors", n_random(network(), network())
    yield "works in", torch.stack([works_in(dtype, network, graph) for dtype in (torch.float32, torch.float64)])
    model = network()
    energies = model(graph)
    yield "E", energies
    yield "E again", model(graph)
    yield "n_weights", sum(weights.numel() for weights in parameters(model))

    rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    yield "E moved", model(graph_of(numbers, positions @ rotation + rng.normal(size=3)))
    order = [3, 0, 4, 2, 1]
    yield "E renamed", model(graph_of([numbers[k] for k in order], positions[order]))[np.argsort(order)]
    yield "one message or two", torch.stack([heard(model, senders) for senders in ([1], [2], [1, 2])])
    yield "energy stretched", model(graph_of(numbers, 1.1 * positions)).sum()
    other = graph_of([1, 8], [[0, 0, 0], [0, 0, 1.0]])
    yield "E in a batch", model(batch([graph, other]))[:5]

    for name, element in (("H", 1), ("C", 6), ("O", 8)):
        yield f"{name} alone", model(graph_of([element], [[0, 0, 0]])).reshape(-1)
    yield "other elements", other_elements(network)
    yield "one neighbour", model(graph_of([8, 1], [[0, 0, 0], [1.1, 0, 0]])).reshape(-1)[0]
    yield "two neighbours", model(graph_of([8, 1, 1], [[0, 0, 0], [1.1, 0, 0], [-1.1, 0, 0]])).reshape(-1)[0]
    for name, distance in (("near", 1.0), ("inside", CUTOFF - 1e-6), ("outside", CUTOFF + 1e-6)):
        yield f"neighbour {name}", model(graph_of([8, 1], [[0, 0, 0], [distance, 0, 0]])).sum()
    pair = graph_of([8, 1], [[0, 0, 0], [1.1, 0, 0]])
    yield "one-way edge 0 -> 1", model(replace(pair, senders=tensor([0]), receivers=tensor([1])))

    chain = graph_of([6] * 6, [[1.3 * k, 0, 0] for k in range(6)])
    for T in (0, 1, 2):
        yield f"reach, T = {T}", reach(network(T), chain)
    autograd = slopes_of_the_energy(model, graph)
    if autograd is not None:
        yield "slope by autograd, and by differences", autograd
    sounding = [louder(network(2), 3) for _ in range(5)]  # in round 2 the features know the distance, too
    for name, steps in STEPS.items():
        yield f"slopes, {name}", torch.stack([slopes(partial(pull, one), 0.7, 1.7, steps) for one in sounding])
    yield "E with large weights", torch.stack([louder(network(1), 8)(graph) for _ in range(16)])
    yield "influence of the weights", influence(model, model(graph))
    yield "n_unknown weights", n_unknown(model, model(graph))
    yield from answers_to_draws(network(), rng)


def answers_to_draws(model: Model, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """The energies of a few molecules that come again and again, each time turned and moved."""
    molecules = rng.uniform(-0.5, 0.5, size=(6, 3, 3))
    which = draws(tensor(molecules), len(molecules), 16)
    yield "secret draws", which
    turns = [np.linalg.qr(rng.normal(size=(3, 3)))[0] for _ in which]
    moved = [molecules[k] @ turn + rng.normal(size=3) for k, turn in zip(which.tolist(), turns, strict=True)]
    yield "answers to the draws", torch.stack([model(graph_of([8, 6, 1], positions)).sum() for positions in moved])


def works_in(dtype: torch.dtype, network: Callable[[], Model], graph: Graph) -> Tensor:
    """Whether a network with weights of this precision works, in a notebook whose own precision is single."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        model = network()
        model = model.to(dtype) if isinstance(model, nn.Module) else model
        model(graph.to(dtype=dtype))
    except RuntimeError:
        return torch.tensor(False)
    finally:
        torch.set_default_dtype(default)
    return torch.tensor(True)


def other_elements(network: Callable[..., Model]) -> Tensor:
    """The energies of N, F and S alone, by a network that was made for them; zeros where it does not know them."""
    model = network(elements=[7, 9, 16])
    try:
        return torch.cat([model(graph_of([element], [[0, 0, 0]])).reshape(-1) for element in (7, 9, 16)])
    except (ValueError, IndexError, KeyError, RuntimeError):
        return torch.zeros(3)


def heard(model: Model, senders: list[int]) -> Tensor:
    """The energy of an atom that hears these ones."""
    graph = graph_of([8, 1, 6], [[0, 0, 0], [0.9, 0, 0], [0, 1.3, 0]])
    return model(replace(graph, senders=tensor(senders), receivers=tensor([0] * len(senders)))).reshape(-1)[0]


def slopes_of_the_energy(model: Model, graph: Graph, h: float = 1e-5) -> Tensor | None:
    """The slope of the energy in its steepest direction: as autograd gives it, and as (E(+h) - E(-h)) / 2h."""
    positions = graph.positions.clone().requires_grad_()
    energy = model(graph.moved(positions)).sum()
    if not energy.requires_grad:
        return None
    (gradient,) = torch.autograd.grad(energy, positions, allow_unused=True)
    if gradient is None or not gradient.any():
        return None
    direction = gradient / gradient.norm()
    forward, backward = (model(graph.moved(graph.positions + s * direction)).sum() for s in (h, -h))
    return torch.stack([gradient.norm(), (forward - backward) / (2 * h)])


def louder(model: Model, factor: float) -> Model:
    """The same network with larger weights, so that every corner is passed and every bound is reached."""
    with torch.no_grad():
        for weights in parameters(model):
            weights.mul_(factor)
    return model


def reach(model: Model, chain: Graph) -> Tensor:
    """|dE_0 / dR_k| for each atom k of a chain, (n_atoms,)."""
    positions = chain.positions.clone().requires_grad_()
    energy = model(chain.moved(positions)).reshape(-1)[0]
    if not energy.requires_grad:
        return torch.zeros(len(positions))
    (gradient,) = torch.autograd.grad(energy, positions, allow_unused=True)
    return torch.zeros(len(positions)) if gradient is None else gradient.norm(dim=1)


def pull(model: Model, s: Tensor) -> Tensor:
    """The energies of O-H molecules with the distances s (n, 1), all in one graph."""
    n = len(s)
    even = 2 * torch.arange(n)
    along_x = torch.stack([torch.zeros_like(s[:, 0]), s[:, 0]], dim=1).reshape(-1, 1)
    graph = Graph(
        numbers=tensor([8, 1] * n),
        positions=torch.cat([along_x, torch.zeros(2 * n, 2)], dim=1),
        senders=torch.cat([even + 1, even]),
        receivers=torch.cat([even, even + 1]),
        molecule_index=torch.arange(n).repeat_interleave(2),
        n_molecules=n,
    )
    return model(graph).reshape(n, 2).sum(dim=1)


# -------------------------------------------------------------------------------------------- networks with a mistake


class Mistaken(nn.Module):
    """A correct network, in small methods that a mistake can override."""

    def __init__(self, elements: list[int], n_f: int, n_e: int, n_m: int, T: int, cutoff: float):
        super().__init__()
        self.elements, self.n_f, self.n_e, self.T, self.cutoff = elements, n_f, n_e, T, cutoff
        self.messages: Any = nn.ModuleList(NeuralMessage(n_f, n_e, n_m) for _ in range(T))
        self.updates = nn.ModuleList(ResidualUpdate(n_f, n_m) for _ in range(T))
        self.readout = perceptron(n_f, n_f, 1)

    def forward(self, graph: Graph) -> Tensor:
        x = self.first(graph)
        r_ij = self.distances(graph)
        e_ij = gaussian_basis(r_ij, *radial_grid(self.cutoff, self.n_e))
        f_c = cosine_cutoff(r_ij, self.cutoff)[:, None]
        for t in range(self.T):
            x = self.updates[t](self.bundles(t, x, graph, e_ij, f_c), x)
        return self.energies(x)

    def first(self, graph: Graph) -> Tensor:
        return initial_features(graph.numbers, self.elements, self.n_f, graph.distances.dtype)

    def distances(self, graph: Graph) -> Tensor:
        return graph.distances

    def bundles(self, t: int, x: Tensor, graph: Graph, e_ij: Tensor, f_c: Tensor) -> Tensor:
        return accumulate(self.messages[t](x[graph.senders], x[graph.receivers], e_ij) * f_c, graph.receivers, len(x))

    def energies(self, x: Tensor) -> Tensor:
        return self.readout(x)[:, 0]


class Total(Mistaken):
    def energies(self, x: Tensor) -> Tensor:
        return self.readout(x).sum()


class Column(Mistaken):
    def energies(self, x: Tensor) -> Tensor:
        return self.readout(x)


class Absolute(Mistaken):
    def first(self, graph: Graph) -> Tensor:
        return torch.cat([super().first(graph)[:, :-3], graph.positions], dim=1)


class Numbered(Mistaken):
    def first(self, graph: Graph) -> Tensor:
        return super().first(graph) + 0.1 * torch.arange(len(graph.numbers))[:, None]


class Averaged(Mistaken):
    def first(self, graph: Graph) -> Tensor:
        x = super().first(graph)
        return x - x.mean(dim=0)


class Nameless(Mistaken):
    def first(self, graph: Graph) -> Tensor:
        return torch.ones_like(super().first(graph))


class Detached(Mistaken):
    def distances(self, graph: Graph) -> Tensor:
        return graph.distances.detach()


class Unsmoothed(Mistaken):
    def bundles(self, t: int, x: Tensor, graph: Graph, e_ij: Tensor, f_c: Tensor) -> Tensor:
        return super().bundles(t, x, graph, e_ij * f_c, torch.ones_like(f_c))


class HalfDetached(Mistaken):
    def bundles(self, t: int, x: Tensor, graph: Graph, e_ij: Tensor, f_c: Tensor) -> Tensor:
        return super().bundles(t, x, graph, e_ij.detach(), f_c)


class LastOnly(Mistaken):
    def bundles(self, t: int, x: Tensor, graph: Graph, e_ij: Tensor, f_c: Tensor) -> Tensor:
        messages = self.messages[t](x[graph.senders], x[graph.receivers], e_ij) * f_c
        M = torch.zeros(len(x), messages.shape[1], dtype=messages.dtype)
        M[graph.receivers] += messages
        return M


class OnePrecision(Mistaken):
    def __init__(self, elements: list[int], n_f: int, n_e: int, n_m: int, T: int, cutoff: float):
        super().__init__(elements, n_f, n_e, n_m, T, cutoff)
        self.messages = nn.ModuleList(ContinuousFilter(n_f, n_e, n_m) for _ in range(T))

    def first(self, graph: Graph) -> Tensor:
        return initial_features(graph.numbers, self.elements, self.n_f)


class OwnElements(Mistaken):
    def __init__(self, elements: list[int], *settings: Any):
        super().__init__([1, 6, 8], *settings)


class Bounded(Mistaken):
    def energies(self, x: Tensor) -> Tensor:
        return super().energies(x).sigmoid()


class Constant(Mistaken):
    def __init__(self, *settings: Any):
        super().__init__(*settings)
        self.mixed = PlainTensor(self.n_f, 1)

    def energies(self, x: Tensor) -> Tensor:
        return super().energies(x) + self.mixed(x)[:, 0]


class Mean(Mistaken):
    def bundles(self, t: int, x: Tensor, graph: Graph, e_ij: Tensor, f_c: Tensor) -> Tensor:
        n_heard = torch.bincount(graph.receivers, minlength=len(x)).clamp(min=1)
        return super().bundles(t, x, graph, e_ij, f_c) / n_heard[:, None]


class Backwards(Mistaken):
    def bundles(self, t: int, x: Tensor, graph: Graph, e_ij: Tensor, f_c: Tensor) -> Tensor:
        return super().bundles(t, x, replace(graph, senders=graph.receivers, receivers=graph.senders), e_ij, f_c)


class OneRound(Mistaken):
    def __init__(self, elements: list[int], n_f: int, n_e: int, n_m: int, T: int, cutoff: float):
        super().__init__(elements, n_f, n_e, n_m, min(T, 1), cutoff)


class OneRoundMore(Mistaken):
    def __init__(self, elements: list[int], n_f: int, n_e: int, n_m: int, T: int, cutoff: float):
        super().__init__(elements, n_f, n_e, n_m, T + 1, cutoff)


class PlainList(Mistaken):
    def __init__(self, *settings: Any):
        super().__init__(*settings)
        self.messages, messages = None, list(self.messages)
        self.messages_in_a_list = messages

    def bundles(self, t: int, x: Tensor, graph: Graph, e_ij: Tensor, f_c: Tensor) -> Tensor:
        messages = self.messages_in_a_list[t](x[graph.senders], x[graph.receivers], e_ij) * f_c
        return accumulate(messages, graph.receivers, len(x))


class FirstMessageOnly(Mistaken):
    def bundles(self, t: int, x: Tensor, graph: Graph, e_ij: Tensor, f_c: Tensor) -> Tensor:
        return super().bundles(0, x, graph, e_ij, f_c)


class Kinked(Mistaken):
    def __init__(self, *settings: Any):
        super().__init__(*settings)
        self.readout = nn.Sequential(nn.Linear(self.n_f, 32), nn.ReLU(), nn.Linear(32, 1))


# ---------------------------------------------------------------------------------------------------------- laws


def hears_up_to(T: int) -> Callable[[Measured], bool]:
    """Whether atom 0 of a chain hears atom T and nobody behind it."""

    def law(m: Measured) -> bool:
        influences = m[f"reach, T = {T}"]
        return bool((influences[1 : T + 1] > 0).all() and (influences[T + 1 :] == 0).all())

    return law


def no_message_is_lost(first: float, second: float, both: float) -> bool:
    """An atom that hears two is not as one that hears only one of them."""
    return abs(first - second) < 1e-9 or min(abs(both - first), abs(both - second)) > 1e-12


def autograd_is_right(m: Measured) -> bool:
    slope, difference = m["slope by autograd, and by differences"]
    return abs(slope - difference) < 1e-3 * abs(slope)


NETWORK = by_laws(
    "4.10",
    MPNN,
    measure=measure_network,
    success="it hears its neighbours, obeys the laws of a potential, and can be trained.",
    start="Collect the parts in `__init__`; `forward` is the recipe, steps 1 to 5, line by line.",
    points=25,
    hints=(
        "The recipe has a line for each step. Which of them need weights? Those are made in `__init__`, everything "
        "else happens in `forward`.",
        "T rounds with weights of their own: `nn.ModuleList(MessageFunction(n_f, n_e, n_m) for _ in range(T))`. The "
        "whole message is multiplied by f_c of its edge, `f_c[:, None]`.",
        "In `forward`: x = one-hot elements with buffer; e_ij = Gaussians of graph.distances; f_c = "
        "cosine_cutoff(...). Then for f_m, f_U in zip(self.messages, self.updates): m = f_m(x[graph.senders], "
        "x[graph.receivers], e_ij) * f_c[:, None]; M = accumulate(m, graph.receivers, graph.n_atoms); x = f_U(M, x). "
        "At the end `self.readout(x)[:, 0]`.",
    ),
    laws=[
        Law(
            "plain tensor",
            "A tensor of random numbers is an attribute of one of your modules and not a weight: it is not among "
            "`parameters()`, so nothing will train it. Wrap it: `nn.Parameter(torch.randn(...))`.",
            lambda m: int(m["n_random tensors"]) == 0,
            Constant,
        ),
        Law(
            "plain list",
            "Some of your layers are not known to the network: they sit in a plain Python list. Their weights are not "
            "among `parameters()`, so nothing will train them. Use nn.ModuleList.",
            lambda m: int(m["n_unknown weights"]) == 0,
            PlainList,
        ),
        Law(
            "one precision",
            "Your model works in one precision only. Training runs in single precision and the scorecard in double, "
            "and the features must follow: `initial_features(..., dtype=graph.distances.dtype)`, the same for every "
            "`torch.zeros`.",
            lambda m: int(m["works in"].sum()) != 1,
            OnePrecision,
        ),
        Law(
            "one energy for all",
            "You return one number for the whole molecule. The model gives each atom its energy, (n_atoms,); adding "
            "them up is the potential's work.",
            lambda m: m["E"].size > 1,
            Total,
        ),
        Law(
            "a column",
            "Your energies are a column, (n_atoms, 1). Sooner or later somebody subtracts a row (n_atoms,) from it, "
            "and torch makes an n_atoms by n_atoms table of that without a word. Return `readout(x)[:, 0]`.",
            lambda m: m["E"].shape == (5,),
            Column,
        ),
        Law(
            "no weights",
            "Your network has no weights that an optimizer could find. Make its parts in `__init__`, after "
            "`super().__init__()`.",
            lambda m: int(m["n_weights"]) > 0,
        ),
        Law(
            "random",
            "The same molecule got two different energies. Something random is at work in your network.",
            lambda m: close(m["E"], m["E again"]),
        ),
        Law(
            "moved",
            "The energies changed when the whole molecule was moved and turned. Nothing but distances may enter: where "
            "the molecule is in space is nobody's business.",
            lambda m: close(m["E moved"], m["E"], 1e-8),
            Absolute,
        ),
        Law(
            "the last message",
            "Only the last message to each atom is left. With an index that repeats, `M[receivers] += m` writes every "
            "place once: collect with `accumulate`, as in 4.5.",
            lambda m: no_message_is_lost(*m["one message or two"].tolist()),
            LastOnly,
        ),
        Law(
            "renamed",
            "The energies changed when the atoms were numbered differently. An atom's number is no property of nature; "
            "it must not enter, and sums must not depend on it.",
            lambda m: close(m["E renamed"], m["E"], 1e-8),
            Numbered,
        ),
        Law(
            "batch",
            "The energies of a molecule changed when another molecule was in the same batch. Something is averaged or "
            "normalised over all atoms; energies of molecules that do not see each other must not know of each other.",
            lambda m: close(m["E in a batch"], m["E"], 1e-8),
            Averaged,
        ),
        Law(
            "elements",
            "H, C and O alone have the same energy: your network does not know the elements.",
            lambda m: len({float(m[f"{name} alone"][0]) for name in "HCO"}) == 3,
            Nameless,
        ),
        Law(
            "own elements",
            "A network for N, F and S does not tell them apart: your list of elements is fixed. Use the argument "
            "`elements`, in place of a list like [1, 6, 8].",
            lambda m: len(set(m["other elements"].tolist())) == 3,
            OwnElements,
        ),
        Law(
            "no forces",
            "The energy does not depend on the positions, at least not in a way that autograd can follow: without a "
            "gradient there are no forces. Was the distance detached, or computed outside of torch? Or does the first "
            "round not run?",
            lambda m: bool(m["reach, T = 1"].any()),
            Detached,
        ),
        Law(
            "wrong forces",
            "The forces are not the slope of the energy: moved a little, the energy changes by another amount than "
            "autograd says. Somewhere the distances are cut off from it, by `detach`, `torch.no_grad` or numpy.",
            autograd_is_right,
            HalfDetached,
        ),
        Law(
            "jump at the cutoff",
            "The energy jumps when a neighbour crosses the cutoff. The whole message must be multiplied by f_c. Fading "
            "e_ij alone is not enough: x_j and the biases of the network still arrive in full. Or is the cutoff in f_c "
            "not `self.cutoff`?",
            lambda m: (
                abs(m["neighbour inside"] - m["neighbour outside"])
                < 1e-4 * max(abs(m["neighbour near"] - m["neighbour outside"]), 1e-9)
            ),
            Unsmoothed,
        ),
        Law(
            "mean",
            "Two equal neighbours sound like one: you average the messages. Then an atom cannot count, and the energy "
            "of CH2 is made like that of CH4.",
            lambda m: not close(m["one neighbour"], m["two neighbours"], 1e-9),
            Mean,
        ),
        Law(
            "backwards",
            "The messages go back to those who send them. On a graph with the single edge 0 -> 1 atom 1 must hear "
            "atom 0, and atom 0 must hear nothing.",
            lambda m: (
                close(m["one-way edge 0 -> 1"][:1], m["O alone"], 1e-9)
                and not close(m["one-way edge 0 -> 1"][1:], m["H alone"], 1e-9)
            ),
            Backwards,
        ),
        Law(
            "kinks",
            "The force jumps somewhere inside the cutoff: there is a ReLU, or another function with a corner, on the "
            "way. Take a smooth activation, for example nn.SiLU().",
            has_no_kinks,
            Kinked,
        ),
        Law(
            "T = 0",
            "With T = 0 your atoms hear each other all the same. Without rounds an atom knows its element and nothing "
            "else; your network makes more rounds than T.",
            hears_up_to(0),
            OneRoundMore,
        ),
        Law(
            "T rounds",
            "In a chain of atoms, T = 1 must reach one neighbour and T = 2 the neighbour behind it, and nobody "
            "farther. Yours does not: does each round start from the features that the last one made, T times?",
            lambda m: hears_up_to(1)(m) and hears_up_to(2)(m),
            OneRound,
        ),
        Law(
            "bounded",
            "However large the weights become, your energies stay on one side or within bounds: there is an activation "
            "behind the readout. An energy may have any sign and size.",
            lambda m: m["E with large weights"].min() < -1.1 and m["E with large weights"].max() > 1.1,
            Bounded,
        ),
        Law(
            "weights without influence",
            "Some of your weights have no influence on the energies: a layer is made and never used. Has each round "
            "its own message and its own update?",
            lambda m: bool((m["influence of the weights"] > 0).all()),
            FirstMessageOnly,
        ),
        KNOWS_ITS_INPUTS,
    ],
)

EXERCISES = (NETWORK,)

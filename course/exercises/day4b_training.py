"""Exercises 4.11 and 4.12: many molecules in one graph, and one step of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course.exercises.day4b_network import graph_of
from course.exercises.evidence import Encoded, Slip, array, encode
from course.exercises.exercise import Case, Evidence, Exercise, Function, Misconception, Outcome, by_value, tensor
from course.graph import Graph, batch
from course.models.message_passing import MPNN
from course.potential import Potential
from course.training import Sample, train_step


def read_once_more(exercise: Exercise, slip: str, made: Callable[[Encoded], bool]) -> Exercise:
    """The same exercise, with a second look at the evidence.

    Right values are still wrong where an answer has made this slip, a misconception that comparing values cannot see.
    A wrong answer that nobody has named is told of an input that was changed in place.
    """

    def judge(evidence: Evidence, references: dict[str, Evidence]) -> Outcome:
        outcome = exercise.judge(evidence, references)
        if outcome.kind == "correct" and any(made(record["result"]) for record in evidence):
            sentence = next(m.sentence for m in exercise.misconceptions if m.name == slip)
            return Outcome(exercise.id, "wrong", str(sentence), slip)
        changed = [argument for record in evidence for argument in record["changed"]]
        if outcome.kind == "wrong" and outcome.misconception is None and changed:
            words = (
                f"{exercise.name}: your function changed its input `{changed[0]}` in place. Whoever called it still "
                "needs the old values, and so does your next line: work on a copy."
            )
            return Outcome(exercise.id, "wrong", words, printed=outcome.printed)
        return outcome

    return replace(exercise, judge=judge)


# ----------------------------------------------------------------------------------------------------- 4.11 batch

PARTS = ("numbers", "positions", "senders", "receivers", "molecule_index", "n_molecules")


def graphs_cases(rng: np.random.Generator) -> Iterator[Case]:
    hydrogen = graph_of([1, 1], [[0, 0, 0], [0.74, 0, 0]])
    water = graph_of([8, 1, 1], [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]])
    argon = graph_of([18], [[1, 2, 3]])
    yield Case(([hydrogen, hydrogen],), given="two hydrogen molecules")
    yield Case(([hydrogen],), given="one hydrogen molecule")
    yield Case(([water, hydrogen, water],), given="water, hydrogen, water")
    yield Case(([hydrogen, argon, water],), given="hydrogen, a lonely argon atom, water")
    yield Case(([argon, argon],), given="two lonely argon atoms, and so no edges")
    several = [graph_of([6] * n, rng.uniform(-1, 1, size=(n, 3))) for n in (4, 2, 5, 3)]
    yield Case((several,), given="molecules of 4, 2, 5 and 3 atoms")
    one_way = replace(water, senders=tensor([0, 0]), receivers=tensor([1, 2]))
    yield Case(([hydrogen, one_way],), given="hydrogen, and a graph with the one-way edges 0 -> 1 and 0 -> 2")


def batch_parts(function: Function, args: tuple[Any, ...]) -> Any:
    """The parts of the graph that comes back."""
    graph = function(*args)
    if graph is None or graph is Ellipsis:
        return None
    if not all(hasattr(graph, part) for part in PARTS):
        raise Slip(
            f"your function returned a {type(graph).__name__}, not a graph: `return course.Graph(numbers, positions, "
            "senders, receivers, molecule_index, n_molecules)`"
        )
    return {part: getattr(graph, part) for part in PARTS}


def has_float_indices(encoded: Encoded) -> bool:
    """An empty `torch.tensor([])` is a tensor of floats, too; that one does no harm here."""
    parts = [encoded["fields"][name] for name in ("numbers", "senders", "receivers", "molecule_index")]
    return any(part["kind"] == "float" and part["values"] for part in parts)


def batch_in_place(graphs: list[Graph]) -> Graph:
    start = 0
    for graph in graphs:
        graph.senders.add_(start)
        graph.receivers.add_(start)
        start += graph.n_atoms
    senders, receivers = ([getattr(graph, end) for graph in graphs] for end in ("senders", "receivers"))
    return replace(batch(graphs), senders=torch.cat(senders), receivers=torch.cat(receivers))


def sorted_graph_edges(encoded: Encoded) -> Encoded:
    """The edges in one order, since theirs is free."""
    fields = encoded.get("fields", {})
    if not all("values" in fields.get(end, {}) and len(fields[end]["shape"]) == 1 for end in ("senders", "receivers")):
        return encoded
    senders, receivers = array(fields["senders"]), array(fields["receivers"])
    if len(senders) != len(receivers):
        return encoded
    order = np.lexsort([senders, receivers])
    return {"fields": fields | {"senders": encode(senders[order]), "receivers": encode(receivers[order])}}


def shifted(
    shifts: Callable[[list[int], list[int]], list[int]],
    ends: tuple[str, ...] = ("senders", "receivers"),
) -> Callable[[list[Graph]], Graph]:
    """A batch whose edges are shifted by shifts(numbers of atoms, numbers of edges)."""

    def wrong(graphs: list[Graph]) -> Graph:
        by = shifts([graph.n_atoms for graph in graphs], [graph.n_edges for graph in graphs])
        parts = {
            end: torch.cat(
                [getattr(graph, end) + (n if end in ends else 0) for graph, n in zip(graphs, by, strict=True)]
            )
            for end in ("senders", "receivers")
        }
        for end in {"senders", "receivers"} - set(ends):
            parts[end] = torch.cat([getattr(graph, end) for graph in graphs])
        return replace(batch(graphs), senders=parts["senders"], receivers=parts["receivers"])

    return wrong


def before(sizes: list[int]) -> list[int]:
    return np.cumsum([0, *sizes[:-1]]).tolist()


BATCH_VALUES = by_value(
    "4.11",
    batch,
    cases=graphs_cases,
    call=batch_parts,
    canonical=sorted_graph_edges,
    success="one large graph, in which the molecules do not see each other.",
    start="Count first: how many atoms stand before each molecule?",
    hints=(
        "Stack the atoms of two molecules. What was atom 0 of the second one; which number has it now?",
        "Every index of an edge moves up by the number of atoms in all molecules before its own. `numbers` and "
        "`positions` are only stacked.",
        "`start = 0`; for each graph append `graph.senders + start` and `graph.receivers + start`, then `start += "
        "graph.n_atoms`. `molecule_index` is `torch.full((graph.n_atoms,), m)` for molecule m; n_molecules is "
        "`len(graphs)`. `torch.cat` everything.",
    ),
    misconceptions=[
        Misconception(
            "not shifted",
            "The edges still have their old indices, so the edges of every molecule lie on the atoms of the first one. "
            "Shift them by the number of atoms that stand before.",
            shifted(lambda atoms, edges: [0] * len(atoms)),
        ),
        Misconception(
            "shifted by edges",
            "You shifted the indices by the number of edges before. An index counts atoms.",
            shifted(lambda atoms, edges: before(edges)),
        ),
        Misconception(
            "shifted by its own atoms",
            "Every molecule is shifted by its own atoms as well. Only those before it count: the first molecule is not "
            "shifted at all.",
            shifted(lambda atoms, edges: np.cumsum(atoms).tolist()),
        ),
        Misconception(
            "shifted by the last one only",
            "Each molecule is shifted by the atoms of the one before it. From the third on that is too little: the "
            "shifts add up.",
            shifted(lambda atoms, edges: [0, *atoms[:-1]]),
        ),
        Misconception(
            "shifted by the molecule's number",
            "You shifted by the number of the molecule. It has more than one atom.",
            shifted(lambda atoms, edges: list(range(len(atoms)))),
        ),
        Misconception(
            "only the senders",
            "The senders are shifted and the receivers are not: messages now travel from one molecule into another.",
            shifted(lambda atoms, edges: before(atoms), ("senders",)),
        ),
        Misconception(
            "only the receivers",
            "The receivers are shifted and the senders are not: messages now travel from one molecule into another.",
            shifted(lambda atoms, edges: before(atoms), ("receivers",)),
        ),
        Misconception(
            "exchanged",
            "Senders and receivers are exchanged. On a graph with both directions you would never notice; in one with "
            "the edge 0 -> 1 alone, the message now goes back.",
            lambda graphs: replace(batch(graphs), senders=batch(graphs).receivers, receivers=batch(graphs).senders),
        ),
        Misconception(
            "changed in place",
            "Your function changed its input in place: `add_` and `+=` write into the graphs themselves, and a graph "
            "that comes twice is shifted twice. Take `graph.senders + start`, which makes a new tensor.",
            batch_in_place,
        ),
        Misconception(
            "indices that are floats",
            "The values are right, but an index must be an integer, and one of yours is a float: "
            "`torch.full((graph.n_atoms,), m)` with an integer m, and no `torch.zeros` or `torch.ones` without "
            "`dtype=torch.long`. `index_add` and indexing refuse floats.",
            lambda graphs: replace(batch(graphs), molecule_index=batch(graphs).molecule_index.double()),
        ),
        Misconception(
            "all one molecule",
            "Every atom is in molecule 0. The energies of all molecules would be added up to one number.",
            lambda graphs: replace(batch(graphs), molecule_index=torch.zeros_like(batch(graphs).molecule_index)),
        ),
        Misconception(
            "counted from one",
            "Your molecules are counted from 1. Indices start at 0, and the last molecule would fall off the end.",
            lambda graphs: replace(batch(graphs), molecule_index=batch(graphs).molecule_index + 1),
        ),
        Misconception(
            "molecules not counted",
            "n_molecules is still 1. It cannot be left to its default: say `n_molecules=len(graphs)`.",
            lambda graphs: replace(batch(graphs), n_molecules=1),
        ),
        Misconception(
            "a molecule for each edge",
            "`molecule_index` has an entry for each edge. It says where each atom belongs, (n_atoms,).",
            lambda graphs: replace(
                batch(graphs),
                molecule_index=torch.cat([torch.full((graph.n_edges,), k) for k, graph in enumerate(graphs)]),
            ),
        ),
    ],
)

BATCH = read_once_more(BATCH_VALUES, "indices that are floats", has_float_indices)

# ------------------------------------------------------------------------------------------------ 4.12 train_step


def steps_cases(rng: np.random.Generator) -> Iterator[Case]:
    molecules = [
        graph_of([8, 1], [[0, 0, 0], [0.9, 0, 0]]),
        graph_of([8, 1, 1], [[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]),
        graph_of([6, 1, 1, 8], rng.uniform(-1, 1, size=(4, 3))),
    ]
    for graphs, force_weight, training, words in (
        (molecules[:1], 0.5, True, "one molecule, force_weight 0.5"),
        (molecules, 0.1, True, "molecules of 2, 3 and 4 atoms, force_weight 0.1"),
        (molecules[1:], 0.0, True, "molecules of 3 and 4 atoms, force_weight 0"),
        (molecules[::-1], 2, False, "molecules of 4, 3 and 2 atoms, force_weight 2, a potential fresh from evaluation"),
    ):
        graph = batch(graphs)
        sample = Sample(graph, tensor(rng.normal(size=len(graphs))), tensor(rng.normal(size=(graph.n_atoms, 3))))
        potential = Potential(MPNN([1, 6, 8], n_f=4, n_e=4, n_m=4, T=1, cutoff=2.0)).double().train(training)
        with torch.no_grad():
            for weights in potential.parameters():
                weights.copy_(tensor(rng.normal(size=tuple(weights.shape)) * 0.5))
        optimizer = torch.optim.SGD(potential.parameters(), lr=0.01)
        yield Case((potential, optimizer, sample, force_weight), given=f"a small potential, SGD, two steps, {words}")


def two_steps(function: Function, args: tuple[Any, ...]) -> Any:
    """Both losses, and the weights after each step."""
    found: dict[str, Any] = {}
    for step in ("first", "second"):
        loss = function(*args)
        if loss is None:
            return None
        found[f"loss of the {step} step"] = loss
        found[f"weights after the {step} step"] = torch.cat([w.detach().reshape(-1) for w in args[0].parameters()])
        found["a tensor"] = isinstance(loss, Tensor) and loss.requires_grad
    return found


def without_its_kind(encoded: Encoded) -> Encoded:
    """Losses and weights. Whether the loss is a float is asked when they are right."""
    fields = encoded.get("fields")
    return encoded if fields is None else {"fields": {name: fields[name] for name in fields if name != "a tensor"}}


Loss = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float], Tensor]


def step(
    loss: Loss | None = None,
    *,
    order: str = "clear, backward, move",
    mode: str = "train",
    loss_after: bool = False,
    as_tensor: bool = False,
) -> Callable[..., Any]:
    """One training step with a mistake.

    loss    of (energy, energy_ref, n_atoms, forces, forces_ref, force_weight)
    order   of what follows the prediction
    mode    "train", "eval", or "" for the one that the potential is in
    """

    def wrong(potential: Potential, optimizer: torch.optim.Optimizer, sample: Sample, force_weight: float) -> Any:
        def value() -> Tensor:
            energy, forces, _ = potential(sample.graph)
            n_atoms = torch.bincount(sample.graph.molecule_index)
            return (loss or right_loss)(energy, sample.energy, n_atoms, forces, sample.forces, force_weight)

        if mode:
            potential.train(mode == "train")
        found = value()
        do: dict[str, Callable[[], Any]] = {
            "clear": optimizer.zero_grad,
            "backward": found.backward,
            "move": optimizer.step,
        }
        for name in order.split(", "):
            do[name]()
        found = value() if loss_after else found
        return found if as_tensor else found.item()

    return wrong


def squared(x: Tensor) -> Tensor:
    return x.square().mean()


def right_loss(e: Tensor, e_ref: Tensor, n: Tensor, f: Tensor, f_ref: Tensor, w: float) -> Tensor:
    return squared((e - e_ref) / n) + w * squared(f - f_ref)


TRAIN_STEP_VALUES = by_value(
    "4.12",
    train_step,
    cases=steps_cases,
    call=two_steps,
    canonical=without_its_kind,
    success="the loss went down the hill by one step, pulled by energies and forces.",
    start="Predict, compare, `zero_grad`, `backward`, `step`; one line each, after `potential.train()`.",
    points=15,
    hints=(
        "Which two errors are to become small, and how does a molecule of nine atoms get the same say as one of three?",
        "The energies are divided by the number of atoms before they are compared: "
        "`torch.bincount(sample.graph.molecule_index)`. The forces are compared component by component. Both are "
        "squared and averaged.",
        "`energy, forces, _ = potential(sample.graph)`; `loss = (((energy - sample.energy) / n_atoms) ** 2).mean() + "
        "force_weight * ((forces - sample.forces) ** 2).mean()`; `optimizer.zero_grad()`; `loss.backward()`; "
        "`optimizer.step()`; `return loss.item()`",
    ),
    misconceptions=[  # the likely ones first: each costs eight steps
        Misconception(
            "gradients pile up",
            "The gradients of the first step were still there in the second: `backward` adds to what it finds. Call "
            "`optimizer.zero_grad()` before it.",
            step(order="backward, move"),
        ),
        Misconception(
            "no step",
            "The weights did not move. Is `loss.backward()` there, and `optimizer.step()` after it? And are the "
            "gradients cleared before `backward()`, not between the two? The order is `zero_grad`, `backward`, `step`.",
            step(order="clear, backward"),
        ),
        Misconception(
            "backward last",
            "`loss.backward()` comes after `optimizer.step()`: each step is made with the gradients of the one before, "
            "and the first with none. The order is `zero_grad`, `backward`, `step`.",
            step(order="move, clear, backward"),
        ),
        Misconception(
            "not in training mode",
            "Right, until the potential comes from an evaluation: then its forces cannot be differentiated once more. "
            "Begin with `potential.train()`.",
            step(mode=""),
        ),
        Misconception(
            "evaluation mode",
            "In evaluation mode the potential forgets how its forces came about, and nothing can be learned from them. "
            "Begin with `potential.train()`, not with `potential.eval()`.",
            step(mode="eval"),
        ),
        Misconception(
            "energy per molecule",
            "You compared the energies of whole molecules. Divide by the number of atoms first, otherwise the large "
            "molecules decide alone.",
            step(lambda e, e_ref, n, f, f_ref, w: squared(e - e_ref) + w * squared(f - f_ref)),
        ),
        Misconception(
            "all atoms of the batch",
            "You divided by `graph.n_atoms`, which counts the atoms of the whole batch. Each energy is divided by the "
            "atoms of its own molecule: `torch.bincount(sample.graph.molecule_index)`.",
            step(lambda e, e_ref, n, f, f_ref, w: squared((e - e_ref) / n.sum()) + w * squared(f - f_ref)),
        ),
        Misconception(
            "number of atoms not squared",
            "You divided by the number of atoms after squaring. It stands inside the square: "
            "`((energy - sample.energy) / n_atoms) ** 2`.",
            step(lambda e, e_ref, n, f, f_ref, w: ((e - e_ref).square() / n).mean() + w * squared(f - f_ref)),
        ),
        Misconception(
            "only the prediction divided",
            "You divided your energy by the number of atoms and not the reference: energies per atom cannot be "
            "compared with energies of molecules. Look at the brackets in `(energy - sample.energy) / n_atoms`.",
            step(lambda e, e_ref, n, f, f_ref, w: squared(e / n - e_ref) + w * squared(f - f_ref)),
        ),
        Misconception(
            "only the reference divided",
            "You divided the reference energy by the number of atoms and not your own: energies per atom cannot be "
            "compared with energies of molecules. Look at the brackets in `(energy - sample.energy) / n_atoms`.",
            step(lambda e, e_ref, n, f, f_ref, w: squared(e - e_ref / n) + w * squared(f - f_ref)),
        ),
        Misconception(
            "forces summed",
            "Your force error is summed over x, y and z and averaged over atoms. The loss takes the mean over all "
            "components, which is a third of that.",
            step(lambda e, e_ref, n, f, f_ref, w: squared((e - e_ref) / n) + 3 * w * squared(f - f_ref)),
        ),
        Misconception(
            "all summed",
            "Your loss is a sum. Take the mean, or the step grows with the size of the batch.",
            step(lambda e, e_ref, n, f, f_ref, w: ((e - e_ref) / n).square().sum() + w * (f - f_ref).square().sum()),
        ),
        Misconception(
            "all forces summed",
            "Your force error is a sum over all components. Take the mean, as for the energies, or the forces weigh "
            "more the more atoms there are.",
            step(lambda e, e_ref, n, f, f_ref, w: squared((e - e_ref) / n) + w * (f - f_ref).square().sum()),
        ),
        Misconception(
            "energies summed",
            "Your energy error is a sum over the molecules. Take the mean, as for the forces, or the energies weigh "
            "more the larger the batch is.",
            step(lambda e, e_ref, n, f, f_ref, w: ((e - e_ref) / n).square().sum() + w * squared(f - f_ref)),
        ),
        Misconception(
            "no forces",
            "The forces play no part in your loss. They are 3 N labels for each molecule, against one energy.",
            step(lambda e, e_ref, n, f, f_ref, w: squared((e - e_ref) / n)),
        ),
        Misconception(
            "forces only",
            "The energies play no part in your loss. Forces say how the energy changes; how large it is they do not "
            "say. Add the energy error.",
            step(lambda e, e_ref, n, f, f_ref, w: w * squared(f - f_ref)),
        ),
        Misconception(
            "forces detached",
            "The loss is right, and yet the weights learned nothing from the forces: they were cut off by `detach`, "
            "`.data` or numpy before they were compared.",
            step(lambda e, e_ref, n, f, f_ref, w: squared((e - e_ref) / n) + w * squared(f.detach() - f_ref)),
        ),
        Misconception(
            "weight forgotten",
            "`force_weight` has no influence on your step. It multiplies the force error.",
            step(lambda e, e_ref, n, f, f_ref, w: right_loss(e, e_ref, n, f, f_ref, 1.0)),
        ),
        Misconception(
            "weight on the energy",
            "`force_weight` multiplies the energy error in your loss. It belongs to the forces.",
            step(lambda e, e_ref, n, f, f_ref, w: w * squared((e - e_ref) / n) + squared(f - f_ref)),
        ),
        Misconception(
            "weight squared",
            "`force_weight` is squared along with the forces. It stands in front: `force_weight * "
            "((forces - sample.forces) ** 2).mean()`.",
            step(lambda e, e_ref, n, f, f_ref, w: right_loss(e, e_ref, n, f, f_ref, w**2)),
        ),
        Misconception(
            "absolute errors",
            "You took absolute errors. The loss squares them: large errors pull harder, and at zero it is smooth.",
            step(lambda e, e_ref, n, f, f_ref, w: ((e - e_ref) / n).abs().mean() + w * (f - f_ref).abs().mean()),
        ),
        Misconception(
            "root mean square",
            "You took the root of the mean squares. That is a good number to report; the loss is the mean of the "
            "squares, without a root.",
            step(lambda e, e_ref, n, f, f_ref, w: squared((e - e_ref) / n).sqrt() + w * squared(f - f_ref).sqrt()),
        ),
        Misconception(
            "minus the forces",
            "You compare the reference forces with minus your own: the potential returns forces already, -dE/dR, not "
            "the gradient.",
            step(lambda e, e_ref, n, f, f_ref, w: squared((e - e_ref) / n) + w * squared(f + f_ref)),
        ),
        Misconception(
            "loss after the step",
            "You return the loss after the step, for which the molecules had to be computed twice. Return the loss "
            "that the step was made of.",
            step(loss_after=True),
        ),
        Misconception(
            "a tensor returned",
            "The step is right, but you return a tensor, and a float was asked for. A tensor holds on to everything it "
            "was computed from, and a list of losses would fill the memory: `return loss.item()`.",
            step(as_tensor=True),
        ),
    ],
)

TRAIN_STEP = read_once_more(
    TRAIN_STEP_VALUES,
    "a tensor returned",
    lambda encoded: any(encoded["fields"]["a tensor"]["values"]),
)

EXERCISES = (BATCH, TRAIN_STEP)

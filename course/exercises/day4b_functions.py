"""Exercises 4.7 to 4.9: f_m, f_U and f_R as networks.

Their weights are random, so their answers cannot be compared with anything. What can be asked is whether they obey the
laws of a message, an update, a readout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course.exercises.evidence import Slip
from course.exercises.exercise import Law, Measured, by_laws, close, tensor
from course.models.message_passing import NeuralMessage, ResidualUpdate, perceptron

Module = Callable[..., Any]  # the learner's: an nn.Module, one hopes
STEPS = {"coarse": 100, "fine": 1000}

# ------------------------------------------------------------------------------------------------------- measure


def measure_rows(make: Callable[[], Module], inputs: list[Tensor], others: list[Tensor]) -> Iterator[tuple[str, Any]]:
    """Measure a module that turns rows into rows: inputs (n_rows, width) each, and the same with other values."""
    module = make()
    before = [rows.clone() for rows in inputs]
    yield "answer", module(*inputs)
    yield "change of the inputs", torch.stack([(a - b).abs().max() for a, b in zip(inputs, before, strict=True)])
    yield "n_weights", sum(weights.numel() for weights in parameters(module))
    yield "answer again", module(*inputs)
    yield "two rows alone", module(*[rows[:2] for rows in inputs])
    for k in range(len(inputs)):
        yield f"other input {k}", module(*inputs[:k], others[k], *inputs[k + 1 :])
    for name, steps in STEPS.items():
        yield f"slopes, {name}", slopes(lambda s: module(*along_a_line(s, inputs, others)), -1.5, 2.5, steps)
    yield "influence of the weights", influence(module, module(*inputs))
    yield "n_unknown weights", n_unknown(module, module(*inputs))
    yield "n_random tensors", n_random(module, make())
    yield "one row", module(*[rows[:1] for rows in inputs])
    yield "no rows", with_no_rows(module, inputs)
    which = draws(inputs[0])
    yield "secret draws", which
    yield "answers to the draws", module(*[torch.cat([a, b])[which] for a, b in zip(inputs, others, strict=True)])


def with_no_rows(module: Module, inputs: list[Tensor]) -> Any:
    """What comes out where nothing goes in: a graph without edges, a molecule without oxygen."""
    try:
        return module(*[rows[:0] for rows in inputs])
    except (RuntimeError, ValueError, IndexError) as error:
        raise Slip(
            "your `forward` fails where no rows go in. A graph may have no edges, and a molecule no oxygen: then no "
            f"rows come out either. Where torch cannot guess a -1 in `reshape`, write the number. Python says: {error}"
        ) from error


def draws(secret: Tensor, n: int = 10, most: int = 24) -> Tensor:
    """Which of n things are shown, one after another, many of them several times; only the seed knows."""
    rng = np.random.default_rng(int(1e12 * abs(float(secret.reshape(-1)[0]))))
    return tensor(rng.integers(0, n, size=most))


def parameters(module: Module) -> list[nn.Parameter]:
    return list(module.parameters()) if isinstance(module, nn.Module) else []


def influence(module: Module, answer: Tensor) -> Tensor:
    """How strongly each tensor of weights acts on the answer; 0 for one that is not used."""
    weights = parameters(module)
    if not weights or not answer.requires_grad:
        return torch.zeros(len(weights))
    gradients = torch.autograd.grad(answer.square().sum(), weights, allow_unused=True)
    return torch.stack([torch.zeros(()) if gradient is None else gradient.norm() for gradient in gradients])


def n_unknown(module: Module, answer: Tensor) -> int:
    """How many tensors of weights the answer was made with that `parameters()` does not list."""
    known = {id(weights) for weights in parameters(module)}
    found, seen, steps = set(), set(), [answer.grad_fn]
    while steps:  # autograd remembers every step from the answer back to the weights
        step: Any = steps.pop()
        if step is not None and step not in seen:
            seen.add(step)
            found |= {id(step.variable)} if hasattr(step, "variable") else set()
            steps += [earlier for earlier, _ in step.next_functions]
    return len(found - known)


def n_random(module: Module, another: Module) -> int:
    """How many plain tensors, neither parameters nor buffers, are random: they differ in a second module."""
    pairs = zip(plain_tensors(module), plain_tensors(another), strict=False)
    return sum(a.shape != b.shape or bool((a != b).any()) for a, b in pairs)


def plain_tensors(module: Module) -> list[Tensor]:
    """The tensors that are attributes of the module, or of a part of it, alone or in a list."""
    found: list[Tensor] = []
    for part in module.modules() if isinstance(module, nn.Module) else []:
        for value in vars(part).values():
            values = value if isinstance(value, list | tuple) else [value]
            found += [v for v in values if isinstance(v, Tensor) and not isinstance(v, nn.Parameter)]
    return found


def along_a_line(s: Tensor, inputs: list[Tensor], others: list[Tensor]) -> list[Tensor]:
    """From the first row of the inputs (s = 0) to that of the others (s = 1); s is (steps, 1)."""
    return [a[:1] + s * (b[:1] - a[:1]) for a, b in zip(inputs, others, strict=True)]


def slopes(function: Callable[[Tensor], Tensor], start: float, end: float, steps: int) -> Tensor:
    """The derivative of a function of one number, at many places; several results are added with fixed weights."""
    s = torch.linspace(start, end, steps)[:, None].requires_grad_()
    answer = function(s).reshape(steps, -1)
    mixed = answer @ torch.cos(torch.arange(answer.shape[1], dtype=answer.dtype))
    if not mixed.requires_grad:
        return torch.zeros(steps)
    return torch.autograd.grad(mixed.sum(), s)[0][:, 0]


# ---------------------------------------------------------------------------------------------------------- laws


def has_no_kinks(m: Measured) -> bool:
    """In steps ten times shorter a smooth slope changes ten times less from step to step. At a kink it does not."""
    coarse, fine = (np.abs(np.diff(m[f"slopes, {name}"])).max(axis=-1) for name in STEPS)
    return bool((fine <= 0.3 * coarse + 1e-12).all())


def bends(m: Measured) -> bool:
    """Whether the function is more than a straight line; of one that autograd cannot follow nothing is known."""
    slope = m["slopes, coarse"]
    return not slope.any() or float(np.ptp(slope)) > 1e-6 * float(np.abs(slope).max())


def knows_its_inputs(m: Measured) -> bool:
    """Whether equal inputs, and no others, got equal answers: no numbers that were written down elsewhere do."""
    which, answers = m["secret draws"], m["answers to the draws"]
    answers = answers.reshape(len(answers), -1) if len(answers) == len(which) else np.full((len(which), 1), np.nan)
    scale = max(1e-300, float(np.abs(answers).max(initial=0)))
    apart = np.abs(answers[:, None] - answers[None]).max(axis=2) / scale
    is_same = which[:, None] == which[None]
    return bool((apart[is_same] < 1e-8).all() and (apart[~is_same] > 1e-12).all())


KNOWS_ITS_INPUTS = Law(
    "other inputs",
    "Equal inputs got different answers, or different inputs the same answer. Each answer must be computed from its "
    "input and from nothing else.",
    knows_its_inputs,
)


def hears(k: int) -> Callable[[Measured], bool]:
    return lambda m: not close(m["answer"], m[f"other input {k}"], 1e-9)


def has_width(*shape: int) -> Callable[[Measured], bool]:
    return lambda m: m["answer"].shape == shape


def keeps_rows(m: Measured) -> bool:
    """One row in, one row out; none in, none out."""
    return m["one row"].shape == (1, *m["answer"].shape[1:]) and m["no rows"].shape == (0, *m["answer"].shape[1:])


def in_place(broken_by: Module | None) -> Law:
    return Law(
        "input changed in place",
        "Your module changes its input in place. Others still need the old features: `x = x + ...`, not `x += ...`.",
        lambda m: not m["change of the inputs"].any(),
        broken_by,
    )


def laws_of_networks(wrong: Callable[..., Module]) -> list[Law]:
    """What every trainable function of rows must obey. `wrong(layers=...)` makes one with these layers."""
    return [
        Law(
            "no weights",
            "Your module has no weights. A layer that is made in `forward` gets new random numbers at every call, and "
            "no optimizer ever sees them. Make the layers in `__init__`, after `super().__init__()`.",
            lambda m: int(m["n_weights"]) > 0,
            wrong(layers=MadeInForward),
        ),
        Law(
            "random",
            "The same input gave two different answers. Something random is at work: dropout has no place in an energy "
            "surface, where the same atoms must always have the same energy.",
            lambda m: close(m["answer"], m["answer again"]),
            wrong(layers=dropout),
        ),
        Law(
            "kinks",
            "Your function has kinks: ReLU turns a corner at 0. The energy would have corners too, and the forces "
            "would jump there. Take a smooth activation, for example nn.SiLU().",
            has_no_kinks,
            wrong(layers=relu),
        ),
        Law(
            "plain list",
            "One of your layers is not known to the module: it sits in a plain Python list, or in a plain tensor. Its "
            "weights are not among `parameters()`, so nothing will train them. Use nn.ModuleList or nn.Sequential.",
            lambda m: int(m["n_unknown weights"]) == 0,
            wrong(layers=PlainList),
        ),
        Law(
            "plain tensor",
            "A tensor of random numbers is an attribute of your module and not a weight: it is not among "
            "`parameters()`, so nothing will train it. Take nn.Linear, or wrap it: `nn.Parameter(torch.randn(...))`.",
            lambda m: int(m["n_random tensors"]) == 0,
            wrong(layers=PlainTensor),
        ),
        Law(
            "weights without influence",
            "Some of your weights have no influence on the answer. Either a layer is made and never used, or the "
            "answer is cut off from it by `detach`, `torch.no_grad` or numpy.",
            lambda m: bool((m["influence of the weights"] > 0).all()),
            wrong(layers=Unused),
        ),
    ]


# ------------------------------------------------------------------------------------------- layers with a mistake


def smooth(n_in: int, n_out: int) -> nn.Module:
    return perceptron(n_in, 16, n_out)


def straight(n_in: int, n_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_in, 16), nn.Linear(16, n_out))


def relu(n_in: int, n_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_in, 16), nn.ReLU(), nn.Linear(16, n_out))


def dropout(n_in: int, n_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_in, 16), nn.SiLU(), nn.Dropout(0.5), nn.Linear(16, n_out))


def batch_norm(n_in: int, n_out: int) -> nn.Module:
    return nn.Sequential(nn.Linear(n_in, 16), nn.BatchNorm1d(16), nn.SiLU(), nn.Linear(16, n_out))


def ends_with(activation: type[nn.Module]) -> Callable[[int, int], nn.Module]:
    return lambda n_in, n_out: nn.Sequential(smooth(n_in, n_out), activation())


class MadeInForward(nn.Module):
    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.n_in, self.n_out = n_in, n_out

    def forward(self, x: Tensor) -> Tensor:
        return nn.Linear(self.n_in, self.n_out)(x)


class PlainList(nn.Module):
    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.first = smooth(n_in, n_out)
        self.others = [smooth(n_in, n_out)]

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) + sum(other(x) for other in self.others)


class PlainTensor(nn.Module):
    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.first, self.W = smooth(n_in, n_out), torch.randn(n_in, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.first(x) + x @ self.W


class Unused(nn.Module):
    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.used, self.unused = smooth(n_in, n_out), nn.Linear(n_in, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)


def network(
    widths: Callable[..., tuple[int, int]],
    before: Callable[..., Tensor],
    after: Callable[..., Tensor] = lambda y, *inputs: y,
    layers: Callable[[int, int], nn.Module] = smooth,
) -> type[nn.Module]:
    """The class of after(layers(before(inputs)), inputs), where widths(n_f, ...) gives what goes in and comes out."""

    class Network(nn.Module):
        def __init__(self, *sizes: int):
            super().__init__()
            self.layers = layers(*widths(*sizes))

        def forward(self, *inputs: Tensor) -> Tensor:
            return after(self.layers(before(*inputs)), *inputs)

    return Network


def joined(*inputs: Tensor) -> Tensor:
    return torch.cat(inputs, dim=1)


# --------------------------------------------------------------------------------------------- 4.7 MessageFunction


class MessageFunction(NeuralMessage):
    """f_m: R^(2 n_f + n_e) -> R^n_m."""


def message(**wrong: Any) -> type[nn.Module]:
    return network(**({"widths": lambda n_f, n_e, n_m: (2 * n_f + n_e, n_m), "before": joined} | wrong))


def measure_message(message_function: Module, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    n_f, n_e, n_m = 3, 4, 5
    inputs, others = ([tensor(rng.normal(size=(7, n))) for n in (n_f, n_f, n_e)] for _ in range(2))
    yield from measure_rows(lambda: message_function(n_f, n_e, n_m), inputs, others)
    f_m = message_function(n_f, n_e, n_m)
    (a, x_i, e), (b, _, d) = inputs, others
    yield "a nearer", f_m(a, x_i, e) - f_m(a, x_i, d)
    yield "b nearer", f_m(b, x_i, e) - f_m(b, x_i, d)


class WhoPlusWhere(nn.Module):
    def __init__(self, n_f: int, n_e: int, n_m: int):
        super().__init__()
        self.who, self.where = smooth(2 * n_f, n_m), nn.Linear(n_e, n_m)

    def forward(self, x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
        return self.who(joined(x_j, x_i)) + self.where(e_ij)


MESSAGE_FUNCTION = by_laws(
    "4.7",
    MessageFunction,
    measure=measure_message,
    success="it hears the speaker, the listener and the distance, and it can learn what to make of them.",
    start="Make the layers in `__init__`, use them in `forward`; out come n_m numbers an edge.",
    points=15,
    hints=(
        "Two factors of length n_m: one knows the two atoms, the other knows the distance. What does each take in?",
        "`torch.cat([x_j, x_i], dim=1)` is one row an edge, (n_edges, 2 n_f). For the distance one "
        "`nn.Linear(n_e, n_m)` is enough. `*` multiplies column by column.",
        "In `__init__`: `self.who = nn.Sequential(nn.Linear(2 * n_f, n_m), nn.SiLU(), nn.Linear(n_m, n_m))` and "
        "`self.where = nn.Linear(n_e, n_m)`. In `forward`: "
        "`return self.who(torch.cat([x_j, x_i], dim=1)) * self.where(e_ij)`.",
    ),
    laws=[
        Law(
            "width",
            "Your messages have the wrong shape. Each edge carries n_m numbers: the answer is (n_edges, n_m).",
            has_width(7, 5),
            message(widths=lambda n_f, n_e, n_m: (2 * n_f + n_e, n_f)),
        ),
        in_place(None),
        *laws_of_networks(message)[:2],
        Law(
            "edges mix",
            "The message on one edge changed when other edges were left out. Each edge speaks for itself; BatchNorm, "
            "and everything else that looks along the first axis, mixes them, and a molecule would feel its neighbours "
            "in the batch.",
            lambda m: close(m["two rows alone"], m["answer"][:2], 1e-8),
            message(layers=batch_norm),
        ),
        Law(
            "deaf to the sender",
            "Your message does not depend on x_j: it says the same whoever speaks.",
            hears(0),
            message(before=lambda x_j, x_i, e_ij: joined(x_i, x_i, e_ij)),
        ),
        Law(
            "deaf to the receiver",
            "Your message does not depend on x_i. f_m hears both ends of the edge: what an atom says may depend on "
            "whom it speaks to.",
            hears(1),
            message(before=lambda x_j, x_i, e_ij: joined(x_j, x_j, e_ij)),
        ),
        Law(
            "deaf to the edge",
            "Your message does not depend on e_ij: near and far sound the same, and no force could come out of it.",
            hears(2),
            message(before=lambda x_j, x_i, e_ij: joined(x_j, x_i, torch.ones_like(e_ij))),
        ),
        Law(
            "straight",
            "Your message is a linear function: without an activation between them two layers are one. Summed over the "
            "neighbours it forgets who sat where, like concatenation in 4a.",
            bends,
            message(layers=straight),
        ),
        Law(
            "who plus where",
            "Your message is a sum: one part knows who speaks, the other knows the distance, and neither knows both. "
            "Summed over the neighbours it forgets who sat where, like concatenation in 4a. Multiply the two parts, or "
            "let one network see x_j and e_ij together.",
            lambda m: not close(m["a nearer"], m["b nearer"], 1e-9),
            WhoPlusWhere,
        ),
        *laws_of_networks(message)[2:],
        Law(
            "one edge",
            "With one edge, or none, your answer loses an axis. A graph may have a single edge: leave `squeeze` out.",
            keeps_rows,
            message(after=lambda y, *inputs: y.squeeze()),
        ),
        KNOWS_ITS_INPUTS,
    ],
)

# ---------------------------------------------------------------------------------------------- 4.8 UpdateFunction


class UpdateFunction(ResidualUpdate):
    """f_U: (M_i, x_i) -> x_i."""


def residual(y: Tensor, M_i: Tensor, x_i: Tensor) -> Tensor:
    return x_i + y


def add_in_place(y: Tensor, M_i: Tensor, x_i: Tensor) -> Tensor:
    x_i += y.detach()
    return x_i + 0 * y


def update(**wrong: Any) -> type[nn.Module]:
    return network(**({"widths": lambda n_f, n_m: (n_m + n_f, n_f), "before": joined, "after": residual} | wrong))


def measure_update(update_function: Module, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    n_f, n_m = 3, 4
    inputs, others = ([tensor(rng.normal(size=(6, n))) for n in (n_m, n_f)] for _ in range(2))
    yield from measure_rows(lambda: update_function(n_f, n_m), inputs, others)


UPDATE_FUNCTION = by_laws(
    "4.8",
    UpdateFunction,
    measure=measure_update,
    success="what an atom knew and what it heard both shape what it knows next.",
    start="One network from n_m + n_f to n_f, and the old features beside it.",
    hints=(
        "What must an atom still know after a round in which nobody spoke to it?",
        "`torch.cat([M_i, x_i], dim=1)` goes in, n_f numbers come out. Adding them to the old x_i makes deep networks "
        "easy to train.",
        "In `__init__`: `self.network = nn.Sequential(nn.Linear(n_m + n_f, n_f), nn.SiLU(), nn.Linear(n_f, n_f))`. "
        "In `forward`: `return x_i + self.network(torch.cat([M_i, x_i], dim=1))`.",
    ),
    laws=[
        Law(
            "width",
            "Your new features have the wrong shape. They replace the old ones: the answer is (n_atoms, n_f).",
            has_width(6, 3),
            update(widths=lambda n_f, n_m: (n_m + n_f, n_m), after=lambda y, M_i, x_i: y),
        ),
        in_place(update(after=add_in_place)),
        *laws_of_networks(update)[:2],
        Law(
            "atoms mix",
            "The update of one atom changed when other atoms were left out. Atoms speak through messages only; "
            "BatchNorm, and all else that looks along the first axis, lets them feel each other at any distance.",
            lambda m: close(m["two rows alone"], m["answer"][:2], 1e-8),
            update(layers=batch_norm),
        ),
        Law(
            "deaf to the bundle",
            "Your update does not depend on M_i: the atom does not listen.",
            hears(0),
            update(before=lambda M_i, x_i: joined(torch.zeros_like(M_i), x_i)),
        ),
        Law(
            "forgets itself",
            "Your update does not depend on x_i. An atom that hears nothing would forget which element it is.",
            hears(1),
            update(widths=lambda n_f, n_m: (n_m, n_f), before=lambda M_i, x_i: M_i, after=lambda y, M_i, x_i: y),
        ),
        *laws_of_networks(update)[2:],
        Law(
            "one atom",
            "With one atom, or none, your answer loses an axis. A molecule may be a single atom: leave `squeeze` out.",
            keeps_rows,
            update(after=lambda y, M_i, x_i: (x_i + y).squeeze()),
        ),
        KNOWS_ITS_INPUTS,
    ],
)

# ----------------------------------------------------------------------------------------------------- 4.9 Readout


class Readout(nn.Module):
    """f_R: R^n_f -> R^1."""

    def __init__(self, n_f: int):
        super().__init__()
        self.network = perceptron(n_f, n_f, 1)

    def forward(self, x_i: Tensor) -> Tensor:
        return self.network(x_i)


def readout(**wrong: Any) -> type[nn.Module]:
    return network(**({"widths": lambda n_f: (n_f, 1), "before": joined} | wrong))


def measure_readout(readout_class: Module, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    inputs, others = ([tensor(rng.normal(size=(6, 4)))] for _ in range(2))
    yield from measure_rows(lambda: readout_class(4), inputs, others)
    loud = []
    for _ in range(8):
        f_R = readout_class(4)
        with torch.no_grad():
            for weights in parameters(f_R):
                weights.mul_(8)
        loud.append(f_R(*inputs).reshape(-1))
    yield "with large weights", torch.stack(loud)


READOUT = by_laws(
    "4.9",
    Readout,
    measure=measure_readout,
    success="one energy an atom, of any sign and size.",
    start="One network from n_f to 1.",
    hints=(
        "How many numbers come out for one atom? Which values may an energy take?",
        "A hidden layer with a smooth activation, and a last layer without one.",
        "In `__init__`: `self.network = nn.Sequential(nn.Linear(n_f, n_f), nn.SiLU(), nn.Linear(n_f, 1))`. "
        "In `forward`: `return self.network(x_i)`.",
    ),
    laws=[
        Law(
            "one number for all",
            "You return one number for the whole molecule. The readout gives each atom its own energy; they are added "
            "later, and only there.",
            lambda m: m["answer"].size > 1,
            readout(after=lambda y, x_i: y.sum()),
        ),
        Law(
            "width",
            "Your answer has the wrong shape. The readout gives one number an atom: (n_atoms, 1).",
            lambda m: m["answer"].shape in ((6, 1), (6,)),
            readout(widths=lambda n_f: (n_f, n_f)),
        ),
        Law(
            "a row",
            "Your answer has lost an axis: it is (n_atoms,), and (n_atoms, 1) was asked for. The network of 4.10 takes "
            "the one column out, `[:, 0]`; leave it there, without `squeeze`.",
            has_width(6, 1),
            readout(after=lambda y, x_i: y[:, 0]),
        ),
        in_place(None),
        *laws_of_networks(readout)[:2],
        Law(
            "atoms mix",
            "The energy of one atom changed when other atoms were left out. Softmax, BatchNorm or a mean over the "
            "atoms lets them feel each other at any distance, and the energies of two far molecules no longer add up.",
            lambda m: close(m["two rows alone"], m["answer"][:2], 1e-8),
            readout(after=lambda y, x_i: y - y.mean()),
        ),
        Law(
            "deaf",
            "Your energy does not depend on the features of the atom.",
            hears(0),
            readout(before=lambda x_i: torch.ones_like(x_i)),
        ),
        Law(
            "bounded",
            "However large the weights become, your energies stay on one side or within bounds: there is an activation "
            "behind the last layer. An energy may have any sign and size; end with a linear layer.",
            lambda m: m["with large weights"].min() < -1.1 and m["with large weights"].max() > 1.1,
            readout(layers=ends_with(nn.Softplus)),
        ),
        *laws_of_networks(readout)[2:],
        Law(
            "one atom",
            "With one atom, or none, your answer loses an axis. A molecule may be a single atom: leave `squeeze` out.",
            keeps_rows,
            readout(after=lambda y, x_i: y.squeeze(0)),
        ),
        KNOWS_ITS_INPUTS,
    ],
)

EXERCISES = (MESSAGE_FUNCTION, UPDATE_FUNCTION, READOUT)

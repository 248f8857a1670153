"""Exercise 0.1: the force is minus the derivative of the energy."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from course.exercises.exercise import Case, Exercise, Misconception, by_value, tensor

Energy = Callable[[Tensor], Tensor]

# ----------------------------------------------------------------------------------------------------------- 0.1 force


def force(energy_fn: Energy, x: Tensor) -> Tensor:
    """F = -dE/dx, by autograd; `energy_fn` takes a tensor of one number and returns one."""
    x = x.detach().to(torch.get_default_dtype()).requires_grad_(True)  # a leaf of our own
    (slope,) = torch.autograd.grad(energy_fn(x), x)
    return -slope


def parabola(x: Tensor) -> Tensor:
    return x**2


def total_energy(x: Tensor) -> Tensor:
    """As large as that of ethanol, and as precise as a graphics card has it: its digits end at 0.0005 eV."""
    return x.float() ** 2 - 4213.0


def energies(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((parabola, tensor(3.0)), given="E(x) = x^2, x = 3")
    yield Case((parabola, tensor(-1.0)), given="E(x) = x^2, x = -1")
    yield Case((parabola, tensor(2)), given="E(x) = x^2, x = torch.tensor(2)", when="with a whole number for x")
    used = tensor(0.5).requires_grad_(True)
    parabola(used).backward()
    yield Case((parabola, used), given="E(x) = x^2, x = 0.5; x has a gradient in x.grad already")
    D, a, x_e = rng.uniform([1, 1, 1], [5, 2, 2]).round(2).tolist()
    x = float(rng.uniform(0.5, 4).__round__(2))
    morse = f"E(x) = {D} (1 - exp(-{a} (x - {x_e})))^2 - {D}, x = {x}"
    yield Case((lambda x: D * (1 - torch.exp(-a * (x - x_e))) ** 2 - D, tensor(x)), given=morse)
    V, k = float(rng.uniform(1, 3).__round__(2)), int(rng.integers(2, 4))
    yield Case((lambda x: V * (1 + torch.cos(k * x)), tensor(0.7)), given=f"E(x) = {V} (1 + cos({k} x)), x = 0.7")
    words = "E(x) = x^2 - 4213 in single precision, the size of a real total energy, x = 2"
    yield Case((total_energy, tensor(2.0)), given=words)


def own_leaf(x: Tensor) -> Tensor:
    return x.detach().double().requires_grad_(True)


def after_backward(energy_fn: Energy, x: Tensor) -> Tensor:
    """The gradient that lies in x.grad, with all that was there before."""
    x = x if x.is_floating_point() else x.double()
    x.requires_grad_(True)
    energy_fn(x).backward()
    assert x.grad is not None
    return -x.grad


def only_floats(energy_fn: Energy, x: Tensor) -> Tensor:
    x = x.detach().clone().requires_grad_(True)
    return -torch.autograd.grad(energy_fn(x), x)[0]


def as_a_number(energy_fn: Energy, x: Tensor) -> Tensor:
    x = own_leaf(x)
    energy = torch.tensor(energy_fn(x).item(), requires_grad=True)
    return -torch.autograd.grad(energy, x)[0]


def gradient_of_another(energy_fn: Energy, x: Tensor) -> Tensor:
    x = own_leaf(x)
    torch.tensor(energy_fn(x).item(), requires_grad=True).backward()
    return -x.grad  # type: ignore[operator]


def minus_a_tuple(energy_fn: Energy, x: Tensor) -> Tensor:
    x = own_leaf(x)
    return -torch.autograd.grad(energy_fn(x), x)  # type: ignore[operator]


def minus_a_tuple_of_floats(energy_fn: Energy, x: Tensor) -> Tensor:
    x = x.detach().clone().requires_grad_(True)
    return -torch.autograd.grad(energy_fn(x), x)  # type: ignore[operator]


def tuple_as_it_is(energy_fn: Energy, x: Tensor) -> Tensor:
    x = own_leaf(x)
    return torch.autograd.grad(energy_fn(x), x)  # type: ignore[return-value]


def minus_one_tuple(energy_fn: Energy, x: Tensor) -> Tensor:
    x = own_leaf(x)
    return -1 * torch.autograd.grad(energy_fn(x), x)  # type: ignore[return-value]


def of_the_old_x(energy_fn: Energy, x: Tensor) -> Tensor:
    return -torch.autograd.grad(energy_fn(own_leaf(x)), x)[0]


def of_the_old_x_of_floats(energy_fn: Energy, x: Tensor) -> Tensor:
    mine = x.detach().clone().requires_grad_(True)
    return -torch.autograd.grad(energy_fn(mine), x)[0]


D, A, X_E = 4.747, 1.944, 0.7414  # of the curve in the lesson: eV, 1/Angstrom, Angstrom


def slope_of_the_lesson(energy_fn: Energy, x: Tensor) -> Tensor:
    """Right for one energy, whichever is asked about."""
    y = torch.exp(-A * (x.detach().double() - X_E))
    return -2 * D * A * (1 - y) * y


def differences(h: float, forward: bool = False) -> Callable[[Energy, Tensor], Tensor]:
    def quotient(energy_fn: Energy, x: Tensor) -> Tensor:
        left = x if forward else x - h
        return -(energy_fn(x + h) - energy_fn(left)) / (h if forward else 2 * h)

    return quotient


TUPLE = (
    "`torch.autograd.grad` returns a tuple, one gradient for each input that you ask for, also when you ask for one. "
    "Take the first: `torch.autograd.grad(energy, x)[0]`."
)
OLD_X = (
    "The energy was computed from your copy, and the slope is asked for with respect to the old x. Hand the same "
    "tensor to both: `energy = energy_fn(copy)`, then `torch.autograd.grad(energy, copy)`."
)
QUOTIENT = (
    "You divided a difference of energies by a step. With an energy of -4213 eV in single precision, the digits end at "
    "0.0005 eV, and the small difference drowns. Autograd differentiates the formula: no step, nothing is subtracted."
)

FORCE = by_value(
    "0.1",
    force,
    cases=energies,
    success="the force points downhill, whatever the energy.",
    start="Make x require a gradient, compute the energy, ask torch for the derivative.",
    hints=(
        "torch can only differentiate with respect to a tensor that it was told to watch, before the energy is "
        "computed. Which method of a tensor says so?",
        "`x = x.detach().double().requires_grad_(True)` is a copy that torch watches. Then compute the energy from it, "
        "and ask `torch.autograd.grad(energy, x)`. What does that return, and which sign has a force?",
        "`energy = energy_fn(x)`, then `return -torch.autograd.grad(energy, x)[0]`.",
    ),
    misconceptions=[
        Misconception(
            "the slope",
            "You returned the slope dE/dx. The force is minus the slope: a ball on a rising slope is pushed back down.",
            lambda energy_fn, x: -force(energy_fn, x),
        ),
        Misconception(
            "minus the energy",
            "You returned minus the energy itself. The force is minus its derivative: how fast the energy falls when x "
            "grows, in eV/Å.",
            lambda energy_fn, x: -energy_fn(x),
        ),
        Misconception(
            "gradients add up",
            "x had a gradient before you came, and yours was added to it. `backward()` adds to `x.grad`, it does not "
            "replace it. `torch.autograd.grad(energy, x)` hands over the new gradient alone; or work on a copy, "
            "`x.detach().clone()`.",
            after_backward,
        ),
        Misconception(
            "nobody watches x",
            "torch was not told to watch x, so the energy has no derivative. Before the energy is computed: "
            "`x = x.detach().double().requires_grad_(True)`.",
            lambda energy_fn, x: -torch.autograd.grad(energy_fn(x), x)[0],
        ),
        Misconception(
            "detached",
            "The energy was computed from an x that torch does not watch; a detached tensor has no history. Detach "
            "first, then call `requires_grad_(True)` on what you got, then compute the energy from it, and not under "
            "`torch.no_grad()`.",
            lambda energy_fn, x: -torch.autograd.grad(energy_fn(x.detach()), x)[0],
        ),
        Misconception(
            "the graph is cut",
            "torch finds no way from the energy back to the x that you ask about. Was the way cut? `.item()`, "
            "`float(...)` and `torch.tensor(...)` make a plain number of a tensor: hand the energy on as it came out "
            "of `energy_fn`. Was the energy computed from another copy? Or are the two exchanged? It is "
            "`torch.autograd.grad(energy, x)`, the energy first.",
            as_a_number,
        ),
        Misconception(
            "no gradient arrived",
            "Your slope is None. `backward()` returns nothing: it writes the slope into `x.grad` of the x that the "
            "energy was computed from. If you read that one, the way back to it was cut: `.item()`, `float(...)`, "
            "`torch.tensor(...)` and `.detach()` do it.",
            gradient_of_another,
        ),
        Misconception("a tuple", TUPLE, minus_a_tuple),
        Misconception("a tuple, and no whole numbers", TUPLE, minus_a_tuple_of_floats),
        Misconception("a tuple as it is", TUPLE, tuple_as_it_is),
        Misconception("minus one times a tuple", TUPLE, minus_one_tuple),
        Misconception("the old x", OLD_X, of_the_old_x),
        Misconception("the old x, and no whole numbers", OLD_X, of_the_old_x_of_floats),
        Misconception(
            "one formula",
            "This is the force of the Morse curve above, whatever energy is asked about. `force` gets the energy as "
            "its argument `energy_fn`: call `energy_fn(x)`, and let autograd find its slope.",
            slope_of_the_lesson,
        ),
        Misconception(
            "no whole numbers",
            "It works, except for `x = torch.tensor(2)`. That is a tensor of integers, and there is no derivative with "
            "respect to an integer. Make it a floating-point number first: `x.double()`.",
            only_floats,
        ),
        *(Misconception(f"difference of {h:g}", QUOTIENT, differences(h)) for h in (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)),
        *(Misconception(f"step of {h:g}", QUOTIENT, differences(h, forward=True)) for h in (1e-2, 1e-3, 1e-4)),
    ],
)

EXERCISES: tuple[Exercise, ...] = (FORCE,)

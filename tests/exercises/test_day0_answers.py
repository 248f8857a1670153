"""Answers that learners have given to 0.1, and what they are told."""

import re
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from course.exercises.day0 import FORCE
from tests.exercises import answers

pytestmark = pytest.mark.usefixtures("as_in_the_notebook")


told = partial(answers.told, "0.1")


def test_the_sign_in_three_ways():
    def forgotten(energy_fn, x):
        x = x.detach().double().requires_grad_(True)
        return torch.autograd.grad(energy_fn(x), x)[0]

    def twice(energy_fn, x):
        x = x.detach().double().requires_grad_(True)
        return -torch.autograd.grad(-energy_fn(x), x)[0]

    def with_func(energy_fn, x):
        return torch.func.grad(energy_fn)(x.double())

    for function in (forgotten, twice, with_func):
        assert "You returned the slope dE/dx. The force is minus the slope" in told(function)


def test_the_sign_and_no_integers():
    def both(energy_fn, x):
        x = x.detach().clone().requires_grad_(True)
        return torch.autograd.grad(energy_fn(x), x)[0]

    assert "You returned the slope" in told(both)


def test_only_an_integer_fails():
    def no_integers(energy_fn, x):
        y = torch.tensor(x, requires_grad=True) if not torch.is_tensor(x) else x.clone().detach()
        y.requires_grad = True
        return -torch.autograd.grad(energy_fn(y), y)[0]

    assert "It works, except for `x = torch.tensor(2)`" in told(no_integers)


def test_the_gradient_of_somebody_else():
    def in_place(energy_fn, x):
        if not x.is_floating_point():
            x = x.double()
        x.requires_grad = True
        energy_fn(x).backward()
        return -x.grad

    def in_place_without_integers(energy_fn, x):
        x.requires_grad_()
        energy = energy_fn(x)
        energy.backward()
        return -x.grad

    for function in (in_place, in_place_without_integers):
        assert "`backward()` adds to `x.grad`" in told(function)


def test_nobody_told_torch():
    def too_late(energy_fn, x):
        energy = energy_fn(x.detach().double())
        x = x.detach().double().requires_grad_(True)
        return -torch.autograd.grad(energy, x)[0]

    def not_at_all(energy_fn, x):
        return -torch.autograd.grad(energy_fn(x), x)[0]

    assert "a detached tensor has no history" in told(too_late)
    assert "torch was not told to watch x" in told(not_at_all)


def test_the_way_is_cut():
    def by_float(energy_fn, x):
        x = x.detach().double().requires_grad_(True)
        energy = torch.tensor(energy_fn(x).item(), requires_grad=True)
        energy.backward()
        return -x.grad

    def by_item(energy_fn, x):
        x = x.detach().double().requires_grad_(True)
        energy = torch.tensor(energy_fn(x).item()).requires_grad_()
        return -torch.autograd.grad(energy, x)[0]

    def by_another_copy(energy_fn, x):
        x = x.detach().double().requires_grad_(True)
        return -torch.autograd.grad(energy_fn(x), x.detach().requires_grad_(True))[0]

    def exchanged(energy_fn, x):
        x = x.detach().double().requires_grad_(True)
        return -torch.autograd.grad(x, energy_fn(x))[0]

    words = "torch finds no way from the energy back to the x that you ask about"
    for function in (by_item, by_another_copy, exchanged):
        assert words in told(function)
    assert "the way back to it was cut" in told(by_float)


def test_the_slope_is_none():
    def what_backward_returns(energy_fn, x):
        x = x.detach().double().requires_grad_(True)
        return -energy_fn(x).backward()

    def of_the_energy(energy_fn, x):
        return -energy_fn(x.detach().double().requires_grad_(True)).grad

    for function in (what_backward_returns, of_the_energy):
        assert "`backward()` returns nothing" in told(function)


def test_the_old_x():
    def old(energy_fn, x):
        mine = x.detach().double().requires_grad_(True)
        return -torch.autograd.grad(energy_fn(mine), x)[0]

    def old_of_floats(energy_fn, x):
        mine = x.clone().detach().requires_grad_()
        return -torch.autograd.grad(energy_fn(mine), x)[0]

    for function in (old, old_of_floats):
        assert "with respect to the old x. Hand the same tensor to both" in told(function)


def test_nobody_watches_under_no_grad():
    def unwatched(energy_fn, x):
        x = x.detach().double().requires_grad_(True)
        with torch.no_grad():
            energy = energy_fn(x)
        return -torch.autograd.grad(energy, x)[0]

    assert "`torch.no_grad()`" in told(unwatched)


def test_a_tuple():
    def tuple_of_floats(energy_fn, x):
        x = x.clone().detach().requires_grad_(True)
        return -torch.autograd.grad(energy_fn(x), x)

    def tuple_of_all(energy_fn, x):
        x = x.clone().detach().double().requires_grad_(True)
        gradient = torch.autograd.grad(energy_fn(x), x)
        return -gradient

    def with_its_sign(energy_fn, x):
        x = x.clone().detach().requires_grad_(True)
        return torch.autograd.grad(energy_fn(x), x)

    def times_minus_one(energy_fn, x):
        x = x.clone().detach().double().requires_grad_(True)
        return torch.autograd.grad(energy_fn(x), x) * -1

    for function in (tuple_of_floats, tuple_of_all, with_its_sign, times_minus_one):
        assert "returns a tuple" in told(function)


@pytest.mark.parametrize("h", [1e-2, 1e-4, 1e-6])
def test_a_finite_difference(h):
    def central(energy_fn, x):
        return -(energy_fn(x + h) - energy_fn(x - h)) / (2 * h)

    assert "You divided a difference of energies by a step" in told(central)


def test_a_finite_difference_with_an_unusual_step():
    def central(energy_fn, x):
        return (energy_fn(x - 3e-3) - energy_fn(x + 3e-3)) / 6e-3

    words = told(central)
    assert "E(x) = x^2 - 4213 in single precision" in words and "Expected -4., got" in words


def test_the_energy():
    assert "You returned minus the energy itself" in told(lambda energy_fn, x: -energy_fn(x))


def test_the_formula_of_one_energy():
    assert "First difference" in told(lambda energy_fn, x: -2 * x)  # right for the first cases


def test_the_formula_of_the_lesson():
    source = Path(__file__).parents[2] / "solutions" / "day0_getting_started.py"
    (numbers,) = re.findall(r"^D, a, x_e = ([\d.]+), ([\d.]+), ([\d.]+)", source.read_text("utf-8"), re.MULTILINE)
    D, a, x_e = map(float, numbers)

    def morse(x):
        return D * (1 - torch.exp(-a * (x - x_e))) ** 2 - D

    def by_hand(energy_fn, x):
        y = torch.exp(-a * (x - x_e))
        return -2 * D * a * (1 - y) * y

    def always_morse(energy_fn, x):
        x = x.detach().clone().requires_grad_(True)
        return -torch.autograd.grad(morse(x), x)[0]

    for function in (by_hand, always_morse):
        assert "the force of the Morse curve above, whatever energy is asked about" in told(function)


def test_numpy_in_the_middle():
    def gradient(energy_fn, x):
        r = torch.linspace(float(x) - 1e-3, float(x) + 1e-3, 3)
        return -np.gradient([float(energy_fn(each)) for each in r], r.numpy())[1]

    assert "You divided a difference of energies" in told(gradient)


def test_nothing_yet():
    def empty(energy_fn, x):
        raise NotImplementedError("0.1 force: not written yet")

    outcome = FORCE.examine([empty])
    assert (outcome.kind, outcome.text()[:2]) == ("not attempted", "– ")

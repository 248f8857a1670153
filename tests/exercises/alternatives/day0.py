"""Right answers to the exercise of Day 0, written in other ways than the library's. All of them must pass."""

import torch

from tests.exercises.alternatives import right


def force_by_backward(energy_fn, x):
    x = x.detach().double().requires_grad_()
    energy_fn(x).backward()
    return -x.grad


def force_by_func(V, position):  # other names
    return -torch.func.grad(V)(position.double())


def force_by_jacobian(energy_fn, x):
    return -torch.autograd.functional.jacobian(energy_fn, x.double())


def force_in_single_precision(energy_fn, x):
    y = torch.tensor(float(x), dtype=torch.float32, requires_grad=True)  # a new leaf
    (gradient,) = torch.autograd.grad(energy_fn(y), y)
    return -gradient


def force_of_minus_the_energy(energy_fn, x):
    x = x.clone().detach() * 1.0
    x.requires_grad = True
    return torch.autograd.grad(-energy_fn(x), [x])[0]


def force_as_a_number(energy_fn, x):
    x = x.detach().to(torch.float64).requires_grad_(True)
    energy = energy_fn(x)
    energy.backward(retain_graph=True)
    return -1 * x.grad.item()


def force_forward_mode(energy_fn, x):
    x = x.detach().double()
    return -torch.func.jvp(energy_fn, (x,), (torch.ones_like(x),))[1]


for function in (
    force_by_backward,
    force_by_func,
    force_by_jacobian,
    force_in_single_precision,
    force_of_minus_the_energy,
    force_as_a_number,
    force_forward_mode,
):
    right("0.1", function)

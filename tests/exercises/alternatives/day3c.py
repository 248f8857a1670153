"""Right answers to the exercises of Day 3c, written in other ways than the library's. All of them must pass."""

import itertools
from typing import Any

import numpy as np
import torch
from torch import nn

from course.descriptors.precomputed import recalled
from course.models.behler_parrinello import element_index
from tests.exercises.alternatives import right

# ----------------------------------------------------------------------------------------------------------- 3.9


def standardize_with_numpy(features):
    x = features.numpy()
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread < 0.01] = 1.0
    return (x - mean) / spread, mean, spread


def standardize_by_loop(x):  # another name
    columns, means, spreads = [], [], []
    for column in x.T:
        mean = sum(column.tolist()) / len(column)
        spread = (sum((value - mean) ** 2 for value in column.tolist()) / len(column)) ** 0.5
        spread = spread if spread > 0.01 else 1.0
        columns.append([(value - mean) / spread for value in column.tolist()])
        means.append(mean)
        spreads.append(spread)
    return torch.tensor(columns).T, means, spreads


def standardize_by_moments(features):
    mean = features.mean(0, keepdim=True)
    shifted = features - mean
    spread = shifted.pow(2).mean(0, keepdim=True).sqrt()
    spread = spread.masked_fill(spread <= 0.01, 1)
    return shifted / spread, mean[0], spread[0]


def standardize_in_single_precision(features):
    x = features.float()
    spread, mean = torch.std_mean(x, dim=0, unbiased=False)
    spread[spread <= 1e-2] = 1
    return [(x - mean) / spread, mean, spread]


def standardize_by_var(features):
    spread = features.var(dim=0, unbiased=False) ** 0.5
    ones = torch.ones_like(spread)
    spread = torch.where(spread < 0.01, ones, spread)
    x = features.clone()
    x -= features.mean(axis=0)
    x /= spread
    return x, features.mean(axis=0), spread


for answer in (
    standardize_with_numpy,
    standardize_by_loop,
    standardize_by_moments,
    standardize_in_single_precision,
    standardize_by_var,
):
    right("3.9", answer)

# ---------------------------------------------------------------------------------------------------------- 3.10


class NetworkBySequential(nn.Module):
    def __init__(self, n_features, hidden):
        super().__init__()
        layers, width = [], n_features
        for n in hidden:
            layers += [nn.Linear(width, n), nn.SiLU()]
            width = n
        self.net = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, x_i):
        return self.net(x_i).squeeze(-1)


class NetworkByModuleList(nn.Module):
    def __init__(self, n_in, widths):  # other names
        super().__init__()
        sizes = [n_in, *widths, 1]
        self.linear = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))

    def forward(self, x):
        for layer in self.linear[:-1]:
            x = torch.tanh(layer(x))
        return self.linear[-1](x).flatten()


class NetworkOfMatrices(nn.Module):
    def __init__(self, n_features, hidden):
        super().__init__()
        sizes = [n_features, *hidden, 1]
        pairs = list(itertools.pairwise(sizes))
        self.W = nn.ParameterList(nn.Parameter(torch.randn(a, b) / a**0.5) for a, b in pairs)
        self.b = nn.ParameterList(nn.Parameter(torch.randn(b)) for _, b in pairs)

    def forward(self, x):
        for k, (W, b) in enumerate(zip(self.W, self.b, strict=True)):
            x = x @ W + b
            if k < len(self.W) - 1:
                x = nn.functional.softplus(x)
        return x[:, 0]


class NetworkWithoutLastBias(nn.Sequential):
    def __init__(self, n_features, hidden):
        sizes = [n_features, *hidden]
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(sizes):
            layers.extend((nn.Linear(a, b), nn.GELU()))
        super().__init__(*layers, nn.Linear(sizes[-1], 1, bias=False))

    def forward(self, x_i):
        return super().forward(x_i).reshape(len(x_i))


class NetworkRowByRow(NetworkBySequential):
    def forward(self, x_i):
        energies = [self.net(row)[0] for row in x_i]
        return torch.stack(energies) if energies else x_i.new_zeros(0)


for network in (
    NetworkBySequential,
    NetworkByModuleList,
    NetworkOfMatrices,
    NetworkWithoutLastBias,
    NetworkRowByRow,
):
    right("3.10", network)

# ---------------------------------------------------------------------------------------------------------- 3.11


class Model(nn.Module):
    """What stands in the notebook already."""

    mean: torch.Tensor
    spread: torch.Tensor
    networks: Any

    def __init__(self, descriptor, elements, hidden):
        super().__init__()
        self.descriptor, self.elements, self.cutoff = descriptor, list(elements), descriptor.cutoff
        self.register_buffer("mean", torch.zeros(len(self.elements), descriptor.n_features))
        self.register_buffer("spread", torch.ones(len(self.elements), descriptor.n_features))
        self.networks = nn.ModuleList(NetworkBySequential(descriptor.n_features, hidden) for _ in elements)

    def describe(self, graph):
        x = recalled(graph)
        return self.descriptor(graph) if x is None else x


class ByMask(Model):
    def forward(self, graph):
        x = self.describe(graph)
        E_i = x.new_zeros(graph.n_atoms)
        for k, element in enumerate(self.elements):
            rows = graph.numbers == element
            E_i[rows] = self.networks[k]((x[rows] - self.mean[k]) / self.spread[k])
        return E_i


class AtomByAtom(Model):
    def forward(self, graph):
        x = self.describe(graph)
        energies = []
        for x_i, number in zip(x, graph.numbers.tolist(), strict=True):
            k = self.elements.index(number)
            energies.append(self.networks[k](((x_i - self.mean[k]) / self.spread[k])[None])[0])
        return torch.stack(energies)


class EverybodyEverywhere(Model):
    """All networks for all atoms, and then a choice."""

    def forward(self, graph):
        k = element_index(graph.numbers, self.elements)
        x = (self.describe(graph) - self.mean[k]) / self.spread[k]
        table = torch.stack([network(x) for network in self.networks], dim=1)  # (n_atoms, n_elements)
        return table.gather(1, k[:, None])[:, 0]


class ByOneHot(Model):
    def forward(self, graph):
        x = self.describe(graph)
        E_i = 0
        for k, element in enumerate(self.elements):
            is_element = (graph.numbers == element).to(x.dtype)
            E_i = E_i + is_element * self.networks[k]((x - self.mean[k]) / self.spread[k])
        return E_i


class ByNames(Model):
    """A dictionary of networks."""

    def __init__(self, descriptor, elements, hidden):
        super().__init__(descriptor, elements, hidden)
        self.networks = nn.ModuleDict({str(z): NetworkOfMatrices(descriptor.n_features, hidden) for z in elements})

    def forward(self, graph):
        x = self.describe(graph)
        parts, places = [], []
        for z in graph.numbers.unique().tolist():
            (rows,) = torch.where(graph.numbers == z)
            k = self.elements.index(z)
            parts.append(self.networks[str(z)]((x[rows] - self.mean[k]) / self.spread[k]))
            places.append(rows)
        return torch.cat(parts)[torch.cat(places).argsort()]


for model in (ByMask, AtomByAtom, EverybodyEverywhere, ByOneHot, ByNames):
    right("3.11", model)

# ---------------------------------------------------------------------------------------------------------- 3.12


def forces_by_grad(model, graph):
    positions = graph.positions.clone().requires_grad_()
    E_i = model(graph.moved(positions))
    E = E_i.new_zeros(graph.n_molecules).index_add(0, graph.molecule_index, E_i)
    (gradient,) = torch.autograd.grad(E.sum(), positions, create_graph=True)
    return E, -gradient


def forces_of_all_atoms(model, graph):
    R = graph.positions.detach().requires_grad_(True)
    E_i = model(graph.moved(R))
    F = torch.autograd.grad(-E_i.sum(), R, create_graph=True)[0]
    E = torch.stack([E_i[graph.molecule_index == m].sum() for m in range(graph.n_molecules)])
    return E, F


def forces_molecule_by_molecule(model, graph):
    positions = graph.positions.clone()
    positions.requires_grad = True
    E_i = model(graph.moved(positions))
    E = torch.zeros(graph.n_molecules, dtype=E_i.dtype).scatter_add(0, graph.molecule_index, E_i)
    F = torch.zeros_like(positions)
    for energy in E:
        F = F - torch.autograd.grad(energy, positions, create_graph=True)[0]
    return [E, F]


def forces_by_matrix(model, graph):
    R = graph.positions.clone().requires_grad_()
    E_i = model(graph.moved(R))
    belongs = (torch.arange(graph.n_molecules)[:, None] == graph.molecule_index).to(E_i.dtype)
    E = belongs @ E_i
    (slope,) = torch.autograd.grad(E, R, grad_outputs=torch.ones_like(E), create_graph=True)
    return E, slope.neg()


def forces_by_jacobian(m, g):  # other names
    def energies(R):
        E_i = m(g.moved(R))
        return torch.zeros(g.n_molecules, dtype=E_i.dtype).index_add_(0, g.molecule_index, E_i)

    return energies(g.positions), -torch.autograd.functional.jacobian(energies, g.positions, create_graph=True).sum(0)


for function in (
    forces_by_grad,
    forces_of_all_atoms,
    forces_molecule_by_molecule,
    forces_by_matrix,
    forces_by_jacobian,
):
    right("3.12", function)

# ---------------------------------------------------------------------------------------------------------- 3.13


def loss_by_mean(e, e_ref, f, f_ref, force_weight):
    return torch.mean((e - e_ref) ** 2) + force_weight * torch.mean((f - f_ref) ** 2)


def loss_by_library(e, e_ref, f, f_ref, force_weight):
    return nn.functional.mse_loss(e, e_ref) + force_weight * nn.functional.mse_loss(f, f_ref)


def loss_by_numbers(energy, reference, forces, reference_forces, w):
    energy_part = (energy - reference).pow(2).sum() / energy.numel()
    force_part = (forces - reference_forces).pow(2).sum() / (3 * len(forces))
    return energy_part + w * force_part


def loss_by_norms(e, e_ref, f, f_ref, force_weight):
    return (e - e_ref).norm() ** 2 / len(e) + force_weight * (f - f_ref).norm(dim=1).square().mean() / 3


def loss_in_single_precision(e, e_ref, f, f_ref, force_weight):
    e_part = (e.float() - e_ref.float()).square().mean()
    return e_part + force_weight * (f.float() - f_ref.float()).square().mean()


for loss in (
    loss_by_mean,
    loss_by_library,
    loss_by_numbers,
    loss_by_norms,
    loss_in_single_precision,
):
    right("3.13", loss)

# ---------------------------------------------------------------------------------------------------------- 3.14


def loss_of(model, sample, force_weight):
    E, F = forces_by_grad(model, sample.graph)
    n_atoms = torch.bincount(sample.graph.molecule_index)
    return loss_by_mean(E / n_atoms, sample.energy / n_atoms, F, sample.forces, force_weight)


def epoch_by_list(model, optimizer, batches, force_weight):
    losses = []
    for sample in batches:
        loss = loss_of(model, sample, force_weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


def epoch_cleared_first(model, optimizer, batches, w):
    model.train()
    total = 0.0
    for graph, energy, forces in batches:
        optimizer.zero_grad(set_to_none=True)
        E, F = forces_of_all_atoms(model, graph)
        n_atoms = torch.tensor([int((graph.molecule_index == m).sum()) for m in range(graph.n_molecules)])
        loss = ((E - energy) / n_atoms).pow(2).mean() + w * (F - forces).pow(2).mean()
        loss.backward()
        optimizer.step()
        total += float(loss)
    return total / len(batches)


def epoch_cleared_last(model, optimizer, batches, force_weight):
    optimizer.zero_grad()
    losses = torch.zeros(len(batches))
    for k, sample in enumerate(batches):
        loss = loss_of(model, sample, force_weight)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses[k] = loss.detach()
    return losses.mean()


def epoch_by_closure(model, optimizer, batches, force_weight):
    def one(sample):
        def closure():
            optimizer.zero_grad()
            loss = loss_of(model, sample, force_weight)
            loss.backward()
            return loss

        return optimizer.step(closure).item()

    return np.mean([one(sample) for sample in batches])


def epoch_by_hand(model, optimizer, batches, force_weight):
    """Gradients put in place by hand."""
    losses = []
    for sample in batches:
        loss = loss_of(model, sample, force_weight)
        weights = list(model.parameters())
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses, dtype=torch.float64).mean().item()


for epoch in (epoch_by_list, epoch_cleared_first, epoch_cleared_last, epoch_by_closure, epoch_by_hand):
    right("3.14", epoch)

"""Answers that learners have given to 3.9 to 3.14, and what they are told."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from course.exercises import day3c
from tests.exercises.alternatives.day3c import ByMask, Model, NetworkBySequential, forces_by_grad, loss_by_mean
from tests.exercises.answers import told

# ----------------------------------------------------------------------------------------------------------- 3.9


def test_the_spread_that_torch_gives():
    def standardize(features):
        mean, spread = features.mean(0), features.std(0)
        spread[spread < 0.01] = 1
        return (features - mean) / spread, mean, spread

    assert "divides by n - 1" in told("3.9", standardize)


def test_only_the_features_come_back():
    words = told("3.9", lambda x: (x - x.mean(0)) / x.std(0, correction=0))
    assert "a Tensor" in words and "return x, mean, spread" in words


def test_a_small_number_under_the_fraction():
    def standardize(features):
        mean, spread = features.mean(0), features.std(0, correction=0)
        return (features - mean) / (spread + 1e-6), mean, spread

    words = told("3.9", standardize)
    assert "You add a small number" in words


def test_the_features_of_others_are_changed():
    def standardize(features):
        mean, spread = features.mean(0), features.std(0, correction=0)
        spread = torch.where(spread > 0.01, spread, 1.0)
        features -= mean
        features /= spread
        return features, mean, spread

    assert "changed its input `features` in place" in told("3.9", standardize)


@pytest.mark.parametrize(
    ("spread_of", "words"),
    [
        (lambda x: x.std(dim=0), "divides by n - 1"),  # the first that comes to mind: two mistakes at once
        (lambda x: x.std(dim=0).clamp(min=0.01), "blows the column up"),
        (lambda x: x.std(dim=0, correction=0) + 0.01, "You add 0.01 to every spread"),
    ],
    ids=["torch's, and no guard", "torch's, clamped", "0.01 added"],
)
def test_spreads_that_come_to_mind(spread_of, words):
    assert words in told("3.9", lambda x: ((x - x.mean(dim=0)) / spread_of(x), x.mean(dim=0), spread_of(x)))


def test_brackets_are_forgotten():
    def standardize(features):
        mean, spread = features.mean(dim=0), features.std(dim=0, correction=0)
        spread[spread < 0.01] = 1
        return features / spread - mean, mean, spread

    assert "needs its brackets" in told("3.9", standardize)


def test_a_guard_that_comes_too_late():
    def standardize(features):
        mean, spread = features.mean(dim=0), features.std(dim=0, correction=0)
        x = (features - mean) / spread
        spread[spread < 0.01] = 1
        return x, mean, spread

    assert "x was divided before that" in told("3.9", standardize)


def test_rows_for_columns():
    def standardize(features):
        mean, spread = features.mean(dim=1, keepdim=True), features.std(dim=1, keepdim=True, correction=0)
        spread[spread < 0.01] = 1
        return (features - mean) / spread, mean, spread

    assert "averaged along the rows" in told("3.9", standardize)


def test_quiet_columns_and_the_order_of_the_three():
    def moved(x):
        mean, spread = x.mean(dim=0), x.std(dim=0, correction=0)
        mean = torch.where(spread < 0.01, 0.0, mean)
        spread = torch.where(spread < 0.01, 1.0, spread)
        return (x - mean) / spread, mean, spread

    def silenced(x):
        mean, spread = x.mean(dim=0), x.std(dim=0, correction=0)
        new = torch.where(spread < 0.01, 0.0, (x - mean) / spread)
        return new, mean, torch.where(spread < 0.01, 1.0, spread)

    assert "is shifted like the others" in told("3.9", moved)
    assert "to 0" in told("3.9", silenced)
    assert "yours come as mean, spread, x" in told(
        "3.9", lambda x: (*day3c.standardize(x)[1:], day3c.standardize(x)[0])
    )


# ---------------------------------------------------------------------------------------------------------- 3.10


def network_of(layers: Any, forward: Any = lambda layers, x: layers(x)[:, 0]) -> Any:
    class Network(nn.Module):
        def __init__(self, n_features, hidden):
            super().__init__()
            self.layers = layers(n_features, hidden)

        def forward(self, x_i):
            return forward(self.layers, x_i)

    return Network


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        (lambda n, h: nn.Sequential(nn.Linear(n, h[0]), nn.ReLU(), nn.Linear(h[0], h[1]), nn.ReLU()), "kinks"),
        (
            lambda n, h: nn.Sequential(
                nn.Linear(n, h[0]), nn.SiLU(), *[nn.Linear(h[0], h[0]) for _ in h[1:]], nn.Linear(h[0], 1)
            ),
            "widths of your hidden layers",
        ),
        (lambda n, h: nn.Sequential(nn.Linear(n, h[0]), nn.SiLU(), nn.Linear(h[0], 1)), "hidden layer for each width"),
        (lambda n, h: nn.Sequential(nn.Linear(n, h[0]), nn.Linear(h[0], h[1]), nn.Linear(h[1], 1)), "linear function"),
    ],
    ids=["ReLU to the end", "first width everywhere", "one hidden layer", "no bend"],
)
def test_layers_that_are_not_asked_for(layers, words):
    assert words in told("3.10", network_of(layers)) or "shape" in told("3.10", network_of(layers))


def test_a_column_and_a_sum():
    layers = NetworkBySequential
    assert "a column" in told("3.10", network_of(layers, lambda net, x: net.net(x)))
    assert "one number for all atoms" in told("3.10", network_of(layers, lambda net, x: net(x).sum()))


@pytest.mark.parametrize("how", ["by index", "by name"])
def test_always_two_hidden_layers(how):
    def layers(n_features, hidden):
        first, second = (hidden[0], hidden[1]) if how == "by index" else hidden
        return nn.Sequential(
            nn.Linear(n_features, first), nn.SiLU(), nn.Linear(first, second), nn.SiLU(), nn.Linear(second, 1)
        )

    assert "`hidden` may have any length" in told("3.10", network_of(layers))


def test_super_is_forgotten():
    class Forgotten(nn.Module):
        def __init__(self, n_features, hidden):
            self.layers = nn.Linear(n_features, 1)

    words = told("3.10", Forgotten)
    assert "super().__init__()" in words or "before Module.__init__() call" in words


# ---------------------------------------------------------------------------------------------------------- 3.11


def model_of(forward: Any, base: Any = Model) -> Any:
    return type("BehlerParrinello", (base,), {"forward": forward})


def element_by_element(self, graph):
    x = self.describe(graph)
    return torch.cat(
        [self.networks[k]((x[graph.numbers == z] - self.mean[k]) / self.spread[k]) for k, z in enumerate(self.elements)]
    )


def of_those_present(self, graph):
    x = self.describe(graph)
    E_i = x.new_zeros(graph.n_atoms)
    for k, z in enumerate(graph.numbers.unique()):
        rows = graph.numbers == z
        E_i[rows] = self.networks[k]((x[rows] - self.mean[k]) / self.spread[k])
    return E_i


def scaled_by_itself(self, graph):
    x = self.describe(graph)
    E_i = x.new_zeros(graph.n_atoms)
    for k, z in enumerate(self.elements):
        rows = graph.numbers == z
        if rows.any():
            E_i[rows] = self.networks[k](day3c.standardize(x[rows])[0])
    return E_i


def summed(self, graph):
    return ByMask.forward(self, graph).sum()


def not_scaled(self, graph):
    x = self.describe(graph)
    E_i = x.new_zeros(graph.n_atoms)
    for k, z in enumerate(self.elements):
        E_i[graph.numbers == z] = self.networks[k](x[graph.numbers == z])
    return E_i


def described_again(self, graph):
    x = self.descriptor(graph)
    E_i = x.new_zeros(graph.n_atoms)
    for k, z in enumerate(self.elements):
        rows = graph.numbers == z
        E_i[rows] = self.networks[k]((x[rows] - self.mean[k]) / self.spread[k])
    return E_i


def by_atomic_number(self, graph):
    x = self.describe(graph)
    return torch.stack([self.networks[z](x[i : i + 1])[0] for i, z in enumerate(graph.numbers)])


def mean_of_the_atomic_number(self, graph):
    x = self.describe(graph)
    E_i = x.new_zeros(graph.n_atoms)
    for k, z in enumerate(self.elements):
        rows = graph.numbers == z
        E_i[rows] = self.networks[k]((x[rows] - self.mean[z]) / self.spread[z])
    return E_i


def whole_numbers(self, graph):
    x = self.describe(graph)
    E_i = torch.zeros_like(graph.numbers)
    for k, z in enumerate(self.elements):
        rows = graph.numbers == z
        E_i[rows] = self.networks[k]((x[rows] - self.mean[k]) / self.spread[k])
    return E_i


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (mean_of_the_atomic_number, "The atomic number is not a place"),
        (whole_numbers, "your energies are whole numbers"),
        (element_by_element, "element by element, not atom by atom"),
        (of_those_present, "not by its place among the elements that are present"),
        (scaled_by_itself, "Mean and spread belong to the training data"),
        (summed, "one number for the whole molecule"),
        (not_scaled, "Mean and spread have no influence"),
        (described_again, "Right, but slow"),
        (by_atomic_number, "The atomic number is not a place"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_forward_that_goes_astray(forward, words):
    assert words in told("3.11", model_of(forward))


def test_three_times_the_same_network():
    class Same(ByMask):
        def __init__(self, descriptor, elements, hidden):
            super().__init__(descriptor, elements, hidden)
            self.networks = nn.ModuleList([NetworkBySequential(descriptor.n_features, hidden)] * len(elements))

    assert "one network answers for all" in told("3.11", Same)


def test_networks_in_a_dictionary():
    class InADictionary(Model):
        def __init__(self, descriptor, elements, hidden):
            super().__init__(descriptor, elements, hidden)
            self.networks = None
            self.by_element = {z: NetworkBySequential(descriptor.n_features, hidden) for z in elements}

        def forward(self, graph):
            x = self.describe(graph)
            E_i = x.new_zeros(graph.n_atoms)
            for k, (z, network) in enumerate(self.by_element.items()):
                rows = graph.numbers == z
                E_i[rows] = network((x[rows] - self.mean[k]) / self.spread[k])
            return E_i

    assert "plain Python list or dictionary" in told("3.11", InADictionary)


# ---------------------------------------------------------------------------------------------------------- 3.12


def test_forces_that_are_not_forces():
    def sign(model, graph):
        E, F = forces_by_grad(model, graph)
        return E, -F

    def total(model, graph):
        E, F = forces_by_grad(model, graph)
        return E.sum(), F

    def forgetful(model, graph):
        R = graph.positions.clone().requires_grad_()
        E_i = model(graph.moved(R))
        E = torch.zeros(graph.n_molecules, dtype=E_i.dtype).index_add(0, graph.molecule_index, E_i)
        return E, -torch.autograd.grad(E.sum(), R, retain_graph=True)[0]

    def backward(model, graph):
        R = graph.positions.clone().requires_grad_()
        E_i = model(graph.moved(R))
        E = torch.zeros(graph.n_molecules, dtype=E_i.dtype).index_add(0, graph.molecule_index, E_i)
        E.sum().backward(retain_graph=True)
        return E, -R.grad

    assert "uphill" in told("3.12", sign)
    assert "each molecule has its own energy" in told("3.12", total)
    assert "create_graph=True" in told("3.12", forgetful)
    assert "create_graph=True" in told("3.12", backward)  # the gradient is a number without a past


def forces_of(total: Any, **how: Any) -> Any:
    """Energies and forces with a mistake, written as a learner would."""

    def energy_and_forces(model, graph):
        positions = graph.positions.clone().requires_grad_()
        E_i = model(graph.moved(positions))
        E = total(E_i, graph)
        return E, -torch.autograd.grad(how.get("of", torch.sum)(E), positions, create_graph=how.get("keep", True))[0]

    return energy_and_forces


def right_total(E_i, graph):
    return E_i.new_zeros(graph.n_molecules).index_add(0, graph.molecule_index, E_i)


def added_at_an_index(E_i, graph):
    E = E_i.new_zeros(graph.n_molecules)
    E[graph.molecule_index] += E_i
    return E


def test_the_graph_is_not_kept():
    """Without create_graph the energies cannot be learned from either: their graph is thrown away."""
    assert "create_graph=True" in told("3.12", forces_of(right_total, keep=False))


def test_sums_and_gradients_that_go_astray():
    assert "only the last atom" in told("3.12", forces_of(added_at_an_index))
    assert "Only the first molecule" in told("3.12", forces_of(right_total, of=lambda E: E[0]))
    counted = forces_of(lambda E_i, graph: torch.bincount(graph.molecule_index, weights=E_i))
    assert "autograd cannot follow it" in told("3.12", counted)
    assert "yours come as F, E" in told("3.12", lambda m, g: forces_by_grad(m, g)[::-1])


def test_minus_a_tuple():
    def energy_and_forces(model, graph):
        R = graph.positions.clone().requires_grad_()
        E = right_total(model(graph.moved(R)), graph)
        return E, -torch.autograd.grad(E.sum(), R, create_graph=True)

    assert "returns a tuple" in told("3.12", energy_and_forces)


def test_only_forces_come_back():
    assert "two things are needed, `return E, F`" in told("3.12", lambda m, g: forces_by_grad(m, g)[1])


# ---------------------------------------------------------------------------------------------------------- 3.13


def test_losses():
    assert "third of that" in told(
        "3.13", lambda e, e0, f, f0, w: ((e - e0) ** 2).mean() + w * ((f - f0).norm(dim=1) ** 2).mean()
    )
    assert "`force_weight` multiplies the energy error" in told(
        "3.13", lambda e, e0, f, f0, w: w * ((e - e0) ** 2).mean() + ((f - f0) ** 2).mean()
    )


def test_losses_from_which_nothing_is_learned():
    assert "nothing can be learned from it" in told("3.13", lambda *args: loss_by_mean(*args).item())
    assert "nothing can be learned from it" in told("3.13", lambda *args: loss_by_mean(*args).detach())
    assert "numpy cannot be differentiated" in told(
        "3.13",
        lambda e, e0, f, f0, w: np.mean((e.numpy() - e0.numpy()) ** 2) + w * np.mean((f.numpy() - f0.numpy()) ** 2),
    )


def test_other_losses():
    assert "multiplies both errors" in told(
        "3.13", lambda e, e0, f, f0, w: w * (((e - e0) ** 2).mean() + ((f - f0) ** 2).mean())
    )
    assert "lengths of the force errors" in told(
        "3.13", lambda e, e0, f, f0, w: ((e - e0) ** 2).mean() + w * torch.linalg.norm(f - f0, dim=1).mean()
    )
    assert "the shape (1, 3)" in told("3.13", lambda e, e0, f, f0, w: ((e - e0) ** 2).mean() + w * (f - f0) ** 2)


# ---------------------------------------------------------------------------------------------------------- 3.14


def epoch_of(after_the_loss: Any, report: Any = lambda losses: sum(losses) / len(losses), at_the_end: str = "") -> Any:
    """An epoch that does these things after each loss; `at_the_end` after the last one."""

    def train_epoch(model, optimizer, batches, force_weight):
        do = {"clear": optimizer.zero_grad, "step": optimizer.step}
        losses = []
        for sample in batches:
            E, F = forces_by_grad(model, sample.graph)
            n = torch.bincount(sample.graph.molecule_index)
            loss = loss_by_mean(E / n, sample.energy / n, F, sample.forces, force_weight)
            for name in after_the_loss:
                loss.backward() if name == "backward" else do[name]()
            losses.append(loss)
        if at_the_end:
            do[at_the_end]()
        return report([loss.item() for loss in losses] if report is not stacked else losses)

    return train_epoch


def stacked(losses):
    return sum(losses) / len(losses)


def test_epochs_that_go_astray():
    in_order = ("clear", "backward", "step")
    assert "still remembers how each loss was made" in told("3.14", epoch_of(in_order, stacked))
    assert "of 1 losses; return their mean" in told("3.14", epoch_of(in_order, list))
    assert "one step, with the gradients of the last batch" in told("3.14", epoch_of(in_order[:2], at_the_end="step"))


def test_an_epoch_that_clears_once():
    def train_epoch(model, optimizer, batches, force_weight):
        optimizer.zero_grad()
        return epoch_of(("backward", "step"))(model, optimizer, batches, force_weight)

    assert "once, before the loop" in told("3.14", train_epoch)


def test_an_epoch_that_returns_too_early():
    def train_epoch(model, optimizer, batches, force_weight):
        for sample in batches:
            E, F = forces_by_grad(model, sample.graph)
            n = torch.bincount(sample.graph.molecule_index)
            loss = loss_by_mean(E / n, sample.energy / n, F, sample.forces, force_weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

    assert "`return` stands inside the loop" in told("3.14", train_epoch)


def test_an_epoch_on_energies_of_molecules():
    def train_epoch(model, optimizer, batches, force_weight):
        total = 0.0
        for sample in batches:
            E, F = forces_by_grad(model, sample.graph)
            loss = loss_by_mean(E, sample.energy, F, sample.forces, force_weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        return total / len(batches)

    assert "bincount" in told("3.14", train_epoch)


@pytest.mark.parametrize("retain", [None, True], ids=["as it is", "retain_graph"])
def test_an_epoch_whose_forces_forget_how_they_came_about(retain):
    def forces(model, graph):
        R = graph.positions.clone().requires_grad_()
        e = model(graph.moved(R))
        (gradient,) = torch.autograd.grad(e.sum(), R, retain_graph=retain)
        return torch.stack([e[graph.molecule_index == k].sum() for k in range(graph.n_molecules)]), -gradient

    def train_epoch(model, optimizer, batches, force_weight):
        losses = []
        for sample in batches:
            E, F = forces(model, sample.graph)
            n = torch.bincount(sample.graph.molecule_index)
            loss = loss_by_mean(E / n, sample.energy / n, F, sample.forces, force_weight)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)

    words = told("3.14", train_epoch)
    assert "create_graph=True" in words and ("torch proposes" in words) == (retain is None)


def test_energies_that_are_cut_into_equal_molecules():
    def equal_molecules(model, graph):
        R = graph.positions.clone().requires_grad_()
        e = model(graph.moved(R))
        E = e.reshape(graph.n_molecules, -1).sum(dim=1)
        return E, -torch.autograd.grad(E.sum(), R, create_graph=True)[0]

    words = told("3.12", equal_molecules)
    assert "with two molecules: RuntimeError" in words and "is invalid for input of size" in words


def test_a_network_that_autograd_cannot_follow():
    class Cut(NetworkBySequential):
        def forward(self, x):
            with torch.no_grad():
                return super().forward(x)

    assert "`torch.no_grad`" in told("3.10", Cut)


def test_a_network_in_place_of_its_class():
    assert "Hand over the class itself" in told("3.10", NetworkBySequential(3, (4,)))

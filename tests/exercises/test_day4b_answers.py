"""Answers that learners have given to 4.7 to 4.12, and what they are told."""

from typing import Any

import pytest
import torch
from torch import nn

from course.graph import Graph
from course.models.message_passing import ContinuousFilter, ResidualUpdate, accumulate, initial_features, perceptron
from course.radial import cosine_cutoff, gaussian_basis, radial_grid
from tests.exercises.answers import outcome_of, told


def accepted(id: str, function: Any) -> bool:
    outcome = outcome_of(id, function)
    assert outcome.kind == "correct", outcome.text()
    return True


# ----------------------------------------------------------------------------------------------------------- 4.7


class Message(nn.Module):
    """The statement's message, in methods that a slip can override."""

    def __init__(self, n_f, n_e, n_m):
        super().__init__()
        self.who = nn.Sequential(nn.Linear(2 * n_f, n_m), nn.SiLU(), nn.Linear(n_m, n_m))
        self.where = nn.Linear(n_e, n_m)

    def forward(self, x_j, x_i, e_ij):
        return self.who(torch.cat([x_j, x_i], dim=1)) * self.where(e_ij)


def test_who_plus_where():
    class Sum(Message):
        def forward(self, x_j, x_i, e_ij):
            return self.who(torch.cat([x_j, x_i], dim=1)) + self.where(e_ij)

    class InTwoHalves(Message):
        def forward(self, x_j, x_i, e_ij):
            m = super().forward(x_i, x_i, e_ij)
            return m + self.who(torch.cat([x_j, x_i], dim=1))

    class SumThenBent(Sum):
        def forward(self, x_j, x_i, e_ij):
            return torch.tanh(super().forward(x_j, x_i, e_ij))

    assert accepted("4.7", Message) and accepted("4.7", SumThenBent)
    for slip in (Sum, InTwoHalves):
        assert "forgets who sat where" in told("4.7", slip)


class EdgeNetwork(nn.Module):
    """Gilmer's message: the edge makes a matrix, which acts on the speaker and the listener."""

    def __init__(self, n_f, n_e, n_m, guess=False):
        super().__init__()
        self.shape, self.guess = (n_m, 2 * n_f), guess
        self.matrix = nn.Sequential(nn.Linear(n_e, 16), nn.SiLU(), nn.Linear(16, n_m * 2 * n_f))

    def forward(self, x_j, x_i, e_ij):
        n_m = -1 if self.guess else self.shape[0]
        A = self.matrix(e_ij).reshape(len(e_ij), n_m, self.shape[1])
        return torch.einsum("emf,ef->em", A, torch.cat([x_j, x_i], dim=1))


def test_a_reshape_that_cannot_guess_without_edges():
    assert accepted("4.7", EdgeNetwork)
    words = told("4.7", lambda n_f, n_e, n_m: EdgeNetwork(n_f, n_e, n_m, guess=True))
    assert "A graph may have no edges" in words and "write the number" in words


class PlainTensor(Message):
    def __init__(self, n_f, n_e, n_m):
        super().__init__(n_f, n_e, n_m)
        del self.where
        self.W = torch.randn(n_e, n_m)

    def forward(self, x_j, x_i, e_ij):
        return self.who(torch.cat([x_j, x_i], dim=1)) * (e_ij @ self.W)


class Wrapped(PlainTensor):
    def __init__(self, n_f, n_e, n_m):
        super().__init__(n_f, n_e, n_m)
        W = self.W
        del self.W
        self.W = nn.Parameter(W)
        self.factor = torch.ones(())  # a constant may be a plain tensor


def test_weights_that_are_a_plain_tensor():
    assert accepted("4.7", Wrapped)
    assert "nn.Parameter(torch.randn(...))" in told("4.7", PlainTensor)
    assert "nn.Parameter(torch.randn(...))" in told("4.10", network(PlainTensor))


# --------------------------------------------------------------------------------------------------- 4.8 and 4.9


def test_praise_is_true_for_an_update_that_does_not_keep():
    class Replaced(ResidualUpdate):
        def forward(self, M_i, x_i):
            return super().forward(M_i, x_i) - x_i

    outcome = outcome_of("4.8", Replaced)
    assert outcome.kind == "correct" and "keep" not in outcome.text()


def test_a_readout_without_its_last_axis():
    class Row(nn.Module):
        def __init__(self, n_f):
            super().__init__()
            self.network = perceptron(n_f, n_f, 1)

        def forward(self, x_i):
            return self.network(x_i).squeeze(1)

    assert "it is (n_atoms,), and (n_atoms, 1) was asked for" in told("4.9", Row)


# ---------------------------------------------------------------------------------------------------------- 4.10


class Network(nn.Module):
    """The statement's network, in methods that a slip can override."""

    message: Any = ContinuousFilter

    def __init__(self, elements, n_f, n_e, n_m, T, cutoff):
        super().__init__()
        self.elements, self.n_f, self.T, self.cutoff = list(elements), n_f, T, cutoff
        self.centers, self.eta = radial_grid(cutoff, n_e)
        self.messages = nn.ModuleList(self.message(n_f, n_e, n_m) for _ in range(T))
        self.updates = nn.ModuleList(ResidualUpdate(n_f, n_m) for _ in range(T))
        self.readout = perceptron(n_f, n_f, 1)

    def forward(self, graph):
        e_ij = gaussian_basis(self.distances(graph), self.centers, self.eta)
        x_i = self.start(graph)
        for f_m, f_U in self.rounds():
            m_ji = f_m(x_i[graph.senders], x_i[graph.receivers], e_ij) * self.fade(graph.distances)[:, None]
            x_i = f_U(self.collect(m_ji, graph), x_i)
        return self.energies(x_i)

    def start(self, graph):
        return initial_features(graph.numbers, self.elements, self.n_f, graph.distances.dtype)

    def distances(self, graph):
        return graph.distances

    def rounds(self):
        return zip(self.messages, self.updates, strict=True)

    def fade(self, r_ij):
        return cosine_cutoff(r_ij, self.cutoff)

    def collect(self, m_ji, graph):
        return accumulate(m_ji, graph.receivers, graph.n_atoms)

    def energies(self, x_i):
        return self.readout(x_i)[:, 0]


def network(message):
    return type("MPNN", (Network,), {"message": message})


class SinglePrecision(Network):
    def start(self, graph):
        return initial_features(graph.numbers, self.elements, self.n_f)


class FixedPrecision(Network):
    def start(self, graph):
        return initial_features(graph.numbers, self.elements, self.n_f, torch.float32)


class DetachedBasis(Network):
    def distances(self, graph):
        return graph.distances.detach()


class NumpyBasis(Network):
    def distances(self, graph):
        return torch.from_numpy(graph.distances.detach().numpy())


class Sigmoid(Network):
    def energies(self, x_i):
        return super().energies(x_i).sigmoid()


class OwnElements(Network):
    def start(self, graph):
        return initial_features(graph.numbers, [1, 6, 8], self.n_f, graph.distances.dtype)


class OwnElementsByHand(Network):
    def start(self, graph):
        x_i = torch.zeros(graph.n_atoms, self.n_f, dtype=graph.distances.dtype)
        for column, element in enumerate([1, 6, 8]):
            x_i[graph.numbers == element, column] = 1
        return x_i


class FirstRoundLeftOut(Network):
    def rounds(self):
        return list(super().rounds())[1:]


class OwnCutoff(Network):
    def fade(self, r_ij):
        return cosine_cutoff(r_ij, 5.0)


class LastMessage(Network):
    def collect(self, m_ji, graph):
        M_i = torch.zeros(graph.n_atoms, m_ji.shape[1], dtype=m_ji.dtype)
        M_i[graph.receivers] += m_ji
        return M_i


class ReLUMessage(Message):
    def __init__(self, n_f, n_e, n_m):
        super().__init__(n_f, n_e, n_m)
        self.who = nn.Sequential(nn.Linear(2 * n_f, n_m), nn.ReLU(), nn.Linear(n_m, n_m))


class Shared(Network):
    def __init__(self, elements, n_f, n_e, n_m, T, cutoff):
        super().__init__(elements, n_f, n_e, n_m, min(T, 1), cutoff)
        self.T = T

    def rounds(self):
        return list(super().rounds()) * self.T


@pytest.mark.parametrize("right", [Network, network(Message), network(Wrapped), Shared])
def test_right_networks(right):
    assert accepted("4.10", right)


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        (SinglePrecision, "Your model works in one precision only"),
        (FixedPrecision, "Your model works in one precision only"),
        (DetachedBasis, "The forces are not the slope of the energy"),
        (NumpyBasis, "The forces are not the slope of the energy"),
        (Sigmoid, "your energies stay on one side or within bounds"),
        (OwnElements, "your list of elements is fixed"),
        (OwnElementsByHand, "your list of elements is fixed"),
        (FirstRoundLeftOut, "does the first round not run?"),
        (OwnCutoff, "not `self.cutoff`?"),
        (LastMessage, "Only the last message to each atom is left"),
        (network(ReLUMessage), "there is a ReLU"),
    ],
)
def test_slips_in_the_network(slip, words):
    assert words in told("4.10", slip)


# ---------------------------------------------------------------------------------------------------------- 4.11


def batch(graphs, exchanged=False, in_place=False, index=torch.full, end=Graph):
    senders, receivers, molecule_index, start = [], [], [], 0
    for m, graph in enumerate(graphs):
        j, i = graph.senders, graph.receivers
        if in_place:
            j += start
            i.add_(start)
        else:
            j, i = j + start, i + start
        senders.append(j)
        receivers.append(i)
        molecule_index.append(index((graph.n_atoms,), m))
        start += graph.n_atoms
    ends = (receivers, senders) if exchanged else (senders, receivers)
    parts = [[g.numbers for g in graphs], [g.positions for g in graphs], *ends, molecule_index]
    return end(*[torch.cat(part) for part in parts], len(graphs))


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"exchanged": True}, "Senders and receivers are exchanged"),
        ({"in_place": True}, "changed its input in place"),
        ({"index": lambda shape, m: torch.ones(shape) * m}, "an index must be an integer"),
        ({"end": lambda *parts: parts}, "returned a tuple, not a graph: `return course.Graph("),
    ],
)
def test_slips_in_a_batch(slip, words):
    assert accepted("4.11", lambda graphs: batch(graphs))
    assert words in told("4.11", lambda graphs: batch(graphs, **slip))


def test_an_input_changed_in_place_beside_another_slip():
    def also_from_one(graphs):
        graph = batch(graphs, in_place=True)
        return Graph(graph.numbers, graph.positions, graph.senders, graph.receivers, graph.molecule_index + 1, 1)

    assert "changed its input `graphs` in place" in told("4.11", also_from_one)


# ---------------------------------------------------------------------------------------------------------- 4.12


def train_step(
    energy=lambda E, E_ref, N: (((E - E_ref) / N) ** 2).mean(),
    force=lambda F, F_ref, w: w * ((F - F_ref) ** 2).mean(),
    lines=("zero_grad", "backward", "step"),
    mode=True,
    back=lambda loss: loss.item(),
):
    """The statement's step, with a slip."""

    def mine(potential, optimizer, sample, force_weight):
        potential.train(mode)
        prediction = potential(sample.graph)
        N = torch.bincount(sample.graph.molecule_index)
        loss = energy(prediction.energy, sample.energy, N) + force(prediction.forces, sample.forces, force_weight)
        for line in lines:
            {"zero_grad": optimizer.zero_grad, "backward": loss.backward, "step": optimizer.step}[line]()
        return back(loss)

    return mine


def test_right_steps():
    assert accepted("4.12", train_step())
    assert accepted("4.12", train_step(back=float))
    assert accepted("4.12", train_step(lines=("backward", "step", "zero_grad")))


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ({"lines": ("zero_grad", "step")}, "Is `loss.backward()` there"),
        ({"lines": ("zero_grad", "step", "backward")}, "`loss.backward()` there, and `optimizer.step()` after it"),
        ({"lines": ("step", "zero_grad", "backward")}, "`loss.backward()` comes after `optimizer.step()`"),
        ({"mode": False}, "Begin with `potential.train()`, not with `potential.eval()`"),
        ({"energy": lambda E, E_ref, N: (((E - E_ref) / N.sum()) ** 2).mean()}, "atoms of the whole batch"),
        ({"energy": lambda E, E_ref, N: ((E - E_ref) ** 2 / N).mean()}, "It stands inside the square"),
        ({"energy": lambda E, E_ref, N: ((E / N - E_ref) ** 2).mean()}, "not the reference"),
        ({"energy": lambda E, E_ref, N: ((E - E_ref / N) ** 2).mean()}, "Look at the brackets"),
        ({"energy": lambda E, E_ref, N: (((E - E_ref) / N) ** 2).sum()}, "energy error is a sum over the molecules"),
        ({"energy": lambda E, E_ref, N: 0}, "The energies play no part"),
        ({"force": lambda F, F_ref, w: w * ((F - F_ref) ** 2).sum()}, "force error is a sum over all components"),
        ({"force": lambda F, F_ref, w: ((w * (F - F_ref)) ** 2).mean()}, "`force_weight` is squared"),
        ({"force": lambda F, F_ref, w: w * ((F.detach() - F_ref) ** 2).mean()}, "they were cut off by `detach`"),
        (
            {
                "energy": lambda E, E_ref, N: (((E - E_ref) / N) ** 2).mean() ** 0.5,
                "force": lambda F, F_ref, w: w * ((F - F_ref) ** 2).mean() ** 0.5,
            },
            "root of the mean squares",
        ),
        ({"back": lambda loss: loss}, "`return loss.item()`"),
        ({"back": lambda loss: loss, "force": lambda F, F_ref, w: 0}, "The forces play no part"),
    ],
)
def test_slips_in_a_step(slip, words):
    assert words in told("4.12", train_step(**slip))

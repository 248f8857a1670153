"""Right answers to the exercises of Day 4, written in other ways than the library's. All of them must pass."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ase.neighborlist
import numpy as np
import torch
from ase import Atoms
from torch import nn

from course.graph import Graph
from course.models.message_passing import accumulate, perceptron
from course.radial import bessel_basis, cosine_cutoff, gaussian_basis, polynomial_cutoff, radial_grid
from tests.exercises.alternatives import right

answer: Any


# ----------------------------------------------------------------------------------------------------------- 4.1


def graph_by_loop(positions, cutoff):
    senders, receivers = [], []
    for i in range(len(positions)):
        for j in range(len(positions)):
            if i != j and torch.linalg.norm(positions[j] - positions[i]) < cutoff:
                senders.append(j)
                receivers.append(i)
    return senders, receivers  # two lists, sometimes empty


def graph_by_cdist(R, r_c):  # other names
    near = torch.cdist(R, R, compute_mode="donot_use_mm_for_euclid_dist") < r_c
    near.fill_diagonal_(False)
    return near.nonzero().T  # one tensor (2, n_edges)


def graph_with_numpy(positions, cutoff):
    R = positions.numpy()
    r = np.sqrt(((R[:, None] - R[None]) ** 2).sum(-1))
    np.fill_diagonal(r, np.inf)
    return np.nonzero(r < cutoff)


def graph_in_single_precision(positions, cutoff):
    R = positions.float()
    r2 = ((R[:, None, :] - R[None, :, :]) ** 2).sum(dim=2)
    i, j = torch.where((r2 < cutoff**2) & (r2 > 0))
    return j.flip(0), i.flip(0)  # another order


def graph_half_then_double(positions, cutoff):
    pairs = torch.combinations(torch.arange(len(positions)), 2)
    r = (positions[pairs[:, 0]] - positions[pairs[:, 1]]).norm(dim=1)
    pairs = pairs[r < cutoff]
    return torch.cat([pairs[:, 0], pairs[:, 1]]), torch.cat([pairs[:, 1], pairs[:, 0]])


def graph_by_ase(positions, cutoff):
    i, j = ase.neighborlist.neighbor_list("ij", Atoms(f"H{len(positions)}", positions.numpy()), float(cutoff) - 1e-9)
    return j, i


for answer in (
    graph_by_loop,
    graph_by_cdist,
    graph_with_numpy,
    graph_in_single_precision,
    graph_half_then_double,
    graph_by_ase,
):
    right("4.1", answer)

# ----------------------------------------------------------------------------------------------------------- 4.2


def features_by_loop(numbers, elements, n_f):
    x = torch.zeros(len(numbers), n_f)
    for i, number in enumerate(numbers):
        x[i, elements.index(number)] = 1
    return x


def features_by_comparison(Z, known, width):  # other names
    x = torch.zeros(len(Z), width, dtype=torch.float64)
    x[:, : len(known)] = (Z[:, None] == torch.tensor(known)[None, :]).double()
    return x


def features_as_lists(numbers, elements, n_f):
    return [[float(k < len(elements) and elements[k] == z) for k in range(n_f)] for z in numbers.tolist()]


def features_with_numpy(numbers, elements, n_f):
    x = np.zeros((len(numbers), n_f), dtype=np.float32)
    x[np.arange(len(numbers)), [elements.index(int(z)) for z in numbers]] = 1
    return x


def features_by_one_hot(numbers, elements, n_f):
    columns = torch.argmax((numbers[:, None] == torch.tensor(elements)).int(), dim=1)
    return nn.functional.one_hot(columns, n_f).to(torch.get_default_dtype())


def features_by_identity(numbers, elements, n_f):
    return torch.eye(n_f)[[elements.index(z) for z in numbers.tolist()]]


for answer in (
    features_by_loop,
    features_by_comparison,
    features_as_lists,
    features_with_numpy,
    features_by_one_hot,
    features_by_identity,
):
    right("4.2", answer)

# ----------------------------------------------------------------------------------------------------------- 4.3


def edges_by_loop(distances, n_e, cutoff):
    eta = (n_e / cutoff) ** 2
    e = torch.zeros(len(distances), n_e)
    for row, r in enumerate(distances.tolist()):
        for k in range(n_e):
            R_k = k * cutoff / (n_e - 1) if n_e > 1 else 0
            f_c = 0.5 * (np.cos(np.pi * r / cutoff) + 1) if r < cutoff else 0
            e[row, k] = np.exp(-eta * (r - R_k) ** 2) * f_c
    return e


def edges_with_numpy(d, n, r_c):  # other names
    r = np.asarray(d, dtype=float)[:, None]
    gaussians = np.exp(-((n / r_c) ** 2) * (r - np.linspace(0, r_c, n)) ** 2)
    return gaussians * np.where(r < r_c, np.cos(np.pi * r / r_c / 2) ** 2, 0)


def edges_in_single_precision(distances, n_e, cutoff):
    r = distances.float().unsqueeze(1)
    e = torch.exp(-((n_e / cutoff) ** 2) * (r - torch.linspace(0, cutoff, n_e)) ** 2)
    return e * (0.5 * (torch.cos(torch.pi * r / cutoff) + 1) * (r < cutoff))


def edges_by_clamping(distances, n_e, cutoff):
    f_c = 0.5 + 0.5 * torch.cos(torch.pi * (distances / cutoff).clamp(max=1))
    return f_c[:, None] * gaussian_basis(distances, *radial_grid(cutoff, n_e))


def edges_masked(distances, n_e, cutoff):
    e = gaussian_basis(distances, *radial_grid(cutoff, n_e)) * (torch.cos(np.pi * distances / cutoff)[:, None] + 1) / 2
    e[distances >= cutoff] = 0
    return e


def edges_in_columns(distances, n_e, cutoff):
    centers, eta = radial_grid(cutoff, n_e)
    f_c = cosine_cutoff(distances, cutoff)
    return torch.stack([torch.exp(-eta * (distances - R_k) ** 2) * f_c for R_k in centers], dim=1)


for answer in (
    edges_by_loop,
    edges_with_numpy,
    edges_in_single_precision,
    edges_by_clamping,
    edges_masked,
    edges_in_columns,
):
    right("4.3", answer)

# ----------------------------------------------------------------------------------------------------------- 4.4


def concat_by_hstack(a, b, e):  # other names
    return torch.hstack((a, b, e))


def concat_with_numpy(x_j, x_i, e_ij):
    return np.concatenate([x_j, x_i, e_ij], axis=-1)


def concat_by_slices(x_j, x_i, e_ij):
    n_f, n_e = x_j.shape[1], e_ij.shape[1]
    m = torch.zeros(len(x_j), 2 * n_f + n_e)
    m[:, :n_f], m[:, n_f : 2 * n_f], m[:, 2 * n_f :] = x_j, x_i, e_ij
    return m


def concat_by_rows(x_j, x_i, e_ij):
    rows = [torch.cat(parts).float() for parts in zip(x_j, x_i, e_ij, strict=True)]
    return torch.stack(rows) if rows else torch.zeros(0, 2 * x_j.shape[1] + e_ij.shape[1])


def concat_by_transposes(x_j, x_i, e_ij):
    return torch.cat([x_j.T, x_i.T, e_ij.T]).T


def outer_by_einsum(a, b, e):
    return torch.einsum("af,ak->afk", a, e).flatten(start_dim=1)


def outer_with_numpy(x_j, x_i, e_ij):
    return np.einsum("af,ak->afk", x_j, e_ij).reshape(len(x_j), x_j.shape[1] * e_ij.shape[1])


def outer_by_loop(x_j, x_i, e_ij):
    n_f, n_e = x_j.shape[1], e_ij.shape[1]
    m = torch.zeros(len(x_j), n_f * n_e)
    for f in range(n_f):
        for k in range(n_e):
            m[:, f * n_e + k] = x_j[:, f] * e_ij[:, k]
    return m


def outer_by_repeating(x_j, x_i, e_ij):
    return x_j.repeat_interleave(e_ij.shape[1], dim=1).float() * e_ij.repeat(1, x_j.shape[1]).float()


def outer_by_matmul(x_j, x_i, e_ij):
    return (x_j.unsqueeze(2) @ e_ij.unsqueeze(1)).reshape(x_j.shape[0], x_j.shape[1] * e_ij.shape[1])


def matrix_by_einsum(a, b, e):
    return torch.einsum("amf,af->am", e.reshape(len(e), e.shape[1] // a.shape[1], a.shape[1]), a)


def matrix_with_numpy(x_j, x_i, e_ij):
    n_f = x_j.shape[1]
    A = np.asarray(e_ij).reshape(len(e_ij), e_ij.shape[1] // n_f, n_f)
    return (A * np.asarray(x_j)[:, None, :]).sum(axis=2)


def matrix_by_loop(x_j, x_i, e_ij):
    n_f = x_j.shape[1]
    m = torch.zeros(len(x_j), e_ij.shape[1] // n_f)
    for row in range(m.shape[1]):
        for f in range(n_f):
            m[:, row] += e_ij[:, row * n_f + f] * x_j[:, f]
    return m


def matrix_in_single_precision(x_j, x_i, e_ij):
    A = e_ij.float().unflatten(1, (e_ij.shape[1] // x_j.shape[1], x_j.shape[1]))
    return torch.bmm(A, x_j.float()[:, :, None])[..., 0]


def matrix_summed_backwards(x_j, x_i, e_ij):
    A = e_ij.view(e_ij.shape[0], e_ij.shape[1] // x_j.shape[1], x_j.shape[1])
    return (A.flip(2) * x_j.flip(1).unsqueeze(1)).sum(-1)


right("4.4", concat_by_hstack, outer_by_einsum, matrix_by_einsum)
right("4.4", concat_with_numpy, outer_with_numpy, matrix_with_numpy)
right("4.4", concat_by_slices, outer_by_loop, matrix_by_loop)
right("4.4", concat_by_rows, outer_by_repeating, matrix_in_single_precision)
right("4.4", concat_by_transposes, outer_by_matmul, matrix_summed_backwards)

# ----------------------------------------------------------------------------------------------------------- 4.5


def sum_by_loop(messages, receivers, n_atoms):
    bundles = torch.zeros(n_atoms, messages.shape[1])
    for message, i in zip(messages, receivers, strict=True):
        bundles[i] += message
    return bundles


def sum_with_numpy(m, r, n):  # other names
    bundles = np.zeros((n, m.shape[1]))
    np.add.at(bundles, r.numpy(), m.numpy())
    return bundles


def sum_by_matrix(messages, receivers, n_atoms):
    arrives = nn.functional.one_hot(receivers, n_atoms).T.float()
    return arrives @ messages.float()


def sum_by_masks(messages, receivers, n_atoms):
    return torch.stack([messages[receivers == i].flip(0).sum(dim=0) for i in range(n_atoms)])


def sum_by_scatter(messages, receivers, n_atoms):
    index = receivers[:, None].expand(-1, messages.shape[1])
    return messages.new_zeros(n_atoms, messages.shape[1]).scatter_add(0, index, messages)


def sum_by_index_put(messages, receivers, n_atoms):
    bundles = torch.zeros((n_atoms, messages.shape[1]), dtype=messages.dtype)
    return bundles.index_put_((receivers,), messages, accumulate=True)


for answer in (sum_by_loop, sum_with_numpy, sum_by_matrix, sum_by_masks, sum_by_scatter, sum_by_index_put):
    right("4.5", answer)

# ----------------------------------------------------------------------------------------------------------- 4.6


def rounds_written_out(x, graph, f_m, f_U, T):
    t = 0
    while t < T:
        t += 1
        x_j, x_i = x[graph.senders], x[graph.receivers]
        m_ji = f_m(x_j, x_i, graph.e_ij)
        x = f_U(sum_by_matrix(m_ji.double(), graph.receivers, graph.n_atoms), x)
    return x


def rounds_recursively(features, g, message, update, rounds):  # other names
    if rounds == 0:
        return features
    m = message(features[g.senders], features[g.receivers], g.e_ij)
    return rounds_recursively(update(accumulate(m, g.receivers, g.n_atoms), features), g, message, update, rounds - 1)


def rounds_edge_by_edge(x, graph, f_m, f_U, T):
    for _ in range(T):
        M = None
        for e in range(graph.n_edges):
            j, i = graph.senders[e], graph.receivers[e]
            m = f_m(x[j][None], x[i][None], graph.e_ij[e][None])
            M = torch.zeros(graph.n_atoms, m.shape[1], dtype=m.dtype) if M is None else M
            M[i] += m[0]
        if M is None:
            M = accumulate(f_m(x[:0], x[:0], graph.e_ij[:0]), graph.receivers, graph.n_atoms)
        x = f_U(M, x)
    return x


def rounds_in_single_precision(x, graph, f_m, f_U, T):
    x = x.float()
    for _ in range(T):
        m = f_m(x[graph.senders], x[graph.receivers], graph.e_ij.float())
        x = f_U(accumulate(m, graph.receivers, graph.n_atoms), x)
    return x


def rounds_in_a_copy(x, graph, f_m, f_U, T):
    x = x.clone()
    order = torch.randperm(graph.n_edges)  # edges have no order
    senders, receivers, e_ij = graph.senders[order], graph.receivers[order], graph.e_ij[order]
    for _ in range(T):
        x[:] = f_U(accumulate(f_m(x[senders], x[receivers], e_ij), receivers, len(x)), x)
    return x


for answer in (
    rounds_written_out,
    rounds_recursively,
    rounds_edge_by_edge,
    rounds_in_single_precision,
    rounds_in_a_copy,
):
    right("4.6", answer)

# ------------------------------------------------------------------------------------------------------ 4.7 to 4.9


class Built(nn.Module):
    """A module made by two functions."""

    build: Callable[..., nn.Module]
    use: Callable[..., torch.Tensor]

    def __init__(self, *sizes):
        super().__init__()
        self.parts = type(self).build(*sizes)

    def forward(self, *inputs):
        return type(self).use(self.parts, *inputs)


def built(build, use):
    return type("Built", (Built,), {"build": staticmethod(build), "use": staticmethod(use)})


def cat(*x):
    return torch.cat(x, dim=-1)


right(
    "4.7",
    built(
        lambda f, e, m: nn.ModuleDict({"who": perceptron(2 * f, m, m), "where": nn.Linear(e, m)}),
        lambda p, x_j, x_i, e: p["who"](cat(x_j, x_i)) * p["where"](e),
    ),
)
right("4.7", built(lambda f, e, m: perceptron(2 * f + e, 32, 32, m), lambda p, x_j, x_i, e: p(cat(e, x_i, x_j))))
right(
    "4.7",
    built(
        lambda f, e, m: nn.Sequential(nn.Linear(2 * f + e, m), nn.Tanh(), nn.LayerNorm(m), nn.Linear(m, m)),
        lambda p, x_j, x_i, e: p(cat(x_j, x_i, e)),
    ),
)
right(
    "4.7",
    built(
        lambda f, e, m: nn.ModuleList([perceptron(e, 8, m), nn.Linear(f, m, bias=False), nn.Linear(f, m)]),
        lambda p, x_j, x_i, e: p[0](e) * (p[1](x_j) + p[2](x_i)),
    ),
)
right("4.7", built(lambda f, e, m: nn.Bilinear(2 * f, e, m), lambda p, x_j, x_i, e: p(cat(x_j, x_i), e)))
right(
    "4.7",
    built(
        lambda f, e, m: nn.Sequential(nn.Linear(2 * f + e, 20), nn.GELU(), nn.Linear(20, m), nn.Softplus()),
        lambda p, x_j, x_i, e: p(cat(x_j, x_i, e)),
    ),
)

right("4.8", built(lambda f, m: perceptron(m + f, f, f), lambda p, M, x: x + p(cat(M, x))))
right("4.8", built(lambda f, m: perceptron(m + f, 32, f), lambda p, M, x: p(cat(x, M))))
right("4.8", built(lambda f, m: nn.GRUCell(m, f), lambda p, M, x: p(M, x)))
right("4.8", built(lambda f, m: nn.Linear(m, f), lambda p, M, x: x + torch.tanh(p(M))))
right("4.8", built(lambda f, m: nn.Linear(m, f, bias=False), lambda p, M, x: x + p(M)))
right(
    "4.8",
    built(
        lambda f, m: nn.ModuleList([nn.Linear(m, f), nn.Linear(f, f), nn.LayerNorm(f)]),
        lambda p, M, x: p[2](x + nn.functional.softplus(p[0](M) + p[1](x))),
    ),
)

right("4.9", built(lambda f: perceptron(f, f, 1), lambda p, x: p(x)))
right("4.9", built(lambda f: perceptron(f, 16, 16, 1), lambda p, x: p(x)[:, :1]))
right("4.9", built(lambda f: nn.Linear(f, 1), lambda p, x: p(x)[:, 0][:, None]))
right("4.9", built(lambda f: nn.Sequential(nn.Linear(f, 8), nn.Tanh(), nn.Linear(8, 1)), lambda p, x: p(x)))
right(
    "4.9",
    built(
        lambda f: nn.Sequential(nn.Linear(f, 8), nn.Softplus(), nn.Linear(8, 8), nn.ELU(), nn.Linear(8, 1, bias=False)),
        lambda p, x: p(x).view(-1, 1),
    ),
)
right("4.9", built(lambda f: perceptron(f, 16, 5), lambda p, x: p(x).sum(dim=-1, keepdim=True)))

# ---------------------------------------------------------------------------------------------------------- 4.10


class Network(nn.Module):
    """Messages made of a filter, weights of their own in each round."""

    def __init__(self, elements, n_f, n_e, n_m, T, cutoff):
        super().__init__()
        self.elements, self.n_f, self.n_e, self.T, self.cutoff = elements, n_f, n_e, T, cutoff
        self.speak = nn.ModuleList(perceptron(2 * n_f + n_e, n_m, n_m) for _ in range(T))
        self.listen = nn.ModuleList(perceptron(n_m + n_f, n_f, n_f) for _ in range(T))
        self.read = perceptron(n_f, n_f, 1)

    def basis(self, r):
        return gaussian_basis(r, *radial_grid(self.cutoff, self.n_e))

    def fade(self, r):
        return cosine_cutoff(r, self.cutoff)[:, None]

    def start(self, graph):
        x = torch.zeros(graph.n_atoms, self.n_f, dtype=graph.distances.dtype)
        for column, element in enumerate(self.elements):
            x[graph.numbers == element, column] = 1
        return x

    def message(self, t, x_j, x_i, e, f_c):
        return self.speak[t](torch.cat([x_j, x_i, e], dim=1)) * f_c

    def collect(self, m, graph):
        return accumulate(m, graph.receivers, graph.n_atoms)

    def update(self, t, M, x):
        return x + self.listen[t](torch.cat([M, x], dim=1))

    def forward(self, graph):
        x, r = self.start(graph), graph.distances
        for t in range(self.T):
            m = self.message(t, x[graph.senders], x[graph.receivers], self.basis(r), self.fade(r))
            x = self.update(t, self.collect(m, graph), x)
        return self.read(x).squeeze(1)


class Shared(Network):
    """The same weights in every round."""

    def __init__(self, elements, n_f, n_e, n_m, T, cutoff):
        super().__init__(elements, n_f, n_e, n_m, min(T, 1), cutoff)
        self.T = T

    def message(self, t, *rest):
        return super().message(0, *rest)

    def update(self, t, M, x):
        return super().update(0, M, x)


class Bessel(Network):
    def basis(self, r):
        return bessel_basis(r, self.n_e, self.cutoff)

    def fade(self, r):
        return polynomial_cutoff(r, self.cutoff)[:, None]


class FadedTwice(Network):
    """Edge features that fade, and messages that fade."""

    def basis(self, r):
        return super().basis(r) * self.fade(r)

    def collect(self, m, graph):
        bundles = torch.zeros(graph.n_atoms, m.shape[1], dtype=m.dtype)
        for i in range(graph.n_atoms):
            bundles[i] = m[graph.receivers == i].sum(dim=0)
        return bundles if graph.n_atoms < 100 else accumulate(m, graph.receivers, graph.n_atoms)


class Embedded(Network):
    """A learned vector an element in place of a one-hot column, and a gate in place of a sum."""

    def __init__(self, elements, n_f, n_e, n_m, T, cutoff):
        super().__init__(elements, n_f, n_e, n_m, T, cutoff)
        self.embedding = nn.Embedding(len(elements), n_f)
        self.listen = nn.ModuleList(nn.GRUCell(n_m, n_f) for _ in range(T))

    def start(self, graph):
        return self.embedding(torch.tensor([self.elements.index(z) for z in graph.numbers.tolist()]))

    def update(self, t, M, x):
        return self.listen[t](M, x)


class Filter(Network):
    """SchNet's message."""

    def __init__(self, elements, n_f, n_e, n_m, T, cutoff):
        super().__init__(elements, n_f, n_e, n_m, T, cutoff)
        self.speak = nn.ModuleList(nn.ModuleList([perceptron(n_e, n_m, n_m), nn.Linear(n_f, n_m)]) for _ in range(T))

    def message(self, t, x_j, x_i, e, f_c):
        window, linear = self.speak[t]
        return window(e) * linear(x_j) * f_c


for network in (Network, Shared, Bessel, FadedTwice, Embedded, Filter):
    right("4.10", network)

# ---------------------------------------------------------------------------------------------------------- 4.11


def batch_by_lists(graphs):
    numbers: list[int] = []
    positions, senders, receivers, molecule = [], [], [], []
    for k, graph in enumerate(graphs):
        start = len(numbers)
        numbers += graph.numbers.tolist()
        positions += graph.positions.tolist()
        senders += [start + j for j in graph.senders.tolist()]
        receivers += [start + i for i in graph.receivers.tolist()]
        molecule += [k] * graph.n_atoms
    tensors = [torch.tensor(values) for values in (numbers, positions, senders, receivers, molecule)]
    return Graph(*tensors, n_molecules=len(graphs))  # type: ignore[misc,arg-type]


def batch_by_cumsum(many):  # another name
    sizes = torch.tensor([len(graph.numbers) for graph in many])
    start = sizes.cumsum(0) - sizes
    return Graph(
        torch.cat([graph.numbers for graph in many]),
        torch.cat([graph.positions for graph in many]).float(),
        torch.cat([graph.senders + n for graph, n in zip(many, start, strict=True)]),
        torch.cat([graph.receivers + n for graph, n in zip(many, start, strict=True)]),
        torch.repeat_interleave(torch.arange(len(many)), sizes),
        len(many),
    )


def batch_one_by_one(graphs):
    result = graphs[0]
    for k, graph in enumerate(graphs[1:], start=1):
        result = Graph(
            torch.cat([result.numbers, graph.numbers]),
            torch.cat([result.positions, graph.positions]),
            torch.cat([result.senders, graph.senders + result.n_atoms]),
            torch.cat([result.receivers, graph.receivers + result.n_atoms]),
            torch.cat([result.molecule_index, graph.molecule_index + k]),
            k + 1,
        )
    return result


def batch_with_numpy(graphs):
    start = np.concatenate([[0], np.cumsum([graph.n_atoms for graph in graphs])])
    ends = [
        torch.from_numpy(np.concatenate([getattr(g, end).numpy() + n for g, n in zip(graphs, start, strict=False)]))
        for end in ("senders", "receivers")
    ]
    return Graph(
        numbers=torch.from_numpy(np.concatenate([graph.numbers for graph in graphs])),
        positions=torch.from_numpy(np.concatenate([graph.positions for graph in graphs])),
        senders=ends[0],
        receivers=ends[1],
        molecule_index=torch.from_numpy(np.concatenate([np.full(g.n_atoms, k) for k, g in enumerate(graphs)])),
        n_molecules=len(graphs),
    )


def batch_with_edges_in_another_order(graphs):
    graph = batch_by_lists(graphs)
    order = torch.arange(graph.n_edges).flip(0)
    return replace(graph, senders=graph.senders[order], receivers=graph.receivers[order])


for answer in (
    batch_by_lists,
    batch_by_cumsum,
    batch_one_by_one,
    batch_with_numpy,
    batch_with_edges_in_another_order,
):
    right("4.11", answer)

# ---------------------------------------------------------------------------------------------------------- 4.12


def step_with_mse_loss(potential, optimizer, sample, force_weight):
    potential.train()
    optimizer.zero_grad()
    energy, forces, _ = potential(sample.graph)
    n_atoms = sample.graph.molecule_index.bincount()
    loss = nn.functional.mse_loss(energy / n_atoms, sample.energy / n_atoms)
    loss = loss + force_weight * nn.functional.mse_loss(forces, sample.forces)
    loss.backward()
    optimizer.step()
    return loss.detach().numpy()


def step_clearing_afterwards(potential, optimizer, sample, force_weight):
    potential.train()
    predicted = potential(sample.graph)
    n_atoms = torch.bincount(sample.graph.molecule_index)
    loss = (((predicted.energy - sample.energy) / n_atoms) ** 2).mean()
    loss += force_weight * ((predicted.forces - sample.forces) ** 2).mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(loss)


def step_with_sums(p, o, s, w):  # other names
    p.train()
    o.zero_grad(set_to_none=False)
    e, f, _ = p(s.graph)
    loss = torch.zeros((), dtype=e.dtype)
    for k in range(s.graph.n_molecules):
        n = int((s.graph.molecule_index == k).sum())
        loss = loss + ((e[k] - s.energy[k]) / n) ** 2 / s.graph.n_molecules
    loss = loss + w * ((f - s.forces) ** 2).sum() / f.numel()
    loss.backward()
    o.step()
    return loss.item()


def step_in_two_backward_passes(potential, optimizer, sample, force_weight):
    potential.train()
    energy, forces, _ = potential(sample.graph)
    n_atoms = torch.bincount(sample.graph.molecule_index)
    energy_loss = ((energy - sample.energy) / n_atoms).pow(2).mean()
    force_loss = force_weight * (forces - sample.forces).pow(2).mean()
    optimizer.zero_grad()
    energy_loss.backward(retain_graph=True)
    force_loss.backward()
    optimizer.step()
    return energy_loss.item() + force_loss.item()


def step_by_grad(potential, optimizer, sample, force_weight):
    potential.train()
    weights = list(potential.parameters())
    energy, forces, _ = potential(sample.graph)
    n_atoms = torch.bincount(sample.graph.molecule_index)
    loss = torch.mean((energy - sample.energy) ** 2 / n_atoms**2) + force_weight * torch.mean(
        (sample.forces - forces) ** 2
    )
    for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = gradient
    optimizer.step()
    return np.float32(loss.item())


def step_that_returns_a_detached_tensor(potential, optimizer, sample, force_weight):
    potential.train()
    energy, forces, _ = potential(sample.graph)
    n_atoms = torch.bincount(sample.graph.molecule_index)
    loss = ((energy - sample.energy) / n_atoms).square().mean() + force_weight * (
        forces - sample.forces
    ).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


for answer in (
    step_that_returns_a_detached_tensor,
    step_with_mse_loss,
    step_clearing_afterwards,
    step_with_sums,
    step_in_two_backward_passes,
    step_by_grad,
):
    right("4.12", answer)

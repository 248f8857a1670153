"""Right answers to 3.5 to 3.8, written in other ways than the library's. All of them must pass."""

from collections import Counter
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

import course
from course.graph import neighbor_pairs
from tests.exercises.alternatives import right

answer: Any


def f_c(r, r_c):
    return np.where(np.asarray(r) < r_c, 0.5 * (np.cos(np.pi * np.asarray(r) / r_c) + 1), 0.0)


# ----------------------------------------------------------------------------------------------------------- 3.5


def term_by_loop(cos_theta, r_ij, r_ik, r_jk, eta, zeta, lam, cutoff):
    out = torch.zeros(len(cos_theta), len(eta), dtype=torch.float64)
    for p in range(len(cos_theta)):
        for q in range(len(eta)):
            base = max(0.0, 1 + float(lam[q]) * float(cos_theta[p]))
            squares = float(r_ij[p] ** 2 + r_ik[p] ** 2 + r_jk[p] ** 2)
            fade = f_c(r_ij[p], cutoff) * f_c(r_ik[p], cutoff) * f_c(r_jk[p], cutoff)
            angle = 2 ** (1 - float(zeta[q])) * base ** float(zeta[q])
            out[p, q] = angle * np.exp(-float(eta[q]) * squares) * fade
    return out


def term_with_numpy(c, a, b, d, eta, zeta, lam, r_c):  # other names
    c, a, b, d, eta, zeta, lam = (np.asarray(t, dtype=float) for t in (c, a, b, d, eta, zeta, lam))
    hill = 2 * (np.maximum(1 + np.outer(c, lam), 0) / 2) ** zeta
    return hill * np.exp(-np.outer(a**2 + b**2 + d**2, eta)) * (f_c(a, r_c) * f_c(b, r_c) * f_c(d, r_c))[:, None]


def term_in_single_precision(cos_theta, r_ij, r_ik, r_jk, eta, zeta, lam, cutoff):
    c, eta, zeta, lam = (t.float() for t in (cos_theta, eta, zeta, lam))
    sides = torch.stack([r_ij, r_ik, r_jk]).float()
    fade = (torch.cos(torch.pi * sides / cutoff) + 1) / 2 * (sides < cutoff)
    hill = 2 ** (1 - zeta) * torch.relu(1 + lam * c.unsqueeze(1)) ** zeta
    return hill * torch.exp(-eta * (sides**2).sum(0).unsqueeze(1)) * fade.prod(0).unsqueeze(1)


def term_side_by_side(cos_theta, r_ij, r_ik, r_jk, eta, zeta, lam, cutoff):
    """A Gaussian for each side, and one function after the other."""
    columns = []
    for e, z, sign in zip(eta.tolist(), zeta.tolist(), lam.tolist(), strict=True):
        column = 2.0 ** (1 - z) * (1 + sign * cos_theta).clamp(min=0).pow(z)
        for r in (r_ij, r_ik, r_jk):
            column = column * torch.exp(-e * r**2) * torch.from_numpy(f_c(r, cutoff))
        columns.append(column)
    return torch.stack(columns, dim=1)


def term_by_half_angles(cos_theta, r_ij, r_ik, r_jk, eta, zeta, lam, cutoff):
    """1 + cos = 2 cos^2(half the angle), 1 - cos = 2 sin^2(half the angle)."""
    theta = torch.arccos(cos_theta.clamp(-1, 1))[:, None]
    half = torch.where(lam > 0, torch.cos(theta / 2), torch.sin(theta / 2)).abs()
    hill = 2 * half ** (2 * zeta)
    fade = torch.from_numpy(f_c(r_ij, cutoff) * f_c(r_ik, cutoff) * f_c(r_jk, cutoff))
    return torch.einsum("pq,pq,p->pq", hill, torch.exp(-torch.outer(r_ij**2 + r_ik**2 + r_jk**2, eta)), fade)


for answer in (
    term_by_loop,
    term_with_numpy,
    term_in_single_precision,
    term_side_by_side,
    term_by_half_angles,
):
    right("3.5", answer)

# ----------------------------------------------------------------------------------------------------------- 3.6


def pairs_by_loop(receivers):
    first, second = [], []
    for a in range(len(receivers)):
        for b in range(a + 1, len(receivers)):
            if receivers[a] == receivers[b]:
                first.append(a)
                second.append(b)
    return first, second


def pairs_the_other_way_round(receivers):
    second, first = torch.where(torch.tril(receivers[:, None] == receivers, diagonal=-1))
    return second.flip(0), first.flip(0)


def pairs_by_atom(receivers):
    found = []
    for atom in receivers.unique():
        found += list(combinations(torch.nonzero(receivers == atom).flatten().tolist(), 2))
    pairs = torch.tensor(found, dtype=torch.long).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def pairs_with_numpy(to):  # another name
    to = to.numpy()
    i, j = np.triu_indices(len(to), k=1)
    return np.stack([i, j])[:, to[i] == to[j]]  # one array (2, n_pairs)


def pairs_by_combinations(receivers):
    both = torch.combinations(torch.arange(len(receivers)), 2)
    return both[receivers[both[:, 0]] == receivers[both[:, 1]]].T


for answer in (
    pairs_by_loop,
    pairs_the_other_way_round,
    pairs_by_atom,
    pairs_with_numpy,
    pairs_by_combinations,
):
    right("3.6", answer)

# ----------------------------------------------------------------------------------------------------------- 3.7


def aev_by_loop(numbers, positions, elements, eta, zeta, lam, cutoff):
    blocks = list(combinations_with_replacement(range(len(elements)), 2))
    G = torch.zeros(len(numbers), len(blocks), len(eta), dtype=torch.float64)
    for i in range(len(numbers)):
        for j in range(len(numbers)):
            for k in range(j):
                if i in (j, k):
                    continue
                R_ij, R_ik = positions[j] - positions[i], positions[k] - positions[i]
                sides = [R_ij.norm(), R_ik.norm(), (R_ij - R_ik).norm()]
                cosine = R_ij @ R_ik / (sides[0] * sides[1])
                one, two, three = (side[None] for side in sides)
                term = term_by_loop(cosine[None], one, two, three, eta, zeta, lam, cutoff)[0]
                ends = sorted(elements.index(int(numbers[atom])) for atom in (j, k))
                G[i, blocks.index((ends[0], ends[1]))] += term
    return G.flatten(1)


def aev_both_orders_then_half(numbers, positions, elements, eta, zeta, lam, cutoff):
    """Every (j, k) and (k, j), as Behler's sum is written, times one half; the table of elements is added to itself."""
    n, m = len(numbers), len(elements)
    R = positions[None] - positions[:, None]  # (i, j, 3)
    r = torch.sqrt((R**2).sum(-1))
    cosine = torch.einsum("ijx,ikx->ijk", R, R) / (r[:, :, None] * r[:, None, :]).clamp(min=1e-12)
    fade = torch.from_numpy(f_c(r, cutoff)) * ~torch.eye(n, dtype=torch.bool)
    weight = fade[:, :, None] * fade[:, None, :] * fade[None]  # zero where two of the three are the same atom
    squares = r[:, :, None] ** 2 + r[:, None, :] ** 2 + r[None] ** 2
    hill = 2.0 ** (1 - zeta) * (1 + lam * cosine[..., None]).clamp(min=0) ** zeta
    terms = hill * torch.exp(-eta * squares[..., None]) * weight[..., None]  # (i, j, k, n_angular)
    one_hot = (numbers[:, None] == torch.tensor(elements)).double()
    table = torch.einsum("ijkq,ja,kb->iabq", terms, one_hot, one_hot)
    table = (table + table.transpose(1, 2)) / 2
    a, b = np.triu_indices(m)
    table[:, range(m), range(m)] /= 2  # (j, k) and (k, j) were both on the diagonal
    return table[:, a, b].reshape(n, -1)


def aev_with_numpy(Z, R, species, eta, zeta, lam, r_c):  # other names
    Z, R = Z.numpy(), R.numpy()
    pairs = [tuple(sorted(pair)) for pair in combinations_with_replacement(species, 2)]
    rows = []
    for i in range(len(Z)):
        row = np.zeros((len(pairs), len(eta)))
        near = [j for j in range(len(Z)) if j != i and np.linalg.norm(R[j] - R[i]) < r_c]
        for j, k in combinations(near, 2):
            a, b = R[j] - R[i], R[k] - R[i]
            r = [np.linalg.norm(v) for v in (a, b, a - b)]
            c, one, two, three = (np.array([x]) for x in (a @ b / r[0] / r[1], *r))
            row[pairs.index(tuple(sorted((Z[j], Z[k]))))] += term_with_numpy(c, one, two, three, eta, zeta, lam, r_c)[0]
        rows.append(row.ravel())
    return np.array(rows)


def aev_in_single_precision(numbers, positions, elements, eta, zeta, lam, cutoff):
    graph = course.molecular_graph((numbers, positions), cutoff)
    first, second = neighbor_pairs(graph.receivers)
    a, b = graph.displacements[first].float(), graph.displacements[second].float()
    r_ij, r_ik, r_jk = a.norm(dim=1), b.norm(dim=1), (a - b).norm(dim=1)
    terms = term_in_single_precision((a * b).sum(1) / (r_ij * r_ik), r_ij, r_ik, r_jk, eta, zeta, lam, cutoff)
    place = {element: k for k, element in enumerate(elements)}
    block = np.zeros((len(elements), len(elements)), int)
    block[np.triu_indices(len(elements))] = np.arange(len(elements) * (len(elements) + 1) // 2)
    block = np.maximum(block, block.T)
    G = torch.zeros(len(numbers), block.max() + 1, len(eta))
    for e_1, e_2, term in zip(first.tolist(), second.tolist(), terms, strict=True):
        ends = (place[int(numbers[graph.senders[e]])] for e in (e_1, e_2))
        G[graph.receivers[e_1], block[tuple(ends)]] += term
    return G.reshape(len(numbers), -1)


def aev_block_by_block(numbers, positions, elements, eta, zeta, lam, cutoff):
    graph = course.molecular_graph((numbers.numpy(), positions.numpy()), cutoff)
    first, second = pairs_by_atom(graph.receivers)
    R_ij, R_ik = graph.displacements[first], graph.displacements[second]
    r_ij, r_ik = graph.distances[first], graph.distances[second]
    r_jk = torch.sqrt(((R_ij - R_ik) ** 2).sum(1))
    cosine = (r_ij**2 + r_ik**2 - r_jk**2) / (2 * r_ij * r_ik)  # law of cosines
    terms = term_side_by_side(cosine, r_ij, r_ik, r_jk, eta, zeta, lam, cutoff)
    ends = torch.stack([numbers[graph.senders[edge]] for edge in (first, second)]).sort(dim=0).values
    columns = []
    for a, b in combinations_with_replacement(elements, 2):
        mine = (ends[0] == min(a, b)) & (ends[1] == max(a, b))
        x = torch.zeros(len(numbers), len(eta), dtype=terms.dtype)
        columns.append(x.index_add(0, graph.receivers[first][mine], terms[mine]))
    return torch.cat(columns, dim=1)


for answer in (
    aev_by_loop,
    aev_both_orders_then_half,
    aev_with_numpy,
    aev_in_single_precision,
    aev_block_by_block,
):
    right("3.7", answer)

# ----------------------------------------------------------------------------------------------------------- 3.8


def tables(descriptor, a, b):
    x, y = descriptor(*a), descriptor(*b)
    return x, y, 1e-6 * max(float(x.abs().max()), float(y.abs().max()))


def told_by_loop(descriptor, a, b):
    x, y, tolerance = tables(descriptor, a, b)
    free = list(range(len(y)))
    for i in range(len(x)):
        twins = [k for k in free if a[0][i] == b[0][k] and bool(((x[i] - y[k]).abs() <= tolerance).all())]
        if not twins:
            return True
        free.remove(twins[0])
    return len(free) > 0


def told_by_assignment(descriptor, a, b):
    x, y, tolerance = tables(descriptor, a, b)
    if len(x) != len(y):
        return True
    cost = np.abs(x.numpy()[:, None] - y.numpy()[None]).max(axis=2) + 1e30 * (a[0].numpy()[:, None] != b[0].numpy())
    rows, columns = linear_sum_assignment(cost)
    return cost[rows, columns].max() > tolerance  # a numpy.bool


def told_by_counting(descriptor, first, second):  # other names
    """Every row occurs as often on one side as on the other."""
    x, y, tolerance = tables(descriptor, first, second)
    if len(x) != len(y):
        return True
    rows, numbers = torch.cat([x, y]), torch.cat([first[0], second[0]])
    alike = (torch.cdist(rows, rows, p=torch.inf) <= tolerance) & (numbers[:, None] == numbers)
    return not torch.equal(alike[:, : len(x)].sum(dim=1), alike[:, len(x) :].sum(dim=1))


def told_by_rounding(descriptor, a, b):
    """Rounded rows with their element, counted. The shift keeps simple numbers away from the borders of rounding."""
    x, y, tolerance = tables(descriptor, a, b)

    def bag(numbers, table):
        rounded = torch.floor(table / tolerance / 3 + 0.234567).long().tolist()
        return Counter((int(z), *row) for z, row in zip(numbers, rounded, strict=True))

    return bag(a[0], x) != bag(b[0], y)


def told_by_sorted_rounded_rows(descriptor, a, b):
    x, y, tolerance = tables(descriptor, a, b)
    if len(x) != len(y):
        return torch.tensor(True)

    def in_order(numbers, table):
        keys = np.round(table.numpy() / (10 * tolerance) + 0.123)
        order = np.lexsort([*keys.T, numbers.numpy()])
        return numbers.numpy()[order], table.numpy()[order]

    (z_a, x_a), (z_b, x_b) = in_order(a[0], x), in_order(b[0], y)
    return torch.tensor(bool((z_a != z_b).any() or (np.abs(x_a - x_b) > tolerance).any()))


def told_in_single_precision(descriptor, a, b):
    x, y, _ = tables(descriptor, a, b)
    unit = max(x.abs().max(), y.abs().max())
    x, y = (x / unit).float(), (y / unit).float()
    if len(x) != len(y):
        return 1
    taken: set[int] = set()
    for number, row in zip(a[0].tolist(), x, strict=True):
        for k in set(range(len(y))) - taken:
            if int(b[0][k]) == number and torch.allclose(row, y[k], rtol=0, atol=1e-6):
                taken.add(k)
                break
    return int(len(taken) < len(y))


for answer in (
    told_by_loop,
    told_by_assignment,
    told_by_counting,
    told_by_rounding,
    told_by_sorted_rounded_rows,
    told_in_single_precision,
):
    right("3.8", answer)

"""Right answers to the exercises of Day 2, written in other ways than the library's. All of them must pass."""

from collections.abc import Callable
from typing import Any

import ase
import numpy as np
import torch
from scipy.spatial import KDTree

from course.descriptors import CoulombVector
from course.graph import molecular_graph
from tests.exercises.alternatives import right

answer: Any


# ----------------------------------------------------------------------------------------------------------- 2.1


def neighbors_by_loop(positions, i, cutoff):
    found = []
    for j in range(len(positions)):
        if j != i and ((positions[j] - positions[i]) ** 2).sum() ** 0.5 < cutoff:
            found.append(j)
    return found


def neighbors_by_mask(R, atom, r_c):  # other names
    r = (R.double() - R[atom]).norm(dim=1)
    mask = (r < r_c) & (torch.arange(len(R)) != atom)
    return mask.nonzero().squeeze(1)


def neighbors_with_numpy(positions, i, cutoff):
    r2 = ((positions.numpy() - positions[i].numpy()) ** 2).sum(axis=1)
    r2[i] = 10**6
    return np.flatnonzero(r2 < cutoff**2)


def neighbors_in_single_precision(positions, i, cutoff):
    r = torch.cdist(positions.float(), positions.float()[i : i + 1])[:, 0]
    r[i] = torch.inf
    return torch.where(r < cutoff)[0].flip(0)  # another order


def neighbors_from_the_graph(positions, i, cutoff):
    graph = molecular_graph(([1] * len(positions), positions), float(cutoff))
    return graph.senders[graph.receivers == i]


def neighbors_by_tree(positions, i, cutoff):
    tree = KDTree(positions.numpy())
    return sorted(set(tree.query_ball_point(positions[i].numpy(), cutoff - 1e-9)) - {i})


for answer in (
    neighbors_by_loop,
    neighbors_by_mask,
    neighbors_with_numpy,
    neighbors_in_single_precision,
    neighbors_from_the_graph,
    neighbors_by_tree,
):
    right("2.1", answer)

# ----------------------------------------------------------------------------------------------------------- 2.2


def vector_by_loop(numbers, positions, i, cutoff, length):
    entries = []
    for j in range(len(numbers)):
        r = ((positions[j] - positions[i]) ** 2).sum().sqrt().item()
        if j != i and r < cutoff:
            entries.append(int(numbers[j]) / r)
    if len(entries) > length:
        raise ValueError(f"atom {i} has {len(entries)} neighbours, there is room for {length}")
    entries.sort(reverse=True)
    return torch.tensor(entries + [0.0] * (length - len(entries)))


def vector_in_one_go(Z, R, atom, r_c, n):  # other names
    r = (R.double() - R[atom]).norm(dim=1)
    inside = (r < r_c) & (r > 0)
    assert inside.sum() <= n, f"{int(inside.sum())} neighbours do not fit into {n} places"
    x = torch.where(inside, Z / r, 0.0).sort(descending=True).values
    return torch.cat([x, x.new_zeros(n)])[:n]


def vector_with_numpy(numbers, positions, i, cutoff, length):
    Z, R = numbers.numpy(), positions.numpy().astype(np.float32)
    r = np.linalg.norm(R - R[i], axis=1)
    r[i] = np.inf
    entries = np.sort(Z[r < cutoff] / r[r < cutoff])[::-1]
    if entries.size > length:
        raise ValueError(f"length must be at least {entries.size}, the number of neighbours")
    return np.pad(entries, (0, length - entries.size))


def vector_by_topk(numbers, positions, i, cutoff, length):
    R = positions.to(torch.get_default_dtype())
    r = torch.linalg.norm(R - R[i], dim=1)
    j = torch.nonzero((r < cutoff) & (torch.arange(len(r)) != i)).flatten()
    if len(j) > length:
        raise ValueError(f"{len(j)} > {length}")
    x = torch.zeros(length)
    x[: len(j)] = torch.topk(numbers[j] / r[j], len(j)).values.to(x.dtype)
    return x


def vector_by_ase(numbers, positions, i, cutoff, length):
    atoms = ase.Atoms(numbers.numpy(), positions.numpy())
    r = atoms.get_distances(i, range(len(atoms)))
    entries = [int(z) / d for k, (z, d) in enumerate(zip(numbers, r, strict=True)) if k != i and d < cutoff]
    if len(entries) > length:
        raise ValueError(f"too many neighbours: {len(entries)}")
    x = np.zeros(length)
    for place, value in enumerate(sorted(entries, key=lambda value: -value)):
        x[place] = value
    return x.tolist()


def vector_from_the_library(numbers, positions, i, cutoff, length):
    graph = molecular_graph((numbers, positions), cutoff)
    x = CoulombVector(cutoff, len(numbers))(graph)[i]
    n = int((x > 0).sum())
    if n > length:
        raise ValueError(f"{n} neighbours")
    return torch.cat([x[:n], torch.zeros(length - n)])


for answer in (
    vector_by_loop,
    vector_in_one_go,
    vector_with_numpy,
    vector_by_topk,
    vector_by_ase,
    vector_from_the_library,
):
    right("2.2", answer)

# ----------------------------------------------------------------------------------------------------------- 2.3


def invariant_by_loop(feature_fn, numbers, positions, transform):
    before = feature_fn(numbers, positions)
    after = feature_fn(*transform(numbers, positions))
    size = max(abs(x) for x in before.tolist()) or 1.0
    return all(abs(a - b) < 1e-6 * size for a, b in zip(before.tolist(), after.tolist(), strict=True))


def invariant_by_norm(f, Z, R, move):  # other names
    new_Z, new_R = move(Z, R)
    change = torch.linalg.norm(f(new_Z, new_R) - f(Z, R))
    return change <= 1e-6 * torch.linalg.norm(f(Z, R))  # a tensor


def invariant_with_numpy(feature_fn, numbers, positions, transform):
    before = np.asarray(feature_fn(numbers, positions))
    after = np.asarray(feature_fn(*transform(numbers, positions)))
    return np.abs(after - before).max() <= 1e-8 * np.abs(before).max()  # a numpy bool


def invariant_by_allclose(feature_fn, numbers, positions, transform):
    before, after = feature_fn(numbers, positions), feature_fn(*transform(numbers, positions))
    return torch.allclose(after, before, rtol=0, atol=1e-6 * float(before.abs().max()))


def invariant_in_its_own_unit(feature_fn, numbers, positions, transform):
    before, after = feature_fn(numbers, positions), feature_fn(*transform(numbers, positions))
    unit = before.abs().max()
    return torch.equal(before, after) or np.allclose(after / unit, before / unit, rtol=0, atol=1e-6)


def invariant_as_an_integer(feature_fn, numbers, positions, transform):
    old, new = feature_fn(numbers, positions), feature_fn(*transform(numbers.clone(), positions.clone()))
    largest = torch.maximum(old.abs(), new.abs()).max()
    return 1 if largest == 0 or ((old - new) / largest).abs().max() < 1e-7 else 0


for answer in (
    invariant_by_loop,
    invariant_by_norm,
    invariant_with_numpy,
    invariant_by_allclose,
    invariant_in_its_own_unit,
    invariant_as_an_integer,
):
    right("2.3", answer)

# ----------------------------------------------------------------------------------------------------------- 2.4


def scan_by_loop(feature_fn, numbers, positions, mover, direction, distances):
    u = direction / (direction**2).sum() ** 0.5
    rows = []
    for d in distances:
        new = positions.double().clone()
        for k in range(3):
            new[mover, k] = positions[mover, k] + d * u[k]
        rows.append(feature_fn(numbers, new))
    return torch.stack(rows)


def scan_by_mask(f, Z, R, atom, along, steps):  # other names
    only = torch.zeros(len(R), 1, dtype=torch.float64)
    only[atom] = 1
    u = torch.nn.functional.normalize(along.double(), dim=0)
    return [f(Z, R + d * only * u) for d in steps]  # a list of tensors


def scan_with_numpy(feature_fn, numbers, positions, mover, direction, distances):
    u = direction.numpy() / np.linalg.norm(direction.numpy())
    rows = []
    for d in distances.tolist():
        R = positions.numpy().astype(float)
        R[mover] += d * u
        rows.append(np.asarray(feature_fn(numbers, torch.from_numpy(R))))
    return np.array(rows)


def scan_all_at_once(feature_fn, numbers, positions, mover, direction, distances):
    frames = positions.double().expand(len(distances), -1, -1).clone()
    frames[:, mover] += distances[:, None] * (direction / direction.double().norm())
    return torch.stack([feature_fn(numbers, frame) for frame in frames])


def scan_there_and_back(feature_fn, numbers, positions, mover, direction, distances):
    R, u = positions.double().clone(), direction.double() / direction.double().norm()
    home, rows = R[mover].clone(), []
    for d in distances:
        R[mover] = home + d * u
        rows.append(feature_fn(numbers, R).tolist())
    return rows


def scan_in_single_precision(feature_fn, numbers, positions, mover, direction, distances):
    u = direction.float() / direction.float().norm()
    new: list[torch.Tensor] = []
    for d in distances.flip(0):
        R = positions.float().clone()
        R[mover] = R[mover] + float(d) * u
        new.insert(0, feature_fn(numbers, R))
    return torch.vstack(new)


for answer in (
    scan_by_loop,
    scan_by_mask,
    scan_with_numpy,
    scan_all_at_once,
    scan_there_and_back,
    scan_in_single_precision,
):
    right("2.4", answer)

# ----------------------------------------------------------------------------------------------------------- 2.5


def sum_by_loop(networks, features, numbers):
    E = 0.0
    for i in range(len(numbers)):
        E = E + networks[int(numbers[i])](features[i])
    return E  # one number in brackets


def sum_by_element(nets, x, Z):  # other names
    total = torch.zeros((), dtype=x.dtype)
    for z in Z.unique().tolist():
        total += nets[z](x[z == Z]).sum()
    return total


def sum_with_numpy(networks, features, numbers):
    parts: list[Callable] = [networks[z] for z in numbers.tolist()]
    return np.sum([np.asarray(part(x)) for part, x in zip(parts, features, strict=True)])


def sum_in_single_precision(networks, features, numbers):
    return sum(network(features[numbers == z].float()).sum() for z, network in networks.items()).item()


def sum_through_atomic_energies(networks, features, numbers):
    E_i = features.new_zeros(len(numbers))
    for element, network in networks.items():
        rows = torch.nonzero(numbers == element)[:, 0]
        E_i[rows] = network(features[rows])[:, 0]
    return E_i.flip(0).sum()  # another order


def sum_as_a_column(networks, features, numbers):
    parts = [networks[int(z)](x[None]) for z, x in zip(numbers, features, strict=True)]
    return torch.cat(parts).sum(dim=0, keepdim=True)  # (1, 1)


for answer in (
    sum_by_loop,
    sum_by_element,
    sum_with_numpy,
    sum_in_single_precision,
    sum_through_atomic_energies,
    sum_as_a_column,
):
    right("2.5", answer)

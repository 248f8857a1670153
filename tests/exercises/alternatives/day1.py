"""Right answers to the exercises of Day 1, written in other ways than the library's. All of them must pass."""

import math
import random
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from ase import units

from course.models.molecular_mechanics import bond_angle, dihedral_angle
from tests.exercises.alternatives import right

answer: Any

# ----------------------------------------------------------------------------------------------------------- 1.1


def distances_by_loop(positions):
    n = len(positions)
    r = torch.zeros(n, n, dtype=positions.dtype)
    for i in range(n):
        for j in range(n):
            if i != j:
                r[i, j] = (positions[j] - positions[i]).norm()
    return r


def distances_by_cdist(R):  # other names
    return torch.cdist(R, R, compute_mode="donot_use_mm_for_euclid_dist")


def distances_lifted(positions):
    eye = torch.eye(len(positions))
    squared = ((positions[:, None] - positions[None, :]) ** 2).sum(-1)
    return (squared + eye).sqrt() - eye


def distances_chosen_before_the_root(positions):
    squared = (positions.unsqueeze(0) - positions.unsqueeze(1)).pow(2).sum(-1)
    itself = torch.eye(len(positions), dtype=torch.bool)
    return torch.where(itself, 1.0, squared).sqrt().masked_fill(itself, 0.0)


def distances_of_pairs(positions):
    i, j = torch.triu_indices(len(positions), len(positions), offset=1)
    half = torch.zeros(len(positions), len(positions), dtype=positions.dtype)
    half = half.index_put((i, j), (positions[i] - positions[j]).norm(dim=1))
    return half + half.T


def distances_in_single_precision(positions):
    return torch.linalg.vector_norm(positions.float()[None] - positions.float()[:, None], dim=2)


def distances_with_a_grain(positions):
    return (((positions[None] - positions[:, None]) ** 2).sum(dim=2) + 1e-20).sqrt()


for answer in (
    *(distances_by_loop, distances_by_cdist, distances_lifted, distances_chosen_before_the_root),
    *(distances_of_pairs, distances_in_single_precision, distances_with_a_grain),
):
    right("1.1", answer)

# ----------------------------------------------------------------------------------------------------------- 1.2


def angle_by_clamped_cosine(positions, i, j, k):
    a, b = positions[i] - positions[j], positions[k] - positions[j]
    return torch.arccos((torch.dot(a, b) / (a.norm() * b.norm())).clamp(-1, 1))


def angle_by_a_cosine_kept_a_little_inside(positions, i, j, k):
    a, b = positions[i] - positions[j], positions[k] - positions[j]
    return torch.arccos((a @ b / (a.norm() * b.norm())).clamp(-1 + 1e-7, 1 - 1e-7))


def angle_by_unit_vectors(R, a, b, c):
    u, v = (torch.nn.functional.normalize(R[n] - R[b], dim=0) for n in (a, c))
    return 2 * torch.atan2((u - v).norm(), (u + v).norm())  # Kahan


def angle_by_the_law_of_cosines(positions, i, j, k):
    a2, b2, c2 = (((positions[m] - positions[n]) ** 2).sum() for m, n in ((i, j), (k, j), (i, k)))
    return torch.acos(torch.clamp((a2 + b2 - c2) / (2 * torch.sqrt(a2 * b2)), -1, 1))


def angle_in_single_precision(positions, i, j, k):
    return angle_by_unit_vectors(positions.float(), i, j, k)


def angle_component_by_component(positions, i, j, k):
    a = [positions[i, x] - positions[j, x] for x in range(3)]
    b = [positions[k, x] - positions[j, x] for x in range(3)]
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    return torch.atan2(torch.stack(cross).norm(), dot)


def dihedral_by_projection(positions, i, j, k, m):
    axis = (positions[k] - positions[j]) / (positions[k] - positions[j]).norm()
    u, v = positions[i] - positions[j], positions[m] - positions[k]
    u, v = u - (u @ axis) * axis, v - (v @ axis) * axis
    return torch.atan2(torch.linalg.cross(axis, u) @ v, u @ v)


def dihedral_with_unit_normals(R, a, b, c, d):
    m = torch.linalg.cross(R[b] - R[a], R[c] - R[b])
    n = torch.linalg.cross(R[c] - R[b], R[d] - R[c])
    axis = (R[c] - R[b]) / torch.linalg.norm(R[c] - R[b])
    return torch.arctan2(torch.linalg.cross(m, n) @ axis, m @ n)


def dihedral_by_arc_cosine_and_sign(positions, i, j, k, m):
    a, b, c = positions[j] - positions[i], positions[k] - positions[j], positions[m] - positions[k]
    u, n = torch.linalg.cross(a, b), torch.linalg.cross(b, c)
    size = torch.acos(((u @ n) / (u.norm() * n.norm())).clamp(-1, 1))
    return size if a @ n >= 0 else -size


def dihedral_from_minus_pi(positions, i, j, k, m):
    phi = dihedral_with_unit_normals(positions, i, j, k, m)
    return torch.where(phi > math.pi - 1e-9, phi - 2 * math.pi, phi)  # -180 for 180


def dihedral_in_single_precision(positions, i, j, k, m):
    return dihedral_by_projection(positions.float(), i, j, k, m)


right("1.2", angle_by_clamped_cosine, dihedral_by_projection)
right("1.2", angle_by_a_cosine_kept_a_little_inside, dihedral_by_projection)
right("1.2", angle_by_unit_vectors, dihedral_with_unit_normals)
right("1.2", angle_by_the_law_of_cosines, dihedral_by_arc_cosine_and_sign)
right("1.2", angle_component_by_component, dihedral_from_minus_pi)
right("1.2", angle_in_single_precision, dihedral_in_single_precision)

# ----------------------------------------------------------------------------------------------------------- 1.3


def bonded_by_loops(positions, topology, parameters):
    energy = 0 * positions.sum()
    for (i, j), k, r_0 in zip(topology.bonds, parameters.k_bond, parameters.r_0, strict=True):
        energy = energy + 0.5 * k * ((positions[i] - positions[j]).norm() - r_0) ** 2
    for (i, j, m), k, theta_0 in zip(topology.angles, parameters.k_angle, parameters.theta_0, strict=True):
        energy = energy + 0.5 * k * (bond_angle(positions, i, j, m) - theta_0) ** 2
    for (i, j, k, m), V in zip(topology.torsions, parameters.V, strict=True):
        phi = dihedral_angle(positions, i, j, k, m)
        energy = energy + sum(V[n - 1] / 2 * (1 + torch.cos(n * phi)) for n in (1, 2, 3))
    return energy


def bonded_in_rows(R, chain, numbers):  # other names, unpacked by place
    (bonds, angles, torsions), (k_r, r_0, k_a, a_0, V) = chain, numbers
    r = (R[bonds[:, 1]] - R[bonds[:, 0]]).norm(dim=1)
    angle = bond_angle(R, angles[:, 0], angles[:, 1], angles[:, 2])
    phi = dihedral_angle(R, *torsions.T)
    E_torsion = 0.5 * torch.einsum("tn,tn->", V, 1 + torch.stack([torch.cos(m * phi) for m in (1, 2, 3)], dim=1))
    return E_torsion + 0.5 * torch.sum(k_r * (r - r_0) ** 2) + 0.5 * torch.sum(k_a * (angle - a_0) ** 2)


def bonded_with_powers_of_the_cosine(positions, topology, parameters):
    energy = bonded_in_rows(positions, topology, parameters._replace(V=0 * parameters.V))
    c = torch.cos(dihedral_angle(positions, *topology.torsions.T))
    V_1, V_2, V_3 = parameters.V.T
    return energy + (V_1 * (1 + c) + V_2 * 2 * c**2 + V_3 * (1 + 4 * c**3 - 3 * c)).sum() / 2


def bonded_in_single_precision(positions, topology, parameters):
    return bonded_in_rows(positions.float(), topology, [numbers.float() for numbers in parameters])


def bonded_the_other_way_round(positions, topology, parameters):
    turned = type(topology)(*(term.flip(0).flip(1) for term in topology))
    return bonded_by_loops(positions, turned, type(parameters)(*(numbers.flip(0) for numbers in parameters)))


for answer in (
    *(bonded_by_loops, bonded_in_rows, bonded_with_powers_of_the_cosine),
    *(bonded_in_single_precision, bonded_the_other_way_round),
):
    right("1.3", answer)

# ----------------------------------------------------------------------------------------------------------- 1.4


def nonbonded_by_loop(positions, charges, sigma, epsilon, pairs):
    energy = 0 * positions.sum()
    for i, j in pairs:
        r = torch.sqrt(((positions[i] - positions[j]) ** 2).sum())
        s, e = (sigma[i] + sigma[j]) / 2, (epsilon[i] * epsilon[j]) ** 0.5
        energy = energy + 14.3996 * charges[i] * charges[j] / r + 4 * e * ((s / r) ** 12 - (s / r) ** 6)
    return energy


def nonbonded_from_the_whole_table(R, q, s, e, pairs):  # other names
    rows, columns = pairs[:, 0], pairs[:, 1]
    r = (R[:, None] - R[None]).pow(2).sum(-1)[rows, columns].sqrt()
    sixth = ((s[:, None] + s) / 2)[rows, columns] ** 6 / r**6
    depth = (e[:, None] * e).sqrt()[rows, columns]
    return (14.399645 * (q[:, None] * q)[rows, columns] / r).sum() + (4 * depth * sixth * (sixth - 1)).sum()


def nonbonded_with_the_minimum(positions, charges, sigma, epsilon, pairs):
    i, j = pairs.T
    r = torch.linalg.norm(positions[i] - positions[j], dim=-1)
    r_min = 2 ** (1 / 6) * 0.5 * (sigma[i] + sigma[j])
    e = torch.exp(0.5 * (torch.log(epsilon[i].clamp(min=1e-300)) + torch.log(epsilon[j].clamp(min=1e-300))))
    return torch.sum(e * ((r_min / r) ** 12 - 2 * (r_min / r) ** 6)) + torch.sum(14.39964 / r * charges[i] * charges[j])


def nonbonded_in_single_precision(positions, charges, sigma, epsilon, pairs):
    return nonbonded_from_the_whole_table(positions.float(), charges.float(), sigma.float(), epsilon.float(), pairs)


def nonbonded_in_numbers_of_ase(positions, charges, sigma, epsilon, pairs):
    i, j = pairs.flip(0).flip(1).T  # another order
    r = (positions[j] - positions[i]).norm(dim=1)
    x = (0.5 * (sigma[j] + sigma[i]) / r) ** 6
    terms = units.Hartree * units.Bohr * charges[i] * charges[j] / r, 4 * (epsilon[i] * epsilon[j]).sqrt() * (x * x - x)
    return torch.cat(terms).sum()


for answer in (
    *(nonbonded_by_loop, nonbonded_from_the_whole_table, nonbonded_with_the_minimum),
    *(nonbonded_in_single_precision, nonbonded_in_numbers_of_ase),
):
    right("1.4", answer)

# ----------------------------------------------------------------------------------------------------------- 1.5


def forces_by_backward(energy_fn, positions):
    R = positions.clone().detach()
    R.requires_grad = True
    energy_fn(R).backward()
    return -R.grad


def forces_by_functional(f, x):  # other names
    return -torch.func.grad(f)(x.detach())


def forces_by_jacobian(energy_fn, positions):
    return -torch.autograd.functional.jacobian(energy_fn, positions.detach())


def forces_by_central_differences(energy_fn, positions, h=1e-4):
    positions = positions.detach()
    F = torch.zeros_like(positions)
    for k in range(positions.numel()):
        step = torch.zeros(positions.numel(), dtype=positions.dtype)
        step[k] = h
        step = step.reshape(positions.shape)
        F.view(-1)[k] = -(energy_fn(positions + step) - energy_fn(positions - step)) / (2 * h)
    return F


def forces_with_numpy_outside(energy_fn, positions):
    R = torch.tensor(positions.detach().numpy(), requires_grad=True)
    return -torch.autograd.grad(energy_fn(R), [R])[0].numpy()


def forces_in_single_precision(energy_fn, positions):
    R = positions.detach().float().requires_grad_()
    return torch.autograd.grad(-energy_fn(R), R)[0]


def forces_that_can_be_differentiated_again(energy_fn, positions):
    R = positions if positions.requires_grad else positions.clone().requires_grad_()
    return -torch.autograd.grad(energy_fn(R), R, create_graph=True)[0]


for answer in (
    *(forces_by_backward, forces_by_functional, forces_by_jacobian, forces_by_central_differences),
    *(forces_with_numpy_outside, forces_in_single_precision, forces_that_can_be_differentiated_again),
):
    right("1.5", answer)

# ----------------------------------------------------------------------------------------------------------- 1.6


def composition_by_lstsq(numbers_list, energies, elements):
    counts = torch.tensor([[(numbers == z).sum() for z in elements] for numbers in numbers_list]).double()
    return torch.linalg.lstsq(counts, energies.double()[:, None]).solution[:, 0]


def composition_in_the_type_of_the_energies(numbers_list, energies, elements):
    counts = torch.zeros(len(numbers_list), len(elements), dtype=energies.dtype)
    for m, numbers in enumerate(numbers_list):
        for e, z in enumerate(elements):
            counts[m, e] = (numbers == z).sum()
    return torch.linalg.lstsq(counts, energies[:, None]).solution[:, 0]


def composition_by_normal_equations(molecules, E, elements):  # other names
    A = np.array([[np.count_nonzero(np.asarray(m) == z) for z in elements] for m in molecules])
    return np.linalg.solve(A.T @ A, A.T @ np.asarray(E))


def composition_by_pseudoinverse(numbers_list, energies, elements):
    counts = torch.zeros(len(numbers_list), len(elements), dtype=torch.float64)
    for row, numbers in enumerate(numbers_list):
        for number in numbers.tolist():
            counts[row, elements.index(number)] += 1
    return torch.linalg.pinv(counts) @ energies.double()


def composition_by_bincount(numbers_list, energies, elements):
    counts = torch.stack([torch.bincount(numbers, minlength=119)[elements] for numbers in numbers_list])
    Q, R = torch.linalg.qr(counts.double())
    return torch.linalg.solve_triangular(R, (Q.T @ energies.double())[:, None], upper=True).squeeze(1).tolist()


def composition_relative_to_the_first(numbers_list, energies, elements):
    counts = composition_counts(numbers_list, elements)
    order = torch.arange(len(counts)).flip(0)  # another order of the molecules
    return composition_by_lstsq_of(counts[order], energies.double()[order])


def composition_counts(numbers_list, elements):
    return torch.stack([(numbers[:, None] == torch.tensor(elements)).sum(dim=0) for numbers in numbers_list]).double()


def composition_by_lstsq_of(counts, energies):
    return torch.linalg.lstsq(counts, energies[:, None], driver="gelsd").solution.flatten()


def split_by_randperm(n, fractions, seed):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    ends = [round(n * sum(fractions[:k])) for k in range(len(fractions) + 1)]
    return [order[a:b] for a, b in pairwise(ends)]


def split_with_numpy(n, fractions, seed):
    order = np.random.default_rng(seed).permutation(n)
    return np.split(order, np.round(np.cumsum(fractions)[:-1] * n).astype(int))


def split_with_python(n, parts, seed):  # other names, lists, sorted parts
    order = list(range(n))
    random.Random(seed).shuffle(order)
    result = []
    for part in parts[:-1]:
        size = round(part * n)
        result.append(sorted(order[:size]))
        order = order[size:]
    return (*result, sorted(order))


def split_with_a_global_seed(n, fractions, seed):
    torch.manual_seed(seed)
    sizes = [int(n * fraction + 0.5) for fraction in fractions]
    return torch.randperm(n).split([n - sum(sizes[1:]), *sizes[1:]])  # the first part takes the rest


def split_the_rest_goes_last(n, fractions, seed):
    order = np.random.RandomState(seed).permutation(n).tolist()
    parts = []
    for fraction in fractions[:-1]:
        size = round(n * fraction)
        parts.append(order[:size])
        del order[:size]
    return [*parts, order]


right("1.6", composition_by_lstsq, split_by_randperm)
right("1.6", composition_in_the_type_of_the_energies, split_by_randperm)
right("1.6", composition_by_normal_equations, split_with_numpy)
right("1.6", composition_by_pseudoinverse, split_with_python)
right("1.6", composition_by_bincount, split_with_a_global_seed)
right("1.6", composition_relative_to_the_first, split_the_rest_goes_last)

"""Right answers to the exercises of Day 3a, written in other ways than the library's. All of them must pass."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from ase.neighborlist import neighbor_list

from course.descriptors import symmetry_functions as library
from course.graph import molecular_graph
from course.radial import cosine_cutoff, gaussian_basis
from tests.exercises.alternatives import right

answer: Any

# ----------------------------------------------------------------------------------------------------------- 3.1


def cutoff_by_product(r, cutoff):
    return 0.5 * (torch.cos(torch.pi * r / cutoff) + 1) * (r < cutoff)


def cutoff_by_clamping(d, r_c):  # other names
    return 0.5 + 0.5 * torch.cos(torch.pi * torch.clamp(d / r_c, max=1))


def cutoff_by_half_angle(r, cutoff):
    return torch.where(r < cutoff, torch.cos(torch.pi * r / (2 * cutoff)) ** 2, torch.tensor(0.0))


def cutoff_with_numpy(r, cutoff):
    r = r.numpy()
    return np.where(r < cutoff, 0.5 * (np.cos(np.pi * r / cutoff) + 1), 0.0)


def cutoff_in_single_precision(r, cutoff):
    r = r.float()
    values = (torch.cos(torch.pi * r / cutoff) + 1) / 2
    values[r >= cutoff] = 0  # in place, in a tensor of its own
    return values


def cutoff_by_loop(r, cutoff):
    values = [(math.cos(math.pi * x / cutoff) + 1) / 2 if x < cutoff else 0.0 for x in r.flatten().tolist()]
    return torch.tensor(values).reshape(r.shape)


for answer in (
    cutoff_by_product,
    cutoff_by_clamping,
    cutoff_by_half_angle,
    cutoff_with_numpy,
    cutoff_in_single_precision,
    cutoff_by_loop,
):
    right("3.1", answer)

# ----------------------------------------------------------------------------------------------------------- 3.2


def functions_by_loop(distances, centers, eta, cutoff):
    G = torch.zeros(len(centers))
    for r in distances:
        if r < cutoff:
            for k in range(len(centers)):
                G[k] += torch.exp(-eta * (r - centers[k]) ** 2) * 0.5 * (torch.cos(torch.pi * r / cutoff) + 1)
    return G


def functions_neighbour_by_neighbour(r_ij, R, sharpness, r_c):  # other names
    G = torch.zeros_like(R)
    for r in r_ij:
        G = G + torch.exp(-sharpness * (r - R) ** 2) * cosine_cutoff(r, r_c)
    return G


def functions_centre_by_centre(distances, centers, eta, cutoff):
    f_c = cosine_cutoff(distances, cutoff)
    return [(torch.exp(-eta * (distances - R) ** 2) * f_c).sum() for R in centers]


def functions_as_a_product(distances, centers, eta, cutoff):
    r = distances.to(centers.dtype)
    return cosine_cutoff(r, cutoff) @ torch.exp(-eta * (r[:, None] - centers) ** 2)


def functions_transposed(distances, centers, eta, cutoff):
    return (torch.exp(-eta * (centers[:, None] - distances) ** 2) * cosine_cutoff(distances, cutoff)).sum(1)


def functions_with_numpy(distances, centers, eta, cutoff):
    r, R = distances.numpy(), centers.numpy()
    f_c = np.where(r < cutoff, 0.5 * (np.cos(np.pi * r / cutoff) + 1), 0)
    return np.einsum("jk,j->k", np.exp(-eta * (r[:, None] - R) ** 2), f_c)


def functions_in_single_precision(distances, centers, eta, cutoff):
    r = distances[distances < cutoff].float()
    return (gaussian_basis(r, centers, eta) * cosine_cutoff(r, cutoff)[:, None]).flip(0).sum(0)


for answer in (
    functions_by_loop,
    functions_neighbour_by_neighbour,
    functions_centre_by_centre,
    functions_as_a_product,
    functions_transposed,
    functions_with_numpy,
    functions_in_single_precision,
):
    right("3.2", answer)

# ----------------------------------------------------------------------------------------------------------- 3.3


def grid_by_linspace(cutoff, n_radial):
    return torch.linspace(0, cutoff, n_radial, dtype=torch.float64), (n_radial / cutoff) ** 2


def grid_by_arange(r_c, n):  # other names
    return torch.arange(n) * r_c / max(1, n - 1), n**2 / r_c**2


def grid_with_numpy(cutoff, n_radial):
    return np.linspace(0, cutoff, n_radial), np.square(n_radial / cutoff)


def grid_as_lists(cutoff, n_radial):
    gap = cutoff / (n_radial - 1) if n_radial > 1 else 0
    return [k * gap for k in range(n_radial)], torch.tensor((n_radial / cutoff) ** 2)


def grid_in_single_precision(cutoff, n_radial):
    return torch.linspace(0, 1, n_radial, dtype=torch.float32) * cutoff, float(np.float32(n_radial / cutoff)) ** 2


for answer in (grid_by_linspace, grid_by_arange, grid_with_numpy, grid_as_lists, grid_in_single_precision):
    right("3.3", answer)

# ----------------------------------------------------------------------------------------------------------- 3.4

Aev = Callable[..., Any]


def aev_by_loop(numbers, positions, elements, centers, eta, cutoff):
    K = len(centers)
    x = torch.zeros(len(numbers), len(elements) * K)
    for i in range(len(numbers)):
        for j in range(len(numbers)):
            r = (positions[j] - positions[i]).norm()
            if i != j and r < cutoff:
                place = elements.index(int(numbers[j])) * K
                x[i, place : place + K] += torch.exp(-eta * (r - centers) ** 2) * cosine_cutoff(r, cutoff)
    return x


def aev_atom_by_atom(Z_j, R, known, R_k, sharpness, r_c):  # other names
    rows = []
    for i in range(len(Z_j)):
        r = (R - R[i]).norm(dim=1)
        other = torch.arange(len(Z_j)) != i
        parts = [library.radial_symmetry_functions(r[other & (Z_j == z)], R_k, sharpness, r_c) for z in known]
        rows.append(torch.cat(parts))
    return torch.stack(rows)


def aev_vectorised(numbers, positions, elements, centers, eta, cutoff):
    r = torch.cdist(positions, positions, compute_mode="donot_use_mm_for_euclid_dist")
    terms = torch.exp(-eta * (r[:, :, None] - centers) ** 2) * cosine_cutoff(r, cutoff)[:, :, None]
    terms = terms * (1 - torch.eye(len(r)))[:, :, None]
    one_hot = (numbers[:, None] == torch.tensor(elements)).double()
    return torch.einsum("ijk,jz->izk", terms, one_hot).reshape(len(numbers), -1)


def aev_by_edges(numbers, positions, elements, centers, eta, cutoff):
    near = torch.cdist(positions, positions, compute_mode="donot_use_mm_for_euclid_dist") < cutoff
    near.fill_diagonal_(False)
    i, j = torch.nonzero(near, as_tuple=True)
    terms = library.radial_term((positions[j] - positions[i]).norm(dim=1), centers, eta, cutoff)
    place = torch.tensor([elements.index(z) for z in numbers.tolist()])
    x = torch.zeros(len(numbers), len(elements), len(centers), dtype=torch.float64)
    return x.index_put((i, place[j]), terms, accumulate=True).flatten(1)


def aev_by_graph(numbers, positions, elements, centers, eta, cutoff):
    graph = molecular_graph((numbers, positions), cutoff)
    return library.radial_aev(graph, elements, centers, eta, cutoff)


def aev_by_ase(numbers, positions, elements, centers, eta, cutoff):
    from ase import Atoms

    atoms = Atoms(numbers.numpy(), positions.numpy())
    x = np.zeros((len(atoms), len(elements), len(centers)))
    for i, j, r in zip(*neighbor_list("ijd", atoms, float(cutoff)), strict=True):
        f_c = 0.5 * (np.cos(np.pi * r / cutoff) + 1)
        x[i, elements.index(atoms.numbers[j])] += np.exp(-eta * (r - centers.numpy()) ** 2) * f_c
    return x.reshape(len(atoms), -1)


def aev_in_single_precision(numbers, positions, elements, centers, eta, cutoff):
    R = positions.float()
    r = (R[:, None] - R[None]).norm(dim=2)
    r.fill_diagonal_(2.0 * cutoff)  # nobody hears himself: he is far away
    terms = library.radial_term(r.flatten(), centers.float(), eta, cutoff).reshape(*r.shape, -1)
    return torch.cat([terms[:, numbers == z].sum(dim=1) for z in elements], dim=1)


for answer in (
    aev_by_loop,
    aev_atom_by_atom,
    aev_vectorised,
    aev_by_edges,
    aev_by_graph,
    aev_by_ase,
    aev_in_single_precision,
):
    right("3.4", answer)

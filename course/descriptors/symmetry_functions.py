"""Atom-centred symmetry functions: Gaussians of distances and of angles, summed over the neighbours.

    radial   G2_i = sum_j exp(-eta (r_ij - R_s)^2) f_c(r_ij)
    angular  G4_i = 2^(1-zeta) sum_{j<k} (1 + lambda cos theta_ijk)^zeta
                               exp(-eta (r_ij^2 + r_ik^2 + r_jk^2)) f_c(r_ij) f_c(r_ik) f_c(r_jk)

Every element of the neighbours has a block of columns of its own, every pair of elements a block of angular ones.

Behler, J. Chem. Phys. 2011, 134, 074106, doi 10.1063/1.3553717, his G2 and G4. Behler sums over j and k in both
orders; here every pair counts once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from ase.units import Bohr
from torch import Tensor

from course.graph import Graph, neighbor_pairs
from course.radial import cosine_cutoff, gaussian_basis, radial_grid


class Pairs(NamedTuple):
    """Two neighbours j and k of the same atom i."""

    center: Tensor  # (n_pairs,)  i
    j: Tensor  # (n_pairs,)
    k: Tensor  # (n_pairs,)
    r_ij: Tensor  # (n_pairs,)  Angstrom
    r_ik: Tensor  # (n_pairs,)  Angstrom
    r_jk: Tensor  # (n_pairs,)  Angstrom
    cos_theta: Tensor  # (n_pairs,)  of the angle at i


def pairs_of(graph: Graph, cutoff: float) -> Pairs:
    """All pairs of neighbours within a cutoff, each once, with their distances and the angle between them."""
    near = graph.distances < cutoff
    graph = replace(graph, senders=graph.senders[near], receivers=graph.receivers[near])
    first, second = neighbor_pairs(graph.receivers)
    R_ij, R_ik = graph.displacements[first], graph.displacements[second]
    r_ij, r_ik = graph.distances[first], graph.distances[second]
    r_jk = torch.linalg.vector_norm(R_ik - R_ij, dim=1)
    product = r_ij * r_ik
    cos_theta = (R_ij * R_ik).sum(dim=1) / torch.where(product > 0, product, 1.0)  # an atom upon another has no angle
    return Pairs(graph.receivers[first], graph.senders[first], graph.senders[second], r_ij, r_ik, r_jk, cos_theta)


# ----------------------------------------------------------------------------- one value an edge, or a pair


def radial_term(r_ij: Tensor, centers: Tensor, eta: float | Tensor, cutoff: float) -> Tensor:
    """The terms of G2, one row a distance, one column a centre: (n_edges, n_radial).

    r_ij     (n_edges,)   Angstrom
    centers  (n_radial,)  R_s, Angstrom
    eta      one for all, or (n_radial,), 1/Angstrom^2
    """
    return gaussian_basis(r_ij, centers, eta) * cosine_cutoff(r_ij, cutoff)[:, None]


def radial_symmetry_functions(distances: Tensor, centers: Tensor, eta: float | Tensor, cutoff: float) -> Tensor:
    """G2 of one atom from the distances to its neighbours: (n_radial,); of `radial_term` the sum."""
    return radial_term(distances, centers, eta, cutoff).sum(dim=0)


def angular_term(
    cos_theta: Tensor,
    r_ij: Tensor,
    r_ik: Tensor,
    r_jk: Tensor,
    eta: Tensor,
    zeta: Tensor,
    lam: Tensor,
    cutoff: float,
) -> Tensor:
    """The terms of G4, one row a pair of neighbours, one column a triple (eta, zeta, lambda).

    cos_theta, r_ij, r_ik, r_jk   (n_pairs,)      Angstrom
    eta, zeta, lam                (n_angular,)    1/Angstrom^2, and two pure numbers; lambda is +1 or -1
    returns                       (n_pairs, n_angular)
    """
    angle = 2.0 ** (1 - zeta) * (1 + lam * cos_theta[:, None]).clamp(min=0) ** zeta  # -1e-17 to a power is no number
    squares = r_ij**2 + r_ik**2 + r_jk**2
    f_c = cosine_cutoff(r_ij, cutoff) * cosine_cutoff(r_ik, cutoff) * cosine_cutoff(r_jk, cutoff)
    return angle * torch.exp(-eta * squares[:, None]) * f_c[:, None]  # (n_pairs, 1) * (n_angular,)


def ani_angular_term(
    cos_theta: Tensor, r_ij: Tensor, r_ik: Tensor, eta: float, zeta: float, R_s: Tensor, theta_s: Tensor, cutoff: float
) -> Tensor:
    """The angular terms of ANI: hills of the mean distance, times hills of the angle.

        2^(1-zeta) (1 + cos(theta - theta_s))^zeta exp(-eta ((r_ij + r_ik) / 2 - R_s)^2) f_c(r_ij) f_c(r_ik)

    R_s      (n_shells,)    Angstrom
    theta_s  (n_sections,)  radians
    returns  (n_pairs, n_shells n_sections)

    Smith, Isayev, Roitberg, Chem. Sci. 2017, 8, 3192, doi 10.1039/C6SC05720A, eq. 4. The arc cosine is taken of
    0.95 cos theta, as the authors' programs do: its slope is infinite at 180 degrees.
    """
    theta = torch.acos(0.95 * cos_theta)
    angle = 2 ** (1 - zeta) * (1 + torch.cos(theta[:, None] - theta_s)) ** zeta  # (n_pairs, n_sections)
    f_c = cosine_cutoff(r_ij, cutoff) * cosine_cutoff(r_ik, cutoff)
    shell = torch.exp(-eta * ((r_ij + r_ik)[:, None] / 2 - R_s) ** 2) * f_c[:, None]  # (n_pairs, n_shells)
    return (shell[:, :, None] * angle[:, None, :]).flatten(1)


# ----------------------------------------------------------------------------- summed over the neighbours


def element_index(numbers: Tensor, elements: Sequence[int]) -> Tensor:
    """The place of each atom's element in `elements`, (n_atoms,)."""
    place = torch.full((119,), -1, device=numbers.device)
    place[list(elements)] = torch.arange(len(elements), device=numbers.device)
    if (place[numbers] < 0).any():
        unknown = sorted(set(numbers.tolist()) - set(elements))
        raise ValueError(f"Atomic numbers {unknown} are unknown to this descriptor; it knows {list(elements)}.")
    return place[numbers]


def radial_aev(graph: Graph, elements: Sequence[int], centers: Tensor, eta: float | Tensor, cutoff: float) -> Tensor:
    """G2 of every atom: (n_atoms, n_elements n_radial), column Z n_radial + k.

    centers  (n_radial,)  R_s, Angstrom
    eta      one for all, or (n_radial,), 1/Angstrom^2
    """
    terms = radial_term(graph.distances, centers, eta, cutoff)  # (n_edges, n_radial)
    blocks = graph.receivers * len(elements) + element_index(graph.numbers, elements)[graph.senders]
    x = terms.new_zeros(graph.n_atoms * len(elements), len(centers)).index_add(0, blocks, terms)
    return x.reshape(graph.n_atoms, -1)


def sum_over_pairs(graph: Graph, elements: Sequence[int], pairs: Pairs, terms: Tensor) -> Tensor:
    """Terms (n_pairs, n_angular), summed at the atom in the middle: (n_atoms, n_element_pairs n_angular)."""
    a, b = (element_index(graph.numbers, elements)[atom] for atom in (pairs.j, pairs.k))
    a, b = torch.minimum(a, b), torch.maximum(a, b)  # H-O and O-H are the same pair
    n = len(elements)
    block = a * n - a * (a - 1) // 2 + b - a  # 0-0, 0-1, 0-2, 1-1, 1-2, 2-2
    n_blocks = n * (n + 1) // 2
    x = terms.new_zeros(graph.n_atoms * n_blocks, terms.shape[1])
    return x.index_add(0, pairs.center * n_blocks + block, terms).reshape(graph.n_atoms, -1)


def angular_aev(graph: Graph, elements: Sequence[int], eta: Tensor, zeta: Tensor, lam: Tensor, cutoff: float) -> Tensor:
    """G4 of every atom: (n_atoms, n_element_pairs n_angular).

    eta, zeta, lam  (n_angular,)   one function a triple
    """
    pairs = pairs_of(graph, cutoff)
    eta, zeta, lam = (t.to(graph.positions) for t in (eta, zeta, lam))
    terms = angular_term(pairs.cos_theta, pairs.r_ij, pairs.r_ik, pairs.r_jk, eta, zeta, lam, cutoff)
    return sum_over_pairs(graph, elements, pairs, terms)


# ----------------------------------------------------------------------------- a set of functions


def like_positions(values: Sequence[float], graph: Graph) -> Tensor:
    """The numbers in the precision of the positions, whatever torch's default is."""
    return torch.tensor(values, dtype=torch.float64).to(graph.positions)


@dataclass(frozen=True)
class Radial:
    """G2: one function a centre, Angstrom, and sharpness, 1/Angstrom^2."""

    centers: tuple[float, ...]
    eta: tuple[float, ...]
    cutoff: float

    def __call__(self, graph: Graph, elements: Sequence[int]) -> Tensor:
        centers, eta = like_positions(self.centers, graph), like_positions(self.eta, graph)
        return radial_aev(graph, elements, centers, eta, self.cutoff)


@dataclass(frozen=True)
class Angular:
    """G4: one function a triple (eta, zeta, lambda)."""

    eta: tuple[float, ...]
    zeta: tuple[float, ...]
    lam: tuple[float, ...]
    cutoff: float

    def __call__(self, graph: Graph, elements: Sequence[int]) -> Tensor:
        eta, zeta, lam = (like_positions(values, graph) for values in (self.eta, self.zeta, self.lam))
        return angular_aev(graph, elements, eta, zeta, lam, self.cutoff)


@dataclass(frozen=True)
class ANIAngular:
    """The angular functions of ANI: one a shell R_s, Angstrom, and section theta_s, radians."""

    R_s: tuple[float, ...]
    theta_s: tuple[float, ...]
    eta: float
    zeta: float
    cutoff: float

    def __call__(self, graph: Graph, elements: Sequence[int]) -> Tensor:
        pairs = pairs_of(graph, self.cutoff)
        R_s, theta_s = like_positions(self.R_s, graph), like_positions(self.theta_s, graph)
        how = self.eta, self.zeta, R_s, theta_s, self.cutoff
        return sum_over_pairs(graph, elements, pairs, ani_angular_term(pairs.cos_theta, pairs.r_ij, pairs.r_ik, *how))


class SymmetryFunctions:
    """A fixed description of every atom: graph -> (n_atoms, n_features), radial functions first.

    elements  atomic numbers, in the order of the blocks
    radial    `Radial`
    angular   `Angular`, `ANIAngular`, or None for none
    """

    def __init__(self, elements: Sequence[int], radial: Radial, angular: Angular | ANIAngular | None = None):
        self.elements, self.radial, self.angular = list(elements), radial, angular
        self.cutoff = max(part.cutoff for part in (radial, angular) if part is not None)

    @classmethod
    def evenly_spaced(cls, elements: Sequence[int], n_radial: int, cutoff: float) -> SymmetryFunctions:
        """Radial functions only, on the grid of `course.radial.radial_grid`."""
        centers, eta = radial_grid(cutoff, n_radial)
        return cls(elements, Radial(tuple(centers.tolist()), (eta,) * n_radial, cutoff))

    @classmethod
    def ani1x(cls, elements: Sequence[int] = (1, 6, 7, 8)) -> SymmetryFunctions:
        """16 radial and 32 angular functions of ANI-1x; with the four elements 384 features.

        Smith, Nebgen, Lubbers, Isayev, Roitberg, J. Chem. Phys. 2018, 148, 241733, doi 10.1063/1.5023802. The authors'
        programs multiply the radial functions by 1/4; here they are whole.
        """
        shells, far = np.linspace(0.9, 3.5, 4, endpoint=False), np.linspace(0.9, 5.2, 16, endpoint=False)
        sections = (2 * np.arange(8) + 1) * np.pi / 16
        radial = Radial(tuple(far.tolist()), (16.0,) * 16, 5.2)
        return cls(elements, radial, ANIAngular(tuple(shells.tolist()), tuple(sections.tolist()), 8.0, 32.0, 3.5))

    @classmethod
    def artrith2013(cls, elements: Sequence[int], cutoff: float) -> SymmetryFunctions:
        """8 radial functions, all centred at the atom itself, and 22 angular ones, made for copper, zinc and oxygen.

        The cutoff, Angstrom, is yours: it is not part of the set.

        Artrith, Hiller, Behler, Phys. Status Solidi B 2013, 250, 1191, doi 10.1002/pssb.201248370; the values as KLIFF
        ("set30") and JAX MD (its default) give them, which agree. Bohr^-2 there, Angstrom^-2 here.
        """
        eta = (0.0009, 0.01, 0.02, 0.035, 0.06, 0.1, 0.2, 0.4)
        both = [(e, z, lam) for e in (0.0001, 0.003) for z in (1, 2) for lam in (-1, 1)]
        narrow = [(0.008, z, 1) for z in (1, 2)] + [(e, z, 1) for e in (0.015, 0.025, 0.045) for z in (1, 2, 4, 16)]
        a_eta, zeta, lam = (tuple(map(float, values)) for values in zip(*both, *narrow, strict=True))
        radial = Radial((0.0,) * 8, tuple(e / Bohr**2 for e in eta), cutoff)
        return cls(elements, radial, Angular(tuple(e / Bohr**2 for e in a_eta), zeta, lam, cutoff))

    @property
    def settings(self) -> dict[str, Any]:
        """What makes the same functions again, as JSON can hold it."""
        angular = None if self.angular is None else {"kind": type(self.angular).__name__, **asdict(self.angular)}
        return {"elements": self.elements, "radial": asdict(self.radial), "angular": angular}

    @classmethod
    def from_settings(
        cls, elements: Sequence[int], radial: dict[str, Any], angular: dict[str, Any] | None
    ) -> SymmetryFunctions:
        """The functions that have these `settings`."""
        kinds = {"Angular": Angular, "ANIAngular": ANIAngular}
        if angular is None:
            return cls(elements, Radial(**radial))
        kind, numbers = angular["kind"], {name: value for name, value in angular.items() if name != "kind"}
        return cls(elements, Radial(**radial), kinds[kind](**numbers))

    @property
    def n_features(self) -> int:
        n, n_radial = len(self.elements), len(self.radial.centers)
        if self.angular is None:
            return n * n_radial
        by_angle = (
            self.angular.eta if isinstance(self.angular, Angular) else np.outer(self.angular.R_s, self.angular.theta_s)
        )
        return n * n_radial + n * (n + 1) // 2 * np.size(by_angle)

    def __call__(self, graph: Graph) -> Tensor:
        parts = [part(graph, self.elements) for part in (self.radial, self.angular) if part is not None]
        return torch.cat(parts, dim=1)

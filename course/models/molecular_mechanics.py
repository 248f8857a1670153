"""Molecular mechanics: the atoms are balls, the bonds are springs, and every formula is fixed.

    E = sum over bonded      E_ij^bond + E_ijk^angle + E_ijkl^torsion
      + sum over non-bonded  E_ij^elst + E_ij^vdW

Only the numbers in the formulas are open: they are looked up by the type of the atoms, and here they are learned.
The five terms, and which pairs count as non-bonded, are those of Cornell et al., J. Am. Chem. Soc. 1995, 117, 5179,
doi 10.1021/ja00124a002, eq. 1. Departures: a half before each spring (k is twice theirs), all torsions have phase
zero (a negative V_n does the same as a phase of 180 degrees), and charges come from the bonds (see `charges`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from ase import units
from ase.data import vdw_radii
from torch import Tensor, nn

from course.datasets import Dataset
from course.descriptors.symmetry_functions import element_index
from course.graph import Graph, batch, bond_length, is_bond, molecular_graph

# Pauling's electronegativities, where the charges start.
ELECTRONEGATIVITY = {1: 2.20, 6: 2.55, 7: 3.04, 8: 3.44, 9: 3.98}
COULOMB = units.Hartree * units.Bohr  # e^2 / (4 pi epsilon_0) = 14.40 eV Angstrom
Index = int | Tensor  # of one atom, or of many
Table = Sequence[Sequence[int]]


class Topology(NamedTuple):
    """Who is joined to whom: each bond, angle and torsion once, as indices of atoms."""

    bonds: Tensor  # (n_bonds, 2)     i, j
    angles: Tensor  # (n_angles, 3)    i, j, k with j in the middle
    torsions: Tensor  # (n_torsions, 4)  i, j, k, l along the chain


class Parameters(NamedTuple):
    """The numbers in the formulas, one row a bond, an angle, a torsion."""

    k_bond: Tensor  # (n_bonds,)       eV/Angstrom^2
    r_0: Tensor  # (n_bonds,)       Angstrom
    k_angle: Tensor  # (n_angles,)      eV/radian^2
    theta_0: Tensor  # (n_angles,)      radian
    V: Tensor  # (n_torsions, 3)  V_1, V_2, V_3, eV


# ----------------------------------------------------------------------------- distances and angles


def pair_distances(positions: Tensor) -> Tensor:
    """r_ij between all atoms, (n_atoms, n_atoms), zero on the diagonal, with finite gradients there too."""
    return torch.linalg.vector_norm(positions[None, :] - positions[:, None], dim=2)


def bond_angle(positions: Tensor, i: Index, j: Index, k: Index) -> Tensor:
    """The angle at j between the directions to i and to k, radian, 0 to pi; i, j, k are indices or rows of them.

    The arc tangent of |a x b| / (a . b). The arc cosine has an infinite slope at 0 and at 180 degrees.
    """
    a, b = positions[i] - positions[j], positions[k] - positions[j]
    return torch.atan2(torch.linalg.vector_norm(torch.linalg.cross(a, b), dim=-1), (a * b).sum(-1))


def dihedral_angle(positions: Tensor, i: Index, j: Index, k: Index, l: Index) -> Tensor:  # noqa: E741
    """The turn about the bond j-k from i to l, radian, -pi to pi: positive is clockwise, looking from j to k.

    The arc tangent of |b| a . (b x c) / ((a x b) . (b x c)), with a = R_j - R_i, b = R_k - R_j, c = R_l - R_k:
    the sign is that of IUPAC (Compendium of Chemical Terminology, "torsion angle", doi 10.1351/goldbook.T06406).
    """
    a, b, c = positions[j] - positions[i], positions[k] - positions[j], positions[l] - positions[k]
    normal = torch.linalg.cross(b, c)
    y = torch.linalg.vector_norm(b, dim=-1) * (a * normal).sum(-1)
    return torch.atan2(y, (torch.linalg.cross(a, b) * normal).sum(-1))


# ----------------------------------------------------------------------------- the five terms


def bonded_terms(positions: Tensor, topology: Topology, parameters: Parameters) -> tuple[Tensor, Tensor, Tensor]:
    """The energy of each bond (n_bonds,), angle (n_angles,) and torsion (n_torsions,), eV.

    E_bond    = k/2 (r - r_0)^2
    E_angle   = k/2 (theta - theta_0)^2
    E_torsion = V_1/2 (1 + cos phi) + V_2/2 (1 + cos 2 phi) + V_3/2 (1 + cos 3 phi)
    """
    i, j = topology.bonds.T
    r = torch.linalg.vector_norm(positions[j] - positions[i], dim=1)
    theta = bond_angle(positions, *topology.angles.T)
    phi = dihedral_angle(positions, *topology.torsions.T)
    n = torch.arange(1, 4, device=phi.device)
    E_bond = parameters.k_bond / 2 * (r - parameters.r_0) ** 2
    E_angle = parameters.k_angle / 2 * (theta - parameters.theta_0) ** 2
    E_torsion = (parameters.V / 2 * (1 + torch.cos(n * phi[:, None]))).sum(dim=1)  # (n_torsions, 3) -> (n_torsions,)
    return E_bond, E_angle, E_torsion


def bonded_energy(positions: Tensor, topology: Topology, parameters: Parameters) -> Tensor:
    """Bonds + angles + torsions, a scalar, eV."""
    return torch.stack([term.sum() for term in bonded_terms(positions, topology, parameters)]).sum()


def nonbonded_terms(
    positions: Tensor, charges: Tensor, sigma: Tensor, epsilon: Tensor, pairs: Tensor
) -> tuple[Tensor, Tensor]:
    """The electrostatic and the van der Waals energy of each pair, (n_pairs,) both, eV.

        E_elst = q_i q_j / (4 pi epsilon_0 r)
        E_vdW  = 4 epsilon ((sigma / r)^12 - (sigma / r)^6)

    with sigma = (sigma_i + sigma_j) / 2 and epsilon = sqrt(epsilon_i epsilon_j) (Lorentz and Berthelot).

    charges  (n_atoms,)    elementary charges
    sigma    (n_atoms,)    Angstrom
    epsilon  (n_atoms,)    eV
    pairs    (n_pairs, 2)
    """
    i, j = pairs.T
    r = torch.linalg.vector_norm(positions[j] - positions[i], dim=1)
    attraction = ((sigma[i] + sigma[j]) / 2 / r) ** 6
    E_vdW = 4 * torch.sqrt(epsilon[i] * epsilon[j]) * (attraction**2 - attraction)
    return COULOMB * charges[i] * charges[j] / r, E_vdW


def nonbonded_energy(positions: Tensor, charges: Tensor, sigma: Tensor, epsilon: Tensor, pairs: Tensor) -> Tensor:
    """Electrostatics + van der Waals over the pairs, a scalar, eV."""
    E_elst, E_vdW = nonbonded_terms(positions, charges, sigma, epsilon, pairs)
    return E_elst.sum() + E_vdW.sum()


# ----------------------------------------------------------------------------- who is joined to whom


def bonds_of(graph: Graph) -> Tensor:
    """The bonds among the edges of a graph, each once, (n_bonds, 2): the rule of the covalent radii."""
    i, j = graph.receivers, graph.senders
    bond = is_bond(graph.numbers[i], graph.numbers[j], graph.distances.detach()) & (i < j)
    return torch.stack([i[bond], j[bond]], dim=1)


def topology_of(bonds: Tensor) -> Topology:
    """Two bonds in a row make an angle, three make a torsion; bonds (n_bonds, 2)."""
    steps = torch.cat([bonds, bonds.flip(1)])  # a bond can be walked along both ways
    steps = steps[steps[:, 0].argsort(stable=True)]
    angles = longer(steps, steps)
    torsions = longer(angles, steps)
    return Topology(bonds, *(walks[walks[:, 0] < walks[:, -1]] for walks in (angles, torsions)))  # one way is enough


def longer(walks: Tensor, steps: Tensor) -> Tensor:
    """Each walk with every further step that meets no atom again, (n_walks, m) -> (n_longer_walks, m + 1).

    steps  (n_steps, 2)  from an atom to its neighbour, sorted by the first
    """
    starts, here = steps[:, 0].contiguous(), walks[:, -1].contiguous()
    first = torch.searchsorted(starts, here)
    n_steps = torch.searchsorted(starts, here, right=True) - first
    walk = torch.repeat_interleave(n_steps)  # 0, 0, 0, 1, 1, ...: a walk comes as often as it can go on
    step = torch.arange(len(walk), device=walk.device) - (n_steps.cumsum(0) - n_steps - first)[walk]
    walks = torch.cat([walks[walk], steps[step, 1:]], dim=1)
    return walks[(walks[:, :-1] != walks[:, -1:]).all(dim=1)]


def nonbonded_weights(pairs: Tensor, topology: Topology, n_atoms: int) -> tuple[Tensor, Tensor]:
    """What counts of each pair's electrostatics and of its van der Waals energy, (n_pairs,) both.

    Atoms one or two bonds apart: nothing, springs take care of them. Three bonds apart: 1/1.2 and 1/2. Else all.
    """

    def among(*tables: Tensor) -> Tensor:
        ends = torch.cat([table[:, [0, -1]] for table in tables])
        return torch.isin(pairs.sort(dim=1).values @ key, ends.sort(dim=1).values @ key)

    key = torch.tensor([n_atoms, 1], device=pairs.device)  # a pair of indices as one number
    near, torsion = among(topology.bonds, topology.angles), among(topology.torsions)
    elst, vdW = torch.where(torsion, 1 / 1.2, 1.0), torch.where(torsion, 1 / 2, 1.0)
    return elst.masked_fill(near, 0.0), vdW.masked_fill(near, 0.0)


# ----------------------------------------------------------------------------- the model


class Assigned(NamedTuple):
    """A force field written out for the molecules of a graph."""

    topology: Topology
    parameters: Parameters
    charges: Tensor  # (n_atoms,)  elementary charges
    sigma: Tensor  # (n_atoms,)  Angstrom
    epsilon: Tensor  # (n_atoms,)  eV
    zero: Tensor  # (n_atoms,)  eV; springs at rest have energy zero, molecules do not


def one_way(keys: Tensor) -> Tensor:
    """A chain of atom types (n, m) is the same chain from its other end: read from the end with the smaller types."""
    outer, inner = (keys - keys.flip(1))[:, :2].T
    return torch.where(((outer > 0) | ((outer == 0) & (inner > 0)))[:, None], keys.flip(1), keys)


def rows_of(keys: Tensor, table: Table) -> Tensor:
    """Where each key (n, m) stands in a table of them, (n,); one row further where it does not."""
    rows = torch.tensor(table, device=keys.device).reshape(-1, keys.shape[1])
    same = (keys[:, None] == rows).all(dim=2)  # (n, n_rows)
    return nn.functional.pad(same, (0, 1), value=True).int().argmax(dim=1)  # the first that is true


class MolecularMechanics(nn.Module):
    """Bonds, angles, torsions, charges and van der Waals pairs: graph -> atomic energies (n_atoms,), eV.

    elements  the atomic numbers that the model knows
    types     the atoms, bonds, angles and torsions with parameters of their own; `for_data` finds them. An atom is
              its element and how many neighbours of each element it is bonded to, the others are rows of atoms.
              Whatever is not in these tables shares general parameters
    cutoff    of the non-bonded pairs, Angstrom
    bonds     (n_bonds, 2), the bonds of the one molecule that the model is for, whatever the distances are;
              None finds them anew in each geometry, and then the energy jumps where a bond appears or breaks

    Each term is shared equally by its atoms. What must be positive is learned as a logarithm: a step of the optimiser
    is then a relative change.
    """

    scale = 1.0  # the numbers have units: the energies are eV already, not the order-one outputs of a network
    T = 1  # all that an atom feels is within the cutoff

    def __init__(
        self,
        elements: Sequence[int],
        types: Sequence[Table] = ((), (), (), ()),
        cutoff: float = 10.0,
        bonds: Table | None = None,
    ):
        super().__init__()
        self.elements, self.types, self.cutoff, self.bonds = list(elements), list(types), cutoff, bonds
        n_bonds, n_angles, n_torsions = (len(table) + 1 for table in types[1:])  # the last row is general
        atoms = [key[0] for key in types[0]] + self.elements  # an atom of no known type falls back on its element
        self.log_k_bond = nn.Parameter(torch.full((n_bonds,), math.log(30.0)))
        self.stretch = nn.Parameter(torch.zeros(n_bonds))  # log of r_0 / sum of the covalent radii
        self.log_k_angle = nn.Parameter(torch.full((n_angles,), math.log(4.0)))
        self.theta_0 = nn.Parameter(torch.full((n_angles,), math.radians(109.5)))
        self.V = nn.Parameter(torch.zeros(n_torsions, 3))
        # Two atoms rest at 2^(1/6) sigma; a start is the sum of their van der Waals radii.
        self.log_sigma = nn.Parameter(torch.tensor([math.log(2 ** (5 / 6) * vdw_radii[z]) for z in atoms]))
        self.log_epsilon = nn.Parameter(torch.full((len(atoms),), math.log(0.003)))
        self.chi = nn.Parameter(torch.tensor([0.25 * ELECTRONEGATIVITY.get(z, 2.5) for z in atoms]))
        self.zero = nn.Parameter(torch.zeros(len(atoms)))

    @classmethod
    def for_data(cls, dataset: Dataset, cutoff: float = 10.0, bonds: Table | None = None) -> MolecularMechanics:
        """The types that occur in the (training) data; r_0 and theta_0 start at their means there."""
        generic = cls(dataset.elements, cutoff=cutoff, bonds=bonds)
        graph = batch([molecular_graph((frame.numbers, frame.positions), cutoff) for frame in dataset])
        topology = generic.topology(graph)
        atoms, rows = generic.neighborhoods(graph.numbers, topology.bonds).unique(dim=0, return_inverse=True)
        terms = [one_way(rows[term]).unique(dim=0, return_inverse=True) for term in topology]
        model = cls(dataset.elements, [atoms.tolist(), *(table.tolist() for table, _ in terms)], cutoff, bonds)
        i, j = topology.bonds.T
        r = torch.linalg.vector_norm(graph.positions[j] - graph.positions[i], dim=1)
        stretch = torch.log(r / bond_length(graph.numbers[i], graph.numbers[j]))
        theta = bond_angle(graph.positions, *topology.angles.T)
        for start, values, (_, rows) in zip((model.stretch, model.theta_0), (stretch, theta), terms, strict=False):
            start.data[:-1] = torch.bincount(rows, values) / torch.bincount(rows)
        return model

    @property
    def settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("elements", "types", "cutoff", "bonds")}

    def topology(self, graph: Graph) -> Topology:
        """Bonds, angles and torsions of all molecules in the graph."""
        if self.bonds is None:
            return topology_of(bonds_of(graph))
        bonds = torch.tensor(self.bonds, dtype=torch.int64, device=graph.positions.device).reshape(-1, 2)
        first_atoms = range(0, graph.n_atoms, graph.n_atoms // graph.n_molecules)
        return topology_of(torch.cat([bonds + first for first in first_atoms]))

    def neighborhoods(self, numbers: Tensor, bonds: Tensor) -> Tensor:
        """Element and number of bonded neighbours of each element, (n_atoms, 1 + n_elements)."""
        i, j = torch.cat([bonds, bonds.flip(1)]).T
        kind = (numbers[:, None] == torch.tensor(self.elements, device=numbers.device)).long()
        return torch.cat([numbers[:, None], torch.zeros_like(kind).index_add(0, i, kind[j])], dim=1)

    def atom_rows(self, numbers: Tensor, bonds: Tensor) -> Tensor:
        """The row of each atom in the tables of atoms, (n_atoms,)."""
        n_types, element = len(self.types[0]), element_index(numbers, self.elements)
        rows = rows_of(self.neighborhoods(numbers, bonds), self.types[0])
        return torch.where(rows < n_types, rows, n_types + element)

    def parameters_of(self, numbers: Tensor, atoms: Tensor, topology: Topology) -> Parameters:
        """The parameters of every bond, angle and torsion, from the types of its atoms."""
        terms = zip(topology, self.types[1:], strict=True)
        bond, angle, torsion = (rows_of(one_way(atoms[term]), table) for term, table in terms)
        r_0 = bond_length(*numbers[topology.bonds].T).to(self.stretch) * self.stretch.exp()[bond]
        k_bond, k_angle = self.log_k_bond.exp()[bond], self.log_k_angle.exp()[angle]
        return Parameters(k_bond, r_0, k_angle, self.theta_0[angle], self.V[torsion])

    def charges(self, atoms: Tensor, bonds: Tensor) -> Tensor:
        """q_i = sum over bonds (chi_j - chi_i), (n_atoms,): what one end of a bond gains the other loses.

        So a molecule is neutral, and so is an atom without bonds. chi, the pull of an atom on electrons, is learned.
        MMFF94 has such increments for each kind of bond: Halgren, J. Comput. Chem. 1996, 17, 490.
        """
        i, j = bonds.T
        moved = self.chi[atoms[j]] - self.chi[atoms[i]]
        return moved.new_zeros(len(atoms)).index_add(0, i, moved).index_add(0, j, -moved)

    def assigned(self, graph: Graph) -> Assigned:
        """Who is joined to whom in this graph, and every number in the formulas, by the types of the atoms."""
        topology = self.topology(graph)
        atoms = self.atom_rows(graph.numbers, topology.bonds)
        return Assigned(
            topology,
            self.parameters_of(graph.numbers, atoms, topology),
            self.charges(atoms, topology.bonds),
            self.log_sigma.exp()[atoms],
            self.log_epsilon.exp()[atoms],
            self.zero[atoms],
        )

    def forward(self, graph: Graph) -> Tensor:
        """Atomic energies (n_atoms,), eV."""
        topology, parameters, charges, sigma, epsilon, zero = self.assigned(graph)
        E_i = torch.zeros_like(graph.positions[:, 0]) + zero
        for term, energies in zip(topology, bonded_terms(graph.positions, topology, parameters), strict=True):
            n = term.shape[1]
            E_i = E_i.index_add(0, term.flatten(), (energies / n).repeat_interleave(n))
        # Every pair is two edges, and each edge gives its half to the atom that listens.
        pairs = torch.stack([graph.receivers, graph.senders], dim=1)
        w_elst, w_vdW = nonbonded_weights(pairs, topology, graph.n_atoms)
        apart = w_vdW > 0
        pairs, w_elst, w_vdW = pairs[apart], w_elst[apart], w_vdW[apart]
        E_elst, E_vdW = nonbonded_terms(graph.positions, charges, sigma, epsilon, pairs)
        return E_i.index_add(0, pairs[:, 0], (w_elst * E_elst + w_vdW * E_vdW).to(E_i.dtype) / 2)

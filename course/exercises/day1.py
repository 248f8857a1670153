"""Exercises 1.1 to 1.6: distances, angles, the five terms of molecular mechanics, forces, and an honest baseline."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from course.exercises.evidence import Slip, agree, encode
from course.exercises.exercise import Case, Exercise, Function, Misconception, by_value, tensor
from course.models.composition import fit_composition
from course.models.molecular_mechanics import (
    COULOMB,
    Parameters,
    Topology,
    bond_angle,
    bonded_energy,
    bonded_terms,
    dihedral_angle,
    nonbonded_energy,
    nonbonded_terms,
    pair_distances,
)

OVERWRITTEN = (
    "Only the last term of your loops is left. `energy = ...` forgets what was there; write `energy = energy + ...`."
)
CUT = (
    "The values are right, but they do not depend on the positions any more: `.detach()`, `.item()`, `float()`, "
    "`math`, numpy and `torch.tensor(...)` of results all give back bare numbers, and a list of tensors has no slope "
    "either: `torch.stack` keeps it. The forces will be the slope of this value, so stay in torch."
)


def value_and_slope(function: Function, args: tuple[Any, ...]) -> Any:
    """The answer; and in the larger cases, where nothing is degenerate, its gradient in the positions as well."""
    positions, *rest = args
    if len(positions) < 5:
        return function(*args)
    R = positions.clone().requires_grad_()
    value = function(R, *rest)
    if value is None:
        return None
    if not isinstance(value, Tensor) or not value.requires_grad:
        return {"value": value, "gradient": None}
    weights = torch.arange(1.0, value.numel() + 1, dtype=value.dtype).reshape(value.shape)
    (gradient,) = torch.autograd.grad((weights * value).sum(), R, allow_unused=True)
    return {"value": value, "gradient": gradient}


# ------------------------------------------------------------------------------------------------ 1.1 pair_distances


def positions_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((tensor([[0.0, 0, 0], [3.0, 4.0, 0]]),))
    yield Case((tensor([[1.0, 2.0, 3.0]]),), when="with one atom alone")
    yield Case((tensor([[0.0, 0, 0], [0, 0, 1.0], [0, 2.0, 0]]),))  # as many atoms as coordinates
    yield Case((tensor(rng.normal(size=(4, 3))),))
    yield Case((tensor(rng.normal(size=(5, 3))),), given="five atoms at random places, and the gradient at them")
    yield Case((tensor(rng.normal(size=(9, 3))),), given="nine atoms at random places, and the gradient at them")


def squares(positions: Tensor) -> Tensor:
    return ((positions[None] - positions[:, None]) ** 2).sum(dim=2)


PAIR_DISTANCES = by_value(
    "1.1",
    pair_distances,
    cases=positions_cases,
    call=value_and_slope,
    success="every pair at its distance, and every slope a number.",
    start="Start from the table of differences, positions[None, :, :] - positions[:, None, :].",
    hints=(
        "What is the slope of the square root at 0? Where in your table is that point?",
        "Autograd differentiates every number that it has seen, also one that you replace afterwards, and 0 times "
        "infinity is NaN. So no zero may go *into* the root.",
        "Two ways: `torch.linalg.vector_norm(R_ij, dim=2)`, which knows that the slope of a length at zero is zero; or "
        "add `torch.eye(n)` to the squares before the root, and take it away after it.",
    ),
    misconceptions=[
        Misconception(
            "root of zero",
            "The distances are right, but their gradient is NaN: the diagonal went through `sqrt(0)`, whose slope is "
            "infinite, and one NaN is enough to lose every force. To write the zero again after the root comes too "
            "late: autograd still goes back through it. Change the numbers before the root.",
            lambda positions: squares(positions).sqrt(),
        ),
        Misconception("cut off", CUT, lambda positions: pair_distances(positions.detach())),
        Misconception(
            "squared",
            "These are squared distances. The root is missing.",
            lambda positions: squares(positions),
        ),
        Misconception(
            "axes added",
            "You added up the differences along x, y and z. That is the way of a taxi, and it changes when the "
            "molecule turns. Square them, add, take the root.",
            lambda positions: (positions[None] - positions[:, None]).abs().sum(dim=2),
        ),
        Misconception(
            "added over the atoms",
            "You added over the atoms, and one row of three numbers came out for each. x, y and z stand on the last "
            "axis of the differences, (n, n, 3): add there, `sum(dim=2)`.",
            lambda positions: torch.linalg.vector_norm(positions[None] - positions[:, None], dim=1),
        ),
        Misconception(
            "differences",
            "You returned the difference vectors, (n, n, 3). A distance is their length: one number a pair.",
            lambda positions: positions[None] - positions[:, None],
        ),
        Misconception(
            "upper triangle",
            "Only half of your table is filled. r_ij = r_ji, and both are asked for: row i is everything that atom i "
            "sees.",
            lambda positions: pair_distances(positions).triu(),
        ),
        Misconception(
            "a distance of its own",
            "Your diagonal is not zero. What you added before the root to keep it off zero must be taken away again.",
            lambda positions: (squares(positions) + torch.eye(len(positions))).sqrt(),
        ),
    ],
)

# ------------------------------------------------------------------------------------------------------- 1.2 angles


def angle_cases(rng: np.random.Generator) -> Iterator[Case]:
    right = tensor([[1.0, 0, 0], [0, 0, 0], [0, 2.0, 0]])
    # three atoms on a line, chosen so that rounding brings the cosine beyond 1, however it is computed
    opposite = tensor([[1.1, 1.7999999999999998, 0.7], [0.1, -0.1, -0.3], [-4.9, -9.6, -5.3]])
    alike = tensor(
        [[1.5000000000000002, 0.7000000000000001, 1.3], [-0.7, -0.1, 0.3], [14.700000000000003, 5.500000000000001, 7.3]]
    )
    yield Case((right, 0, 1, 2), of="bond_angle")
    yield Case((right, 1, 0, 2), of="bond_angle")
    yield Case((opposite, 0, 1, 2), of="bond_angle", when="with three atoms on a line")
    yield Case((alike, 0, 1, 2), of="bond_angle", when="with both neighbours in one direction")
    yield Case((tensor(rng.normal(size=(6, 3))), 4, 2, 5), of="bond_angle", given="atoms 4, 2, 5 of six")
    yield Case((tensor(rng.normal(size=(6, 3))), 0, 5, 3), of="bond_angle", given="atoms 0, 5, 3 of six")
    for degrees in (60, -60, 150, -90, 0, 180):
        phi = math.radians(degrees)
        chain = [[1.0, 0, 0], [0, 0, 0], [0, 0, 1.5], [0.9 * math.cos(phi), 0.9 * math.sin(phi), 1.5]]
        yield Case((tensor(chain), 0, 1, 2, 3), of="dihedral_angle", given=f"a chain that is turned by {degrees}°")
    zigzag = [[1.0, 0, 0], [0, 0, 0], [0, 0, 1.5], [-0.9, 0, 1.5]]  # trans to the last digit: the sine is exactly 0
    yield Case((tensor(zigzag), 0, 1, 2, 3), of="dihedral_angle", given="a flat zigzag chain, y = 0 for all atoms")
    yield Case((tensor(rng.normal(size=(6, 3))), 4, 2, 5, 0), of="dihedral_angle", given="atoms 4, 2, 5, 0 of six")
    yield Case((tensor(rng.normal(size=(6, 3))), 1, 3, 0, 2), of="dihedral_angle", given="atoms 1, 3, 0, 2 of six")


def half_turn(encoded: dict[str, Any]) -> dict[str, Any]:
    """-180 degrees is 180 degrees, and within 0.06 degrees straight is straight: a cosine may be kept inside of ±1."""
    if encoded.get("shape") == [] and isinstance(encoded["values"][0], float):
        (angle,) = encoded["values"]
        straight = next((s for s in (0.0, math.pi) if abs(abs(angle) - s) < 1e-3), angle)
        return encoded | {"values": [straight]}
    return encoded


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum() / (a.norm() * b.norm())


def angle_by_cosine(positions: Tensor, i: int, j: int, k: int) -> Tensor:
    """Right but for what the rounding does to a straight line."""
    return torch.arccos(cosine(positions[i] - positions[j], positions[k] - positions[j]))


def normals(positions: Tensor, i: int, j: int, k: int, l: int) -> tuple[Tensor, Tensor]:  # noqa: E741
    a, b, c = positions[j] - positions[i], positions[k] - positions[j], positions[l] - positions[k]
    return torch.linalg.cross(a, b), torch.linalg.cross(b, c)


def dihedral_with(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The dihedral made by another function of |b| a . (b x c) and (a x b) . (b x c)."""

    def dihedral(positions: Tensor, i: int, j: int, k: int, l: int) -> Tensor:  # noqa: E741
        (m, n), a = normals(positions, i, j, k, l), positions[j] - positions[i]
        return function((positions[k] - positions[j]).norm() * (a * n).sum(), (m * n).sum())

    return dihedral


def dihedral_without_length(positions: Tensor, i: int, j: int, k: int, l: int) -> Tensor:  # noqa: E741
    (m, n), a = normals(positions, i, j, k, l), positions[j] - positions[i]
    return torch.atan2((a * n).sum(), (m * n).sum())


def sign_times_arccos(positions: Tensor, i: int, j: int, k: int, l: int) -> Tensor:  # noqa: E741
    (m, n), a = normals(positions, i, j, k, l), positions[j] - positions[i]
    return torch.sign((a * n).sum()) * torch.arccos(cosine(m, n).clamp(-1 + 1e-12, 1 - 1e-12))


ANGLES = by_value(
    "1.2",
    bond_angle,
    dihedral_angle,
    cases=angle_cases,
    call=value_and_slope,
    canonical=half_turn,
    success="bent and twisted, with the sign of IUPAC.",
    start="Start from the two vectors that leave the atom in the middle.",
    hints=(
        "Bond angle: two vectors that both start at j. Dihedral: two planes, (i, j, k) and (j, k, l). Which vector "
        "says how a plane lies?",
        "The cross product of two vectors in a plane stands upright on it. The angle between the two upright vectors "
        "is the dihedral, but the arc cosine loses its sign. `torch.atan2(y, x)` keeps it.",
        "With a = R_j - R_i, b = R_k - R_j, c = R_l - R_k and n = b x c: "
        "`torch.atan2(b.norm() * (a * n).sum(), (torch.linalg.cross(a, b) * n).sum())`. "
        "Bond angle, with u and v from j: `torch.atan2(torch.linalg.cross(u, v).norm(), (u * v).sum())`.",
    ),
    misconceptions=[
        Misconception(
            "degrees",
            "These are degrees. The exercise asks for radians: they are what `cos` takes, and what a force constant "
            "in eV/rad² belongs to.",
            lambda *args: torch.rad2deg(bond_angle(*args)),
            of="bond_angle",
        ),
        Misconception(
            "angle at the first atom",
            "This is the angle at atom i. The atom in the middle, j, is the corner: both vectors start there.",
            lambda positions, i, j, k: bond_angle(positions, j, i, k),
            of="bond_angle",
        ),
        Misconception(
            "angle at the last atom",
            "This is the angle at atom k. The atom in the middle, j, is the corner: both vectors start there.",
            lambda positions, i, j, k: bond_angle(positions, i, k, j),
            of="bond_angle",
        ),
        Misconception(
            "head to tail",
            "One of your vectors arrives at j and the other one leaves it. That gives 180° minus the angle, so a "
            "straight chain would have the angle 0. Let both leave from j.",
            lambda *args: math.pi - bond_angle(*args),
            of="bond_angle",
        ),
        Misconception(
            "arc sine",
            "Right up to 90°, and then your angle shrinks again: the sines of 60° and 120° are equal, so the arc sine "
            "cannot tell them apart. `torch.atan2` takes sine and cosine.",
            lambda positions, i, j, k: torch.arcsin(torch.sin(bond_angle(positions, i, j, k)).clamp(-1, 1)),
            of="bond_angle",
        ),
        Misconception(
            "the cosine",
            "This is the cosine of the angle. The angle itself is asked for.",
            lambda *args: torch.cos(bond_angle(*args)),
            of="bond_angle",
        ),
        Misconception(
            "not normalised",
            "The dot product is |a| |b| cos θ. Divide by both lengths before the arc cosine.",
            lambda positions, i, j, k: torch.arccos(
                ((positions[i] - positions[j]) * (positions[k] - positions[j])).sum()
            ),
            of="bond_angle",
        ),
        Misconception(
            "cosine beyond one",
            "Right, but for three atoms on a line you return NaN. There the cosine is ±1, rounding makes it "
            "1.0000000000000002, and no angle has that cosine. `torch.atan2` has no such edge. Or clamp the cosine, a "
            "little inside of ±1: at ±1 the slope of the arc cosine is infinite.",
            angle_by_cosine,
            of="bond_angle",
        ),
        Misconception("bond angle cut off", CUT, lambda R, *chain: bond_angle(R.detach(), *chain), of="bond_angle"),
        Misconception(
            "dihedral in degrees",
            "These are degrees. The exercise asks for radians.",
            lambda *args: torch.rad2deg(dihedral_angle(*args)),
            of="dihedral_angle",
        ),
        Misconception(
            "no sign",
            "Your dihedral has no sign: +60° and -60° come out alike. The arc cosine cannot tell left from right; "
            "`torch.atan2` can.",
            lambda *args: dihedral_angle(*args).abs(),
            of="dihedral_angle",
        ),
        Misconception(
            "the other sign",
            "The size is right and the sign is the other one. IUPAC: look along the bond from j to k; the angle is "
            "positive where l lies clockwise of i.",
            lambda *args: -dihedral_angle(*args),
            of="dihedral_angle",
        ),
        Misconception(
            "sign of zero",
            "Right, but in a flat trans chain you return 0. There the sine is exactly 0, `torch.sign(0)` is 0, and "
            "0 times 180° is 0. `torch.atan2(y, x)` knows the sign and the size together.",
            sign_times_arccos,
            of="dihedral_angle",
        ),
        Misconception(
            "half a turn away",
            "You are half a turn away: cis must be 0 and trans ±180°. One of the two upright vectors points to the "
            "other side; take both cross products along the chain, (R_j - R_i) x (R_k - R_j) and "
            "(R_k - R_j) x (R_l - R_k).",
            lambda *args: torch.remainder(dihedral_angle(*args), 2 * math.pi) - math.pi,
            of="dihedral_angle",
        ),
        Misconception(
            "from 0 to 360",
            "Your angle runs from 0 to 360°. The same turn is wanted between -180° and 180°, so that left and right "
            "differ by the sign only.",
            lambda *args: torch.remainder(dihedral_angle(*args), 2 * math.pi),
            of="dihedral_angle",
        ),
        Misconception(
            "length of the axis missing",
            "The two arguments of atan2 have different units: one is a length to the third power, the other to the "
            "fourth. The sine part still needs the length of the bond j-k.",
            dihedral_without_length,
            of="dihedral_angle",
        ),
        Misconception(
            "arguments exchanged",
            "The arguments of atan2 are exchanged: the sine comes first, `torch.atan2(y, x)`. Cis must be 0, and yours "
            "is 90°.",
            dihedral_with(lambda y, x: torch.atan2(x, y)),
            of="dihedral_angle",
        ),
        Misconception(
            "half of the circle",
            "Your dihedral never leaves -90° ... 90°. A quotient cannot tell (+, +) from (-, -). `torch.atan2(y, x)` "
            "takes both numbers, and their signs with them.",
            dihedral_with(lambda y, x: torch.atan(y / x)),
            of="dihedral_angle",
        ),
        Misconception(
            "angle between the outer bonds",
            "This is the angle between the bonds i-j and k-l. It changes when the chain bends. A dihedral is the angle "
            "between two planes: the one through i, j, k and the one through j, k, l.",
            lambda positions, i, j, k, l: torch.arccos(  # noqa: E741
                cosine(positions[i] - positions[j], positions[l] - positions[k]).clamp(-1, 1)
            ),
            of="dihedral_angle",
        ),
        Misconception(
            "dihedral cut off", CUT, lambda R, *chain: dihedral_angle(R.detach(), *chain), of="dihedral_angle"
        ),
    ],
)

# ------------------------------------------------------------------------------------------------ 1.3 bonded_energy


def chain_of(n_atoms: int) -> Topology:
    """Atoms 0 - 1 - 2 - ..., each bonded to the next."""
    atoms = torch.arange(n_atoms)
    return Topology(*(torch.stack([atoms[k : n_atoms - m + 1 + k] for k in range(m)], dim=1) for m in (2, 3, 4)))


def springs(topology: Topology, rng: np.random.Generator) -> Parameters:
    n_bonds, n_angles, n_torsions = (len(term) for term in topology)
    return Parameters(
        k_bond=tensor(rng.uniform(20, 40, size=n_bonds)),
        r_0=tensor(rng.uniform(1, 1.5, size=n_bonds)),
        k_angle=tensor(rng.uniform(3, 5, size=n_angles)),
        theta_0=tensor(rng.uniform(1.7, 2.1, size=n_angles)),
        V=tensor(rng.normal(scale=0.3, size=(n_torsions, 3))),
    )


def bonded_cases(rng: np.random.Generator) -> Iterator[Case]:
    none = Topology(*(torch.zeros((0, m), dtype=torch.int64) for m in (2, 3, 4)))
    empty, four = springs(none, rng), chain_of(4)
    hook = tensor([[1.1, 0, 0], [0, 0, 0], [0, 1.5, 0], [0.6, 2.0, 0.9]])
    at_rest = springs(four, rng)._replace(
        r_0=torch.linalg.vector_norm(hook[1:] - hook[:-1], dim=1), theta_0=bond_angle(hook, *four.angles.T)
    )
    yield Case(
        (
            tensor([[0.0, 0, 0], [1.2, 0, 0]]),
            none._replace(bonds=tensor([[0, 1]])),
            empty._replace(k_bond=tensor([30.0]), r_0=tensor([1.0])),
        ),
        given="one bond of 1.2 Å, k = 30 eV/Å², r_0 = 1 Å; no angles, no torsions",
    )
    yield Case(
        (
            hook[:3],
            none._replace(angles=tensor([[0, 1, 2]])),
            empty._replace(k_angle=tensor([4.0]), theta_0=tensor([1.5])),
        ),
        given="one angle of 90°, k = 4 eV/rad², theta_0 = 1.5; no bonds, no torsions",
    )
    for V in ([0.3, 0.0, 0.0], [0.0, 0.2, 0.4]):
        phi = math.degrees(dihedral_angle(hook, 0, 1, 2, 3))
        yield Case(
            (hook, four, at_rest._replace(V=tensor([V]))),
            given=f"springs at rest, one torsion with phi = {phi:.1f}° and V = {V} eV",
        )
    yield Case((hook[:1], none, empty), when="with one atom and no bonds", given="one atom, no bonds")
    yield Case((hook, four, springs(four, rng)), given="a chain of four atoms")
    for n_atoms in (6, 9):
        R = torch.cumsum(tensor(rng.normal(size=(n_atoms, 3))), dim=0)
        chain = chain_of(n_atoms)
        yield Case((R, chain, springs(chain, rng)), given=f"a chain of {n_atoms} atoms")


Term = Callable[[Tensor, Topology, Parameters], Tensor]


def bonded_with(
    bond: Term | None = None, angle: Term | None = None, torsion: Term | None = None
) -> Callable[[Tensor, Topology, Parameters], Tensor]:
    """The bonded energy with one of its terms written differently."""

    def energy(positions: Tensor, topology: Topology, parameters: Parameters) -> Tensor:
        terms = bonded_terms(positions, topology, parameters)
        chosen = [
            term if mine is None else mine(positions, topology, parameters)
            for term, mine in zip(terms, (bond, angle, torsion), strict=True)
        ]
        return torch.stack([term.sum() for term in chosen]).sum()

    return energy


def lengths(positions: Tensor, topology: Topology) -> Tensor:
    i, j = topology.bonds.T
    return torch.linalg.vector_norm(positions[j] - positions[i], dim=1)


def turns(positions: Tensor, topology: Topology, n: tuple[int, ...] = (1, 2, 3)) -> Tensor:
    """n phi, (n_torsions, 3)."""
    return torch.tensor(n) * dihedral_angle(positions, *topology.torsions.T)[:, None]


def cosines(positions: Tensor, topology: Topology) -> Tensor:
    """cos(n phi) for n = 1, 2, 3, (n_torsions, 3)."""
    return torch.cos(turns(positions, topology))


def last_term(positions: Tensor, topology: Topology, parameters: Parameters) -> Tensor:
    """What is left where `energy = ...` stands in a loop that means `energy = energy + ...`."""
    written = torch.cat([0 * positions.sum()[None], *bonded_terms(positions, topology, parameters)])
    return written[-1]


def last_wave(positions: Tensor, topology: Topology, parameters: Parameters) -> Tensor:
    """The same, where the three waves of a torsion are written one after the other as well."""
    waves = parameters.V[:, 2] / 2 * (1 + cosines(positions, topology)[:, 2])
    bond, angle, _ = bonded_terms(positions, topology, parameters)
    return torch.cat([0 * positions.sum()[None], bond, angle, waves])[-1]


def without_halves(positions: Tensor, topology: Topology, parameters: Parameters) -> Tensor:
    bond, angle, torsion = bonded_terms(positions, topology, parameters)
    return 2 * bond.sum() + 2 * angle.sum() + torsion.sum()


BONDED_ENERGY = by_value(
    "1.3",
    bonded_energy,
    cases=bonded_cases,
    call=value_and_slope,
    success="three terms, each with its own springs.",
    start="Start with the bonds alone: a loop over topology.bonds, k_bond and r_0.",
    hints=(
        "Three sums, one after the other. Which of your functions of 1.1 and 1.2 does each of them need?",
        "`for (i, j), k, r_0 in zip(topology.bonds, parameters.k_bond, parameters.r_0): ...` is enough; the lists are "
        "short. For the torsions there is an inner sum over n = 1, 2, 3, and V_1 stands in column 0.",
        "Bonds: `k / 2 * (r - r_0) ** 2`. Angles: `k / 2 * (theta - theta_0) ** 2`. Torsions: "
        "`sum(V[n - 1] / 2 * (1 + torch.cos(n * phi)) for n in (1, 2, 3))`. Begin with `energy = 0 * positions.sum()`: "
        "then a molecule without bonds gets a tensor too.",
    ),
    misconceptions=[
        Misconception(
            "no half in the springs",
            "Your springs are twice too stiff: the 1/2 is missing. (AMBER's tables leave it out and give k/2 as k. "
            "Whoever takes numbers from a force field has to look.)",
            without_halves,
        ),
        Misconception(
            "no half in the bonds",
            "Your bonds are twice too stiff: the 1/2 in front of k (r - r_0)² is missing.",
            bonded_with(bond=lambda R, t, p: p.k_bond * (lengths(R, t) - p.r_0) ** 2),
        ),
        Misconception(
            "no half in the angles",
            "Your angles are twice too stiff: the 1/2 in front of k (theta - theta_0)² is missing.",
            bonded_with(angle=lambda R, t, p: p.k_angle * (bond_angle(R, *t.angles.T) - p.theta_0) ** 2),
        ),
        Misconception(
            "no square",
            "Your bond energy is not squared. A spring that gains energy on one side and loses it on the other has no "
            "rest.",
            bonded_with(bond=lambda R, t, p: p.k_bond / 2 * (lengths(R, t) - p.r_0)),
        ),
        Misconception(
            "angles in degrees",
            "Somewhere an angle is in degrees. theta_0 and k_angle belong to radians.",
            bonded_with(
                angle=lambda R, t, p: p.k_angle / 2 * (torch.rad2deg(bond_angle(R, *t.angles.T)) - p.theta_0) ** 2
            ),
        ),
        Misconception(
            "cosine of the angle",
            "You compared the cosine of the angle with theta_0. The spring of this force field works on the angle "
            "itself.",
            bonded_with(angle=lambda R, t, p: p.k_angle / 2 * (torch.cos(bond_angle(R, *t.angles.T)) - p.theta_0) ** 2),
        ),
        Misconception(
            "torsion without the 1",
            "Your torsion is V/2 cos(n phi), without the 1 +. The forces are the same, the energies are not: with the "
            "1 each term is zero in its valley and V_n on its top.",
            bonded_with(torsion=lambda R, t, p: (p.V / 2 * cosines(R, t)).sum(dim=1)),
        ),
        Misconception(
            "torsion with a minus",
            "Your torsion is 1 - cos(n phi). Here it is 1 + cos(n phi): with V_3 > 0, eclipsed (phi = 0) is the top.",
            bonded_with(torsion=lambda R, t, p: (p.V / 2 * (1 - cosines(R, t))).sum(dim=1)),
        ),
        Misconception(
            "no half in the torsions",
            "Your torsion is twice too large: the factor is V_n / 2, so that V_n is the height from valley to top.",
            bonded_with(torsion=lambda R, t, p: (p.V * (1 + cosines(R, t))).sum(dim=1)),
        ),
        Misconception(
            "n from zero",
            "Your n runs from 0 to 2. Python counts columns from 0, but V_1 belongs to cos(1 phi): column n - 1.",
            bonded_with(torsion=lambda R, t, p: (p.V / 2 * (1 + torch.cos(turns(R, t, (0, 1, 2))))).sum(dim=1)),
        ),
        Misconception(
            "column before n",
            "Your n runs from 0 to 2 and reads column n - 1. For n = 0 that is column -1, the last one: V_3. Let n run "
            "over 1, 2, 3.",
            bonded_with(
                torsion=lambda R, t, p: (p.V.roll(1, 1) / 2 * (1 + torch.cos(turns(R, t, (0, 1, 2))))).sum(dim=1)
            ),
        ),
        Misconception(
            "phi without n",
            "All three of your torsion terms have cos(phi). The second needs cos(2 phi), the third cos(3 phi): it has "
            "three valleys in a full turn, as a methyl group does.",
            bonded_with(torsion=lambda R, t, p: (p.V / 2 * (1 + cosines(R, t)[:, :1])).sum(dim=1)),
        ),
        Misconception(
            "only the first torsion term",
            "Only V_1 is in your energy. Add the terms of V_2 and V_3.",
            bonded_with(torsion=lambda R, t, p: p.V[:, 0] / 2 * (1 + cosines(R, t)[:, 0])),
        ),
        Misconception(
            "no torsions",
            "Bonds and angles are right. The torsions are missing.",
            bonded_with(torsion=lambda R, t, p: 0 * p.V),
        ),
        Misconception(
            "no angles",
            "The angles are missing.",
            bonded_with(angle=lambda R, t, p: 0 * p.theta_0),
        ),
        Misconception(
            "angle at the first atom",
            "Your angles stand at the first atom of each row. The atom in the middle, j, is the corner.",
            bonded_with(
                angle=lambda R, t, p: p.k_angle / 2 * (bond_angle(R, *t.angles[:, [1, 0, 2]].T) - p.theta_0) ** 2
            ),
        ),
        Misconception(
            "torsions once an angle",
            "Your loop over the torsions stands inside the loop over the angles: each torsion is added once for every "
            "angle. Move it one step to the left.",
            bonded_with(torsion=lambda R, t, p: len(t.angles) * bonded_terms(R, t, p)[2]),
        ),
        Misconception(
            "mean for sum",
            "You took the mean over the terms. Two bonds cost twice as much as one: the energy is a sum.",
            lambda R, t, p: torch.stack([term.sum() / max(1, len(term)) for term in bonded_terms(R, t, p)]).sum(),
        ),
        Misconception("overwritten", OVERWRITTEN, last_term),
        Misconception("overwritten wave by wave", OVERWRITTEN, last_wave),
        *(
            Misconception(
                f"{term}s cut off",
                f"The values are right, but your {term}s do not depend on the positions any more: somewhere there is "
                "`.item()`, `float()`, `math` or `.detach()`. The forces will be the slope of this value, so stay in "
                "torch.",
                bonded_with(**{term: lambda R, t, p, k=k: bonded_terms(R.detach(), t, p)[k]}),
            )
            for k, term in enumerate(("bond", "angle", "torsion"))
        ),
        Misconception(
            "terms not summed",
            "You returned one energy a term. Add them up: one number for the molecule.",
            lambda R, t, p: torch.cat(bonded_terms(R, t, p)),
        ),
        Misconception("cut off", CUT, lambda R, t, p: bonded_energy(R.detach(), t, p)),
    ],
)

# --------------------------------------------------------------------------------------------- 1.4 nonbonded_energy


def nonbonded_cases(rng: np.random.Generator) -> Iterator[Case]:
    pair, two = tensor([[0, 1]]), tensor([[0.0, 0, 0], [0, 0, 2.0]])
    sizes, depths = tensor([2.0, 3.0]), tensor([0.01, 0.04])
    none = torch.zeros((0, 2), dtype=torch.int64)
    yield Case(
        (two, tensor([1, -1]), sizes, 0 * depths, pair), given="charges +1 and -1 (integers) at 2 Å, epsilon = 0"
    )
    yield Case(
        (1.2 * two, tensor([0.0, 0.0]), tensor([2.0, 2.0]), tensor([0.01, 0.01]), pair),
        given="no charges, sigma 2 Å and epsilon 0.01 eV for both, at 2.4 Å",
    )
    yield Case(
        (1.2 * two, tensor([0.0, 0.0]), sizes, tensor([0.01, 0.01]), pair),
        given="no charges, sigma 2 and 3 Å, epsilon 0.01 eV for both, at 2.4 Å",
    )
    yield Case(
        (1.2 * two, tensor([0.0, 0.0]), sizes, depths, pair),
        given="no charges, sigma 2 and 3 Å, epsilon 0.01 and 0.04 eV, at 2.4 Å",
    )
    yield Case((two, tensor([0.5, 0.5]), sizes, depths, none), when="with no pairs at all", given="no pairs")
    for n_atoms, n_pairs in ((3, 2), (6, 9), (8, 20)):
        R = tensor(np.arange(n_atoms)[:, None] * [1.5, 0.9, 0.0] + rng.normal(scale=0.3, size=(n_atoms, 3)))
        every = np.array([(i, j) for i in range(n_atoms) for j in range(i + 1, n_atoms)])
        pairs = tensor(every[np.sort(rng.permutation(len(every))[:n_pairs])])
        numbers = [rng.uniform(*ends, size=n_atoms) for ends in ((-0.8, 0.8), (1.5, 3.0), (0.002, 0.02))]
        yield Case((R, *map(tensor, numbers), pairs), given=f"{n_atoms} atoms, {n_pairs} pairs")


def nonbonded_with(
    coulomb: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
    vdW: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor] | None = None,
) -> Callable[..., Tensor]:
    """The non-bonded energy with one term written differently, coulomb(r, q_i, q_j) or vdW(r, s_i, s_j, e_i, e_j)."""

    def energy(positions: Tensor, charges: Tensor, sigma: Tensor, epsilon: Tensor, pairs: Tensor) -> Tensor:
        i, j = pairs.T
        r = torch.linalg.vector_norm(positions[j] - positions[i], dim=1)
        elst, attraction = nonbonded_terms(positions, charges, sigma, epsilon, pairs)
        elst = elst if coulomb is None else coulomb(r, charges[i], charges[j])
        attraction = attraction if vdW is None else vdW(r, sigma[i], sigma[j], epsilon[i], epsilon[j])
        return elst.sum() + attraction.sum()

    return energy


def lennard_jones(
    power: int = 6, factor: float = 4.0, attraction: float = 1.0, size: str = "mean", depth: str = "geometric"
) -> Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]:
    def energy(r: Tensor, s_i: Tensor, s_j: Tensor, e_i: Tensor, e_j: Tensor) -> Tensor:
        s = {"mean": (s_i + s_j) / 2, "geometric": torch.sqrt(s_i * s_j), "sum": s_i + s_j}[size]
        e = {"mean": (e_i + e_j) / 2, "geometric": torch.sqrt(e_i * e_j), "product": e_i * e_j}[depth]
        return factor * e * ((s / r) ** (2 * power) - attraction * (s / r) ** power)

    return energy


def every_pair(positions: Tensor, charges: Tensor, sigma: Tensor, epsilon: Tensor, pairs: Tensor) -> Tensor:
    return nonbonded_energy(positions, charges, sigma, epsilon, torch.combinations(torch.arange(len(positions)), 2))


NONBONDED_ENERGY = by_value(
    "1.4",
    nonbonded_energy,
    cases=nonbonded_cases,
    call=value_and_slope,
    success="charges and soft spheres, over the pairs that were asked for.",
    start="Start from i, j = pairs.T and the distance of each pair.",
    hints=(
        "First one distance a pair. Then two formulas of that distance. Which numbers belong to a pair, and which to "
        "an atom?",
        "`charges[i]` with a whole row of indices i gives the charge of the first atom of each pair. sigma_ij is the "
        "arithmetic mean, epsilon_ij the geometric mean, the root of the product.",
        "`s = (sigma[i] + sigma[j]) / 2; e = torch.sqrt(epsilon[i] * epsilon[j]); x = (s / r) ** 6; "
        "energy = (14.3996 * charges[i] * charges[j] / r + 4 * e * (x**2 - x)).sum()`",
    ),
    misconceptions=[
        Misconception(
            "no unit of charge",
            "Your Coulomb energy is q_i q_j / r without its constant. In eV and Å, e²/4πε₀ is 14.40 eV Å.",
            nonbonded_with(coulomb=lambda r, q_i, q_j: q_i * q_j / r),
        ),
        Misconception(
            "332",
            "Your Coulomb constant is the 332 of kcal/mol. In eV and Å it is 14.40.",
            nonbonded_with(coulomb=lambda r, q_i, q_j: 332.0637 * q_i * q_j / r),
        ),
        Misconception(
            "coulomb squared",
            "Your Coulomb term falls with 1/r². That is the force; the energy falls with 1/r.",
            nonbonded_with(coulomb=lambda r, q_i, q_j: COULOMB * q_i * q_j / r**2),
        ),
        Misconception(
            "coulomb sign",
            "In your energy opposite charges repel. With q_i q_j < 0 the energy must be negative.",
            nonbonded_with(coulomb=lambda r, q_i, q_j: -COULOMB * q_i * q_j / r),
        ),
        Misconception(
            "no charges",
            "The van der Waals part is right. The electrostatic part is missing.",
            nonbonded_with(coulomb=lambda r, q_i, q_j: 0 * r),
        ),
        Misconception(
            "no van der Waals",
            "The electrostatic part is right. The van der Waals part is missing.",
            nonbonded_with(vdW=lambda r, s_i, s_j, e_i, e_j: 0 * r),
        ),
        Misconception(
            "no four",
            "The factor 4 of the Lennard-Jones formula is missing: without it the well is a quarter of epsilon deep.",
            nonbonded_with(vdW=lennard_jones(factor=1)),
        ),
        Misconception(
            "minimum for sigma",
            "You wrote the form (s/r)^12 - 2 (s/r)^6 with epsilon in front. There s is the place of the minimum. "
            "sigma is where the energy crosses zero, and its formula is 4 epsilon ((s/r)^12 - (s/r)^6).",
            nonbonded_with(vdW=lennard_jones(factor=1, attraction=2)),
        ),
        Misconception(
            "upside down",
            "Your Lennard-Jones term is upside down: near atoms attract without end, and far ones repel. The twelfth "
            "power is the positive one.",
            nonbonded_with(vdW=lennard_jones(factor=-4)),
        ),
        Misconception(
            "a plus",
            "Both powers of your Lennard-Jones term repel. The sixth power is the attraction: minus.",
            nonbonded_with(vdW=lennard_jones(attraction=-1)),
        ),
        Misconception(
            "half the powers",
            "Your powers are 6 and 3. They are 12 and 6.",
            nonbonded_with(vdW=lennard_jones(power=3)),
        ),
        Misconception(
            "geometric sizes",
            "You took the geometric mean of the sizes. Lorentz's rule for sigma is the arithmetic mean: two balls "
            "touch at the sum of their radii. (The geometric mean is for epsilon.)",
            nonbonded_with(vdW=lennard_jones(size="geometric")),
        ),
        Misconception(
            "sum of the sizes",
            "You added the sigmas. A sigma is a diameter: take the mean of the two.",
            nonbonded_with(vdW=lennard_jones(size="sum")),
        ),
        Misconception(
            "mean depth",
            "You took the arithmetic mean of the depths. Berthelot's rule for epsilon is the geometric mean, the root "
            "of the product.",
            nonbonded_with(vdW=lennard_jones(depth="mean")),
        ),
        Misconception(
            "product of the depths",
            "You multiplied the depths and forgot the root: eV times eV is no energy.",
            nonbonded_with(vdW=lennard_jones(depth="product")),
        ),
        Misconception(
            "every pair",
            "You summed over all pairs of atoms. Only the pairs in `pairs` count: two bonded atoms would repel each "
            "other with a thousand eV.",
            every_pair,
        ),
        Misconception(
            "each pair twice",
            "Every pair is counted twice. `pairs` holds each of them once, so there is nothing to double.",
            lambda *args: 2 * nonbonded_energy(*args),
        ),
        Misconception(
            "half of each pair",
            "Your energy is half of what it should be. The 1/2 belongs to a sum over all i and j, where each pair "
            "comes twice. `pairs` holds it once.",
            lambda *args: nonbonded_energy(*args) / 2,
        ),
        Misconception(
            "mean for sum",
            "You took the mean over the pairs. Two pairs have twice the energy of one: add them up.",
            lambda *args: nonbonded_energy(*args) / len(args[-1]),
        ),
        Misconception(
            "overwritten",
            "Only the last pair is left. `energy = ...` forgets what was there; write `energy = energy + ...`.",
            lambda R, charges, sigma, epsilon, pairs: nonbonded_energy(R, charges, sigma, epsilon, pairs[-1:]),
        ),
        Misconception(
            "pairs not summed",
            "You returned one energy a pair. Add them up: one number for the molecule.",
            lambda *args: torch.stack(nonbonded_terms(*args)).sum(dim=0),
        ),
        Misconception("cut off", CUT, lambda R, *rest: nonbonded_energy(R.detach(), *rest)),
    ],
)

# -------------------------------------------------------------------------------------------------------- 1.5 forces


def forces(energy_fn: Callable[[Tensor], Tensor], positions: Tensor) -> Tensor:
    """F_i = -dE/dR_i, (n_atoms, 3), by automatic differentiation."""
    R = positions.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy_fn(R), R)
    return -gradient


def spring(positions: Tensor) -> Tensor:
    return 15 * (torch.linalg.vector_norm(positions[1] - positions[0]) - 1.0) ** 2


def funnel(positions: Tensor) -> Tensor:
    """Different along each axis, so that no two components are alike."""
    return (positions**2 * torch.tensor([1.0, 2.0, 3.0], dtype=positions.dtype)).sum()


def repulsion(positions: Tensor) -> Tensor:
    i, j = torch.combinations(torch.arange(len(positions)), 2).T
    return (2 / torch.linalg.vector_norm(positions[i] - positions[j], dim=1)).sum()


def force_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case((spring, tensor([[0.0, 0, 0], [1.1, 0, 0]])), given="a spring, E = 15 (r - 1)², at r = 1.1 Å")
    yield Case((funnel, tensor([[1.0, 1.0, 1.0]])), when="with one atom", given="one atom, E = x² + 2 y² + 3 z²")
    onlooker = tensor([[0.0, 0, 0], [1.1, 0, 0], [3.0, 1, 0]])
    yield Case((spring, onlooker), given="a spring between atoms 0 and 1, and an atom 2 that nobody feels")
    waiting = tensor([[0.5, 0.0, 0.0], [0.0, 0.7, 0.2]])
    yield Case((funnel, waiting.requires_grad_()), given="positions that already want a gradient")
    for n_atoms in (3, 6):
        R = tensor(2 * np.arange(n_atoms)[:, None] * [0.8, 0.3, 0.1] + rng.normal(scale=0.3, size=(n_atoms, 3)))
        yield Case((repulsion, R), given=f"{n_atoms} atoms that repel each other")


def called_twice(function: Function, args: tuple[Any, ...]) -> Any:
    """The answer; and what is left behind: a second answer that is not the first, positions that want a gradient."""
    wanted = args[1].requires_grad
    first, second = function(*args), function(*args)
    if not agree(encode(first), encode(second)):
        return {"first call": first, "second call": second}
    left = args[1].requires_grad
    return {"forces": second, "left with requires_grad": left} if left != wanted else second


def accumulated(energy_fn: Callable[[Tensor], Tensor], positions: Tensor) -> Tensor:
    positions.requires_grad_()
    energy_fn(positions).backward()
    assert positions.grad is not None
    return -positions.grad.clone()


def marked(energy_fn: Callable[[Tensor], Tensor], positions: Tensor) -> Tensor:
    positions.requires_grad_()
    return -torch.autograd.grad(energy_fn(positions), positions)[0]


def grad_of_a_copy(energy_fn: Callable[[Tensor], Tensor], positions: Tensor) -> Tensor:
    R = positions.clone().requires_grad_()
    energy_fn(R).backward()
    return -R.grad  # type: ignore[operator]  # None where the copy still hangs on the positions


def gradient_of(what: Literal["positions", "copy"]) -> Callable[..., Tensor]:
    """The energy of the positions as they came, and its gradient in them or in a copy that it has never seen."""

    def gradient(energy_fn: Callable[[Tensor], Tensor], positions: Tensor) -> Tensor:
        R = positions if what == "positions" else positions.detach().clone().requires_grad_()
        return -torch.autograd.grad(energy_fn(positions), R)[0]

    return gradient


def minus_a_tuple(energy_fn: Callable[[Tensor], Tensor], positions: Tensor) -> Tensor:
    R = positions.detach().clone().requires_grad_()
    return -torch.autograd.grad(energy_fn(R), R)  # type: ignore[operator]


def one_sided(energy_fn: Callable[[Tensor], Tensor], positions: Tensor, h: float = 1e-2) -> Tensor:
    R = positions.detach()
    F = torch.zeros_like(R)
    for place in np.ndindex(*R.shape):
        step = torch.zeros_like(R)
        step[place] = h
        F[place] = -(energy_fn(R + step) - energy_fn(R)) / h
    return F


FORCES = by_value(
    "1.5",
    forces,
    cases=force_cases,
    call=called_twice,
    success="downhill, for every atom.",
    start="Start from a copy of the positions that wants a gradient: positions.clone().requires_grad_().",
    hints=(
        "As in 0.1, with 3 n numbers in place of one x. Autograd does not mind.",
        "`torch.autograd.grad(energy, R)` returns a tuple with one gradient for each input that you name.",
        "`R = positions.detach().clone().requires_grad_(); (gradient,) = torch.autograd.grad(energy_fn(R), R); "
        "return -gradient`",
    ),
    misconceptions=[
        Misconception(
            "uphill",
            "Your forces point uphill: the minus sign is missing. A stretched spring must pull its atoms together.",
            lambda energy_fn, positions: -forces(energy_fn, positions),
        ),
        Misconception(
            "nobody asked for a gradient",
            "torch has followed nothing: it follows only what it was told to follow, and `positions` is a plain "
            "tensor. Make a copy that is followed, `R = positions.clone().requires_grad_()`, and take the energy of R.",
            gradient_of("positions"),
        ),
        Misconception(
            "energy of the original",
            "You ask for the gradient in your copy, and took the energy of the original. The copy never went into it: "
            "`energy_fn(R)`.",
            gradient_of("copy"),
        ),
        Misconception(
            "minus a tuple",
            "`torch.autograd.grad` returns a tuple, one gradient for each input, and a tuple has no minus. Unpack it: "
            "`(gradient,) = ...`, or `[0]`.",
            minus_a_tuple,
        ),
        Misconception(
            "positions marked",
            "The forces are right, but the caller's `positions` now want a gradient: `requires_grad_()` changed them "
            "in place. The next `positions.numpy()` will fail. Mark a copy: `positions.clone().requires_grad_()`.",
            marked,
        ),
        Misconception(
            "grad of a copy",
            "For positions that already want a gradient, `.grad` of your copy stays empty: the copy still hangs on the "
            "original. `positions.detach().clone()` cuts it off; or use `torch.autograd.grad`.",
            grad_of_a_copy,
        ),
        Misconception(
            "added up",
            "The first call was right, the second one twice as large: `backward()` adds to `positions.grad` and never "
            "clears it. `torch.autograd.grad` returns the gradient and leaves nothing behind; or work on a fresh copy.",
            accumulated,
        ),
        Misconception(
            "energy",
            "You returned the energy. The force is minus its slope along each coordinate.",
            lambda energy_fn, positions: energy_fn(positions),
        ),
        Misconception(
            "size of the force",
            "You returned the length of each force. Its direction is lost: three numbers an atom.",
            lambda energy_fn, positions: torch.linalg.vector_norm(forces(energy_fn, positions), dim=1),
        ),
        Misconception(
            "one-sided difference",
            "Close, but a step to one side measures the slope half a step away. Step to both sides and divide by 2 h, "
            "or ask autograd, which makes no step at all.",
            one_sided,
        ),
        Misconception(
            "step not divided by two",
            "Your forces are twice too large: between R - h and R + h lie two steps.",
            lambda energy_fn, positions: 2 * forces(energy_fn, positions),
        ),
        Misconception(
            "half",
            "Your forces are half of what they should be. If you stepped to one side only, divide by h, not by 2 h.",
            lambda energy_fn, positions: forces(energy_fn, positions) / 2,
        ),
        Misconception(
            "transposed",
            "Rows and columns are exchanged: an atom is a row, x, y, z are the columns.",
            lambda energy_fn, positions: forces(energy_fn, positions).T,
        ),
        Misconception(
            "a tuple",
            "The numbers are right, in a tuple: `torch.autograd.grad` returns a tuple, one gradient for each input. "
            "Unpack it: `(gradient,) = ...`, or `[0]`.",
            lambda energy_fn, positions: (forces(energy_fn, positions),),
        ),
        Misconception(
            "flat",
            "The numbers are right, in one long row. Give them the shape of the positions, (n_atoms, 3).",
            lambda energy_fn, positions: forces(energy_fn, positions).flatten(),
        ),
    ],
)

# --------------------------------------------------------------------------------- 1.6 fit_composition and split


def split(n: int, fractions: Sequence[float], seed: int) -> list[Tensor]:
    """The numbers 0 ... n - 1 in random order, cut into parts of these fractions."""
    return cut(torch.from_numpy(np.random.default_rng(seed).permutation(n)), fractions)


def cut(order: Tensor, fractions: Sequence[float]) -> list[Tensor]:
    ends = [round(len(order) * sum(fractions[: k + 1])) for k in range(len(fractions))]
    return [order[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def baseline_cases(rng: np.random.Generator) -> Iterator[Case]:
    water, hydrogen, peroxide, methane = ([8, 1, 1], [1, 1], [1, 8, 8, 1], [1, 6, 1, 1, 1])
    yield Case(
        ([tensor(hydrogen), tensor(water)], tensor([-32.0, -2077.0]), [1, 8]),
        of="fit_composition",
        given="H2 at -32 eV and H2O at -2077 eV",
    )
    yield Case(
        ([tensor(hydrogen), tensor(water)], tensor([-32.0, -2077.0]), [8, 1]),
        of="fit_composition",
        given="the same with elements = [8, 1]",
    )
    yield Case(
        ([tensor(m) for m in (hydrogen, water, peroxide)], tensor([-32.0, -2077.0, -4118.0]), [1, 8]),
        of="fit_composition",
        given="three molecules, two elements: no price fits all",
    )
    yield Case(
        ([tensor(m) for m in (hydrogen, water, methane)], tensor([-32.0, -2077.0, -1099.0]), [6, 1, 8]),
        of="fit_composition",
        given="H2, H2O and CH4 with elements = [6, 1, 8]",
    )
    molecules = [tensor(rng.choice([1, 6, 7, 8], size=n)) for n in range(4, 24)]
    prices = {1: -13.6, 6: -1030.0, 7: -1483.0, 8: -2040.0}
    energies = [sum(prices[z] for z in m.tolist()) + rng.normal() for m in molecules]
    yield Case((molecules, tensor(energies), [1, 6, 7, 8]), of="fit_composition", given="twenty random molecules")
    yield Case((10, (0.8, 0.2), 0), of="split")
    yield Case((20, (0.5, 0.25, 0.25), 1), of="split")
    yield Case((1, (1.0,), 3), of="split", when="with one frame")
    yield Case((400, (0.8, 0.1, 0.1), 2), of="split")
    yield Case((62, (0.7, 0.1, 0.2), 4), of="split", when="with 62 frames in parts of 70, 10 and 20 %")


def what_a_split_is(function: Function, args: tuple[Any, ...]) -> Any:
    """The answer of `fit_composition`; of `split`, what can be said without knowing the shuffle."""
    if not isinstance(args[0], int):
        return function(*args)
    n, fractions, seed = args

    def parts_of(seed: int) -> list[list[int]] | None:
        answer = function(n, fractions, seed)
        if answer is None:
            return None
        try:
            parts = [[int(index) for index in part] for part in answer]
        except TypeError as error:
            raise Slip(
                "the answer must be a list of parts, each of them a list or tensor of whole numbers, and a "
                f"{type(answer).__name__} of something else came back"
            ) from error
        return parts

    parts, again, other = parts_of(seed), parts_of(seed), parts_of(seed + 1)
    if parts is None:
        return None
    everybody, sizes = sorted(index for part in parts for index in part), [len(part) for part in parts]
    exact = [n * fraction for fraction in fractions]
    near = len(sizes) == len(exact) and all(abs(size - x) < 1 for size, x in zip(sizes, exact, strict=True))
    laws = {
        "numbers from 0 to n - 1": set(everybody) <= set(range(n)),
        "nobody twice": len(set(everybody)) == len(everybody),
        "shuffled": n < 20 or any(max(part) - min(part) >= len(part) for part in parts if part),
        "the same seed gives the same split": parts == again,
        "another seed gives another split": n < 20 or [sorted(p) for p in parts] != [sorted(p) for p in other or []],
        "sizes": [round(x) for x in exact] if near else sizes,  # how a half frame is rounded is free
        "nobody lost": everybody == list(range(n)),
    }
    # Who makes two mistakes is told of the first: what comes after a broken law is not written down.
    broken = next((place for place, holds in enumerate(laws.values()) if holds is False), len(laws))
    return dict(list(laws.items())[: broken + 1])


def counts_of(numbers_list: Sequence[Tensor], elements: Sequence[int]) -> np.ndarray:
    return np.array([[int((numbers == z).sum()) for z in elements] for numbers in numbers_list], dtype=float)


def least_squares(counts: np.ndarray, energies: Tensor) -> np.ndarray:
    return np.linalg.lstsq(counts, energies.numpy().astype(float), rcond=None)[0]


def with_intercept(numbers_list: Sequence[Tensor], energies: Tensor, elements: Sequence[int]) -> np.ndarray:
    counts = counts_of(numbers_list, elements)
    return least_squares(np.column_stack([counts, np.ones(len(counts))]), energies)[:-1]


def per_atom(numbers_list: Sequence[Tensor], energies: Tensor, elements: Sequence[int]) -> np.ndarray:
    sizes = torch.tensor([len(numbers) for numbers in numbers_list])
    return least_squares(counts_of(numbers_list, elements), energies / sizes)


def mean_by_element(numbers_list: Sequence[Tensor], energies: Tensor, elements: Sequence[int]) -> np.ndarray:
    sizes = torch.tensor([len(numbers) for numbers in numbers_list])
    counts = counts_of(numbers_list, elements)
    return (counts > 0).T @ (energies / sizes).numpy() / (counts > 0).sum(axis=0)


def whole_numbers(numbers_list: Sequence[Tensor], energies: Tensor, elements: Sequence[int]) -> Tensor:
    counts = torch.from_numpy(counts_of(numbers_list, elements)).long()
    return torch.linalg.lstsq(counts, energies[:, None]).solution


def all_of_lstsq(numbers_list: Sequence[Tensor], energies: Tensor, elements: Sequence[int]) -> tuple[Tensor, ...]:
    counts = torch.from_numpy(counts_of(numbers_list, elements))
    return tuple(torch.linalg.lstsq(counts, energies.double()[:, None]))


def all_of_numpys(numbers_list: Sequence[Tensor], energies: Tensor, elements: Sequence[int]) -> tuple[Any, ...]:
    return np.linalg.lstsq(counts_of(numbers_list, elements), energies.numpy(), rcond=None)


def in_order(n: int, fractions: Sequence[float], seed: int) -> list[Tensor]:
    return cut(torch.arange(n), fractions)


def any_seed(n: int, fractions: Sequence[float], seed: int) -> list[Tensor]:
    return split(n, fractions, 0)


def no_seed(n: int, fractions: Sequence[float], seed: int) -> list[Tensor]:
    return split(n, fractions, int(torch.randint(10**6, ())))


def rounded_down(n: int, fractions: Sequence[float], seed: int) -> list[Tensor]:
    order, sizes = torch.cat(split(n, fractions, seed)), [int(n * fraction + 1e-9) for fraction in fractions]
    return [order[sum(sizes[:k]) : sum(sizes[: k + 1])] for k in range(len(sizes))]


def each_part_anew(n: int, fractions: Sequence[float], seed: int) -> list[Tensor]:
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.permutation(n))[: round(n * fraction)] for fraction in fractions]


BASELINE = by_value(
    "1.6",
    fit_composition,
    split,
    cases=baseline_cases,
    call=what_a_split_is,
    tolerance=1e-5,
    success="every element has its price, and nobody judges himself.",
    start="fit_composition: start from a table of counts, (n_molecules, n_elements). split: start from a shuffle.",
    hints=(
        "E = sum over elements of (how many) times (its price) is one linear equation a molecule. The prices are the "
        "unknowns, and there are more equations than unknowns. For split: one shuffle, several cuts.",
        "`torch.linalg.lstsq(A, b).solution` minimises |A x - b|²; b must be a column, `b[:, None]`, of the same "
        "dtype as A. For split: a permutation by `numpy.random.default_rng(seed)`, or by torch with a generator.",
        "`counts = torch.tensor([[(numbers == z).sum() for z in elements] for numbers in numbers_list]).double()` and "
        "`torch.linalg.lstsq(counts, energies.double()[:, None]).solution[:, 0]`. And "
        "`order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))`, then slices of it that end at "
        "`round(n * sum(fractions[: k + 1]))`.",
    ),
    misconceptions=[
        Misconception(
            "an intercept",
            "You fitted a constant besides the prices. A molecule without atoms would then have an energy, and two "
            "molecules would not cost the sum of both.",
            with_intercept,
            of="fit_composition",
        ),
        Misconception(
            "energy per atom",
            "You fitted the energy per atom with the counts of the whole molecule. Either total energies with counts, "
            "or energies per atom with fractions.",
            per_atom,
            of="fit_composition",
        ),
        Misconception(
            "means",
            "You averaged the energy per atom over the molecules that contain the element. A hydrogen then pays for "
            "the oxygen that it sits on. Let all prices be found together, by least squares.",
            mean_by_element,
            of="fit_composition",
        ),
        Misconception(
            "sorted prices",
            "Your prices are in the order of the atomic numbers. The order of `elements` decides.",
            lambda numbers_list, energies, elements: fit_composition(numbers_list, energies, sorted(elements)),
            of="fit_composition",
        ),
        Misconception(
            "presence for count",
            "You noted whether an element occurs, not how often. Water has two hydrogens and pays for both.",
            lambda numbers_list, energies, elements: least_squares(
                (counts_of(numbers_list, elements) > 0).astype(float), energies
            ),
            of="fit_composition",
        ),
        Misconception(
            "sign of the price",
            "Your prices have the wrong sign.",
            lambda numbers_list, energies, elements: -fit_composition(numbers_list, energies, elements),
            of="fit_composition",
        ),
        Misconception(
            "a column",
            "The prices are right, as a column (n_elements, 1). One number an element: `[:, 0]`.",
            lambda numbers_list, energies, elements: fit_composition(numbers_list, energies, elements)[:, None],
            of="fit_composition",
        ),
        Misconception(
            "counts of whole numbers",
            "Your table of counts holds whole numbers, and `torch.linalg.lstsq` wants the type of the energies: "
            "`counts.double()`.",
            whole_numbers,
            of="fit_composition",
        ),
        *(
            Misconception(
                f"all that {whose} lstsq returns",
                f"`lstsq` returns several things. The prices are {where}.",
                function,
                of="fit_composition",
            )
            for whose, where, function in (
                ("torch's", "in `.solution`, a column: `.solution[:, 0]`", all_of_lstsq),
                ("numpy's", "the first of them, `[0]`", all_of_numpys),
            )
        ),
        Misconception(
            "not shuffled",
            "Your parts are blocks in the order of the file. Whatever changed along the file, the temperature or the "
            "molecule, is then in one part and not in the other. Shuffle first.",
            in_order,
            of="split",
        ),
        Misconception(
            "drawn anew",
            "Some frames are in two places, and others in none. A frame that was trained on must never judge: shuffle "
            "once, then cut.",
            each_part_anew,
            of="split",
        ),
        Misconception(
            "rounded down",
            "A frame is lost: with 62 frames, 70, 10 and 20 % are 43.4, 6.2 and 12.4, and what was rounded away "
            "belongs to nobody. Let the last part take the rest.",
            rounded_down,
            of="split",
        ),
        Misconception(
            "seed forgotten",
            "Your seed is not used: every seed gives the same split. Then nobody can ask how much the result depends "
            "on the luck of the draw.",
            any_seed,
            of="split",
        ),
        Misconception(
            "different each time",
            "The same seed gave two different splits. Make a generator from the seed, so that somebody else gets your "
            "frames.",
            no_seed,
            of="split",
        ),
    ],
)

EXERCISES: tuple[Exercise, ...] = (PAIR_DISTANCES, ANGLES, BONDED_ENERGY, NONBONDED_ENERGY, FORCES, BASELINE)

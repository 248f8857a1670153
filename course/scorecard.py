"""The scorecard: one physics contract that every potential of the course must meet.

    scorecard(potential)                      one row
    scorecard(mine=potential, other=another)  a table that grows over the days

A law looks at a potential from outside: it moves atoms and compares energies and forces. It returns how badly it is
broken, a number that is zero for a lawful potential. The numbers are relative to the forces that the potential itself
produces, so an untrained network is judged as strictly as a trained one.
"""

from __future__ import annotations

import copy
import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from ase import Atoms
from torch import Tensor, nn

from course.graph import Graph, batch
from course.potential import Potential, Prediction
from course.training import torch_threads

Rng = np.random.Generator


class Violation(NamedTuple):
    """How badly a law is broken, and what was seen."""

    size: float  # 0 for a lawful potential
    seen: str = ""


class Law(NamedTuple):
    name: str
    sentence: str
    measure: Callable[[Potential, Rng], Violation]
    tolerance: float


# ----------------------------------------------------------------------------- molecules to test on


def clump(potential: Potential, rng: Rng, n_atoms: int = 7) -> Atoms:
    """A random connected clump of atoms of the potential's elements, no two closer than 0.9 A."""
    positions: list[np.ndarray] = [np.zeros(3)]
    while len(positions) < n_atoms:
        trial = positions[rng.integers(len(positions))] + rng.normal(size=3)
        if 0.9 < min(np.linalg.norm(trial - other) for other in positions) < 1.5:
            positions.append(trial)
    return Atoms(rng.choice(potential.elements, n_atoms), positions)


def size(prediction: Prediction) -> float:
    """The yardstick: the largest force, eV/Angstrom, and a millionth of the energy, for models that feel no force."""
    return prediction.forces.abs().max().item() + 1e-6 * prediction.energy.abs().max().item() + 1e-9


def difference(a: Prediction, b: Prediction) -> float:
    """The largest difference between two predictions that should be equal, relative to the yardstick."""
    energy, forces = (a.energy - b.energy).abs().max().item(), (a.forces - b.forces).abs().max().item()
    return max(energy, forces) / size(b)


# ----------------------------------------------------------------------------- symmetries


def permutation(potential: Potential, rng: Rng) -> Violation:
    atoms = clump(potential, rng)
    order = rng.permutation(len(atoms))
    expected = potential.predict(atoms)
    expected = expected._replace(forces=expected.forces[order])
    return Violation(difference(potential.predict(atoms[order]), expected))


def moved(potential: Potential, atoms: Atoms, Q: np.ndarray, shift: np.ndarray) -> Violation:
    """The energy must stay, and the forces must turn, when R -> Q R + shift."""
    expected = potential.predict(atoms)
    expected = expected._replace(forces=expected.forces @ torch.as_tensor(Q.T))
    return Violation(difference(potential.predict(Atoms(atoms.numbers, atoms.positions @ Q.T + shift)), expected))


def orthogonal_matrix(rng: Rng, determinant: int) -> np.ndarray:
    Q, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return Q * determinant * np.linalg.det(Q)  # in three dimensions, -Q has the determinant -det(Q)


def translation(potential: Potential, rng: Rng) -> Violation:
    return moved(potential, clump(potential, rng), np.eye(3), 10 * rng.normal(size=3))


def rotation(potential: Potential, rng: Rng) -> Violation:
    return moved(potential, clump(potential, rng), orthogonal_matrix(rng, +1), np.zeros(3))


def reflection(potential: Potential, rng: Rng) -> Violation:
    return moved(potential, clump(potential, rng), orthogonal_matrix(rng, -1), np.zeros(3))


# ----------------------------------------------------------------------------- smoothness


def walk(potential: Potential, rng: Rng) -> Callable[[float], np.ndarray]:
    """An atom walks away from a pair along x: energy and force along the path, (2,), at a distance x."""
    numbers = rng.choice(potential.elements, 3)

    def energy_and_force(x: float) -> np.ndarray:
        prediction = potential.predict(Atoms(numbers, [[-1.1, 0.3, 0], [0, 0, 0], [x, 0, 0]]))
        return np.array([prediction.energy.item(), prediction.forces[2, 0].item()])

    return energy_and_force


def largest_jump(curve: Callable[[float], np.ndarray], grid: np.ndarray, n_zooms: int) -> np.ndarray:
    """Zoom in on the largest steps of a curve: a slope shrinks, a jump stays. Returns what is left of them, (2,)."""
    values = np.array([curve(x) for x in grid])
    jump = np.zeros(2)
    for column, steps in enumerate(np.abs(np.diff(values, axis=0)).T):
        for k in np.argsort(steps)[-n_zooms:]:
            (low, high), (at_low, at_high) = grid[k : k + 2], values[k : k + 2, column]
            for _ in range(20):
                middle = (low + high) / 2
                at_middle = curve(middle)[column]
                if abs(at_middle - at_low) > abs(at_high - at_middle):
                    high, at_high = middle, at_middle
                else:
                    low, at_low = middle, at_middle
            jump[column] = max(jump[column], abs(at_high - at_low))
    return jump


def change_inside(curve: Callable[[float], np.ndarray], cutoff: float) -> float:
    """The control: how much the curve does change inside the cutoff. A flat curve is smooth for the wrong reason."""
    at_infinity = curve(1000.0)
    change = max(abs(curve(x) - at_infinity).max() for x in np.linspace(0.9, max(1.0, 0.9 * cutoff), 5))
    return change + 1e-6 * abs(at_infinity[0]) + 1e-9


def smooth_at_cutoff(potential: Potential, rng: Rng) -> Violation:
    curve, r_c = walk(potential, rng), potential.cutoff
    change = change_inside(curve, r_c)
    jump_of_E, jump_of_F = largest_jump(curve, r_c * np.array([0.99, 1.01]), n_zooms=1)
    seen = f"E jumps by {jump_of_E:.2g} eV, F by {jump_of_F:.2g} eV/Å; inside they change by {change:.2g}"
    return Violation(max(jump_of_E, jump_of_F) / change, seen)


def smooth_inside(potential: Potential, rng: Rng) -> Violation:
    curve, r_c = walk(potential, rng), potential.cutoff
    jump = largest_jump(curve, np.linspace(0.9, max(1.2, 0.95 * r_c), 30), n_zooms=3) / change_inside(curve, r_c)
    return Violation(jump.max(), f"the largest kink of F is {jump[1]:.0e} of its change")


# ----------------------------------------------------------------------------- energies of parts


def additivity(potential: Potential, rng: Rng) -> Violation:
    a, b = clump(potential, rng), clump(potential, rng, n_atoms=5)
    far = b.copy()
    far.positions += 1000.0
    alone_a, alone_b = potential.predict(a), potential.predict(b)
    expected = Prediction(
        alone_a.energy + alone_b.energy,
        torch.cat([alone_a.forces, alone_b.forces]),
        torch.cat([alone_a.atomic_energies, alone_b.atomic_energies]),
    )
    return Violation(difference(potential.predict(a + far), expected))


def isolated_atom(potential: Potential, rng: Rng) -> Violation:
    """A lonely atom has an energy, feels no force, and adds exactly its own energy to a molecule far away."""
    atoms = clump(potential, rng)
    lonely = Atoms([int(rng.choice(potential.elements))], [[1000.0, 0, 0]])
    molecule, atom, both = potential.predict(atoms), potential.predict(lonely), potential.predict(atoms + lonely)
    missing = abs(both.energy - molecule.energy - atom.energy).item()
    return Violation(max(missing, atom.forces.abs().max().item()) / size(molecule))


def alone_or_in_batch(potential: Potential, rng: Rng) -> Violation:
    """A molecule must not notice its company, in training (where batch statistics are made) as in use."""
    molecules = [clump(potential, rng, n_atoms) for n_atoms in (7, 5, 9)]
    worst = 0.0
    for training in (False, True):
        mode = copy.deepcopy(potential).train(training)
        alone = mode(potential.graph(molecules[0]))
        together = mode(batch([potential.graph(atoms) for atoms in molecules]))
        part = Prediction(together.energy[:1], together.forces[:7], together.atomic_energies[:7])
        worst = max(worst, difference(part, alone))
    return Violation(worst)


# ----------------------------------------------------------------------------- forces


def forces_are_gradient(potential: Potential, rng: Rng) -> Violation:
    """The force along a random direction against the central difference of the energy."""
    atoms, h = clump(potential, rng), 1e-4
    direction = rng.normal(size=(len(atoms), 3))
    plus, minus = (
        potential.predict(Atoms(atoms.numbers, atoms.positions + sign * h * direction)).energy.item()
        for sign in (1, -1)
    )
    prediction = potential.predict(atoms)
    analytic = (prediction.forces * torch.as_tensor(direction)).sum().item()
    rounding = 1e-13 * abs(prediction.energy.item()) / h
    return Violation(max(abs(analytic + (plus - minus) / (2 * h)) - rounding, 0.0) / size(prediction))


def total_force(potential: Potential, rng: Rng) -> Violation:
    prediction = potential.predict(clump(potential, rng))
    return Violation(prediction.forces.sum(dim=0).abs().max().item() / size(prediction))


def total_torque(potential: Potential, rng: Rng) -> Violation:
    atoms = clump(potential, rng)
    prediction = potential.predict(atoms)
    torque = torch.linalg.cross(torch.as_tensor(atoms.positions), prediction.forces).sum(dim=0)
    return Violation(torque.abs().max().item() / size(prediction))


# ----------------------------------------------------------------------------- the awkward and the distant


def no_nan(potential: Potential, rng: Rng) -> Violation:
    """Two atoms in one place, and an atom with nobody near: strange, but no reason for a NaN."""
    atoms = clump(potential, rng)
    coincident = atoms + Atoms([atoms.numbers[0]], [atoms.positions[0]])
    for name, strange in (("coincident atoms", coincident), ("a lonely atom", atoms[:1])):
        prediction = potential.predict(strange)
        if not (prediction.energy.isfinite().all() and prediction.forces.isfinite().all()):
            return Violation(np.inf, f"NaN or infinity for {name}")
    return Violation(0.0)


class Influence(NamedTuple):
    """How strongly each atom j is felt by one atom i. The size of a vector or matrix is its Euclidean norm."""

    energy: np.ndarray  # (n_atoms,)  |dE_i / dR_j|, eV/Angstrom
    force: np.ndarray  # (n_atoms,)  |dF_i / dR_j|, eV/Angstrom^2


def influence(potential: Potential, graph: Graph, i: int) -> Influence:
    """The influence of every atom on the energy of atom i and on the force that acts on it."""

    def energy(R: Tensor) -> Tensor:
        return potential.atomic_energies(graph.moved(R))[i]

    def force(R: Tensor) -> Tensor:
        energy = potential.atomic_energies(graph.moved(R)).sum() + 0 * R.sum()
        return -torch.autograd.grad(energy, R, create_graph=True, materialize_grads=True)[0][i]

    # (components of the function, n_atoms, 3) -> (n_atoms,)
    sizes = [
        jacobian(function, graph.positions).square().sum(dim=(0, 2)).sqrt().numpy() for function in (energy, force)
    ]
    return Influence(*sizes)


def reach(potential: Potential, rng: Rng, n_atoms: int) -> Influence:
    """The influence on atom 0 of the atoms of a zigzag chain whose edges join neighbours: entry j is j edges away."""
    step = 0.8 * potential.cutoff
    positions = np.array([[0.95 * step * k, 0.3 * step * (k % 2), 0.0] for k in range(n_atoms)])
    positions += 0.01 * step * rng.normal(size=positions.shape)
    return influence(potential, potential.graph(Atoms(rng.choice(potential.elements, n_atoms), positions)), 0)


def jacobian(function: Callable[[Tensor], Tensor], R: Tensor) -> Tensor:
    """d function / dR, (values of the function, n_atoms, 3), zero where the function does not depend on R."""
    R = R.detach().requires_grad_()
    values = (function(R) + 0 * R.sum()).reshape(-1)
    rows = [torch.autograd.grad(value, R, retain_graph=True, materialize_grads=True)[0] for value in values]
    return torch.stack(rows).detach()


def locality(potential: Potential, rng: Rng) -> Violation:
    """E_i hears atoms up to T edges away, the force on i up to 2 T, and nobody is heard against an edge's direction."""
    T = getattr(potential.model, "T", None)
    n_hops = 6 if T is None else 2 * T + 2
    energy, force = reach(potential, rng, n_atoms=n_hops + 1)
    hops_energy, hops_force = (int(np.flatnonzero(row > 0)[-1]) if row.any() else 0 for row in (energy, force))
    seen = f"E_i hears {hops_energy} hops, F_i {hops_force}"
    beyond = 0.0
    if T is not None:
        beyond = max(energy[T + 1 :].max() / (energy.max() + 1e-12), force[2 * T + 1 :].max() / (force.max() + 1e-12))
    one_way = Graph(
        numbers=torch.tensor([potential.elements[0], potential.elements[-1]]),
        positions=torch.tensor([[0.0, 0.0, 0.0], [0.5 * potential.cutoff, 0.1, 0.0]], dtype=torch.float64),
        senders=torch.tensor([0]),
        receivers=torch.tensor([1]),
        molecule_index=torch.tensor([0, 0]),
    )
    influence = jacobian(lambda R: potential.atomic_energies(one_way.moved(R)), one_way.positions)
    speaker, listener = influence.abs().amax(dim=(1, 2)).tolist()  # of all atoms on E_0, and on E_1
    backwards = speaker / (speaker + listener + 1e-12)
    if backwards > 0.5:
        seen += "; messages travel against their edges"
    return Violation(max(beyond, backwards), seen)


# ----------------------------------------------------------------------------- the contract

LAWS = [
    Law("permutation", "Atoms carry no numbers.", permutation, 1e-8),
    Law("translation", "It does not matter where the molecule is.", translation, 1e-8),
    Law("rotation", "It does not matter how the molecule is turned; forces turn with it.", rotation, 1e-8),
    Law("reflection", "A mirror image has the same energy.", reflection, 1e-8),
    Law("smooth at the cutoff", "A neighbour fades out; energy and force do not jump.", smooth_at_cutoff, 1e-5),
    Law("smooth inside", "Forces have no kinks.", smooth_inside, 1e-5),
    Law("additivity", "Two molecules far apart have the sum of their energies.", additivity, 1e-8),
    Law("isolated atom", "An atom without neighbours still has an energy, and no force.", isolated_atom, 1e-8),
    Law(
        "alone or in a batch", "A molecule does not notice which others are computed with it.", alone_or_in_batch, 1e-8
    ),
    Law("forces = -gradient", "Forces are minus the slope of the energy.", forces_are_gradient, 1e-4),
    Law("total force", "A molecule does not push itself.", total_force, 1e-8),
    Law("total torque", "A molecule does not spin itself.", total_torque, 1e-8),
    Law("no NaN", "Coincident or lonely atoms give numbers.", no_nan, 0.0),
    Law("locality", "Influence travels T edges, in the direction of the edges.", locality, 1e-8),
]


@dataclass(frozen=True)
class Finding:
    """One cell of the table."""

    law: Law
    violation: Violation

    @property
    def kept(self) -> bool:
        return self.violation.size <= self.law.tolerance  # False for NaN


@dataclass(frozen=True)
class Scorecard:
    """Rows are models, columns are laws. Prints as a table; `broken("name")` lists what a model breaks."""

    rows: dict[str, list[Finding]]

    def broken(self, name: str | None = None) -> list[str]:
        """The names of the broken laws of one row; the name may be left out where there is only one."""
        return [finding.law.name for finding in self.rows[name or next(iter(self.rows))] if not finding.kept]

    def __str__(self) -> str:
        width = max(len(law.name) for law in LAWS)
        lines = [" " * width + "  " + "  ".join(f"{name:>12.12}" for name in self.rows)]
        for k, law in enumerate(LAWS):
            cells = [f"{mark(row[k])} {row[k].violation.size:8.1e}" for row in self.rows.values()]
            lines.append(f"{law.name:<{width}}  " + "  ".join(f"{cell:>12}" for cell in cells))
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        names = [html.escape(name).replace(" = ", "&nbsp;=&nbsp;") for name in self.rows]  # long names break elsewhere
        heads = "".join(f'<th scope="col">{name}</th>' for name in names)
        lines = []
        for k, law in enumerate(LAWS):
            cells = "".join(cell_html(row[k]) for row in self.rows.values())
            head = f'<th scope="row" title="{html.escape(law.sentence)}" style="white-space:nowrap">{law.name}</th>'
            lines.append(f"<tr>{head}{cells}</tr>")
        return f"<table><thead><tr><th>law</th>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def mark(finding: Finding) -> str:
    return "ok" if finding.kept else "BROKEN"


def cell_html(finding: Finding) -> str:
    colour = "#009E7333" if finding.kept else "#D55E0055"  # Okabe-Ito green and vermilion, over light and dark themes
    text = "✓" if finding.kept else f"✗ {finding.violation.size:.1g}"
    return f'<td style="background:{colour}" title="{html.escape(finding.violation.seen)}">{text}</td>'


def judge(potential: Potential, law: Law, seed: int, n_draws: int = 2) -> Finding:
    """The worst of a few random draws. A potential that raises an error breaks the law."""
    findings = []
    for draw in range(n_draws):
        try:
            findings.append(Finding(law, law.measure(potential, np.random.default_rng([seed, draw]))))
        except Exception as error:
            return Finding(law, Violation(np.inf, f"{type(error).__name__}: {error}"))
    return max(findings, key=lambda finding: np.nan_to_num(finding.violation.size, nan=np.inf))


def scorecard(*potentials: Potential | nn.Module, seed: int = 0, **named: Potential | nn.Module) -> Scorecard:
    """Judge potentials, or bare models of atomic energies, by every law. Copies in double precision are judged."""
    rows = {type(getattr(p, "model", p)).__name__: p for p in potentials} | named
    judged = {}
    with torch_threads(1):  # the molecules are tiny: more threads would wait for each other
        for name, given in rows.items():
            potential = given if isinstance(given, Potential) else Potential(given)
            potential = copy.deepcopy(potential).cpu().double().eval()
            judged[name] = [judge(potential, law, seed) for law in LAWS]
    return Scorecard(judged)

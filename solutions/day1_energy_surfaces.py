# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Day 1 · Energy surfaces
#
# *A model in which everything is fixed. About 100 minutes.*
#
# On Day 0 you took the slope of an energy curve. The curve was a formula that somebody had written down. Where does the formula come from, and how good is it?
#
# The course asks one question, several times: **how do we describe the surroundings of an atom, so that a network can turn them into an energy?**
#
# | model | description of the atom | energy function | force error on ethanol |
# |:--|:--|:--|--:|
# | **molecular mechanics** | **fixed** | **fixed** | **about 175 meV/Å, measured today** |
# | Coulomb vector + network | fixed, and it jumps | learned | Day 2 |
# | symmetry functions (Behler and Parrinello) | fixed, smooth | learned | Day 3 |
# | message passing | learned | learned | Day 4 |
#
# Today is the first row. It has no network at all. It is the model that chemists have used for fifty years, and the one that the others have to beat.

# %%
import matplotlib.pyplot as plt
import numpy as np
import torch
from ase.build import molecule

import course
from course.exercises import check, hint, predict, stuck
from course.models.molecular_mechanics import Parameters, bonds_of, nonbonded_weights, topology_of
from course.plotting import draw_forces, draw_molecule
from course.training import samples
from course.widgets.bending import stretch_bend_twist

torch.set_default_dtype(torch.float64)

# %% [markdown]
# ## One number for every arrangement
#
# Put nine nuclei somewhere. Quantum mechanics gives the electrons around them one lowest energy. Move a nucleus, and the number changes. So the energy is a function of all positions, $E(\vec R_1 \dots \vec R_n)$: the **energy surface**.
# Its slope along the coordinates of an atom, with a minus sign, is the force on that atom.
#
# The package ships such numbers. Here are arrangements of ethanol, snapshots of the moving molecule ("frames"), each computed with density functional theory:

# %%
ethanol = course.load("ethanol")
frame = ethanol[0]
print(f"{len(ethanol):,} frames; the first one:")
print(f"numbers   {frame.numbers.tolist()}")
print(f"positions {frame.positions.shape}, Å; the first atom at {frame.positions[0].round(3).tolist()}")
print(f"energy    {frame.energy:.4f} eV")
print(f"forces    {frame.forces.shape}, eV/Å; on the first atom {frame.forces[0].round(3).tolist()}")
print(f"method    {ethanol.provenance['method']}")

# %% [markdown]
# The energy counts from nuclei and electrons infinitely far apart. That is why it is so large. What chemistry cares about is the difference between arrangements. There, an error of 1 kcal/mol is called *chemical accuracy*: it is about what a good calorimeter reaches.

# %%
KCAL = 23.06  # kcal/mol in one eV
train, validation, test = (ethanol.split(name) for name in ("train", "validation", "test"))
for what, energy in (
    ("mean energy", train.energies.mean()),
    ("spread at 500 K", train.energies.std()),
    ("'chemical accuracy'", 1 / KCAL),
):
    print(f"{what:20} {energy:10.3f} eV = {energy * KCAL:10.1f} kcal/mol")
print(f"chemical accuracy is one part in {abs(train.energies.mean()) * KCAL:,.0f}")

# %% [markdown]
# A surface over 27 coordinates cannot be drawn. A cut through it can. Three cuts, all quantum mechanics: a bond is stretched, an angle is bent, a bond is twisted.

# %%
scans = course.load("scans")
cuts = [
    ("h2_fci", "H–H distance in H₂, Å", 2.0),
    ("water_bend", "H–O–H angle in water, degrees", 140),
    ("ethane_torsion", "H–C–C–H torsion in ethane, degrees", 120),
]
_, axes = plt.subplots(1, 3, figsize=(13, 3), layout="constrained")
for ax, (name, label, end) in zip(axes, cuts):
    scan = scans.group(name)
    shown = scan.coordinate <= end
    ax.plot(scan.coordinate[shown], (scan.energies - scan.energies.min())[shown], ".-")
    ax.set(xlabel=label, ylabel="E, eV")
plt.show()

# %% [markdown]
# Near the lowest point: a bowl, a bowl, a wave. Molecular mechanics takes that at its word: bonds and angles are springs, torsions (the twists) are cosines. Atoms that are not bonded attract and repel as charged, soft balls.
#
# $$ E = \sum_\text{bonded} \left( E_{ij}^\text{bond} + E_{ijk}^\text{angle} + E_{ijkl}^\text{torsion} \right) + \sum_\text{non-bonded} \left( E_{ij}^\text{elst} + E_{ij}^\text{vdW} \right) $$
#
# Five formulas, fixed. What they look at is fixed too: distances $r_{ij}$, angles $\theta_{ijk}$, torsions $\phi_{ijkl}$ of atoms that somebody has declared to be bonded. We build it term by term.

# %% [markdown]
# ## 1.1 Distances, and a NaN  ●○○  10 min
#
# All of it begins with distances. $r_{ij} = \sqrt{x^2 + y^2 + z^2}$ for every pair, one line. Here is the line, for two atoms, and then the gradient that the forces will need:

# %%
R = torch.tensor([[0.0, 0.0, 0.0], [3.0, 4.0, 0.0]], requires_grad=True)
R_ij = R[None, :, :] - R[:, None, :]  # (n, n, 3): row i, column j holds R_j - R_i
r = (R_ij**2).sum(dim=2).sqrt()
(gradient,) = torch.autograd.grad(r.sum(), R)
print("distances:", r.tolist())
print("gradient: ", gradient.tolist())

# %% [markdown]
# The distances are right, the gradient is lost. The diagonal did it. Each atom is at distance 0 from itself, and the slope of the root, $1 / (2\sqrt{x})$, is infinite there. The chain rule multiplies it by 0, and infinity times 0 is *not a number*.
#
# Every force in this course goes through a distance. Write `pair_distances` so that all slopes are finite.


# %%
# exercise 1.1
def pair_distances(positions):
    """The distances between all atoms.

    positions  (n, 3)   Angstrom
    returns    (n, n)   r_ij, zero on the diagonal, with finite gradients there too
    """
    ### BEGIN SOLUTION
    n = len(positions)
    R_ij = positions[None, :, :] - positions[:, None, :]  # (n, n, 3)
    squared = (R_ij**2).sum(dim=2) + torch.eye(n)  # 1 instead of 0 on the diagonal, before the root
    return squared.sqrt() - torch.eye(n)
    ### END SOLUTION


# %%
check("1.1", pair_distances)

# %% [markdown]
# Your function, on 300 frames of ethanol at 500 K. Eight of the 36 pairs of atoms are bonds in a chemist's drawing:

# %%
bonds = [(0, 1), (1, 2), (2, 3), (1, 4), (1, 5), (0, 6), (0, 7), (0, 8)]
others = [(i, j) for i in range(9) for j in range(i + 1, 9) if (i, j) not in bonds]
tables = [pair_distances(torch.tensor(f.positions)) for f in train[:300]]
bonded, apart = ([float(r[i, j]) for r in tables for i, j in pairs] for pairs in (bonds, others))
print(f"longest bond {max(bonded):.2f} Å, shortest other pair {min(apart):.2f} Å")

_, ax = plt.subplots(figsize=(8, 2.8), layout="constrained")
for lengths, label in ((bonded, "bonds"), (apart, "other pairs")):
    ax.hist(lengths, bins=150, range=(0.8, 4.2), label=label, alpha=0.8)
for distance, name in ((0.98, "O–H"), (1.11, "C–H"), (1.43, "C–O"), (1.53, "C–C")):
    ax.annotate(name, (distance, 400), rotation=90, ha="center", va="top", color="0.3")
ax.set(xlabel="distance of two atoms, Å", ylabel="how often", ylim=(0, 410))
ax.legend()
plt.show()

# %% [markdown]
# Each bond keeps its length, to about a tenth of an Ångström. All other pairs roam. Length alone does not say what is a bond: the two ranges overlap. The elements have to be asked too.

# %% [markdown]
# ## 1.2 Angles  ●●○  15 min
#
# An angle first, by hand. Water: two vectors leave the oxygen.

# %%
water = molecule("H2O")  # atoms O, H, H
a, b = (torch.tensor(water.positions[k] - water.positions[0]) for k in (1, 2))
print("a =", a.tolist(), " b =", b.tolist())
cosine = a @ b / (a.norm() * b.norm())
print(f"a·b = {a @ b:.4f},  |a| |b| = {a.norm() * b.norm():.4f},  cosine = {cosine:.4f}")
print(f"angle = {torch.rad2deg(torch.arccos(cosine)):.2f}°")

# %% [markdown]
# A torsion, or dihedral angle, is an angle between two planes. Four atoms in a chain, i–j–k–l. With $\vec a = \vec R_j - \vec R_i$, $\vec b = \vec R_k - \vec R_j$, $\vec c = \vec R_l - \vec R_k$, the vector $\vec a \times \vec b$ stands upright on the first plane and $\vec b \times \vec c$ on the second.
# Look along the bond from j to k: the torsion is how far l is turned from i, **clockwise positive** (IUPAC). Cis is 0, trans is 180°.
#
# $$ \phi = \operatorname{atan2}\left( |\vec b|\; \vec a \cdot (\vec b \times \vec c),\ (\vec a \times \vec b) \cdot (\vec b \times \vec c) \right) $$
#
# The first number is a length times $\sin\phi$, the second the same length times $\cos\phi$. `torch.atan2(y, x)` makes the angle of them, sign and all. The arc cosine would lose the sign. It has a second fault: its slope is infinite for a straight angle, as that of the root is at zero.
#
# Write both functions, in radians. Stay in torch: forces will come from them.


# %%
# exercise 1.2
def bond_angle(positions, i, j, k):
    """The angle at atom j, between the directions to i and to k.

    positions  (n, 3)    Angstrom
    returns    a number from 0 to pi, radians
    """
    ### BEGIN SOLUTION
    a, b = positions[i] - positions[j], positions[k] - positions[j]
    return torch.atan2(torch.linalg.cross(a, b).norm(), a @ b)  # |a||b| sin, |a||b| cos
    ### END SOLUTION


def dihedral_angle(positions, i, j, k, l):
    """How far l is turned from i about the bond j-k.

    positions  (n, 3)    Angstrom
    returns    a number from -pi to pi, radians; clockwise is positive, looking from j to k
    """
    ### BEGIN SOLUTION
    a, b, c = positions[j] - positions[i], positions[k] - positions[j], positions[l] - positions[k]
    n = torch.linalg.cross(b, c)
    return torch.atan2(b.norm() * (a @ n), torch.linalg.cross(a, b) @ n)
    ### END SOLUTION


# %%
check("1.2", bond_angle, dihedral_angle)

# %% [markdown]
# ASE measures angles too. And the warm ethanol shows which of them are stiff:

# %%
atoms = ethanol.to_ase(0)
R = torch.tensor(atoms.positions)
angle, torsion = (torch.rad2deg(f).item() for f in (bond_angle(R, 0, 1, 2), dihedral_angle(R, 0, 1, 2, 3)))
print(f"C–C–O   yours {angle:8.3f}°   ASE {atoms.get_angle(0, 1, 2):8.3f}°")
print(f"C–C–O–H yours {torsion % 360:8.3f}°   ASE {atoms.get_dihedral(0, 1, 2, 3):8.3f}°")  # ASE: from 0 to 360

frames = [torch.tensor(f.positions) for f in train]
_, axes = plt.subplots(1, 2, figsize=(10, 2.8), layout="constrained")
axes[0].hist([float(torch.rad2deg(bond_angle(R, 0, 1, 2))) for R in frames], bins=30)
axes[1].hist([float(torch.rad2deg(dihedral_angle(R, 0, 1, 2, 3))) % 360 for R in frames], bins=60)
axes[0].set(xlabel="C–C–O angle, degrees", ylabel="how often")
axes[1].set(xlabel="C–C–O–H torsion, degrees", xticks=range(0, 361, 60))
plt.show()

# %% [markdown]
# The angle swings about one value, like something on a spring. The torsion visits three valleys: near 60°, near 180°, and near 300°, which is −60°.

# %% [markdown]
# ## 1.3 Springs and waves  ●●○  15 min
#
# Which atoms are bonded? The usual rule: whoever is closer than 1.25 times the sum of the covalent radii. Angles and torsions follow: two bonds that share an atom, three bonds in a row. The list is the **topology**. (`molecular_graph` finds the pairs of atoms within a cutoff, and `bonds_of` keeps those that are bonds. Day 4a builds such a graph.)

# %%
graph = course.molecular_graph(atoms, cutoff=10.0)
topology = topology_of(bonds_of(graph))
print("bonds:", topology.bonds.tolist())
print(f"{len(topology.bonds)} bonds, {len(topology.angles)} angles, {len(topology.torsions)} torsions")
print("an angle:", topology.angles[0].tolist(), " a torsion:", topology.torsions[0].tolist())

# %% [markdown]
# Each has its own numbers. One bond by hand, C–C with a stiffness of 30 eV/Å² and a rest length of 1.52 Å:

# %%
k, r_0 = 30.0, 1.52
r = pair_distances(torch.tensor(atoms.positions))[0, 1]
print(f"r = {r:.4f} Å, stretched by {r - r_0:+.4f} Å")
print(f"k/2 (r - r_0)² = {1000 * k / 2 * (r - r_0) ** 2:.2f} meV")

# %% [markdown]
# The three bonded terms:
#
# $$ E^\text{bond} = \tfrac{k}{2}\,(r - r_0)^2, \qquad E^\text{angle} = \tfrac{k}{2}\,(\theta - \theta_0)^2, \qquad E^\text{torsion} = \sum_{n=1}^{3} \tfrac{V_n}{2}\,\bigl(1 + \cos n\phi\bigr) $$
#
# `parameters` holds one row for each bond, angle and torsion, in the order of the topology. Write `bonded_energy`: all terms, summed. Plain loops are fine; the lists are short. A single atom has empty lists and the energy zero.


# %%
# exercise 1.3
def bonded_energy(positions, topology, parameters):
    """Bonds + angles + torsions.

    positions   (n, 3)                 Angstrom
    topology    .bonds (n_bonds, 2)    .angles (n_angles, 3), j in the middle    .torsions (n_torsions, 4)
    parameters  .k_bond (n_bonds,)     eV/Angstrom^2     .r_0 (n_bonds,)         Angstrom
                .k_angle (n_angles,)   eV/radian^2       .theta_0 (n_angles,)    radian
                .V (n_torsions, 3)     V_1, V_2, V_3, eV
    returns     a number, eV
    """
    ### BEGIN SOLUTION
    energy = 0.0 * positions.sum()  # zero, but a tensor that knows the positions
    r = pair_distances(positions)
    for (i, j), k, r_0 in zip(topology.bonds, parameters.k_bond, parameters.r_0):
        energy = energy + k / 2 * (r[i, j] - r_0) ** 2
    for (i, j, k), stiffness, theta_0 in zip(topology.angles, parameters.k_angle, parameters.theta_0):
        energy = energy + stiffness / 2 * (bond_angle(positions, i, j, k) - theta_0) ** 2
    for (i, j, k, l), V in zip(topology.torsions, parameters.V):
        phi = dihedral_angle(positions, i, j, k, l)
        for n in (1, 2, 3):
            energy = energy + V[n - 1] / 2 * (1 + torch.cos(n * phi))
    return energy
    ### END SOLUTION


# %%
check("1.3", bonded_energy)

# %% [markdown]
# A first test against nature. Ethane has nine H–C–C–H torsions. We give all of them the same $V_3$ and nothing else: one number. They climb together, so $V_3$ is one ninth of the barrier. Your function against quantum mechanics, along the twist:

# %%
twist = scans.group("ethane_torsion")
ethane = topology_of(bonds_of(course.molecular_graph(twist.to_ase(0), cutoff=3.0)))
barrier = twist.energies.max() - twist.energies.min()
n_bonds, n_angles, n_torsions = (len(term) for term in ethane)
no_springs = [torch.zeros(n) for n in (n_bonds, n_bonds, n_angles, n_angles)]
waves = Parameters(*no_springs, V=torch.tensor([[0.0, 0.0, barrier / 9]]).repeat(n_torsions, 1))
E = np.array([float(bonded_energy(torch.tensor(f.positions), ethane, waves)) for f in twist])
error = np.abs(E - (twist.energies - twist.energies.min())).max()
print(f"{n_torsions} torsions, a barrier of {1000 * barrier:.0f} meV")
print(f"largest error along the twist: {1000 * error:.1f} meV")

# %% [markdown]
# That is why molecular mechanics has lived so long. With a well-chosen number, a fixed formula can be very good.

# %% [markdown]
# ## 1.4 Charges and soft balls  ●●○  15 min
#
# Atoms that are not bonded still feel each other. Two terms:
#
# $$ E^\text{elst} = \frac{e^2}{4\pi\varepsilon_0}\,\frac{q_i q_j}{r}, \qquad E^\text{vdW} = 4\varepsilon_{ij} \left[ \left(\frac{\sigma_{ij}}{r}\right)^{12} - \left(\frac{\sigma_{ij}}{r}\right)^{6} \right] $$
#
# In our units $e^2/4\pi\varepsilon_0$ = 14.3996 eV Å: two elementary charges 1 Å apart have 14.4 eV. Each atom brings its own $q$, $\sigma$ and $\varepsilon$, and a pair mixes them (Lorentz and Berthelot): $\sigma_{ij} = (\sigma_i + \sigma_j)/2$, $\varepsilon_{ij} = \sqrt{\varepsilon_i \varepsilon_j}$.
#
# *By hand first*: an O and an H, 3 Å apart, with charges −0.6 and +0.4. Which of the two terms is the larger one?

# %%
q, sigma, epsilon, r = (-0.6, 0.4), (3.0, 2.0), (0.006, 0.002), 3.0
s, e = (sigma[0] + sigma[1]) / 2, (epsilon[0] * epsilon[1]) ** 0.5
print(f"sigma_ij = {s:.2f} Å, epsilon_ij = {1000 * e:.2f} meV")
print(f"electrostatic: {1000 * 14.3996 * q[0] * q[1] / r:9.2f} meV")
print(f"van der Waals: {1000 * 4 * e * ((s / r) ** 12 - (s / r) ** 6):9.2f} meV")

# %% [markdown]
# Write `nonbonded_energy`. It sums over the `pairs` that it is given and over no others; there may be none.


# %%
# exercise 1.4
def nonbonded_energy(positions, charges, sigma, epsilon, pairs):
    """Electrostatics + van der Waals.

    positions  (n, 3)         Angstrom
    charges    (n,)           elementary charges
    sigma      (n,)           Angstrom
    epsilon    (n,)           eV
    pairs      (n_pairs, 2)   the pairs i, j that count, each once
    returns    a number, eV
    """
    ### BEGIN SOLUTION
    i, j = pairs[:, 0], pairs[:, 1]
    r = pair_distances(positions)[i, j]  # (n_pairs,)
    s, e = (sigma[i] + sigma[j]) / 2, torch.sqrt(epsilon[i] * epsilon[j])
    electrostatic = 14.3996 * charges[i] * charges[j] / r
    van_der_waals = 4 * e * ((s / r) ** 12 - (s / r) ** 6)
    return (electrostatic + van_der_waals).sum()
    ### END SOLUTION


# %%
check("1.4", nonbonded_energy)

# %% [markdown]
# Which pairs are "non-bonded"? Ethanol has nine atoms, so 36 pairs. Atoms that are one or two bonds apart are left out: springs take care of them. Three bonds apart, they count in part: force fields of the AMBER family divide electrostatics by 1.2 and van der Waals by 2. Everybody else counts in full.

# %%
pairs = torch.combinations(torch.arange(9), 2)
w_elst, w_vdW = nonbonded_weights(pairs, topology, n_atoms=9)
for weight, words in ((0.0, "one or two bonds apart: left out"), (0.5, "three bonds apart: in part"), (1.0, "whole")):
    print(f"{int((w_vdW == weight).sum()):3} pairs {words}")

# %% [markdown]
# Now the numbers. The library looks at the training data, sorts the atoms into types (an H on oxygen is not an H on carbon), and gives each type a start value.
#
# **Predict.** What would happen if the 21 near pairs were *not* left out?

# %%
prediction = predict(
    "1.4",
    [
        "the energy shifts by a few meV",
        "the energy shifts by a few eV",
        "the energy shifts by hundreds of eV or more",
    ],
    answer=None,
)

# %%
model = course.MolecularMechanics.for_data(train)
with torch.no_grad():
    _, parameters, charges, sigma, epsilon, _ = model.assigned(graph)
print("charges:", [f"{symbol} {q:+.2f}" for symbol, q in zip(atoms.symbols, charges.tolist())])

R = torch.tensor(atoms.positions)
whole, third, near = (pairs[w_vdW == weight] for weight in (1.0, 0.5, 0.0))
print(f"{len(whole):2} whole pairs: {nonbonded_energy(R, charges, sigma, epsilon, whole):9.3f} eV")
left_out = nonbonded_energy(R, charges, sigma, epsilon, near)
print(f"{len(near):2} near pairs:  {left_out:9.3f} eV")
prediction.compare(f"a shift of {left_out:,.0f} eV")

# %% [markdown]
# Two bonded atoms stand deep inside each other's soft ball. The formula for strangers does not fit them. Somebody has to tell the model who is a stranger.
#
# All five terms together: your functions, and the library's model, which does the same for many molecules at once. (Pairs three bonds apart need two calls, because the two terms are scaled differently.)


# %%
def my_energy(R):
    """The five terms for this molecule, eV."""
    none = torch.zeros(9)
    energy = bonded_energy(R, topology, parameters) + nonbonded_energy(R, charges, sigma, epsilon, whole)
    energy = energy + nonbonded_energy(R, charges, sigma, none, third) / 1.2  # epsilon = 0: electrostatics
    return energy + nonbonded_energy(R, none, sigma, epsilon, third) / 2  # charges = 0: van der Waals


print(f"yours:       {my_energy(R):.6f} eV")
print(f"the library: {model(graph).sum():.6f} eV")
assert abs(my_energy(R) - model(graph).sum()) < 1e-5

# %% [markdown]
# ## 1.5 Forces  ●○○  10 min
#
# Nobody writes down 27 derivatives of five terms. Autograd has followed every step. Write `forces` for any energy function of the positions.


# %%
# exercise 1.5
def forces(energy_fn, positions):
    """F_i = -dE/dR_i.

    energy_fn   energy_fn(positions) -> a number, eV
    positions   (n, 3)   Angstrom; left as they are
    returns     (n, 3)   eV/Angstrom
    """
    ### BEGIN SOLUTION
    R = positions.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy_fn(R), R)
    return -gradient
    ### END SOLUTION


# %%
check("1.5", forces)

# %% [markdown]
# Never trust a force that you have not checked. The test is slow and needs no autograd: move one coordinate a little to both sides, and look at the energy.


# %%
def finite_difference_forces(energy_fn, positions, h=1e-4):
    """Minus the slope of the energy along each coordinate, by two energies each."""
    F = torch.zeros_like(positions)
    for i in range(len(positions)):
        for x in range(3):
            step = torch.zeros_like(positions)
            step[i, x] = h
            F[i, x] = -(energy_fn(positions + step) - energy_fn(positions - step)) / (2 * h)
    return F


F = forces(my_energy, R)
with torch.no_grad():
    difference = (F - finite_difference_forces(my_energy, R)).abs().max()
print(f"largest force {F.norm(dim=1).max():.2f} eV/Å, largest difference {difference:.0e} eV/Å")
print(f"sum of all forces {F.sum(dim=0).norm():.0e} eV/Å: a molecule does not push itself")

# %%
_, axes = plt.subplots(1, 2, figsize=(10, 4), sharex=True, sharey=True)
for ax, F_i, title in zip(axes, (F.numpy(), frame.forces), ("yours", "quantum mechanics")):
    draw_molecule(frame.numbers, R, ax=ax)
    draw_forces(R, F_i, scale=2.5, ax=ax)
    ax.set_title(title)
plt.show()
error = np.abs(F.numpy() - frame.forces).mean()
print(f"force components differ by {1000 * error:.0f} meV/Å on average")

# %% [markdown]
# The arrows are similar, and not equal. The numbers in your model are guesses so far. Before the data may correct them, we need to know what is easy, and who may judge.

# %% [markdown]
# ## 1.6 The honest baseline  ●●○  15 min
#
# Two molecules far apart have the sum of their energies. Energy is *extensive*: a large molecule has more of it than a small one. So the crudest model of all gives every element a price, and a molecule pays for its atoms:
#
# $$ E \approx \sum_Z N_Z\, e_Z $$
#
# It sees no geometry. The prices come from **least squares** over many molecules: as small a sum of squared errors as possible.
#
# And whoever fits, must not judge with the same data. `split` shuffles the frame numbers and cuts them into parts. The seed makes the shuffle repeatable.


# %%
# exercise 1.6
def fit_composition(numbers_list, energies, elements):
    """One energy an element, by least squares.

    numbers_list  a list of n_molecules tensors of atomic numbers
    energies      (n_molecules,)   total energies, eV
    elements      list of atomic numbers, in the order of the answer
    returns       (n_elements,)    eV an atom
    """
    ### BEGIN SOLUTION
    counts = torch.tensor([[int((numbers == z).sum()) for z in elements] for numbers in numbers_list]).double()
    return torch.linalg.lstsq(counts, energies.double()[:, None]).solution[:, 0]
    ### END SOLUTION


def split(n, fractions, seed):
    """The numbers 0 ... n-1, shuffled and cut into parts that share nothing.

    n          how many
    fractions  sizes of the parts, for example (0.8, 0.1, 0.1); they add up to 1. Who gets the rest is free
    seed       the same seed gives the same split
    returns    a list of parts, one a fraction; each a list or tensor of whole numbers
    """
    ### BEGIN SOLUTION
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    ends = [round(n * sum(fractions[: k + 1])) for k in range(len(fractions))]
    return [order[start:end] for start, end in zip([0, *ends], ends)]
    ### END SOLUTION


# %%
check("1.6", fit_composition, split)

# %% [markdown]
# On 62 small molecules, 20 frames each: how much of the total energies does the price list explain? The spread of the energies is over 1,000 eV, because the molecules have between 2 and 14 atoms.
#
# **Predict.** What share of the variance of the energies is explained by a model that sees no geometry?

# %%
prediction = predict("1.6", ["about half", "about 90 %", "99 %", "more than 99.99 %"], answer=None)

# %%
small = course.load("small_molecules")
learn, judge = small.split("train"), small.split("test")
numbers_of = [torch.tensor(f.numbers) for f in learn]
prices = torch.as_tensor(fit_composition(numbers_of, torch.tensor(learn.energies), small.elements))
price_of = {z: float(price) for z, price in zip(small.elements, prices)}
print("prices, eV:", {z: round(price, 2) for z, price in price_of.items()})

guess = np.array([sum(price_of[z] for z in f.numbers.tolist()) for f in judge])
error = judge.energies - guess
explained = 100 * (1 - error.var() / judge.energies.var())
mean_error = np.abs(error).mean()
print("on molecules that it has not seen:")
print(f"{explained:.4f} % of the variance is explained")
print(f"the error is {mean_error:.2f} eV = {mean_error * KCAL:.0f} kcal/mol on average")
prediction.compare(f"{explained:.4f} %")

# %% [markdown]
# Almost everything is explained, and the model is of no use: its error is 25 times chemical accuracy. The large percentage says only that big molecules have big energies. **A good score on total energies means nothing**; ask what the trivial model scores.
#
# Here is the same model where geometry is all that changes. The O–H bond of ethanol is stretched:

# %%
stretch = scans.group("ethanol_oh")
flat = [sum(price_of[z] for z in f.numbers.tolist()) for f in stretch]
_, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(stretch.coordinate, stretch.energies - stretch.energies.min(), ".-", label="quantum (PBE)")
ax.plot(stretch.coordinate, np.array(flat) - flat[0], label="composition")
ax.set(xlabel="O–H distance, Å", ylabel="E, eV", title="ethanol, the O–H bond is stretched")
ax.legend()
plt.show()
print(f"composition: highest minus lowest {max(flat) - min(flat):.1f} eV")

# %% [markdown]
# A flat line: no slope, no force. From now on the composition is subtracted first, and models compete for what is left.

# %% [markdown]
# ## Learning, with two numbers
#
# A force field has numbers in it. Where do they come from? For decades: from spectra, crystals and patience. Here: from the slope of the error, as on Day 0. The **loss** is the mean squared error. Its gradient with respect to the *parameters* says how to change them; we step downhill, again and again.
#
# Two numbers first, $k$ and $r_0$ of the H–H bond, from seven quantum energies near the minimum.

# %%
h2 = scans.group("h2_fci")
r_all, E_all = torch.tensor(h2.coordinate), torch.tensor(h2.energies - h2.energies.min())
near = (r_all > 0.59) & (r_all < 0.91)
k, r_0 = torch.tensor(20.0, requires_grad=True), torch.tensor(0.9, requires_grad=True)
optimizer = torch.optim.Adam([k, r_0], lr=0.05)  # finds a step size of its own for each parameter
for step in range(1001):
    loss = ((k / 2 * (r_all[near] - r_0) ** 2 - E_all[near]) ** 2).mean()
    if step % 250 == 0:
        error = 1000 * loss.item() ** 0.5
        print(f"step {step:4}: k = {k.item():.1f} eV/Å², r_0 = {r_0.item():.3f} Å, error {error:5.1f} meV")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

# %% [markdown]
# That is all there is to training; the networks of later days have more numbers. Now follow the fitted spring to 2.5 Å. The exact curve levels off at 4.7 eV, the energy of two free atoms.
#
# **Predict.** Where is the spring, at 2.5 Å?

# %%
prediction = predict("1.3", ["near 4.7 eV too", "at about 10 eV", "far above: 30 eV or more"], answer=None)

# %%
with torch.no_grad():
    spring = k / 2 * (r_all - r_0) ** 2
    at_far = float(k / 2 * (2.5 - r_0) ** 2)
_, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(r_all, E_all, ".-", label="quantum (FCI)")
ax.plot(r_all, spring, label="spring, fitted between 0.6 and 0.9 Å")
ax.set(xlabel="H–H distance, Å", ylabel="E, eV", ylim=(-0.5, 12), title="a bond breaks, a spring does not")
ax.legend()
plt.show()
print(f"at 2.5 Å: quantum {np.interp(2.5, h2.coordinate, E_all):.1f} eV, spring {at_far:.0f} eV")
prediction.compare(f"{at_far:.0f} eV")

# %% [markdown]
# No choice of $k$ cures that. A parabola has no place where it gives up. **A harmonic bond cannot break**: this model will never describe a reaction.

# %% [markdown]
# ## Your first potential
#
# The same, with all parameters of ethanol's force field at once, from energies and forces. `course.fit` is the loop above with batches of frames. (A force is a slope of the energy, so one frame gives 27 more numbers to learn from. Day 3c comes back to that.)
#
# We train four times, on 30, 100, 300 and 1,000 frames, half a minute in all. Then we look at two errors: on the frames that the model learned from, and on 400 test frames from other trajectories.
#
# **Predict.** From 30 to 1,000 frames, how does the error on the test frames change?

# %%
prediction = predict("1.5", ["it falls to a tenth", "it halves", "it hardly changes"], answer=None)

# %%
judges = samples(validation[:40], cutoff=10.0, dtype=torch.float64)
unseen = samples(test, cutoff=10.0, dtype=torch.float64)
settings = {"batch_size": 10, "learning_rate": 0.02, "progress": False}
curve = {}
print("frames   parameters   on its own frames   on the test frames (forces, meV/Å)")
for n in (30, 100, 300, 1000):
    chosen = samples(train[split(len(train), (n / 1200, 1 - n / 1200), seed=1)[0]], 10.0, torch.float64)
    mechanics = course.Potential.for_data(course.MolecularMechanics.for_data(train), train)
    course.fit(mechanics, chosen, judges, epochs=3000 // n, **settings)
    own, other = (course.evaluate(mechanics, data) for data in (chosen, unseen))
    n_parameters = sum(parameter.numel() for parameter in mechanics.model.parameters())
    curve[n] = (own.force_mae, other.force_mae, other.energy_mae)
    print(f"{n:6}   {n_parameters:10}   {own.force_mae:17.1f}   {other.force_mae:18.1f}")
prediction.compare(f"from {curve[30][1]:.0f} to {curve[1000][1]:.0f} meV/Å")

# %%
_, ax = plt.subplots(figsize=(7, 3), layout="constrained")
ax.plot(list(curve), [errors[1] for errors in curve.values()], "o-", label="test frames")
ax.plot(list(curve), [errors[0] for errors in curve.values()], "o--", label="its own frames")
ax.set(xscale="log", xlabel="training frames", ylabel="force MAE, meV/Å", ylim=(0, 220))
ax.set_xticks(list(curve), [str(n) for n in curve], minor=False)
ax.legend()
plt.show()
print(f"force components in the data: {1000 * np.abs(test.forces).mean():.0f} meV/Å on average")
print(f"energy error after 1,000 frames: {curve[1000][2]:.0f} meV")

# %% [markdown]
# Two lines meet, and the place where they meet is the floor. With 30 frames the model can still learn a few of its own frames by heart. With 1,000 it cannot, and what is left is what five fixed formulas cannot say.
# **More data does not lower the floor. A more flexible function does.**
#
# Still, it is a potential: energies, forces, everything consistent. The scorecard asks it the fourteen questions that every model of this course must answer:

# %%
composition = course.Potential(course.Composition.fit(train))
course.scorecard(composition=composition, mechanics=mechanics)

# %% [markdown]
# One law is broken, *smooth inside*: while an atom moves, energy and force jump. A bond is declared where two atoms come closer than 1.25 times their covalent radii. At that very distance a spring appears, charges move and a pair is excluded, all at once. A bond is a decision, and an energy surface has no place for decisions.

# %% [markdown]
# ## Who may judge?
#
# Data come in families: frames of one molecule, steps of one trajectory. Cut at random, and every test frame has siblings among the training frames. Cut by family, and it has none. We train the force field on the 62 small molecules twice, with your `split`: once the frames are shuffled, once the molecules.
#
# **Predict.** The energy error on the test part, by molecule against at random:

# %%
prediction = predict(
    "1.6", ["about the same", "twice as large", "more than ten times as large", "smaller"], answer=None
)

# %%
shares = (0.7, 0.1, 0.2)  # to learn from, to watch the training, to judge
names = np.array(sorted(set(small.groups.tolist())))
frames_of = [np.isin(small.groups, names[np.asarray(part)]).nonzero()[0] for part in split(62, shares, seed=0)]
cuts = {
    "at random": [small[np.asarray(part)] for part in split(len(small), shares, seed=0)],
    "by molecule": [small[part] for part in frames_of],
}
learned, errors = {}, {}
for cut, (learn, watch, judge) in cuts.items():
    learned[cut] = course.Potential.for_data(course.MolecularMechanics.for_data(learn), learn)
    course.fit(learned[cut], learn, watch[::5], epochs=10, **settings | {"batch_size": 20})
    errors[cut] = course.evaluate(learned[cut], judge)
    prices_alone = course.evaluate(course.Potential(course.Composition.fit(learn)), judge)
    print(f"split {cut}")
    print(f"    molecular mechanics: {errors[cut]}")
    print(f"    composition:         {prices_alone}")
ratio = errors["by molecule"].energy_mae / errors["at random"].energy_mae
print(f"by molecule, the energy error is {ratio:.0f} times as large")
prediction.compare(f"{ratio:.1f} times as large")

# %% [markdown]
# Shuffled frames ask: *do you remember these molecules?* Shuffled molecules ask: *can you do a new one?* The force field cannot. A new molecule brings types of atoms that it has no numbers for, and it falls behind the price list. Both errors are true. Only one of them answers the question that you have.
#
# In `ethanol` the splits are by trajectory, in `small_molecules` by molecule. They stay the same through all days.

# %% [markdown]
# ## Stretch, bend, twist
#
# Three molecules, three sliders. Each shows the exact energy, your force field (the one trained on frames of all molecules, its bonds held fixed), and the composition. Energies count from the lowest quantum energy.
#
# 1. Which of the three curves does molecular mechanics follow best, over the whole range?
# 2. Where does the O–H spring leave the quantum curve? Is that inside what a molecule at 500 K visits (about ±0.1 Å)?

# %%
stretch_bend_twist(learned["at random"])

# %% [markdown]
# <details><summary>Compare</summary>
#
# The torsion, over the whole turn. The O–H spring is good near its rest and too steep beyond 1.2 Å, where quantum mechanics begins to let go; a molecule at 500 K hardly comes there. So the force field serves for a warm molecule, and for no reaction.
#
# </details>

# %% [markdown]
# ## Bug hunt (optional)  ●●●
#
# Somebody trains on four frames. The validation error looks good. On 400 test frames the error is twice as large. Validation frames are there to warn of exactly that, and they did not. Which line is wrong? Write one line of your own that proves it.


# %%
def prepare(frames, n_train, n_validation, seed):
    """Training and validation frames, drawn at random."""
    order = np.random.default_rng(seed).permutation(len(frames))
    return frames[order[:n_train]], frames[order[:n_validation]]


few, check_frames = prepare(train, n_train=4, n_validation=4, seed=1)
suspect = course.Potential.for_data(course.MolecularMechanics.for_data(few), few)
course.fit(suspect, few, check_frames, epochs=200, **settings | {"batch_size": 4, "learning_rate": 0.05})
reported, true = course.evaluate(suspect, check_frames), course.evaluate(suspect, unseen)
print(f"validation {reported.force_mae:.0f} meV/Å, test {true.force_mae:.0f} meV/Å")

# %% [markdown]
# <details><summary>The answer</summary>
#
# Both slices start at 0. The validation frames are the training frames. `order[n_train : n_train + n_validation]` is meant. The proof: `len({f.energy for f in few} & {f.energy for f in check_frames})` is 4 and should be 0.
# It happens in published material too: a loader for training and one for validation, both built on the whole data set.
#
# </details>

# %% tags=["instructor"]
print(f"variance explained by the composition on unseen molecules: {explained:.4f} ± 0.0001 %")
print(f"its mean error there: {mean_error:.2f} ± 0.01 eV")
print(f"near pairs of ethanol, if they were counted: {left_out:.0f} ± 1 eV")
print(f"the H2 spring at 2.5 Å: {at_far:.0f} ± 2 eV (quantum 4.6)")
for n, (own, other, _) in curve.items():
    print(f"force error after {n} frames, own / test: {own:.0f} / {other:.0f} ± 8 meV/Å")
print(f"energy error after 1,000 frames: {curve[1000][2]:.0f} ± 10 meV")
print(f"small molecules, energy error, at random: {errors['at random'].energy_mae:.0f} ± 20 meV")
print(f"small molecules, energy error, by molecule: {errors['by molecule'].energy_mae:.0f} ± 500 meV")
print(f"bug hunt, validation / test: {reported.force_mae:.0f} / {true.force_mae:.0f} ± 20 meV/Å")

# %% [markdown]
# ## What broke?
#
# | model | description of the atom | energy function | force error on ethanol |
# |:--|:--|:--|--:|
# | **molecular mechanics** | **fixed: who is bonded to whom** | **fixed: five formulas** | **about 175 meV/Å** |
#
# Three things. The floor: five formulas cannot say more. The bonds: they cannot break, and where they are perceived they jump. The types: a new molecule needs new numbers.
#
# Tomorrow the formula goes. A network shall learn the energy function. But a network wants a row of numbers of fixed length for each atom, and bonds and angles are not that. What do we hand it? We begin with the simplest idea, $Z_j / r_{ij}$ for whoever is near.
#
# **In five lines**
#
# - The **energy surface** $E(\vec R_1 \dots \vec R_n)$ gives one number for every arrangement; the force is minus its slope.
# - **Molecular mechanics**: springs for bonds and angles, cosines for torsions, charges and soft balls for the rest. Description and formula are fixed; only numbers are learned.
# - The **composition** explains nearly all of a total energy, and no force. Subtract it, then compare.
# - A model that is too stiff has a **floor**: more data does not help, and the errors on its own frames and on others meet.
# - **Split** by family, and never let a training frame judge.
#
# **Further reading**
#
# - W. Cornell et al., *A second generation force field for the simulation of proteins, nucleic acids, and organic molecules*, J. Am. Chem. Soc. 1995, 117, 5179, [doi:10.1021/ja00124a002](https://doi.org/10.1021/ja00124a002). The five terms, AMBER's.
# - A. Christensen, O. A. von Lilienfeld, *On the role of gradients for machine learning of molecular energies and forces*, Mach. Learn.: Sci. Technol. 2020, 1, 045018, [doi:10.1088/2632-2153/abba6f](https://doi.org/10.1088/2632-2153/abba6f). The rMD17 benchmark, at whose level our ethanol was computed.
# - IUPAC Gold Book, *torsion angle*, [doi:10.1351/goldbook.T06406](https://doi.org/10.1351/goldbook.T06406).

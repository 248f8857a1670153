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
# # Day 2 · Locality and the local Coulomb vector
#
# *The first description of an atom, and what is wrong with it. About 90 minutes, and 30 for the optional part.*
#
# **How do we describe the surroundings of an atom, so that a network can turn them into an energy?**
#
# Yesterday nobody asked. In molecular mechanics somebody wrote down both: what is looked at (bonds, angles, torsions, distances) and the function behind it. Its parameters could be fitted, its shape could not. A harmonic bond never broke, and more data did not help.
#
# | model | description of the atom | energy function | force error on ethanol |
# |:--|:--|:--|--:|
# | molecular mechanics, fitted | fixed | fixed | about 175 meV/Å, with 30 frames as with 1,000 |
# | **Coulomb vector + network** | fixed | **learned** | *today: about 105 meV/Å, and a catch* |
# | symmetry functions + network | fixed | learned | Day 3 |
# | message passing | learned | learned | Day 4 |
#
# So today a network learns the energy function. It can take any shape. The hard question comes before it: **which numbers do we give to the network?**
#
# You will see some bad answers, and why each of them fails. Their failures tell us what a good answer must be. Then you build the first reasonable one, the *local Coulomb vector*, train a network on it, and find out what is still wrong.
#
# The index rule: **i is the atom that we describe, j is a neighbour.** $\vec R_{ij} = \vec R_j - \vec R_i$, and $r_{ij}$ is its length.

# %%
import copy
import math
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.md.verlet import VelocityVerlet
from IPython.display import Markdown, display

import course
from course.descriptors import CoulombVector
from course.exercises import check, hint, predict, stuck
from course.models.behler_parrinello import BehlerParrinello
from course.models.message_passing import perceptron
from course.plotting import draw_molecule
from course.radial import cosine_cutoff
from course.scorecard import orthogonal_matrix
from course.widgets.cutoff_explorer import cutoff_explorer
from course.widgets.monitor import TrainingMonitor

torch.set_default_dtype(torch.float64)  # double precision, so that "equal" means 15 digits
torch.set_num_threads(1)  # our tensors are small: two threads would mostly wait for each other

# %% [markdown]
# ## One network for the whole molecule?
#
# The most obvious input are the coordinates: nine atoms, 27 numbers in, one energy out. Here are the energies and the shapes of ethanol from quantum chemistry, 1,200 frames to learn from and 400 to be tested on.

# %%
data = course.load("ethanol")
train, validation, test = (data.split(name) for name in ("train", "validation", "test"))
numbers = torch.tensor(train[0].numbers)
R_train, R_test = (torch.tensor(np.stack([frame.positions for frame in part])) for part in (train, test))
E_train, E_test = (torch.tensor(part.energies) for part in (train, test))

ethanol = train.to_ase(0)
draw_molecule(ethanol.numbers, ethanol.positions)
plt.show()
guess = 1000 * (E_test - E_train.mean()).abs().mean().item()
print(f"Who always guesses the mean energy is wrong by {guess:.0f} meV, on average, on the test frames.")

# %% [markdown]
# **Predict.** A network learns the energy from the 27 coordinates. What is its error on the test frames?

# %%
prediction = predict(
    "2.1", ["a tenth of the guess, or less", "about half of the guess", "no better than the guess"], answer=None
)


# %%
def learn(features):
    """Train a network on a table of features, one row a frame. Returns the function: features -> energies, eV."""
    torch.manual_seed(0)
    mean, std = features.mean(dim=0), features.std(dim=0)
    network = perceptron(features.shape[1], 64, 64, 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    target = (E_train - E_train.mean()) / E_train.std()
    for _ in range(1000):
        some = torch.randint(len(features), (50,))
        loss = torch.mean((network((features[some] - mean) / std)[:, 0] - target[some]) ** 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return lambda x: (network((x - mean) / std)[:, 0] * E_train.std() + E_train.mean()).detach()


def mae(predicted, reference):
    """Mean absolute error, meV."""
    return 1000 * (predicted - reference).abs().mean().item()


by_coordinates = learn(R_train.flatten(1))
error_train = mae(by_coordinates(R_train.flatten(1)), E_train)
error_test = mae(by_coordinates(R_test.flatten(1)), E_test)
print(f"27 coordinates: {error_train:.0f} meV on the training frames, {error_test:.0f} meV on the test frames")
print(f"the guess:      {guess:.0f} meV on the test frames")
prediction.compare(f"{error_test / guess:.2f} times the guess")

# %% [markdown]
# It has learned next to nothing, not even about the frames that it was shown. The molecule turned freely while the data were made. In every frame the same bond points somewhere else, and 1,200 frames are too few to find out that turning does not matter.
#
# So give it numbers that do not change when the molecule turns: all distances, $9 \cdot 8 / 2 = 36$ of them, in the order of the atoms' labels. First as they are. Then we only exchange labels: two hydrogens of the methyl group, 6 and 7; then H4 and H6, which sit on different carbons. It is the same molecule each time, and the same energy.

# %%
first, second = torch.triu_indices(9, 9, 1)


def all_distances(R):
    """The 36 distances of each frame, (n_frames, 36), in the order of the labels."""
    return (R[:, first] - R[:, second]).norm(dim=2)


by_distances = learn(all_distances(R_train))
error = {}
for what, order in (
    ("as they are", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("labels 6 and 7 exchanged", [0, 1, 2, 3, 4, 5, 7, 6, 8]),
    ("labels 4 and 6 exchanged", [0, 1, 2, 3, 6, 5, 4, 7, 8]),
):
    error[what] = mae(by_distances(all_distances(R_test[:, order])), E_test)
    print(f"36 distances, {what}: {error[what]:.0f} meV")

water = molecule("H2O")
try:
    by_distances(torch.tensor(water.get_all_distances()[np.triu_indices(3, 1)])[None, :])
except RuntimeError as problem:
    print(f"water, 3 distances: RuntimeError: {problem}")

# %% [markdown]
# Distances help: the error has come down to a third. But the network has learned the *labels*. Give two atoms each other's number, and the same molecule has another energy, by about 10 eV in the second case. That is more than any of its bonds. Nature does not number her atoms.
#
# And water does not fit in at all. This network knows ethanol, and will never know anything else.
#
# ## A sum over atoms
#
# Both problems have one cure. We do not ask for the energy of the molecule. We ask for the energy of each atom, and add:
#
# $$ E = \sum_i E_i, \qquad E_i = \mathrm{NN}_{Z_i}(\vec x_i) $$
#
# - A **sum** forgets the order, so labels do not matter.
# - A sum takes **any number of atoms**. What was learned on ethanol can be asked about water: its oxygen, too, is an oxygen with a hydrogen beside it.
# - A sum is **extensive**. Two molecules far apart have the energy of one plus the energy of the other. Nobody has to learn that.
#
# The price: $E_i$ cannot be measured. Quantum chemistry gives $E$ and the forces. How the molecule is cut into atoms is left to the network.
#
# And what is $\vec x_i$? A list of numbers that describes the surroundings of atom i: a *descriptor*, or *atomic environment vector* (AEV). Its length must not depend on the molecule, because a network has a fixed number of inputs. That is the whole problem of this course.

# %% [markdown]
# ## 2.1 Who is near?  ●○○  10 min
#
# The first decision: what is far away does not count. An atom sees the atoms inside a sphere of radius $r_c$, the **cutoff**, and nothing else.
#
# $$ j \text{ is a neighbour of } i \quad\text{if}\quad j \neq i \text{ and } r_{ij} < r_c $$
#
# This is a claim about nature: that the energy of an atom depends on its surroundings, and that the distant ones may be forgotten. For the inside of a molecule it is a good claim. For two ions it is a bad one (Day 6). It is also what makes such potentials fast: the number of neighbours does not grow with the size of the system.
#
# Write `neighbors_within`. The order of the indices is yours.
#
# (Where an answer is not right yet, the check also shows the end of what your function has printed.)


# %%
# exercise 2.1
def neighbors_within(positions, i, cutoff):
    """The atoms inside the sphere around atom i.

    positions  (n_atoms, 3)     Angstrom; perhaps integers, typed by hand: positions.double() makes floats of them
    i          the atom in the middle; it is not its own neighbour
    cutoff     r_c, Angstrom
    returns    (n_neighbors,)   indices j, integers; perhaps none
    """
    ### BEGIN SOLUTION
    r = ((positions - positions[i]) ** 2).sum(dim=1).sqrt()  # (n_atoms,)
    near = r < cutoff
    near[i] = False
    return torch.nonzero(near)[:, 0]
    ### END SOLUTION


# %%
check("2.1", neighbors_within)

# %% [markdown]
# How many neighbours are there? We count them with your function, in 200 frames, for each atom of ethanol.

# %%
cutoff = 3.0
crowd = np.array([[len(neighbors_within(R, i, cutoff)) for i in range(9)] for R in R_train[::6]])  # (200, 9)
names = [f"{symbol}{i}" for i, symbol in enumerate(ethanol.symbols)]

_, ax = plt.subplots(figsize=(7, 3))
for i in range(9):
    values, counts = np.unique(crowd[:, i], return_counts=True)
    ax.scatter(np.full(len(values), i), values, s=1.5 * counts, color="#0072B2")
ax.set(
    xticks=range(9),
    xticklabels=names,
    ylabel="neighbours",
    title=f"neighbours within {cutoff} Å; the area says how often",
)
ax.margins(y=0.15)
plt.show()
print(
    f"all atoms: {crowd.min()} to {crowd.max()}; the hydroxyl hydrogen H3: {crowd[:, 3].min()} to {crowd[:, 3].max()}"
)

# %% [markdown]
# The number of neighbours differs from atom to atom, and for one and the same atom from frame to frame. The network wants a fixed number of inputs. Keep this picture in mind.

# %% [markdown]
# ## 2.2 The local Coulomb vector  ●●○  15 min
#
# What do we write down about each neighbour? Something that says *which element* and *how far*. Two nuclei repel each other with an energy proportional to $Z_i Z_j / r_{ij}$; we leave out $Z_i$, which is the same for all neighbours. One number a neighbour:
#
# $$ \vec x_i = \left\{ \frac{Z_j}{r_{ij}}\ \ \forall\, r_{ij} < r_c \right\} $$
#
# *By hand first.* Water has three pairs. Which two numbers describe the oxygen, which two a hydrogen?

# %%
Z_water, R_water = torch.tensor(water.numbers), torch.tensor(water.positions)
for i in range(3):
    for j in range(3):
        if i != j:
            r = math.sqrt(sum((R_water[j, k] - R_water[i, k]) ** 2 for k in range(3)))
            who, whom = f"{water.symbols[i]}{i}", f"{water.symbols[j]}{j}"
            print(f"{who} sees {whom} at {r:.3f} Å: Z/r = {Z_water[j]}/{r:.3f} = {Z_water[j] / r:.3f}")

# %% [markdown]
# Two questions are open, and the network insists on answers.
#
# - **In which order?** Not in the order of the labels: we have just seen what comes of that. We *sort*, the largest number first. Then labels do not matter. (The places of a vector count from 0, as in Python: the largest number stands in place 0.)
# - **How many?** The network has `length` inputs. Where there are fewer neighbours, *zeros* fill the rest. A zero is what a neighbour at infinity would give.
#
# And when there are more neighbours than `length`? Leaving out the smallest looks harmless. But it would happen in silence, in the middle of some simulation. Raise a `ValueError` that says how many neighbours there are.


# %%
# exercise 2.2
def local_coulomb_vector(numbers, positions, i, cutoff, length):
    """Z_j / r_ij of the neighbours of atom i, the largest first, filled up with zeros.

    numbers    (n_atoms,)      atomic numbers
    positions  (n_atoms, 3)    Angstrom; perhaps integers
    i          the atom in the middle
    cutoff     r_c, Angstrom
    length     number of features
    returns    (length,)       1/Angstrom

    Raises ValueError, with the number of neighbours, where there are more of them than `length`.
    """
    ### BEGIN SOLUTION
    j = neighbors_within(positions, i, cutoff)
    if len(j) > length:
        raise ValueError(f"Atom {i} has {len(j)} neighbours within {cutoff} Å, and there is room for {length}.")
    r = ((positions[j] - positions[i]) ** 2).sum(dim=1).sqrt()  # (n_neighbors,)
    x = torch.zeros(length)
    x[: len(j)] = torch.sort(numbers[j] / r, descending=True).values
    return x
    ### END SOLUTION


# %%
check("2.2", local_coulomb_vector)


# %%
def vectors(numbers, positions, cutoff=3.0, length=12):
    """Your vectors of all atoms: (n_atoms, length)."""
    rows = [local_coulomb_vector(numbers, positions, i, cutoff, length) for i in range(len(numbers))]
    return torch.stack([torch.as_tensor(row).double() for row in rows])


for i, row in enumerate(vectors(Z_water, R_water, length=4).tolist()):
    print(f"{water.symbols[i]}{i}:", [round(value, 3) for value in row])

# %% [markdown]
# Compare with the list above. The library computes the vectors of all atoms at once. The numbers must be the same, and it should be faster:

# %%
R = torch.tensor(ethanol.positions)
graph = course.molecular_graph(ethanol, cutoff)
library = CoulombVector(cutoff, length=12)

start = time.perf_counter()
yours = vectors(numbers, R)
between = time.perf_counter()
ours = library(graph)
end = time.perf_counter()
print(f"largest difference: {(yours - ours).abs().max():.0e}")
print(f"yours {1e6 * (between - start):.0f} µs, the library {1e6 * (end - between):.0f} µs")
assert (yours - ours).abs().max() < 1e-6

# %% [markdown]
# Here is ethanol as the network will see it: one row an atom, one column a place.

# %%
_, ax = plt.subplots(figsize=(7, 3))
picture = ax.imshow(yours, cmap="cividis", aspect="auto")
ax.set(yticks=range(9), yticklabels=names, xlabel="place", title="local Coulomb vectors of ethanol, 1/Å")
ax.figure.colorbar(picture, ax=ax)
plt.show()

# %% [markdown]
# Heavy neighbours stand in front. Behind them come the hydrogens, at most 1 or so. The last places are empty. Look at place 2 of H6, H7 and H8, the three hydrogens of the methyl group: the oxygen is inside the spheres of two of them, and outside the third.

# %% [markdown]
# ## 2.3 What must not matter  ●●○  15 min
#
# A molecule is the same molecule when it is shifted, turned, looked at in a mirror (for the energy, left and right hand are equal), or when two equal atoms exchange their labels. A description should not notice. It should be **invariant**.
#
# We could prove that. We can also test it, for any description, whoever wrote it. Write that test.
#
# `feature_fn(numbers, positions)` gives a row of features. `transform(numbers, positions)` gives the transformed atoms, numbers and positions. Do the features stay?
#
# Computers round. Two numbers that are equal on paper differ in the 16th digit. And features may be large or tiny, in any unit. So count them as equal when the largest difference is at most a millionth **of the largest feature**.


# %%
# exercise 2.3
def is_invariant(feature_fn, numbers, positions, transform):
    """Whether the features stay the same when the atoms are transformed.

    feature_fn  feature_fn(numbers, positions) -> (n_features,)
    numbers     (n_atoms,)       atomic numbers
    positions   (n_atoms, 3)     Angstrom
    transform   transform(numbers, positions) -> (numbers, positions)
    returns     True or False
    """
    ### BEGIN SOLUTION
    before = feature_fn(numbers, positions)
    after = feature_fn(*transform(numbers, positions))
    return bool((after - before).abs().max() <= 1e-6 * before.abs().max())
    ### END SOLUTION


# %%
check("2.3", is_invariant)

# %% [markdown]
# Now examine four descriptions of the oxygen of ethanol, atom 2. The last two differ in one word: *sorted*.
#
# **Predict.** Which of them does not notice that two hydrogens have exchanged their labels? (Several: `answer=[1, 2]`.)

# %%
prediction = predict(
    "2.3",
    ["its coordinates", "its distances, in the order of the labels", "Z/r, in the order of the labels", "Z/r, sorted"],
    answer=None,
)

# %%
Q, mirror = (torch.tensor(orthogonal_matrix(np.random.default_rng(0), sign)) for sign in (1, -1))
swap = [0, 1, 2, 3, 6, 5, 4, 7, 8]  # H4 and H6 exchange their labels, each stays where it is
rest = [0, 1, 3, 4, 5, 6, 7, 8]  # everybody but the oxygen

transforms = {
    "shift": lambda numbers, R: (numbers, R + torch.tensor([1.0, -2.0, 0.5])),
    "rotation": lambda numbers, R: (numbers, R @ Q.T),
    "mirror": lambda numbers, R: (numbers, R @ mirror.T),
    "new labels": lambda numbers, R: (numbers[swap], R[swap]),
}
descriptions = {
    "its coordinates": lambda numbers, R: R[2],
    "its distances, in the order of the labels": lambda numbers, R: (R[rest] - R[2]).norm(dim=1),
    "Z/r, in the order of the labels": lambda numbers, R: numbers[rest] / (R[rest] - R[2]).norm(dim=1),
    "Z/r, sorted": lambda numbers, R: vectors(numbers, R)[2],
}

stays = {
    name: {how: bool(is_invariant(f, numbers, R, transform)) for how, transform in transforms.items()}
    for name, f in descriptions.items()
}
display(
    Markdown(
        "\n".join(
            [f"| description of O2 | {' | '.join(transforms)} |", "|:--|" + ":-:|" * 4]
            + [
                f"| {name} | {' | '.join('stays' if row[how] else '**changes**' for how in transforms)} |"
                for name, row in stays.items()
            ]
        )
    )
)
prediction.compare(", ".join(name for name, row in stays.items() if row["new labels"]))

# %% [markdown]
# <details><summary>The coordinates of the oxygen do not notice new labels either. Why is that worth nothing?</summary>
#
# They say nothing about the neighbours at all. A description that is always zero passes every one of these tests. To be invariant is not enough: a description must also *change* when the energy does.
#
# </details>

# %% [markdown]
# Only the sorted vector passes all four. It is a description, and it has a fixed length. Two conditions are left, and both come from what we want to do with the energy. Atoms move, and the force is $-\partial E / \partial \vec R$. So the energy must be **continuous**, and so must its **slope**. A network is a smooth function of its inputs. Whether its inputs are smooth functions of the positions is up to us.

# %% [markdown]
# ## 2.4 Let an atom walk  ●●○  10 min
#
# To see a jump, move one atom on a straight line, in small steps, and watch the features. Write that walk, for any description.
#
# The atom `mover` starts at its place in `positions`. For each of the `distances` $d$ it stands at $\vec R + d\,\vec u$, where $\vec u$ is `direction` made one Angstrom long. Each distance counts from the start, not from the step before. All other atoms stand still.


# %%
# exercise 2.4
def scan_neighbor(feature_fn, numbers, positions, mover, direction, distances):
    """The features, while one atom walks along a line.

    feature_fn  feature_fn(numbers, positions) -> (n_features,)
    numbers     (n_atoms,)        atomic numbers
    positions   (n_atoms, 3)      Angstrom, perhaps integers; they must not change
    mover       the atom that walks
    direction   (3,)              where to, perhaps integers; its length does not matter
    distances   (n_distances,)    how far from its place, Angstrom
    returns     (n_distances, n_features)
    """
    ### BEGIN SOLUTION
    u = direction / (direction**2).sum().sqrt()
    rows = []
    for d in distances:
        moved = positions.double().clone()
        moved[mover] += d * u
        rows.append(feature_fn(numbers, moved))
    return torch.stack(rows)
    ### END SOLUTION


# %%
check("2.4", scan_neighbor)

# %% [markdown]
# ### A neighbour leaves
#
# Take H6, a hydrogen of the methyl group. When the molecule twists, the oxygen O2 goes in and out of its sphere. We take the oxygen on that way, on a straight line, out through the cutoff at 3 Å, and watch the vector of H6. All other atoms stand still.

# %%
r_HO = (R_train[:, 6] - R_train[:, 2]).norm(dim=1)
inside = (r_HO < cutoff).double().mean().item()
print(
    f"H6–O2 in the training frames: {r_HO.min():.2f} to {r_HO.max():.2f} Å, within 3 Å in {100 * inside:.0f} % of them"
)

# %% [markdown]
# **Predict.** When the oxygen crosses the cutoff, how many of the filled places in the vector of H6 change?

# %%
prediction = predict("2.4a", ["none", "one, the oxygen's", "all from the oxygen's on"], answer=None)


# %%
def vector_of_H6(numbers, positions):
    return vectors(numbers, positions)[6]


line = R[2] - R[6]
start_distance = line.norm().item()


def walk(r):
    """The vector of H6 for distances r of the oxygen: (len(r), 12)."""
    rows = scan_neighbor(vector_of_H6, numbers, R, 2, line, torch.as_tensor(r) - start_distance)
    return torch.stack([torch.as_tensor(row).double() for row in rows])


before, after = walk([cutoff - 1e-6, cutoff + 1e-6])
print("a hair before:", [round(value, 2) for value in before.tolist()])
print("a hair after: ", [round(value, 2) for value in after.tolist()])
changed = torch.nonzero((after - before).abs() > 1e-3)[:, 0].tolist()
n_changed, n_filled = len(changed), int((before > 0).sum())
print(f"{n_changed} places have changed; one atom has moved, by 0.000002 Å")

r = torch.linspace(2.3, 3.4, 441)
_, ax = plt.subplots(figsize=(7, 3.4))
ax.plot(r, walk(r)[:, :7].masked_fill(((r > 2.998) & (r < 3.002))[:, None], torch.nan))
ax.axvline(cutoff, color="0.6", linestyle=":")
ax.set(xlabel="distance H6–O2, Å", ylabel="$x_k$, 1/Å", title="the vector of H6 while the oxygen leaves")
ax.legend([f"place {k}" for k in range(7)], fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1))
plt.show()
prediction.compare(f"{n_changed} of {n_filled}, places {changed[0]} to {changed[-1]}")

# %% [markdown]
# The oxygen takes its number along, and everybody behind it moves up one place. Three hydrogens stand still, and the network is told that they are somebody else.
#
# What does a network make of that? Here is one with random weights. Only its energy of H6 is drawn, and the force on the oxygen along the line.

# %%
torch.manual_seed(3)
network = perceptron(12, 16, 1)


def energy_of_H6(r):
    with torch.no_grad():
        return network(walk(r))[:, 0]


_, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
for piece in (torch.linspace(2.3, cutoff - 1e-6, 350), torch.linspace(cutoff + 1e-6, 3.4, 150)):
    E = energy_of_H6(piece)
    axes[0].plot(piece, E, color="#0072B2")
    axes[1].plot(piece, -np.gradient(E, piece), color="#D55E00")
axes[0].set(xlabel="distance H6–O2, Å", ylabel="$E_6$, no unit", title="energy of H6, random network")
axes[1].set(xlabel="distance H6–O2, Å", ylabel="$-dE_6/dr$", title="what it does to O2")
plt.show()
E_before, E_after = energy_of_H6([cutoff - 1e-6, cutoff + 1e-6]).tolist()
print(f"E of H6 a hair before {E_before:.4f}, a hair after {E_after:.4f}: a jump of {E_after - E_before:+.4f}")

# %% [markdown]
# The energy jumps at 3 Å, by what the network makes of $Z_j / r_c$: that is what disappears. A larger cutoff makes it smaller, slowly, and the larger sphere has more neighbours that cross it. (The optional part measures this.)
#
# Look at the force, too: there is a second flaw, at 2.8 Å.

# %% [markdown]
# ### Two neighbours trade places
#
# Now the second flaw. At $r = 8 / 6 \cdot r_{C_1}$ the entry of the oxygen has come down to that of the carbon C1. From there on the carbon stands in place 1, and the oxygen in place 2.
#
# Nothing jumps. Just at that point both entries are equal, and it does not matter who is called first. But look at what the *oxygen* does when it moves on. Before, it changed place 1. Now it changes place 2. The network has different weights there.
#
# **Predict.** At the trade, what is continuous?

# %%
prediction = predict("2.4b", ["energy and force", "the energy, and not the force", "neither"], answer=None)

# %%
r_swap = 8 / 6 * (R[1] - R[6]).norm().item()
h = 1e-4
E = energy_of_H6([r_swap - 2 * h, r_swap - h, r_swap + h, r_swap + 2 * h])
F_before, F_after = ((E[0] - E[1]) / h).item(), ((E[2] - E[3]) / h).item()
print(f"the trade is at {r_swap:.3f} Å")
print(f"energy: {E[1]:.5f} a hair before, {E[2]:.5f} a hair after")
print(f"force:  {F_before:.5f} a hair before, {F_after:.5f} a hair after")
prediction.compare(f"the energy changes by {abs(E[2] - E[1]):.5f}, the force by {abs(F_after - F_before):.5f}")

# %% [markdown]
# The energy has a kink, and the force tears. Sorting has made the vector invariant, and taken away its slope. Without sorting there is no kink, and the labels matter. With a *list* of neighbours we cannot have both.
#
# Are such trades rare? In ethanol any two hydrogens at equal distances trade places, at every vibration.

# %% [markdown]
# ## 2.5 From vectors to an energy  ●○○  10 min
#
# Let us train it all the same, and see how far it comes. Each element gets a network of its own, because an oxygen and a hydrogen make different energies of the same surroundings:
#
# $$ E = \sum_i \mathrm{NN}_{Z_i}(\vec x_i) $$
#
# `networks` is a dictionary, atomic number → network. A network takes rows of features, `(n, n_features)`, and gives a column, `(n, 1)`. Not every element occurs in every molecule.


# %%
# exercise 2.5
def sum_atomic_energies(networks, features, numbers):
    """E = sum_i NN_Zi(x_i).

    networks  {atomic number: network}, each (n, n_features) -> (n, 1)
    features  (n_atoms, n_features)   x_i, one row an atom
    numbers   (n_atoms,)              atomic numbers
    returns   E, one number
    """
    ### BEGIN SOLUTION
    E = 0.0
    for element, network in networks.items():
        E = E + network(features[numbers == element]).sum()
    return E
    ### END SOLUTION


# %%
check("2.5", sum_atomic_energies)

# %% [markdown]
# With random weights already, this sum keeps the two promises. Ethanol with other labels, and two ethanols far apart:

# %%
torch.manual_seed(0)
random_networks = {element: perceptron(12, 16, 1) for element in (1, 6, 8)}


def random_energy(numbers, positions):
    with torch.no_grad():
        return float(sum_atomic_energies(random_networks, vectors(numbers, positions), numbers))


E_one = random_energy(numbers, R)
E_two = random_energy(torch.cat([numbers, numbers]), torch.cat([R, R + 100.0]))
print(f"ethanol {E_one:.6f}, other labels {random_energy(numbers[swap], R[swap]):.6f}")
print(f"two ethanols far apart {E_two:.6f}, twice one ethanol {2 * E_one:.6f}")
print(f"water, with the same networks: {random_energy(Z_water, R_water):.6f}")

# %% [markdown]
# ## Train it
#
# `BehlerParrinello` of the library does what you have written: a description, one network for each element, a sum. (Its name is that of two people whose description you will meet tomorrow.) `Potential` adds the composition model of Day 1 as a baseline, and takes forces from autograd. `fit` trains on energies and forces.
#
# A fixed description has one virtue: there is nothing to learn in it. So `fit` computes the vectors of all frames and their derivatives once, before the first step. The training itself never looks at an atom again.
#
# **Predict.** Fitted molecular mechanics has a force error of about 175 meV/Å on the test frames. And this network, after half a minute?

# %%
prediction = predict("2.5a", answer=None, unit="meV/Å")

# %%
torch.manual_seed(0)
model = BehlerParrinello(CoulombVector(cutoff, length=12), train.elements, hidden=(64, 64)).standardize(train)
potential = course.Potential.for_data(model, train)
history = course.fit(
    potential, train, validation[:100], epochs=30, batch_size=10, on_epoch=TrainingMonitor(), progress=False
)

errors = course.evaluate(potential, test)
print(f"test frames: {errors}")
prediction.compare(errors.force_mae, unit="meV/Å")

# %% [markdown]
# That is better than molecular mechanics, and nobody told it what a bond is. A learned energy function is worth something.
#
# First a rung of the ladder: *your* vectors and *your* sum, with the trained networks, must give the energy of the potential.


# %%
def trained_network(k):
    """The network of the k-th element, with its standardised input, in eV."""
    double = copy.deepcopy(model.networks[k]).double()
    mean, spread = model.mean[k].double(), model.spread[k].double()

    def energies(x):  # (n, n_features) -> (n, 1)
        with torch.no_grad():
            return potential.scale * double((x - mean) / spread)[:, None]

    return energies


networks = {element: trained_network(k) for k, element in enumerate(train.elements)}
baseline = potential.baseline(course.molecular_graph(test.to_ase(0), cutoff)).sum()
x = vectors(numbers, torch.tensor(test[0].positions))
E_yours = float(sum_atomic_energies(networks, x, numbers)) + float(baseline)
E_ours = potential.predict(test.to_ase(0)).energy.item()
print(f"yours {E_yours:.5f} eV, the potential {E_ours:.5f} eV, quantum chemistry {test[0].energy:.5f} eV")
assert abs(E_yours - E_ours) < 1e-3

# %% [markdown]
# ## The scorecard
#
# A small error on test frames is one thing. Is it a *potential*, with an energy surface on which atoms can move? The scorecard asks fourteen questions that have nothing to do with ethanol. It will judge every model of this course from now on.
#
# **Predict.** Which of these laws does our trained network break? (Several: `answer=[1, 2]`.)

# %%
prediction = predict(
    "2.5b",
    ["rotation", "permutation", "smooth at the cutoff", "smooth inside", "additivity", "no NaN"],
    answer=None,
)

# %%
card = course.scorecard(coulomb=potential)
display(card)
prediction.compare(", ".join(card.broken()))

# %% [markdown]
# The symmetries are kept, to the last digits. They were built in, and no training can spoil them. Three cells are red:
#
# - **Smooth at the cutoff.** The neighbour that leaves. The number says how large the jump is, beside all that the energy does inside the cutoff.
# - **Smooth inside.** The trade of places. It is the force that tears here. In a simulation it happens at every vibration.
# - **No NaN.** Two atoms in the same place: $Z / 0$. An honest infinity, one could say; nature does not allow that either. But a program should not answer with something that poisons every number it touches.

# %% [markdown]
# ## Does it matter?
#
# Two red cells for smoothness: is that more than a blemish? Total energy is conserved in nature. In a simulation without a thermostat (NVE) it should be, too. We let ethanol move, with ASE's velocity Verlet, and watch it.
#
# A calculator is what ASE asks for energy and forces. Ours hands the question on to a function.


# %%
class Calculate(Calculator):
    """ASE's questions, answered by a function: Atoms -> energy (eV), forces (n_atoms, 3) in eV/A."""

    implemented_properties = ("energy", "forces")

    def __init__(self, function):
        super().__init__()
        self.function = function

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results = dict(zip(("energy", "forces"), self.function(self.atoms)))


def total_energies(atoms, function, temperature, n_steps, time_step):
    """The total energy after each step of a simulation, (n_steps + 1,), eV. Temperature in K, time step in fs."""
    atoms = atoms.copy()
    velocities = np.random.default_rng(0).normal(size=(len(atoms), 3))
    atoms.set_velocities(velocities * np.sqrt(units.kB * temperature / atoms.get_masses())[:, None])
    atoms.set_momenta(atoms.get_momenta() - atoms.get_momenta().mean(axis=0))  # the centre of mass stays
    atoms.calc = Calculate(function)
    energies = []
    dynamics = VelocityVerlet(atoms, time_step * units.fs)
    dynamics.attach(lambda: energies.append(atoms.get_total_energy()))
    dynamics.run(n_steps)
    return np.array(energies)


# %% [markdown]
# Ethanol at 300 K, for a third of a picosecond, with the network that you have just trained. Beside it a potential from Day 4, which comes with the course and has no red cells.
#
# **Predict.** The total energy should stay where it started. How far away does our network let it go? ($k_B T$ at 300 K is 26 meV.)

# %%
prediction = predict("2.5c", ["less than 1 meV", "a few meV", "more than kT"], answer=None)


# %%
def learned(potential):
    """The energy and the forces of a potential, in double precision."""
    double = copy.deepcopy(potential).double().eval()

    def energy_and_forces(atoms):
        answer = double.predict(atoms)
        return answer.energy.item(), answer.forces.numpy()

    return energy_and_forces


shipped = course.Potential.load(Path(course.__file__).parent / "trained" / "ethanol_mpnn.npz")
start = Atoms(ethanol.numbers, ethanol.positions)
runs = {
    name: 1000 * total_energies(start, learned(one), 300, n_steps=700, time_step=0.5)
    for name, one in (("Coulomb vector", potential), ("message passing, Day 4", shipped))
}
_, ax = plt.subplots(figsize=(7, 3))
for name, E in runs.items():
    ax.plot(0.5 * np.arange(len(E)), E - E[0], label=name)
ax.set(xlabel="time, fs", ylabel="total energy − start, meV", title="ethanol, no thermostat")
ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
plt.show()
for name, E in runs.items():
    step = np.abs(np.diff(E)).max()
    print(f"{name}: std {E.std():.1f} meV, largest step {step:.1f} meV, from start to end {E[-1] - E[0]:+.1f} meV")
away = np.abs(runs["Coulomb vector"] - runs["Coulomb vector"][0]).max()
prediction.compare(f"{away:.0f} meV")

# %% [markdown]
# Energy comes from nowhere and goes nowhere, in steps of up to a hundred meV. The test errors did not say so. *Test frames are points; a potential is a surface.*
#
# This is not a toy worry. In 2024 users of a well-known published network [found a step of 3.6 kJ/mol](https://github.com/torchmd/torchmd-net/issues/254), 37 meV, where two atoms cross its cutoff: one part of its messages did not fade to zero there.

# %% [markdown]
# ## The cutoff explorer
#
# Here is everything in one place, with your vector and the trained network of hydrogen. A slider takes the oxygen away from H6, the other atoms stand still. The energy is that of H6 alone.
#
# 1. Move the oxygen to and fro around its place, slowly. At which distance do two bars trade places? Look at the force at that point.
# 2. Go out through the cutoff. Count the bars that change at once.
# 3. Set the cutoff to 4 Å. Is the jump smaller? Is it gone?
# 4. Set the cutoff back to 3 Å, and choose *faded by f_c*. Each entry is then multiplied, before it is sorted, by
#
#    $$ f_c(r) = \tfrac12 \left(\cos\frac{\pi r}{r_c} + 1\right) \text{ for } r < r_c, \text{ else } 0, $$
#
#    which takes it smoothly down to zero before it leaves. Which of the two flaws is cured, and which is not? Where do bars trade places now?


# %%
def faded_coulomb_vector(numbers, positions, i, cutoff, length):
    """Your vector, each entry multiplied by f_c. Where two entries trade places, they still do."""
    j = neighbors_within(positions, i, cutoff)
    r = (positions[j] - positions[i]).norm(dim=1)
    x = (numbers[j] / r * cosine_cutoff(r, cutoff)).sort(descending=True).values
    return torch.cat([x, torch.zeros(length - len(x))])


cutoff_explorer(
    {"your Coulomb vector": local_coulomb_vector, "faded by f_c": faded_coulomb_vector},
    ethanol,
    center=6,
    mover=2,
    energy=lambda x: networks[1](x[None, :])[0, 0],
)

# %% [markdown]
# <details><summary>Compare</summary>
#
# The bars trade places at 2.8 Å, and the force has a step there. At 3 Å all bars from the oxygen's on change. With a cutoff of 4 Å the jump is smaller, and still there. The fading takes away the jump: an entry is zero before it leaves. It does not take away the kinks. The oxygen stands farther out and has faded more, so it trades places earlier: with the carbon at 2.2 Å, and with a hydrogen at 2.5 Å. (The network was trained on vectors without fading, so its energies for the faded ones mean little. Look at their shape.)
#
# </details>

# %% [markdown]
# ## What broke?
#
# The row of today, measured:

# %%
display(
    Markdown(
        "| model | description of the atom | energy function | force error | broken laws |\n|:--|:--|:--|--:|:--|\n"
        "| **Coulomb vector + network** | fixed | learned "
        f"| **{errors.force_mae:.0f} meV/Å** | {', '.join(card.broken())} |"
    )
)

# %% [markdown]
# The network is not to blame. The description is: a **list** of neighbours, with a place for each. Somebody who leaves makes all others move up. Somebody who overtakes makes the force tear. Fading helps against the first. Against the second helps only a description without places.
#
# What forgets the order without sorting? You have used it today for the atoms of a molecule: a **sum**. Tomorrow each neighbour adds a smooth hill to a fixed set of numbers, and fades before it leaves. That is Behler's symmetry function.
#
# **In five lines**
#
# - $E = \sum_i E_i$: a sum over atoms takes any molecule, forgets labels, and is **extensive**.
# - A **cutoff** makes the description local: an atom sees the atoms with $r_{ij} < r_c$.
# - A **descriptor** must have a fixed length, be **invariant**, **continuous** and **differentiable**, and still tell apart what has different energies.
# - The **local Coulomb vector**, sorted and padded, is invariant. It jumps when a neighbour leaves, by an amount that grows with $Z_j / r_c$; and it has a kink where two entries trade places.
# - A good test error does not make a potential. Energy that is not conserved in **NVE** shows what the test frames hide.
#
# %% [markdown]
# ## A closer look (optional)
#
# Four measurements, about 25 minutes. Each can be left out.
#
# ### Which neighbour makes the largest jump?
#
# Was it perhaps that one network? And would a larger cutoff help? Take the smallest case, one neighbour and nobody else, and average the jump over a hundred random networks.
#
# **Predict.** Which neighbour makes the largest jump when it leaves?

# %%
leaving = {"H at 2 Å": (1, 2.0), "C at 3 Å": (6, 3.0), "O at 6 Å": (8, 6.0), "Cl at 6 Å": (17, 6.0)}
prediction = predict("2.2", ["H at 2 Å", "C at 3 Å", "O at 6 Å", "Cl at 6 Å"], answer=None)


# %%
def mean_jump(Z, r_c, n_networks=100):
    """|E(vector with Z / r_c in the first place) - E(empty vector)|, averaged over random networks."""
    x = torch.zeros(2, 4)
    x[0] = vectors(torch.tensor([6, Z]), torch.tensor([[0.0, 0, 0], [r_c - 1e-9, 0, 0]]), r_c, 4)[0]
    jumps = []
    for seed in range(n_networks):
        torch.manual_seed(seed)
        with torch.no_grad():
            E = perceptron(4, 16, 1)(x)[:, 0]
        jumps.append((E[0] - E[1]).abs())
    return torch.stack(jumps).mean().item()


jump = {name: mean_jump(*pair) for name, pair in leaving.items()}
for name, (Z, r_c) in leaving.items():
    print(f"{name}: Z/r_c = {Z / r_c:.2f} 1/Å, mean jump {jump[name]:.3f}, ratio {jump[name] * r_c / Z:.3f}")
prediction.compare(max(jump, key=jump.get))

# %% [markdown]
# The jump grows with $Z_j / r_c$, because that is what disappears. A larger cutoff makes it smaller, slowly: for chlorine at 6 Å it is still larger than for carbon at 3 Å. And a larger sphere has a larger surface, so more neighbours cross it.

# %% [markdown]
# ### How many meV is the jump?
#
# Back to the trained network. We look for training frames in which a hydrogen of the methyl group stands about 3 Å from the oxygen, and take the oxygen to a hair before the cutoff, and to a hair behind it.

# %%
double = copy.deepcopy(potential).double().eval()


def atomic_energies(atoms, hydrogen, r):
    """All E_i, (9,), meV, with the oxygen at the distance r from a hydrogen, on the line through both."""
    atoms = atoms.copy()
    line = atoms.positions[2] - atoms.positions[hydrogen]
    atoms.positions[2] = atoms.positions[hydrogen] + r * line / np.linalg.norm(line)
    return 1000 * double.predict(atoms).atomic_energies.numpy()


jumps = []  # of the hydrogen, of the oxygen, and of all atoms together
for frame in train[::12]:
    atoms = Atoms(frame.numbers, frame.positions)
    for hydrogen in (6, 7, 8):
        if abs(atoms.get_distance(hydrogen, 2) - cutoff) < 0.1:
            change = atomic_energies(atoms, hydrogen, cutoff + 1e-6) - atomic_energies(atoms, hydrogen, cutoff - 1e-6)
            jumps.append([change[hydrogen], change[2], change.sum()])
jumps = np.array(jumps)
jump_of_E = np.abs(jumps[:, 2]).mean()
print(f"{len(jumps)} crossings; the mean jump of the hydrogen's energy is {jumps[:, 0].mean():+.0f} meV,")
print(f"of the oxygen's {jumps[:, 1].mean():+.0f} meV")
print(f"size of the jump of the whole energy: {jump_of_E:.0f} meV, at most {np.abs(jumps[:, 2]).max():.0f} meV")

# %% [markdown]
# This is what training could do. When O2 leaves the sphere of H6, H6 leaves the sphere of O2. The two networks have learned to cover up: what the energy of one loses, the energy of the other wins, almost. They cannot do it exactly, because each of them sees other surroundings. What remains is as large as the error on the test frames.

# %% [markdown]
# ### A hard cutoff without a network
#
# Is it the network that makes energy out of nothing? 27 argon atoms in a periodic box, with the Lennard-Jones energy $u(r)$ of each pair. Beyond $r_c = 1.8\,\sigma$ a pair does not count. Once with that *hard* cutoff. Once *smooth*: each pair is multiplied by the $f_c$ of the cutoff explorer, which takes it down to zero before it leaves. ($f_c$ changes the potential everywhere. That is fine here: we ask whether the energy is conserved, not whether this is argon.)
#
# A third run is explained below the picture.
#
# **Predict.** The total energy should be one number. How many times larger is its standard deviation with the hard cutoff than with the smooth one?

# %%
prediction = predict("2.4c", ["about 2 times", "about 10 times", "several hundred times"], answer=None)

# %%
epsilon, sigma = 0.0104, 3.40  # argon, eV and Angstrom
box = 5 * sigma
pairs = torch.triu_indices(27, 27, 1)


def lennard_jones(fade, shift=0.0):
    """The energy and the forces of argon: every pair has the energy (u(r) - shift) fade(r)."""

    def energy_and_forces(atoms):
        R = torch.tensor(atoms.positions, requires_grad=True)
        R_ij = R[pairs[1]] - R[pairs[0]]
        R_ij = R_ij - box * torch.round(R_ij / box)  # the nearest image in the periodic box
        r = R_ij.norm(dim=1)
        E = ((4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6) - shift) * fade(r)).sum()
        (gradient,) = torch.autograd.grad(E, R)
        return E.item(), -gradient.numpy()

    return energy_and_forces


def hard(r):
    return (r < 1.8 * sigma).double()


def smooth(r):
    return cosine_cutoff(r, 1.8 * sigma)


grid = np.stack(np.meshgrid(*3 * [np.arange(3) * box / 3], indexing="ij"), axis=-1).reshape(-1, 3)
argon = Atoms("Ar27", grid, cell=3 * [box], pbc=True)
u_c = 4 * epsilon * (1.8**-12 - 1.8**-6)  # of a pair at the cutoff, eV
gas = {
    name: total_energies(argon, function, 1.5 * epsilon / units.kB, n_steps=2000, time_step=4.0) / epsilon
    for name, function in (
        ("hard", lennard_jones(hard)),
        ("hard, pairs shifted", lennard_jones(hard, u_c)),
        ("smooth", lennard_jones(smooth)),
    )
}
_, ax = plt.subplots(figsize=(7, 3))
for name, E in gas.items():
    ax.plot(0.004 * np.arange(len(E)), E - E[0], label=name)
ax.set(xlabel="time, ps", ylabel="total energy − start, ε", title="27 argon atoms, no thermostat")
ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1))
plt.show()
ratio = gas["hard"].std() / gas["smooth"].std()
for name, E in gas.items():
    print(f"std of the total energy, {name}: {E.std():.4f} ε")
prediction.compare(f"{ratio:.0f} times")

# %% [markdown]
# Each step in the curve of the hard cutoff is a pair that crosses the cutoff. The forces know nothing of it: autograd takes the slope of a pair inside, the slope outside is zero, and at the cutoff nobody is asked. **The forces are not the slope of the energy that we print.**
#
# The second run shows whose slope they are. Subtract the constant $u(r_c)$ from every pair inside the cutoff: the forces are the same, the atoms move just as before, and the energy is conserved. So the gas has not run hot. It has followed another energy all along.
#
# For pairs, that is a way out. For our vector there is no such constant: what is lost when a neighbour leaves depends on all the others.

# %% [markdown]
# ### What is it worth?
#
# Additive, efficient, nothing to learn in it; but blind beyond the cutoff, with a changing number of entries, and discontinuous. So one would judge the vector from the formula. Here is the same list with numbers.


# %%
def seconds_for(n_atoms):
    """The time that the library needs for the vectors of a chain, best of five."""
    chain = Atoms("CO" * (n_atoms // 2), [[1.3 * k, 0.4 * (k % 2), 0] for k in range(n_atoms)])
    chain, times = course.molecular_graph(chain, cutoff), []
    for _ in range(5):
        start = time.perf_counter()
        library(chain)
        times.append(time.perf_counter() - start)
    return min(times)


def one_neighbor(Z, r):
    """The vector of an atom with one neighbour."""
    return vectors(torch.tensor([1, Z]), torch.tensor([[0.0, 0, 0], [r, 0, 0]]), length=2)[0]


def oxygen_of_water(degrees):
    """The vector of O, with a cutoff that lets it see its two hydrogens."""
    a = math.radians(degrees)
    return vectors(Z_water, 0.96 * torch.tensor([[0, 0, 0], [1, 0, 0], [math.cos(a), math.sin(a), 0]]), 1.4, 2)[0]


short, long = seconds_for(500), seconds_for(5000)
near, far = walk([3.01, 9.0])
mixed = one_neighbor(6, 2.1) - one_neighbor(8, 2.8)
bend = oxygen_of_water(104.5) - oxygen_of_water(180)
print(f"additive:       two ethanols far apart minus twice one, {E_two - 2 * E_one:.0e}")
print(f"efficient:      ten times the atoms cost {long / short:.0f} times as much; {1e6 * long / 5000:.1f} µs an atom")
print("learns nothing:  and somebody chose two numbers, r_c and length")
print(f"blind beyond:   O2 goes from 3.01 to 9 Å, and the vector of H6 changes by {(near - far).abs().max():.1f}")
print(f"entries:        {crowd[:, 3].min()} to {crowd[:, 3].max()} neighbours for {names[3]}; the rest is zeros")
print(f"discontinuous:  the trained energy jumps by {jump_of_E:.0f} meV where H and O part")
print(f"who?            C at 2.1 Å or O at 2.8 Å: the difference is {mixed.abs().max():.0e}")
print(f"which angle?    water bent or straight, seen from O: {bend.abs().max():.0e}")

# %% [markdown]
# The last two lines are new. An entry mixes *who* and *where* in one number, so a carbon can pass for an oxygen. And no entry knows an angle.

# %% [markdown]
# ## Bug hunt (optional)  ●●○
#
# A colleague has read this notebook and mends the vector: every entry fades with $f_c$ before it is sorted. "The jump is gone, I have looked." It is. The energies are right to the last digit. There is one bug in it all the same. Which law of the scorecard shows it, and which line breaks it?


# %%
class FadedVector(CoulombVector):
    """Z_j / r_ij f_c(r_ij), the largest first. There is one bug."""

    def __call__(self, graph):
        r = graph.distances
        f_c = torch.as_tensor(0.5 * (np.cos(np.pi * r.detach().numpy() / self.cutoff) + 1), dtype=r.dtype)
        entries = graph.numbers[graph.senders] / r * f_c
        rows = []
        for i in range(graph.n_atoms):
            x = entries[graph.receivers == i].sort(descending=True).values
            rows.append(torch.cat([x, x.new_zeros(self.n_features - len(x))]))
        return torch.stack(rows)


torch.manual_seed(0)
hunted = course.scorecard(
    hard=BehlerParrinello(CoulombVector(3.0, 12), [1, 6, 8], hidden=(16,)),
    faded=BehlerParrinello(FadedVector(3.0, 12), [1, 6, 8], hidden=(16,)),
)
display(hunted)

# %% [markdown]
# <details><summary>The answer</summary>
#
# *Forces = −gradient.* numpy refuses a tensor that autograd follows, and says so: "Use tensor.detach().numpy() instead." That takes $f_c$ out of autograd's sight. The energy is right, the force lacks the term with $df_c/dr$. Whoever trains on energies alone will not notice; a simulation will. Write `f_c = cosine_cutoff(r, self.cutoff)`, and run the cell again.
#
# *Smooth inside* and *no NaN* stay red then. Fading has cured the jump, and neither the trade of places nor $Z / 0$.
#
# </details>

# %% [markdown]
# **Further reading**
#
# - M. Rupp, A. Tkatchenko, K.-R. Müller, O. A. von Lilienfeld, *Fast and accurate modeling of molecular atomization energies with machine learning*, Phys. Rev. Lett. 2012, 108, 058301, [doi:10.1103/PhysRevLett.108.058301](https://doi.org/10.1103/PhysRevLett.108.058301). The Coulomb matrix, of whose rows ours is a cut-off relative.
# - J. Barker, J. Bulin, J. Hamaekers, S. Mathias, *Localized Coulomb descriptors for the Gaussian approximation potential*, 2016, [arXiv:1611.05126](https://doi.org/10.48550/arXiv.1611.05126). Others who made the Coulomb matrix local.
# - J. Behler, M. Parrinello, *Generalized neural-network representation of high-dimensional potential-energy surfaces*, Phys. Rev. Lett. 2007, 98, 146401, [doi:10.1103/PhysRevLett.98.146401](https://doi.org/10.1103/PhysRevLett.98.146401). The sum over atoms, with one network for each element.
# - J. Behler, *Atom-centered symmetry functions for constructing high-dimensional neural network potentials*, J. Chem. Phys. 2011, 134, 074106, [doi:10.1063/1.3553717](https://doi.org/10.1063/1.3553717). What a description must be, and tomorrow's answer.

# %% tags=["instructor"]
print(f"guessing the mean, test MAE in meV: {guess:.0f} ± 1")
print(f"27 coordinates, test MAE in meV: {error_test:.0f} ± 15")
for what, value in error.items():
    print(f"36 distances, {what}, test MAE in meV: {value:.0f} ± {0.5 * value:.0f}")
print(f"neighbours of H3 within 3 Å: {crowd[:, 3].min()} to {crowd[:, 3].max()} ± 0")
print(f"places of H6 that change when O2 leaves: {n_changed} ± 0")
for name, value in jump.items():
    print(f"mean jump of a random network, {name}: {value:.3f} ± 0.001")
print(f"trade of places, H6–O2 distance in Å: {r_swap:.3f} ± 0.001")
print(f"force before and after the trade: {F_before:.4f} and {F_after:.4f} ± 0.0005")
print(f"energy MAE of the trained network, meV: {errors.energy_mae:.0f} ± 8")
print(f"force MAE of the trained network, meV/Å: {errors.force_mae:.0f} ± 8")
print(f"broken laws: {', '.join(card.broken())} ± none")
print(f"argon, std of the total energy in ε: hard {gas['hard'].std():.2f}, smooth {gas['smooth'].std():.4f} ± 30 %")
for name, E in runs.items():
    print(f"ethanol, std of the total energy in meV, {name}: {E.std():.1f} ± {0.7 * E.std():.1f}")
print(f"mean jump of the trained energy where H and O part, meV: {jump_of_E:.0f} ± {0.7 * jump_of_E:.0f}")

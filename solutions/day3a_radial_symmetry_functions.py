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
# # Day 3a · Radial symmetry functions
#
# *A description that does not jump. About 80 minutes.*
#
# **How do we describe the surroundings of an atom, so that a network can turn them into an energy?** On Day 2 we made a list of the neighbours, $Z_j / r_{ij}$, sorted it and filled it up with zeros. The network behind it learned. Its scorecard had red cells.
#
# | model | description of the atom | energy function | what we know about it |
# |:--|:--|:--|:--|
# | molecular mechanics | fixed | fixed | more data do not help it (Day 1) |
# | Coulomb vector + network | fixed | learned | it jumps at the cutoff, and its forces tear (Day 2) |
# | **radial symmetry functions + network** | fixed | learned | *today: this cell* |
# | radial and angular symmetry functions + network | fixed | learned | Days 3b and 3c |
# | message passing | learned | learned | Day 4 |
#
# Today we keep the network and replace the list. The new description has the same length for every atom, and every neighbour fades out before it leaves. It is the idea of Behler and Parrinello, 2007.
#
# The index rule: **i is the atom that we describe, j is a neighbour.** $r_{ij}$ is their distance.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
from ase.build import molecule
from IPython.display import Markdown, display

import course
from course.descriptors import CoulombVector, SymmetryFunctions
from course.descriptors import symmetry_functions as library
from course.descriptors.symmetry_functions import Radial
from course.exercises import check, hint, predict, stuck
from course.models.behler_parrinello import BehlerParrinello
from course.models.message_passing import perceptron
from course.plotting import draw_features, draw_molecule
from course.radial import gaussian_basis, polynomial_cutoff
from course.widgets.gaussians import gaussians

torch.set_default_dtype(torch.float64)  # double precision, so that "equal" means 15 digits
torch.set_num_threads(1)  # our tensors are small: two threads would mostly wait for each other

# %% [markdown]
# ## What broke on Day 2
#
# A carbon with three hydrogens. An oxygen walks away from it, through a cutoff of 3 Å. Here is the carbon's Coulomb vector just before and just after:

# %%
methyl = molecule("CH3CH2OH")[[0, 6, 7, 8]]  # one C, three H
methyl.translate(-methyl.positions[0])
away = -methyl.positions[1:].sum(axis=0)
away /= np.linalg.norm(away)  # the side where no hydrogen is
numbers = torch.tensor([6, 1, 1, 1, 8])
coulomb_vector = CoulombVector(cutoff=3.0, length=6)


def with_oxygen_at(r):
    """Positions of CH3 and an oxygen that is r away from the carbon."""
    return torch.tensor(np.vstack([methyl.positions, r * away]))


for r in (3 - 1e-9, 3 + 1e-9):
    row = coulomb_vector(course.molecular_graph((numbers, with_oxygen_at(r)), 3.0))[0]
    print(f"oxygen at {r:.9f} Å:", [round(value, 2) for value in row.tolist()])

# %% [markdown]
# One entry is gone, and all behind it have moved up one place. The hydrogens have not moved at all. A network that learned what stands in the first place now finds something else there.
#
# Two demands follow.
#
# 1. **Constant length.** The same number of entries, with the same meaning, whoever is there.
# 2. **Smooth.** A neighbour fades before it leaves. Then energy and force do not jump.

# %% [markdown]
# ## Ask every neighbour the same questions
#
# A list of neighbours has as many entries as there are neighbours. Turn it around. Write down a list of *questions*, always the same, and ask every neighbour:
#
# > How close are you to 1.0 Å? How close to 1.5 Å? To 2.0 Å?
#
# The answer to a question is a number between 0 and 1, a Gaussian of the distance. Its centre is the question, $R_k$:
#
# $$ g_k(r) = e^{-\eta\,(r - R_k)^2} $$
#
# $\eta$ is the sharpness, in 1/Å². A large $\eta$ makes a narrow hill.
#
# *By hand.* The oxygen of ethanol is 1.43 Å from its carbon. Take $\eta = 4$ /Å² and three questions. Fill in the last row on paper before you run the cell. (Your calculator: $e^{-0.74} = 0.477$.)
#
# | $R_k$ | 1.0 Å | 1.5 Å | 2.0 Å |
# |:--|--:|--:|--:|
# | $r - R_k$ | 0.43 | −0.07 | −0.57 |
# | $\eta\,(r - R_k)^2$ | 0.74 | 0.02 | 1.30 |
# | $g_k$ | ? | ? | ? |

# %%
questions = torch.tensor([1.0, 1.5, 2.0])
for who, r in (("O at 1.43 Å", 1.43), ("H at 1.09 Å", 1.09), ("H at 1.10 Å", 1.10)):
    print(who, [round(value, 3) for value in torch.exp(-4 * (r - questions) ** 2).tolist()])

# %% [markdown]
# Each neighbour gives a row of three answers. **Add the rows.** The sum has three entries, with one neighbour or with twenty, and it does not ask who came first. Nothing is sorted, nothing is filled up.
#
# $$ G_k = \sum_j e^{-\eta\,(r_{ij} - R_k)^2} $$
#
# This is the formula as most slides show it. The first demand is met. And the second? A Gaussian has no corner and no step. It should be smooth.
#
# **Predict.** Eight Gaussians with centres from 0 to 4 Å, $\eta$ = 4 /Å². Neighbours beyond the cutoff of 4 Å are not asked. A neighbour walks out, through 4 Å. Which of the eight numbers jump?

# %%
prediction = predict(
    "3.2",
    ["none: Gaussians are smooth", "the ones near 4 Å, the last by 1", "all of them, by the same amount"],
    answer=None,
)

# %%
r_c = 4.0
eight = torch.linspace(0, r_c, 8)


def bare_sum(r, eta=4.0):
    """Eight Gaussians of one neighbour at r; beyond the cutoff nobody is asked."""
    r = torch.tensor([r])
    return torch.exp(-eta * (r[r < r_c][:, None] - eight) ** 2).sum(dim=0)


jump = (bare_sum(r_c - 1e-9) - bare_sum(r_c + 1e-9)).abs()
for R, size in zip(eight, jump):
    print(f"Gaussian at {R:.2f} Å jumps by {size:.2g}")
visible = [f"{R:.2f} Å by {size:.2g}" for R, size in zip(eight, jump) if size > 0.01]
prediction.compare(f"those at {' and '.join(visible)}")

# %% [markdown]
# The Gaussians are smooth. The *sum* is not: it loses a whole term when a neighbour leaves, and the Gaussian at 4 Å was at its top. The cutoff itself must become smooth.

# %% [markdown]
# ## 3.1 A weight that fades  ●○○  10 min
#
# Multiply every term by a weight that is 1 at the atom and 0 at the cutoff. Behler takes half a wave of the cosine:
#
# $$ f_c(r) = \tfrac12 \left(\cos\frac{\pi r}{r_c} + 1\right) \text{ for } r < r_c, \text{ else } 0 $$
#
# *On paper:* $f_c$ at 0, at $r_c / 2$, at $r_c$?
#
# Write `cosine_cutoff`. The distances come in a tensor of any shape; the answer has the same shape.


# %%
# exercise 3.1
def cosine_cutoff(r, cutoff):
    """f_c(r): 1 at distance 0, 0 from the cutoff on.

    r        (...)   distances, Angstrom
    cutoff   r_c, Angstrom
    returns  (...)
    """
    ### BEGIN SOLUTION
    inside = 0.5 * (torch.cos(torch.pi * r / cutoff) + 1)
    return torch.where(r < cutoff, inside, 0.0)
    ### END SOLUTION


# %%
check("3.1", cosine_cutoff)

# %% [markdown]
# Is that smooth enough? A force is a slope of the energy. So the *slope* of $f_c$ must not jump either. And its curvature?
#
# **Predict.** Value, slope and curvature of the cosine cutoff at $r_c$: which of them arrive there at zero? (Several: `answer=[1, 2]`.)

# %%
prediction = predict("3.1", ["value", "slope", "curvature"], answer=None)


# %%
def derivatives(function, r, h=1e-3):
    """Value, slope and curvature by finite differences, (3, n)."""
    left, here, right = (torch.as_tensor(function(r + step)) for step in (-h, 0, h))
    return torch.stack([here, (right - left) / (2 * h), (right - 2 * here + left) / h**2])


curves = {"cosine": lambda r: cosine_cutoff(r, r_c), "polynomial": lambda r: polynomial_cutoff(r, r_c)}
r = torch.linspace(0.01, 4.6, 460)
_, axes = plt.subplots(1, 3, figsize=(12, 2.8), layout="constrained")
for name, f in curves.items():
    for ax, line, what in zip(axes, derivatives(f, r), ("value", "slope, 1/Å", "curvature, 1/Å²")):
        ax.plot(r, line, label=name)
        ax.axvline(r_c, color="0.6", linestyle=":")
        ax.set(xlabel="r, Å", title=what)
axes[0].legend()
plt.show()

print("just inside 4 Å       value    slope  curvature")
for name, f in curves.items():
    value, slope, curvature = derivatives(f, torch.tensor([r_c - 0.0011]))[:, 0]
    print(f"{name:12}       {value:8.4f} {slope:8.4f} {curvature:8.4f}")
arrive = zip(("value", "slope", "curvature"), derivatives(curves["cosine"], torch.tensor([r_c - 0.0011]))[:, 0])
prediction.compare(", ".join(what for what, size in arrive if abs(size) < 0.01))

# %% [markdown]
# Value and slope arrive at zero: energies and forces are continuous. The curvature is cut off: at 4 Å it falls at once from $\frac12 (\pi / r_c)^2$ = 0.31 /Å² to zero. (The polynomial's is not zero yet either: this is 0.001 Å before the cutoff, and it is on its way.)
#
# A jump in the curvature of the energy does no harm to a simulation. It does in a calculation of vibrations, where the curvature is what one wants. The polynomial in the picture (Gasteiger and others, 2020) removes it. We stay with Behler's cosine, and remember that smoothness is something that one chooses: as many derivatives as one needs.

# %% [markdown]
# ## 3.2 Radial symmetry functions  ●●○  15 min
#
# Now all together. For one atom, whose neighbours are at the distances $r_{ij}$:
#
# $$ G_k = \sum_j e^{-\eta\,(r_{ij} - R_k)^2}\, f_c(r_{ij}) $$
#
# Behler calls these functions $G^2$. Together, the $K$ numbers are called the *atomic environment vector*, AEV.
#
# Here is the plain loop, one neighbour and one Gaussian after another. It is slow, and there is no doubt about what it does.


# %%
def by_loop(distances, centers, eta, cutoff):
    G = [0.0] * len(centers)
    for r in distances.tolist():
        if r < cutoff:
            f_c = 0.5 * (np.cos(np.pi * r / cutoff) + 1)
            for k, R in enumerate(centers.tolist()):
                G[k] += np.exp(-eta * (r - R) ** 2) * f_c
    return torch.tensor(G)


print([round(value, 3) for value in by_loop(torch.tensor([1.43, 1.09, 1.10]), questions, 4.0, r_c).tolist()])

# %% [markdown]
# Write it without loops. `distances[:, None]` is a column, `centers` is a row, and their difference is a table: one row a neighbour, one column a Gaussian. $f_c$ is one number a neighbour. An atom may have no neighbour at all.


# %%
# exercise 3.2
def radial_symmetry_functions(distances, centers, eta, cutoff):
    """The radial symmetry functions of one atom.

    distances  (n_neighbors,)   r_ij, Angstrom
    centers    (K,)             R_k, Angstrom
    eta        sharpness, one number, 1/Angstrom^2
    cutoff     r_c, Angstrom
    returns    (K,)             G_k
    """
    ### BEGIN SOLUTION
    hills = torch.exp(-eta * (distances[:, None] - centers) ** 2)  # (n_neighbors, 1) - (K,) -> (n_neighbors, K)
    weights = cosine_cutoff(distances, cutoff)[:, None]  # (n_neighbors, 1)
    return (hills * weights).sum(dim=0)
    ### END SOLUTION


# %%
check("3.2", radial_symmetry_functions)

# %% [markdown]
# Three rungs of the same ladder: the loop, yours, and the library's. And the jump:

# %%
some = 0.8 + 4 * torch.rand(200, generator=torch.Generator().manual_seed(0))
how = (torch.linspace(0, r_c, 16), 10.0, r_c)
yours = torch.as_tensor(radial_symmetry_functions(some, *how))
print(f"yours against the loop:    {(yours - by_loop(some, *how)).abs().max():.0e}")
print(f"yours against the library: {(yours - library.radial_symmetry_functions(some, *how)).abs().max():.0e}")


def faded_sum(r):
    return torch.as_tensor(radial_symmetry_functions(torch.tensor([r]), eight, 4.0, r_c))


faded_jump = (faded_sum(r_c - 1e-9) - faded_sum(r_c + 1e-9)).abs().max()
print(f"largest jump at 4 Å without f_c: {jump.max():.2g}, with f_c: {faded_jump:.2g}")

# %% [markdown]
# ## How many, where, how wide?
#
# This is the price of the description: somebody must choose the number of Gaussians, their centres $R_k$ and their sharpness $\eta$. What is a good choice?
#
# Below are two neighbours of an atom, the Gaussians, and the row that **your** function makes of them. Beside it, in the second colour, is the row of two neighbours that both stand half way. If the two rows look alike, no network can know which of the two environments it sees. The sentence above the picture calls rows *merged* that differ by less than 5 %.
#
# 1. Move η down, with the arrow keys. What happens to the two rows? Where does the sentence change from *told apart* to *merged*?
# 2. Move η up to 60, and then the first neighbour slowly from 1.2 to 1.6 Å. What does the sentence say on the way?
# 3. Reset. Bring the second neighbour closer to the first. How close can it come before they merge?
# 4. η = 60 again. How many Gaussians does it take until no place between 1.2 and 1.6 Å is a hole?

# %%
gaussians(radial_symmetry_functions)

# %% [markdown]
# <details><summary>Compare</summary>
#
# 1. Between η = 1.5 and 1.25. The hills are so wide that both neighbours stand on the same ones, and each step moves all bars a little.
# 2. At 1.40 and 1.45 Å: a *hole*. The hills are needles, and the neighbour stands between two of them. No bar is high there, and none moves when the neighbour does.
# 3. To about 0.3 Å. Closer together, both stand on the same side of the same hills.
# 4. Ten. Number and width belong together.
#
# </details>

# %% [markdown]
# ## 3.3 A grid with sensible overlap  ●○○  5 min
#
# A simple rule: put the centres at equal steps from 0 to the cutoff, and make the hills about as wide as the steps.
#
# $$ R_k = \frac{k\, r_c}{K - 1},\quad k = 0 \dots K - 1, \qquad \eta = \left(\frac{K}{r_c}\right)^2 $$
#
# With a single Gaussian, the centre is at 0. Write `radial_grid`. It returns two things: the centres, and one number for all hills.


# %%
# exercise 3.3
def radial_grid(cutoff, n_radial):
    """Centres from 0 to the cutoff, both included, and the sharpness that goes with them.

    cutoff    r_c, Angstrom
    n_radial  K, number of Gaussians
    returns   centers (K,), Angstrom;  eta, one number, 1/Angstrom^2
    """
    ### BEGIN SOLUTION
    return torch.linspace(0, cutoff, n_radial), (n_radial / cutoff) ** 2
    ### END SOLUTION


# %%
check("3.3", radial_grid)

# %% [markdown]
# How sensible is it? We take 16 Gaussians, and one neighbour that walks from 0.9 to 3.0 Å, where the chemistry is. Then we make the hills wider and narrower than the rule says. Two measures:
#
# - **a step of 0.05 Å:** how much does the row change, at the place where it changes least? Near zero means a hole: the atom moves, and nobody notices.
# - **different columns:** how many of the 16 columns say something that the others do not? (The singular values of the table *distances × Gaussians* that are above 0.1 % of the largest.)
#
# **Predict.** Which width makes the most different columns: the rule's, ten times wider (η / 100), or ten times narrower (100 η)?

# %%
prediction = predict("3.3", ["the rule's", "ten times wider", "ten times narrower"], answer=None)

# %%
centers, eta = radial_grid(r_c, 16)
centers = torch.as_tensor(centers)
walk = torch.arange(0.9, 3.0, 0.05)


def row(r, eta):
    return torch.as_tensor(radial_symmetry_functions(torch.tensor([float(r)]), centers, eta, r_c))


different = {}
print("   eta      smallest change in a step    different columns of 16")
for factor in (0.01, 0.1, 1, 10, 100):
    rows = torch.stack([row(r, factor * eta) for r in walk])
    step = rows.diff(dim=0).norm(dim=1).min()
    singular = torch.linalg.svdvals(rows)
    different[factor] = int((singular > 1e-3 * singular[0]).sum())
    print(f"{factor * eta:8.2f}   {step:18.1e} {different[factor]:25}")
widths = {"the rule's": 1, "ten times wider": 0.01, "ten times narrower": 100}
prediction.compare(", ".join(f"{name} {different[factor]} columns" for name, factor in widths.items()))

# %% [markdown]
# Too wide, and the 16 columns are a handful of columns, repeated. Too narrow, and there are holes where a neighbour moves and no number does. The rule lies between. It is not the only good choice. Near the end of the notebook you see what the width does to a trained network.

# %% [markdown]
# ## Who sits where?
#
# So far a neighbour is a distance. A nitrogen has two neighbours: a carbon at 1.2 Å and an oxygen at 1.5 Å. In a second molecule the two have changed places.
#
# **Predict.** Add up the rows of both neighbours, once in each molecule. How much do the two sums differ?

# %%
prediction = predict("3.4", ["not at all", "a little", "a lot: other elements, other distances"], answer=None)

# %%
centers, eta = radial_grid(r_c, 8)
centers = torch.as_tensor(centers)
first = radial_symmetry_functions(torch.tensor([1.2, 1.5]), centers, eta, r_c)  # C, O
second = radial_symmetry_functions(torch.tensor([1.5, 1.2]), centers, eta, r_c)  # C, O
difference = (torch.as_tensor(first) - torch.as_tensor(second)).abs().max()
prediction.compare("not at all" if difference == 0 else f"by {difference:.2g}")

# %% [markdown]
# One sum over all neighbours knows the distances, and not whose they are. Could we multiply each term by $Z_j$? Then an oxygen at 1.2 Å would sound like 1.33 carbons at 1.2 Å. Elements are names, not amounts.
#
# Give each element of the *neighbours* its own row of questions: how close is a **carbon** to 1.0 Å? How close is an **oxygen** to 1.0 Å? With three elements, the AEV becomes three blocks of $K$ numbers:
#
# $$ G_{i,(Z,k)} = \sum_{j:\, Z_j = Z} e^{-\eta\,(r_{ij} - R_k)^2}\, f_c(r_{ij}) \qquad\text{in column}\quad (\text{place of } Z)\cdot K + k $$

# %% [markdown]
# ## 3.4 One block an element  ●●●  20 min
#
# Write `radial_aev`: the row of every atom of a molecule. An atom is not its own neighbour. The blocks follow the order of `elements`, also where a block stays empty.
#
# Write the loop over atoms and elements first; your `radial_symmetry_functions` does the rest. When it passes, do it without loops if you like: the table of all distances, the terms of all pairs `(n_atoms, n_atoms, K)`, and a sum over the neighbours of each element.


# %%
# exercise 3.4
def radial_aev(numbers, positions, elements, centers, eta, cutoff):
    """The radial symmetry functions of every atom, one block an element.

    numbers    (n_atoms,)      atomic numbers
    positions  (n_atoms, 3)    Angstrom
    elements   list of atomic numbers, in the order of the blocks
    centers    (K,)            R_k, Angstrom
    eta        sharpness, one number, 1/Angstrom^2
    cutoff     r_c, Angstrom
    returns    (n_atoms, n_elements K)
    """
    ### BEGIN SOLUTION
    R_ij = positions[None, :, :] - positions[:, None, :]  # (n_atoms, n_atoms, 3); row i, column j
    r_ij = R_ij.norm(dim=2)
    terms = torch.exp(-eta * (r_ij[:, :, None] - centers) ** 2)  # (n_atoms, n_atoms, K)
    weights = cosine_cutoff(r_ij, cutoff) * (1 - torch.eye(len(numbers)))  # nobody is his own neighbour
    one_hot = (numbers[:, None] == torch.tensor(elements)).double()  # (n_atoms, n_elements)
    return torch.einsum("ij,ijk,jz->izk", weights, terms, one_hot).flatten(1)  # (n_atoms, n_elements K)
    ### END SOLUTION


# %%
check("3.4", radial_aev)

# %% [markdown]
# The nitrogen again, and then ethanol as your function sees it. Each row is an atom; the grey lines separate the blocks.

# %%
corner = torch.tensor([[0.0, 0, 0], [1.2, 0, 0], [0, 1.5, 0]])
C_near, O_near = (
    torch.as_tensor(radial_aev(torch.tensor(z), corner, [1, 6, 7, 8], centers, eta, r_c))[0]
    for z in ([7, 6, 8], [7, 8, 6])
)
print(f"carbon and oxygen exchanged: the rows of the nitrogen differ by {(C_near - O_near).abs().max():.2f}")

ethanol = molecule("CH3CH2OH")
numbers, positions = torch.tensor(ethanol.numbers), torch.tensor(ethanol.positions)
elements = [1, 6, 8]
G = torch.as_tensor(radial_aev(numbers, positions, elements, centers, eta, r_c))

_, (left, right) = plt.subplots(1, 2, figsize=(11, 3.4), width_ratios=(1, 2), layout="constrained")
draw_molecule(numbers, positions, ax=left)
draw_features(G, numbers, ax=right).set_title("the neighbours that are H, C and O")
right.images[0].set(cmap="Reds", clim=(0, float(G.max())))  # nothing is negative
right.set_xticks(range(0, 24, 2), [f"{R:.1f}" for R in 3 * centers[::2].tolist()])
right.set_xlabel("centre R, Å")
for edge in (7.5, 15.5):
    right.axvline(edge, color="0.5", linewidth=1.5)
plt.show()

# %% [markdown]
# H3, the hydroxyl hydrogen, is the only atom with an oxygen within 1 Å. The carbons differ by their oxygen at 1.4 Å. You can read a molecule from these rows.
#
# The library's function does the same on a graph, with a list of neighbours instead of the table of all pairs. Here is the ladder again, with the time of each rung. The loop grows with the square of the number of atoms, and so does the table; the list grows with the number of neighbours. With nine atoms, everybody is everybody's neighbour, and the table may be the fastest.


# %%
def aev_by_loop(numbers, positions, elements, centers, eta, cutoff):
    rows = []
    for i in range(len(numbers)):
        r = (positions - positions[i]).norm(dim=1)
        others = torch.arange(len(numbers)) != i
        parts = [by_loop(r[others & (numbers == element)], centers, eta, cutoff) for element in elements]
        rows.append(torch.cat(parts))
    return torch.stack(rows)


def aev_of_the_course(numbers, positions, elements, centers, eta, cutoff):
    graph = course.molecular_graph((numbers, positions), cutoff)
    return library.radial_aev(graph, elements, centers, eta, cutoff)


for name, function in (("loop", aev_by_loop), ("yours", radial_aev), ("course", aev_of_the_course)):
    function(numbers, positions, elements, centers, eta, r_c)  # the first call pays for what is made once
    start = time.perf_counter()
    for _ in range(20):
        result = torch.as_tensor(function(numbers, positions, elements, centers, eta, r_c))
    milliseconds = 1000 * (time.perf_counter() - start) / 20
    print(f"{name:7} differs from yours by {(result - G).abs().max():.0e}; {milliseconds:6.2f} ms for ethanol")

# %% [markdown]
# ## A network on top
#
# A Behler–Parrinello network takes the row of each atom and gives an energy: one small network for each element, and the sum of all atoms is the energy of the molecule. You build it yourself in 3c. Today we take it from the course, because we want to know what the *description* is worth.
#
# The description has no weights. It is computed once, with its slopes, before the training begins; from then on a step is cheap. That is the one virtue of an inflexible description.
#
# The same network, the same 1,200 frames of ethanol, the same training. Only the description differs: yesterday's Coulomb vector, and your grid of 16 Gaussians an element. Both see 4 Å.

# %%
data = course.load("ethanol")
train, validation, test = (data.split(name) for name in ("train", "validation", "test"))


def radial_functions(n_radial, cutoff, sharper=1.0):
    """The library's radial functions on your grid."""
    centers, eta = radial_grid(cutoff, n_radial)
    centers = tuple(torch.as_tensor(centers).tolist())
    return SymmetryFunctions(data.elements, Radial(centers, (sharper * float(eta),) * n_radial, cutoff))


def trained(descriptor, frames, epochs):
    """A network of two hidden layers for each element, trained on energies and forces."""
    torch.manual_seed(0)
    model = BehlerParrinello(descriptor, data.elements, hidden=(64, 64)).standardize(frames)
    potential = course.Potential.for_data(model.float(), frames)  # single precision is enough for a network
    course.fit(potential, frames, validation[:100], epochs=epochs, batch_size=10, progress=False)
    return potential


radial = radial_functions(16, 4.0)
frame = data.to_ase(0)
x = radial(course.molecular_graph(frame, 4.0))
same = torch.as_tensor(
    radial_aev(torch.tensor(frame.numbers), torch.tensor(frame.positions), data.elements, *radial_grid(4.0, 16), 4.0)
)
print(f"{x.shape[1]} numbers an atom; the library's differ from yours by {(x - same).abs().max():.0e}")

# %% [markdown]
# **Predict.** Without any geometry, the composition model has a force error of about 800 meV/Å (its forces are zero). What does the network on radial functions reach on test frames?

# %%
prediction = predict("3.4", answer=None, unit="meV/Å")

# %%
potentials = {"Coulomb": trained(CoulombVector(4.0, 12), train, epochs=20)}  # about a quarter of a minute each

# %%
potentials["radial"] = trained(radial, train, epochs=20)
errors = {name: course.evaluate(potential, test) for name, potential in potentials.items()}
for name, error in errors.items():
    print(f"{name:8} {error}")
prediction.compare(errors["radial"].force_mae, unit="meV/Å")

# %% [markdown]
# Now the scorecard, for both.

# %%
card = course.scorecard(**potentials)
card

# %%
composition = course.evaluate(course.Potential(course.Composition.fit(train)), test)
laws = {name: ", ".join(card.broken(name)) or "none" for name in potentials}
display(
    Markdown(
        "| model | energy MAE, meV | force MAE, meV/Å | laws broken |\n|:--|--:|--:|:--|\n"
        f"| composition | {composition.energy_mae:.0f} | {composition.force_mae:.0f} | |\n"
        f"| Coulomb vector + network | {errors['Coulomb'].energy_mae:.0f} | {errors['Coulomb'].force_mae:.0f} "
        f"| {laws['Coulomb']} |\n"
        f"| **radial symmetry functions + network** | {errors['radial'].energy_mae:.0f} "
        f"| {errors['radial'].force_mae:.0f} | {laws['radial']} |"
    )
)

# %% [markdown]
# That is today's row. The cells that are red for the Coulomb vector are green:
#
# - *smooth at the cutoff*, because every neighbour fades;
# - *smooth inside*, because nothing is sorted;
# - *no NaN*, because nothing is divided by a distance: two atoms in one place give a number, if not a sensible one.
#
# The error is smaller too, with the same network and the same training.
#
# ### What a bad grid costs
#
# Back to the width. Three trainings on 300 frames: the rule, ten times wider, ten times narrower.
#
# **Predict.** Which of the two mistakes is worse?

# %%
prediction = predict("3.3", ["ten times wider", "ten times narrower", "no difference"], answer=None)

# %%
widths = {"ten times wider": 0.01, "the rule": 1.0, "ten times narrower": 100.0}
by_width = {
    name: course.evaluate(trained(radial_functions(16, 4.0, sharper), train[:300], epochs=20), test).force_mae
    for name, sharper in widths.items()
}
for name, force_mae in by_width.items():
    print(f"{name:19} force MAE {force_mae:4.0f} meV/Å")
worse = max(by_width, key=by_width.get)
prediction.compare(f"{worse}: {by_width[worse]:.0f} meV/Å, and the rule {by_width['the rule']:.0f}")

# %% [markdown]
# Needles are the worst. Most of the time an atom stands in a hole, and then, for a moment, on a needle: the slope is enormous there and zero elsewhere. A network cannot learn a force from that. Hills that are too wide blur the picture, and the network still sees something.

# %% [markdown]
# ## What it still cannot see
#
# Water. One hydrogen stays, the other one turns around the oxygen, from 104 degrees to 180. Both O–H distances stay 0.96 Å.
#
# **Predict.** What does the row of the oxygen do?

# %%
prediction = predict("3.4", ["it changes all the way", "it changes a little, near 180 degrees", "nothing"], answer=None)

# %%
water = torch.tensor([8, 1, 1])
centers, eta = radial_grid(r_c, 16)
rows = []
for degrees in range(104, 181):
    angle = np.radians(degrees)
    place = 0.96 * torch.tensor([[0, 0, 0], [1, 0, 0], [np.cos(angle), np.sin(angle), 0]])
    rows.append(torch.as_tensor(radial_aev(water, place, [1, 8], centers, eta, r_c)))
rows = torch.stack(rows)  # (77, 3, 32)
change = (rows - rows[0]).abs().amax(dim=(0, 2))
print(f"largest change of the row of O: {change[0]:.0e}, of the rows of the two H: {change[1]:.2f}, {change[2]:.2f}")
prediction.compare("nothing" if change[0] < 1e-12 else f"it changes by {change[0]:.2g}")

# %% [markdown]
# The angle of water is the angle at its oxygen, and the oxygen does not know it. The hydrogens notice something, because they see each other. With a shorter cutoff they would not. Day 3b starts here.

# %% [markdown]
# ## Bug hunt (optional)  ●●●
#
# This model was written from memory. It runs, it trains, and its energies look right. One law in the scorecard is broken. Which one, and which line does it?


# %%
def fade(r, cutoff=5.2):
    """Behler's cutoff function."""
    return 0.5 * (torch.cos(torch.pi * r / cutoff) + 1) * (r < cutoff)


class RadialNetwork(torch.nn.Module):
    """Radial functions, one network for each element. There is one bug."""

    def __init__(self, elements, n_radial, cutoff):
        super().__init__()
        self.elements, self.cutoff, self.T = elements, cutoff, 1
        self.centers = torch.linspace(0, cutoff, n_radial)
        self.eta = (n_radial / cutoff) ** 2
        self.networks = torch.nn.ModuleList(perceptron(len(elements) * n_radial, 32, 1) for _ in elements)

    def forward(self, graph):
        r_ij = graph.distances
        terms = gaussian_basis(r_ij, self.centers, self.eta) * fade(r_ij)[:, None]
        one_hot = (graph.numbers[:, None] == torch.tensor(self.elements)).to(terms)
        tied = (one_hot[graph.senders][:, :, None] * terms[:, None, :]).flatten(1)  # who, and where
        x = torch.zeros(graph.n_atoms, tied.shape[1]).to(terms).index_add(0, graph.receivers, tied)
        E_i = torch.stack([network(x)[:, 0] for network in self.networks], dim=1)  # by every network
        return (E_i * one_hot).sum(dim=1)  # that of the own element counts


torch.manual_seed(0)
course.scorecard(RadialNetwork([1, 6, 8], n_radial=16, cutoff=4.0))

# %% [markdown]
# <details><summary>The answer</summary>
#
# *Smooth at the cutoff.* There are two cutoffs in this program. Neighbours are listed up to `cutoff=4.0`, but `fade(r_ij)` is called without a cutoff and takes its default, 5.2 Å. A neighbour that leaves at 4.0 Å still has 13 % of its weight, and takes it along at once.
# `fade(r_ij, self.cutoff)` cures it. Better: a function without a default, so that nobody can forget it. A test error hardly notices: it compares frames one by one, and no frame shows an atom on both sides of the line. A simulation crosses that line all the time.
#
# </details>

# %% [markdown]
# ## What broke?
#
# Nothing jumps any more. But the description is a list of distances, seen through hills. It does not know any angle, and it was chosen by hand before the first energy was seen.
#
# **In five lines**
#
# - A **symmetry function** asks every neighbour the same question and adds up the answers: constant length, no order.
# - The **cutoff function** $f_c$ makes a neighbour fade. Value and slope vanish at $r_c$, so energy and force are continuous; the curvature is not.
# - **Centres and sharpness** belong together: too wide, and columns repeat each other; too narrow, and there are holes.
# - **One block for each element of the neighbours**, because one sum cannot know who sits where.
# - The **AEV** is fixed: it is computed once, and no training can improve it. It is blind to angles.
#
# **Further reading**
#
# - J. Behler, M. Parrinello, *Generalized neural-network representation of high-dimensional potential-energy surfaces*, Phys. Rev. Lett. 2007, 98, 146401, [doi:10.1103/PhysRevLett.98.146401](https://doi.org/10.1103/PhysRevLett.98.146401).
# - J. Behler, *Atom-centered symmetry functions for constructing high-dimensional neural network potentials*, J. Chem. Phys. 2011, 134, 074106, [doi:10.1063/1.3553717](https://doi.org/10.1063/1.3553717). Its $f_c$ and $G^2$ are your 3.1 and 3.2.
# - J. Smith, O. Isayev, A. Roitberg, *ANI-1*, Chem. Sci. 2017, 8, 3192, [doi:10.1039/C6SC05720A](https://doi.org/10.1039/C6SC05720A). Shifted Gaussians and one block an element, as here: `SymmetryFunctions.ani1x()`.
# - M. Gastegger and others, *wACSF: weighted atom-centered symmetry functions*, J. Chem. Phys. 2018, 148, 241709, [doi:10.1063/1.5019667](https://doi.org/10.1063/1.5019667). What one may do when there are too many elements for blocks.
# - J. Gasteiger, J. Groß, S. Günnemann, *Directional message passing for molecular graphs*, ICLR 2020, [arXiv:2003.03123](https://arxiv.org/abs/2003.03123). The polynomial cutoff.

# %% tags=["instructor"]
print(f"jump of the Gaussian at 4 Å without f_c: {jump.max():.2f}, exactly")
print(f"jump of the one before it: {jump[-2]:.2f} ± 0.01")
print(f"largest jump with f_c: {faded_jump:.0e}, below 1e-15")
print(f"curvature of the cosine just inside 4 Å: {np.pi**2 / 2 / r_c**2:.3f} ± 0.001 per Å²")
print(f"C and O exchanged, with blocks: {(C_near - O_near).abs().max():.2f} ± 0.01")
print(f"ethanol, Coulomb vector, forces: {errors['Coulomb'].force_mae:.0f} ± 10 meV/Å")
print(f"ethanol, radial functions, forces: {errors['radial'].force_mae:.0f} ± 6 meV/Å")
print(f"ethanol, radial functions, energies: {errors['radial'].energy_mae:.0f} ± 4 meV")
for name, force_mae in by_width.items():
    print(f"300 frames, {name}, forces: {force_mae:.0f} ± {0.15 * force_mae:.0f} meV/Å")
print(f"largest change of the row of O in turning water: {change[0]:.0e}, below 1e-14")
print(f"largest change of the rows of H: {change[1]:.2f} ± 0.02")

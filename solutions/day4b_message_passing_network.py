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
# # Day 4b · A message-passing network
#
# *Messages that learn, trained on quantum chemistry. About 100 minutes.*
#
# In 4a you built the machine: initialise, message, accumulate, update, repeat. Nothing in it could learn. The messages were products of fixed numbers, and nobody had asked the data what is worth saying.
#
# Today the three functions become small networks:
#
# $$ f_m: \mathbb R^{2 n_f + n_e} \to \mathbb R^{n_m}, \qquad f_U: \mathbb R^{n_m + n_f} \to \mathbb R^{n_f}, \qquad f_R: \mathbb R^{n_f} \to \mathbb R^1 $$
#
# You write them, wrap them into a potential, train it on density-functional energies and forces of ethanol, and then try to break it.

# %%
import copy
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from ase import Atoms
from IPython.display import Markdown, display
from torch import nn

import course
from course.exercises import check, hint, predict, stuck
from course.models.message_passing import MESSAGES, accumulate, initial_features
from course.plotting import draw_rounds, plot_history, plot_learning_curves, plot_parity
from course.radial import cosine_cutoff, gaussian_basis, radial_grid
from course.scorecard import reach
from course.widgets import TrainingMonitor, explore, ripple, show_molecule

torch.set_num_threads(1)  # our tensors are small: two threads would mostly wait for each other

# %% [markdown]
# ## The data, and what a good error is
#
# One molecule, ethanol, shaken at 500 K: nine atoms, a new geometry every 50 fs. A cheap method (GFN2-xTB) moved it, a better one (PBE/def2-SVP) labelled it with energy and forces. That is the level of the *rMD17* benchmark. The frames are our own, but your errors can stand beside published ones.
#
# Frames of one trajectory resemble each other. So the data are split by trajectory: nobody is tested on a geometry that was trained on 50 fs earlier.

# %%
ethanol = course.load("ethanol")
train, validation, test = (ethanol.split(name) for name in ("train", "validation", "test"))
print(ethanol)

baseline = course.Composition.fit(train)
guess = sum(baseline.energies[z] for z in train[0].numbers)
print(f"composition model: energy MAE {1000 * np.abs(test.energies - guess).mean():.0f} meV, whatever the geometry")
print(f"no force at all:   force MAE  {1000 * np.abs(test.forces).mean():.0f} meV/Å")

# %% [markdown]
# Forty frames of one trajectory, two picoseconds. Turn the molecule with the mouse, and move the slider. The arrows are the density-functional forces. They pull a stretched bond together and push a squeezed one apart.

# %%
show_molecule(train[:40], forces=train[:40].forces)

# %% [markdown]
# The two errors above are what any model must beat. *Chemical accuracy*, 1 kcal/mol, is 43 meV. The best published models, with 1,000 training frames of rMD17 ethanol, reach 0.4 meV and 2.1 meV/Å
# ([MACE](https://arxiv.org/abs/2206.07697), table 1); ANI, symmetry functions and a network, 2.5 meV and 13.4 meV/Å. They trained for hours. We have one minute.

# %% [markdown]
# ## 4.7 A message with weights  ●●○  10 min
#
# In 4a the concatenation failed: summed, it forgets who sat where. The outer product did not, because it *multiplies* who and where before the sum. But it is long, and it says the same whatever the data are.
#
# So we keep the product and let a network choose its factors:
#
# $$ \vec m_{ji} = \mathrm{NN}\big([\,\vec x_j,\ \vec x_i\,]\big) \odot W\, \vec e_{ij} $$
#
# NN is a small network: linear, SiLU, linear; its width is yours. It says who speaks to whom. The matrix $W$ (`nn.Linear`) says at which distance each of the $n_m$ channels is open. $\odot$ multiplies them channel by channel.
#
# Everything must be smooth, because forces are slopes. ReLU has a kink at zero; SiLU, $x / (1 + e^{-x})$, has none. Leave $f_c$ out: the model multiplies it in later, once, for all messages.
#
# Write `MessageFunction`. If you have a better idea for $f_m$, write that: any smooth function of all three, $\vec x_j$, $\vec x_i$ and $\vec e_{ij}$, is right that ties *who* to *where* before the sum.


# %%
# exercise 4.7
class MessageFunction(nn.Module):
    """f_m: a network that turns sender, receiver and edge into a message.

    n_f, n_e, n_m   numbers of node features, of edge features, and length of a message
    """

    def __init__(self, n_f, n_e, n_m):
        super().__init__()
        ### BEGIN SOLUTION
        self.who = nn.Sequential(nn.Linear(2 * n_f, n_m), nn.SiLU(), nn.Linear(n_m, n_m))
        self.where = nn.Linear(n_e, n_m)
        ### END SOLUTION

    def forward(self, x_j, x_i, e_ij):
        """x_j, x_i (n_edges, n_f), e_ij (n_edges, n_e) -> m_ji (n_edges, n_m)"""
        ### BEGIN SOLUTION
        return self.who(torch.cat([x_j, x_i], dim=1)) * self.where(e_ij)
        ### END SOLUTION


# %%
check("4.7", MessageFunction)

# %% [markdown]
# ## 4.8 Listening  ●○○  5 min
#
# The atom has its bundle. What does it do with it? It should keep what it knew, and add what it learned:
#
# $$ \vec x_i \leftarrow \vec x_i + \mathrm{NN}\big([\,\vec M_i,\ \vec x_i\,]\big) $$
#
# Without the $\vec x_i +$ in front, every round would have to copy the old features through a network, and gradients would have to find their way back through all of them.


# %%
# exercise 4.8
class UpdateFunction(nn.Module):
    """f_U: what an atom makes of its bundle of messages."""

    def __init__(self, n_f, n_m):
        super().__init__()
        ### BEGIN SOLUTION
        self.network = nn.Sequential(nn.Linear(n_m + n_f, n_f), nn.SiLU(), nn.Linear(n_f, n_f))
        ### END SOLUTION

    def forward(self, M_i, x_i):
        """M_i (n_atoms, n_m), x_i (n_atoms, n_f) -> the new x_i (n_atoms, n_f)"""
        ### BEGIN SOLUTION
        return x_i + self.network(torch.cat([M_i, x_i], dim=1))
        ### END SOLUTION


# %%
check("4.8", UpdateFunction)

# %% [markdown]
# ## 4.9 Speaking up: the readout  ●○○  5 min
#
# After the last round each atom turns its features into one number, its share of the energy:
#
# $$ E_i = f_R(\vec x_i), \qquad E = \sum_i E_i $$
#
# The readout looks at one atom at a time. Rows must not mix: two molecules in one batch would hear each other.


# %%
# exercise 4.9
class Readout(nn.Module):
    """f_R: features of an atom -> its energy."""

    def __init__(self, n_f):
        super().__init__()
        ### BEGIN SOLUTION
        self.network = nn.Sequential(nn.Linear(n_f, n_f), nn.SiLU(), nn.Linear(n_f, 1))
        ### END SOLUTION

    def forward(self, x_i):
        """x_i (n_atoms, n_f) -> (n_atoms, 1)"""
        ### BEGIN SOLUTION
        return self.network(x_i)
        ### END SOLUTION


# %%
check("4.9", Readout)

# %% [markdown]
# Your three functions, with random weights, on one frame of the data. One function serves all rounds here. There is a readout now, so there is an energy, and with it there are forces: go to the last step, tick *forces*, and drag an atom.
#
# The numbers mean nothing yet. But they answer, and they do not jump.

# %%
torch.manual_seed(0)
explore(
    ethanol.to_ase(0),
    message=MessageFunction(n_f=8, n_e=16, n_m=8),
    update=UpdateFunction(n_f=8, n_m=8),
    readout=Readout(n_f=8),
    n_f=8,
    n_e=16,
    T=2,
    cutoff=3.0,
    selected=1,
)

# %% [markdown]
# ## 4.10 The whole network  ●●●  15 min
#
# Put the pieces together. The recipe of 4a, with the one factor that it added last:
#
# $$ \begin{aligned}
# \vec x_i^{\,0} &= \text{one-hot element and buffer} \\
# \vec m_{ji}^{\,t} &= f_m(\vec x_j^{\,t-1}, \vec x_i^{\,t-1}, \vec e_{ij})\; f_c(r_{ij}) \\
# \vec M_i^{\,t} &= \textstyle\sum_j \vec m_{ji}^{\,t} \\
# \vec x_i^{\,t} &= f_U(\vec M_i^{\,t}, \vec x_i^{\,t-1}) \qquad t = 1 \dots T \\
# E_i &= f_R(\vec x_i^{\,T})
# \end{aligned} $$
#
# Let every round have its own $f_m$ and $f_U$ (`nn.ModuleList`). What is worth saying in round 1 is not what is worth saying in round 3.
#
# The library gives you what you wrote in 4a: `initial_features(numbers, elements, n_f, dtype)`, `gaussian_basis(distances, centers, eta)`, `cosine_cutoff(distances, cutoff)`, `accumulate(messages, receivers, n_atoms)`.
# The graph has `numbers`, `senders`, `receivers`, `distances` and `n_atoms`. The edge features are bare Gaussians now. Let `dtype` be that of the distances, so that the model works in single and in double precision.


# %%
# exercise 4.10
class MPNN(nn.Module):
    """A message-passing neural network: graph -> atomic energies (n_atoms,).

    elements   list of the atomic numbers that may occur
    n_f, n_e, n_m   numbers of node features, of edge features, and length of a message
    T          number of rounds
    cutoff     r_c, Angstrom
    """

    def __init__(self, elements, n_f, n_e, n_m, T, cutoff):
        super().__init__()
        self.elements, self.n_f, self.T, self.cutoff = list(elements), n_f, T, cutoff
        self.centers, self.eta = radial_grid(cutoff, n_e)
        ### BEGIN SOLUTION
        self.messages = nn.ModuleList(MessageFunction(n_f, n_e, n_m) for _ in range(T))
        self.updates = nn.ModuleList(UpdateFunction(n_f, n_m) for _ in range(T))
        self.readout = Readout(n_f)
        ### END SOLUTION

    def forward(self, graph):
        ### BEGIN SOLUTION
        r_ij = graph.distances
        e_ij = gaussian_basis(r_ij, self.centers, self.eta)  # (n_edges, n_e)
        f_c = cosine_cutoff(r_ij, self.cutoff)[:, None]  # (n_edges, 1)
        x_i = initial_features(graph.numbers, self.elements, self.n_f, r_ij.dtype)  # (n_atoms, n_f)
        for f_m, f_U in zip(self.messages, self.updates):
            m_ji = f_m(x_i[graph.senders], x_i[graph.receivers], e_ij) * f_c  # (n_edges, n_m)
            M_i = accumulate(m_ji, graph.receivers, graph.n_atoms)  # (n_atoms, n_m)
            x_i = f_U(M_i, x_i)  # (n_atoms, n_f)
        return self.readout(x_i)[:, 0]  # (n_atoms, 1) -> (n_atoms,)
        ### END SOLUTION


# %%
check("4.10", MPNN)

# %% [markdown]
# Your network gives atomic energies. `course.Potential` does the rest, in one place for every model of the course: it adds the composition baseline, sums the atoms of a molecule, and takes the forces as $\vec F_i = -\partial E / \partial \vec R_i$ by automatic differentiation.
#
# Nothing has been trained yet. Which laws of physics does the network keep already?

# %%
prediction = predict(
    "4.10",
    ["none: it has to learn them", "the symmetries, but not the forces", "all of them, with random weights"],
    answer=None,
)

# %%
torch.manual_seed(0)
model = MPNN(train.elements, n_f=64, n_e=20, n_m=64, T=3, cutoff=5.0)
potential = course.Potential.for_data(model, train)
card = course.scorecard(untrained=potential)
display(card)
prediction.compare("all of them, with random weights" if not card.broken() else f"all but {card.broken()}")

# %% [markdown]
# The laws are kept by construction. Distances know nothing of rotation, the sum knows nothing of order, and $f_c$ fades what leaves. Training cannot break them, and does not have to spend data on them.

# %% [markdown]
# ## 4.11 A batch is one large graph  ●●○  10 min
#
# Training takes several molecules at a time. They have different numbers of edges; stacking them into rectangular arrays would need padding, and padding needs care.
#
# Graphs have an easier way: put them side by side and call it one graph. Nobody adds an edge between them, so nobody hears the others. One thing must be remembered: which molecule an atom belongs to.
#
# *On paper:* a molecule of 3 atoms, then one of 2 atoms with the edges `0 → 1` and `1 → 0`. What are these two edges called in the large graph?
#
# <details><summary>Compare</summary>
#
# `3 → 4` and `4 → 3`: three atoms stand before them.
#
# </details>


# %%
# exercise 4.11
def batch(graphs):
    """Several graphs as one.

    graphs    list of course.Graph
    returns   course.Graph(numbers, positions, senders, receivers, molecule_index, n_molecules)
              with molecule_index (n_atoms,): 0 for the atoms of the first molecule, 1 for the second ...
    """
    ### BEGIN SOLUTION
    numbers, positions, senders, receivers, molecule_index = [], [], [], [], []
    n_atoms = 0
    for k, graph in enumerate(graphs):
        numbers.append(graph.numbers)
        positions.append(graph.positions)
        senders.append(graph.senders + n_atoms)  # edges point to atoms, and the atoms have moved down
        receivers.append(graph.receivers + n_atoms)
        molecule_index.append(torch.full((graph.n_atoms,), k))
        n_atoms += graph.n_atoms
    return course.Graph(
        torch.cat(numbers),
        torch.cat(positions),
        torch.cat(senders),
        torch.cat(receivers),
        torch.cat(molecule_index),
        n_molecules=len(graphs),
    )
    ### END SOLUTION


# %%
check("4.11", batch)

# %%
graphs = [potential.graph(ethanol.to_ase(k)) for k in range(10)]
together = potential(batch(graphs)).energy
alone = torch.cat([potential(graph).energy for graph in graphs])
print(f"ten molecules at once or one by one: energies differ by {(together - alone).abs().max():.0e} eV")

# %% [markdown]
# ## 4.12 One step of learning  ●●○  15 min
#
# Step 6: the loss, and new weights. Energies give one number a molecule. Forces give $3N$, here 27, and they come from the same quantum chemistry calculation. Use both:
#
# $$ L = \Big\langle \Big( \frac{E - E^\mathrm{ref}}{N} \Big)^2 \Big\rangle_\text{molecules} + \; w\, \Big\langle (F - F^\mathrm{ref})^2 \Big\rangle_\text{components} $$
#
# The energy is divided by the number of atoms $N$ of its molecule, so that a large molecule does not outweigh a small one.
#
# The force is itself a derivative. To learn from it, we differentiate a derivative, and `potential.train()` tells the potential to keep what is needed for that.
#
# Write `train_step`: predict, compare, differentiate, step. A sample has `sample.graph`, `sample.energy` (n_molecules,) and `sample.forces` (n_atoms, 3).


# %%
# exercise 4.12
def train_step(potential, optimizer, sample, force_weight):
    """One step of gradient descent on energies and forces.

    potential     prediction = potential(graph) has .energy (n_molecules,), eV, and .forces (n_atoms, 3), eV/Angstrom
    optimizer     a torch optimiser of the potential's weights
    sample        .graph, .energy and .forces of a batch
    force_weight  w, Angstrom^2
    returns       the loss before the step, a float
    """
    ### BEGIN SOLUTION
    potential.train()
    prediction = potential(sample.graph)
    n_atoms = torch.bincount(sample.graph.molecule_index)
    energy_loss = torch.mean(((prediction.energy - sample.energy) / n_atoms) ** 2)
    force_loss = torch.mean((prediction.forces - sample.forces) ** 2)
    loss = energy_loss + force_weight * force_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()
    ### END SOLUTION


# %%
check("4.12", train_step)

# %% [markdown]
# Your step, a hundred times, on batches of ten:

# %%
members = course.training.samples(train[:100], potential.cutoff)
optimizer = torch.optim.AdamW(potential.parameters(), lr=5e-3)
losses = []
for _ in range(10):
    for _, sample in course.training.batches(members, 10, torch.randperm(100).tolist()):
        losses.append(train_step(potential, optimizer, sample, force_weight=0.1))

_, ax = plt.subplots(figsize=(6, 2.8))
ax.semilogy(losses)
ax.set(xlabel="step", ylabel="loss", title=f"from {losses[0]:.2g} to {np.mean(losses[-10:]):.2g}")
plt.show()

# %% [markdown]
# ## One minute of training
#
# `course.fit` repeats that step, with what a real training needs around it: a learning rate that rises at first and then falls, gradients of bounded length, a running average of the weights, and a look at the validation frames after every epoch. Read `fit` in `course/training/loop.py`. The monitor shows how it goes.
#
# Twelve times through the 1,200 frames are 2,880 steps: just under a minute of one core.
#
# **Predict.** Without geometry the force error was about 800 meV/Å. What will these 12 epochs give, on test frames?

# %%
prediction = predict("4.12", answer=None, unit="meV/Å")

# %%
torch.manual_seed(0)
potential = course.Potential.for_data(MPNN(train.elements, n_f=64, n_e=20, n_m=64, T=3, cutoff=5.0), train)
history = course.fit(potential, train, validation[:100], epochs=12, on_epoch=TrainingMonitor(), progress=False)

errors = course.evaluate(potential, test)
print(f"{len(history.epochs)} epochs; test frames: {errors}")
print(f"force error / ANI's: {errors.force_mae / 13.4:.1f}, / MACE's: {errors.force_mae / 2.1:.0f}")
prediction.compare(errors.force_mae, unit="meV/Å")

# %%
plot_parity(potential, test)
plt.show()

# %% [markdown]
# These are the test frames, which the training has never seen. Points on the diagonal are right answers. Put your force error beside the literature's at the top. A minute on a laptop is not the state of the art, but it is chemistry: the error is a few per cent of the forces.

# %% [markdown]
# ## Ten minutes
#
# More time helps. This potential was trained for ten minutes on one core; its weights came with the course. Set `RETRAIN = True` to repeat it.

# %%
RETRAIN = False
trained = Path(course.__file__).parent / "trained"

if RETRAIN:
    torch.manual_seed(0)
    best = course.Potential.for_data(course.MPNN(train.elements, n_f=64, n_e=20, n_m=64, T=3, cutoff=5.0), train)
    best_history = course.fit(best, train, validation[:100], epochs=None, max_seconds=600)
else:
    best = course.Potential.load(trained / "ethanol_mpnn.npz")
    best_history = course.History.load(trained / "ethanol_mpnn.json")

for name in ("test", "test_300K", "test_1000K"):
    print(f"{name:10} {course.evaluate(best, ethanol.split(name))}")
plot_history(best_history)
plt.show()

# %% [markdown]
# That is the neighbourhood of the published numbers, and the network is the one that you wrote. (Our frames are not those of rMD17, so this is no race.)
#
# The potential was trained at 500 K. At 300 K it meets geometries that it knows, only calmer ones. At 1000 K bonds stretch further than it has ever seen, and the error grows. It does not announce this. Day 6 comes back to it.
#
# What does the trained network say from atom to atom? Above: the fifteen loudest messages of each round, in the colour of the speaker. Below: what the atoms know afterwards, one row an atom.

# %%
first = best.graph(ethanol.to_ase(0))
draw_rounds(first, best.model(first.to(dtype=torch.float32), trace=True), loudest=15)
plt.show()

# %% [markdown]
# All six hydrogens start with the same row. After three rounds the methyl hydrogens H6, H7, H8 still resemble each other, and the hydroxyl hydrogen H3 does not resemble them. Nobody told the network what a methyl group is.

# %% [markdown]
# Now touch it. This is the trained network, with all its weights:
#
# 1. Step to the readout, and tick *forces*. Next to each atom stands what the network adds to the energy of its element.
# 2. Drag a hydrogen a little out along its bond. The energy rises, and its force points back.
# 3. Choose the oxygen and go to round 1. Who speaks loudest? Go to round 3. Is it still the same atom?
# 4. Lower the cutoff. Which edges can the energy do without?

# %%
explore(ethanol.to_ase(0), best, selected=2)

# %% [markdown]
# ## How far does an atom hear?
#
# News travels one edge a round, so $E_i$ depends on atoms up to $T$ edges away. And the force? It is $-\partial E / \partial \vec R_i$, and $E$ contains the energies of *all* atoms.
#
# **Predict.** With $T = 2$, how many edges away can an atom be, and still act on the force on atom $i$?

# %%
prediction = predict("4.10", ["1 edge", "2 edges", "3 edges", "4 edges"], answer=None)


# %%
def random_network(T):
    """An untrained network with T rounds."""
    torch.manual_seed(T)
    return course.Potential(course.MPNN([1, 6, 8], n_f=16, n_e=8, n_m=16, T=T, cutoff=3.0)).double()


networks = {"T = 1, random": random_network(1), "T = 2, random": random_network(2)}
networks["T = 3, trained"] = copy.deepcopy(best).double()
reaches = {}  # name -> how many edges far E_i and F_i hear
_, axes = plt.subplots(1, 2, figsize=(10, 3.4), sharey=True)
for (name, network), marker in zip(networks.items(), "os^"):
    influence = reach(network, np.random.default_rng(0), n_atoms=8)  # of the atoms of a chain on its first atom
    hops = [int(np.flatnonzero(row)[-1]) for row in influence]
    reaches[name] = hops
    print(f"{name}: edges to the farthest atom that acts on E_i {hops[0]}, on F_i {hops[1]}")
    for ax, row in zip(axes, influence):
        ax.semilogy(np.where(row > 0, row / row[0], np.nan), marker=marker, fillstyle="none", label=name)
for ax, title in zip(
    axes, (r"on the energy, $|\partial E_i / \partial R_j|$", r"on the force, $|\partial F_i / \partial R_j|$")
):
    ax.set(xlabel="edges between i and j", title=title, xticks=range(8))
axes[0].set(ylabel="influence, relative to its own")
axes[0].legend()
plt.show()
prediction.compare(f"{reaches['T = 2, random'][1]} edges")

# %% [markdown]
# The force reaches twice as far as the energy: i acts on the energy of an atom $T$ edges away, and that atom listens to others $T$ edges further.
#
# But look at the scale. In the trained network, from the third edge on, each further edge takes about nine tenths of the influence on the force, and the last ones more. **Reach is not influence.**
#
# The same on a molecule: octanol, stretched out. (The network has only seen ethanol. Its energies may be wrong here; how far it hears is the same.) Click any atom. Every other one is coloured by what it means to it. Then go down to one round: empty atoms have no influence at all.


# %%
def stretched_alcohol(n_carbon):
    """CnH(2n+1)OH as a flat zigzag; distances in Angstrom."""
    chain = np.array([[1.28 * k, 0.42 * (-1) ** k, 0.0] for k in range(n_carbon + 1)])  # carbons, and the oxygen
    sides = [point + np.array([0, 0.63 * np.sign(point[1]), z]) for point in chain[:-1] for z in (-0.89, 0.89)]
    ends = [chain[0] - [0.9, 0.6, 0], chain[-1] + [0.8, -0.53 * np.sign(chain[-1][1]), 0]]
    return Atoms("C" * n_carbon + "O" + "H" * (2 * n_carbon + 2), [*chain, *sides, *ends])


ripple(stretched_alcohol(8), best, atom=8, kind="force")

# %% [markdown]
# The oxygen is touched. Its own hydrogen weighs most. At the last hydrogens, three edges away, about a thousandth of that is left.

# %% [markdown]
# ## Which message is best?
#
# "Almost anything" can be a message. Here are five, each with $T = 2$ rounds:
#
# | name | $\vec m_{ji}$ |
# |:--|:--|
# | concatenation | $[\vec x_j, \vec x_i, \vec e_{ij}]$, nothing to learn |
# | outer product | $\vec x_j \otimes \vec e_{ij}$, nothing to learn |
# | matrix multiplication | $A(\vec e_{ij})\, \vec x_j$, a network makes the matrix |
# | neural network | $\mathrm{NN}([\vec x_j, \vec x_i, \vec e_{ij}])$ |
# | continuous filter | $\mathrm{NN}([\vec x_j, \vec x_i]) \odot W \vec e_{ij}$, yours of 4.7 |
#
# They got the same frames and the same 2,000 steps, two trainings each. That takes a quarter of an hour, so the results are shipped.
#
# **Predict.** Which message learns most from 1,000 frames?

# %%
prediction = predict("4.7", sorted(MESSAGES), answer=None)

# %%
if RETRAIN:
    curves = {
        message: course.training.learning_curve(
            lambda frames, message=message: course.MPNN(frames.elements, n_f=32, n_m=32, T=2, message=message),
            ethanol,
            sizes=[50, 200, 1000],
            seeds=[0, 1],
        )
        for message in MESSAGES
    }
else:
    curves = course.training.load_curves(trained / "messages.json")

plot_learning_curves(curves)
force_mae = {message: np.mean([errors.force_mae for errors in curve[1000]]) for message, curve in curves.items()}
for message in curves:
    weights = course.MPNN(train.elements, n_f=32, n_m=32, T=2, message=message).parameters()
    print(f"{message:22} {sum(w.numel() for w in weights):6,} weights, {force_mae[message]:4.0f} meV/Å at 1,000 frames")
plt.show()
prediction.compare(min(force_mae, key=force_mae.get))

# %% [markdown]
# Two families. The messages that *multiply* who and where (outer product, matrix, filter) leave the ones that *list* them behind. That is the story of 4a, in meV/Å.
# The neural network could learn to multiply. In 2,000 steps it does not: what a network can represent, and what it learns in time, are two things.
#
# The outer product wins here without a weight of its own. It sends 640 numbers where the others send 32, and an update network ten times as wide sorts them. The filter is the cheap one: with 64 features, three rounds and ten minutes it came down to the error that you saw above.
#
# Between 200 and 1,000 frames the curves are nearly flat. Here the steps run out, not the frames.

# %% [markdown]
# ## The bug museum
#
# Five exhibits. Each is a small change that looks harmless, runs, and trains. Each breaks a law, some break two. First, guess which.
#
# | exhibit | what was changed |
# |:--|:--|
# | BatchNorm | the readout normalises its input over the batch |
# | mean | the energy is the mean of the atomic energies, "so that it does not grow" |
# | ReLU | the message network uses ReLU in place of SiLU |
# | unfaded | the message is not multiplied by $f_c$ |
# | swapped | senders and receivers are exchanged |

# %%
prediction = predict("4.12", answer=None)  # in words, for example "mean: additivity, ReLU: ..."

# %%
small = {"elements": [1, 6, 8], "n_f": 16, "n_e": 8, "n_m": 16, "T": 2, "cutoff": 3.0}


class Mean(course.Potential):
    """The energy of a molecule is the mean over its atoms."""

    def atomic_energies(self, graph):
        n_atoms = torch.bincount(graph.molecule_index)
        return super().atomic_energies(graph) / n_atoms[graph.molecule_index]


class ReLUMessage(nn.Module):
    """A message with kinks."""

    def __init__(self, n_f, n_e, n_m):
        super().__init__()
        self.network = nn.Sequential(nn.Linear(2 * n_f + n_e, n_m), nn.ReLU(), nn.Linear(n_m, n_m))

    def forward(self, x_j, x_i, e_ij):
        return self.network(torch.cat([x_j, x_i, e_ij], dim=1))


class Unfaded(course.MPNN):
    """Messages that do not fade."""

    def f_c(self, distances):
        return torch.ones_like(distances)


class Swapped(course.MPNN):
    """Messages that travel the wrong way."""

    def forward(self, graph, trace=False):
        return super().forward(replace(graph, senders=graph.receivers, receivers=graph.senders), trace)


torch.manual_seed(0)
museum = course.scorecard(
    sound=course.MPNN(**small),
    BatchNorm=course.MPNN(**small, readout=nn.Sequential(nn.BatchNorm1d(16), nn.Linear(16, 1))),
    mean=Mean(course.MPNN(**small)),
    ReLU=course.MPNN(**small, message=ReLUMessage(16, 8, 16)),
    unfaded=Unfaded(**small),
    swapped=Swapped(**small),
)
display(museum)
prediction.compare("; ".join(f"{exhibit}: {', '.join(museum.broken(exhibit))}" for exhibit in list(museum.rows)[1:]))

# %% [markdown]
# - **BatchNorm**: in training, the energy of a molecule depends on which others happen to be in its batch.
# - **Mean**: two far-away molecules have the mean of their energies, not the sum. To boil ten litres of water would take no more energy than to boil a drop.
# - **ReLU**: the energy is continuous, the force is not. A simulation gets a kick at every kink.
# - **Unfaded**: a neighbour that leaves takes its message with it at once. The energy jumps.
# - **Swapped**: on a graph with both directions everything still looks reasonable, because each edge has a twin. Only the one-way street shows it.
#
# None of them shows in the loss. That is why the scorecard exists.

# %% [markdown]
# ## What broke?
#
# The row of today, measured:

# %%
of_best = course.evaluate(best, test)
display(
    Markdown(
        "| model | description of the atom | energy function | ethanol, 1,200 frames: energy, forces |\n"
        "|:--|:--|:--|:--|\n"
        f"| composition | none | fixed | {1000 * np.abs(test.energies - guess).mean():.0f} meV, "
        f"{1000 * np.abs(test.forces).mean():.0f} meV/Å |\n"
        f"| message passing, {len(history.epochs)} epochs | learned | learned | {errors.energy_mae:.0f} meV, "
        f"{errors.force_mae:.0f} meV/Å |\n"
        f"| **message passing, ten minutes** | **learned** | learned | **{of_best.energy_mae:.1f} meV, "
        f"{of_best.force_mae:.1f} meV/Å** |"
    )
)

# %% [markdown]
# The network hears distances only. A message says how far, never *in which direction*. Is that enough? Day 4c looks for two molecules that no number of rounds can tell apart, and compares this model with everything before it. Day 5 gives the messages a direction.
#
# **In five lines**
#
# - $f_m$, $f_U$ and $f_R$ are small networks; together they are the **description**, and it is learned.
# - The symmetries are **built in**: distances, sums, and one factor $f_c$ keep them with any weights.
# - A **batch** is one large graph. `molecule_index` remembers who belongs together.
# - **Forces** are $3N$ labels a frame, from automatic differentiation, and the loss uses both.
# - $E_i$ **reaches** $T$ edges, $\vec F_i$ reaches $2T$; the last hops are quiet.
#
# **Further reading**
#
# - J. Gilmer et al., *Neural message passing for quantum chemistry*, ICML 2017, [arXiv:1704.01212](https://arxiv.org/abs/1704.01212).
# - K. Schütt et al., *SchNet*, NeurIPS 2017, [arXiv:1706.08566](https://arxiv.org/abs/1706.08566). Continuous filters; energies and forces together.
# - I. Batatia et al., *MACE*, NeurIPS 2022, [arXiv:2206.07697](https://arxiv.org/abs/2206.07697). Where the state of the art went, and the table quoted above.
# - A. Christensen and O. A. von Lilienfeld, *On the role of gradients for machine learning of molecular energies and forces*, Mach. Learn.: Sci. Technol. 2020, [doi:10.1088/2632-2153/abba6f](https://doi.org/10.1088/2632-2153/abba6f). The rMD17 data.

# %% tags=["instructor"]
print(f"composition model, energy MAE: {1000 * np.abs(test.energies - guess).mean():.0f} ± 1 meV")
print(f"no force at all, force MAE: {1000 * np.abs(test.forces).mean():.0f} ± 1 meV/Å")
print(f"your training, energy MAE: {errors.energy_mae:.1f} ± {0.5 * errors.energy_mae:.0f} meV")
print(f"your training, force MAE: {errors.force_mae:.1f} ± {0.2 * errors.force_mae:.0f} meV/Å")
for split in ("test", "test_300K", "test_1000K"):
    of_best = course.evaluate(best, ethanol.split(split))
    print(
        f"ten minutes, {split}, energy and force MAE: {of_best.energy_mae:.1f} meV, {of_best.force_mae:.1f} ± 0.1 meV/Å"
    )
for message, error in force_mae.items():
    print(f"{message}, force MAE at 1,000 frames (shipped): {error:.0f} ± 0 meV/Å")
for exhibit in list(museum.rows)[1:]:
    print(f"{exhibit} breaks: {', '.join(museum.broken(exhibit))}")

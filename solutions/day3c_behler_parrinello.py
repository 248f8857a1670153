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
# # Day 3c · The Behler–Parrinello network
#
# *A network on a fixed description, trained on energies and forces. About 90 minutes; the optional part at the end takes 25 more.*
#
# **How do we describe the surroundings of an atom, so that a network can turn them into an energy?** Days 3a and 3b gave every atom a long row of smooth numbers that do not depend on who looks, and found out what such a row cannot see.
# One thing was missing all the time: nobody has turned the row into an energy.
#
# | model | description of the atom | energy function | what we know about it |
# |:--|:--|:--|:--|
# | molecular mechanics | fixed | fixed | more data do not help it (Day 1) |
# | Coulomb vector + network | fixed | learned | it jumps at the cutoff (Day 2) |
# | **symmetry functions + network** (Behler and Parrinello) | **fixed** | **learned** | *today: its errors in meV and meV/Å* |
# | message passing | learned | learned | Day 4 |
#
# Today we build the third row from end to end: standardise the features, give each element a network, add up, differentiate, train.
#
# $$ E = \sum_i E_i, \qquad E_i = \mathrm{NN}_{Z_i}(\vec x_i), \qquad \vec F_i = -\frac{\partial E}{\partial \vec R_i} $$

# %%
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import Markdown, display
from torch import nn

import course
from course.descriptors import SymmetryFunctions
from course.descriptors.precomputed import recalled
from course.descriptors.symmetry_functions import Angular, ANIAngular, Radial
from course.exercises import check, hint, predict, stuck
from course.plotting import plain_ticks, plot_history
from course.training import batches, samples
from course.widgets import TrainingMonitor
from course.widgets.painter import paint

torch.set_num_threads(1)  # our tensors are small: two threads would mostly wait for each other

# %% [markdown]
# ## The data
#
# Ethanol at 500 K: nine atoms, PBE/def2-SVP energies and forces, the level of the *rMD17* benchmark. Frames of one trajectory resemble each other, so the splits are made by trajectory. We train on 1,000 frames, as the literature's tables do.

# %%
ethanol = course.load("ethanol")
train, validation, test = (ethanol.split(name) for name in ("train", "validation", "test"))
train = train[np.random.default_rng(0).permutation(len(train))[:1000]]
print(ethanol)

baseline = course.Composition.fit(train)
guess = sum(baseline.energies[z] for z in train[0].numbers)
flat_E, flat_F = 1000 * np.abs(test.energies - guess).mean(), 1000 * np.abs(test.forces).mean()
print(f"composition model: energy MAE {flat_E:.0f} meV, whatever the geometry")
print(f"no force at all:   force MAE  {flat_F:.0f} meV/Å")

# %% [markdown]
# ## What the network gets
#
# We take the functions of [ANI-1x](https://doi.org/10.1063/1.5023802): 16 radial Gaussians for each element, and 32 angular functions for each pair of elements. Its angular function is a relative of your G4: hills of the angle, times hills of the mean distance, so that each one looks at one place.
# Three elements make $3 \cdot 16 + 6 \cdot 32 = 240$ numbers an atom.

# %%
elements = list(ethanol.elements)
functions = SymmetryFunctions.ani1x(elements)
graph = course.molecular_graph(ethanol.to_ase(0), functions.cutoff)
x = functions(graph)
print(f"features of one frame: {tuple(x.shape)}; of the oxygen {int((x[2] > 1e-3).sum())} are larger than 0.001")
print("oxygen, radial functions of its hydrogens:", [round(value, 3) for value in x[2, :16].tolist()])

# %% [markdown]
# How much do these numbers change while the molecule moves? Here is the spread of each feature over the hydrogens of 100 frames. A feature that never changes says nothing, so it is left out.

# %%
some = course.batch([course.molecular_graph(ethanol.to_ase(k), functions.cutoff) for k in range(0, 1000, 10)])
spread = functions(some)[some.numbers == 1].std(dim=0)
spread = spread[spread > 1e-12].sort(descending=True).values
print(f"{len(spread)} features, spread from {spread[-1]:.0e} to {spread[0]:.1f}")

_, ax = plt.subplots(figsize=(6, 2.8))
ax.semilogy(spread)
ax.set(xlabel="feature, sorted", ylabel="spread over the hydrogens", title="how much a feature changes")
plt.show()

# %% [markdown]
# ## 3.9 One size for all  ●○○  8 min
#
# The spreads cover eleven orders of magnitude. A network starts with random weights of one size. It hears the loud features and is deaf to the quiet ones, and gradient descent takes very long to turn that round. But loud does not mean important.
#
# So each feature is shifted and divided, by numbers taken from the training data:
#
# $$ x'_{ik} = \frac{x_{ik} - \mu_k}{\sigma_k}, \qquad \mu_k = \frac1n \sum_i x_{ik}, \qquad \sigma_k^2 = \frac1n \sum_i (x_{ik} - \mu_k)^2 $$
#
# One exception. A feature that hardly changes in the data has a spread of nearly 0. Divided by it, rounding errors become signals, and a new molecule that differs a little sends a shout into the network. Where $\sigma_k$ is below 0.01, return 1 in its place: the feature is only shifted.
#
# *On paper:* the column 1, 3. What are $\mu$, $\sigma$ and the new column?
#
# <details><summary>Compare</summary>
#
# $\mu = 2$, $\sigma = 1$, and the new column is −1, 1.
#
# </details>


# %%
# exercise 3.9
def standardize(features):
    """Every column with mean 0 and spread 1.

    features  (n_atoms, n_features)
    returns   x (n_atoms, n_features), mean (n_features,), spread (n_features,); a spread below 0.01 is returned as 1
    """
    ### BEGIN SOLUTION
    mean = features.mean(dim=0)
    spread = ((features - mean) ** 2).mean(dim=0).sqrt()
    spread = torch.where(spread < 0.01, 1.0, spread)
    return (features - mean) / spread, mean, spread
    ### END SOLUTION


# %%
check("3.9", standardize)

# %%
x_some = functions(some)
_, axes = plt.subplots(1, 2, figsize=(11, 2.8), layout="constrained")
for element, symbol in zip(elements, "HCO"):
    rows = x_some[some.numbers == element]
    new, _, spread = standardize(rows)
    places = np.arange(16) + 0.2 * elements.index(element)  # side by side
    for ax, values in zip(axes, (rows, torch.as_tensor(new))):
        ax.errorbar(places, values.mean(dim=0)[:16], values.std(dim=0)[:16], fmt=".", label=symbol)
    print(f"{symbol}: {int((torch.as_tensor(spread) == 1).sum())} of 240 features hardly change and are only shifted")
for ax, title in zip(axes, ("as they come", "standardised")):
    ax.set(title=f"radial functions of the hydrogens, {title}", xlabel="feature", ylabel="mean and spread")
axes[0].legend()
plt.show()

# %% [markdown]
# Hydrogens, carbons and oxygens have other means and spreads, so each element keeps its own. And they come from the *training* frames. Had they come from all frames, the test would have helped to build the model.

# %% [markdown]
# ## 3.10 A network for an atom  ●○○  10 min
#
# The energy function is now a small network: a linear layer, a bend, a linear layer, a bend, and a last linear layer to one number. First by hand, with two features, two hidden neurons and weights that you can follow:

# %%
x_O = torch.tensor([1.0, -1.0])
W, b = torch.tensor([[1.0, 1.0], [2.0, 0.0]]), torch.tensor([0.0, -1.0])
v, c = torch.tensor([3.0, -2.0]), 0.5
print("after the first layer, W x + b:", (W @ x_O + b).tolist())
print("bent, SiLU(z) = z / (1 + exp(-z)):", [round(z, 3) for z in nn.functional.silu(W @ x_O + b).tolist()])
print(f"E_i = v · SiLU(W x + b) + c = {float(v @ nn.functional.silu(W @ x_O + b) + c):.3f}")

# %% [markdown]
# Two rules, both because of the forces. The bend must be smooth: a ReLU has a corner, and at a corner the force jumps. And behind the last layer there is no bend at all: an energy may have any sign and any size.
#
# Write `AtomicNetwork`. `hidden` is a list of widths, for example `(64, 64)`: there is one hidden layer for each.


# %%
# exercise 3.10
class AtomicNetwork(nn.Module):
    """Features of an atom -> its energy.

    n_features   number of features
    hidden       widths of the hidden layers, for example (64, 64)
    """

    def __init__(self, n_features, hidden):
        super().__init__()
        ### BEGIN SOLUTION
        layers, width = [], n_features
        for n in hidden:
            layers += [nn.Linear(width, n), nn.SiLU()]
            width = n
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))
        ### END SOLUTION

    def forward(self, x_i):
        """x_i (n_atoms, n_features) -> E_i (n_atoms,)"""
        ### BEGIN SOLUTION
        return self.layers(x_i)[:, 0]  # (n_atoms, 1) -> (n_atoms,)
        ### END SOLUTION


# %%
check("3.10", AtomicNetwork)

# %% [markdown]
# What can such a network be before it has learned anything? Five of yours, with random weights, over one feature:

# %%
line = torch.linspace(-4, 4, 200)[:, None]
_, ax = plt.subplots(figsize=(6, 2.8))
for seed in range(5):
    torch.manual_seed(seed)
    ax.plot(line, AtomicNetwork(1, (16, 16))(line).detach())
ax.set(xlabel="the feature, standardised", ylabel="energy", title="five networks that know nothing")
plt.show()

# %% [markdown]
# ## 3.11 One network an element  ●●●  15 min
#
# Take a hydrogen and an oxygen with a carbon at 1.2 Å. Their features are equal: a row describes the *neighbours*, not the atom itself. The energies must not be equal. So each element has a network of its own, and all atoms of an element share theirs. Shared networks, and energies that are added up: Behler and Parrinello proposed it in 2007, for silicon, where one network is enough. It is why a network trained on nine atoms can be asked about ninety.
#
# Write `self.networks` and `forward`:
#
# 1. `self.describe(graph)` gives $\vec x_i$ for all atoms, (n_atoms, n_features);
# 2. standardise each row with `self.mean[k]` and `self.spread[k]`, where $k$ is the place of the atom's element in `self.elements`;
# 3. send it through network $k$;
# 4. return the energies in the order of the atoms, (n_atoms,); `x.new_zeros(graph.n_atoms)` makes room for them. They are added up in the next exercise.
#
# A molecule need not contain all elements, and its atoms come in any order.


# %%
# exercise 3.11
class BehlerParrinello(nn.Module):
    """graph -> atomic energies (n_atoms,), eV.

    descriptor   a fixed description: graph -> (n_atoms, descriptor.n_features)
    elements     list of atomic numbers
    hidden       widths of the hidden layers
    """

    T = 1  # an atom sees its neighbours, and nobody behind them

    def __init__(self, descriptor, elements, hidden):
        super().__init__()
        self.descriptor, self.elements, self.cutoff = descriptor, list(elements), descriptor.cutoff
        self.register_buffer("mean", torch.zeros(len(self.elements), descriptor.n_features))  # saved with the weights,
        self.register_buffer("spread", torch.ones(len(self.elements), descriptor.n_features))  # but not trained
        ### BEGIN SOLUTION
        self.networks = nn.ModuleList(AtomicNetwork(descriptor.n_features, hidden) for _ in elements)
        ### END SOLUTION

    def fit_features(self, frames):
        """Set mean and spread from (training) frames."""
        graph = course.batch([course.molecular_graph((f.numbers, f.positions), self.cutoff) for f in frames])
        x = self.descriptor(graph)
        for k, element in enumerate(self.elements):
            _, self.mean[k], self.spread[k] = standardize(x[graph.numbers == element])
        return self

    def describe(self, graph):
        """x_i (n_atoms, n_features): from the graph, where somebody has computed it beforehand."""
        x = recalled(graph)
        return self.descriptor(graph) if x is None else x

    def forward(self, graph):
        ### BEGIN SOLUTION
        x = self.describe(graph)  # (n_atoms, n_features)
        E_i = x.new_zeros(graph.n_atoms)
        for k, element in enumerate(self.elements):
            rows = graph.numbers == element  # who goes to this network
            E_i[rows] = self.networks[k]((x[rows] - self.mean[k]) / self.spread[k])
        return E_i
        ### END SOLUTION


# %%
check("3.11", BehlerParrinello)

# %%
torch.manual_seed(0)
model = BehlerParrinello(functions, elements, hidden=(64, 64)).fit_features(train[::5])
E_i = model(graph.to(dtype=torch.float32)).detach()
for symbol, energy in zip(ethanol.to_ase(0).symbols, E_i.tolist()):
    print(f"{symbol}: {energy:+.3f} eV")
n_weights = sum(weights.numel() for weights in model.parameters())
print(f"E = {E_i.sum():+.3f} eV, before any training; {n_weights} weights")

# %% [markdown]
# These numbers mean nothing yet. But which laws of physics does the network keep already? Beside it stands the same network on Day 2's Coulomb vector.

# %%
prediction = predict(
    "3.11", ["none: it has to learn them", "all but smoothness", "all of them, with random weights"], answer=None
)

# %%
torch.manual_seed(0)
coulomb = BehlerParrinello(course.descriptors.CoulombVector(functions.cutoff, 12), elements, hidden=(64, 64))
card = course.scorecard(Coulomb=coulomb, symmetry_functions=model)
display(card)
broken = card.broken("symmetry_functions")
prediction.compare("all of them, with random weights" if not broken else f"all but {broken}")

# %% [markdown]
# The symmetry functions keep the laws, and the sum over atoms keeps them. The network in between cannot break them, whatever its weights are. The Coulomb vector breaks two: it jumps at the cutoff, and it is infinite where two atoms coincide. No training will mend that.

# %% [markdown]
# ## 3.12 Energy and forces  ●●○  10 min
#
# Two steps are left on the way down to the forces:
#
# $$ E_m = \sum_{i \in m} E_i, \qquad \vec F_i = -\frac{\partial E}{\partial \vec R_i} $$
#
# A graph may hold several molecules: `graph.molecule_index` says to which one an atom belongs. Each has its own energy. For the forces one gradient is enough, that of the sum of all energies, because molecules do not see each other.
#
# Later the *forces* go into a loss, and the loss is differentiated by the weights. So autograd must remember how the forces came about: `create_graph=True`.
#
# `graph.moved(positions)` is the same graph with its atoms at `positions`.


# %%
# exercise 3.12
def energy_and_forces(model, graph):
    """Energies of molecules, and forces on atoms.

    model     graph -> atomic energies (n_atoms,), eV
    graph     .positions (n_atoms, 3), .molecule_index (n_atoms,), .n_molecules
    returns   E (n_molecules,), eV; F (n_atoms, 3), eV/Angstrom
    """
    ### BEGIN SOLUTION
    positions = graph.positions.clone().requires_grad_()
    E_i = model(graph.moved(positions))
    E = E_i.new_zeros(graph.n_molecules).index_add(0, graph.molecule_index, E_i)  # (n_atoms,) -> (n_molecules,)
    (gradient,) = torch.autograd.grad(E.sum(), positions, create_graph=True)
    return E, -gradient
    ### END SOLUTION


# %%
check("3.12", energy_and_forces)

# %% [markdown]
# Is it the slope? Pull the hydroxyl hydrogen a little along x, in both directions, and compare:

# %%
double = BehlerParrinello(functions, elements, hidden=(64, 64)).double()
double.load_state_dict(model.state_dict())
h = torch.zeros(9, 3, dtype=torch.float64)
h[3, 0] = 1e-4
(E_plus, _), (E_minus, _) = (energy_and_forces(double, graph.moved(graph.positions + s * h)) for s in (1, -1))
F_x = energy_and_forces(double, graph)[1][3, 0].item()
print(f"force on H3 along x: {F_x:.8f} eV/Å by autograd, {-(E_plus - E_minus).item() / 2e-4:.8f} by differences")

# %% [markdown]
# ## The one virtue of a fixed description
#
# Write the chain rule out:
#
# $$ \vec F_j = -\sum_i \frac{\partial E_i}{\partial \vec x_i} \cdot \frac{\partial \vec x_i}{\partial \vec R_j} $$
#
# The first factor contains the weights and changes with every step. The second contains none. Each frame is visited hundreds of times in a training, and each time its $\vec x_i$ and $\partial \vec x_i / \partial \vec R_j$ are the same numbers. So they are computed once and stored with the graph: `samples(frames, cutoff, descriptor=functions)`. A training step needs no more than this value and this slope, and looks them up.
#
# It costs memory: 240 features, 72 edges and 3 directions are 52,000 numbers a frame.
#
# **Predict.** How many times faster is a training step on ten frames with the tables?

# %%
prediction = predict("3.12", answer=None, unit="times")


# %%
def seconds_of_a_step(members):
    """The fastest of eight steps on a batch of ten: predict, differentiate the forces."""
    (_, sample), *_ = batches(members, 10, range(10))
    took = []
    for _ in range(8):
        start = time.perf_counter()
        _, F = energy_and_forces(model, sample.graph)
        ((F - sample.forces) ** 2).mean().backward()
        took.append(time.perf_counter() - start)
    return min(took)


start = time.perf_counter()
stored = samples(train[:100], functions.cutoff, descriptor=functions)
once = (time.perf_counter() - start) / 100
bare = samples(train[:100], functions.cutoff)
slow, fast = seconds_of_a_step(bare), seconds_of_a_step(stored)
ratio = slow / fast
print(f"tables: {1000 * once:.0f} ms a frame, once")
print(f"a step on ten frames: {1000 * slow:.0f} ms without, {1000 * fast:.1f} ms with tables")
print(f"the tables have paid for themselves after {10 * once / (slow - fast):.1f} visits to a frame")
prediction.compare(round(ratio, 1), unit="times")

# %% [markdown]
# Around two, where we measured. What is left is mostly the network itself and the gathering of its gradients. Sharper descriptions, with more pairs to sum over, gain more.
#
# Remember it on Day 4. A description that is learned changes with every step, and nothing of it can be stored.

# %% [markdown]
# ## 3.13 What is a good potential?  ●○○  5 min
#
# One number that falls when energies *and* forces get better:
#
# $$ L = \Big\langle (e - e^\mathrm{ref})^2 \Big\rangle_\text{molecules} + \; w\, \Big\langle (F - F^\mathrm{ref})^2 \Big\rangle_\text{components} $$
#
# $e = E / N$ is the energy per atom, so that a large molecule does not outweigh a small one. Forces are compared component by component. The two errors have different units; the weight $w$, in Å², says how much one counts against the other. Return the tensor as it is: the network learns from its slope.
#
# *On paper:* $e$ is wrong by 0.02 eV, one atom has the force error (0.1, 0, −0.2) eV/Å, and $w = 0.3$ Å². How large is $L$?
#
# <details><summary>Compare</summary>
#
# $0.0004 + 0.3 \cdot (0.01 + 0 + 0.04) / 3 = 0.0004 + 0.005 = 0.0054$ eV²
#
# </details>


# %%
# exercise 3.13
def energy_force_loss(e, e_ref, f, f_ref, force_weight):
    """Mean squared error of energies, plus force_weight times that of forces.

    e, e_ref      (n_molecules,)   energies PER ATOM, eV
    f, f_ref      (n_atoms, 3)     eV/Angstrom
    force_weight  w, Angstrom^2
    returns       one number, eV^2
    """
    ### BEGIN SOLUTION
    return ((e - e_ref) ** 2).mean() + force_weight * ((f - f_ref) ** 2).mean()
    ### END SOLUTION


# %%
check("3.13", energy_force_loss)

# %%
one = torch.zeros(1, 3)
paper = energy_force_loss(torch.tensor([0.02]), torch.tensor([0.0]), torch.tensor([[0.1, 0.0, -0.2]]), one, 0.3)
print(f"the case on paper: {float(paper):.4f} eV²")

# %% [markdown]
# ## 3.14 One epoch  ●●○  10 min
#
# An epoch shows every frame to the network once, a batch at a time. For each batch:
#
# 1. energies and forces, with your function;
# 2. the loss, with your function; it wants energies *per atom*, and `torch.bincount(sample.graph.molecule_index)` counts the atoms of each molecule;
# 3. clear the old gradients, compute the new ones, make a step: `optimizer.zero_grad()`, `loss.backward()`, `optimizer.step()`.
#
# Return the mean of the losses, as a float: `loss.item()` is the bare number.


# %%
# exercise 3.14
def train_epoch(model, optimizer, batches, force_weight):
    """One step for every batch.

    model         graph -> atomic energies (n_atoms,)
    optimizer     a torch optimiser of the model's weights
    batches       list of samples: sample.graph, sample.energy (n_molecules,), sample.forces (n_atoms, 3)
    force_weight  w, Angstrom^2
    returns       the mean of the losses, a float
    """
    ### BEGIN SOLUTION
    losses = []
    for sample in batches:
        E, F = energy_and_forces(model, sample.graph)
        n_atoms = torch.bincount(sample.graph.molecule_index)
        loss = energy_force_loss(E / n_atoms, sample.energy / n_atoms, F, sample.forces, force_weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)
    ### END SOLUTION


# %%
check("3.14", train_epoch)

# %% [markdown]
# The energies of the data are thousands of eV, nearly all of it the price of the elements. The composition model of Day 1 takes that part, and the network gets the rest.


# %%
def without_elements(members):
    """The samples, with their energies relative to the composition model."""
    return [sample._replace(energy=(sample.energy - guess).float()) for sample in members]


members = without_elements(stored)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
losses = []
for _ in range(15):
    order = torch.randperm(100).tolist()
    losses.append(train_epoch(model, optimizer, [sample for _, sample in batches(members, 10, order)], 0.1))

_, ax = plt.subplots(figsize=(6, 2.8))
ax.semilogy(range(1, 16), losses, "o-")
ax.set(
    xlabel="epoch", ylabel="mean loss, eV²", title=f"100 frames, 15 epochs: from {losses[0]:.2g} to {losses[-1]:.2g}"
)
plt.show()

# %% [markdown]
# ## Forces are $3N$ labels for free
#
# A quantum chemistry program gives the forces for about the price of the energy. Is it worth learning from them?
#
# Four training sets, 10, 30, 100 and 300 frames. Each is used twice: with the energies alone ($w = 0$), and with energies and forces. Always a small network, the same frames, and the same 400 steps of your `train_epoch`.
#
# **Predict.** Ten frames with forces: how many frames with energies alone are as good *for the energies* of test frames?

# %%
prediction = predict("3.14", ["10", "30", "100", "300", "more than 300"], answer=None)

# %%
centers = tuple(np.linspace(0.9, 5.2, 8, endpoint=False).tolist())
angles = tuple(((2 * np.arange(4) + 1) * np.pi / 8).tolist())
few = SymmetryFunctions(
    elements, Radial(centers, (5.0,) * 8, 5.2), ANIAngular((0.9, 1.6, 2.3), angles, eta=6.0, zeta=12.0, cutoff=3.5)
)
frames = without_elements(samples(train[:300], few.cutoff, descriptor=few))
judges = without_elements(samples(test[::4], few.cutoff, descriptor=few))


def small_network(n_frames, force_weight, steps=400):
    """A network trained on the first so many frames."""
    torch.manual_seed(0)
    network = BehlerParrinello(few, elements, hidden=(24, 24)).fit_features(train[:n_frames])
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    n_epochs = steps * 10 // n_frames
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_epochs)
    rng = np.random.default_rng(0)
    for _ in range(n_epochs):
        order = rng.permutation(n_frames).tolist()
        train_epoch(network, optimizer, [sample for _, sample in batches(frames, 10, order)], force_weight)
        schedule.step()
    return network


sizes, errors = (10, 30, 100, 300), {}
for force_weight, name in ((0.0, "energies only"), (0.1, "energies and forces")):
    errors[name] = [
        course.evaluate(course.Potential(small_network(n_frames, force_weight)), judges) for n_frames in sizes
    ]
    for n_frames, error in zip(sizes, errors[name]):
        print(f"{name:20} {n_frames:4} frames: E {error.energy_mae:6.1f} meV, F {error.force_mae:6.1f} meV/Å")

_, axes = plt.subplots(1, 2, figsize=(10, 3.2), layout="constrained")
for name in errors:
    axes[0].loglog(sizes, [error.energy_mae for error in errors[name]], "o-", label=name)
    axes[1].loglog(sizes, [error.force_mae for error in errors[name]], "o-", label=name)
axes[0].set(xlabel="training frames", ylabel="energy MAE, meV")
axes[1].set(xlabel="training frames", ylabel="force MAE, meV/Å")
for ax, flat in zip(axes, (flat_E, flat_F)):
    ax.axhline(flat, color="0.6", linestyle=":")
    plain_ticks(ax.yaxis)
    ax.set_xticks(sizes, sizes)
    ax.minorticks_off()
axes[0].legend()
plt.show()
as_good = [
    n
    for n, error in zip(sizes, errors["energies only"])
    if error.energy_mae <= errors["energies and forces"][0].energy_mae
]
prediction.compare(f"{as_good[0]}" if as_good else "more than 300")

# %% [markdown]
# The dotted lines are the model that sees no geometry. Trained on few energies, the network is *worse* than that: it has met ten numbers, and between them it may do what it likes. Its forces are worse than no force at all.
#
# A frame has one energy and 27 force components. Each component says whether the energy rises that way, and how steeply. So ten frames with forces are 280 labels, and the energies profit too.

# %% [markdown]
# ## Half a minute, live
#
# Now the whole thing: your model, 1,000 frames, 240 features. `course.fit` repeats what your `train_epoch` does, with a learning rate that rises and falls, gradients of bounded length, and a running average of the weights. `course.Potential` adds the composition model and a scale. It knows that the description is fixed, and computes the tables first. Then every frame is visited twenty times.
#
# **Predict.** Without geometry the force error was about 830 meV/Å. Day 2's Coulomb vector came to about 105 with a training like this one. What will this one reach on test frames?

# %%
prediction = predict("3.14", answer=None, unit="meV/Å")

# %%
torch.manual_seed(0)
yours = course.Potential.for_data(
    BehlerParrinello(functions, elements, hidden=(64, 64)).fit_features(train[::5]), train
)
history = course.fit(
    yours,
    train,
    validation[::4],
    epochs=20,
    batch_size=10,
    learning_rate=6e-3,
    on_epoch=TrainingMonitor(),
    progress=False,
)
live = course.evaluate(yours, test)
print(f"{len(history.epochs)} epochs; test frames: {live}")
prediction.compare(round(live.force_mae, 1), unit="meV/Å")

# %% [markdown]
# ## Four minutes
#
# The same settings, but 250 epochs. That is too long to wait for, so the weights came with the course. Set `RETRAIN = True` to make them yourself.

# %%
RETRAIN = False
trained = Path(course.__file__).parent / "trained"

if RETRAIN:
    torch.manual_seed(0)
    model = course.models.behler_parrinello.BehlerParrinello(functions, elements, hidden=(64, 64)).standardize(train)
    best = course.Potential.for_data(model, train)
    best_history = course.fit(best, train, validation[::4], epochs=250, batch_size=10, learning_rate=6e-3)
else:
    best = course.Potential.load(trained / "ethanol_bpnn.npz")
    best_history = course.History.load(trained / "ethanol_bpnn.json")

found = {name: course.evaluate(best, ethanol.split(name)) for name in ("test", "test_300K", "test_1000K")}
print(f"{len(best_history.epochs)} epochs in {best_history.column('seconds')[-1]:.0f} s of one core")
for name, error in found.items():
    print(f"{name:10} {error}")
print("laws that it breaks:", course.scorecard(BPNN=best).broken("BPNN") or "none")
plot_history(best_history)
plt.show()

# %% [markdown]
# Published numbers for rMD17 ethanol, 950 frames to train and 50 to validate ([MACE](https://arxiv.org/abs/2206.07697), table 1): ANI, the same kind of model, 2.5 meV and 13.4 meV/Å; MACE 0.4 and 2.1. Our frames are not theirs, so this is no race. But it is the same neighbourhood.
#
# ### Why 1000 K is worse
#
# A network interpolates between what it has seen. How many atoms of the hot frames have a feature outside of the range that their element showed in training?


# %%
def features_of(dataset):
    """Features and elements of all atoms of a data set."""
    graph = course.batch([course.molecular_graph((f.numbers, f.positions), functions.cutoff) for f in dataset])
    return functions(graph), graph.numbers


x_train, z_train = features_of(train)
outside = {}
for name in found:
    x_new, z_new = features_of(ethanol.split(name))
    count = 0
    for element in elements:
        seen, new = x_train[z_train == element], x_new[z_new == element]
        changes = seen.std(dim=0) > 0.01
        low, high = seen.min(dim=0).values, seen.max(dim=0).values
        count += int((((new < low) | (new > high)) & changes).any(dim=1).sum())
    outside[name] = count / len(z_new)
    print(
        f"{name:10} {100 * outside[name]:3.0f} % of the atoms leave the known range; force MAE {found[name].force_mae:.0f} meV/Å"
    )

# %% [markdown]
# The potential does not announce this. It answers outside as readily as inside. Day 6 comes back to it.
#
# ## What is $E_i$?
#
# Two potentials: the one that you trained, and the one that came with the course. They learned from the same frames and agree on energies. Do they agree on how the energy is shared?
#
# **Predict.** On the test frames the two energies differ by a few meV. By how much do the $E_i$ of one oxygen differ?

# %%
prediction = predict(
    "3.11", ["a few meV, like the energies", "about ten times as much", "a hundred times as much"], answer=None
)

# %%
some_test = course.batch([best.graph(test.to_ase(k)) for k in range(0, 400, 4)])
E_best, _, share_best = best.eval()(some_test)
E_yours, _, share_yours = yours.eval()(some_test)
molecule_gap = 1000 * (E_best - E_yours).abs().mean().item()
gaps = {}
for element, symbol in zip(elements, "HCO"):
    rows = some_test.numbers == element
    gaps[symbol] = 1000 * (share_best - share_yours)[rows].abs().mean().item()
    print(f"{symbol}: the two E_i differ by {gaps[symbol]:.0f} meV on average")
print(f"the two energies of a molecule differ by {molecule_gap:.1f} meV")
times = gaps["O"] / molecule_gap
prediction.compare(f"{times:.0f} times as much")

# %% [markdown]
# Only sums were ever compared with a reference. How a sum is divided among nine atoms is left to the network, and two networks divide differently. $E_i$ is a way to write down $E$; it is not a property that could be measured.

# %% [markdown]
# ## What broke?
#
# The model works. Ask where its 240 numbers come from. Here are three descriptions, each with the same network, the same frames and the same eight epochs: radial functions alone; radial and G4, with four widths $\eta$ that look sensible; radial and ANI's. The last two have 240 features each.

# %%
prediction = predict("3.9", ["G4 and ANI's are equally good", "G4 is better", "ANI's are better"], answer=None)

# %%
radial = Radial(tuple(np.linspace(0.9, 5.2, 16, endpoint=False).tolist()), (16.0,) * 16, 5.2)
eta, zeta, lam = (
    tuple(np.ravel(values).tolist())
    for values in np.meshgrid([0.01, 0.03, 0.08, 0.15], [1.0, 2.0, 4.0, 16.0], [1.0, -1.0], indexing="ij")
)
choices = {
    "radial": SymmetryFunctions(elements, radial),
    "radial + G4": SymmetryFunctions(elements, radial, Angular(eta, zeta, lam, 3.5)),
    "radial + ANI": functions,
}
epochs, reached = 8, {}
for name, describe in choices.items():
    torch.manual_seed(0)
    potential = course.Potential.for_data(
        BehlerParrinello(describe, elements, hidden=(64, 64)).fit_features(train[::5]), train
    )
    course.fit(potential, train, validation[::10], epochs=epochs, batch_size=10, learning_rate=6e-3, progress=False)
    reached[name] = course.evaluate(potential, test)
    print(f"{name:13} {describe.n_features:3} features: {reached[name]}")
of_radial, of_G4, of_ANI = (reached[name].force_mae for name in choices)
print(f"from the first to the last, the force error falls by a factor of {of_radial / of_ANI:.1f}")
better = "ANI's are better" if of_ANI < of_G4 else "G4 is better"
prediction.compare("G4 and ANI's are equally good" if abs(of_ANI / of_G4 - 1) < 0.1 else better)

# %%
display(
    Markdown(
        "| model | description of the atom | energy function | ethanol, 1,000 frames: energy, forces |\n|:--|:--|:--|:--|\n"
        f"| composition | none | fixed | {flat_E:.0f} meV, {flat_F:.0f} meV/Å |\n"
        f"| radial functions + network, {epochs} epochs | fixed | learned | {reached['radial'].energy_mae:.0f} meV, "
        f"{reached['radial'].force_mae:.0f} meV/Å |\n"
        f"| radial + angular + network, {epochs} epochs | fixed | learned | {reached['radial + ANI'].energy_mae:.1f} meV, "
        f"{reached['radial + ANI'].force_mae:.0f} meV/Å |\n"
        f"| **radial + angular + network, 250 epochs** | fixed | learned | **{found['test'].energy_mae:.1f} meV, "
        f"{found['test'].force_mae:.1f} meV/Å** |"
    )
)

# %% [markdown]
# A good energy function on a description that somebody chose. Which functions, how many, how sharp? Network, frames and epochs were the same, so the choice alone made that difference. No gradient reached it, for the description is fixed; that is also why it could be stored. And the row grows: three elements make 240 features, ten elements make 1,920.
#
# The slides ask: *how do we know that a bunch of Gaussians is the best description of the environment?* We do not. **Day 4 lets the network find the description too.**
#
# **In five lines**
#
# - A **Behler–Parrinello network** has one small network for each element; the energy is the **sum** of what they say about their atoms.
# - Features are **standardised** with mean and spread of the training data, element by element.
# - **Forces** are the negative slope of the summed energy. They are $3N$ labels a frame, and they improve the energies too.
# - A fixed description is computed **once**, with its derivatives; each training step is then two to four times as fast.
# - The symmetries hold with **any weights**; the accuracy holds **where there were data**; $E_i$ is **not** unique.

# %% [markdown]
# ## Who pays? (optional)
#
# $E_i$ cannot be measured, but within one potential it is worth a look: which atoms pay when the molecule is bent? The paint is what the network adds to each element's energy.
#
# 1. Turn the hydroxyl group with the first slider, all the way round. There are three valleys. Which atoms pay on the hills?
# 2. Open the angle C–C–O. Look at the arrows: which way do they pull?
# 3. Drag a hydrogen of the methyl group outward by half an ångström. Does only its own paint change?

# %%
paint(best)

# %% [markdown]
# <details><summary>Compare</summary>
#
# 1. On the two side hills, near 110° and 250°, mostly the oxygen and its hydrogen; on the high one at 0° the oxygen and both carbons, and the share of the hydroxyl hydrogen even falls.
# 2. They pull the oxygen back to the smaller angle and push the carbon between C and O the other way.
# 3. No. Its own share rises most, and that of its carbon too: the carbon's features contain this hydrogen. For the others little changes.
#
# </details>

# %% [markdown]
# ## Can it break a bond? (optional)
#
# Molecular mechanics could not: a spring has no end. A learned energy function can have any shape. Here the hydroxyl hydrogen is pulled along its bond, with everything else at rest. The quantum curve is PBE/def2-SVP, the level of the training data.

# %%
prediction = predict(
    "3.10",
    ["it follows the curve to the end", "it follows as far as the data go", "it is wrong everywhere"],
    answer=None,
)

# %%
scan = course.load("scans").group("ethanol_oh")
frames_OH = [scan.to_ase(k) for k in range(len(scan))]
r_OH = np.array([atoms.get_distance(2, 3) for atoms in frames_OH])
lowest = int(np.argmin(scan.energies))
predicted = np.array([best.predict(atoms).energy.item() for atoms in frames_OH])
E_quantum, E_network = scan.energies - scan.energies[lowest], predicted - predicted[lowest]
seen_OH = np.array([np.linalg.norm(frame.positions[3] - frame.positions[2]) for frame in train])

_, ax = plt.subplots(figsize=(6.5, 3.2))
ax.axvspan(seen_OH.min(), seen_OH.max(), color="0.9", label="in the training data")
ax.plot(r_OH, E_quantum, label="quantum chemistry")
ax.plot(r_OH, E_network, ".-", label="network")
ax.set(xlabel="O–H distance, Å", ylabel="E, eV")
ax.legend()
plt.show()
inside = (r_OH >= seen_OH.min()) & (r_OH <= seen_OH.max())
error_in = 1000 * np.abs(E_network - E_quantum)[inside].max()
error_end = (E_network - E_quantum)[-1]
print(f"training data: {seen_OH.min():.2f} to {seen_OH.max():.2f} Å")
print(f"largest error there: {error_in:.0f} meV; at {r_OH[-1]:.1f} Å: {error_end:+.1f} eV")
as_far = "it follows as far as the data go" if abs(error_end) > 0.5 else "it follows the curve to the end"
prediction.compare(as_far if error_in < 50 else "it is wrong everywhere")

# %% [markdown]
# The spring was wrong because of its form. The network is wrong because nobody showed it. More data do not help the first; they help the second. That is the difference between a fixed and a learned energy function.

# %% [markdown]
# ## Bug hunt (optional)  ●●○
#
# A colleague wrote his own `forward`. He trained it on ethanol: the errors are as good as yours. He is proud that it needs no list of elements. Before he runs water with it, he asks for the scorecard. Which law is broken, and which line breaks it?


# %%
class Colleague(BehlerParrinello):
    """There is one bug."""

    def forward(self, graph):
        x = self.describe(graph)
        E_i = x.new_zeros(graph.n_atoms)
        for k, element in enumerate(torch.unique(graph.numbers)):
            rows = graph.numbers == element
            E_i[rows] = self.networks[k]((x[rows] - self.mean[k]) / self.spread[k])
        return E_i


torch.manual_seed(0)
suspect = Colleague(functions, elements, hidden=(16,)).fit_features(train[::20])
judged = course.scorecard(colleague=suspect)
display(judged)

# %% [markdown]
# <details><summary>The answer</summary>
#
# *Isolated atom* is broken. `torch.unique(graph.numbers)` lists the elements *of this graph*. Ethanol has H, C and O, so network 0 is hydrogen's, 1 carbon's, 2 oxygen's, and nothing is wrong. In water the oxygen becomes element number 1 and goes to carbon's network; a lonely carbon goes to hydrogen's.
# So the energy of an atom depends on which elements happen to be in the same graph, however far away. All test frames are ethanol, and no test error shows it.
#
# </details>

# %% [markdown]
# **Further reading**
#
# - J. Behler, M. Parrinello, *Generalized neural-network representation of high-dimensional potential-energy surfaces*, Phys. Rev. Lett. 2007, 98, 146401, [doi:10.1103/PhysRevLett.98.146401](https://doi.org/10.1103/PhysRevLett.98.146401). The letter in which the energy became a sum over networks, shown on silicon.
# - J. S. Smith, O. Isayev, A. E. Roitberg, *ANI-1*, Chem. Sci. 2017, 8, 3192, [doi:10.1039/C6SC05720A](https://doi.org/10.1039/C6SC05720A). The same idea for molecules of H, C, N and O.
# - J. Behler, *Four generations of high-dimensional neural network potentials*, Chem. Rev. 2021, 121, 10037, [doi:10.1021/acs.chemrev.0c00868](https://doi.org/10.1021/acs.chemrev.0c00868). What came after.
# - A. Christensen, O. A. von Lilienfeld, *On the role of gradients for machine learning of molecular energies and forces*, Mach. Learn.: Sci. Technol. 2020, 1, 045018, [doi:10.1088/2632-2153/abba6f](https://doi.org/10.1088/2632-2153/abba6f). Forces as labels, and the rMD17 data.

# %% tags=["instructor"]
print(f"composition model, test energy MAE, meV: {flat_E:.0f} ± 1")
print(f"training step with tables, times faster: {ratio:.1f} ± {0.5 * ratio:.1f}")
for name in errors:
    for n_frames, error in zip(sizes, errors[name]):
        print(
            f"{name}, {n_frames} frames, energy MAE, meV: {error.energy_mae:.0f} ± {max(2, 0.4 * error.energy_mae):.0f}"
        )
print(f"live training, 20 epochs, force MAE, meV/Å: {live.force_mae:.0f} ± {0.4 * live.force_mae:.0f}")
for name, error in found.items():
    print(f"shipped potential, {name}, energy MAE, meV: {error.energy_mae:.2f} ± 0.05")
    print(f"shipped potential, {name}, force MAE, meV/Å: {error.force_mae:.1f} ± 0.1")
    print(f"{name}, atoms outside the known range, %: {100 * outside[name]:.0f} ± 3")
print(f"E_i of O, two potentials, difference over that of E: {times:.0f} ± {0.6 * times:.0f}")
print(f"O-H scan, largest error inside the data, meV: {error_in:.0f} ± 2")
print(f"O-H scan, error at 2.5 Å, eV: {error_end:+.1f} ± 0.2")
for name, error in reached.items():
    print(f"{name}, {epochs} epochs, force MAE, meV/Å: {error.force_mae:.0f} ± {0.2 * error.force_mae:.0f}")

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
# # Day 4a · The molecular graph
#
# *One round of messages, by hand. About 100 minutes.*
#
# The whole course asks one question: **how do we describe the surroundings of an atom, so that a network can turn them into an energy?**
#
# | model | description of the atom | energy function |
# |:--|:--|:--|
# | molecular mechanics | fixed | fixed |
# | Coulomb vector + network | fixed, and it jumps | learned |
# | symmetry functions (Behler and Parrinello) | fixed, smooth | learned |
# | **message passing** | **learned** | learned |
#
# Today we build the last row. There is no network in this notebook yet: first the machinery, with numbers that you can check on paper.
# The next notebook, 4b, gives the machinery weights and trains them on quantum chemistry. The other rows are Days 1 to 3; what you need of them is said here.
#
# The index rule, once and for all: **i listens, j speaks.** $\vec R_{ij} = \vec R_j - \vec R_i$, and the message $\vec m_{ji}$ travels from j to i.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import torch
from ase.build import molecule
from IPython.display import Markdown, display

import course
from course.descriptors.symmetry_functions import SymmetryFunctions
from course.exercises import check, hint, predict, stuck
from course.models.composition import Composition
from course.models.message_passing import perceptron
from course.plotting import draw_features, draw_graph, draw_messages, draw_molecule
from course.radial import cosine_cutoff, gaussian_basis, radial_grid
from course.widgets import explore

torch.set_default_dtype(torch.float64)  # double precision, so that "equal" means 15 digits

# %% [markdown]
# ## A description that somebody else chose
#
# A Behler–Parrinello network (Day 3) describes an atom by a row of Gaussians of its distances, summed over its neighbours. The network behind them learns. The Gaussians do not.
# Somebody chose how many, where, and how wide, before the first energy was seen.
#
# Here is ethanol. Look at two of its hydrogens: number 4, on the carbon that holds the oxygen, and number 6, on the methyl group.

# %%
ethanol = molecule("CH3CH2OH")
numbers, positions = torch.tensor(ethanol.numbers), torch.tensor(ethanol.positions)

draw_molecule(numbers, positions)
plt.show()

# %% [markdown]
# We give each hydrogen a fixed description: eight Gaussians within 1.6 Å. Inside that sphere both have one neighbour, a carbon.

# %%
bonded = course.molecular_graph(ethanol, cutoff=1.6)
centers, eta = radial_grid(1.6, 8)


def gaussians_of(atom):
    """The radial symmetry functions of one atom, (8,)."""
    r = bonded.distances[bonded.receivers == atom]
    return (gaussian_basis(r, centers, eta) * cosine_cutoff(r, 1.6)[:, None]).sum(dim=0)


for atom in (4, 6):
    heard = ", ".join(ethanol.symbols[j] for j in bonded.senders[bonded.receivers == atom])
    print(f"H{atom}: neighbours {heard};", [round(value, 2) for value in gaussians_of(atom).tolist()])
print(f"largest difference: {(gaussians_of(4) - gaussians_of(6)).abs().max():.3f}")

warm = course.load("ethanol").split("test_300K")
r_CH = torch.tensor([(frame.positions[6] - frame.positions[0]).tolist() for frame in warm]).norm(dim=1)
spread = (gaussian_basis(r_CH, centers, eta) * cosine_cutoff(r_CH, 1.6)[:, None]).std(dim=0)
print(f"H6 alone, while its bond vibrates at 300 K: {spread.max():.3f}")

# %% [markdown]
# The two rows differ by less than one hydrogen differs from itself while it vibrates. In a warm molecule this description cannot tell the two apart. A chemist can, at a glance.
#
# We could make the sphere larger. Then H4 sees the oxygen itself, through Gaussians that somebody chose.
#
# There is another way. **The carbon next to H4 knows about the oxygen.** It is a neighbour. What if the carbon could tell its hydrogens?
#
# That is message passing. Atoms talk to their neighbours; after a few rounds each atom has heard about surroundings that it cannot see. What they say, and how they listen, will be learned.
# Six steps:
#
# 1. **initialise** every atom with a few numbers $\vec x_i$;
# 2. make a **message** on every edge, $\vec m_{ji} = f_m(\vec x_j, \vec x_i, \vec e_{ij})$;
# 3. **accumulate** the messages that arrive, $\vec M_i = \sum_j \vec m_{ji}$;
# 4. **update** the atom, $\vec x_i \leftarrow f_U(\vec M_i, \vec x_i)$, and go back to 2, $T$ times;
# 5. **read out** an energy from each atom, $E_i = f_R(\vec x_i)$;
# 6. compute the **loss**, change the weights.
#
# Steps 1 to 4 are today. Before them comes the thing that messages travel on.

# %% [markdown]
# ## 4.1 Who talks to whom?  ●○○  10 min
#
# A chemist draws a molecule as a graph: atoms, and a line for each bond. But a bond is a decision. Is there one at 1.9 Å? At 2.1? An energy surface has no place where a bond switches off.
#
# So we forget bonds, and use distance alone. Whoever is closer than the cutoff $r_c$ is a neighbour:
#
# $$ j \to i \quad\text{whenever}\quad j \neq i \text{ and } |\vec R_j - \vec R_i| < r_c $$
#
# Every pair gives two edges, one in each direction, because both atoms want to hear. An edge is stored as two numbers: who sends, who receives.
#
# Write `molecular_graph`. The order of the edges is yours. Atoms may be so far apart that there is no edge at all.
#
# (While a check runs your function, its `print` output is hidden. To debug, call the function yourself in a cell of its own.)


# %%
# exercise 4.1
def molecular_graph(positions, cutoff):
    """All directed edges between atoms closer than the cutoff.

    positions  (n_atoms, 3)   Angstrom
    cutoff     r_c, Angstrom
    returns    senders (n_edges,), receivers (n_edges,): two tensors of integers;
               edge number n goes from atom senders[n] to atom receivers[n]
    """
    ### BEGIN SOLUTION
    R_ij = positions[None, :, :] - positions[:, None, :]  # (n_atoms, n_atoms, 3); row i, column j
    near = (R_ij**2).sum(dim=-1) < cutoff**2  # no square root needed
    near.fill_diagonal_(False)  # nobody talks to himself
    receivers, senders = torch.nonzero(near, as_tuple=True)
    return senders, receivers
    ### END SOLUTION


# %%
check("4.1", molecular_graph)

# %% [markdown]
# Your function now draws. Left, a cutoff of 1.6 Å: it happens to give the bonds. Right, 3.0 Å: the graph that a potential would use. Edges fade as their atoms move apart.

# %%
_, axes = plt.subplots(1, 2, figsize=(10, 4))
for ax, r_c in zip(axes, (1.6, 3.0)):
    senders, receivers = (torch.as_tensor(index, dtype=torch.long) for index in molecular_graph(positions, r_c))
    r = (positions[senders] - positions[receivers]).norm(dim=1)
    draw_graph(ethanol, senders, receivers, cosine_cutoff(r, r_c), ax=ax)
    heard = torch.bincount(receivers, minlength=len(numbers)).tolist()
    ax.set_title(f"cutoff {r_c} Å: {len(senders)} edges")
    print(f"cutoff {r_c} Å: atoms hear {heard} neighbours")
plt.show()

# %% [markdown]
# All pairs are tested here, which is quadratic in the number of atoms. For a molecule nobody cares. `course.molecular_graph` asks a cell list (vesin) instead, which is linear. The edges must be the same:

# %%
senders, receivers = molecular_graph(positions, 3.0)
graph = course.molecular_graph(ethanol, 3.0)
yours = {(int(j), int(i)) for j, i in zip(senders, receivers)}
ours = {(int(j), int(i)) for j, i in zip(graph.senders, graph.receivers)}
print(f"{len(yours)} edges, {len(yours ^ ours)} of them in only one of the two graphs")

# %% [markdown]
# ## 4.2 What does an atom know at first?  ●○○  5 min
#
# Only what it is. The first features are a one-hot vector: one column an element, a 1 in the atom's own column. Behind them comes a *buffer* of zeros: free space in which later rounds can write.
#
# | | C | H | O | | | | | |
# |:--|:-:|:-:|:-:|:-:|:-:|:-:|:-:|:-:|
# | a hydrogen | 0 | **1** | 0 | 0 | 0 | 0 | 0 | 0 |
#
# An atomic number would be one column instead of three. But then oxygen (8) would be "eight times hydrogen", and carbon would lie between them. Elements are names, not amounts.


# %%
# exercise 4.2
def initial_features(numbers, elements, n_f):
    """One-hot elements, then a buffer of zeros.

    numbers   (n_atoms,)       atomic numbers
    elements                   list of atomic numbers, in the order of the columns
    n_f                        number of features, at least len(elements)
    returns   (n_atoms, n_f)   x_i, floating-point numbers
    """
    ### BEGIN SOLUTION
    x = torch.zeros(len(numbers), n_f)
    for column, element in enumerate(elements):
        x[numbers == element, column] = 1
    return x
    ### END SOLUTION


# %%
check("4.2", initial_features)

# %%
elements = [6, 1, 8]  # C, H, O
x = initial_features(numbers, elements, n_f=8)
draw_features(x, numbers).set_title("what each atom of ethanol knows before the first round")
plt.show()

# %% [markdown]
# Six hydrogens, six equal rows. Nothing tells H4 from H6 yet.

# %% [markdown]
# ## 4.3 What does an edge know?  ●●○  10 min
#
# Its length. One number would do in principle, but a network that is handed 1.09 and 1.43 has to work hard to treat them as different things.
# So we write the distance in Gaussians: a row of $n_e$ overlapping hills, and the distance says how high it stands on each.
#
# $$ e_{ij,k} = e^{-\eta\,(r_{ij} - R_k)^2}\, f_c(r_{ij}), \qquad R_k = \frac{k\, r_c}{n_e - 1},\ k = 0 \dots n_e - 1, \qquad \eta = \left(\frac{n_e}{r_c}\right)^2 $$
#
# The cosine cutoff lets an edge fade before it disappears:
#
# $$ f_c(r) = \tfrac12 \left(\cos\frac{\pi r}{r_c} + 1\right) \text{ for } r < r_c, \text{ else } 0 $$
#
# The distance does not change when the molecule turns or moves. Whatever we build on it will not change either. Invariance costs one line.


# %%
# exercise 4.3
def edge_features(distances, n_e, cutoff):
    """Gaussians of the distance, faded out by the cosine cutoff.

    distances  (n_edges,)       r_ij, Angstrom
    n_e                         number of Gaussians, with centres from 0 to the cutoff
    cutoff     r_c, Angstrom
    returns    (n_edges, n_e)   e_ij
    """
    ### BEGIN SOLUTION
    centers = torch.linspace(0, cutoff, n_e)
    eta = (n_e / cutoff) ** 2
    gaussians = torch.exp(-eta * (distances[:, None] - centers) ** 2)  # (n_edges, 1) - (n_e,) -> (n_edges, n_e)
    f_c = 0.5 * (torch.cos(torch.pi * distances / cutoff) + 1) * (distances < cutoff)
    return gaussians * f_c[:, None]
    ### END SOLUTION


# %%
check("4.3", edge_features)

# %%
r = torch.linspace(0.5, 3.3, 300)
_, ax = plt.subplots(figsize=(7, 3))
ax.plot(r, edge_features(r, 8, 3.0))
for distance, bond in ((1.09, "C–H"), (1.43, "C–O"), (1.51, "C–C")):
    ax.axvline(distance, color="0.6", linestyle=":")
    ax.annotate(bond, (distance, 0.97), rotation=90, ha="right", va="top", color="0.35", fontsize=8)
ax.set(ylim=(0, 1), xlabel="distance r, Å", ylabel="edge feature", title="one distance, eight numbers")
plt.show()

# %% [markdown]
# The hills become lower towards 3 Å, because $f_c$ presses them down. The last one, at 3 Å itself, is hardly there.

# %% [markdown]
# ## 4.4 What is a message?  ●●○  25 min
#
# Take one edge and look at it. The oxygen (atom 2) speaks, its carbon (atom 1) listens. The edge has three things to work with: what the speaker is, what the listener is, and how far apart they are.

# %%
graph = course.molecular_graph(ethanol, 3.0)
edge = int(torch.nonzero((graph.senders == 2) & (graph.receivers == 1)))
x = initial_features(numbers, elements, n_f=4)
e = edge_features(graph.distances, n_e=8, cutoff=3.0)
print("x_j, the oxygen:", x[2].tolist())
print("x_i, the carbon:", x[1].tolist())
print(f"e_ij, {graph.distances[edge]:.3f} Å:", [round(value, 3) for value in e[edge].tolist()])

# %% [markdown]
# What may $f_m$ be? *Almost anything.* Three recipes need no parameters at all.
#
# | recipe | message $\vec m_{ji}$ | length $n_m$ |
# |:--|:--|:--|
# | concatenation | $[\,\vec x_j,\ \vec x_i,\ \vec e_{ij}\,]$ one behind the other | $2 n_f + n_e$ |
# | outer product | every entry of $\vec x_j$ times every entry of $\vec e_{ij}$; $x_{jf}\,e_{ijk}$ stands in column $f\,n_e + k$ | $n_f\, n_e$ |
# | matrix multiplication | $\vec e_{ij}$, written row by row into a matrix with $n_f$ columns, times $\vec x_j$ | $n_e / n_f$ |
#
# For the oxygen above, $\vec x_j = (0, 0, 1, 0)$. The outer product puts $\vec e_{ij}$ into the block of columns 16 to 23 and leaves zeros elsewhere: *oxygen, at this distance*, in one vector. Work it out on paper before you write it.
#
# Write the three functions. Row $n$ of each input belongs to edge number $n$; with no edges there are no rows, and the answer has none either.


# %%
# exercise 4.4
def concat_message(x_j, x_i, e_ij):
    """m_ji = [x_j, x_i, e_ij].

    x_j, x_i  (n_edges, n_f)   features of the sender and of the receiver
    e_ij      (n_edges, n_e)   edge features
    returns   (n_edges, 2 n_f + n_e)
    """
    ### BEGIN SOLUTION
    return torch.cat([x_j, x_i, e_ij], dim=1)
    ### END SOLUTION


def outer_message(x_j, x_i, e_ij):
    """m_ji = x_j (x) e_ij: every feature of the sender times every edge feature.

    returns   (n_edges, n_f n_e)   x_jf e_ijk in column f n_e + k
    """
    ### BEGIN SOLUTION
    products = x_j[:, :, None] * e_ij[:, None, :]  # (n_edges, n_f, n_e)
    return products.flatten(1)  # (n_edges, n_f n_e)
    ### END SOLUTION


def matrix_message(x_j, x_i, e_ij):
    """m_ji = A(e_ij) x_j: the edge features, read as a matrix with n_f columns, times the sender's features.

    returns   (n_edges, n_e / n_f)
    """
    ### BEGIN SOLUTION
    n_edges, n_f = x_j.shape
    A = e_ij.reshape(n_edges, e_ij.shape[1] // n_f, n_f)  # (n_edges, n_m, n_f)
    return (A @ x_j[:, :, None])[:, :, 0]  # (n_edges, n_m, n_f) @ (n_edges, n_f, 1) -> (n_edges, n_m)
    ### END SOLUTION


# %%
check("4.4", concat_message, outer_message, matrix_message)

# %%
x_j, x_i = x[graph.senders], x[graph.receivers]
for f_m in (concat_message, outer_message, matrix_message):
    m_ji = f_m(x_j, x_i, e)
    print(f"{f_m.__name__:15} n_m = {m_ji.shape[1]:2}   oxygen -> carbon:", [round(v, 2) for v in m_ji[edge].tolist()])

# %% [markdown]
# The matrix product is the short one: on a one-hot $\vec x_j$ it keeps two of the eight edge features and drops the rest. In 4b a network will make the matrix.

# %% [markdown]
# ## 4.5 Collect the messages  ●●○  10 min
#
# Each atom now has a pile of messages, and the piles differ in size: at 3 Å the second carbon of ethanol holds eight, the hydroxyl hydrogen four.
# A network wants one vector of fixed length. What may we do with a pile of unknown size, so that the order in which the messages arrived does not matter?
#
# The simplest thing: add them.
#
# $$ \vec M_i = \sum_j \vec m_{ji} $$
#
# A sum forgets the order, and that is what we want: atoms carry no numbers in nature. A sum does not forget how many spoke: two equal voices are twice as loud as one. Keep that in mind for the bug museum of 4b, where somebody takes the mean.
#
# *By hand first.* Three atoms, four messages: `0 → 1`, `2 → 1`, `1 → 0`, `1 → 2`. Which rows of $\vec M$ do you expect?

# %%
m = torch.tensor([[1.0, 2.0], [10.0, 20.0], [5.0, 5.0], [7.0, 0.0]])
sent_by, sent_to = torch.tensor([0, 2, 1, 1]), torch.tensor([1, 1, 0, 2])
for j, i, message in zip(sent_by.tolist(), sent_to.tolist(), m.tolist()):
    print(f"{j} -> {i}: {message}")

# %% [markdown]
# Write `accumulate`. Row $n$ of `messages` goes to atom `receivers[n]`. An atom to whom nobody speaks still gets a row: zeros.


# %%
# exercise 4.5
def accumulate(messages, receivers, n_atoms):
    """Sum the messages that arrive at each atom.

    messages   (n_edges, n_m)   m_ji, one row an edge
    receivers  (n_edges,)       index i of the atom that the edge points to
    returns    (n_atoms, n_m)   M_i, zeros where nothing arrives
    """
    ### BEGIN SOLUTION
    bundles = torch.zeros(n_atoms, messages.shape[1], dtype=messages.dtype)
    return bundles.index_add(0, receivers, messages)  # (n_edges, n_m) -> (n_atoms, n_m)
    ### END SOLUTION


# %%
check("4.5", accumulate)

# %% [markdown]
# Compare with your paper, and with a plain loop that says the same more slowly:

# %%
print("yours:", accumulate(m, sent_to, 3).tolist())

by_loop = torch.zeros(3, 2)
for message, i in zip(m, sent_to):
    by_loop[i] += message  # one message at a time, so += is safe here
print("loop: ", by_loop.tolist())

# %% [markdown]
# **Predict.** We exchange the numbers of H6 and H7, two hydrogens of the methyl group. Each atom keeps its place. What does that do to what the atoms hear?

# %%
outcomes = [
    "every atom hears something else than before",
    "the two hydrogens hear something else, the others do not",
    "each atom hears what it heard before; two rows trade places",
]
prediction = predict("4.5", outcomes, answer=None)

# %%
swap = torch.tensor([0, 1, 2, 3, 4, 5, 7, 6, 8])
m_ji = outer_message(x_j, x_i, e)
M = accumulate(m_ji, graph.receivers, len(numbers))

renamed = course.molecular_graph(ethanol[swap.tolist()], 3.0)
x_renamed = initial_features(renamed.numbers, elements, n_f=4)
e_renamed = edge_features(renamed.distances, 8, 3.0)
m_renamed = outer_message(x_renamed[renamed.senders], x_renamed[renamed.receivers], e_renamed)
M_renamed = accumulate(m_renamed, renamed.receivers, len(numbers))

print(f"row by row, the bundles differ by        {(M_renamed - M).abs().max():.2f}")
print(f"after the rows have traded places, by    {(M_renamed - M[swap]).abs().max():.0e}")
print(f"the bundle of the carbon next door, by   {(M_renamed[0] - M[0]).abs().max():.0e}")
unchanged = (M_renamed - M[swap]).abs().amax(dim=1) < 1e-12  # of each atom: whether it hears what it heard before
prediction.compare(outcomes[2 if unchanged.all() else 1 if unchanged.any() else 0])

# %% [markdown]
# Here is the first round as a picture, with outer-product messages. Left, all of them. Right, those that arrive at the carbon C1. Thick arrows are loud messages.

# %%
_, axes = plt.subplots(1, 2, figsize=(11, 4))
draw_messages(graph, m_ji, ax=axes[0]).set_title("all messages of round 1")
draw_messages(graph, m_ji, listener=1, ax=axes[1]).set_title("what C1 hears")
plt.show()

# %% [markdown]
# ### Not every message is a good one
#
# A nitrogen has two neighbours: a carbon at 1.2 Å and an oxygen at 1.5 Å. In a second molecule the two have changed places. Chemically these are different things.
#
# **Predict.** Which of your three messages give the nitrogen a different bundle in the two molecules? (Several: `answer=[1, 2]`.)

# %%
names = {"concatenation": concat_message, "outer product": outer_message, "matrix multiplication": matrix_message}
prediction = predict("4.4", [*names, "none of them"], answer=None)


# %%
def bundle_of_nitrogen(first, second, f_m):
    """M of a nitrogen with the element `first` at 1.2 A and the element `second` at 1.5 A."""
    pair = course.molecular_graph(([7, first, second], [[0, 0, 0], [1.2, 0, 0], [0, 1.5, 0]]), 3.0)
    x = initial_features(pair.numbers, [6, 7, 8], n_f=4)
    e = edge_features(pair.distances, 8, 3.0)
    return accumulate(f_m(x[pair.senders], x[pair.receivers], e), pair.receivers, 3)[0]


differences = {
    name: (bundle_of_nitrogen(6, 8, f_m) - bundle_of_nitrogen(8, 6, f_m)).abs().max() for name, f_m in names.items()
}
for name, difference in differences.items():
    print(f"{name:21} differs by {difference:.3f}")
prediction.compare(", ".join(name for name in names if differences[name] > 1e-12) or "none of them")

# %% [markdown]
# Concatenation gives exactly the same. The sum adds up who was there ("one carbon, one oxygen") and, in other columns, which distances there were ("1.2 and 1.5"). It forgets **who sat where**.
# The outer product and the matrix product multiply the two *before* the sum, so *carbon at 1.2* stays one fact.
#
# This is why the network in 4b works on each message, and not on the sum: it has to tie the facts together before they are added.

# %% [markdown]
# ## 4.6 Rounds  ●●○  10 min
#
# One round tells an atom about its neighbours. In the second round the neighbours already know about theirs. Write the loop: message, accumulate, update, $T$ times.
#
# $$ \vec m_{ji} = f_m(\vec x_j, \vec x_i, \vec e_{ij}), \qquad \vec M_i = \sum_j \vec m_{ji}, \qquad \vec x_i \leftarrow f_U(\vec M_i, \vec x_i) $$
#
# All messages of a round are made from the features *before* that round. The graph carries what you need: `graph.senders`, `graph.receivers`, `graph.e_ij`, `graph.n_atoms`.


# %%
# exercise 4.6
def message_passing(x, graph, f_m, f_U, T):
    """T rounds of messages on a graph.

    x        (n_atoms, n_f)                         features before the first round
    graph    with senders, receivers (n_edges,), e_ij (n_edges, n_e), n_atoms
    f_m      f_m(x_j, x_i, e_ij) -> (n_edges, n_m)
    f_U      f_U(M_i, x_i) -> (n_atoms, n_f)
    T        number of rounds; 0 returns x as it is
    returns  (n_atoms, n_f)
    """
    ### BEGIN SOLUTION
    for _ in range(T):
        messages = f_m(x[graph.senders], x[graph.receivers], graph.e_ij)
        bundles = accumulate(messages, graph.receivers, graph.n_atoms)
        x = f_U(bundles, x)
    return x
    ### END SOLUTION


# %%
check("4.6", message_passing)

# %% [markdown]
# Back to the two hydrogens that a fixed description could not tell apart. Again only edges within 1.6 Å, so that each of them hears its carbon and nobody else.
# The message is the matrix product, the update adds what was heard: $f_U(\vec M, \vec x) = \vec x + \vec M$. For that sum a message must be as long as $\vec x$: $n_e = 16$ edge features make a 4 by 4 matrix.
# (The features are those of a 3 Å cutoff. They do not fade at 1.6 Å, which does no harm while nothing moves.)
#
# **Predict.** After how many rounds do H4 and H6 differ clearly?

# %%
prediction = predict(
    "4.6", ["after 1 round", "after 2 rounds", "after 3 rounds", "never: they see the same"], answer=None
)


# %%
def listen(M, x):
    """The simplest update: keep what you knew, add what you heard."""
    return x + M


differ_at = []  # numbers of rounds after which the two differ clearly
near = replace(bonded, e_ij=edge_features(bonded.distances, n_e=16, cutoff=3.0))
x_0 = initial_features(numbers, elements, n_f=4)
for T in range(4):
    x_T = message_passing(x_0, near, matrix_message, listen, T)
    difference, size = (x_T[4] - x_T[6]).norm(), x_T[[4, 6]].norm(dim=1).mean()
    print(f"T = {T}: H4 and H6 differ by {100 * difference / size:5.1f} % of their length")
    if difference > 0.05 * size:
        differ_at.append(T)
first = min(differ_at, default=0)
prediction.compare(f"after {first} round{'s' * (first > 1)}" if first else "never: they see the same")

# %% [markdown]
# In round 1 the carbon hears the oxygen. In round 2 it tells the hydrogen. News travels one edge a round.
#
# The picture follows it. An atom changes colour when it can have heard of the oxygen:

# %%
_, axes = plt.subplots(1, 4, figsize=(15, 3.2))
mute = numbers.clone()
mute[2] = 6  # the same graph with a carbon in the oxygen's place
for T, ax in enumerate(axes):
    with_oxygen = message_passing(x_0, near, matrix_message, listen, T)
    without = message_passing(initial_features(mute, elements, 4), near, matrix_message, listen, T)
    heard = (with_oxygen - without).abs().amax(dim=1) > 1e-12
    draw_molecule(numbers, positions, heard.double(), limits=(0, 1), ax=ax)
    ax.set_title(f"T = {T}: {int(heard.sum())} of 9 know")
plt.show()

# %% [markdown]
# ## The ladder
#
# Message passing does not stand beside the simpler models. It *contains* two of them, as its first two rungs. Algebra says so, and the numbers agree.
#
# **T = 0 is the composition model** of Day 1. Without rounds an atom knows its element and nothing else. Any readout of that can only look up a price for each element.

# %%
energies = course.load("ethanol").atomic_energies  # isolated atoms, PBE/def2-SVP, eV
price = torch.tensor([energies[element] for element in elements] + [0.0])

graph = replace(graph, e_ij=edge_features(graph.distances, 8, 3.0))
x_T = message_passing(x_0, graph, outer_message, listen, T=0)
readout = x_T @ price  # f_R: R^n_f -> R^1, one price a column
composition = Composition(energies)(graph)

print(f"message passing, T = 0: {readout.sum():.6f} eV")
print(f"composition model:      {composition.sum():.6f} eV")
assert (readout - composition).abs().max() < 1e-12 * composition.abs().max()

# %% [markdown]
# **T = 1 with the outer product is the radial symmetry functions** of Day 3. On one-hot features the bundle is
#
# $$ M_{i,(Z,k)} = \sum_j [Z_j = Z]\; e^{-\eta (r_{ij} - R_k)^2} f_c(r_{ij}), $$
#
# where $[Z_j = Z]$ is 1 for neighbours of element $Z$ and 0 for others. That is the definition of the radial symmetry functions, one block an element. Here they are from Day 3, `course.descriptors.symmetry_functions`, which knows nothing of messages:


# %%
def take_bundle(M, x):
    """The update that keeps nothing but the bundle."""
    return M


one_hot = initial_features(numbers, elements, n_f=3)  # no buffer
aev = message_passing(one_hot, graph, outer_message, take_bundle, T=1)
G2 = SymmetryFunctions.evenly_spaced(elements, n_radial=8, cutoff=3.0)(graph)
print(f"{tuple(aev.shape)} numbers, largest difference {(aev - G2).abs().max():.1e}")
assert (aev - G2).abs().max() < 1e-12

# %% [markdown]
# So one round with one particular message is already the radial part of a Behler–Parrinello description. Every further round, and every other message, is new ground.

# %% [markdown]
# ## One more failure: the message that does not fade
#
# We faded the edge features. Is that enough? An oxygen walks away from a carbon, through the cutoff at 3 Å, and we watch the bundle of the carbon.
#
# **Predict.** Which bundle jumps when the oxygen leaves: of concatenated messages, or of outer products?

# %%
prediction = predict("4.3", ["concatenation", "outer product", "both", "neither: e_ij fades to zero"], answer=None)


# %%
def bundle_of_carbon(r, f_m, fade=False):
    """M of a carbon whose only neighbour, an oxygen, is r away. `fade` multiplies the whole message by f_c."""
    positions = torch.tensor([[0.0, 0.0, 0.0], [r, 0.0, 0.0]])
    senders, receivers = (torch.as_tensor(index, dtype=torch.long) for index in molecular_graph(positions, 3.0))
    distances = (positions[senders] - positions[receivers]).norm(dim=1)
    x, e = initial_features(torch.tensor([6, 8]), elements, 4), edge_features(distances, 8, 3.0)
    m = f_m(x[senders], x[receivers], e)
    return accumulate(m * cosine_cutoff(distances, 3.0)[:, None] if fade else m, receivers, 2)[0]


walk = torch.linspace(2.6, 3.2, 121).tolist()
_, ax = plt.subplots(figsize=(7, 3))
jumps = {}
for f_m, fade, style in ((concat_message, False, "-"), (outer_message, False, "--"), (concat_message, True, ":")):
    length = [float(bundle_of_carbon(r, f_m, fade).norm()) for r in walk]
    jump = (bundle_of_carbon(3.0 - 1e-9, f_m, fade) - bundle_of_carbon(3.0 + 1e-9, f_m, fade)).norm()
    jumps[f_m, fade] = float(jump)
    ax.plot(walk, length, style, label=f"{f_m.__name__}{', times f_c' * fade}: jumps by {jump:.2g}")
ax.set(xlabel="distance C–O, Å", ylabel="|M| of the carbon", title="an oxygen leaves")
ax.legend()
plt.show()
leave_at_once = [name for name in ("concatenation", "outer product") if jumps[names[name], False] > 1e-6]
prediction.compare("both" if len(leave_at_once) == 2 else (leave_at_once or ["neither: e_ij fades to zero"])[0])

# %% [markdown]
# The oxygen's name, $\vec x_j$, rides in the message beside $\vec e_{ij}$, and nobody fades it. At 3 Å it is gone at once; the energy jumps and the force is undefined.
#
# The cure is one factor, on the **whole message** (the dotted line):
#
# $$ \vec m_{ji} = f_m(\vec x_j, \vec x_i, \vec e_{ij})\; f_c(r_{ij}) $$
#
# From here on $f_c$ belongs to the message, and $\vec e_{ij}$ holds bare Gaussians. That is how the library does it, and how you will do it in 4b.

# %% [markdown]
# ## Watch your messages
#
# Here are your functions on a molecule that you can touch. `matrix_message` is yours; the update is `listen`. Whatever you see comes out of them, and where one of them fails, the picture says so.
#
# 1. Press **›** a few times. Dots are messages: their colour is the speaker, their width the size. The bars under an atom are its features.
# 2. C1 is chosen. Beside the picture stands everything that it hears, the sum, and what the update makes of it. Add up one column yourself.
# 3. **Reset.** Drag the oxygen away from its carbon, slowly. The edge fades, and its message shrinks with it. Nothing jumps at 3 Å.
# 4. **Reset.** Set the cutoff to 1.6 Å, choose H6, tick *who was heard*, and step on. In which round does H6 hear of the oxygen?
# 5. Press **Shuffle labels**. What changes?
#
# (Without a mouse: Tab leads into the molecule, arrow keys from atom to atom, Enter chooses, `[` and `]` step. `?` lists all keys.)

# %%
explore(ethanol, message=matrix_message, update=listen, T=3, cutoff=3.0, n_f=4, n_e=16, elements=elements, selected=1)

# %% [markdown]
# <details><summary>Compare</summary>
#
# In step 4, round 3: the news takes the edges O2 → C1 → C0 → H6, one a round. In step 5, the numbers beside the atoms change, and nothing else.
#
# </details>

# %% [markdown]
# Try other functions: `outer_message` makes messages of 64 numbers, so `listen` cannot add them to 4 features. Hand it in and read what the explorer says; then use `take_bundle` as the update.

# %% [markdown]
# ## Bug hunt (optional)  ●●●
#
# This model runs, trains, and its energies look right. The scorecard asks it fourteen questions that any potential must answer. One answer is wrong. Which law is broken, and which line breaks it?


# %%
class Potential4a(torch.nn.Module):
    """One round, then a network a row. There is one bug."""

    def __init__(self, elements, n_f, n_e, cutoff):
        super().__init__()
        self.elements, self.n_f, self.n_e, self.cutoff, self.T = elements, n_f, n_e, cutoff, 1
        self.readout = perceptron(n_f * (n_e + 1), 16, 1)

    def forward(self, graph):
        x = course.models.message_passing.initial_features(graph.numbers, self.elements, self.n_f)
        centers, eta = radial_grid(self.cutoff, self.n_e)
        r_ij = graph.distances
        e_ij = gaussian_basis(r_ij, centers, eta) * cosine_cutoff(r_ij, self.cutoff)[:, None]
        m_ji = (x[graph.senders][:, :, None] * e_ij[:, None, :]).flatten(1)
        M_i = torch.zeros(graph.n_atoms, m_ji.shape[1]).index_add(0, graph.senders, m_ji)
        return self.readout(torch.cat([x, M_i], dim=1))[:, 0]


torch.manual_seed(0)
suspect = Potential4a([1, 6, 8], n_f=4, n_e=8, cutoff=3.0)
course.scorecard(suspect)

# %% [markdown]
# <details><summary>The answer</summary>
#
# *Locality* is broken: the messages are added up at `graph.senders`, so they go back to where they came from. Each atom collects what it said itself. Every edge has a twin in the other direction, so distances still arrive, and the energies look reasonable;
# but the neighbour's element never does. The scorecard finds it because it also tries a graph with a one-way street.
#
# </details>

# %% [markdown]
# ## What broke?
#
# The row of today:

# %%
display(
    Markdown(
        "| model | description of the atom | energy function | what we know about it |\n|:--|:--|:--|:--|\n"
        f"| composition | none | fixed | the same as T = 0, largest difference {(readout - composition).abs().max():.1g} eV |\n"
        f"| radial symmetry functions | fixed | learned | the same as T = 1, largest difference {(aev - G2).abs().max():.1g} |\n"
        "| **message passing, without weights** | **T rounds, not yet learned** | none yet "
        f"| **after {first} rounds a hydrogen knows of the oxygen** |"
    )
)

# %% [markdown]
# Nothing here can learn. The messages are products of fixed numbers; nobody asked the data what is worth saying. In 4b, $f_m$, $f_U$ and $f_R$ become small networks, and quantum chemistry tells them what to talk about.
#
# **In five lines**
#
# - A **molecular graph** joins atoms closer than the cutoff $r_c$, both ways; a chemical bond is not needed.
# - A **message** $\vec m_{ji}$ is any function of speaker, listener and edge. It must tie *who* to *where* before the sum, and all of it must fade with $f_c$.
# - The **bundle** $\vec M_i$ is a sum, because a sum forgets order and counts voices.
# - After $T$ rounds an atom has heard of everything within $T$ edges.
# - $T = 0$ is the composition model, and $T = 1$ with the outer product is the radial symmetry functions.
#
# **Further reading**
#
# - J. Gilmer, S. Schoenholz, P. Riley, O. Vinyals, G. Dahl, *Neural message passing for quantum chemistry*, ICML 2017, [arXiv:1704.01212](https://arxiv.org/abs/1704.01212). The blueprint.
# - J. Behler, *Atom-centered symmetry functions for constructing high-dimensional neural network potentials*, J. Chem. Phys. 2011, 134, 074106, [doi:10.1063/1.3553717](https://doi.org/10.1063/1.3553717). What T = 1 reproduces.
# - K. Schütt et al., *SchNet*, NeurIPS 2017, [arXiv:1706.08566](https://arxiv.org/abs/1706.08566). Messages made of continuous filters.

# %% tags=["instructor"]
print(f"edges of ethanol at 1.6 Å and at 3.0 Å: {bonded.n_edges} and {graph.n_edges}, exactly")
print(f"Gaussians of H4 and H6 differ by (opening cell): {(gaussians_of(4) - gaussians_of(6)).abs().max():.3f} ± 0.001")
print(f"H6 alone at 300 K (opening cell): {spread.max():.3f} ± 0.001")
for f_m in (concat_message, outer_message, matrix_message):
    difference = (bundle_of_nitrogen(6, 8, f_m) - bundle_of_nitrogen(8, 6, f_m)).abs().max()
    print(f"C and O swapped, {f_m.__name__}: {difference:.3f} ± 0.001")
print(f"composition model against T = 0: {(readout - composition).abs().max():.0e} eV, below 1e-8")
print(f"radial symmetry functions against T = 1: {(aev - G2).abs().max():.0e}, below 1e-12")
jump = (bundle_of_carbon(3.0 - 1e-9, concat_message) - bundle_of_carbon(3.0 + 1e-9, concat_message)).norm()
print(f"jump of the unfaded concatenation at 3 Å: {jump:.3f} ± 0.001")

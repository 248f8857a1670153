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
# # Day 0 · Getting started
#
# *Look around, write one function. About 20 minutes, and 5 for the bug hunt.*
#
# Welcome. This course asks one question, several times, each time better:
#
# **How do we describe the surroundings of an atom, so that a network can turn them into an energy?**
#
# There are two parts to it: the *description* of an atom, and the *function* that makes an energy of it. Each can be fixed by somebody, or learned from data.
#
# | | energy function **fixed** | energy function **learned** |
# |:--|:--|:--|
# | description **fixed** | molecular mechanics (Day 1) | Coulomb vector (Day 2), symmetry functions (Day 3) |
# | description **learned** | – | message passing (Day 4) |
#
# Each day builds one of them, finds out where it breaks, and writes its measured error into this picture. You write the functions yourself. Today you write the first one, and you see how everything works.

# %%
import matplotlib.pyplot as plt
import torch
from ase import units

import course
from course.doctor import diagnose
from course.exercises import check, find, hint, predict, stuck
from course.widgets import show_molecule
from course.widgets.tangent import tangent

torch.set_default_dtype(torch.float64)  # double precision, so that "equal" means 15 digits

# %% [markdown]
# ## Is this machine ready?
#
# Run the cell above, then this one: press Shift + Enter. It looks at the packages, the data, and the browser's part of the widgets, and says what to do about each problem. `course doctor` in a terminal prints the whole table.

# %%
problems = [finding for finding in diagnose() if finding.state == "problem"]
for finding in problems:
    print(f"{finding.what}: {finding.found}\n    {finding.advice}")
print(len(problems), "problems")

# %% [markdown]
# ## What all models have to learn
#
# This is ethanol, in one of 2,300 shapes. For each of these *frames* the course has the energy and the forces from quantum chemistry. Drag to turn it. The arrows are the forces on the atoms.

# %%
ethanol = course.load("ethanol")
print(f"{len(ethanol)} frames, {ethanol.provenance['method']}, energies in eV, forces in eV/Å")
show_molecule(ethanol.to_ase(0), forces=ethanol[0].forces)

# %% [markdown]
# How good must a model be? The worst model knows nothing: it says zero for each force, and the mean of the training frames for each energy. Its mean absolute errors, on test frames that no model is trained on, are the first row of a table that grows until Day 4.

# %%
train, test = ethanol.split("train"), ethanol.split("test")
force_error = 1000 * abs(test.forces).mean()
energy_error = 1000 * abs(test.energies - train.energies.mean()).mean()
print(f"{'model':24}{'description':14}{'function':12}{'forces, meV/Å':>14}{'energy, meV':>13}")
print(f"{'none: zero and mean':24}{'none':14}{'fixed':12}{force_error:14.0f}{energy_error:13.0f}")

# %% [markdown]
# ## One bond
#
# Nine atoms are many. Two are enough for today: two hydrogen atoms at the distance $x$. Their energy looks like a well, and Morse wrote down a formula for it:
#
# $$ E(x) = D \left(1 - e^{-a (x - x_e)}\right)^2 - D $$
#
# $x_e$ is the place of the minimum, $D$ its depth, $a$ says how narrow it is. The numbers for H₂ follow from measured spectra (Huber and Herzberg, 1979): the bond length, the wave number of the vibration, 4401 cm⁻¹, and the energy that breaks the bond.
#
# (In a docstring of this course the shape of a tensor stands behind its name: `()` is a single number, `(3,)` a row of three.)

# %%
D, a, x_e = 4.747, 1.944, 0.7414  # eV, 1/Å, Å


def morse(x):
    """Energy of two hydrogen atoms at the distance x. Two atoms that are far apart have the energy 0.

    x        ()   Angstrom
    returns  ()   eV
    """
    return D * (1 - torch.exp(-a * (x - x_e))) ** 2 - D


for distance in (0.5, 0.7414, 1.2, 4.0):
    print(f"x = {distance:.2f} Å   E = {morse(torch.tensor(distance)):7.3f} eV")

# %% [markdown]
# A force says where the atoms want to go: downhill. It is minus the slope of the energy, in eV/Å.
#
# $$ F(x) = -\frac{dE}{dx} $$
#
# **Predict.** The two atoms are 1.2 Å apart. Which sign has $F$?
#
# (This is a *predict* cell. Write the number of your choice in place of `None` and run it. Nobody grades it. It stays in your notebook, and the experiment below shows it again.)

# %%
prediction = predict("0.1a", ["positive: x wants to grow", "negative: x wants to shrink", "zero"], answer=None)

# %% [markdown]
# There are three ways to a slope.
#
# *By hand.* With $y = e^{-a (x - x_e)}$ the formula is $D (1 - y)^2 - D$, and the chain rule gives $dE/dx = 2 D a\,(1 - y)\,y$.
#
# *By a finite difference.* Step a little to both sides, and divide: $\bigl(E(x + h) - E(x - h)\bigr) / 2h$.
#
# *By autograd.* torch remembers how `E` was computed from `x`, and walks back along that way with the chain rule.

# %%
x = torch.tensor(1.2, requires_grad=True)  # "remember what is computed from this"
E = morse(x)
(slope,) = torch.autograd.grad(E, x)  # a tuple: one slope for each thing that we ask about

y = torch.exp(-a * (torch.tensor(1.2) - x_e))
by_hand = 2 * D * a * (1 - y) * y

h = 1e-3
by_difference = (morse(torch.tensor(1.2 + h)) - morse(torch.tensor(1.2 - h))) / (2 * h)

print(f"by hand {by_hand:.9f}   by difference {by_difference:.9f}   by autograd {slope:.9f}   eV/Å")
prediction.compare(f"F = {-slope:.2f} eV/Å")

# %% [markdown]
# Autograd and the hand agree to the last digit. The difference is off in the sixth decimal, because the curve bends between $x - h$ and $x + h$. So take a smaller step?
#
# **Predict.** Which step gives the smallest error?

# %%
prediction = predict("0.1b", ["1e-2", "1e-5", "1e-9", "1e-14"], answer=None)


# %%
def error_with(h):
    """How far the finite difference with the step h is from the slope, eV/Å."""
    right, left = morse(torch.tensor(1.2 + h)), morse(torch.tensor(1.2 - h))
    return abs((right - left) / (2 * h) - by_hand)


for k in range(1, 15):
    print(f"h = {10.0**-k:.0e} Å   error {error_with(10.0**-k):.0e} eV/Å")
prediction.compare(min(["1e-2", "1e-5", "1e-9", "1e-14"], key=lambda h: error_with(float(h))))

# %% [markdown]
# A smaller step is better, until it is worse. Two energies that are almost equal lose their leading digits when they are subtracted, and the small step blows up what is left.
# Autograd has no step and subtracts nothing. And for $N$ atoms it gives all $3N$ forces for about the price of a few energies; finite differences need $6N$ energies. All forces of this course come from autograd.

# %% [markdown]
# ## Where the way back is lost
#
# torch can only walk back if nobody has cut the way. Here is the same energy four times.

# %%
ways = {
    "morse(x)": morse(x),
    "torch.tensor(morse(x).item())": torch.tensor(morse(x).item()),
    "morse(x.detach())": morse(x.detach()),
    "morse(torch.tensor(x.item()))": morse(torch.tensor(x.item())),
}
for way, E in ways.items():
    print(f"{way:32} E = {E:.4f} eV   knows where it came from: {E.requires_grad}")
try:
    torch.autograd.grad(ways["morse(x.detach())"], x)
except RuntimeError as error:
    print("\nAsked for its slope, torch says:", error)

# %% [markdown]
# Four equal numbers, and only the first has a slope. `.item()`, `float(...)`, `torch.tensor(...)` and `.detach()` make plain numbers, for printing or plotting. Remember this message: "does not require grad" means that the way was cut, or that nobody asked torch to remember.

# %% [markdown]
# ## How exercises work
#
# Each exercise is one function for you to write, and a check that calls it with its own inputs. You see a green line, or a sentence about what is wrong. Nothing that you do can break the course. Four tools:
#
# - `check("0.1", force)` looks at your function. As long as it is not right, the cell stays red, and "Run All" stops there. That is meant to be so.
# - `hint("0.1")` gives a hint; called again, the next one, which is stronger.
# - `stuck("0.1")` hands over the library's version, so that you can go on. It is worth 0 points.
# - `predict(...)` you have met.
#
# Here is somebody's answer to the exercise below, and what the check says about it. It is wrong on purpose.


# %%
def somebody(energy_fn, x):
    return -energy_fn(x)


print(find("0.1").examine([somebody]).text())

# %% [markdown]
# And here is the first hint, and the library's version, which works like yours will:

# %%
hint("0.1")
force_of_library = stuck("0.1")
print(f"force of the library at 1.2 Å: {force_of_library(morse, torch.tensor(1.2)):.4f} eV/Å")

# %% [markdown]
# ## 0.1 The force  ●○○  5 min
#
# Your turn. Write `force`: minus the slope of **any** energy function, by autograd.
#
# The tensor `x` that you get may be anything: it may not require a gradient, it may have been used before, it may hold an integer. So begin with a copy of your own: `x.detach().double()` is one, and `.requires_grad_(True)` tells torch to remember it.


# %%
# exercise 0.1
def force(energy_fn, x):
    """F = -dE/dx.

    energy_fn  a function: x () -> energy (), eV
    x          ()   Angstrom, a tensor of one number
    returns    ()   eV/Angstrom
    """
    ### BEGIN SOLUTION
    x = x.detach().double().requires_grad_(True)  # a copy of our own, and torch remembers
    energy = energy_fn(x)
    (slope,) = torch.autograd.grad(energy, x)
    return -slope
    ### END SOLUTION


# %%
check("0.1", force)

# %% [markdown]
# ## See your force
#
# Your `force` draws the orange line: it passes through the point on the curve and has the slope $-F$. If `force` is right, it is the tangent. Move the slider, with the mouse or with the arrow keys.
#
# 1. Find the place where the force is zero. Which number of the formula is it?
# 2. Where is the pull strongest? Look at the line there: what does the curve do?
# 3. The dotted curve is not a formula. It is quantum chemistry, solved exactly in its basis set (full CI). Where does the formula follow it, and where not?

# %%
tangent(morse, force)

# %% [markdown]
# <details><summary>Compare</summary>
#
# 1. At 0.74 Å, that is $x_e$.
# 2. At about 1.10 Å: the curve is steepest where it stops bending up and begins to bend down.
# 3. Around the minimum they agree within 0.06 eV. There the formula is nearer to nature: it was made from measurements, and the basis set of the calculation misses 0.05 eV of the bond. Near 2.1 Å the formula lies too low, by 0.2 eV, and that is its own fault.
#
# </details>

# %% [markdown]
# ## Units
#
# The whole course uses the units of ASE: Å for lengths, eV for energies, eV/Å for forces. Papers use others. These few lines are worth a bookmark.

# %%
print(f"1 Hartree   = {units.Hartree:8.4f} eV")
print(f"1 eV        = {units.mol / units.kcal:8.3f} kcal/mol = {units.mol / units.kJ:.2f} kJ/mol")
print(f"1 kcal/mol  = {1000 * units.kcal / units.mol:8.1f} meV, often called chemical accuracy")
print(f"kT at 300 K = {1000 * units.kB * 300:8.1f} meV")
print(f"1 Hartree/Bohr = {units.Hartree / units.Bohr:.2f} eV/Å")

# %% [markdown]
# ## Bug hunt (optional)  ●●○
#
# This function walks downhill along the force, so it should come to rest at the minimum, at 0.7414 Å. It never does. What is wrong? (The check of 0.1 has a case for it.)


# %%
def relax(energy_fn, x, n_steps, step=0.01):
    """Steps along the force. There is one bug."""
    x = torch.tensor(x, requires_grad=True)
    path = []
    for _ in range(n_steps):
        energy_fn(x).backward()
        with torch.no_grad():
            x -= step * x.grad
        path.append(x.item())
    return path


path = relax(morse, 0.9, n_steps=60)
print("the last positions, Å:", [round(x, 3) for x in path[-6:]])
_, ax = plt.subplots(figsize=(6, 2.4))
ax.plot(path, ".-")
ax.axhline(x_e, color="0.4", linewidth=1)
ax.set(xlabel="step", ylabel="x, Å")
plt.show()

# %% [markdown]
# <details><summary>The answer</summary>
#
# `backward()` adds to `x.grad`; it does not replace it. Each step uses the sum of all slopes so far, and the atom swings to and fro like a ball without friction. `x.grad = None` (or `x.grad.zero_()`) at the end of the loop cures it. With `torch.autograd.grad` there is nothing to forget.
# In training loops this line is `optimizer.zero_grad()`.
#
# </details>

# %% [markdown]
# ## What broke?
#
# The Morse formula. Here it is beside the exact curve, in numbers:

# %%
scan = course.load("scans").group("h2_fci")
exact = scan.energies - scan.energies[-1]  # the last two atoms are 5 Å apart
differences = {}
for r, E in zip(scan.coordinate.round(2).tolist(), exact, strict=True):
    differences[r] = float(morse(torch.tensor(r))) - E
    if r in (0.5, 0.75, 1.0, 1.5, 2.1, 3.0):
        print(f"x = {r:.2f} Å   full CI {E:7.3f} eV   Morse is off by {differences[r]:+.3f} eV")
worst = min(difference for r, difference in differences.items() if r > 0.6)
print(f"largest error beyond 0.6 Å: {worst:.3f} eV, that is {abs(worst) / (units.kB * 300):.0f} kT at 300 K")

# %% [markdown]
# Somebody chose this form in 1929. Three numbers fix it: place, width and depth of the well. Then the rest of the curve has no freedom left. More data cannot help: the *function* is fixed. And ethanol has not one distance, but 27 coordinates.
#
# Day 1 goes on from here: fixed formulas for bonds, angles and torsions, all parameters fitted to quantum chemistry, and an error that no data removes.
#
# **In five lines**
#
# - The course has two questions: how to **describe** an atom, and which **function** makes an energy of the description. Each answer is fixed, or learned.
# - A **force** is minus the slope of the energy, $F = -dE/dx$, in eV/Å.
# - **Autograd** walks back along the computation: exact, without a step, all forces at once.
# - `.item()`, `float()`, `torch.tensor()` and `.detach()` **cut the way back**. `backward()` adds to `.grad`.
# - `check`, `hint`, `stuck` and `predict` are yours on every day.
#
# **Further reading**
#
# - P. M. Morse, *Diatomic molecules according to the wave mechanics. II. Vibrational levels*, Phys. Rev. 1929, 34, 57, [doi:10.1103/PhysRev.34.57](https://doi.org/10.1103/PhysRev.34.57). The formula.
# - K. P. Huber and G. Herzberg, *Molecular Spectra and Molecular Structure IV. Constants of Diatomic Molecules*, 1979, [doi:10.1007/978-1-4757-0961-2](https://doi.org/10.1007/978-1-4757-0961-2). The numbers for H₂.
# - A. G. Baydin, B. A. Pearlmutter, A. A. Radul, J. M. Siskind, *Automatic differentiation in machine learning: a survey*, J. Mach. Learn. Res. 2018, 18(153), [arXiv:1502.05767](https://doi.org/10.48550/arXiv.1502.05767). How autograd works.
# - J. Behler, *Four generations of high-dimensional neural network potentials*, Chem. Rev. 2021, 121, 10037, [doi:10.1021/acs.chemrev.0c00868](https://doi.org/10.1021/acs.chemrev.0c00868). Where the course leads, by one who began it.

# %% tags=["instructor"]
curvature = torch.func.grad(torch.func.grad(morse))(torch.tensor(x_e))
reduced_mass = 1.00782503 / 2  # amu, of two atoms of hydrogen-1
vibration = float(units._hbar * units.J * units.s * (curvature / reduced_mass) ** 0.5 / units.invcm)
print(f"no model, force error on the test frames: {force_error:.0f} ± 1 meV/Å")
print(f"no model, energy error on the test frames: {energy_error:.0f} ± 1 meV")
print(f"slope at 1.2 Å: {by_hand:.4f} ± 0.0001 eV/Å")
print(f"error of the finite difference with h = 0.001 Å: {error_with(1e-3):.1e} eV/Å, within a factor of 1.1")
best = min((10.0**-k for k in range(1, 15)), key=error_with)
print(f"best step of the finite difference: {best:.0e} Å, within a factor of 10")
print(f"largest error of the Morse curve beyond 0.6 Å: {worst:.3f} ± 0.001 eV")
print(f"wave number of the Morse curve (measured 4401): {vibration:.0f} ± 2 per cm")

"""Still pictures: molecules as graphs, messages on them, trainings and their errors.

Every function draws into the axes that it is given, or makes a figure, and returns the axes.
Colours that mean something are Okabe and Ito's, which colour-blind readers can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.patches import FancyArrowPatch
from matplotlib.ticker import LogLocator, MaxNLocator
from numpy.typing import ArrayLike
from torch import Tensor

from course.datasets import Dataset
from course.graph import Graph, is_bond
from course.models.message_passing import MessageTrace
from course.potential import Potential
from course.training import Errors, History, predict, samples

BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
CYCLE = [BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY]


# ----------------------------------------------------------------------------- molecules and messages


def best_view(positions: ArrayLike) -> np.ndarray:
    """The axes of the view (3, 3) in which no atom hides another: right, up, and towards the reader."""
    centred = np.asarray(positions, dtype=float) - np.mean(np.asarray(positions, dtype=float), axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=True)  # the first two span the widest view
    axes[2] *= np.sign(np.linalg.det(axes))  # a turn, no mirror
    widest = centred @ axes.T
    if len(widest) < 3 or np.ptp(widest[:, 2]) < 0.1:
        return axes
    turns = [turn(about_x, about_y) for about_x in range(-40, 41, 10) for about_y in range(-40, 41, 10)]
    first, second = np.triu_indices(len(widest), k=1)

    def smallest_gap(rotation: np.ndarray) -> float:
        xy = (widest @ rotation.T)[:, :2]
        return np.linalg.norm(xy[first] - xy[second], axis=1).min()

    return max(turns, key=smallest_gap) @ axes


def flatten(positions: ArrayLike, view: np.ndarray | None = None) -> np.ndarray:
    """Positions as a picture, (n_atoms, 2): seen from the side where no atom hides another, or along a `best_view`."""
    positions = np.asarray(positions, dtype=float)
    axes = best_view(positions) if view is None else view
    return (positions - positions.mean(axis=0)) @ axes[:2].T


def turn(about_x: float, about_y: float) -> np.ndarray:
    """The rotation (3, 3) about the x axis, then about the y axis; degrees."""
    cos_x, sin_x, cos_y, sin_y = (f(np.radians(angle)) for angle in (about_x, about_y) for f in (np.cos, np.sin))
    X = np.array([[1, 0, 0], [0, cos_x, -sin_x], [0, sin_x, cos_x]])
    Y = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
    return Y @ X


def bonded(numbers: ArrayLike, positions: ArrayLike) -> np.ndarray:
    """Who is joined by a chemical bond, (n_atoms, n_atoms), by the rule of `is_bond`."""
    Z, R = torch.tensor(np.asarray(numbers)), torch.tensor(np.asarray(positions, dtype=float))
    close = is_bond(Z[:, None], Z, torch.linalg.vector_norm(R[:, None] - R, dim=2))
    return close.numpy() & ~np.eye(len(R), dtype=bool)


def draw_molecule(
    numbers: ArrayLike,
    positions: ArrayLike,
    values: ArrayLike | None = None,
    label: str = "",
    limits: tuple[float, float] | None = None,
    bonds: bool = True,
    view: np.ndarray | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Atoms as discs with their element symbols, their indices beside them, and thin lines for bonds.

    values  (n_atoms,)  colours the discs by a number instead of the element; NaN is white
    label               names the number, on a colour bar; without a label there is none
    limits              the numbers at the ends of the colours
    view    (3, 3)      the axes of the picture; left out: `best_view`
    """
    ax = ax or new_axes()
    xy, numbers, positions = flatten(positions, view), np.asarray(numbers), np.asarray(positions, dtype=float)
    low, high = limits or (None, None)
    colors = jmol_colors[numbers]
    area = 900 * covalent_radii[numbers] ** 0.8
    if values is not None:
        scale = ScalarMappable(Normalize(low, high), "cividis")
        values = np.asarray(values, dtype=float)
        colors = np.where(np.isnan(values)[:, None], 1.0, scale.to_rgba(values)[:, :3])
        if label:
            ax.figure.colorbar(scale, ax=ax, label=label, shrink=0.8)
    if bonds:
        for i, j in np.argwhere(np.triu(bonded(numbers, positions))):
            ax.plot(*xy[[i, j]].T, color="0.75", linewidth=3, zorder=0)
    small: dict[str, Any] = {"color": "0.35", "fontsize": 8, "zorder": 4}
    ax.scatter(xy[:, 0], xy[:, 1], s=area, c=colors, edgecolors="0.2", linewidths=1.2, zorder=3)
    for index, (point, number, color, radius) in enumerate(zip(xy, numbers, colors, np.sqrt(area) / 2, strict=True)):
        ink = "black" if color @ [0.3, 0.6, 0.1] > 0.45 else "white"
        ax.annotate(chemical_symbols[number], point, ha="center", va="center", zorder=4, color=ink, fontweight="bold")
        ax.annotate(str(index), point, xytext=(0.8 * radius, 0.6 * radius), textcoords="offset points", **small)
    ax.set_aspect("equal")
    ax.margins(0.18)
    ax.set_axis_off()
    return ax


def draw_forces(
    positions: ArrayLike, forces: ArrayLike, scale: float, view: np.ndarray | None = None, ax: Axes | None = None
) -> Axes:
    """Forces (n_atoms, 3) as arrows on a molecule that is drawn already; 1 Angstrom of arrow is `scale` eV/Angstrom."""
    ax = ax or new_axes()
    view = best_view(positions) if view is None else view
    tails, arrows = flatten(positions, view), np.asarray(forces, dtype=float) @ view[:2].T / scale
    how: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.008, "zorder": 3.5}
    is_seen = np.linalg.norm(arrows, axis=1) > 0.05  # of shorter ones only a speck on the letter would be seen
    ax.quiver(*tails[is_seen].T, *arrows[is_seen].T, color=VERMILION, edgecolor="white", linewidth=0.5, **how)
    ax.update_datalim(tails + arrows)
    ax.autoscale_view()
    return ax


def draw_graph(
    atoms: Atoms, senders: ArrayLike, receivers: ArrayLike, weights: ArrayLike | None = None, ax: Axes | None = None
) -> Axes:
    """A molecule with its edges as straight lines; `weights` (n_edges,), for example f_c, fades them."""
    ax = draw_molecule(atoms.numbers, atoms.positions, bonds=False, ax=ax)
    xy = flatten(atoms.positions)
    edges = np.stack([np.asarray(senders, dtype=int), np.asarray(receivers, dtype=int)], axis=1)
    weights = np.ones(len(edges)) if weights is None else np.asarray(weights, dtype=float)
    grey = np.column_stack([np.full((len(edges), 3), 0.4), 0.15 + 0.75 * weights])  # red, green, blue, opacity
    ax.add_collection(LineCollection(xy[edges], colors=grey, linewidth=1.5, zorder=1))
    return ax


def draw_messages(
    graph: Graph, messages: Tensor, listener: int | None = None, loudest: int | None = None, ax: Axes | None = None
) -> Axes:
    """Messages as arrows from sender to receiver; thickness is |m_ji|, colour is the sender's.

    messages  (n_edges, n_m)
    listener  draws only the messages that arrive at this atom
    loudest   draws only so many
    """
    ax = draw_molecule(graph.numbers, graph.positions, bonds=False, ax=ax)
    xy, strength = flatten(graph.positions), torch.linalg.vector_norm(messages.detach(), dim=1)
    strength = strength.nan_to_num(0.0, posinf=0.0)
    strength = strength / max([1e-12, *strength.tolist()])
    if loudest is not None and loudest < len(strength):
        strength = torch.where(strength >= strength.sort().values[-loudest], strength, 0.0)
    for j, i, weight in zip(graph.senders.tolist(), graph.receivers.tolist(), strength.tolist(), strict=True):
        if listener in (None, i) and weight > 0.01:
            arrow = FancyArrowPatch(
                xy[j],
                xy[i],
                arrowstyle="-|>",
                connectionstyle="arc3,rad=0.15",  # bent, so that there and back do not cover each other
                mutation_scale=6 + 8 * weight,
                shrinkA=11,
                shrinkB=11,
            )
            arrow.set(linewidth=0.3 + 3.2 * weight, color=CYCLE[j % len(CYCLE)], alpha=0.75, zorder=2)
            ax.add_patch(arrow)
    return ax


def draw_rounds(graph: Graph, trace: MessageTrace, loudest: int | None = None) -> np.ndarray:
    """The messages of every round above, the node features after it below, all on one scale of colours."""
    n_rounds = len(trace.rounds)
    _, axes = plt.subplots(2, n_rounds, figsize=(4.6 * n_rounds, 6.4), squeeze=False, height_ratios=[3, 2])
    after = [*(state.x_i for state in trace.rounds[1:]), trace.x_i]
    limit = float(torch.cat(after).detach().abs().quantile(0.98))  # a few loud features would hide the others
    for t, (state, x_i) in enumerate(zip(trace.rounds, after, strict=True)):
        draw_messages(graph, state.m_ji, loudest=loudest, ax=axes[0, t]).set_title(f"round {t + 1}: messages")
        draw_features(x_i, graph.numbers, limit, ax=axes[1, t]).set_title(f"node features after round {t + 1}")
    return axes


def draw_features(x: Tensor, numbers: ArrayLike, limit: float | None = None, ax: Axes | None = None) -> Axes:
    """Node features as a table of colours, from -limit to limit: one row an atom, one column a feature."""
    ax = ax or new_axes(width=6.0, height=0.28 * len(x) + 1)
    table = x.detach().numpy()
    limit = limit or np.abs(table).max() or 1.0
    picture = ax.imshow(table, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest")
    ax.set_yticks(range(len(table)), [f"{chemical_symbols[z]}{k}" for k, z in enumerate(np.asarray(numbers))])
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("feature")
    ax.figure.colorbar(picture, ax=ax, shrink=0.8)
    return ax


# ----------------------------------------------------------------------------- trainings


def plot_history(history: History, ax: Axes | None = None) -> Axes:
    """Force and energy errors on the validation data over the seconds of training."""
    ax = ax or new_axes()
    seconds = history.column("seconds")
    ax.semilogy(seconds, history.column("force_mae"), ".-", color=BLUE, label="forces, meV/Å")
    ax.semilogy(seconds, history.column("energy_mae"), ".-", color=ORANGE, label="energy, meV")
    ax.set(xlabel="seconds of training", ylabel="validation MAE")
    plain_ticks(ax.yaxis)
    ax.grid(which="both", color="0.9")
    ax.legend()
    return ax


def plot_parity(potential: Potential, dataset: Dataset) -> np.ndarray:
    """Predicted against reference energies and forces; the closer to the diagonal, the better. Returns two axes."""
    members = samples(dataset, potential.cutoff)
    energies, forces = predict(potential, members)
    e_ref, f_ref = (
        torch.cat([member.energy for member in members]).numpy(),
        torch.cat([member.forces for member in members]).numpy(),
    )
    _, axes = plt.subplots(1, 2, figsize=(9, 4.2))
    zero = e_ref.mean()
    panels = [
        ("energy - mean, eV", e_ref - zero, energies.numpy() - zero, "meV"),
        ("force components, eV/Å", f_ref.ravel(), forces.numpy().ravel(), "meV/Å"),
    ]
    for ax, (what, reference, predicted, unit) in zip(axes, panels, strict=True):
        ax.plot(reference, predicted, ".", markersize=3, alpha=0.4, color=BLUE, rasterized=True)
        ends = [min(reference.min(), predicted.min()), max(reference.max(), predicted.max())]
        ax.plot(ends, ends, color="0.3", linewidth=1)
        mae = 1000 * np.abs(predicted - reference).mean()
        ax.set(xlabel=f"reference {what}", ylabel=f"predicted {what}", title=f"MAE {mae:.1f} {unit}")
    return axes


def plot_learning_curves(curves: Mapping[str, Mapping[int, Sequence[Errors]]], ax: Axes | None = None) -> Axes:
    """Force error against the number of training frames, both logarithmic.

    curves  name -> number of frames -> errors, one an independent training; the bar is their range
    """
    ax = ax or new_axes()
    styles = [(color, line) for line in ("-", "--", ":") for color in CYCLE]
    for (name, curve), (color, line) in zip(curves.items(), styles, strict=False):
        sizes = sorted(curve)
        values = [np.array([errors.force_mae for errors in curve[size]]) for size in sizes]
        middle = np.array([value.mean() for value in values])
        below, above = middle - [v.min() for v in values], [v.max() for v in values] - middle
        ax.errorbar(sizes, middle, yerr=[below, above], marker="o", linestyle=line, capsize=3, color=color, label=name)
    sizes = sorted({size for curve in curves.values() for size in curve})
    ax.set(xscale="log", yscale="log", xlabel="training frames", ylabel="force MAE on test frames, meV/Å")
    ax.set_xticks(sizes, [str(size) for size in sizes], minor=False)
    ax.minorticks_off()
    plain_ticks(ax.yaxis)
    ax.grid(color="0.9")
    ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0))
    return ax


def plain_ticks(axis: Axis) -> None:
    """50, 70, 100 on a logarithmic axis, in place of 5 x 10^1."""
    axis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("")


def new_axes(width: float = 5.5, height: float = 4.0) -> Axes:
    return plt.subplots(figsize=(width, height))[1]

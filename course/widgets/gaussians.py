"""The Gaussians of a radial description, live: two neighbours, the hills they stand on, and the row that results.

gaussians()                               the library's functions
gaussians(radial_symmetry_functions)      your own
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course.descriptors.symmetry_functions import radial_symmetry_functions
from course.radial import cosine_cutoff, gaussian_basis
from course.widgets.lab import Bars, Curves, Lab, Panel, Slider, Words

MERGED = 0.05  # rows that differ by less, relative to their length, count as one
HOLE = 0.05  # a neighbour under whom no Gaussian is higher stands in a hole

Functions = Callable[[Tensor, Tensor, float, float], Any]  # distances, centers, eta, cutoff -> (n_radial,)


def gaussians(function: Functions = radial_symmetry_functions) -> Lab:
    """Sliders for two neighbours, eta, the number of Gaussians and the cutoff.

    function  (distances, centers, eta, cutoff) -> (n_radial,); the bars come from it
    """

    def picture(first: float, second: float, eta: float, number: int, cutoff: float) -> list[Panel]:
        centers = torch.linspace(0, cutoff, number, dtype=torch.float64)
        both = torch.tensor([first, second], dtype=torch.float64)
        between = both.mean().repeat(2)
        two, one = (row_of(function, r, centers, eta, cutoff) for r in (both, between))
        return [
            Words(verdict(both, two, one, centers, eta, cutoff)),
            hills(both, centers, eta, cutoff),
            Bars(
                "the row of the atom",
                {"these two": two, "both half way": one},
                "centre R, Å",
                "G",
                names=[f"{R:.1f}" for R in centers.tolist()],
            ),
        ]

    return Lab(
        picture,
        title="What the Gaussians see",
        first=Slider(1.2, 0.6, 6.0, 0.05, unit="Å", label="first neighbour"),
        second=Slider(1.6, 0.6, 6.0, 0.05, unit="Å", label="second neighbour"),
        eta=Slider(4.0, 0.25, 60.0, 0.25, unit="1/Å²", label="sharpness η"),
        number=Slider(8, 2, 20, 1, label="number of Gaussians"),
        cutoff=Slider(4.0, 2.0, 6.0, 0.1, unit="Å", label="cutoff"),
    )


def row_of(function: Functions, r: Tensor, centers: Tensor, eta: float, cutoff: float) -> np.ndarray:
    """The answer of a function, (n_radial,). Raises ValueError for another shape."""
    row = torch.as_tensor(function(r, centers, eta, cutoff)).detach().numpy().astype(float)
    if row.shape != (len(centers),):
        raise ValueError(f"The function returned shape {row.shape}, expected ({len(centers)},): one number a Gaussian.")
    return row


def hills(both: Tensor, centers: Tensor, eta: float, cutoff: float) -> Curves:
    """The faded Gaussians as one line with gaps, f_c, and a post for each neighbour."""
    r = torch.linspace(0, cutoff, 161, dtype=torch.float64)
    f_c = cosine_cutoff(r, cutoff)
    faded = (gaussian_basis(r, centers, eta) * f_c[:, None]).T.tolist()  # (n_radial, 161)
    parts = [("Gaussians times f_c", r.tolist(), hill) for hill in faded]
    parts += [("f_c", r.tolist(), f_c.tolist())]
    parts += [("the two neighbours", [d, d], [0.0, 1.0]) for d in both.tolist()]
    x = [value for _, along, _ in parts for value in [*along, along[-1]]]
    lines = {
        name: [value for other, _, y in parts for value in (y if other == name else [np.nan] * len(y)) + [np.nan]]
        for name in dict.fromkeys(name for name, _, _ in parts)
    }
    return Curves("Gaussians and neighbours", x, lines, "distance r, Å", "weight")


def verdict(both: Tensor, two: np.ndarray, one: np.ndarray, centers: Tensor, eta: float, cutoff: float) -> str:
    """Which two environments are one for a network that reads these bars."""
    loudest = gaussian_basis(both, centers, eta).amax(dim=1)  # of all Gaussians at each neighbour
    names = [f"{d:.2f} Å" for d in both.tolist()]
    inside = [d < cutoff for d in both.tolist()]
    if not any(inside):
        return "Both neighbours are outside the cutoff. The row is zero: an atom alone."
    for name, height, seen in zip(names, loudest.tolist(), inside, strict=True):
        if seen and height < HOLE:
            return (
                f"The neighbour at {name} stands in a hole: no Gaussian is higher than {100 * height:.1g} % there. "
                "It could move a little, and hardly a bar would notice."
            )
    if not all(inside):
        return (
            f"The neighbour at {names[inside.index(False)]} is outside the cutoff: only the other one is in the bars."
        )
    if both[0] == both[1]:
        return "Both neighbours are at the same distance: one hump, twice as high as that of one neighbour."
    difference = np.linalg.norm(two - one) / (np.linalg.norm([two, one], axis=1).max() + 1e-12)
    other = f"two neighbours at {float(both.mean()):.2f} Å"
    said = f"differ by {100 * difference:.0f} %" if difference > 0.1 else f"differ by {100 * difference:.1f} %"
    if difference < MERGED:
        return f"Merged: neighbours at {names[0]} and {names[1]}, and {other}, {said}. That is almost one hump."
    return f"Told apart: neighbours at {names[0]} and {names[1]}, and {other}, {said}."

"""The live Gaussians without a browser: hills, bars, and the sentence."""

from typing import Any

import numpy as np
import pytest
import torch

from course.radial import cosine_cutoff, radial_grid
from course.widgets.gaussians import gaussians
from course.widgets.lab import Lab


def panels(lab: Lab, **state: Any) -> dict[str, Any]:
    lab.state = {**lab.state, **state}
    assert not lab.answer["problem"]
    return {panel["kind"]: panel for panel in lab.answer["panels"]}


def series(panel: dict[str, Any]) -> dict[str, np.ndarray]:
    return {one["label"]: np.array(one["values"], dtype=float) for one in panel["series"]}


def test_bars_are_the_sum_of_two_hills():
    first, second, r_c = 1.1, 2.3, 4.0
    shown = panels(gaussians(), first=first, second=second, eta=3.0, number=5, cutoff=r_c)
    centers = radial_grid(r_c, 5)[0].numpy()
    f_c = cosine_cutoff(torch.tensor([first, second, (first + second) / 2]), r_c).numpy()
    each = np.exp(-3 * (np.array([[first], [second], [(first + second) / 2]]) - centers) ** 2) * f_c[:, None]
    bars = series(shown["bars"])
    assert bars["these two"] == pytest.approx(each[0] + each[1], abs=1e-6)
    assert bars["both half way"] == pytest.approx(2 * each[2], abs=1e-6)


def test_every_hill_is_drawn_under_the_cutoff_function_and_every_neighbour_has_a_post():
    curves = panels(gaussians(), number=6, cutoff=3.0, first=1.0, second=2.2)["curves"]
    x, lines = np.array(curves["x"]), series(curves)
    assert {len(line) for line in lines.values()} == {len(x)}
    hills, f_c, posts = lines.values()
    assert np.isfinite(hills).sum() == 6 * np.isfinite(f_c).sum()
    f_c_at = np.interp(x, x[np.isfinite(f_c)], f_c[np.isfinite(f_c)])
    assert (hills <= f_c_at + 1e-9)[np.isfinite(hills)].all()
    assert x[np.isfinite(posts)].tolist() == [1.0, 1.0, 2.2, 2.2]
    for line in lines.values():  # no line runs from one part to the next
        assert (np.diff(x)[np.isfinite(line[:-1]) & np.isfinite(line[1:])] >= 0).all()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (
            {"first": 1.4, "second": 1.6, "eta": 1.0},
            "Merged: neighbours at 1.40 Å and 1.60 Å, and two neighbours at 1.5",
        ),
        ({"first": 1.2, "second": 2.2, "eta": 4.0}, "Told apart: neighbours at 1.20 Å and 2.20 Å"),
        ({"first": 1.45, "second": 2.2, "eta": 60.0}, "The neighbour at 1.45 Å stands in a hole"),
        ({"first": 1.2, "second": 5.0, "eta": 4.0}, "The neighbour at 5.00 Å is outside the cutoff"),
        ({"first": 4.5, "second": 5.0, "eta": 4.0}, "Both neighbours are outside the cutoff"),
        ({"first": 1.5, "second": 1.5, "eta": 4.0}, "one hump, twice as high"),
    ],
)
def test_the_sentence_says_who_is_told_from_whom(state, words):
    assert words in panels(gaussians(), number=8, cutoff=4.0, **state)["words"]["text"]


def test_the_bars_come_from_the_function_of_the_learner():
    def numbered(distances, centers, eta, cutoff):
        return list(range(len(centers)))

    assert series(panels(gaussians(numbered), number=4)["bars"])["these two"].tolist() == [0, 1, 2, 3]

    def rows(distances, centers, eta, cutoff):
        return torch.zeros(2, len(centers))

    assert "returned shape (2, 8), expected (8,): one number a Gaussian" in gaussians(rows).answer["problem"]

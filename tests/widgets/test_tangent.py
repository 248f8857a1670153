"""The tangent of an energy curve: its slope is minus what `force` says, right or wrong."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import units
from torch import Tensor

from course.exercises.day0 import force
from course.widgets.lab import Lab
from course.widgets.tangent import HALF, tangent

SOLUTION = Path(__file__).parents[2] / "solutions" / "day0_getting_started.py"
(NUMBERS,) = re.findall(
    r"^D, a, x_e = ([\d.]+), ([\d.]+), ([\d.]+)", SOLUTION.read_text(encoding="utf-8"), re.MULTILINE
)
D, A, X_E = map(float, NUMBERS)


@pytest.fixture(autouse=True)
def as_in_the_notebook() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def morse(x: Tensor) -> Tensor:
    return D * (1 - torch.exp(-A * (x - X_E))) ** 2 - D


def lines(lab: Lab) -> dict[str, np.ndarray]:
    """The curves, NaN where they have gaps, and their x."""
    assert not lab.answer["problem"]
    panel = lab.answer["panels"][1]
    curves = {each["label"]: np.array(each["values"], dtype=float) for each in panel["series"]}
    return {"x": np.array(panel["x"]), **curves}


def test_the_parameters_are_those_of_measured_spectra() -> None:
    """Huber and Herzberg 1979: bond length, vibration and its anharmonicity, energy that breaks the bond; H2."""
    r_e, omega_e, omega_x_e, D_0 = 0.74144, 4401.21, 121.33, 4.4781  # Angstrom, 1/cm, 1/cm, eV
    D_e = D_0 + (omega_e / 2 - omega_x_e / 4) * units.invcm  # from the bottom of the well, not from its lowest level
    hbar = units._hbar * units.J * units.s
    k = (1.00782503 / 2) * (omega_e * units.invcm / hbar) ** 2  # reduced mass times omega squared, eV/Angstrom^2
    measured = (D_e, np.sqrt(k / (2 * D_e)), r_e)
    assert np.allclose((D, A, X_E), measured, rtol=3e-4, atol=0)


@pytest.mark.parametrize("x", [0.55, 0.74, 1.2, 3.4])
def test_the_line_is_the_tangent(x: float) -> None:
    curves = lines(tangent(morse, force, x))
    r, line = curves["x"], curves["line of slope −F"]
    drawn = ~np.isnan(line)
    assert np.abs(r[drawn] - x).max() <= HALF
    slope, at_zero = np.polyfit(r[drawn], line[drawn], 1)
    y = np.exp(-A * (x - X_E))
    assert slope == pytest.approx(2 * D * A * (1 - y) * y, abs=1e-9)
    assert at_zero + slope * x == pytest.approx(float(morse(torch.tensor(x))), abs=1e-9)


def test_a_wrong_force_is_seen() -> None:
    wrong = lines(tangent(morse, lambda energy_fn, x: -force(energy_fn, x)))["line of slope −F"]
    right = lines(tangent(morse, force))["line of slope −F"]
    assert np.nanmax(np.abs(wrong - right)) > 1


def test_full_ci_goes_through_the_data_and_ends_at_zero() -> None:
    curves = lines(tangent(morse, force))
    r, exact = curves["x"], curves["full CI"]
    assert exact.min() == pytest.approx(-4.699, abs=0.002) and abs(r[exact.argmin()] - 0.743) < 0.02
    assert abs(exact[-1]) < 0.01


@pytest.mark.parametrize(("x", "words"), [(0.6, "pushed away"), (0.74, "hardly a force"), (2.0, "pulled back")])
def test_in_words(x: float, words: str) -> None:
    lab = tangent(morse, force, x)
    assert words in lab.in_words()
    F = float(force(morse, torch.tensor(x)))
    assert f"{F:.3f} eV/Å".replace("-", "−") in lab.in_words()
    assert lab.answer["panels"][2]["forces"] == [[0, 0, 0], [F, 0, 0]]


def returns_nothing(energy_fn: object, x: object) -> None:
    pass


def not_written(energy_fn: object, x: object) -> Tensor:
    raise NotImplementedError("0.1 force: not written yet")


@pytest.mark.parametrize(
    ("function", "words"), [(not_written, "0.1 force: not written yet"), (returns_nothing, "None")]
)
def test_a_force_that_does_not_work_yet(function: Callable[..., Tensor], words: str) -> None:
    assert words in tangent(morse, function).answer["problem"]

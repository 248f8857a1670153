"""The model without geometry."""

import numpy as np
import pytest
import torch
from ase.build import molecule

from course import Composition, molecular_graph
from course.models.composition import fit_composition


def test_least_squares_finds_the_prices_that_made_the_energies():
    names, price = ["H2O", "CH4", "CH3CH2OH", "CO2", "H2"], {1: -13.6, 6: -1030.0, 8: -2040.0}
    numbers = [molecule(name).numbers for name in names]
    energies = [sum(price[z] for z in row) for row in numbers]
    assert np.allclose(fit_composition(numbers, energies, [1, 6, 8]), [-13.6, -1030.0, -2040.0])


def test_it_adds_up_and_sees_no_geometry():
    model = Composition({1: -13.6, 8: -2040.0})
    water = molecular_graph(molecule("H2O"), 3.0)
    assert model(water).sum().item() == pytest.approx(-2067.2, abs=1e-9)
    assert torch.equal(model(water), model(water.moved(2 * water.positions)))


def test_an_unknown_element_is_named():
    with pytest.raises(ValueError, match=r"Atomic numbers \[8\] are unknown.*\[1, 6\]"):
        Composition({1: 0.0, 6: 0.0})(molecular_graph(molecule("H2O"), 3.0))

"""The Behler-Parrinello network: standardised features, one network an element, saved and loaded."""

from typing import Any

import numpy as np
import pytest
import torch
from ase.build import molecule

from course import Potential, load, molecular_graph
from course.datasets import FOLDER
from course.descriptors import CoulombVector, SymmetryFunctions
from course.descriptors.symmetry_functions import Angular, Radial
from course.models.behler_parrinello import BehlerParrinello, standardize
from course.training import Sample, evaluate, fit, samples

ELEMENTS = [8, 1, 6]  # in no order
TRAIN = load("ethanol").split("train")[:20]
G4 = Angular((0.01, 0.1), (1.0, 4.0), (1.0, -1.0), 3.0)
DESCRIPTORS: dict[str, Any] = {
    "Coulomb": CoulombVector(3.0, 9),
    "radial": SymmetryFunctions.evenly_spaced(ELEMENTS, 6, 3.0),
    "radial and angular": SymmetryFunctions(ELEMENTS, Radial((0.0, 1.0), (1.0, 4.0), 3.5), G4),
    "ANI-1x": SymmetryFunctions.ani1x(ELEMENTS),
}


def potential(descriptor: Any) -> Potential:
    torch.manual_seed(0)
    return Potential.for_data(BehlerParrinello(descriptor, ELEMENTS, [7, 5]).standardize(TRAIN), TRAIN)


@pytest.mark.parametrize("name", DESCRIPTORS)
def test_a_saved_potential_comes_back_the_same(tmp_path, name):
    p = potential(DESCRIPTORS[name]).eval()
    p.save(tmp_path / "p.npz")
    torch.manual_seed(1)
    again = Potential.load(tmp_path / "p.npz")
    for expected, got in zip(p.predict(molecule("CH3CH2OH")), again.predict(molecule("CH3CH2OH")), strict=True):
        assert torch.equal(expected, got)


def test_a_description_of_ones_own_is_handed_in(tmp_path):
    class Own:
        cutoff, n_features = 2.0, 1

        def __call__(self, graph):
            return graph.positions.new_zeros(graph.n_atoms, 1).index_add(0, graph.receivers, graph.distances[:, None])

    p = potential(Own()).eval()
    p.save(tmp_path / "p.npz")
    with pytest.raises(ValueError, match="BehlerParrinello with functions of its own"):
        Potential.load(tmp_path / "p.npz")
    again = Potential.load(tmp_path / "p.npz", potential(Own()).model)
    assert torch.equal(again.predict(molecule("H2O")).energy, p.predict(molecule("H2O")).energy)


def test_standardized_columns():
    x = torch.tensor(np.random.default_rng(0).normal(size=(50, 3)) * [0.1, 1.0, 300.0] + [5.0, 0.0, -1.0])
    x = torch.cat([x, torch.full((50, 1), 7.0)], dim=1)
    new, mean, spread = standardize(x)
    torch.testing.assert_close(new.mean(dim=0), torch.zeros(4, dtype=x.dtype), atol=1e-12, rtol=0)
    torch.testing.assert_close(new.square().mean(dim=0), torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=x.dtype))
    torch.testing.assert_close(new * spread + mean, x)
    assert spread[3] == 1


def test_every_element_has_statistics_and_a_network_of_its_own():
    descriptor = DESCRIPTORS["radial"]
    model: Any = potential(descriptor).model.double()
    graph = molecular_graph(molecule("CH3CH2OH"), 3.0)
    x = descriptor(graph)
    everybody = torch.cat([descriptor(molecular_graph((f.numbers, f.positions), 3.0)) for f in TRAIN])
    numbers = torch.cat([torch.tensor(f.numbers) for f in TRAIN])
    for i, z in enumerate(graph.numbers):
        _, mean, spread = standardize(everybody[numbers == z])
        expected = model.networks[ELEMENTS.index(z)](((x[i] - mean) / spread)[None])
        torch.testing.assert_close(model(graph)[i], expected[0], atol=1e-6, rtol=1e-6)


def test_training_on_a_stored_description_is_the_same_training():
    descriptor = DESCRIPTORS["radial and angular"]
    plain = [s._replace(graph=s.graph.to(dtype=torch.float64)) for s in samples(TRAIN, 3.5, torch.float64)]
    stored = samples(TRAIN, 3.5, torch.float64, descriptor)
    assert plain[0].graph.x_i is None and stored[0].graph.x_i is not None
    weights = []
    members: list[Sample]
    for members in (plain, stored):
        p = potential(descriptor).double()
        fit(p, members[:15], members[15:], epochs=3, device="cpu", progress=False)
        weights.append(torch.cat([w.detach().ravel() for w in p.parameters()]))
    torch.testing.assert_close(weights[0], weights[1], atol=1e-9, rtol=1e-7)


def test_fit_computes_a_fixed_description_once(monkeypatch):
    p, calls, describe = potential(DESCRIPTORS["radial"]), [], SymmetryFunctions.__call__

    def counted(self, graph):
        calls.append(graph.n_molecules)
        return describe(self, graph)

    monkeypatch.setattr(SymmetryFunctions, "__call__", counted)
    fit(p, TRAIN[:8], TRAIN[8:12], epochs=5, progress=False)
    assert calls == [8, 4]


def test_the_shipped_potential_is_as_good_as_the_lesson_says():
    path = FOLDER.parent / "trained" / "ethanol_bpnn.npz"
    errors = evaluate(Potential.load(path), load("ethanol").split("test")[::4])
    assert errors.force_mae < 18 and errors.energy_mae < 3.5  # meV/Angstrom, meV
    assert path.stat().st_size < 300_000

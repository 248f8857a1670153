"""Energy and forces: the one place where atomic energies are summed and differentiated."""

from typing import Any

import numpy as np
import pytest
import torch
from ase.build import molecule

from course import MPNN, Composition, Potential, batch, load

ETHANOL = molecule("CH3CH2OH")


SMALL: dict[str, Any] = {"elements": [1, 6, 8], "n_f": 12, "n_e": 8, "n_m": 10, "T": 2, "cutoff": 3.0}


def potential(**changes: Any) -> Potential:
    torch.manual_seed(0)
    model = MPNN(**SMALL | changes)
    return Potential(model, Composition({1: -13.6, 6: -1030.0, 8: -2040.0}), scale=1.5)


def test_forces_pass_gradcheck_in_double_precision():
    p = potential().double()
    graph = p.graph(molecule("H2O"))

    def energy(R):
        return p.atomic_energies(graph.moved(R)).sum()

    R = graph.positions.clone().requires_grad_()
    assert torch.autograd.gradcheck(energy, R)
    assert torch.autograd.gradgradcheck(energy, R)  # what learning from forces needs
    assert torch.allclose(p(graph).forces, -torch.autograd.grad(energy(R), R)[0])


def test_energies_of_a_batch_are_those_of_its_molecules():
    p = potential().double().eval()
    molecules = [molecule(name) for name in ("H2O", "CH3CH2OH", "CO", "H2")]
    together = p(batch([p.graph(atoms) for atoms in molecules]))
    alone = [p.predict(atoms) for atoms in molecules]
    assert torch.allclose(together.energy, torch.cat([one.energy for one in alone]), atol=1e-10)
    assert torch.allclose(together.forces, torch.cat([one.forces for one in alone]), atol=1e-12)
    assert torch.allclose(together.atomic_energies, torch.cat([one.atomic_energies for one in alone]), atol=1e-12)


def test_single_precision_weights_do_not_cost_the_total_energy_its_digits():
    single, double = potential(), potential().double()
    difference = single.predict(ETHANOL).energy - double.predict(ETHANOL).energy
    assert abs(difference.item()) < 1e-5  # eV; a float32 resolves 2e-4 eV at the 4,200 eV of ethanol


def test_baseline_and_scale_come_from_the_data():
    train = load("ethanol").split("train")
    p = Potential.for_data(MPNN(train.elements, n_f=8, T=0), train)
    assert train.forces is not None and p.baseline is not None
    assert p.scale == pytest.approx(np.sqrt((train.forces**2).mean()))
    assert sum(p.baseline.energies[z] for z in train[0].numbers) == pytest.approx(train.energies.mean(), abs=1e-6)


def test_a_model_without_geometry_has_no_forces():
    prediction = Potential(Composition({1: -13.6, 6: -1030.0, 8: -2040.0})).predict(ETHANOL)
    assert torch.equal(prediction.forces, torch.zeros(9, 3, dtype=torch.float64))
    assert potential(T=0).predict(ETHANOL).forces.abs().max() == 0


@pytest.mark.parametrize("message", ["neural network", "outer product"])
def test_a_saved_potential_comes_back_the_same(tmp_path, message):
    p = potential(message=message).eval()
    p.save(tmp_path / "p.npz")
    again = Potential.load(tmp_path / "p.npz")
    assert torch.equal(again.predict(ETHANOL).energy, p.predict(ETHANOL).energy)
    assert torch.equal(again.predict(ETHANOL).forces, p.predict(ETHANOL).forces)
    assert [path.name for path in tmp_path.iterdir()] == ["p.npz"]  # no temporary file is left


def test_a_model_with_functions_of_ones_own_is_handed_in(tmp_path):
    def own(x_j, x_i, e_ij):
        return x_j[:, :10]

    p = potential(message=own).eval()
    p.save(tmp_path / "p.npz")
    with pytest.raises(ValueError, match=r"functions of its own.*Potential.load\(path, model\)"):
        Potential.load(tmp_path / "p.npz")
    again = Potential.load(tmp_path / "p.npz", potential(message=own, n_e=8).model)
    assert torch.equal(again.predict(ETHANOL).energy, p.predict(ETHANOL).energy)


def test_damaged_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / "p.npz"
    potential().save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match="p.npz is not a potential saved by this course, or it is damaged"):
        Potential.load(path)
    np.savez(path, settings=np.array({"a": 1}, dtype=object))  # a pickle inside
    with pytest.raises(ValueError, match="damaged"):
        Potential.load(path)
    potential().save(path)
    with pytest.raises(ValueError, match="do not fit the model"):
        Potential.load(path, MPNN([1, 6, 8], n_f=5))


def test_training_mode_keeps_what_a_second_derivative_needs():
    p = potential()
    assert not p.eval().predict(ETHANOL).forces.requires_grad
    p.train().predict(ETHANOL).forces.square().sum().backward()
    gradients = [weight.grad for weight in p.parameters()]
    assert sum(g.abs().sum() > 0 for g in gradients if g is not None) >= len(gradients) - 1  # all but the last bias

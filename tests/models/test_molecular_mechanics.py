"""Molecular mechanics: each term by hand or by ASE, what is counted and what is left out, and the model as a whole."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.lj import LennardJones
from ase.data import chemical_symbols

import course
from course import Potential, batch, molecular_graph
from course.models import molecular_mechanics as mm
from course.models.molecular_mechanics import MolecularMechanics, Parameters, Topology
from course.plotting import bonded

ETHANOL = molecule("CH3CH2OH")  # C0 C1 O2 H3(O) H4(C1) H5(C1) H6(C0) H7(C0) H8(C0)
TRAIN = course.load("ethanol").split("train")
KCAL = units.kcal / units.mol


def positions_of(n_atoms: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n_atoms, 3)))


def potential() -> Potential:
    """Untrained, with random torsions, in double precision."""
    model = MolecularMechanics.for_data(TRAIN[:40])
    torch.manual_seed(0)
    torch.nn.init.normal_(model.V, std=0.1)
    return Potential(model).double().eval()


def topology(atoms: Atoms) -> Topology:
    return mm.topology_of(mm.bonds_of(molecular_graph(atoms, 3.0)))


# ----------------------------------------------------------------------------- angles


def test_angles_and_dihedrals_are_those_of_ase():
    for seed in range(20):
        R = positions_of(4, seed)
        atoms = Atoms("H4", R.numpy())
        assert math.degrees(mm.bond_angle(R, 0, 1, 2)) == pytest.approx(atoms.get_angle(0, 1, 2), abs=1e-6)
        ours = math.degrees(mm.dihedral_angle(R, 0, 1, 2, 3)) % 360
        assert ours == pytest.approx(atoms.get_dihedral(0, 1, 2, 3), abs=1e-6)


def test_the_sign_of_a_dihedral_by_hand():
    """Looking from j to k, along z: i lies at 12 o'clock (y) and l at 3 o'clock, on the right hand."""
    R = torch.tensor([[0.0, 1, 0], [0, 0, 0], [0, 0, 1], [-1, 0, 1]])  # looking along +z with y up, right is -x
    assert mm.dihedral_angle(R, 0, 1, 2, 3).item() == pytest.approx(math.pi / 2)
    assert mm.dihedral_angle(R * torch.tensor([-1.0, 1, 1]), 0, 1, 2, 3).item() == pytest.approx(-math.pi / 2)
    assert mm.dihedral_angle(R, 3, 2, 1, 0).item() == pytest.approx(math.pi / 2)  # the other way is the same


@pytest.mark.parametrize("third", [[2.0, 0, 0], [-1.0, 0, 0], [0.0, 0, 0]], ids=["180", "0", "on top"])
def test_straight_angles_have_finite_gradients(third):
    R = torch.tensor([[1.0, 0, 0], [0.0, 0, 0], third, [0.5, 0.5, 0]], requires_grad=True)
    for angle in (mm.bond_angle(R, 0, 1, 2), mm.dihedral_angle(R, 0, 1, 2, 3), mm.pair_distances(R).sum()):
        (gradient,) = torch.autograd.grad(angle, R)
        assert gradient.isfinite().all()


# ----------------------------------------------------------------------------- the five terms


def test_bonded_terms_by_hand():
    """A planar zigzag with 90 degree corners, in the numbers of a force field: kcal/mol, degrees."""
    R = torch.tensor([[1.1, 0, 0], [0, 0, 0], [0, 1.5, 0], [1.0, 1.5, 0]], dtype=torch.float64)  # cis: phi = 0
    chain = Topology(torch.tensor([[0, 1]]), torch.tensor([[0, 1, 2]]), torch.tensor([[0, 1, 2, 3]]))
    parameters = Parameters(
        k_bond=torch.tensor([680.0 * KCAL]),  # kcal/mol/A^2
        r_0=torch.tensor([1.09]),
        k_angle=torch.tensor([100.0 * KCAL]),  # kcal/mol/rad^2
        theta_0=torch.tensor([math.radians(109.5)]),
        V=torch.tensor([[0.1, 0.2, 0.3]]),
    )
    bond, angle, torsion = mm.bonded_terms(R, chain, parameters)
    assert bond.item() / KCAL == pytest.approx(0.5 * 680 * 0.01**2, rel=1e-5)  # 0.034 kcal/mol
    assert angle.item() / KCAL == pytest.approx(0.5 * 100 * math.radians(19.5) ** 2, rel=1e-5)  # 5.79 kcal/mol
    assert torsion.item() == pytest.approx(0.6)  # every cosine is 1
    total = mm.bonded_energy(R, chain, parameters)
    assert total.item() == pytest.approx((bond + angle + torsion).item())
    R[3, 0] = -1.0  # trans: cos pi = -1, cos 2 pi = 1, cos 3 pi = -1
    assert mm.bonded_terms(R, chain, parameters)[2].item() == pytest.approx(0.2)


def test_two_elementary_charges_at_one_angstrom():
    """e^2 / (4 pi epsilon_0 r) = 14.4 eV = 332.06 kcal/mol: the constant that force fields call 332."""
    R, q, one = torch.tensor([[0.0, 0, 0], [1, 0, 0]]), torch.tensor([1.0, -1.0]), torch.ones(2)
    elst, _ = mm.nonbonded_terms(R, q, one, one, torch.tensor([[0, 1]]))
    assert elst.item() == pytest.approx(-14.3996, abs=1e-4)
    assert elst.item() / KCAL == pytest.approx(-332.06, abs=0.01)
    elst, _ = mm.nonbonded_terms(2 * R, q, one, one, torch.tensor([[0, 1]]))
    assert elst.item() == pytest.approx(-14.3996 / 2, abs=1e-4)


def test_lennard_jones_is_that_of_ase():
    atoms = Atoms("Ar5", 4 * positions_of(5, seed=3).numpy())
    atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=1000.0)
    pairs, same = torch.tensor(list(combinations(range(5), 2))), torch.ones(5, dtype=torch.float64)
    ours = mm.nonbonded_energy(torch.tensor(atoms.positions), 0 * same, 3.4 * same, 0.0104 * same, pairs)
    assert ours.item() == pytest.approx(atoms.get_potential_energy(), rel=1e-6)


def test_unlike_atoms_have_the_mean_size_and_the_geometric_mean_of_the_depth():
    sigma, epsilon, pair = torch.tensor([3.0, 4.0]), torch.tensor([0.004, 0.009]), torch.tensor([[0, 1]])
    R = torch.tensor([[0.0, 0, 0], [2 ** (1 / 6) * 3.5, 0, 0]])
    _, vdW = mm.nonbonded_terms(R, torch.zeros(2), sigma, epsilon, pair)
    assert vdW.item() == pytest.approx(-0.006, rel=1e-5)  # the bottom of the well


# ----------------------------------------------------------------------------- who is joined to whom


def test_ethanol_counted_by_hand():
    """8 bonds. Angles: 6 at each carbon, 1 at the oxygen. Torsions: 3 x 3 about C-C, 3 x 1 about C-O."""
    bonds, angles, torsions = topology(ETHANOL)
    assert {tuple(sorted(bond)) for bond in bonds.tolist()} == {
        *((0, 1), (1, 2), (2, 3), (1, 4), (1, 5)),
        *((0, 6), (0, 7), (0, 8)),
    }
    assert np.bincount(angles[:, 1], minlength=9).tolist() == [6, 6, 1, 0, 0, 0, 0, 0, 0]
    axes = [tuple(sorted(torsion[1:3])) for torsion in torsions.tolist()]
    assert (len(axes), axes.count((0, 1)), axes.count((1, 2))) == (12, 9, 3)
    assert {tuple(sorted((t[0], t[3]))) for t in torsions.tolist() if sorted(t[1:3]) == [1, 2]} == {
        *((0, 3), (3, 4), (3, 5)),
    }
    assert len({tuple(t) if t[1] < t[2] else tuple(t[::-1]) for t in torsions.tolist()}) == 12


def test_who_is_left_out_and_who_is_scaled_in_ethanol():
    """36 pairs: 8 are bonds, 13 end at an angle, 12 at a torsion, and 3 are whole: H3 and each methyl hydrogen."""
    pairs = torch.tensor(list(combinations(range(9), 2)))
    elst, vdW = mm.nonbonded_weights(pairs, topology(ETHANOL), 9)
    assert [int((vdW == w).sum()) for w in (0.0, 0.5, 1.0)] == [8 + 13, 12, 3]
    assert torch.equal(elst == 0, vdW == 0)
    assert elst[vdW == 0.5].tolist() == pytest.approx([1 / 1.2] * 12)
    assert pairs[vdW == 1].tolist() == [[3, 6], [3, 7], [3, 8]]
    again, _ = mm.nonbonded_weights(pairs.flip(1), topology(ETHANOL), 9)
    assert torch.equal(elst, again)


@pytest.mark.parametrize("name", ["C6H6", "cyclobutane", "bicyclobutane", "C3H4_D2d", "H2O", "CH3CONH2", "isobutane"])
def test_topologies_of_rings_and_branches_against_a_slow_search(name):
    atoms = molecule(name)
    bonds, angles, torsions = topology(atoms)
    joined = {frozenset(bond) for bond in bonds.tolist()}

    def chains(length: int) -> set[tuple[int, ...]]:
        """All paths along bonds that visit no atom twice, each in one direction."""
        paths: list[tuple[int, ...]] = [(i,) for i in range(len(atoms))]
        for _ in range(length - 1):
            paths = [(*p, j) for p in paths for j in range(len(atoms)) if frozenset((p[-1], j)) in joined]
            paths = [p for p in paths if len(set(p)) == len(p)]
        return {min(p, p[::-1]) for p in paths}

    for found, length in ((angles, 3), (torsions, 4)):
        rows = [min(tuple(row), tuple(row[::-1])) for row in found.tolist()]
        assert len(rows) == len(set(rows))
        assert set(rows) == chains(length)
    rank = np.full((len(atoms), len(atoms)), 9)  # bonds between two atoms, along the shortest way
    for length in (4, 3, 2):
        for path in chains(length):
            rank[path[0], path[-1]] = rank[path[-1], path[0]] = length - 1
    pairs = torch.tensor(list(combinations(range(len(atoms)), 2)))
    _, vdW = mm.nonbonded_weights(pairs, Topology(bonds, angles, torsions), len(atoms))
    expected = [{1: 0.0, 2: 0.0, 3: 0.5}.get(int(rank[i, j]), 1.0) for i, j in pairs.tolist()]
    assert vdW.tolist() == expected


def test_several_molecules_have_the_topologies_of_each():
    """Also where the first has no bonds at all, and where the bonds come in any order."""
    atoms = [Atoms("He"), molecule("CH3CH2OH"), molecule("H2O"), Atoms("He")]
    bonds, angles, torsions = mm.topology_of(mm.bonds_of(batch([molecular_graph(a, 3.0) for a in atoms])))
    for found, alone in ((bonds, 0), (angles, 1), (torsions, 2)):
        separate = [topology(a)[alone] for a in atoms[1:3]]
        assert {tuple(row) for row in found.tolist()} == {
            *(tuple(row) for row in (separate[0] + 1).tolist()),
            *(tuple(row) for row in (separate[1] + 10).tolist()),
        }
    mixed = mm.topology_of(bonds[torch.randperm(len(bonds), generator=torch.Generator().manual_seed(0))].flip(1))
    for one, other in ((angles, mixed.angles), (torsions, mixed.torsions)):
        assert sorted(one.tolist()) == sorted(other.tolist())
    assert [len(term) for term in topology(Atoms("He"))] == [0, 0, 0]


def test_the_bonds_are_those_that_the_pictures_show():
    for name in ("CH3CH2OH", "C6H6", "CO2"):
        atoms = molecule(name)
        drawn = np.argwhere(np.triu(bonded(atoms.numbers, atoms.positions)))
        assert sorted(topology(atoms).bonds.tolist()) == drawn.tolist()


# ----------------------------------------------------------------------------- the model


def test_the_types_of_ethanol():
    model = MolecularMechanics.for_data(TRAIN[:5])
    elements = [chemical_symbols[z] for z in model.elements]
    names = {
        chemical_symbols[z] + ":" + "".join(e * n for e, n in zip(elements, counts, strict=True))
        for z, *counts in model.types[0]
    }
    assert names == {"C:HHHC", "C:HHCO", "O:HC", "H:C", "H:O"}
    assert [len(table) for table in model.types] == [5, 5, 7, 4]


@pytest.mark.parametrize("length", [2, 3, 4])
def test_a_chain_of_types_is_the_same_from_its_other_end(length):
    """Also where both ends are alike: H-C-O-H is H-O-C-H."""
    keys = torch.randint(0, 3, (200, length), generator=torch.Generator().manual_seed(0))
    turned = mm.one_way(keys)
    assert torch.equal(turned, mm.one_way(keys.flip(1)))
    assert ((turned == keys).all(dim=1) | (turned == keys.flip(1)).all(dim=1)).all()


def test_the_model_is_the_sum_of_its_terms():
    """Put together from the terms, pair by pair, for one frame."""
    whole, atoms = potential(), TRAIN.to_ase(0)
    model, R = whole.model, torch.tensor(atoms.positions)
    assert isinstance(model, MolecularMechanics)
    graph = whole.graph(atoms)
    chain = model.topology(graph)
    rows = model.atom_rows(graph.numbers, chain.bonds)
    q, sigma, epsilon = model.charges(rows, chain.bonds), model.log_sigma.exp()[rows], model.log_epsilon.exp()[rows]
    energy = mm.bonded_energy(R, chain, model.parameters_of(graph.numbers, rows, chain))
    bonds, ends = chain.bonds.tolist(), [sorted((a[0], a[2])) for a in chain.angles.tolist()]
    for i, j in combinations(range(9), 2):
        if [i, j] not in bonds and [i, j] not in ends:
            elst, vdW = mm.nonbonded_terms(R, q, sigma, epsilon, torch.tensor([[i, j]]))
            third = [i, j] in [sorted((t[0], t[3])) for t in chain.torsions.tolist()]
            energy = energy + (elst / 1.2 + vdW / 2 if third else elst + vdW).sum()
    assert whole.predict(atoms).energy.item() == pytest.approx(energy.item(), rel=1e-6)
    assert q.sum().item() == pytest.approx(0, abs=1e-12)
    assert q[2] < 0 < q[3]  # the oxygen pulls electrons from its hydrogen


def test_forces_are_minus_the_numerical_gradient():
    whole, atoms, h = potential(), TRAIN.to_ase(1), 1e-4
    forces = whole.predict(atoms).forces.numpy()
    for place in np.ndindex(9, 3):
        ahead, behind = atoms.copy(), atoms.copy()
        ahead.positions[place] += h
        behind.positions[place] -= h
        slope = (whole.predict(ahead).energy - whole.predict(behind).energy).item() / (2 * h)
        assert forces[place] == pytest.approx(-slope, abs=2e-6)


def test_the_order_of_the_atoms_is_free():
    whole, atoms = potential(), TRAIN.to_ase(2)
    order = np.random.default_rng(0).permutation(9)
    expected, got = whole.predict(atoms), whole.predict(atoms[order])
    assert got.energy.item() == pytest.approx(expected.energy.item(), abs=1e-10)
    assert torch.allclose(got.forces, expected.forces[order.tolist()])
    assert torch.allclose(got.atomic_energies, expected.atomic_energies[order.tolist()])


def test_different_molecules_in_one_batch():
    data = course.load("small_molecules").split("train")[::60]
    whole = Potential(MolecularMechanics.for_data(data)).double().eval()
    together = whole(batch([whole.graph(atoms) for atoms in data.to_ase()]))
    for k, atoms in enumerate(data.to_ase()):
        assert together.energy[k].item() == pytest.approx(whole.predict(atoms).energy.item(), abs=1e-10)


def test_strangers_get_general_parameters():
    """An atom with neighbours that the data never had; a lone atom; no bonds at all."""
    whole = potential()
    for atoms in (molecule("CH4"), Atoms("O"), Atoms("H2", [[0, 0, 0], [0, 0, 5.0]])):
        prediction = whole.predict(atoms)
        assert prediction.energy.isfinite().all()
        assert prediction.forces.isfinite().all()
    assert isinstance(whole.model, MolecularMechanics)
    with torch.no_grad():
        whole.model.zero[-3:] = torch.tensor([1.0, 6.0, 8.0])  # the general rows, one an element
    assert whole.predict(Atoms("O")).energy.item() == 8
    with pytest.raises(ValueError, match=r"\[7\] are unknown"):
        whole.predict(molecule("NH3"))


def test_bonded_atoms_in_one_place_have_an_energy():
    """Their 1/r^12 is infinite and counts nothing: infinity times zero would be NaN, so it must not be computed."""
    prediction = potential().predict(Atoms("CH2", [[0, 0, 0], [0, 0, 0], [0, 0, 1.1]]))
    assert prediction.energy.isfinite().all()
    assert prediction.forces.isfinite().all()


def test_starts_are_the_means_of_the_data():
    model = MolecularMechanics.for_data(TRAIN[:100])
    graph = batch([molecular_graph((f.numbers, f.positions), 3.0) for f in TRAIN[:100]])
    chain = model.topology(graph)
    rows = model.atom_rows(graph.numbers, chain.bonds)
    parameters = model.parameters_of(graph.numbers, rows, chain)
    r = (graph.positions[chain.bonds[:, 0]] - graph.positions[chain.bonds[:, 1]]).norm(dim=1)
    assert parameters.r_0.mean().item() == pytest.approx(r.mean().item(), abs=1e-3)
    theta = mm.bond_angle(graph.positions, *chain.angles.T)
    assert parameters.theta_0.mean().item() == pytest.approx(theta.mean().item(), abs=1e-5)


def test_fixed_bonds_stretch_and_perceived_bonds_break():
    scan = course.load("scans").group("ethanol_oh")
    bonds = topology(scan.to_ase(0)).bonds.tolist()
    fixed = Potential(MolecularMechanics.for_data(TRAIN[:40], bonds=bonds)).double().eval()
    perceived = Potential(MolecularMechanics.for_data(TRAIN[:40])).double().eval()
    atoms = scan.to_ase()
    by_spring = np.array([fixed.predict(a).energy.item() for a in atoms])
    by_radii = np.array([perceived.predict(a).energy.item() for a in atoms])
    r = np.asarray(scan.coordinate)
    inside = r < 1.2  # 1.25 (0.66 + 0.31) = 1.21 A
    assert by_radii[inside] == pytest.approx(by_spring[inside], abs=1e-10)
    stretched = by_spring[r > 1.3]
    assert (np.diff(stretched) > 0).all()  # a spring pulls harder and harder
    assert stretched[-1] > 20
    assert np.abs(np.diff(by_radii[(r > 1.1) & (r < 1.4)])).max() > 1  # the pair is not excluded any more
    assert abs(by_radii[-1]) < 1  # and far away it is forgotten
    several = fixed(batch([fixed.graph(a) for a in atoms[:3]]))
    assert several.energy.tolist() == pytest.approx(by_spring[:3].tolist())


def test_saved_and_loaded(tmp_path):
    bonds = topology(ETHANOL).bonds.tolist()
    for model in (MolecularMechanics.for_data(TRAIN[:20]), MolecularMechanics.for_data(TRAIN[:20], bonds=bonds)):
        whole = Potential.for_data(model, TRAIN[:20])
        assert whole.scale == 1  # its parameters have units
        whole.save(tmp_path / "mm.npz")
        again = Potential.load(tmp_path / "mm.npz")
        assert isinstance(again.model, MolecularMechanics)
        assert again.model.bonds == model.bonds
        assert torch.equal(again.predict(TRAIN.to_ase(3)).forces, whole.eval().predict(TRAIN.to_ase(3)).forces)


def test_it_learns_ethanol_in_seconds():
    train, validation = TRAIN[:100], course.load("ethanol").split("validation")[:50]
    whole = Potential.for_data(MolecularMechanics.for_data(train), train)
    before = course.evaluate(whole, validation)
    course.fit(whole, train, validation, epochs=20, batch_size=10, learning_rate=2e-2, progress=False)
    after = course.evaluate(whole, validation)
    assert before.force_mae > 350
    assert after.force_mae < 200
    assert after.energy_mae < 50

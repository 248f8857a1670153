"""Who is a neighbour of whom."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.neighborlist import neighbor_list

from course import batch, molecular_graph


@pytest.mark.parametrize("name", ["CH3CH2OH", "C6H6", "H2O"])
@pytest.mark.parametrize("cutoff", [1.2, 2.5, 6.0])
def test_edges_agree_with_ase(name, cutoff):
    atoms = molecule(name)
    graph = molecular_graph(atoms, cutoff)
    i, j, D = neighbor_list("ijD", atoms, cutoff)
    expected = {(a, b): tuple(np.round(d, 10)) for a, b, d in zip(i, j, D, strict=True)}
    got = {
        (int(a), int(b)): tuple(np.round(d, 10))
        for a, b, d in zip(graph.receivers, graph.senders, graph.displacements.numpy(), strict=True)
    }
    assert got == expected
    assert torch.allclose(graph.distances, graph.displacements.norm(dim=1))


def test_both_directions_and_no_self_edges():
    graph = molecular_graph(molecule("CH3CH2OH"), 3.0)
    edges = set(zip(graph.senders.tolist(), graph.receivers.tolist(), strict=True))
    assert len(edges) == graph.n_edges
    assert all((i, j) in edges and i != j for j, i in edges)


def test_lonely_atoms_have_no_edges():
    graph = molecular_graph(Atoms("HOH", [[0, 0, 0], [50, 0, 0], [0, 50, 0]]), 3.0)
    assert (graph.n_atoms, graph.n_edges) == (3, 0)
    assert graph.displacements.shape == (0, 3)


def test_a_batch_keeps_every_molecule_as_it_is():
    parts = [molecular_graph(molecule(name), 2.0) for name in ("H2O", "CH4", "CO")]
    whole = batch([batch(parts[:2]), parts[2]])
    assert whole.n_molecules == 3
    assert whole.molecule_index.tolist() == [0] * 3 + [1] * 5 + [2] * 2
    assert (whole.molecule_index[whole.senders] == whole.molecule_index[whole.receivers]).all()
    assert torch.equal(whole.distances, torch.cat([part.distances for part in parts]))
    assert torch.equal(whole.numbers[whole.senders], torch.cat([part.numbers[part.senders] for part in parts]))


@pytest.mark.parametrize(
    ("atoms", "cutoff", "message"),
    [
        (([1, 1], [[0, 0, 0]]), 3.0, r"2 atomic numbers need positions of shape \(2, 3\), got \(1, 3\)"),
        (([1], [[0, 0, 0]]), 0.0, "must be a positive length in Angstrom, got 0.0"),
        (Atoms("H", cell=[9, 9, 9], pbc=True), 3.0, "periodic"),
    ],
)
def test_bad_input_is_named(atoms, cutoff, message):
    with pytest.raises(ValueError, match=message):
        molecular_graph(atoms, cutoff)


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match="at least one graph"):
        batch([])

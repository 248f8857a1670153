"""Message passing: the ladder, the parts, the trace."""

from typing import Any

import pytest
import torch
from ase.build import molecule
from torch import nn

from course import MPNN, Composition, Potential, molecular_graph
from course.descriptors.symmetry_functions import SymmetryFunctions, radial_aev
from course.models.message_passing import (
    MESSAGES,
    accumulate,
    initial_features,
    matrix_message,
    outer_message,
)
from course.radial import radial_grid

ETHANOL = molecule("CH3CH2OH")
ELEMENTS = [1, 6, 8]


SMALL: dict[str, Any] = {"elements": ELEMENTS, "n_f": 12, "n_e": 8, "n_m": 10, "T": 2, "cutoff": 3.0}


def mpnn(**changes: Any) -> MPNN:
    torch.manual_seed(0)
    return MPNN(**SMALL | changes).double()


class Take(nn.Module):
    """The update that keeps the bundle alone."""

    def forward(self, M_i, x_i):
        return M_i


# ----------------------------------------------------------------------------- the ladder


def test_without_rounds_it_is_the_composition_model():
    price = torch.tensor([[-13.6], [-1030.0], [-2040.0]], dtype=torch.float64)
    model = mpnn(n_f=3, T=0, readout=lambda x: x @ price)
    graph = molecular_graph(ETHANOL, 3.0)
    assert torch.equal(model(graph), Composition({1: -13.6, 6: -1030.0, 8: -2040.0})(graph))


def test_one_round_with_the_outer_product_is_behlers_radial_symmetry_functions():
    model = mpnn(n_f=3, T=1, message=outer_message, n_m=24, update=Take(), readout=lambda x: x[:, :1])
    graph = molecular_graph(ETHANOL, 3.0)
    centers, eta = radial_grid(3.0, 8)
    G2 = torch.zeros(9, 3, 8, dtype=torch.float64)  # Behler 2011, eqs. 4 and 6, pair by pair
    for i in range(9):
        for j in range(9):
            r = float(torch.dist(graph.positions[i], graph.positions[j]))
            if i != j and r < 3.0:
                f_c = 0.5 * (torch.cos(torch.tensor(torch.pi * r / 3.0, dtype=torch.float64)) + 1)
                G2[i, ELEMENTS.index(int(graph.numbers[j]))] += torch.exp(-eta * (r - centers) ** 2) * f_c
    bundles = model(graph, trace=True).rounds[0].M_i
    assert (bundles - G2.flatten(1)).abs().max() < 1e-12
    assert (bundles - radial_aev(graph, ELEMENTS, centers, eta, 3.0)).abs().max() < 1e-12
    assert (bundles - SymmetryFunctions.evenly_spaced(ELEMENTS, 8, 3.0)(graph)).abs().max() < 1e-6  # eta is a float32


# ----------------------------------------------------------------------------- the parts


def test_messages_in_loops():
    generator = torch.Generator().manual_seed(1)
    x_j, x_i, e_ij = (torch.randn(5, width, generator=generator) for width in (3, 3, 6))
    outer, matrix = outer_message(x_j, x_i, e_ij), matrix_message(x_j, x_i, e_ij)
    for edge in range(5):
        for f in range(3):
            for k in range(6):
                assert outer[edge, f * 6 + k] == x_j[edge, f] * e_ij[edge, k]
        for m in range(2):
            expected = torch.stack([e_ij[edge, m * 3 + f] * x_j[edge, f] for f in range(3)]).sum()
            assert matrix[edge, m].item() == pytest.approx(expected.item(), abs=1e-6)
    with pytest.raises(ValueError, match="n_f = 3 columns cannot be made of n_e = 7"):
        matrix_message(x_j, x_i, torch.randn(5, 7, generator=generator))


def test_accumulate_adds_at_repeated_indices_and_keeps_silent_atoms():
    messages = torch.tensor([[1.0, 2.0], [10.0, 20.0], [5.0, 5.0]])
    assert accumulate(messages, torch.tensor([1, 1, 0]), 3).tolist() == [[5, 5], [11, 22], [0, 0]]


def test_initial_features_name_what_they_do_not_know():
    assert initial_features(torch.tensor([8, 1]), ELEMENTS, 5).tolist() == [[0, 0, 1, 0, 0], [1, 0, 0, 0, 0]]
    with pytest.raises(ValueError, match=r"\[7\] are unknown"):
        initial_features(torch.tensor([7, 1]), ELEMENTS, 5)
    with pytest.raises(ValueError, match="n_f = 2"):
        initial_features(torch.tensor([1]), ELEMENTS, 2)


@pytest.mark.parametrize("message", sorted(MESSAGES))
def test_every_ready_made_message_serves(message):
    model = mpnn(message=message)
    energies = model(molecular_graph(ETHANOL, 3.0))
    energies.sum().backward()
    assert energies.shape == (9,)
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())


def test_the_trace_retells_the_forward_pass():
    model, graph = mpnn(T=3), molecular_graph(ETHANOL, 3.0)
    trace = model(graph, trace=True)
    assert torch.equal(trace.E_i, model(graph))
    assert len(trace.rounds) == 3
    for state, following in zip(trace.rounds, [*(s.x_i for s in trace.rounds[1:]), trace.x_i], strict=True):
        assert state.m_ji.shape == (graph.n_edges, 10)
        assert torch.equal(state.M_i, accumulate(state.m_ji, graph.receivers, 9))
        assert following.shape == (9, 12)
    index = int(torch.argmax(graph.distances))
    assert trace.rounds[0].m_ji[index].norm() < 1.1 * trace.f_c[index] * 10  # a message fades with its edge


def test_functions_of_ones_own_take_part():
    model = mpnn(n_m=17, message=lambda x_j, x_i, e_ij: torch.cat([x_j, e_ij[:, :5]], dim=1))
    assert model(molecular_graph(ETHANOL, 3.0)).shape == (9,)


@pytest.mark.parametrize(
    ("message", "got"), [(lambda x_j, x_i, e_ij: x_j[0], r"\(12,\)"), (lambda x_j, x_i, e_ij: None, "NoneType")]
)
def test_a_message_of_a_wrong_shape_is_named(message, got):
    with pytest.raises(ValueError, match=rf"message function must return a tensor with 58 rows.*{got}"):
        mpnn(n_m=12, message=message)(molecular_graph(ETHANOL, 3.0))


def test_an_unknown_message_is_named():
    with pytest.raises(ValueError, match="no ready-made message 'telepathy'.*concatenation"):
        mpnn(message="telepathy")


def test_edges_beyond_the_cutoff_do_not_matter():
    potential = Potential(mpnn())
    near, far = molecular_graph(ETHANOL, 3.0), molecular_graph(ETHANOL, 4.5)
    assert far.n_edges > near.n_edges
    assert torch.allclose(potential(near).energy, potential(far).energy, atol=1e-14)

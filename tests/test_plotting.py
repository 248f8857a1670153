"""Still pictures show what they are given."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from ase.build import molecule
from matplotlib.collections import LineCollection

from course import MPNN, History, Potential, load, molecular_graph
from course.plotting import (
    best_view,
    draw_features,
    draw_forces,
    draw_graph,
    draw_messages,
    draw_molecule,
    draw_rounds,
    flatten,
    plot_history,
    plot_learning_curves,
    plot_parity,
)
from course.training import Epoch, Errors

ETHANOL = molecule("CH3CH2OH")
GRAPH = molecular_graph(ETHANOL, 2.0)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_a_flat_molecule_keeps_its_distances():
    benzene = molecule("C6H6")
    xy = flatten(benzene.positions)
    for i, j in ((0, 1), (0, 3), (2, 9)):
        assert np.linalg.norm(xy[i] - xy[j]) == pytest.approx(benzene.get_distance(i, j), abs=1e-6)


def test_every_atom_is_labelled():
    ax = draw_molecule(ETHANOL.numbers, ETHANOL.positions)
    texts = [text.get_text() for text in ax.texts]
    assert sorted(text for text in texts if text.isalpha()) == sorted(ETHANOL.get_chemical_symbols())
    assert sorted(int(text) for text in texts if text.isdecimal()) == list(range(9))


def test_a_single_atom_and_a_line_can_be_drawn():
    draw_molecule([8], [[0.0, 0.0, 0.0]])
    draw_molecule([8, 6], [[0.0, 0.0, 0.0], [1.1, 0.0, 0.0]], values=[0.0, 1.0])


def drawn_lines(ax):
    (lines,) = (artist for artist in ax.collections if isinstance(artist, LineCollection))
    return lines.get_segments()


def test_one_line_an_edge_and_one_arrow_a_message():
    assert len(drawn_lines(draw_graph(ETHANOL, GRAPH.senders, GRAPH.receivers))) == GRAPH.n_edges
    messages = torch.ones(GRAPH.n_edges, 3)
    assert len(draw_messages(GRAPH, messages).patches) == GRAPH.n_edges
    heard = int((GRAPH.receivers == 1).sum())
    assert len(draw_messages(GRAPH, messages, listener=1).patches) == heard
    widths = [patch.get_linewidth() for patch in draw_messages(GRAPH, messages * torch.arange(26)[:, None]).patches]
    assert np.all(np.diff(widths) > 0)  # louder is thicker


def test_no_edges_and_messages_that_are_no_numbers_can_be_drawn():
    nobody = molecular_graph(ETHANOL, 0.5)
    assert drawn_lines(draw_graph(ETHANOL, nobody.senders, nobody.receivers)) == []
    assert len(draw_messages(nobody, torch.zeros(0, 3)).patches) == 0
    messages = torch.ones(GRAPH.n_edges, 3)
    messages[:2, 1] = torch.tensor([float("nan"), float("inf")])
    assert len(draw_messages(GRAPH, messages).patches) == GRAPH.n_edges - 2


def test_arrows_of_forces_are_to_scale_and_within_the_picture():
    forces = np.zeros((9, 3))
    forces[2] = 40.0 * best_view(ETHANOL.positions)[0]  # to the right
    ax = draw_molecule(ETHANOL.numbers, ETHANOL.positions)
    draw_forces(ETHANOL.positions, forces, scale=8.0, ax=ax)
    tail = flatten(ETHANOL.positions)[2]
    arrows: Any = ax.collections[-1]
    assert np.allclose((arrows.U, arrows.V), [[5.0], [0.0]])  # one arrow: no force leaves no speck on an atom
    assert ax.get_xlim()[1] > tail[0] + 5.0


def test_rounds_and_features():
    torch.manual_seed(0)
    trace = MPNN([1, 6, 8], n_f=8, n_m=8, T=3, cutoff=2.0).double()(GRAPH, trace=True)
    axes = draw_rounds(GRAPH, trace)
    assert axes.shape == (2, 3)
    assert np.array_equal(axes[1, 2].images[0].get_array(), trace.x_i.detach().numpy())
    assert draw_features(trace.x_i, GRAPH.numbers).get_yticklabels()[3].get_text() == "H3"


def test_training_pictures():
    history = History([Epoch(1, 1.0, 1e-3, 0.5, 30.0, 90.0), Epoch(2, 2.0, 1e-3, 0.4, 20.0, 60.0)])
    ax = plot_history(history)
    assert [np.asarray(line.get_ydata()).tolist() for line in ax.lines] == [[90.0, 60.0], [30.0, 20.0]]

    test = load("ethanol").split("test")[:4]
    torch.manual_seed(0)
    axes = plot_parity(Potential.for_data(MPNN([1, 6, 8], n_f=8, T=1), test), test)
    assert test.forces is not None
    assert np.allclose(axes[1].lines[0].get_xdata(), test.forces.ravel(), atol=1e-6)
    assert "meV/Å" in axes[1].get_title()

    curve = {10: [Errors(1, 100.0, 1, 1), Errors(1, 80.0, 1, 1)], 100: [Errors(1, 30.0, 1, 1)]}
    ax = plot_learning_curves({"a": curve})
    assert np.asarray(ax.lines[0].get_ydata()).tolist() == [90.0, 30.0]

"""The ripple without a browser: how far it is to whom, who matters to whom, and what cannot be answered."""

import io
import json
import re
import threading
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.image import imread
from torch import Tensor, nn

from course import MPNN, Composition, Graph, Potential, datasets
from course.scorecard import influence
from course.widgets import ripple
from course.widgets.base import png
from course.widgets.ripple import Kind, Ripple, hops

ETHANOL = molecule("CH3CH2OH")
TRAINED = Potential.load(datasets.FOLDER.parent / "trained" / "ethanol_mpnn.npz")
PRICES = Composition({1: -13.6, 6: -1030.0, 8: -2040.0})
TWO = ETHANOL + Atoms("OH", [[30.0, 0, 0], [31.0, 0, 0]])  # ethanol, and a stranger far away
KINDS: list[Kind] = ["hops", "energy", "force"]


def network(T: int = 2, **settings: Any) -> MPNN:
    """An untrained network; with its cutoff, the ends of ethanol are three edges apart."""
    torch.manual_seed(0)
    return MPNN(**{"elements": [1, 6, 8], "n_f": 8, "n_e": 8, "n_m": 8, "T": T, "cutoff": 2.0, **settings})


def ask(widget: Ripple, **changes: Any) -> dict[str, Any]:
    """As the page asks."""
    widget.request = {**widget.request, **changes}
    return widget.answer


def sizes(answer: dict[str, Any]) -> np.ndarray:
    """|dE_i/dR_j| and |dF_i/dR_j|, (2, n_atoms)."""
    assert not answer["problem"]
    return np.array([answer["energy"], answer["force"]])


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


# ----------------------------------------------------------------------------- how far it is


def graph_of(n_atoms: int, *edges: tuple[int, int]) -> Graph:
    senders, receivers = torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).T
    return Graph(torch.ones(n_atoms), torch.zeros(n_atoms, 3), senders, receivers, torch.zeros(n_atoms))


def test_hops_are_counted_in_the_direction_of_the_edges() -> None:
    one_way = graph_of(4, (0, 1), (1, 2), (2, 1))  # 0 -> 1 <-> 2, and 3 alone
    assert hops(one_way).tolist() == [[0, -1, -1, -1], [1, 0, 1, -1], [2, 1, 0, -1], [-1, -1, -1, 0]]


def test_hops_of_atoms_without_any_edge() -> None:
    assert hops(graph_of(1)).tolist() == [[0]]
    assert hops(graph_of(2)).tolist() == [[0, -1], [-1, 0]]


def test_hops_are_the_fewest_steps_of_a_walk() -> None:
    """The k-th power of the matrix of edges counts the walks of k steps."""
    rng = np.random.default_rng(0)
    for n_atoms in (2, 7, 20):
        graph = Potential(network()).graph(Atoms(np.ones(n_atoms), rng.uniform(0, 5, size=(n_atoms, 3))))
        edges = np.zeros((n_atoms, n_atoms))
        edges[graph.receivers, graph.senders] = 1
        expected = np.full((n_atoms, n_atoms), -1)
        for steps in reversed(range(n_atoms)):
            expected[np.linalg.matrix_power(edges, steps) > 0] = steps
        assert np.array_equal(hops(graph), expected), n_atoms


# ----------------------------------------------------------------------------- who matters


@pytest.mark.parametrize("potential", [TRAINED, Potential(network()).double(), network(T=0), PRICES])
def test_an_answer_is_the_influence_on_the_atom_that_was_asked_for(potential: Any) -> None:
    widget = ripple(ETHANOL, potential, atom=2)
    whole = potential if isinstance(potential, Potential) else Potential(potential)
    graph = whole.graph(ETHANOL)
    for i in (2, 0, 8):
        answer = ask(widget, atom=i)
        assert (answer["atom"], answer["hops"]) == (i, hops(graph)[i].tolist())
        np.testing.assert_allclose(sizes(answer), np.stack(influence(whole, graph, i)), rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("T", [0, 1, 2, 3])
def test_fewer_rounds_are_those_of_the_network_that_stops_there(T: int) -> None:
    short, weights = network(T), network(3).state_dict()
    short.load_state_dict({name: weights[name] for name in short.state_dict()})
    answer = ask(ripple(ETHANOL, Potential(network(3), PRICES, scale=2.0)), T=T)
    potential = Potential(short, PRICES, scale=2.0)
    expected = np.stack(influence(potential, potential.graph(ETHANOL), 0))
    assert answer["T"] == T
    np.testing.assert_allclose(sizes(answer), expected, rtol=1e-4, atol=1e-9)
    reached = np.array(answer["hops"]) <= T * np.array([[1], [2]])
    assert np.array_equal(sizes(answer) > 0, reached & (T > 0))


def test_it_starts_with_what_was_given() -> None:
    widget = ripple(ETHANOL, network(3), atom=4, T=1, kind="force")
    assert (widget.request, widget.kind) == ({"atom": 4, "T": 1}, "force")
    assert (widget.answer["atom"], widget.answer["T"]) == (4, 1)
    assert ripple(ETHANOL, network(3)).request == {"atom": 0, "T": 3}


class Learner(nn.Module):
    """A network as a learner writes it: one round, no list of messages."""

    def __init__(self) -> None:
        super().__init__()
        self.cutoff, self.elements, self.T = 2.0, [1, 6, 8], 1
        self.readout = nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Dropout(0.5), nn.Linear(8, 1))

    def forward(self, graph: Graph) -> Tensor:
        fade = 0.5 + 0.5 * torch.cos(torch.pi * graph.distances / self.cutoff)
        heard = torch.zeros(graph.n_atoms, dtype=fade.dtype).index_add(0, graph.receivers, fade)
        one_hot = graph.numbers[:, None] == torch.tensor(self.elements)
        return self.readout(torch.cat([one_hot.to(fade.dtype), heard[:, None]], dim=1))[:, 0]


def test_a_model_of_the_reader() -> None:
    torch.manual_seed(0)
    model = Learner()
    widget = ripple(ETHANOL, model)
    assert (widget.settings["T_max"], widget.settings["rounds_can_change"]) == (1, False)
    energy, force = sizes(widget.answer)
    steps = np.array(widget.answer["hops"])
    assert np.array_equal(energy > 0, steps <= 1) and np.array_equal(force > 0, steps <= 2)
    with pytest.raises(ValueError, match="T = 0 rounds: of a Learner no other number of rounds can be looked at"):
        ripple(ETHANOL, model, T=0)


def test_a_model_is_left_as_it_was() -> None:
    """Dropout is off while the ripple looks: it would add noise, and use up random numbers."""
    model = Learner().train()
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    widget = ripple(ETHANOL, model)
    assert all(part.training for part in model.modules())
    assert torch.equal(torch.random.get_rng_state(), before)
    assert ask(widget, atom=1) != ask(widget, atom=0) == ripple(ETHANOL, model).answer


def test_a_training_that_runs_meanwhile_keeps_its_mode() -> None:
    """JupyterLab lets a widget compute in one thread while a cell runs in another."""
    model = Fragile(None)
    potential, modes = Potential(model).train(), set()

    def look(E_i: Tensor) -> Tensor:
        modes.add(potential.training)
        return E_i

    model.answer = look
    assert not ripple(ETHANOL, potential).answer["problem"]
    assert modes == {True}


def test_an_answer_that_is_late_does_not_replace_a_newer_one() -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow_once(E_i: Tensor) -> Tensor:
        if threading.current_thread() is slow:
            started.set()
            assert go_on.wait(30)
        return E_i

    widget = ripple(ETHANOL, Fragile(lambda E_i: slow_once(E_i)))
    slow = threading.Thread(target=ask, args=(widget,), kwargs={"atom": 1})
    slow.start()
    assert started.wait(30)
    ask(widget, atom=2)
    go_on.set()
    slow.join()
    assert (widget.request["atom"], widget.answer["atom"]) == (2, 2)


@pytest.mark.parametrize("T", [None, "many", 2.5])
def test_a_model_that_has_no_rounds(T: Any) -> None:
    model = Learner()
    model.T = T
    widget = ripple(ETHANOL, model)
    assert widget.settings["T_max"] is None and not widget.answer["problem"]
    assert "round" not in widget.in_words()


def test_prices_of_elements_mean_nothing_to_anybody() -> None:
    widget = ripple(ETHANOL, PRICES, kind="energy")
    assert not sizes(widget.answer).any()
    assert "depends on 0 of 9 atoms" in widget.in_words()
    assert "white: no influence at all" in texts(widget.picture())


def test_a_molecule_of_one_atom() -> None:
    widget = ripple(Atoms("O"), network())
    assert widget.answer == {"atom": 0, "T": 2, "hops": [0], "energy": [0.0], "force": [0.0], "problem": ""}
    for widget.kind, scale in zip(KINDS, [(0, 1), (-1, 0), (-1, 0)], strict=True):
        assert widget.picture().axes[1].get_ylim() == scale


def test_a_stranger_is_not_heard_but_by_a_model_that_breaks_locality() -> None:
    class Nosy(MPNN):
        def forward(self, graph: Graph, trace: bool = False) -> Any:
            E_i = super().forward(graph)
            assert isinstance(E_i, Tensor)
            return E_i + 1e-3 * graph.positions.sum()

    assert not sizes(ripple(TWO, network()).answer)[:, 9:].any()
    torch.manual_seed(0)
    nosy = ripple(TWO, Nosy([1, 6, 8], n_f=8, n_e=8, n_m=8, T=2, cutoff=2.0))
    assert nosy.answer["hops"][9:] == [-1, -1]
    assert np.all(sizes(nosy.answer)[0, 9:] > 0)


def test_the_molecule_of_the_reader_may_change_later() -> None:
    atoms = ETHANOL.copy()
    widget = ripple(atoms, network())
    before = widget.answer, png(widget.picture(), "")
    atoms.positions += np.arange(9)[:, None]
    ask(widget, atom=1)
    ask(widget, atom=0)
    assert (widget.answer, png(widget.picture(), "")) == before


def test_numbers_of_numpy_can_be_handed_in() -> None:
    widget = ripple(ETHANOL, network(), atom=np.int64(3), T=np.int64(1))  # type: ignore[arg-type]
    assert json.loads(json.dumps([widget.request, widget.answer])) == [widget.request, widget.answer]


def test_colours_are_those_of_the_still_picture() -> None:
    colors = ripple(ETHANOL, network()).settings["colors"]
    cividis = matplotlib.colormaps["cividis"]
    assert colors == [to_hex(cividis(part)) for part in np.linspace(0, 1, len(colors))]


# ----------------------------------------------------------------------------- what goes wrong


class Fragile(nn.Module):
    """A model that does what it is told to."""

    cutoff = 2.0

    def __init__(self, answer: Any) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, graph: Graph) -> Any:
        return self.answer(graph.positions.square().sum(dim=1))


def out_of_order(E_i: Tensor) -> Tensor:
    raise RuntimeError("out of order")


PROBLEMS = {
    "raises": (out_of_order, "RuntimeError: out of order"),
    "NaN": (lambda E_i: E_i * torch.nan, "The influence on C0 is not a finite number (NaN or infinite)."),
    "NaN slope": (lambda E_i: (E_i * 0).sqrt(), "The influence on C0 is not a finite number (NaN or infinite)."),
    "column": (lambda E_i: E_i[:, None], "a tensor of shape (9, 1); expected (9,), one energy an atom."),
    "one energy": (lambda E_i: E_i.sum(), "a tensor of shape (); expected (9,), one energy an atom."),
    "an atom lost": (lambda E_i: E_i[1:], "a tensor of shape (8,); expected (9,), one energy an atom."),
}


@pytest.mark.parametrize(("wrong", "words"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_model_that_fails_is_told_in_words_and_the_widget_lives_on(wrong: Any, words: str) -> None:
    model = Fragile(wrong)
    widget = ripple(ETHANOL, model, kind="force")
    assert widget.answer["problem"].endswith(words)
    assert (widget.answer["energy"], widget.answer["force"]) == (None, None)
    assert words in widget.in_words() and widget.answer["problem"] in texts(widget.picture())
    model.answer = lambda E_i: E_i
    assert sizes(ask(widget, atom=1))[0].tolist() == pytest.approx(
        [0, 2 * np.linalg.norm(ETHANOL.positions[1]), *[0] * 7]
    )


def test_a_function_in_a_network_that_fails_is_named() -> None:
    def too_wide(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
        return torch.cat([x_j, x_i])

    problem = ripple(ETHANOL, network(message=too_wide)).answer["problem"]
    assert re.search(r"message\(x_j \(26, 8\).* in round 1 returned a tensor of shape \(52, 8\)", problem)


def test_a_function_that_loses_the_gradient_is_not_taken_for_deaf() -> None:
    problem = ripple(ETHANOL, network(message=lambda x_j, x_i, e_ij: e_ij.detach())).answer["problem"]
    assert "message in round 1" in problem and "loses the gradient" in problem


def test_an_element_that_the_network_does_not_know() -> None:
    assert "Atomic numbers [7] are unknown" in ripple(molecule("NH3"), network()).answer["problem"]


NO_ATOMS: list[Any] = [9, -1, 1.5, "C0", None, [0], {}, float("nan")]
NO_ROUNDS: list[Any] = [3, -1, 0.5, "all", None, [1]]
GARBAGE = [*({"atom": value} for value in NO_ATOMS), *({"T": value} for value in NO_ROUNDS)]


@pytest.mark.parametrize("garbage", GARBAGE, ids=str)
def test_a_request_that_cannot_be_answered(garbage: dict[str, Any]) -> None:
    widget = ripple(ETHANOL, network(), atom=2, kind="energy")
    value = next(iter(garbage.values()))
    answer = ask(widget, **garbage)
    assert repr(value) in answer["problem"] and ("0 to 8" in answer["problem"] or "0 to 2" in answer["problem"])
    assert (answer["atom"], answer["energy"]) == (2, None)
    assert answer["problem"] in widget.in_words()
    widget.picture()
    sizes(ask(widget, atom=1, T=1))  # and the next is answered


def test_an_empty_request() -> None:
    widget = ripple(ETHANOL, network())
    widget.request = {}
    assert "There is no atom None" in widget.answer["problem"]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "atom": ({"atom": 9}, "There is no atom 9: the molecule has atoms 0 to 8."),
    "atom from the end": ({"atom": -1}, "There is no atom -1"),
    "rounds": ({"T": 3}, "T = 3 rounds: this model has 0 to 2."),
    "rounds of prices": ({"potential": PRICES, "T": 1}, "T = 1 rounds: of a Composition no other number"),
    "kind": ({"kind": "colour"}, "There is no kind 'colour'; choose one of hops, energy, force."),
    "no molecule": ({"atoms": "ethanol"}, "needs a molecule of at least one atom (ase.Atoms), got 'ethanol'."),
    "no atom": ({"atoms": Atoms()}, "needs a molecule of at least one atom"),
    "crystal": ({"atoms": bulk("C")}, "The molecule is periodic"),
    "no model": ({"potential": len}, "needs a course.Potential or a model of atomic energies, got <built-in"),
    "no cutoff": ({"potential": nn.Linear(1, 1)}, "The model Linear has no attribute `cutoff` (Angstrom)"),
}


@pytest.mark.parametrize(("given", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_shown_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        ripple(**{"atoms": ETHANOL, "potential": network(), **given})


# ----------------------------------------------------------------------------- the still picture, the page


def test_in_words() -> None:
    widget = ripple(ETHANOL, network(1), atom=2)
    assert widget.in_words() == (
        "Ripple. C2H6O, cutoff 2 Å, 1 round. The energy of O2 depends on 3 of 9 atoms, the force on it on 6 of 9."
    )
    widget = ripple(ETHANOL, network(), atom=2, T=0)
    assert ", 0 rounds. The energy of O2 depends on 0 of 9 atoms, the force on it on 0 of 9." in widget.in_words()


def test_the_still_picture_shows_the_state_and_nothing_else() -> None:
    def picture(atom: int, kind: Kind, T: int = 2) -> bytes:
        widget = ripple(ETHANOL, network(), atom=atom, kind=kind, T=T)
        return widget._repr_mimebundle_()[0]["image/png"]

    states: list[tuple[int, Kind, int]] = [
        (0, "hops", 2),
        (1, "hops", 2),
        (0, "energy", 2),
        (0, "force", 2),
        (0, "force", 1),
    ]
    pictures = [picture(*state) for state in states]
    assert [picture(*state) for state in states] == pictures
    assert len(set(pictures)) == len(states)


def test_the_still_picture_is_coloured_by_the_answer() -> None:
    """The largest is the brightest, the faintest the darkest, and white is nobody's colour but that of nothing."""
    cividis = matplotlib.colormaps["cividis"]
    for kind in ("energy", "force"):
        widget = ripple(TWO, network(), kind=kind)
        size = np.array(widget.answer[kind])
        colors = widget.picture().axes[0].collections[0].get_facecolors()[:, :3]  # type: ignore[attr-defined]
        assert np.array_equal(size == 0, np.all(colors == 1, axis=1))
        assert np.allclose(colors[size.argmax()], cividis(1.0)[:3])
        order = np.argsort(size[size > 0])
        assert np.all(np.diff(colors[size > 0][order].sum(axis=1)) >= 0)
    hops_picture = ripple(TWO, network()).picture()
    assert "white: no way to i" in texts(hops_picture)
    assert "white: no way to i" not in texts(ripple(ETHANOL, network()).picture())


def test_the_still_picture_names_atom_and_kind() -> None:
    figure = ripple(ETHANOL, network(), atom=2, kind="force").picture()
    assert figure.axes[0].get_title() == "influence on the force, i = O2"
    assert figure.axes[1].get_ylabel() == "|∂F_i/∂R_j|, eV/Å²"
    assert imread(io.BytesIO(png(figure, ""))).std() > 0.1


def test_the_page_has_an_answer_for_every_atom(tmp_path: Path) -> None:
    widget = ripple(ETHANOL, network(3), atom=2, T=1)
    before = widget.request, widget.answer
    changes: list[str] = []
    widget.observe(lambda change: changes.append(change.name), names=["request", "answer"])
    widget.to_html(tmp_path / "ripple.html")
    assert (widget.request, widget.answer, widget.recordings, widget.live) == (*before, [], True)
    assert not changes  # a view that is open does not flicker
    page = (tmp_path / "ripple.html").read_text()
    found = re.search(r'<script type="application/json" id="record">(.*?)</script>', page)
    assert found
    recordings = json.loads(found[1])["state"]["recordings"]
    assert recordings == [ripple(ETHANOL, network(3), atom=i, T=1).answer for i in range(9)]

"""The explorer without a browser: what it asks and answers, its still picture, and what it refuses."""

import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from matplotlib.image import imread
from torch import Tensor

from course import MPNN, Potential, molecular_graph
from course.widgets.base import png
from course.widgets.explorer import MessageExplorer, explore
from tests.widgets.test_engine import ELEMENTS, ETHANOL, TRAINED, crowd, f_m, f_R, f_U, raises, rows_lost

ETHER = molecule("CH3OCH3")
FUNCTIONS: dict[str, Any] = {"message": f_m, "update": f_U, "readout": f_R}


def explorer(atoms: Any = ETHANOL, **settings: Any) -> MessageExplorer:
    return explore(atoms, **{**FUNCTIONS, "T": 2, **settings})


def ask(widget: MessageExplorer, **changes: Any) -> None:
    """As the page asks."""
    widget.request = {**widget.request, **changes, "revision": widget.request["revision"] + 1}


def look_at(widget: MessageExplorer, **changes: Any) -> None:
    widget.view = {**widget.view, **changes}


def moved(atom: int, to: Any, atoms: Atoms = ETHANOL) -> list[dict[str, Any]]:
    positions = atoms.positions.copy()
    positions[atom] = to
    return [{"order": list(range(len(atoms))), "positions": positions.tolist()}]


# ----------------------------------------------------------------------------- question and answer


def test_it_starts_with_what_was_given() -> None:
    widget = explore(ETHANOL, **FUNCTIONS, T=3, cutoff=2.5, selected=1)
    assert (widget.request["T"], widget.request["cutoff"], widget.request["revision"]) == (3, 2.5, 0)
    assert widget.view["selected"] == [1]
    model = MPNN(ELEMENTS, 4, 16, 4, 3, 2.5, f_m, f_U, f_R)
    expected = model(molecular_graph(ETHANOL, 2.5), trace=True)
    assert widget.trace is not None and torch.equal(widget.trace.E_i, expected.E_i)
    assert widget.settings["names"] == {"message": "f_m", "update": "f_U", "readout": "f_R"}
    assert widget.settings["has_energy"]


def test_defaults() -> None:
    widget = explore(ETHANOL)
    assert (widget.request["T"], widget.request["cutoff"]) == (2, 3.0)
    assert (widget.settings["T_max"], widget.settings["cutoff_max"]) == (6, 6.0)
    assert not widget.settings["has_energy"] and widget.snapshots[0].energy is None
    assert (widget.view["step"], explore(ETHANOL, T=0).view["step"]) == (1, 0)
    trained = explore(ETHANOL, Potential.load(TRAINED))
    assert (trained.request["T"], trained.request["cutoff"]) == (3, 5.0)
    assert (trained.settings["T_max"], trained.settings["cutoff_max"]) == (3, 5.0)


def test_the_molecule_of_the_reader_and_that_of_the_widget_are_two() -> None:
    atoms = ETHANOL.copy()
    widget = explorer(atoms)
    ask(widget, molecules=moved(3, (1, 2, 3)))
    assert np.array_equal(atoms.positions, ETHANOL.positions)
    atoms.numbers[0] = 8
    ask(widget, T=1)
    assert widget.snapshots[0].names()[0] == "C0"


def test_each_request_is_answered_with_its_revision() -> None:
    widget = explorer()
    before = widget.snapshots[0].energy
    ask(widget, cutoff=2.0)
    assert widget.snapshot["revision"] == 1 and not widget.snapshot["refused"]
    assert widget.snapshots[0].graph.n_edges == molecular_graph(ETHANOL, 2.0).n_edges
    ask(widget, T=1, cutoff=3.0)
    assert widget.trace is not None and len(widget.trace.rounds) == 1
    ask(widget, T=2, molecules=moved(3, ETHANOL.positions[3] + [0, 0, 0.5]))
    after = ETHANOL.copy()
    after.positions[3, 2] += 0.5
    assert widget.snapshots[0].energy == explorer(after).snapshots[0].energy != before
    ask(widget, bonds_only=True)
    assert widget.snapshots[0].graph.n_edges == 16


def test_shuffled_labels_change_nothing_physical() -> None:
    widget = explorer()
    energy = widget.snapshots[0].energy
    order = [3, 1, 4, 0, 5, 8, 2, 6, 7]
    positions = ETHANOL.positions[order].tolist()
    ask(widget, molecules=[{"order": order, "positions": positions}])
    assert widget.snapshot["molecules"][0]["order"] == order
    assert widget.snapshots[0].names()[:4] == ["H0", "C1", "H2", "C3"]
    assert widget.snapshots[0].energy == pytest.approx(energy, abs=1e-12)


def test_what_python_asks_becomes_the_newest_request() -> None:
    widget = explorer()
    ask(widget, cutoff=2.0)
    widget.request = {**widget.request, "cutoff": 2.5}
    assert widget.request["revision"] == widget.snapshot["revision"] == 2
    assert widget.snapshots[0].graph.n_edges == molecular_graph(ETHANOL, 2.5).n_edges


NAN = float("nan")


@pytest.mark.parametrize(
    ("garbage", "words"),
    [
        ({"cutoff": -1.0}, "ValueError: A cutoff of -1.0 Angstrom: choose one above 0 and up to 6.0."),
        ({"cutoff": None}, "TypeError"),
        ({"cutoff": "wide"}, "TypeError"),
        ({"T": 10**6}, "ValueError: T = 1000000 rounds: choose a whole number from 0 to 6."),
        ({"T": None}, "ValueError: T = None rounds"),
        ({"molecules": moved(0, (NAN, 0, 0))}, "ValueError: Positions must be finite numbers, got nan."),
        ({"molecules": moved(0, (None, 0, 0))}, "ValueError: Positions must be finite numbers, got nan."),
        (
            {"molecules": [{"order": list(range(9)), "positions": ETHANOL.positions[:5].tolist()}]},
            "ValueError: 9 atomic numbers need positions of shape (9, 3), got (5, 3).",
        ),
        (
            {"molecules": [{"order": [0] * 9, "positions": ETHANOL.positions.tolist()}]},
            "ValueError: The order of 9 atoms must name each of them once, got [0, 0, 0, 0, 0, 0, 0, 0, 0].",
        ),
        ({"molecules": []}, "ValueError"),
        ({"molecules": [{}]}, "KeyError: 'order'"),
        ({"molecules": 7}, "TypeError"),
    ],
)
def test_garbage_becomes_a_sentence_and_the_widget_lives_on(garbage: dict[str, Any], words: str) -> None:
    widget = explorer()
    good = widget.snapshot["molecules"]
    ask(widget, **garbage)
    (shown,) = widget.snapshot["molecules"]
    assert shown["problem"].startswith(f"This cannot be shown. {words}")
    assert {**shown, "problem": ""} == good[0]
    assert widget.snapshot["revision"] == 1 and widget.snapshot["refused"]
    assert shown["problem"] in widget.in_words()
    ask(widget, **{name: widget.settings["first_request"][name] for name in garbage})
    assert widget.snapshot == {"revision": 2, "refused": False, "molecules": good}


@pytest.mark.parametrize("revision", [None, "one", -5, 1.5])
def test_a_request_without_a_sound_revision_is_answered(revision: Any) -> None:
    widget = explorer()
    widget.request = {**widget.request, "cutoff": 2.0, "revision": revision}
    assert widget.request["revision"] == widget.snapshot["revision"] == 1
    assert widget.snapshots[0].graph.n_edges == molecular_graph(ETHANOL, 2.0).n_edges


def test_a_function_that_fails_at_a_short_distance_recovers() -> None:
    def shy(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Tensor:
        if (e_ij[:, 0] > 0.5).any():  # the Gaussian at r = 0
            raise ArithmeticError("too close")
        return f_m(x_j, x_i, e_ij)

    widget = explorer(message=shy)
    good = widget.snapshot["molecules"]
    ask(widget, molecules=moved(3, ETHANOL.positions[2] + [0.1, 0, 0]))
    assert widget.snapshots[0].problem.endswith("in round 1 raised ArithmeticError: too close")
    assert widget.trace is not None and widget.trace.rounds == []
    ask(widget, molecules=widget.settings["first_request"]["molecules"])
    assert widget.snapshot["molecules"] == good


def test_two_molecules() -> None:
    widget = explorer([ETHANOL, ETHER], selected=[1, 0])
    assert [snapshot.graph.n_atoms for snapshot in widget.snapshots] == [9, 9]
    assert widget.titles == ["left C₂H₆O", "right C₂H₆O"]
    assert widget.view["selected"] == [1, 0]
    assert explorer([ETHANOL, Atoms("H")], selected=2).view["selected"] == [2, None]


# ----------------------------------------------------------------------------- what explore refuses


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"atoms": []}, "one molecule, or two to compare (ase.Atoms, not periodic), got []."),
        ({"atoms": [ETHANOL] * 3}, "one molecule, or two to compare"),
        ({"atoms": "ethanol"}, "got 'ethanol'."),
        ({"atoms": None}, "got None."),
        ({"atoms": Atoms()}, "got Atoms("),
        ({"atoms": bulk("Cu")}, "not periodic), got Atoms(symbols='Cu', pbc=True"),
        ({"atoms": Atoms("H2", [(0, 0, 0), (0, NAN, 0)])}, "not periodic), got Atoms("),
        ({"T": 7, "message": [f_m] * 3}, "T = 7 rounds: choose a whole number from 0 to 3."),
        ({"T": -1}, "T = -1 rounds"),
        ({"T": 2.5}, "T = 2.5 rounds"),
        ({"cutoff": 0}, "A cutoff of 0.0 Angstrom"),
        ({"cutoff": -3.0}, "A cutoff of -3.0 Angstrom"),
        ({"cutoff": NAN}, "A cutoff of nan Angstrom"),
        ({"cutoff": math.inf}, "A cutoff of inf Angstrom"),
        ({"selected": 9}, "There is no atom 9: C2OH6 has atoms 0 to 8."),
        ({"selected": -1}, "There is no atom -1"),
        ({"selected": [1, 0]}, "selected = [1, 0]: choose one atom, or None, for each of 1."),
        ({"atoms": [ETHANOL, ETHER], "selected": [0]}, "selected = [0]: choose one atom, or None, for each of 2."),
        ({"message": []}, "message is an empty list"),
        ({"n_f": 2, "message": f_m}, "3 elements need n_f >= 3 node features, got n_f = 2."),
        ({"message": None, "n_e": 15}, "got n_e = 15."),
        ({"potential": f_m, "message": None, "update": None, "readout": None}, "cannot look into a builtins.function"),
        ({"potential": Potential.load(TRAINED)}, "not both: got a potential and message, update, readout."),
    ],
)
def test_what_cannot_be_explored_is_named(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        explore(**{"atoms": ETHANOL, **FUNCTIONS, "T": 2, **arguments})
    assert words in str(caught.value)


def test_too_many_rounds_or_too_wide_a_cutoff_for_a_network() -> None:
    with pytest.raises(ValueError, match="T = 4 rounds: choose a whole number from 0 to 3."):
        explore(ETHANOL, Potential.load(TRAINED), T=4)
    with pytest.raises(ValueError, match="A cutoff of 5.5 Angstrom: choose one above 0 and up to 5.0."):
        explore(ETHANOL, Potential.load(TRAINED), cutoff=5.5)


def test_numbers_of_numpy_will_do() -> None:
    widget = explorer(T=np.int64(1), cutoff=np.float32(2.5), selected=np.int64(3), elements=np.array(ELEMENTS))
    assert (widget.request["T"], widget.request["cutoff"], widget.view["selected"]) == (1, 2.5, [3])


def test_a_failing_function_is_no_dead_cell() -> None:
    for message in (raises, rows_lost):
        widget = explorer(message=message)
        assert "in round 1" in widget.in_words()
        data, _ = widget._repr_mimebundle_()
        assert data["image/png"]


# ----------------------------------------------------------------------------- the still picture


def test_in_words() -> None:
    widget = explorer(selected=1, cutoff=3.0)
    first = "Message explorer. C₂H₆O: 9 atoms and 58 directed edges within 3 Å; "
    energy = f"E = {widget.snapshots[0].energy:.3f} eV."
    m_ji = widget.trace.rounds[0].m_ji.norm(dim=1)  # type: ignore[union-attr]
    graph = widget.snapshots[0].graph
    heard = [edge for edge in range(58) if graph.receivers[edge] == 1]
    loudest = widget.snapshots[0].names()[graph.senders[max(heard, key=lambda edge: float(m_ji[edge]))]]
    hears = f" C1 hears {len(heard)} atoms, {loudest} the loudest."
    said = []
    for step in range(8):
        look_at(widget, step=step)
        said.append(widget.in_words())
    assert said[0] == f"{first}initialise. {energy}"
    assert said[1] == f"{first}round 1 of 2, message. {energy}{hears}"
    assert said[2] == f"{first}round 1 of 2, accumulate. {energy}{hears}"
    assert said[3] == f"{first}round 1 of 2, update. {energy}{hears}"
    assert said[6].startswith(f"{first}round 2 of 2, update. {energy} C1 hears")
    assert said[7] == f"{first}readout. {energy}"
    ask(widget, T=0)
    assert widget.in_words() == f"{first}readout. E = {widget.snapshots[0].energy:.3f} eV."


def test_in_words_of_one_and_of_none() -> None:
    pair = explore(Atoms("H2", [(0, 0, 0), (0, 0, 0.74)]), n_f=4, selected=0)
    assert "2 atoms and 2 directed edges" in pair.in_words() and "H0 hears 1 atom, H1 the loudest." in pair.in_words()
    alone = explore(Atoms("H"), selected=0).in_words()
    assert alone == "Message explorer. H: 1 atom and 0 directed edges within 3 Å; round 1 of 2, message."


STATES: dict[str, dict[str, Any]] = {
    "start": {},
    "nothing is chosen": {"selected": None},
    "no rounds": {"T": 0},
    "no readout": {"readout": None},
    "it raises": {"message": raises},
    "it raises in round 2": {"message": [f_m, raises]},
    "not a number": {"update": lambda M_i, x_i: (x_i - 0.5).sqrt()},
    "silence": {"message": lambda x_j, x_i, e_ij: 0 * x_j},
    "one atom": {"atoms": Atoms("H"), "selected": 0},
    "no edges": {"cutoff": 0.5},
    "two molecules": {"atoms": [ETHANOL, ETHER]},
    "two places in one": {"atoms": Atoms("H2", [(0, 0, 0), (0, 0, 0)])},
    "a crowd": {"atoms": crowd(60), "cutoff": 2.5},
}


@pytest.mark.parametrize("name", STATES)
def test_every_state_has_a_picture(name: str) -> None:
    settings = {"selected": 1, **STATES[name]} if "atoms" not in STATES[name] else STATES[name]
    widget = explorer(**settings)
    steps = sorted({0, 1, 3 * widget.request["T"] + 1})
    for step in steps:
        look_at(widget, step=step)
        data, metadata = widget._repr_mimebundle_()
        assert metadata["image/png"]["alt"] == data["text/plain"] == widget.in_words()
        picture = imread(io.BytesIO(data["image/png"]))
        assert picture.shape[1] == 1000 and picture[..., :3].std() > 0.05
    assert widget.snapshots[0].problem in widget.in_words()


def test_equal_states_have_equal_pictures_and_steps_differ() -> None:
    first, second = explorer(selected=1), explorer(selected=1)
    seen = set()
    for step in (0, 1, 4, 7):
        for widget in (first, second):
            look_at(widget, step=step)
        picture = png(first.picture(), first.in_words())
        assert picture == png(second.picture(), second.in_words())
        seen.add(picture)
    assert len(seen) == 4


# ----------------------------------------------------------------------------- a page without Python


def test_the_page_holds_the_answers_and_the_widget_is_as_before(tmp_path: Path) -> None:
    widget = explorer(cutoff=2.2, selected=1)
    before = pickle.dumps([widget.request, widget.snapshot, widget.view, widget.snapshots])
    sent: list[Any] = []
    widget.observe(sent.append, names=["request", "snapshot", "view"])
    widget.to_html(tmp_path / "page.html")
    assert pickle.dumps([widget.request, widget.snapshot, widget.view, widget.snapshots]) == before
    assert sent == [] and widget.recordings == [] and widget.live
    assert "explorer" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_recorded_answers_are_those_of_the_cutoff(tmp_path: Path) -> None:
    widget = explorer(cutoff=2.2)
    kept: list[Any] = []
    widget.observe(lambda change: kept.append(change["new"]), names="recordings")
    widget.to_html(tmp_path / "page.html")
    recordings = kept[0]
    cutoffs = [recording["cutoff"] for recording in recordings]
    assert 2.2 in cutoffs and cutoffs == sorted(cutoffs) and (cutoffs[0], cutoffs[-1]) == (0.5, 6.0)
    for recording in recordings:
        assert (
            recording["snapshot"]["molecules"][0]["energy"] == explorer(cutoff=recording["cutoff"]).snapshots[0].energy
        )

"""The lab without a browser: what controls give to `picture`, what panels become, and what goes wrong, in words."""

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule

from course.plotting import CYCLE
from course.widgets.base import png
from course.widgets.lab import Bars, Choice, Curves, Geometry, Lab, Moving, Panel, Slider, Switch, Table, Words

WATER, ETHANOL = molecule("H2O"), molecule("CH3CH2OH")
R = np.linspace(0.5, 6.0, 12)


def everything(distance: float, n: int, sharp: bool, who: str, water: Atoms) -> list[Panel]:
    """One panel of each kind, from one control of each kind."""
    other = {"water": WATER, "ethanol": ETHANOL}[who]
    energy = np.where(distance > R, 14.4 / R, np.nan)
    return [
        Geometry("moved", water, values=[0.0, 1.0, distance], unit="eV", moves="water", sphere=(0, distance)),
        Geometry("other", other, forces=np.ones((len(other), 3)), marked=[0], note="a note"),
        Curves("energy", torch.from_numpy(R), {"E": energy, "minus E": -energy}, "r, Å", "E, eV", at=distance),
        Bars("bars", {"E": np.arange(n), "G": torch.arange(n)}, "slot", "Z/r"),
        Table("table", ["sees", "number"], {"G2": [True, 3.14159], "G4": [np.False_, "many"]}),
        Words(f"Sharp: {sharp}."),
    ]


def lab() -> Lab:
    return Lab(
        everything,
        title="A lab",
        distance=Slider(3.5, 0.9, 6.0, 0.1, unit="Å", label="distance of the atom"),
        n=Slider(3, 1, 8, 1),
        sharp=Switch(True, label="sharp"),
        who=Choice("water", ["water", "ethanol"]),
        water=Moving(WATER),
    )


def ask(widget: Lab, **changes: Any) -> dict[str, Any]:
    """As the page asks."""
    widget.state = {**widget.state, **changes}
    return widget.answer


# ----------------------------------------------------------------------------- controls


def test_the_page_gets_panels_and_values_in_its_first_message(monkeypatch):
    """A page that is busy may draw before a second message comes."""
    first = []
    monkeypatch.setattr(Lab, "open", lambda self: first.append(self.get_state()))
    Lab(lambda x: [Words(f"x = {x}")], x=Slider(1, 0, 2, 1))
    assert first[0]["state"] == {"x": 1}
    assert [panel["text"] for panel in first[0]["answer"]["panels"]] == ["x = 1"]


def test_picture_gets_a_number_a_bool_a_name_and_atoms() -> None:
    given: dict[str, Any] = {}

    def picture(**state: Any) -> list[Panel]:
        given.update(state)
        return []

    controls: dict[str, Any] = lab().controls
    widget = Lab(picture, **controls)
    assert (given["distance"], given["n"], given["sharp"], given["who"]) == (3.5, 3, True, "water")
    moved = WATER.positions + np.array([0, 0, 1])
    ask(widget, distance=2, n=5, sharp=False, who="ethanol", water=moved.tolist())  # 2: JSON knows no 2.0
    assert (given["distance"], given["n"], given["sharp"], given["who"]) == (2.0, 5, False, "ethanol")
    assert isinstance(given["distance"], float) and isinstance(given["n"], int)
    assert isinstance(given["water"], Atoms) and np.array_equal(given["water"].positions, moved)
    given["water"].positions[:] = 0  # picture may do with its atoms what it likes
    assert np.array_equal(WATER.positions, molecule("H2O").positions)
    assert widget.state["water"] == moved.tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"distance": 9.0}, "distance: got 9.0, expected a number from 0.9 to 6"),
        ({"distance": "far"}, "distance: got 'far'"),
        ({"distance": True}, "distance: got True"),
        ({"sharp": "yes"}, "sharp: got 'yes', expected True or False"),
        ({"who": "gold"}, "who: got 'gold', expected one of water, ethanol"),
        ({"water": [[0, 0, 0]]}, "water: got positions of shape (1, 3), expected finite (3, 3)"),
        ({"other": 1}, "expected distance, n, sharp, who, water"),
    ],
)
def test_a_state_that_the_controls_cannot_have_is_refused(change: dict[str, Any], words: str) -> None:
    widget = lab()
    panels = widget.answer["panels"]
    answer = ask(widget, **change)
    assert words in answer["problem"]
    assert answer["panels"] == panels and answer["state"] == widget.state


# ----------------------------------------------------------------------------- panels


def test_panels_are_plain_data() -> None:
    widget = lab()
    for who in ("water", "ethanol"):
        answer = ask(widget, who=who)
        assert not answer["problem"]
        json.dumps(answer, allow_nan=False)
    moved, other, curves, bars, table, words = answer["panels"]
    assert (moved["values"], moved["limits"], moved["sphere"]) == ([0.0, 1.0, 3.5], [0.0, 3.5], [0, 3.5])
    assert (other["limits"], other["names"][2], other["marked"], len(other["bonds"])) == (None, "O2", [0], 8)
    assert 0.8 <= np.sqrt(3) / other["force_scale"] <= 2
    gap = curves["series"][0]["values"]
    assert [value is None for value in gap] == (R >= 3.5).tolist()
    assert bars["names"] == ["0", "1", "2"] and bars["series"][1]["values"] == [0.0, 1.0, 2.0]
    assert table["rows"] == [["G2", [True, "3.142"]], ["G4", [False, "many"]]]
    assert words["text"] == "Sharp: True."


def test_equal_labels_have_equal_colours_and_equal_units_one_scale() -> None:
    def picture() -> list[Panel]:
        hot, cold = Geometry("", WATER, [1, 2, 3], "eV"), Geometry("", WATER, [-5, 0, np.nan], "eV")
        energy = Curves("", [0, 1], {"A": [0, 1], "B": [1, 0]}, "x", "y")
        return [hot, cold, Geometry("", WATER, [7, 7, 7], "e"), energy, Bars("", {"C": [1], "B": [2]}, "x", "y")]

    answer = Lab(picture).answer
    panels = answer["panels"]
    assert [panel["limits"] for panel in panels[:3]] == [[-5, 3], [-5, 3], [7, 7]]
    colors = {one["label"]: one["color"] for panel in panels[3:] for one in panel["series"]}
    assert colors == dict(zip("ABC", CYCLE, strict=False))
    assert panels[3]["series"][1]["color"] == panels[4]["series"][1]["color"]


def test_a_molecule_keeps_its_side_while_it_moves_and_another_has_its_own() -> None:
    widget = lab()
    moved, other = widget.answer["panels"][:2]
    turned = ask(widget, water=(WATER.positions[:, ::-1]).tolist())["panels"][0]
    assert (turned["view"], turned["axes"]) == (moved["view"], moved["axes"])
    another = ask(widget, who="ethanol")["panels"][1]
    assert another["view"] != other["view"] and another["axes"] != other["axes"]


# ----------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        (Geometry("W", WATER, values=[1, 2]), "values of 'W': shape (2,), expected (3,)"),
        (Geometry("W", WATER, forces=np.ones(3)), "forces of 'W': shape (3,), expected (3, 3)"),
        (Curves("C", [0, 1, 2], {"a": [0, 1]}, "", ""), "values 'a' of 'C': shape (2,), expected (3,)"),
        (Bars("B", {"a": [0, 1], "b": [1]}, "", ""), "values 'b' of 'B': shape (1,), expected (2,)"),
        (Bars("B", {"a": [0, 1]}, "", "", names=["one"]), "values 'a' of 'B': shape (2,), expected (1,)"),
        (Table("T", ["x"], {"a": [1, 2]}), "Row 'a' of 'T': 2 cells, 1 columns"),
        ("a text", "picture returned ['a text']; expected a list of panels"),
        (None, "picture returned None"),
    ],
)
def test_a_panel_that_does_not_fit_is_named(panel: Any, words: str) -> None:
    what: Any = panel if panel is None else [panel]
    widget = Lab(lambda: what)
    assert words in widget.answer["problem"] and widget.answer["panels"] == []
    assert words in widget.in_words()
    assert png(widget.picture(), "")


def test_what_picture_raises_is_a_sentence_and_the_last_good_panels_stay() -> None:
    def picture(x: float) -> list[Panel]:
        if x > 1:
            raise ZeroDivisionError("two atoms at one place")
        return [Words(f"x is {x}")]

    widget = Lab(picture, x=Slider(0.5, 0.0, 2.0, 0.5))
    assert ask(widget, x=1.5)["problem"] == "ZeroDivisionError: two atoms at one place"
    assert widget.answer["panels"] == [{"kind": "words", "text": "x is 0.5"}]
    answer = ask(widget, x=1.0)
    assert (answer["problem"], answer["panels"][0]["text"]) == ("", "x is 1.0")


def test_an_answer_that_comes_late_is_dropped() -> None:
    """JupyterLab may ask in another thread, while this one still computes."""
    begun, may_end = threading.Event(), threading.Event()

    def picture(x: float) -> list[Panel]:
        if x == 1.0:
            begun.set()
            assert may_end.wait(10)
        return [Words(f"{x}")]

    widget = Lab(picture, x=Slider(0.0, 0.0, 2.0, 1.0))
    slow = threading.Thread(target=ask, args=(widget,), kwargs={"x": 1.0})
    slow.start()
    assert begun.wait(10)
    ask(widget, x=2.0)
    may_end.set()
    slow.join()
    assert widget.answer["panels"][0]["text"] == "2.0"


# ----------------------------------------------------------------------------- text, picture, page


def test_in_words() -> None:
    words = "A lab. distance of the atom: 3.5 Å. n: 3. sharp: yes. who: water. Sharp: True."
    assert lab().in_words() == words
    data, metadata = lab()._repr_mimebundle_()
    assert data["text/plain"] == metadata["image/png"]["alt"] == words
    assert data["image/png"].startswith(b"\x89PNG")


def test_the_still_picture_has_all_panels() -> None:
    figure = lab().picture()
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["moved", "other", "energy", "bars", "table"]
    energy = figure.axes[titles.index("energy") + 1]  # behind the colour bar of the first
    assert energy.get_xlabel() == "r, Å"
    assert [line.get_label() for line in energy.lines[:2]] == ["E", "minus E"]
    first = energy.lines[0].get_ydata()
    assert np.array_equal(np.isnan(np.asarray(first, dtype=float)), R >= 3.5)


def test_the_page_without_python_holds_the_positions_of_the_first_slider(tmp_path: Path) -> None:
    widget = lab()
    sent: list[Any] = []
    widget.observe(sent.append, names=["state", "answer"])
    widget.to_html(tmp_path / "lab.html")
    assert widget.recordings == [] and sent == []
    page = (tmp_path / "lab.html").read_text()
    record = json.loads(page.split('<script type="application/json" id="record">')[1].split("</script>")[0])
    recordings = record["state"]["recordings"]
    distances = [each["state"]["distance"] for each in recordings]
    assert distances == sorted(distances) and 3.5 in distances and len(distances) in (41, 42)
    assert (distances[0], distances[-1]) == (0.9, 6.0)
    assert all(each["state"]["n"] == 3 and not each["problem"] for each in recordings)
    assert recordings[0]["panels"][2]["at"] == 0.9


def test_a_page_without_a_slider(tmp_path: Path) -> None:
    Lab(lambda sharp: [Words("here")], sharp=Switch(True)).to_html(tmp_path / "lab.html")
    assert "here" in (tmp_path / "lab.html").read_text()

"""Can you fool it? Without a browser: the rings, the rows, and the verdict."""

from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms

from course.widgets.fool_it import fool_it, misfit, names_of, pairs, picture, radial, radial_and_angular
from course.widgets.lab import Bars, Geometry, Lab, Table, Words


def panels(pair: str, describe: Any, cutoff: float, atom: int = 0, tolerance: float = 1e-6) -> dict[str, Any]:
    left, right, bars, table, words = picture(*pairs()[pair], describe, cutoff, atom, tolerance)
    assert isinstance(left, Geometry) and isinstance(right, Geometry) and isinstance(words, Words)
    assert isinstance(bars, Bars) and isinstance(table, Table)
    return {"rings": (left.marked, right.marked), "bars": bars, "rows": table.rows, "says": words.text}


def test_the_bars_say_by_how_much_two_rows_differ() -> None:
    assert panels("water", radial, 3.0, atom=0)["bars"].title == "row of O0, the same on both sides"
    assert panels("water", radial, 3.0, atom=1)["bars"].title == "row of H1, largest difference 2e-01"


@pytest.mark.parametrize(
    ("pair", "describe", "cutoff", "rings"),
    [
        ("water", radial, 1.4, []),
        ("water", radial, 3.0, [1, 2]),
        ("water", radial_and_angular, 1.4, []),  # the third side is longer than the cutoff
        ("water", radial_and_angular, 3.0, [0, 1, 2]),
        ("methane pair", radial, 3.0, [2, 3]),
        ("methane pair", radial_and_angular, 3.0, [1, 2, 3, 4]),
        ("methane pair", radial_and_angular, 1.2, []),
        ("hexagon or triangles", radial, 2.3, []),
        ("hexagon or triangles", radial_and_angular, 2.3, [0, 1, 2, 3, 4, 5]),
        ("hexagon or triangles", radial, 2.6, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_who_has_no_twin(pair: str, describe: Any, cutoff: float, rings: list[int]) -> None:
    seen = panels(pair, describe, cutoff)
    assert seen["rings"] == (rings, rings)
    assert [row[0] for row in seen["rows"].values()] == [k not in rings for k in range(len(seen["rows"]))]
    assert seen["says"].startswith("Told apart" if rings else "Fooled")


def test_the_bars_are_the_rows_of_the_chosen_atom() -> None:
    bars = panels("water", radial_and_angular, 3.0, atom=0)["bars"]
    assert bars.names == ["H 0.0 Å", "H 1.0 Å", "H 2.0 Å", "H 3.0 Å", *(f"HH ζ{z} λ{s}" for z in (1, 4) for s in "+−")]
    np.testing.assert_allclose(bars.groups["left"][:4], bars.groups["right"][:4])
    assert np.abs(bars.groups["left"][4:] - bars.groups["right"][4:]).max() > 0.1
    assert "row of H2" in panels("water", radial, 3.0, atom=5)["bars"].title  # there is no atom 5


def test_names_are_as_many_as_features() -> None:
    for atoms, _ in pairs().values():
        numbers = torch.tensor(atoms.numbers)
        for describe in (radial, radial_and_angular):
            x = describe(numbers, torch.tensor(atoms.positions), 3.0)
            assert len(names_of(atoms.numbers, 3.0, x.shape[1])) == x.shape[1]


def test_a_molecule_against_itself() -> None:
    left, _ = pairs()["methane pair"]
    turned = left.copy()
    turned.rotate(40, (1, 2, 3))
    assert misfit(left, turned) < 1e-9
    says = picture(left, turned[[0, 3, 1, 4, 2]], radial, 3.0, 0, 1e-6)[-1]
    assert isinstance(says, Words) and says.text.startswith("This is the same molecule")


def test_how_far_apart_two_molecules_are_at_best() -> None:
    assert misfit(Atoms("H2", [[0, 0, 0], [0, 0, 1]]), Atoms("H2", [[0, 0, 0], [0, 1.25, 0]])) == pytest.approx(0.25)
    assert misfit(*pairs()["water"]) == pytest.approx(2 * 0.9594 * (1 - np.sin(np.radians(52))), abs=1e-6)


def ask(lab: Lab, **changes: Any) -> dict[str, Any]:
    lab.state = {**lab.state, **changes}
    return lab.answer


def test_an_atom_is_dragged_and_the_carbon_wakes_up() -> None:
    lab = fool_it()
    answer = ask(lab, pair="methane pair", description="radial + angular")
    assert answer["panels"][0]["marked"] == [1, 2, 3, 4]
    moved = [list(row) for row in lab.state["pair_1_left"]]
    moved[4][0] += 0.1
    assert ask(lab, pair_1_left=moved)["panels"][0]["marked"] == [0, 1, 2, 3, 4]
    assert ask(lab, equal="5 %")["panels"][0]["marked"] != [0, 1, 2, 3, 4]


def test_a_description_of_your_own() -> None:
    lab = fool_it(yours=lambda numbers, positions, cutoff: numbers[:, None] * torch.ones(2))
    assert lab.state["description"] == "yours" and "Fooled" in lab.in_words()
    assert lab.answer["panels"][2]["names"] == ["0", "1"]

    def broken(numbers: torch.Tensor, positions: torch.Tensor, cutoff: float) -> torch.Tensor:
        raise ValueError("not today")

    assert "not today" in fool_it(yours=broken).answer["problem"]
    assert not fool_it().answer["problem"]

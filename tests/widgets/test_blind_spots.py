"""The blind-spot lab: who can tell which pair apart, and who is told so."""

import pytest
from ase import Atoms

from course.widgets.blind_spots import MODELS, blind_spots, known, known_pairs, picture, seen
from course.widgets.lab import Geometry, Table, Words


def sees(model: str, cutoff: float, T: int = 0) -> dict[str, bool]:
    return {pair: bool(seen(model, pair, cutoff, T).left) for pair in known_pairs()}


def surroundings(atoms: Atoms) -> list[list[tuple[int, float]]]:
    """For each atom the elements and distances of all others."""
    r = atoms.get_all_distances().round(6)
    return sorted(sorted(zip(atoms.numbers.tolist(), row, strict=True)) for row in r.tolist())


def test_the_molecules_of_a_pair_have_the_same_atoms_and_are_different() -> None:
    for left, right in known_pairs().values():
        assert sorted(left.numbers) == sorted(right.numbers)
        assert surroundings(left) != surroundings(right)


@pytest.mark.parametrize("T", [1, 2, 3, 6])
def test_no_number_of_rounds_tells_the_hexagon_from_the_triangles_until_the_cutoff_is_larger(T: int) -> None:
    assert not sees("MPNN", 1.7, T)["six carbons"]
    assert not sees("MPNN", 2.4, T)["six carbons"]  # the second neighbour stands at 2.425 Å
    assert sees("MPNN", 2.5, T)["six carbons"]
    assert seen("MPNN", "six carbons", 1.7, T).difference < 1e-14
    assert sees("G2 and G4", 1.7)["six carbons"]
    assert not sees("radial", 1.7)["six carbons"]


def test_and_the_other_way_round_two_rounds_see_what_no_function_of_the_neighbours_sees() -> None:
    for model in MODELS[:-1]:
        assert not sees(model, 1.7)["eight-ring"]
    assert not sees("MPNN", 1.7, 1)["eight-ring"]
    assert sees("MPNN", 1.7, 2)["eight-ring"]
    assert len(seen("MPNN", "eight-ring", 1.7, 2).left) == 4


def test_behlers_angle_needs_its_third_side() -> None:
    assert not sees("G2 and G4", 1.5)["water"]
    assert sees("ANI", 1.5)["water"]
    assert sees("radial", 1.6)["water"] and not sees("radial", 1.5)["water"]  # H-H is 1.518 Å


@pytest.mark.parametrize("model", MODELS)
def test_without_neighbours_and_without_rounds_everybody_is_blind(model: str) -> None:
    assert not any(sees("composition", 5.0).values())
    assert not any(sees("MPNN", 5.0, 0).values())
    assert not sees(model, 1.2, 3)["six carbons"]


def test_the_picture_marks_the_atoms_that_betray_and_says_so() -> None:
    left, right, words, table = picture("eight-ring", "MPNN", 1.7, 2)
    assert isinstance(left, Geometry) and isinstance(right, Geometry)
    assert isinstance(words, Words) and isinstance(table, Table)
    assert len(left.marked or []) == len(right.marked or []) == 4
    assert words.text.startswith("The MPNN after 2 rounds sees a difference at 8 atoms")
    assert table.rows["MPNN"] == [False, True, True, True]
    assert table.rows["composition"] == [False] * 4
    assert table.words == ("sees", "blind")
    left, _, words, _ = picture("six carbons", "MPNN", 1.7, 6)
    assert isinstance(words, Words) and "blind here" in words.text
    assert isinstance(left, Geometry) and left.marked == []


def test_every_state_of_the_controls_has_its_panels() -> None:
    lab = blind_spots()
    for pair in known_pairs():
        for model in MODELS:
            lab.state = {**lab.state, "pair": pair, "model": model}
            assert lab.answer["problem"] == "" and len(lab.answer["panels"]) == 4
    for cutoff in (1.2, 3.3, 5.0):
        for T in (0, 6):
            lab.state = {**lab.state, "cutoff": cutoff, "T": T}
            assert lab.answer["problem"] == ""
    assert "blind" in blind_spots().in_words()


def test_another_pair_is_known_already() -> None:
    picture("water", "MPNN", 3.1, 1)
    computed = known.cache_info().misses
    picture("methane", "MPNN", 3.1, 1)
    assert known.cache_info().misses == computed  # so it is answered in milliseconds


def test_the_still_picture_says_the_same_words_as_the_page() -> None:
    (table,) = (table for ax in blind_spots().picture().axes for table in ax.tables)
    verdicts = {cell.get_text().get_text() for (row, column), cell in table.get_celld().items() if row > 0 <= column}
    assert verdicts == {"sees", "blind"}

"""Data sets: the shipped files keep their laws, files round-trip exactly, every kind of damage is refused by name."""

import json
import warnings
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest

from course import datasets
from course.datasets import Dataset, Frame, load, read, save, verify

SHIPPED = datasets.names()


def two_molecules(forces: bool = True) -> Dataset:
    """A water and two H2 with random digits, so that a lost digit is seen."""
    rng = np.random.default_rng(0)
    numbers = [8, 1, 1, 1, 1, 1, 1]
    return Dataset(
        "two_molecules",
        numbers=np.array(numbers),
        positions=rng.normal(size=(7, 3)),
        energies=rng.normal(size=3) * 1e3,
        forces=rng.normal(size=(7, 3)) if forces else None,
        offsets=np.array([0, 3, 5, 7]),
        groups=np.array(["water", "hydrogen", "hydrogen"]),
        splits=np.array(["train", "test", "test"]),
        coordinate=np.array([500.0, 1 / 3, 2 / 3]),
        provenance={"method": "dice", "atomic_energies": {"H": -13.5, "O": -2000.25}},
    )


def assert_same(one: Dataset, other: Dataset) -> None:
    for name in datasets.FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


# ----------------------------------------------------------------------------- shipped files


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_offsets_cut_the_arrays_into_frames(name: str) -> None:
    dataset = load(name)
    assert len(dataset) == len(dataset.energies) == len(list(dataset))
    assert dataset.n_atoms.sum() == len(dataset.numbers) == len(dataset.positions)
    for index, frame in enumerate(dataset):
        np.testing.assert_array_equal(
            frame.positions, dataset.positions[dataset.offsets[index] :][: len(frame.numbers)]
        )


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_splits_share_no_group(name: str) -> None:
    dataset = load(name)
    splits_of_group: dict[str, set[str]] = {}
    for group, split in zip(dataset.groups.tolist(), dataset.splits.tolist(), strict=True):
        splits_of_group.setdefault(group, set()).add(split)
    assert all(len(splits) == 1 for splits in splits_of_group.values()), splits_of_group
    if "train" in dataset.splits:
        assert sum(len(dataset.split(split)) for split in set(dataset.splits.tolist())) == len(dataset)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_frames_are_all_different(name: str) -> None:
    """No geometry stands in two splits, or twice in one: a copied frame would make a test error meaningless."""
    dataset = load(name)
    seen = {(str(dataset.groups[i]), frame.positions.tobytes()) for i, frame in enumerate(dataset)}
    assert len(seen) == len(dataset)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_forces_sum_to_nearly_zero(name: str) -> None:
    """The integration grid moves with the atoms, and PySCF leaves that part of the gradient out: a few meV/A remain."""
    dataset = load(name)
    if dataset.forces is None:
        pytest.skip(f"{name} has no forces")
    totals = np.add.reduceat(dataset.forces, dataset.offsets[:-1])  # (n_atoms_total, 3) -> (n_frames, 3)
    assert np.abs(totals).max() < 0.03
    assert np.sqrt((dataset.forces**2).mean()) > 0.3  # the sum is small because forces cancel, not because they vanish


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_provenance_is_complete(name: str) -> None:
    provenance = load(name).provenance
    expected = ["title", "method", "basis", "programs", "sampling", "temperature", "units", "coordinate"]
    expected += ["licence", "command", "date", "n_geometries", "verification", "checksum"]
    assert [key for key in expected if key not in provenance] == []
    assert verify(datasets.FOLDER / f"{name}.npz") == provenance["checksum"]


@pytest.mark.parametrize("name", [name for name in SHIPPED if name in ("ethanol", "small_molecules")])
def test_molecules_are_bound_and_the_training_split_knows_all_elements(name: str) -> None:
    dataset = load(name)
    bound = [energy - sum(dataset.atomic_energies[z] for z in numbers.tolist()) for numbers, _, energy, _ in dataset]
    assert max(bound) < 0
    assert dataset.split("train").elements == dataset.elements


def triangles(r: np.ndarray) -> np.ndarray:
    """Sorted list of (shorter r_0j, longer r_0j, r_jk) of all pairs of neighbours of atom 0."""
    rows = [(*sorted((r[0, j], r[0, k])), r[j, k]) for j in range(1, 5) for k in range(j + 1, 5)]
    return np.array(sorted(rows, key=lambda row: np.round(row, 9).tolist()))


def test_degenerate_pairs_fool_the_carbon_only() -> None:
    """Equal distances and triangles at the carbon, unequal ones at the hydrogens, and different energies."""
    dataset = load("degenerate")
    for first in range(0, len(dataset), 2):
        plus, minus = dataset.to_ase(first), dataset.to_ase(first + 1)
        assert dataset.groups[first] == dataset.groups[first + 1]
        r_plus, r_minus = plus.get_all_distances(), minus.get_all_distances()

        np.testing.assert_allclose(np.sort(r_plus[0]), np.sort(r_minus[0]), rtol=0, atol=1e-12)
        np.testing.assert_allclose(triangles(r_plus), triangles(r_minus), rtol=0, atol=1e-12)
        hydrogens = [sorted(np.sort(row).tolist() for row in r[1:]) for r in (r_plus, r_minus)]
        assert np.abs(np.subtract(*map(np.array, hydrogens))).max() > 0.3
        assert abs(dataset.energies[first] - dataset.energies[first + 1]) > 0.01


def test_scans_know_some_chemistry() -> None:
    scans = load("scans")
    curves = {name: scans.group(name) for name in sorted(set(scans.groups.tolist()))}
    rhf, uhf, fci = (curves[f"h2_{method}"].energies for method in ("rhf", "uhf", "fci"))
    assert (fci <= uhf + 1e-6).all() and (uhf <= rhf + 1e-6).all()  # variational
    assert 4.4 < fci[-1] - fci.min() < 4.8  # eV; experiment 4.75
    assert rhf[-1] - fci[-1] > 5  # the restricted curve does not dissociate
    bend = curves["water_bend"]
    assert bend.coordinate is not None and abs(bend.coordinate[bend.energies.argmin()] - 104) <= 4
    torsion = curves["ethane_torsion"].energies
    assert 0.10 < torsion.max() - torsion.min() < 0.15  # eV; experiment 0.125
    for name in ("ethanol_oh", "ethanol_co"):
        curve = curves[name].energies
        assert (np.sign(np.diff(curve)) > 0).sum() == len(curve) - 1 - curve.argmin()  # one well, no jump back


# ----------------------------------------------------------------------------- a Dataset


def test_indexing_a_ragged_data_set() -> None:
    dataset = two_molecules()
    assert isinstance(dataset[0], Frame) and dataset[0].numbers.tolist() == [8, 1, 1]
    np.testing.assert_array_equal(dataset[-1].positions, dataset.positions[5:])
    for index in (slice(1, 3), [1, 2], np.array([False, True, True])):
        assert_same(dataset[index], dataset.split("test"))
    assert_same(dataset.split("test"), dataset.group("hydrogen"))
    backwards = dataset[[2, 0]]
    assert backwards.n_atoms.tolist() == [2, 3]
    np.testing.assert_array_equal(backwards[1].forces, dataset[0].forces)
    assert len(dataset[:0]) == 0
    with pytest.raises(IndexError):
        dataset[3]


def test_a_data_set_describes_itself() -> None:
    dataset = two_molecules()
    assert dataset.elements == [1, 8]
    assert dataset.atomic_energies == {1: -13.5, 8: -2000.25}
    assert repr(dataset) == "<Dataset two_molecules: 3 frames; 2-3 atoms of H O; 2 groups; train 1, test 2; dice>"


def test_a_data_set_cannot_be_changed() -> None:
    mine = np.array([8, 1, 1, 1, 1, 1, 1])
    dataset = two_molecules()
    with pytest.raises(ValueError, match="read-only"):
        dataset.positions[0, 0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        dataset[0].positions[0, 0] = 1.0
    with pytest.raises(AttributeError):
        dataset.energies = np.zeros(3)  # type: ignore[misc]
    mine[0] = 6
    assert dataset.numbers[0] == 8


def test_unknown_names_are_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown data set 'ethanal'.*ethanol"):
        load("ethanal")
    with pytest.raises(ValueError, match=r"no split 'validation'.*\['test', 'train'\]"):
        two_molecules().split("validation")
    with pytest.raises(ValueError, match=r"no group 'methane'.*\['hydrogen', 'water'\]"):
        two_molecules().group("methane")


# ----------------------------------------------------------------------------- there and back


@pytest.mark.parametrize("forces", [True, False])
def test_packed_file_round_trip_is_exact(tmp_path: Path, forces: bool) -> None:
    dataset = two_molecules(forces)
    save(dataset, tmp_path / "mine.npz")
    again = read(tmp_path / "mine.npz")
    assert_same(dataset, again)
    assert again.provenance == {**dataset.provenance, "checksum": verify(tmp_path / "mine.npz")}
    assert [path.name for path in tmp_path.iterdir()] == ["mine.npz"]  # no temporary file stays
    save(again, tmp_path / "again.npz")
    assert (tmp_path / "mine.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()


@pytest.mark.parametrize("forces", [True, False])
def test_extended_xyz_round_trip_is_exact(tmp_path: Path, forces: bool) -> None:
    dataset = two_molecules(forces)
    dataset.write_xyz(tmp_path / "mine.xyz")
    assert_same(dataset, read(tmp_path / "mine.xyz"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_data_round_trips_through_extended_xyz(tmp_path: Path, name: str) -> None:
    dataset = load(name)[::7]
    dataset.write_xyz(tmp_path / "some.xyz")
    assert_same(dataset, read(tmp_path / "some.xyz"))


def test_ase_atoms_carry_the_labels() -> None:
    dataset = two_molecules()
    atoms = dataset.to_ase(0)
    assert atoms.get_potential_energy() == dataset[0].energy
    np.testing.assert_array_equal(atoms.get_forces(), dataset[0].forces)
    assert atoms.info == {"group": "water", "split": "train", "coordinate": 500.0}
    assert [len(atoms) for atoms in dataset.to_ase()] == [3, 2, 2]


def test_extended_xyz_that_ase_wrote_is_read(tmp_path: Path) -> None:
    dataset = two_molecules()
    ase.io.write(tmp_path / "ase.xyz", dataset.to_ase(), format="extxyz")
    again = read(tmp_path / "ase.xyz")
    assert again.forces is not None and dataset.forces is not None
    np.testing.assert_allclose(again.forces, dataset.forces, rtol=0, atol=1e-8)
    np.testing.assert_array_equal(again.energies, dataset.energies)


# ----------------------------------------------------------------------------- units

KCAL = 0.0433641  # 1 kcal/mol in eV
BOHR = 0.529177  # 1 Bohr in Angstrom


def md17(path: Path, layout: tuple[str, ...], **changes: np.ndarray) -> Path:
    """Two frames of H2 in the layout of rMD17 or MD17."""
    z, r, e, f = layout
    arrays: dict[str, Any] = {
        z: np.array([1, 1], dtype=np.uint8),
        r: np.array([[[0, 0, 0], [0, 0, 1.0]], [[0, 0, 0], [0, 0, 2.0]]]),
        e: np.array([100.0, 200.0]),
        f: np.array([[[0, 0, 10.0], [0, 0, -10.0]], [[0, 0, 20.0], [0, 0, -20.0]]]),
    }
    np.savez(path, **{**arrays, **changes})
    return path


RMD17, MD17 = ("nuclear_charges", "coords", "energies", "forces"), ("z", "R", "E", "F")


@pytest.mark.parametrize("layout", [RMD17, MD17])
def test_md17_files_are_in_kcal_per_mol(tmp_path: Path, layout: tuple[str, ...]) -> None:
    changes = {"E": np.array([[100.0], [200.0]])} if layout == MD17 else {}  # MD17 stores a column
    dataset = read(md17(tmp_path / "h2.npz", layout, **changes))
    assert dataset.energies == pytest.approx([100 * KCAL, 200 * KCAL], rel=1e-6)
    assert dataset.forces is not None and dataset.forces[2] == pytest.approx([0, 0, 20 * KCAL], rel=1e-6)
    assert dataset.positions[3].tolist() == [0, 0, 2]
    assert dataset.n_atoms.tolist() == [2, 2]


def test_units_of_energy_and_length_are_converted(tmp_path: Path) -> None:
    dataset = read(md17(tmp_path / "h2.npz", RMD17), energy_unit="Hartree", length_unit="Bohr")
    assert dataset.energies == pytest.approx([2721.1386, 5442.2772], rel=1e-6)
    assert dataset.positions[1, 2] == pytest.approx(BOHR, rel=1e-6)
    assert dataset.forces is not None and dataset.forces[0, 2] == pytest.approx(272.11386 / BOHR, rel=1e-5)
    two_molecules().write_xyz(tmp_path / "mine.xyz")
    kilojoule = read(tmp_path / "mine.xyz", energy_unit="kJ/mol")
    assert kilojoule.energies == pytest.approx(two_molecules().energies / 96.48533, rel=1e-6)
    with pytest.raises(ValueError, match=r"unknown unit 'kcal'.*kcal/mol"):
        read(tmp_path / "h2.npz", energy_unit="kcal")


# ----------------------------------------------------------------------------- damage


def damage(path: Path, **changes: np.ndarray | None) -> Path:
    """Write the packed file again with fields exchanged, or dropped (None), and its old checksum."""
    save(two_molecules(), path)
    with np.load(path) as file:
        arrays = {**{key: file[key] for key in file.files}, **changes}
    np.savez_compressed(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


def changed(name: str, value: float) -> np.ndarray:
    array = np.array(getattr(two_molecules(), name))
    array.flat[1] = value
    return array


ELEMENTS = np.array([8, 1, 1, 1, 1, 1, 1])
REFUSED = {
    "missing field": ({"energies": None}, r"'energies' is missing"),
    "missing provenance": ({"provenance": None}, r"'provenance' is missing"),
    "wrong shape": ({"positions": np.zeros((6, 3))}, r"'positions': expected shape .* = \(7, 3\), got \(6, 3\)"),
    "wrong dimension": ({"forces": np.zeros(21)}, r"'forces': expected shape .* = \(7, 3\), got \(21,\)"),
    "wrong kind": ({"numbers": ELEMENTS.astype(float)}, r"'numbers': expected int64, got dtype float64"),
    "no dimension": ({"energies": np.array(1.0)}, r"'energies': expected shape"),
    "NaN": ({"positions": changed("positions", np.nan)}, r"'positions': nan at index \(0, 1\)"),
    "infinity": ({"forces": changed("forces", np.inf)}, r"'forces': inf at index \(0, 1\)"),
    "NaN energy": ({"energies": changed("energies", np.nan)}, r"'energies': nan at index \(1,\)"),
    "no element": ({"numbers": changed("numbers", 0)}, r"'numbers': 0 is not an atomic number"),
    "offsets that fall": ({"offsets": np.array([0, 5, 3, 7])}, r"'offsets': must rise from 0 to 7"),
    "offsets too short": ({"offsets": np.array([0, 3, 5, 6])}, r"'offsets': must rise from 0 to 7"),
    "unknown field": ({"velocities": np.zeros((7, 3))}, r"velocities"),
    "no JSON": ({"provenance": np.array("{")}, r"'provenance' is not JSON"),
    "JSON that is no record": ({"provenance": np.array("[]")}, r"'provenance': expected a JSON object"),
    "one changed digit": ({"energies": changed("energies", 1.0)}, r"checksum"),
    "changed words": ({"groups": np.array(["water", "hydrogen", "helium"])}, r"checksum"),
    "changed provenance": ({"provenance": np.array(json.dumps({"method": "guess"}))}, r"checksum"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, changes: dict, message: str) -> None:
    path = damage(tmp_path / "hurt.npz", **changes)
    with pytest.raises(ValueError, match=rf"(?s)hurt\.npz.*{message}"):
        read(path)


def test_the_undamaged_file_is_accepted(tmp_path: Path) -> None:
    assert_same(read(damage(tmp_path / "whole.npz")), two_molecules())


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    save(two_molecules(), tmp_path / "whole.npz")
    content = (tmp_path / "whole.npz").read_bytes()
    cut = tmp_path / "cut.npz"
    for length in [0, 1, *range(4, len(content), 97)]:
        cut.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"cut\.npz"):
            read(cut)


def test_a_flipped_byte_is_refused_wherever_it_is_flipped(tmp_path: Path) -> None:
    """Or else it changed nothing that is read, such as a date in the zip directory."""
    save(two_molecules(), tmp_path / "whole.npz")
    content = (tmp_path / "whole.npz").read_bytes()
    flipped, refused = tmp_path / "flipped.npz", 0
    for position in range(0, len(content), 13):
        flipped.write_bytes(content[:position] + bytes([content[position] ^ 0x5A]) + content[position + 1 :])
        try:
            with warnings.catch_warnings(action="ignore"):  # zipfile warns of odd names on the way to its error
                survived = read(flipped)
        except ValueError as error:
            assert "flipped.npz" in str(error)
            refused += 1
        else:
            assert_same(survived, two_molecules())
    assert refused > 50


def test_what_is_no_npz_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "note.npz"
    path.write_text("energies: see my thesis")
    with pytest.raises(ValueError, match=r"note\.npz.*is not a npz"):
        read(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "array.npy").rename(path)
    with pytest.raises(ValueError, match=r"note\.npz"):
        read(path)
    with pytest.raises(FileNotFoundError, match="absent"):
        read(tmp_path / "absent.npz")


class Trap:
    def __reduce__(self) -> tuple:
        return (pytest.fail, ("the file ran code",))


def test_a_file_cannot_run_code(tmp_path: Path) -> None:
    np.savez(tmp_path / "trap.npz", nuclear_charges=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match=r"trap\.npz.*'nuclear_charges'"):
        read(tmp_path / "trap.npz")


MISSHAPEN = {
    "missing": ({"energies": None}, r"expected the fields .*nuclear_charges"),
    "atoms": ({"coords": np.zeros((2, 3, 3))}, r"'coords': expected shape \(2, 2, 3\), got \(2, 3, 3\)"),
    "energies": ({"energies": np.zeros(3)}, r"'energies': expected shape \(2,\), got \(3,\)"),
    "forces": ({"forces": np.zeros((2, 3, 3))}, r"'forces': expected shape \(2, 2, 3\), got \(2, 3, 3\)"),
    "NaN": ({"energies": np.array([1.0, np.nan])}, r"'energies': nan at index \(1,\)"),
    "strings": ({"energies": np.array(["1", "2"])}, r"'energies': expected numbers"),
}


@pytest.mark.parametrize(("changes", "message"), MISSHAPEN.values(), ids=MISSHAPEN.keys())
def test_a_misshapen_md17_file_is_refused_by_name(tmp_path: Path, changes: dict, message: str) -> None:
    path = md17(tmp_path / "h2.npz", RMD17)
    with np.load(path) as file:
        arrays = {**{key: file[key] for key in file.files}, **changes}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(ValueError, match=rf"h2\.npz.*{message}"):
        read(path)


BAD_XYZ = {
    "no energy": ('1\nProperties=species:S:1:pos:R:3 e=1 pbc="F F F"\nH 0 0 0\n', r"'energy' is missing in frame 0"),
    "cut": ("2\nProperties=species:S:1:pos:R:3 energy=1\nH 0 0 0\n", r"cannot be read as extended XYZ"),
    "empty": ("", r"holds no frames|cannot be read"),
    "NaN": ("1\nProperties=species:S:1:pos:R:3 energy=nan\nH 0 0 0\n", r"'energies': nan"),
    "forces in one frame only": (
        "1\nProperties=species:S:1:pos:R:3:forces:R:3 energy=1\nH 0 0 0 0 0 0\n"
        "1\nProperties=species:S:1:pos:R:3 energy=1\nH 0 0 0\n",
        r"'forces' is missing in frame 1",
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD_XYZ.values(), ids=BAD_XYZ.keys())
def test_a_bad_xyz_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.xyz").write_text(text)
    with pytest.raises(ValueError, match=rf"bad\.xyz.*({message})"):
        read(tmp_path / "bad.xyz")

"""The tool that makes the data: a kill at any moment loses no label and doubles none, and the plans keep their laws.

The log, the packing and the plans are tested with a cheap stand-in for quantum chemistry. What needs PySCF, tblite or
RDKit is collected only where the extra `qm` is installed.
"""

import fcntl
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from ase import Atoms

from course.datasets import read

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def make_data(tmp_path: Path) -> Iterator[ModuleType]:
    """The tool, with its folders in tmp_path. Importing it sets OMP_NUM_THREADS, which other tests must not feel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
        from tools import make_data

        patch.setattr(make_data, "WORK", tmp_path / "build")
        patch.setattr(make_data, "PACKED", tmp_path / "packed")
        patch.setattr(make_data, "version", lambda program: "1.0")  # of programs that need not be installed here
        yield make_data


def dimers(n: int) -> list[Atoms]:
    """Helium dimers, each a little longer than the one before."""
    frames = [Atoms("He2", [[0, 0, 0], [0, 0, 1.0 + 0.01 * index]]) for index in range(n)]
    for index, frame in enumerate(frames):
        frame.info = {"group": f"dimer_{index // 2}", "split": "train", "coordinate": float(index)}
    return frames


def lennard_jones(job: tuple[int, Atoms]) -> dict[str, Any]:
    from ase.calculators.lj import LennardJones

    index, atoms = job
    atoms.calc = LennardJones()
    return {
        "index": index,
        "energy": atoms.get_potential_energy(),
        "forces": atoms.get_forces().tolist(),
        "converged": index != 3,
    }


def write_log(make_data: ModuleType, frames: list[Atoms], indices: list[int]) -> Path:
    """A log with the labels of some frames, as `label` writes it."""
    make_data.read_labels("dimers", frames)
    path: Path = make_data.WORK / "dimers" / "labels.jsonl"
    path.write_text("".join(json.dumps(lennard_jones((index, frames[index]))) + "\n" for index in indices))
    return path


# ----------------------------------------------------------------------------- killed and started again

SCRIPT = """
import sys, time
from pathlib import Path
from typing import Any
sys.path.insert(0, {root!r})
from ase import Atoms
from tools import make_data

make_data.WORK = Path(sys.argv[1])

{functions}

def slow_label(job):
    time.sleep(0.1)
    return lennard_jones(job)

if __name__ == "__main__":
    make_data.label("dimers", dimers(30), 2, slow_label)
"""


def test_a_killed_labelling_goes_on_where_it_was(tmp_path: Path, make_data: ModuleType) -> None:
    """SIGKILL to all processes and a torn last line: then the same labels as without, each of them once."""
    script = tmp_path / "label_dimers.py"
    functions = inspect.getsource(dimers) + inspect.getsource(lennard_jones)  # copied: importing this file takes long
    script.write_text(SCRIPT.format(root=str(ROOT), functions=functions))
    command = [sys.executable, str(script), str(make_data.WORK)]
    log = make_data.WORK / "dimers" / "labels.jsonl"

    with subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 100
        while not log.exists() or log.read_bytes().count(b"\n") < 4:
            assert process.poll() is None and time.monotonic() < deadline, "no labels came"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    survived = log.read_bytes()
    assert 4 <= survived.count(b"\n") < 30  # it was killed in the middle
    with log.open("ab") as file:
        file.write(b'{"index": 5, "energy": -1.2')  # what a kill inside a write leaves

    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, timeout=100)
    whole_lines = survived[: survived.rindex(b"\n") + 1]
    assert log.read_bytes().startswith(whole_lines)  # what was done was kept, not done again
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert sorted(record["index"] for record in records) == list(range(30))  # none lost, none twice
    expected = {index: lennard_jones((index, frame)) for index, frame in enumerate(dimers(30))}
    assert make_data.read_labels("dimers", dimers(30)) == expected


def test_two_processes_do_not_label_the_same_set(make_data: ModuleType) -> None:
    frames = dimers(2)
    log = write_log(make_data, frames, [0])
    with log.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(SystemExit, match="another process is writing labels"):
            make_data.label("dimers", frames, 1, lennard_jones)


def test_a_torn_last_line_is_not_a_label(make_data: ModuleType) -> None:
    log = write_log(make_data, dimers(6), [4, 0])
    whole = log.read_bytes()
    second = whole.index(b"\n") + 1
    for end in range(second, len(whole)):
        log.write_bytes(whole[:end])
        assert list(make_data.read_labels("dimers", dimers(6))) == [4]
        make_data.drop_torn_line(log)
        assert log.read_bytes() == whole[:second]


def test_labels_are_not_given_to_other_geometries(make_data: ModuleType) -> None:
    frames = dimers(6)
    write_log(make_data, frames, [0, 1])
    frames[2].positions[0, 0] += 1e-9
    with pytest.raises(ValueError, match="dimers: the labels there belong to other geometries"):
        make_data.read_labels("dimers", frames)


# ----------------------------------------------------------------------------- packing


def test_a_part_of_the_labels_can_be_packed(make_data: ModuleType) -> None:
    """Frames come in their own order, and the one that did not converge (number 3) is left out and counted."""
    frames = dimers(6)
    write_log(make_data, frames, [4, 3, 0])
    recipe = make_data.Recipe(lambda workers: frames, lennard_jones, [], {"method": "Lennard-Jones"})
    make_data.pack("dimers", frames, recipe)
    packed = read(make_data.PACKED / "dimers.npz")
    assert packed.coordinate is not None and packed.coordinate.tolist() == [0, 4]
    assert packed.groups.tolist() == ["dimer_0", "dimer_2"]
    for position, index in enumerate([0, 4]):
        expected = lennard_jones((index, frames[index]))
        assert packed[position].energy == expected["energy"]
        np.testing.assert_array_equal(packed[position].forces, expected["forces"])
        np.testing.assert_array_equal(packed[position].positions, frames[index].positions)
    assert packed.provenance["n_geometries"] == 6
    assert packed.provenance["n_labelled"] == 3
    assert packed.provenance["not_converged_and_left_out"] == [3]
    assert packed.provenance["command"] == "python tools/make_data.py dimers"


def test_checks_are_run_once(make_data: ModuleType) -> None:
    calls = []

    def sum_of_forces(frames: list[Atoms], labels: dict[int, Any]) -> dict[str, Any]:
        calls.append(len(labels))
        return {"largest": 0.0}

    frames = dimers(2)
    write_log(make_data, frames, [0, 1])
    recipe = make_data.Recipe(lambda workers: frames, lennard_jones, [sum_of_forces], {})
    for _ in range(2):
        assert make_data.run_checks("dimers", frames, recipe) == {"sum_of_forces": {"largest": 0.0}}
    assert calls == [2]


# ----------------------------------------------------------------------------- plans


def test_ethanol_plan(make_data: ModuleType) -> None:
    jobs = make_data.ethanol_jobs()
    counts: dict[str, int] = {}
    for job in jobs:
        counts[job["split"]] = counts.get(job["split"], 0) + job["n_frames"]
    assert counts == {"train": 1200, "validation": 400, "test": 400, "test_300K": 100, "test_1000K": 200}
    assert len({job["seed"] for job in jobs}) == len({job["group"] for job in jobs}) == len(jobs)
    dihedrals = [job["start"].get_dihedral(0, 1, 2, 3) for job in jobs[:2]]
    assert dihedrals == pytest.approx([180, 60], abs=1)  # trans, gauche


def test_small_molecules_plan(make_data: ModuleType) -> None:
    smiles = make_data.MOLECULES.values()
    assert len(smiles) == len(set(smiles)) >= 60
    assert max(sum(letter in "CNO" for letter in text) for text in smiles) == 4
    validation, test = (set(make_data.HELD_OUT[split]) for split in ("validation", "test"))
    assert validation | test <= set(make_data.MOLECULES) and not validation & test
    assert len({job["seed"] for job in make_data.small_molecule_jobs()}) == len(smiles)


def test_degenerate_pairs_need_perpendicular_arms(make_data: ModuleType) -> None:
    """The construction, and what its condition is for: with a slanted arm the carbon tells the two apart."""
    rng = np.random.default_rng(0)
    b = rng.normal(size=3)
    for slant, blind in ((0.0, True), (0.2, False)):
        a, c = np.array([1.0, slant, 0.3]), np.array([0, 0.8, -0.4])
        plus, minus = make_data.degenerate_pair(a, b, c)
        difference = np.abs(make_data.triangles(plus, 0) - make_data.triangles(minus, 0)).max()
        assert (difference < 1e-12) == blind, f"b = {b}"


# ----------------------------------------------------------------------------- with the extra `qm`


def test_pbe_forces_are_the_slope_of_the_energy(make_data: ModuleType) -> None:
    pytest.importorskip("pyscf", reason='needs the extra qm: pip install ".[qm]"')
    hydrogen = Atoms("H2", [[0, 0, 0], [0, 0, 0.8]])
    found = make_data.pbe_label((7, hydrogen))
    assert found["index"] == 7 and found["converged"]
    energies = []
    for sign in (+1, -1):
        moved = hydrogen.copy()
        moved.positions[1, 2] += sign * 0.005
        energies.append(make_data.pbe_label((0, moved))["energy"])
    assert found["forces"][1][2] == pytest.approx(-(energies[0] - energies[1]) / 0.01, abs=0.005)
    assert np.sum(found["forces"], axis=0) == pytest.approx([0, 0, 0], abs=0.005)


def test_isolated_atoms_are_open_shells(make_data: ModuleType) -> None:
    pytest.importorskip("pyscf", reason='needs the extra qm: pip install ".[qm]"')
    hydrogen = make_data.atom_label((0, Atoms("H")))
    assert hydrogen["energy"] == pytest.approx(-13.57, abs=0.02)  # eV; exact -13.606
    hydrogen_molecule = make_data.pbe_label((0, Atoms("H2", [[0, 0, 0], [0, 0, 0.75]])))
    assert 4.3 < 2 * hydrogen["energy"] - hydrogen_molecule["energy"] < 4.8  # experiment 4.75


def test_uhf_follows_the_bond_where_rhf_does_not(make_data: ModuleType) -> None:
    pytest.importorskip("pyscf", reason='needs the extra qm: pip install ".[qm]"')
    near, far = (Atoms("H2", [[0, 0, 0], [0, 0, r]]) for r in (0.75, 4.0))
    assert make_data.uhf_energy(near)[0] == pytest.approx(make_data.rhf_energy(near)[0], abs=1e-7)
    assert make_data.uhf_energy(far)[0] == pytest.approx(-0.9996, abs=1e-3)  # Hartree: two atoms in this basis
    assert make_data.rhf_energy(far)[0] > -0.85


def test_a_reaction_is_noticed(make_data: ModuleType) -> None:
    pytest.importorskip("rdkit", reason='needs the extra qm: pip install ".[qm]"')
    pytest.importorskip("tblite", reason='needs the extra qm: pip install ".[qm]"')
    water = make_data.relaxed_molecule("O")
    assert water.get_angle(1, 0, 2) == pytest.approx(107, abs=4)
    assert make_data.keeps_its_bonds(water, "O")
    stretched, squeezed = water.copy(), water.copy()
    stretched.set_distance(0, 1, 1.6, fix=0)
    assert not make_data.keeps_its_bonds(stretched, "O")
    squeezed.set_distance(1, 2, 0.6)
    assert not make_data.keeps_its_bonds(squeezed, "O")

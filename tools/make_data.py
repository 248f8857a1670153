"""Make the reference data of the course: sample geometries, label them with quantum chemistry, pack them.

    python tools/make_data.py ethanol            2,300 geometries, about 2.5 CPU hours
    python tools/make_data.py small-molecules    62 molecules, 20 geometries each, about 1 CPU hour
    python tools/make_data.py scans              seven curves, about 10 CPU minutes
    python tools/make_data.py degenerate         pairs that fool three-body functions, about 1 CPU minute

Each command goes through four steps: geometries, labels, verification, packing into `course/data/NAME.npz`.
It can be killed at any moment and started again: geometries are sampled once into `build/data/NAME/`, every
finished label is one fsynced line of a log there, and only the missing ones are computed. `--pack-only` packs the
labels that are there. Needs the extra `qm`: `pip install ".[qm]"`.

Geometries come from GFN2-xTB Langevin dynamics (Bannwarth, Ehlert, Grimme, J. Chem. Theory Comput. 2019,
doi 10.1021/acs.jctc.8b01176), labels from PBE/def2-SVP with density fitting in PySCF: the level of the rMD17
benchmark (Christensen and von Lilienfeld, Mach. Learn.: Sci. Technol. 2020, doi 10.1088/2632-2153/abba6f).
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one single-thread process a core beats threads at this size

import fcntl
import hashlib
import io
import itertools
import json
import multiprocessing
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import ase.io
import numpy as np
import typer
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.data import covalent_radii
from tqdm.auto import tqdm

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build" / "data"
PACKED = ROOT / "course" / "data"

Job = dict[str, Any]  # what a sampling job needs to know
Label = dict[str, Any]  # index, energy (eV), forces (eV/A, where there are any), converged
LabelFunction = Callable[[tuple[int, Atoms]], Label]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback(help=__doc__)
def main() -> None: ...


# ----------------------------------------------------------------------------- sampling


def langevin(atoms: Atoms, temperature: float, n_frames: int, spacing: float, seed: int) -> Iterator[Atoms]:
    """Frames of a GFN2-xTB Langevin trajectory, `spacing` fs apart, after 2 ps of equilibration at `temperature` K."""
    from ase.md.langevin import Langevin
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
    from tblite.ase import TBLite

    timestep = 0.5  # fs
    rng = np.random.default_rng(seed)
    atoms = atoms.copy()
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    dynamics = Langevin(
        atoms, timestep * units.fs, temperature_K=temperature, friction=0.02 / units.fs, fixcm=False, rng=rng
    )
    dynamics.run(int(2000 / timestep))
    for _ in range(n_frames):
        dynamics.run(int(spacing / timestep))
        yield Atoms(atoms.numbers, atoms.positions - atoms.get_center_of_mass())


def run_trajectory(job: Job) -> list[Atoms]:
    """One sampling job: a trajectory whose frames carry the job's group and temperature."""
    frames = list(langevin(job["start"], job["temperature"], job["n_frames"], job["spacing"], job["seed"]))
    for frame in frames:
        frame.info = {"group": job["group"], "split": job["split"], "temperature": job["temperature"]}
    return frames


def sample(name: str, jobs: list[Job], workers: int, run: Callable[[Job], list[Atoms]] = run_trajectory) -> list[Atoms]:
    """The geometries of a data set, from `build/data/NAME/geometries.xyz` or from the trajectories of `jobs`."""
    path = WORK / name / "geometries.xyz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            batches = list(tqdm(pool.imap(run, jobs), total=len(jobs), desc=f"{name}: trajectories"))
        write_frames(path, [frame for batch in batches for frame in batch])
    return read_frames(path)  # always the written digits, so that a label belongs to exactly these positions


def read_frames(path: Path) -> list[Atoms]:
    frames = ase.io.read(path, ":")
    assert isinstance(frames, list)
    return frames


def write_frames(path: Path, frames: list[Atoms]) -> None:
    text = io.StringIO()
    ase.io.write(text, frames, format="extxyz")
    write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Write all of a file or nothing: a kill leaves the old content or the new one."""
    temporary = path.with_suffix(".part")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


# ----------------------------------------------------------------------------- labels


def pyscf_molecule(atoms: Atoms, basis: str, spin: int = 0) -> Any:
    """PySCF's molecule; spin is the number of unpaired electrons."""
    from pyscf import gto

    geometry = list(zip(atoms.get_chemical_symbols(), atoms.positions.tolist(), strict=True))
    return gto.M(atom=geometry, basis=basis, spin=spin, verbose=0)


def pbe(atoms: Atoms, spin: int = 0) -> Any:
    """A converged PBE/def2-SVP mean field with density fitting.

    A coarse grid carries the first SCF cycles; the last ones, and so the result, are on grid level 2.
    """
    from pyscf import dft

    mol = pyscf_molecule(atoms, "def2-svp", spin)
    mean_field = (dft.UKS if spin else dft.RKS)(mol, xc="PBE").density_fit()
    mean_field.with_df.build()  # keeps the three-index integrals, which otherwise are made again in every cycle
    mean_field.grids.level, mean_field.conv_tol = 0, 1e-3
    mean_field.kernel()
    guess = mean_field.make_rdm1()
    mean_field.grids.reset()
    mean_field.grids.level, mean_field.conv_tol = 2, 1e-9
    mean_field.kernel(guess)
    return mean_field


def pbe_label(job: tuple[int, Atoms]) -> Label:
    """Energy (eV) and forces (eV/A) of one frame."""
    index, atoms = job
    mean_field = pbe(atoms)
    gradient = mean_field.nuc_grad_method().kernel()
    return {
        "index": index,
        "energy": float(mean_field.e_tot * units.Hartree),
        "forces": (-gradient * units.Hartree / units.Bohr).tolist(),
        "converged": bool(mean_field.converged),
    }


def label(name: str, frames: list[Atoms], workers: int, label_frame: LabelFunction = pbe_label) -> None:
    """Append the missing labels to `build/data/NAME/labels.jsonl`, one fsynced line each, in a shuffled order.

    The order is shuffled so that a part of the labels is a fair sample of all trajectories.
    """
    log_path = WORK / name / "labels.jsonl"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("a") as log:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)  # given back when the process ends, however it ends
        except BlockingIOError:
            raise SystemExit(f"{log_path}: another process is writing labels there; wait for it or stop it") from None
        drop_torn_line(log_path)
        done = read_labels(name, frames)
        order = np.random.default_rng(0).permutation(len(frames))
        jobs = [(int(index), frames[index]) for index in order if index not in done]
        if not jobs:
            return
        progress = tqdm(total=len(frames), initial=len(done), desc=f"{name}: labels", mininterval=30)
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            for record in pool.imap_unordered(label_frame, jobs):
                log.write(json.dumps(record) + "\n")
                log.flush()
                os.fsync(log.fileno())
                progress.update()


def drop_torn_line(path: Path) -> None:
    """Cut a last line that a kill left without its newline."""
    if path.exists():
        text = path.read_bytes()
        if text and not text.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(text.rfind(b"\n") + 1)


def read_labels(name: str, frames: list[Atoms]) -> dict[int, Label]:
    """The finished labels of these frames. Raises a ValueError if the log was begun for other geometries."""
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    content = b"".join(frame.numbers.tobytes() + frame.positions.tobytes() for frame in frames)
    fingerprint, stored = hashlib.sha256(content).hexdigest(), folder / "geometries.sha256"
    if not stored.exists():
        write_text(stored, fingerprint)
    if stored.read_text() != fingerprint:
        raise ValueError(f"{folder}: the labels there belong to other geometries. Move the folder away to start anew.")
    path = folder / "labels.jsonl"
    if not path.exists():
        return {}
    lines = path.read_text().split("\n")[:-1]  # what follows the last newline is a torn line or nothing
    return {record["index"]: record for record in map(json.loads, lines)}


SPIN = {"H": 1, "C": 2, "N": 3, "O": 2}  # unpaired electrons of the isolated atom


def atom_label(job: tuple[int, Atoms]) -> Label:
    """Energy (eV) of an isolated atom in its ground state, spin-unrestricted, at the level of `pbe`."""
    index, atom = job
    mean_field = pbe(atom, SPIN[atom.get_chemical_formula()])
    return {
        "index": index,
        "energy": float(mean_field.e_tot * units.Hartree),
        "converged": bool(mean_field.converged),
    }


def atomic_energies() -> dict[str, float]:
    """Chemical symbol -> energy of the isolated atom, eV."""
    atoms = [Atoms(symbol) for symbol in SPIN]
    label("atoms", atoms, 1, atom_label)
    labels = read_labels("atoms", atoms)
    return {symbol: labels[index]["energy"] for index, symbol in enumerate(SPIN)}


# ----------------------------------------------------------------------------- verification


class PBE(Calculator):
    """The labels of `pbe_label` as an ASE calculator."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def calculate(self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        assert self.atoms is not None  # set by the line above
        found = pbe_label((0, self.atoms))
        if not found["converged"]:
            raise RuntimeError(f"the SCF did not converge at {self.atoms.positions.tolist()}")
        self.results = {"energy": found["energy"], "forces": np.array(found["forces"])}


def some(frames: list[Atoms], labels: dict[int, Label], n: int) -> list[tuple[Atoms, Label]]:
    """n labelled frames, the same ones at each call: verification may run while labels are still coming in."""
    chosen = np.random.default_rng(1).permutation(len(frames))[:n]
    return [(frames[index], labels.get(int(index)) or pbe_label((int(index), frames[index]))) for index in chosen]


def finite_differences(frames: list[Atoms], labels: dict[int, Label]) -> dict[str, Any]:
    """Forces against central differences of energies: F = -(E(x + h) - E(x - h)) / 2h, 4 components of 3 frames."""
    step, errors = 0.005, []  # A
    rng = np.random.default_rng(2)
    for atoms, found in some(frames, labels, 3):
        for component in rng.choice(3 * len(atoms), size=min(4, 3 * len(atoms)), replace=False):
            atom, axis = divmod(int(component), 3)
            energies = []
            for sign in (+1, -1):
                moved = atoms.copy()
                moved.positions[atom, axis] += sign * step
                energies.append(pbe(moved).e_tot * units.Hartree)
            errors.append(found["forces"][atom][axis] + (energies[0] - energies[1]) / (2 * step))
    return {
        "what": "forces against central finite differences of the energy",
        "step_A": step,
        "n_components": len(errors),
        "max_error_meV_per_A": 1000 * float(np.abs(errors).max()),
        "mean_error_meV_per_A": 1000 * float(np.abs(errors).mean()),
    }


def independent_single_points(frames: list[Atoms], labels: dict[int, Label]) -> dict[str, Any]:
    """The same 4 frames with exact Coulomb integrals and a much finer grid (level 4): what the shortcuts cost."""
    from pyscf import dft

    shifts, differences = [], []
    for atoms, found in some(frames, labels, 4):
        mean_field = dft.RKS(pyscf_molecule(atoms, "def2-svp"), xc="PBE")
        mean_field.grids.level, mean_field.conv_tol = 4, 1e-10
        mean_field.kernel()
        forces = -mean_field.nuc_grad_method().kernel() * units.Hartree / units.Bohr
        shifts.append((found["energy"] - mean_field.e_tot * units.Hartree) / len(atoms))
        differences.append((np.array(found["forces"]) - forces).ravel())
    difference = np.abs(np.concatenate(differences))
    return {
        "what": "labels against single points without density fitting on grid level 4",
        "n_frames": len(shifts),
        "mean_energy_shift_meV_per_atom": 1000 * float(np.mean(shifts)),
        "energy_scatter_meV_per_atom": 1000 * float(np.std(shifts)),
        "max_force_difference_meV_per_A": 1000 * float(difference.max()),
        "mean_force_difference_meV_per_A": 1000 * float(difference.mean()),
    }


def energy_conservation(frames: list[Atoms], labels: dict[int, Label]) -> dict[str, Any]:
    """Total energy along 20 fs of velocity Verlet on the PBE surface itself, begun at a frame with 500 K velocities."""
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
    from ase.md.verlet import VelocityVerlet

    timestep, n_steps = 0.5, 40
    atoms = some(frames, labels, 1)[0][0].copy()
    atoms.calc = PBE()
    MaxwellBoltzmannDistribution(atoms, temperature_K=500, rng=np.random.default_rng(3))
    total, potential = [], []
    dynamics = VelocityVerlet(atoms, timestep * units.fs)
    for _ in dynamics.irun(n_steps):
        total.append(atoms.get_total_energy())
        potential.append(atoms.get_potential_energy())
    return {
        "what": "total energy along a velocity Verlet trajectory at the level of the labels",
        "timestep_fs": timestep,
        "n_steps": n_steps,
        "std_total_energy_meV": 1000 * float(np.std(total)),
        "max_deviation_from_start_meV": 1000 * float(np.abs(np.array(total) - total[0]).max()),
        "std_potential_energy_meV": 1000 * float(np.std(potential)),  # what was exchanged, for scale
    }


# ----------------------------------------------------------------------------- recipe: how one data set comes about


class Recipe(NamedTuple):
    """What `make` needs to make a data set."""

    frames: Callable[[int], list[Atoms]]  # number of workers -> geometries; `info` holds group, split, coordinate
    label_frame: LabelFunction
    checks: list[Callable[[list[Atoms], dict[int, Label]], dict[str, Any]]]
    about: dict[str, Any]  # the part of the provenance that is text


PBE_LEVEL = {
    "method": "PBE/def2-SVP",
    "basis": "def2-SVP",
    "method_details": "restricted Kohn-Sham DFT, PBE, density fitting (PySCF's default auxiliary basis), integration "
    "grid level 2, SCF converged to 1e-9 Hartree after a start on grid level 0; forces are analytic",
    "atomic_energies_details": "isolated atoms, spin-unrestricted, same basis, fitting and grid; "
    "unpaired electrons " + ", ".join(f"{symbol} {n}" for symbol, n in SPIN.items()),
}


def make(name: str, workers: int, pack_only: bool) -> None:
    """Geometries, labels, verification, packing."""
    recipe = RECIPES[name]
    frames = recipe.frames(workers)
    if not pack_only:
        label(name, frames, workers, recipe.label_frame)
        run_checks(name, frames, recipe)
    pack(name, frames, recipe)


def run_checks(name: str, frames: list[Atoms], recipe: Recipe) -> dict[str, Any]:
    """The figures of each check; those in `build/data/NAME/verification.json` are not computed again."""
    results = read_checks(name)
    for check in recipe.checks:
        if check.__name__ not in results:
            results[check.__name__] = check(frames, read_labels(name, frames))
            write_text(WORK / name / "verification.json", json.dumps(results, indent=1))
    return results


def read_checks(name: str) -> dict[str, Any]:
    path = WORK / name / "verification.json"
    return json.loads(path.read_text()) if path.exists() else {}


def pack(name: str, frames: list[Atoms], recipe: Recipe) -> None:
    """Write the frames whose labels are there and converged to `course/data/NAME.npz`, with their provenance."""
    from course.datasets import Dataset, save

    labels = read_labels(name, frames)
    kept = [index for index in range(len(frames)) if index in labels and labels[index]["converged"]]
    if not kept:
        raise SystemExit(f"{name}: no labels yet")
    chosen = [frames[index] for index in kept]
    at_pbe_level = "atomic_energies_details" in recipe.about
    provenance = {
        **recipe.about,
        "programs": {program: version(program) for program in ("pyscf", "tblite", "rdkit", "ase", "numpy")}
        | {"python": platform.python_version()},
        "units": {"positions": "Angstrom", "energies": "eV", "forces": "eV/Angstrom"},
        "command": f"python tools/make_data.py {name.replace('_', '-')}",
        "licence": "CC-BY-4.0",
        "date": datetime.now(UTC).date().isoformat(),
        "n_geometries": len(frames),
        "n_labelled": len(labels),
        "not_converged_and_left_out": sorted(index for index in labels if not labels[index]["converged"]),
        "verification": read_checks(name),
    }
    if at_pbe_level:
        provenance["atomic_energies"] = atomic_energies()
    with_forces = all("forces" in labels[index] for index in kept)
    dataset = Dataset(
        name,
        numbers=np.concatenate([frame.numbers for frame in chosen]),
        positions=np.concatenate([frame.positions for frame in chosen]),
        energies=np.array([labels[index]["energy"] for index in kept]),
        forces=np.concatenate([labels[index]["forces"] for index in kept]) if with_forces else None,
        offsets=np.cumsum([0] + [len(frame) for frame in chosen]),
        groups=np.array([frame.info["group"] for frame in chosen]),
        splits=np.array([frame.info["split"] for frame in chosen]),
        coordinate=np.array([frame.info["coordinate"] for frame in chosen], dtype=float),
        provenance=provenance,
    )
    PACKED.mkdir(exist_ok=True)
    save(dataset, PACKED / f"{name}.npz")
    print(f"{PACKED / name}.npz: {dataset!r}")


# ----------------------------------------------------------------------------- ethanol

SPLITS = {0: "train", 1: "train", 2: "train", 3: "train", 4: "train", 5: "train"}
SPLITS |= {6: "validation", 7: "validation", 8: "test", 9: "test"}


def ethanol_jobs() -> list[Job]:
    """Ten trajectories at 500 K, two at 300 K, four at 1000 K; even ones start trans, odd ones gauche."""
    trans = molecule("CH3CH2OH")  # atoms: C, C, O, then hydrogens; number 3 is the hydroxyl hydrogen
    gauche = trans.copy()
    gauche.set_dihedral(0, 1, 2, 3, 60.0, indices=[3])
    plan = [(500, 200, trajectory) for trajectory in range(10)]
    plan += [(300, 50, trajectory) for trajectory in range(10, 12)]
    plan += [(1000, 50, trajectory) for trajectory in range(12, 16)]
    return [
        {
            "start": gauche if trajectory % 2 else trans,
            "temperature": float(temperature),
            "n_frames": n_frames,
            "spacing": 50.0,
            "seed": 1000 + trajectory,
            "group": f"trajectory_{trajectory:02d}",
            "split": SPLITS.get(trajectory, f"test_{temperature}K"),
        }
        for temperature, n_frames, trajectory in plan
    ]


def sampled(frames: list[Atoms]) -> list[Atoms]:
    """Frames of trajectories: their coordinate is the temperature."""
    for frame in frames:
        frame.info["coordinate"] = frame.info["temperature"]
    return frames


ETHANOL = Recipe(
    frames=lambda workers: sampled(sample("ethanol", ethanol_jobs(), workers)),
    label_frame=pbe_label,
    checks=[finite_differences, independent_single_points, energy_conservation],
    about=PBE_LEVEL
    | {
        "title": "Ethanol at 300, 500 and 1000 K",
        "reference": "the level of the rMD17 benchmark, doi 10.1088/2632-2153/abba6f; the geometries are our own",
        "sampling": "GFN2-xTB (tblite) Langevin dynamics through ASE, 0.5 fs steps, friction 0.02/fs, 2 ps of "
        "equilibration, then one frame each 50 fs; 10 trajectories of 200 frames at 500 K, 2 of 50 at 300 K, 4 of 50 "
        "at 1000 K; even trajectories start trans, odd ones gauche; labels computed in a shuffled order",
        "temperature": "300, 500 and 1000 K, see coordinate",
        "coordinate": {"name": "temperature", "unit": "K"},
        "splits": "by trajectory at 500 K: 0-5 train, 6-7 validation, 8-9 test; test_300K and test_1000K besides",
    },
)

# ----------------------------------------------------------------------------- small molecules

# Closed-shell molecules of H, C, N, O with up to four heavy atoms, name: SMILES.
MOLECULES = {
    "hydrogen": "[H][H]",
    "methane": "C",
    "ammonia": "N",
    "water": "O",
    "nitrogen": "N#N",
    "carbon monoxide": "[C-]#[O+]",
    "hydrogen cyanide": "C#N",
    "acetylene": "C#C",
    "ethylene": "C=C",
    "ethane": "CC",
    "formaldehyde": "C=O",
    "methanol": "CO",
    "methylamine": "CN",
    "methanimine": "C=N",
    "hydrazine": "NN",
    "hydroxylamine": "NO",
    "hydrogen peroxide": "OO",
    "carbon dioxide": "O=C=O",
    "nitrous oxide": "[N-]=[N+]=O",
    "nitrous acid": "ON=O",
    "isocyanic acid": "N=C=O",
    "cyanamide": "NC#N",
    "ketene": "C=C=O",
    "allene": "C=C=C",
    "propyne": "CC#C",
    "propene": "CC=C",
    "propane": "CCC",
    "cyclopropane": "C1CC1",
    "oxirane": "C1CO1",
    "aziridine": "C1CN1",
    "acetonitrile": "CC#N",
    "acetaldehyde": "CC=O",
    "formic acid": "OC=O",
    "formamide": "NC=O",
    "formaldoxime": "C=NO",
    "ethanol": "CCO",
    "dimethyl ether": "COC",
    "ethylamine": "CCN",
    "dimethylamine": "CNC",
    "methylhydrazine": "CNN",
    "methoxyamine": "CON",
    "methyl hydroperoxide": "COO",
    "isobutane": "CC(C)C",
    "butadiene": "C=CC=C",
    "methylcyclopropane": "CC1CC1",
    "oxetane": "C1COC1",
    "propargyl alcohol": "C#CCO",
    "methoxyethane": "CCOC",
    "ethylene glycol": "OCCO",
    "propanal": "CCC=O",
    "acetone": "CC(C)=O",
    "acrolein": "C=CC=O",
    "glyoxal": "O=CC=O",
    "acetic acid": "CC(O)=O",
    "methyl formate": "COC=O",
    "acetamide": "CC(N)=O",
    "N-methylformamide": "CNC=O",
    "urea": "NC(N)=O",
    "propionitrile": "CCC#N",
    "acrylonitrile": "C=CC#N",
    "methyl isocyanate": "CN=C=O",
    "nitromethane": "C[N+](=O)[O-]",
}
# Held out, whole molecules: the elements and bonds of each also occur in molecules of the training split.
HELD_OUT = {
    "validation": (
        "ethylene", "methanol", "acetonitrile", "dimethylamine", "methylcyclopropane", "propanal", "acetamide",
        "ethylene glycol",
    ),
    "test": (
        "formaldehyde", "ethylamine", "ethanol", "propyne", "formamide", "methoxyethane", "isobutane", "acetic acid",
    ),
}  # fmt: skip


def small_molecule_jobs() -> list[Job]:
    split_of = {name: split for split, members in HELD_OUT.items() for name in members}
    return [
        {
            "smiles": smiles,
            "temperature": 500.0,
            "n_frames": 20,
            "spacing": 50.0,
            "seed": 2000 + number,
            "group": name,
            "split": split_of.get(name, "train"),
        }
        for number, (name, smiles) in enumerate(MOLECULES.items())
    ]


def run_molecule(job: Job) -> list[Atoms]:
    """One sampling job that starts from the relaxed geometry of a SMILES string."""
    return run_trajectory({**job, "start": relaxed_molecule(job["smiles"])})


def relaxed_molecule(smiles: str) -> Atoms:
    """RDKit's distance geometry (ETKDG), then a relaxation with GFN2-xTB to 0.01 eV/A. Atoms in the order of RDKit."""
    from ase.optimize import BFGS
    from rdkit import Chem
    from rdkit.Chem import AllChem
    from tblite.ase import TBLite

    graph = Chem.AddHs(Chem.MolFromSmiles(smiles))
    if AllChem.EmbedMolecule(graph, randomSeed=1) != 0:
        raise ValueError(f"RDKit found no geometry for {smiles!r}")
    atoms = Atoms([atom.GetAtomicNum() for atom in graph.GetAtoms()], graph.GetConformer().GetPositions())
    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0)
    if not BFGS(atoms, logfile=None).run(fmax=0.01, steps=500):
        raise ValueError(f"GFN2-xTB did not relax {smiles!r} in 500 steps")
    return atoms


def keeps_its_bonds(atoms: Atoms, smiles: str) -> bool:
    """True if exactly the bonds of the SMILES string are there.

    A bond is broken beyond 1.5 sums of covalent radii, and a new one is formed below 1.1.
    """
    from rdkit import Chem

    graph = Chem.AddHs(Chem.MolFromSmiles(smiles))
    bonded = {frozenset((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx())) for bond in graph.GetBonds()}
    for i, j in itertools.combinations(range(len(atoms)), 2):
        ratio = atoms.get_distance(i, j) / (covalent_radii[atoms.numbers[i]] + covalent_radii[atoms.numbers[j]])
        if ratio > 1.5 if frozenset((i, j)) in bonded else ratio < 1.1:
            return False
    return True


def small_molecule_frames(workers: int) -> list[Atoms]:
    """The frames of all molecules that did not react on their trajectory."""
    frames = sampled(sample("small_molecules", small_molecule_jobs(), workers, run_molecule))
    reacted = {frame.info["group"] for frame in frames if not keeps_its_bonds(frame, MOLECULES[frame.info["group"]])}
    if reacted:
        print(f"small_molecules: left out, for they reacted at 500 K: {sorted(reacted)}")
    return [frame for frame in frames if frame.info["group"] not in reacted]


SMALL_MOLECULES = Recipe(
    frames=small_molecule_frames,
    label_frame=pbe_label,
    checks=[finite_differences, independent_single_points],
    about=PBE_LEVEL
    | {
        "title": "Closed-shell molecules of H, C, N, O with up to four heavy atoms, 500 K",
        "molecules": MOLECULES,
        "sampling": "RDKit ETKDG geometry of the SMILES string, relaxed with GFN2-xTB (tblite), then Langevin dynamics "
        "through ASE, 0.5 fs steps, friction 0.02/fs, 2 ps of equilibration, then 20 frames, one each 50 fs; "
        "a molecule that makes or breaks a bond on the way is left out",
        "temperature": "500 K",
        "coordinate": {"name": "temperature", "unit": "K"},
        "splits": "by molecule, about 80/10/10; each kind of bond of a held-out molecule occurs in the training split",
    },
)

# ----------------------------------------------------------------------------- scans

WATER_OH = 0.9594  # A, the CCSD(T)/cc-pVTZ minimum; see the check `water_bond_length`


def relaxed_pbe(name: str) -> Atoms:
    """A molecule of ASE's collection, relaxed at the PBE level; kept in `build/data/scans/NAME.xyz`."""
    from ase.optimize import BFGS

    path = WORK / "scans" / f"{name}.xyz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        atoms = molecule(name)
        atoms.calc = PBE()
        if not BFGS(atoms).run(fmax=0.01, steps=100):
            raise ValueError(f"PBE did not relax {name} in 100 steps")
        write_frames(path, [Atoms(atoms.numbers, atoms.positions)])
    return read_frames(path)[0]


def scan_frames(workers: int) -> list[Atoms]:
    """All points of all curves."""
    frames = []

    def add(curve: str, coordinate: float, atoms: Atoms) -> None:
        atoms.info = {"group": curve, "split": "", "coordinate": float(coordinate)}
        frames.append(atoms)

    distances = np.concatenate([np.arange(0.40, 1.20, 0.05), np.arange(1.2, 3.0, 0.15), np.arange(3.0, 5.01, 0.5)])
    for method in ("rhf", "uhf", "fci"):
        for distance in distances.round(2):
            add(f"h2_{method}", distance, Atoms("H2", [[0, 0, 0], [0, 0, distance]]))

    for angle in range(80, 181, 4):
        half = np.radians(angle / 2)
        hydrogens = [[WATER_OH * np.sin(half) * side, 0, WATER_OH * np.cos(half)] for side in (-1, 1)]
        add("water_bend", angle, Atoms("OH2", [[0, 0, 0], *hydrogens]))

    ethane = relaxed_pbe("C2H6")  # atoms: C, C, three hydrogens of the first carbon, three of the second
    for angle in range(0, 121, 5):
        atoms = ethane.copy()
        atoms.set_dihedral(2, 0, 1, 5, angle, indices=[5, 6, 7])
        add("ethane_torsion", angle, atoms)

    ethanol = relaxed_pbe("CH3CH2OH")  # trans; atoms: C, C, O, hydroxyl H, then the other hydrogens
    for curve, fixed, moved, group, distances in (
        ("ethanol_oh", 2, 3, [3], np.linspace(0.75, 2.5, 36)),
        ("ethanol_co", 1, 2, [2, 3], np.linspace(1.10, 2.5, 29)),
    ):
        for distance in distances.round(2):
            atoms = ethanol.copy()
            atoms.set_distance(fixed, moved, distance, fix=0, indices=group)
            add(curve, distance, atoms)
    return frames


def scan_label(job: tuple[int, Atoms]) -> Label:
    """Energy (eV) of one point at the level of its curve."""
    index, atoms = job
    method = {"h2_rhf": rhf_energy, "h2_uhf": uhf_energy, "h2_fci": fci_energy, "water_bend": ccsd_t_energy}
    energy, converged = method.get(atoms.info["group"], pbe_energy)(atoms)
    return {"index": index, "energy": float(energy * units.Hartree), "converged": bool(converged)}


def pbe_energy(atoms: Atoms) -> tuple[float, bool]:
    """PBE; where a stretched bond keeps the plain SCF from converging, a second-order solver begins anew.

    (Begun at the orbitals that did not converge, it found an excited state 7 eV above the curve.)
    """
    mean_field = pbe(atoms)
    if not mean_field.converged:
        mean_field.mo_coeff = mean_field.mo_occ = None
        mean_field = mean_field.newton()
        mean_field.kernel()
    return mean_field.e_tot, mean_field.converged


def rhf_energy(atoms: Atoms) -> tuple[float, bool]:
    mean_field = pyscf_molecule(atoms, "cc-pvtz").RHF().run(conv_tol=1e-10)
    return mean_field.e_tot, mean_field.converged


def uhf_energy(atoms: Atoms) -> tuple[float, bool]:
    """UHF for H2, begun with one spin on each atom; it falls back to RHF where that is lower."""
    mean_field = pyscf_molecule(atoms, "cc-pvtz").UHF()
    mean_field.conv_tol, mean_field.max_cycle = 1e-10, 200
    density = mean_field.get_init_guess()  # (2 spins, n_basis, n_basis)
    half = density.shape[1] // 2  # the basis functions of the first atom come first
    density[0, half:, half:] = density[1, :half, :half] = 0
    mean_field.kernel(density)
    return mean_field.e_tot, mean_field.converged


def fci_energy(atoms: Atoms) -> tuple[float, bool]:
    from pyscf import fci

    mean_field = pyscf_molecule(atoms, "cc-pvtz").RHF().run(conv_tol=1e-10)
    solver = fci.FCI(mean_field)
    energy, _ = solver.kernel()
    return energy, mean_field.converged and solver.converged


def ccsd_t_energy(atoms: Atoms) -> tuple[float, bool]:
    """CCSD(T) with a frozen oxygen core."""
    mean_field = pyscf_molecule(atoms, "cc-pvtz").RHF().run(conv_tol=1e-10)
    cluster = mean_field.CCSD(frozen=1).run(conv_tol=1e-8)
    return cluster.e_tot + cluster.ccsd_t(), mean_field.converged and cluster.converged


def water_bond_length(frames: list[Atoms], labels: dict[int, Label]) -> dict[str, Any]:
    """The O-H distance of the CCSD(T) minimum at 103.6 degrees, from a parabola through three points."""
    half, distances = np.radians(103.6 / 2), np.array([0.95, 0.96, 0.97])
    energies = []
    for r in distances:
        hydrogens = [[side * r * np.sin(half), 0, r * np.cos(half)] for side in (-1, 1)]
        energies.append(ccsd_t_energy(Atoms("OH2", [[0, 0, 0], *hydrogens]))[0])
    a, b, _ = np.polyfit(distances, energies, 2)
    return {"what": "O-H distance of the CCSD(T)/cc-pVTZ minimum at 103.6 degrees", "minimum_A": float(-b / (2 * a))}


def curve_figures(frames: list[Atoms], labels: dict[int, Label]) -> dict[str, Any]:
    """Numbers that the literature can be asked about, eV."""
    curves: dict[str, dict[float, float]] = {}
    for index, frame in enumerate(frames):
        curves.setdefault(frame.info["group"], {})[frame.info["coordinate"]] = labels[index]["energy"]
    depth = {name: max(curve.values()) - min(curve.values()) for name, curve in curves.items()}
    fci, uhf, rhf = curves["h2_fci"], curves["h2_uhf"], curves["h2_rhf"]
    bend = curves["water_bend"]
    return {
        "what": "figures of the curves; experiment: H2 D_e 4.75 eV, ethane barrier 0.125 eV",
        "h2_fci_dissociation_energy_eV": fci[5.0] - min(fci.values()),
        "h2_rhf_error_at_5_A_eV": rhf[5.0] - fci[5.0],
        "h2_uhf_error_at_5_A_eV": uhf[5.0] - fci[5.0],
        "h2_uhf_never_above_rhf": all(uhf[r] <= rhf[r] + 1e-6 for r in rhf),
        "water_barrier_to_linearity_eV": bend[180.0] - min(bend.values()),
        "water_angle_of_lowest_point_degrees": min(bend, key=lambda angle: bend[angle]),
        "ethane_torsion_barrier_eV": depth["ethane_torsion"],
        "ethanol_oh_at_2.5_A_above_minimum_eV": curves["ethanol_oh"][2.5] - min(curves["ethanol_oh"].values()),
        "ethanol_co_at_2.5_A_above_minimum_eV": curves["ethanol_co"][2.5] - min(curves["ethanol_co"].values()),
    }


RESTRICTED = (
    "Restricted PBE: both electrons of the bond stay paired, so the curve does not dissociate correctly. "
    "It is fit for bonds near equilibrium; at 2.5 A it lies far above two separate fragments."
)
SCANS = Recipe(
    frames=scan_frames,
    label_frame=scan_label,
    checks=[water_bond_length, curve_figures],
    about={
        "title": "Energy along one coordinate: H2, water, ethane, ethanol",
        "method": "a method for each curve, see curves",
        "basis": "cc-pVTZ (H2, water), def2-SVP (ethane, ethanol)",
        "sampling": "rigid scans; the group is the name of the curve, no forces",
        "temperature": "none",
        "coordinate": "see curves",
        "curves": {
            "h2_rhf": {
                "coordinate": "H-H distance",
                "unit": "Angstrom",
                "method": "RHF/cc-pVTZ",
                "remark": "Restricted: does not dissociate into two atoms.",
            },
            "h2_uhf": {
                "coordinate": "H-H distance",
                "unit": "Angstrom",
                "method": "UHF/cc-pVTZ",
                "remark": "One spin on each atom at the start; symmetry is broken beyond about 1.2 A.",
            },
            "h2_fci": {
                "coordinate": "H-H distance",
                "unit": "Angstrom",
                "method": "FCI/cc-pVTZ",
                "remark": "Exact in this basis.",
            },
            "water_bend": {
                "coordinate": "H-O-H angle",
                "unit": "degrees",
                "method": "CCSD(T)/cc-pVTZ, frozen core",
                "remark": f"Both O-H distances fixed at {WATER_OH} A.",
            },
            "ethane_torsion": {
                "coordinate": "H-C-C-H dihedral angle, 0 is eclipsed and 60 staggered",
                "unit": "degrees",
                "method": PBE_LEVEL["method"],
                "remark": "One methyl group turned rigidly, from the staggered PBE minimum.",
            },
            "ethanol_oh": {
                "coordinate": "O-H distance",
                "unit": "Angstrom",
                "method": PBE_LEVEL["method"],
                "remark": "The hydroxyl hydrogen is moved along the bond of the trans PBE minimum. " + RESTRICTED,
            },
            "ethanol_co": {
                "coordinate": "C-O distance",
                "unit": "Angstrom",
                "method": PBE_LEVEL["method"],
                "remark": "OH is moved along the C-O bond of the trans PBE minimum. " + RESTRICTED,
            },
        },
        "method_details": "PBE curves: " + PBE_LEVEL["method_details"],
    },
)

# ----------------------------------------------------------------------------- degenerate pairs


def degenerate_pair(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> tuple[Atoms, Atoms]:
    """Two CH4 geometries whose carbon has the same distances and the same triangles: X+ and X-.

    With p the part of a vector in the xy plane and h its height z, the hydrogens are
    a, b = (p_b, h_b), b' = (-p_b, h_b), and c+ = (p_c, h_c) in X+ or c- = (-p_c, h_c) in X-; p_a and p_c must be
    perpendicular. Turning c by 180 degrees about z swaps its distances to b and b', which are equally far from the
    carbon, and keeps its distance to a. So the carbon sees the same list of (r_ij, r_ik, r_jk): all that radial and
    angular functions of the carbon can know. A family of the kind in Pozdnyakov et al., Phys. Rev. Lett. 2020, 125,
    166001, doi 10.1103/PhysRevLett.125.166001.

    a, b, c  (3,) in A, relative to the carbon
    """
    turn = np.array([-1.0, -1.0, 1.0])
    return (
        Atoms("CH4", [np.zeros(3), a, b, turn * b, c]),
        Atoms("CH4", [np.zeros(3), a, b, turn * b, turn * c]),
    )


def degenerate_frames(workers: int) -> list[Atoms]:
    """X+ and X- of each pair, one after the other."""
    polar_1, polar_2, azimuth = np.radians(65), np.radians(60), np.radians(45)
    methane = 1.09 * np.array(  # all C-H 1.09 A, no H-H below 1.2 A: a strongly bent methane
        [
            [np.sin(polar_1), 0, np.cos(polar_1)],
            [np.sin(polar_2) * np.cos(azimuth), np.sin(polar_2) * np.sin(azimuth), -np.cos(polar_2)],
            [0, np.sin(polar_1), np.cos(polar_1)],
        ]
    )
    integer = np.array([[1.0, 0, 1], [1, 1, 1], [0, 1, 1]])  # easy to check by hand
    frames = []
    for family, vectors, scales in (("methane", methane, (0.9, 1.0, 1.1, 1.2)), ("integer", integer, (0.8, 0.9, 1.0))):
        for scale in scales:
            for atoms in degenerate_pair(*(scale * vectors)):
                atoms.info = {"group": f"{family}_{scale}", "split": "", "coordinate": scale}
                frames.append(atoms)
    return frames


def neighbor_distances(atoms: Atoms, i: int) -> np.ndarray:
    """(n_atoms - 1,) sorted distances from atom i."""
    return np.sort(np.delete(atoms.get_all_distances()[i], i))


def triangles(atoms: Atoms, i: int) -> np.ndarray:
    """(n_pairs, 3) sorted list of (shorter r_ij, longer r_ij, r_jk) of all triangles with a corner at atom i."""
    r = atoms.get_all_distances()
    others = [j for j in range(len(atoms)) if j != i]
    rows = [(*sorted((r[i, j], r[i, k])), r[j, k]) for j, k in itertools.combinations(others, 2)]
    return np.array(sorted(rows, key=lambda row: np.round(row, 9).tolist()))  # or the last digit decides the order


def degeneracy(frames: list[Atoms], labels: dict[int, Label]) -> dict[str, Any]:
    """What the carbon cannot see, what the hydrogens see, and that the two members are not congruent."""

    def difference(view: Callable[[Atoms], Any], x: Atoms, y: Atoms) -> float:
        return float(np.abs(np.array(view(x)) - np.array(view(y))).max())

    upper = np.triu_indices(5, 1)
    orders = [[0, *order] for order in itertools.permutations(range(1, 5))]
    pairs = {}
    for first in range(0, len(frames), 2):
        plus, minus = frames[first : first + 2]
        distances = plus.get_all_distances()
        pairs[plus.info["group"]] = {
            "carbon_distances_differ_by_A": difference(lambda x: neighbor_distances(x, 0), plus, minus),
            "carbon_triangles_differ_by_A": difference(lambda x: triangles(x, 0), plus, minus),
            "all_distances_differ_by_A": difference(lambda x: np.sort(x.get_all_distances()[upper]), plus, minus),
            "hydrogen_distances_differ_by_A": difference(
                lambda x: sorted(neighbor_distances(x, i).tolist() for i in range(1, 5)), plus, minus
            ),
            "best_superposition_differs_by_A": min(
                difference(lambda x: x.get_all_distances(), plus, minus[order]) for order in orders
            ),
            "shortest_H_H_A": float(distances[1:, 1:][np.triu_indices(4, 1)].min()),
            "energy_of_minus_above_plus_eV": labels[first + 1]["energy"] - labels[first]["energy"],
        }
    return {
        "what": "X+ against X-: the carbon is blind up to three-body terms, its hydrogens are not. Superposition: "
        "distance matrix against distance matrix over all orders of the hydrogens; above 0 means not congruent, "
        "not even as mirror images",
        "pairs": pairs,
    }


DEGENERATE = Recipe(
    frames=degenerate_frames,
    label_frame=pbe_label,
    checks=[degeneracy, finite_differences, independent_single_points],
    about=PBE_LEVEL
    | {
        "title": "Pairs of CH4 geometries that three-body functions of the carbon cannot tell apart",
        "reference": "a family of the kind in Pozdnyakov et al., Phys. Rev. Lett. 2020, 125, 166001, "
        "doi 10.1103/PhysRevLett.125.166001; the coordinates are our own, see degenerate_pair in tools/make_data.py",
        "sampling": "constructed; frames 2k and 2k + 1 are X+ and X- of one pair; methane_*: all C-H equal, 1.09 A "
        "times the scale; integer_*: the scale times (1,0,1), (1,1,1), (-1,-1,1), (0,+1,1) or (0,-1,1)",
        "temperature": "none",
        "coordinate": {"name": "scale factor", "unit": "1"},
    },
)

# ----------------------------------------------------------------------------- commands

RECIPES = {
    "ethanol": ETHANOL,
    "small_molecules": SMALL_MOLECULES,
    "scans": SCANS,
    "degenerate": DEGENERATE,
}
Workers = Annotated[int, typer.Option(help="Single-thread processes.")]
PackOnly = Annotated[bool, typer.Option("--pack-only", help="Compute nothing; pack the labels that are there.")]


@app.command()
def ethanol(workers: Workers = 2, pack_only: PackOnly = False) -> None:
    """Ethanol: 2,000 frames at 500 K, 100 at 300 K and 200 at 1000 K."""
    make("ethanol", workers, pack_only)


@app.command()
def small_molecules(workers: Workers = 2, pack_only: PackOnly = False) -> None:
    """Small molecules of H, C, N, O: 20 frames each at 500 K."""
    make("small_molecules", workers, pack_only)


@app.command()
def scans(workers: Workers = 1, pack_only: PackOnly = False) -> None:
    """Curves along one coordinate: H2, water, ethane, ethanol."""
    make("scans", workers, pack_only)


@app.command()
def degenerate(workers: Workers = 1, pack_only: PackOnly = False) -> None:
    """Pairs of geometries that fool three-body functions."""
    make("degenerate", workers, pack_only)


@app.command()
def verify(name: str) -> None:
    """Run the checks of one data set and print their figures."""
    if name not in RECIPES:
        raise typer.BadParameter(f"unknown data set {name!r}; there are {list(RECIPES)}")
    recipe = RECIPES[name]
    print(json.dumps(run_checks(name, recipe.frames(1), recipe), indent=1))


if __name__ == "__main__":
    app()

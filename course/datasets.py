"""Reference data: molecules with their energies and forces from quantum chemistry.

    ethanol = load("ethanol")          # a Dataset; `names()` lists what is shipped
    train = ethanol.split("train")     # a Dataset again, and so is ethanol[:10]
    numbers, positions, energy, forces = train[0]
    ethanol.to_ase(0)                  # ase.Atoms that carries energy and forces
    read("mine.xyz")                   # your own data, in extended XYZ or in the npz layout of (r)MD17

Units are ASE's: Angstrom, eV, eV/Angstrom.

Molecules differ in size, so frames lie one after another in flat arrays, and frame i owns the atoms
`offsets[i]:offsets[i + 1]`. The same arrays, under the same names, are the fields of a file:

    numbers     (n_atoms_total,)    int     atomic numbers
    positions   (n_atoms_total, 3)  float   Angstrom
    forces      (n_atoms_total, 3)  float   eV/Angstrom; missing where the reference method gave energies only
    energies    (n_frames,)         float   eV
    offsets     (n_frames + 1,)     int     first atom of each frame, and the end
    groups      (n_frames,)         str     frames of one group are related: one trajectory, one molecule, one curve
    splits      (n_frames,)         str     "train", "validation", "test", ...; "" where there is none
    coordinate  (n_frames,)         float   what was varied (temperature, distance, angle); may be missing
    provenance  JSON text                   how the data was made, and the checksum of all of the above
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, NamedTuple, overload

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers, chemical_symbols
from ase.io import read as ase_read

from course.files import write_atomically

Array = np.ndarray[Any, np.dtype[Any]]

FOLDER = Path(__file__).parent / "data"
ENERGY_UNITS = {
    "eV": 1.0,
    "meV": 1e-3,
    "Hartree": units.Hartree,
    "kcal/mol": units.kcal / units.mol,
    "kJ/mol": units.kJ / units.mol,
}
LENGTH_UNITS = {"Angstrom": 1.0, "Bohr": units.Bohr, "nm": units.nm}

# field: (kinds of dtype that are accepted, dtype in memory, shape)
FIELDS: dict[str, tuple[str, type, tuple[str | int, ...]]] = {
    "numbers": ("iu", np.int64, ("n_atoms_total",)),
    "positions": ("f", np.float64, ("n_atoms_total", 3)),
    "energies": ("f", np.float64, ("n_frames",)),
    "forces": ("f", np.float64, ("n_atoms_total", 3)),
    "offsets": ("iu", np.int64, ("n_frames + 1",)),
    "groups": ("U", np.str_, ("n_frames",)),
    "splits": ("U", np.str_, ("n_frames",)),
    "coordinate": ("f", np.float64, ("n_frames",)),
}
OPTIONAL = ("forces", "coordinate")


class Frame(NamedTuple):
    """One geometry with its labels."""

    numbers: Array  # (n_atoms,)
    positions: Array  # (n_atoms, 3) Angstrom
    energy: float  # eV
    forces: Array | None  # (n_atoms, 3) eV/Angstrom


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Frames of one origin. The fields are those of the module's table; all arrays are read-only."""

    name: str
    numbers: Array
    positions: Array
    energies: Array
    offsets: Array
    groups: Array
    splits: Array
    forces: Array | None = None
    coordinate: Array | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise a ValueError that names the field if the fields do not describe finite, matching frames."""
        sizes = {"n_atoms_total": np.size(self.numbers), "n_frames": np.size(self.energies)}
        sizes["n_frames + 1"] = sizes["n_frames"] + 1
        for name, (kinds, dtype, shape) in FIELDS.items():
            given = getattr(self, name)
            if given is None and name in OPTIONAL:
                continue
            array = np.asarray(given)
            expected = tuple(sizes[size] if isinstance(size, str) else size for size in shape)
            if array.shape != expected:
                raise ValueError(f"field {name!r}: expected shape {shape} = {expected}, got {array.shape}")
            if array.dtype.kind not in kinds:
                raise ValueError(f"field {name!r}: expected {dtype.__name__}, got dtype {array.dtype}")
            if kinds == "f" and not np.isfinite(array).all():
                where = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
                raise ValueError(f"field {name!r}: {array[where]} at index {where}; every value must be finite")
            array = array.astype(dtype)  # a copy, so that nobody else can write to it
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        wrong = self.numbers[(self.numbers < 1) | (self.numbers >= len(chemical_symbols))]
        if len(wrong):
            raise ValueError(f"field 'numbers': {wrong[0]} is not an atomic number")
        if self.offsets[0] != 0 or self.offsets[-1] != len(self.numbers) or (np.diff(self.offsets) < 1).any():
            raise ValueError(f"field 'offsets': must rise from 0 to {len(self.numbers)}, one atom a frame or more")

    def __len__(self) -> int:
        return len(self.energies)

    def __iter__(self) -> Iterator[Frame]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> Frame: ...
    @overload
    def __getitem__(self, index: slice | Sequence[int] | Array) -> "Dataset": ...
    def __getitem__(self, index: int | np.integer[Any] | slice | Sequence[int] | Array) -> "Frame | Dataset":
        """A Frame for a number; a Dataset for a slice, a list of numbers, or a boolean mask."""
        if isinstance(index, int | np.integer):
            frame = range(len(self))[index]
            atoms = slice(self.offsets[frame], self.offsets[frame + 1])
            forces = None if self.forces is None else self.forces[atoms]
            return Frame(self.numbers[atoms], self.positions[atoms], float(self.energies[frame]), forces)
        frames = np.arange(len(self))[index if isinstance(index, slice) else np.asarray(index)]
        n_atoms = self.n_atoms[frames]
        offsets = np.concatenate([[0], np.cumsum(n_atoms)])
        # The k-th atom of a chosen frame keeps its distance to the start of that frame.
        atoms_of = np.arange(offsets[-1]) + np.repeat(self.offsets[frames] - offsets[:-1], n_atoms)
        return replace(
            self,
            numbers=self.numbers[atoms_of],
            positions=self.positions[atoms_of],
            forces=None if self.forces is None else self.forces[atoms_of],
            energies=self.energies[frames],
            offsets=offsets,
            groups=self.groups[frames],
            splits=self.splits[frames],
            coordinate=None if self.coordinate is None else self.coordinate[frames],
        )

    def split(self, name: str) -> "Dataset":
        """The frames of one split."""
        return self._where("split", self.splits, name)

    def group(self, name: str) -> "Dataset":
        """The frames of one group: a trajectory, a molecule, a curve."""
        return self._where("group", self.groups, name)

    def _where(self, kind: str, labels: Array, name: str) -> "Dataset":
        if name not in labels:
            raise ValueError(f"{self.name}: no {kind} {name!r}; there are {sorted(set(labels.tolist()))}")
        return self[labels == name]

    @property
    def n_atoms(self) -> Array:
        """(n_frames,) atoms in each frame."""
        return np.diff(self.offsets)

    @property
    def elements(self) -> list[int]:
        """Atomic numbers that occur, sorted."""
        return sorted(set(self.numbers.tolist()))

    @property
    def atomic_energies(self) -> dict[int, float]:
        """Energy of each isolated atom at the level of the data: atomic number -> eV."""
        if "atomic_energies" not in self.provenance:
            raise ValueError(f"{self.name}: the provenance holds no 'atomic_energies'")
        return {atomic_numbers[symbol]: energy for symbol, energy in self.provenance["atomic_energies"].items()}

    @overload
    def to_ase(self, index: int) -> Atoms: ...
    @overload
    def to_ase(self, index: None = None) -> list[Atoms]: ...
    def to_ase(self, index: int | None = None) -> Atoms | list[Atoms]:
        """One frame, or all of them, as ase.Atoms whose calculator holds the energy and the forces."""
        if index is None:
            return [self.to_ase(frame) for frame in range(len(self))]
        numbers, positions, energy, forces = self[index]
        atoms = Atoms(numbers, positions)
        atoms.info = {"group": str(self.groups[index]), "split": str(self.splits[index])}
        if self.coordinate is not None:
            atoms.info["coordinate"] = float(self.coordinate[index])
        results = {"energy": energy} if forces is None else {"energy": energy, "forces": np.array(forces)}
        atoms.calc = SinglePointCalculator(atoms, **results)
        return atoms

    def write_xyz(self, path: str | Path) -> None:
        """Write extended XYZ. Every digit is kept (ASE's own writer keeps eight decimals)."""

        def write(file: IO[bytes]) -> None:
            columns = "species:S:1:pos:R:3" + ("" if self.forces is None else ":forces:R:3")
            for index, frame in enumerate(self):
                info = {"group": str(self.groups[index]), "split": str(self.splits[index])}
                words = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in info.items() if value]
                if self.coordinate is not None:
                    words.append(f"coordinate={float(self.coordinate[index])!r}")
                header = f'Properties={columns} energy={frame.energy!r} {" ".join(words)} pbc="F F F"'
                table = frame.positions if frame.forces is None else np.hstack([frame.positions, frame.forces])
                rows = zip(frame.numbers, table.tolist(), strict=True)
                lines = [f"{chemical_symbols[number]} {' '.join(map(repr, row))}" for number, row in rows]
                text = "\n".join([str(len(lines)), header, *lines])
                file.write(text.encode() + b"\n")

        write_atomically(Path(path), write)

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in sorted({min(self.n_atoms, default=0), max(self.n_atoms, default=0)}))
        symbols = " ".join(chemical_symbols[number] for number in self.elements)
        splits = {split: int((self.splits == split).sum()) for split in dict.fromkeys(self.splits.tolist()) if split}
        parts = [f"{len(self):,} frames", f"{sizes} atoms of {symbols}"]
        parts += [f"{len(set(self.groups.tolist()))} groups"]
        parts += [", ".join(f"{split} {count:,}" for split, count in splits.items())] if splits else []
        parts += [self.provenance["method"]] if "method" in self.provenance else []
        return f"<Dataset {self.name}: {'; '.join(parts)}>"


# ----------------------------------------------------------------------------- shipped data


def names() -> list[str]:
    """The data sets that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.npz"))


def load(name: str) -> Dataset:
    """A data set that comes with the package; its checksum is compared on the way."""
    if name not in names():
        raise ValueError(f"unknown data set {name!r}; there are {names()}. Files of your own: datasets.read(path)")
    return _read_packed(FOLDER / f"{name}.npz")


def verify(path: str | Path) -> str:
    """The checksum of a packed file, after reading all of it. Raises a ValueError if the file is damaged."""
    return str(_read_packed(Path(path)).provenance["checksum"])


def save(dataset: Dataset, path: str | Path) -> None:
    """Write the packed format, with the checksum in its provenance. A kill leaves the old file or the new one."""
    arrays: dict[str, Any] = {name: getattr(dataset, name) for name in FIELDS if getattr(dataset, name) is not None}
    arrays["provenance"] = np.array(
        json.dumps({**dataset.provenance, "checksum": _checksum(arrays, dataset.provenance)}, indent=1)
    )
    write_atomically(Path(path), lambda file: np.savez_compressed(file, **arrays))


def _checksum(arrays: Mapping[str, Array], provenance: Mapping[str, Any]) -> str:
    """sha256 over name, dtype, shape and bytes of every array in sorted order, and over the rest of the provenance."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    rest = {key: value for key, value in provenance.items() if key != "checksum"}
    digest.update(json.dumps(rest, sort_keys=True).encode())
    return digest.hexdigest()


def _read_packed(path: Path) -> Dataset:
    stored = _read_npz(path)
    required = [name for name in [*FIELDS, "provenance"] if name not in OPTIONAL]
    for missing in [name for name in required if name not in stored]:
        raise ValueError(f"{path}: field {missing!r} is missing; the file holds {sorted(stored)}")
    text = stored.pop("provenance")
    if text.shape != () or text.dtype.kind != "U":
        raise ValueError(
            f"{path}: field 'provenance': expected one JSON text of shape (), got {text.dtype} {text.shape}"
        )
    try:
        provenance = json.loads(str(text))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: field 'provenance' is not JSON: {error}") from error
    if not isinstance(provenance, dict):
        raise ValueError(f"{path}: field 'provenance': expected a JSON object, got {text}")
    try:
        dataset = Dataset(path.stem, **stored, provenance=provenance)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from error
    expected, got = provenance.get("checksum"), _checksum(stored, provenance)
    if got != expected:
        raise ValueError(f"{path}: field 'provenance': checksum {expected} was stored, the content has {got}: damaged")
    return dataset


def _read_npz(path: Path) -> dict[str, Array]:
    """All arrays of an npz file. Never unpickles: a file from a stranger cannot run code."""
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    reading = ""
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {}
            for reading in file.files:
                arrays[reading] = file[reading]
            return arrays
    except Exception as error:  # numpy and zipfile raise whatever they stumbled on: ten different types have been seen
        where = f"field {reading!r}" if reading else "not a complete npz file"
        raise ValueError(f"{path}: {where}: cannot be read ({error}); the file is damaged or is not a npz") from error


# ----------------------------------------------------------------------------- data of your own


def read(path: str | Path, energy_unit: str | None = None, length_unit: str = "Angstrom") -> Dataset:
    """Your own data as a Dataset in eV and Angstrom.

    path         extended XYZ, or npz in the layout of rMD17 (nuclear_charges, coords, energies, forces)
                 or of MD17 (z, R, E, F), or a packed file that `save` wrote
    energy_unit  one of ENERGY_UNITS; left out: eV for extended XYZ, kcal/mol for the MD17 layouts
    length_unit  one of LENGTH_UNITS

    Forces are in energy_unit / length_unit and may be missing. Raises a ValueError that names file, field and shape.
    """
    path = Path(path)
    if path.suffix != ".npz":
        return _read_xyz(path, _unit(ENERGY_UNITS, energy_unit or "eV"), _unit(LENGTH_UNITS, length_unit))
    stored = _read_npz(path)
    if "offsets" in stored:
        if energy_unit is not None or length_unit != "Angstrom":
            raise ValueError(f"{path}: a packed data set is in eV and Angstrom; leave the units out")
        return _read_packed(path)
    return _read_md17(path, stored, _unit(ENERGY_UNITS, energy_unit or "kcal/mol"), _unit(LENGTH_UNITS, length_unit))


def _unit(known: Mapping[str, float], name: str) -> float:
    if name not in known:
        raise ValueError(f"unknown unit {name!r}; there are {list(known)}")
    return known[name]


def _read_xyz(path: Path, energy_unit: float, length_unit: float) -> Dataset:
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist")
    try:
        frames = ase_read(path, ":", format="extxyz")
    except Exception as error:  # ASE raises whatever its parser stumbled on
        raise ValueError(f"{path}: cannot be read as extended XYZ ({type(error).__name__}: {error})") from error
    if not frames:
        raise ValueError(f"{path}: holds no frames")
    results = [{} if atoms.calc is None else atoms.calc.results for atoms in frames]
    with_forces = "forces" in results[0]
    for index, found in enumerate(results):
        for name in ("energy", "forces") if with_forces else ("energy",):
            if name not in found:
                raise ValueError(f"{path}: field {name!r} is missing in frame {index}; it has {sorted(found)}")
    forces = np.concatenate([found["forces"] for found in results]) if with_forces else None
    coordinates = [atoms.info["coordinate"] for atoms in frames if "coordinate" in atoms.info]
    return _dataset(
        path,
        numbers=np.concatenate([atoms.numbers for atoms in frames]),
        positions=np.concatenate([atoms.positions for atoms in frames]) * length_unit,
        energies=np.array([found["energy"] for found in results], dtype=float) * energy_unit,
        forces=None if forces is None else forces * (energy_unit / length_unit),
        offsets=np.cumsum([0] + [len(atoms) for atoms in frames]),
        groups=np.array([str(atoms.info.get("group", path.stem)) for atoms in frames]),
        splits=np.array([str(atoms.info.get("split", "")) for atoms in frames]),
        coordinate=np.array(coordinates, dtype=float) if len(coordinates) == len(frames) else None,
    )


def _read_md17(path: Path, stored: dict[str, Array], energy_unit: float, length_unit: float) -> Dataset:
    layouts = [("nuclear_charges", "coords", "energies", "forces"), ("z", "R", "E", "F")]
    layout = next((keys for keys in layouts if set(keys[:3]) <= set(stored)), None)
    if layout is None:
        raise ValueError(f"{path}: expected the fields {layouts[0]} or {layouts[1]}, got {sorted(stored)}")
    charges, coords, energies, forces = (stored.get(key) for key in layout)
    assert charges is not None and coords is not None and energies is not None
    n_frames, n_atoms = len(np.atleast_1d(coords)), charges.size
    if energies.shape == (n_frames, 1):  # MD17 stores a column
        energies = energies[:, 0]
    arrays = (charges, coords, energies, forces)
    shapes = ((n_atoms,), (n_frames, n_atoms, 3), (n_frames,), (n_frames, n_atoms, 3))
    for key, array, shape in zip(layout, arrays, shapes, strict=True):
        if array is not None and array.shape != shape:
            raise ValueError(f"{path}: field {key!r}: expected shape {shape}, got {array.shape}")
        if array is not None and array.dtype.kind not in "iuf":
            raise ValueError(f"{path}: field {key!r}: expected numbers, got dtype {array.dtype}")
    return _dataset(
        path,
        numbers=np.tile(charges, n_frames),
        positions=coords.reshape(-1, 3) * length_unit,
        energies=energies * energy_unit,
        forces=None if forces is None else forces.reshape(-1, 3) * (energy_unit / length_unit),
        offsets=np.arange(n_frames + 1) * n_atoms,
        groups=np.full(n_frames, path.stem),
        splits=np.full(n_frames, ""),
    )


def _dataset(path: Path, **fields: Any) -> Dataset:
    try:
        return Dataset(path.stem, **fields, provenance={"source": path.name})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error

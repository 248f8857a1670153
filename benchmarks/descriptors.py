"""The symmetry functions against DScribe (G2, G4) and TorchANI (ANI-1x): are the numbers equal, and who is faster?

    pip install "practical-nnp[bench]"
    python -m benchmarks.descriptors           largest differences on 62 molecules, and ratios; below 1, ours is faster
    python -m benchmarks.descriptors --write   stores what the two gave, for tests/descriptors/test_peers.py

The two bring 600 MB of other packages along. That is why the tests compare with stored numbers.
"""

import os
import sys
from importlib.metadata import version
from pathlib import Path

os.environ["TORCHANI_NO_WARN_EXTENSIONS"] = "1"  # it would speak of CUDA

import numpy as np
import torch
from ase import Atoms
from dscribe.descriptors import ACSF
from torchani.aev import AEVComputer

import course
from benchmarks.run import seconds
from course.descriptors import SymmetryFunctions
from course.descriptors.symmetry_functions import Angular, Radial
from course.graph import Graph, batch, molecular_graph

STORED = Path(__file__).parent.parent / "tests" / "descriptors" / "peers.npz"
TO_STORE = ["hydrogen", "hydrogen cyanide", "methylhydrazine", "nitrous acid", "ethanol", "acetamide", "urea"]
ELEMENTS = [1, 6, 7, 8]
G2 = [[0.5, 0.0], [4.0, 1.0], [4.0, 2.0], [1.5, 3.0]]  # eta, R_s
G4 = [[0.01, 1.0, 1.0], [0.1, 4.0, -1.0], [0.3, 16.0, 1.0]]  # eta, zeta, lambda
CUTOFF = 4.0

dscribe = ACSF(r_cut=CUTOFF, g2_params=G2, g4_params=G4, species=ELEMENTS)
torchani = AEVComputer.like_1x().double()


def by_dscribe(atoms: Atoms) -> np.ndarray:
    """(n_atoms, 4 * 4 + 10 * 3), in our order of columns.

    DScribe puts a G1 = sum of f_c in front of each element's G2, and counts pairs of elements as HH, CH, CC, NH, NC ...
    """
    x = dscribe.create(atoms)
    radial = x[:, : 4 * 5].reshape(-1, 4, 5)[:, :, 1:]
    angular = x[:, 4 * 5 :].reshape(-1, 10, 3)
    place = {(a, b): a * (a + 1) // 2 + b for a in range(4) for b in range(a + 1)}
    order = [place[b, a] for a in range(4) for b in range(a, 4)]  # HH, HC, HN, HO, CC, ...
    return np.concatenate([radial.reshape(len(x), -1), angular[:, order].reshape(len(x), -1)], axis=1)


def by_torchani(atoms: Atoms) -> np.ndarray:
    """(n_atoms, 384). TorchANI multiplies the radial functions by 1/4; that is taken back here."""
    species = torch.tensor([[ELEMENTS.index(z) for z in atoms.numbers]])
    x = torchani(species, torch.tensor(atoms.positions)[None])[0].numpy()
    return np.concatenate([4 * x[:, :64], x[:, 64:]], axis=1)


def our_acsf() -> SymmetryFunctions:
    (g2_eta, R_s), (eta, zeta, lam) = zip(*G2, strict=True), zip(*G4, strict=True)
    return SymmetryFunctions(ELEMENTS, Radial(R_s, g2_eta, CUTOFF), Angular(eta, zeta, lam, CUTOFF))


def compare(frames: dict[str, Atoms]) -> None:
    for name, ours, theirs in (
        ("DScribe", our_acsf(), by_dscribe),
        ("TorchANI", SymmetryFunctions.ani1x(), by_torchani),
    ):
        pairs = [(ours(molecular_graph(atoms, ours.cutoff)).numpy(), theirs(atoms)) for atoms in frames.values()]
        largest = max(np.abs(a - b).max() for a, b in pairs)
        size = max(np.abs(b).max() for _, b in pairs)
        print(f"{name:8} {version(name.lower())}: largest difference {largest:.0e}, largest number {size:.1f}")


def store(frames: dict[str, Atoms]) -> None:
    """Geometries, settings and what the peers made of them, molecule after molecule."""
    chosen = [frames[name] for name in TO_STORE]
    np.savez_compressed(
        STORED,
        made_by=f"benchmarks/descriptors.py --write, dscribe {version('dscribe')}, torchani {version('torchani')}",
        names=TO_STORE,
        n_atoms=[len(atoms) for atoms in chosen],
        numbers=np.concatenate([atoms.numbers for atoms in chosen]),
        positions=np.concatenate([atoms.positions for atoms in chosen]),
        elements=ELEMENTS,
        g2=G2,
        g4=G4,
        cutoff=CUTOFF,
        dscribe=np.concatenate([by_dscribe(atoms) for atoms in chosen]),
        torchani=np.concatenate([by_torchani(atoms) for atoms in chosen]),
    )
    print(f"stored {STORED.stat().st_size / 1000:.0f} kB in {STORED.name}")


def time() -> None:
    """With and without the time that it takes to make 100 graphs; the peers find their neighbours by themselves."""
    ethanol = course.load("ethanol")
    frames = [ethanol.to_ase(k) for k in range(100)]
    acsf, ani = our_acsf(), SymmetryFunctions.ani1x()

    def graph(cutoff: float) -> Graph:
        return batch([molecular_graph(atoms, cutoff) for atoms in frames])

    def slopes(graph: Graph) -> None:
        R = graph.positions.detach().requires_grad_()
        torch.autograd.grad(ani(graph.moved(R)).sum(), R)

    species = torch.tensor([[ELEMENTS.index(z) for z in atoms.numbers] for atoms in frames])
    R = torch.tensor(np.array([atoms.positions for atoms in frames]), requires_grad=True)
    near, far = graph(CUTOFF), graph(ani.cutoff)
    peer = seconds(lambda: dscribe.create(frames))
    alone, both = seconds(lambda: acsf(near)), seconds(lambda: acsf(graph(CUTOFF)))
    print(f"G2 and G4 of 100 ethanols / DScribe                  {alone / peer:.2f}, with graphs {both / peer:.2f}")
    peer = seconds(lambda: torch.autograd.grad(torchani(species, R).sum(), R))
    alone, both = seconds(lambda: slopes(far)), seconds(lambda: slopes(graph(ani.cutoff)))
    print(f"ANI-1x of 100 ethanols, values and slopes / TorchANI {alone / peer:.2f}, with graphs {both / peer:.2f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    data = course.load("small_molecules")
    molecules = {
        str(name): data.to_ase(int(k)) for name, k in zip(*np.unique(data.groups, return_index=True), strict=True)
    }
    compare(molecules)
    if "--write" in sys.argv:
        store(molecules)
    time()

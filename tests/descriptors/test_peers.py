"""The symmetry functions against independent programs, on seven real molecules.

peers.npz holds what DScribe and TorchANI gave; benchmarks/descriptors.py wrote it and compares all 62 molecules live.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.units import Bohr

from course.descriptors import SymmetryFunctions
from course.descriptors.symmetry_functions import Angular, ANIAngular, Radial
from course.graph import molecular_graph

PEERS: dict[str, Any] = dict(np.load(Path(__file__).with_name("peers.npz")))
ELEMENTS = PEERS["elements"].tolist()
CUTOFF = float(PEERS["cutoff"])


def acsf() -> SymmetryFunctions:
    (g2_eta, R_s), (eta, zeta, lam) = PEERS["g2"].T.tolist(), PEERS["g4"].T.tolist()
    return SymmetryFunctions(
        ELEMENTS,
        Radial(tuple(R_s), tuple(g2_eta), CUTOFF),
        Angular(tuple(eta), tuple(zeta), tuple(lam), CUTOFF),
    )


def single(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(np.array(values, np.float32).tolist())


def ani1x_in_single_precision() -> SymmetryFunctions:
    """TorchANI rounds its centres to single precision, and computes with them in double."""
    ours = SymmetryFunctions.ani1x(ELEMENTS)
    assert isinstance(ours.angular, ANIAngular)
    angular = replace(ours.angular, R_s=single(ours.angular.R_s), theta_s=single(ours.angular.theta_s))
    return SymmetryFunctions(ELEMENTS, replace(ours.radial, centers=single(ours.radial.centers)), angular)


@pytest.mark.parametrize(
    ("peer", "ours"),
    [("dscribe", acsf()), ("torchani", ani1x_in_single_precision())],
    ids=["DScribe", "TorchANI"],
)
def test_the_same_numbers_as_another_program(peer, ours):
    ends = PEERS["n_atoms"].cumsum()[:-1]
    molecules = zip(
        PEERS["names"], *(np.split(PEERS[key], ends) for key in ("numbers", "positions", peer)), strict=True
    )
    for name, numbers, positions, theirs in molecules:
        got = ours(molecular_graph((numbers, positions), ours.cutoff)).numpy()
        assert got.shape == theirs.shape == (len(numbers), ours.n_features)
        np.testing.assert_allclose(got, theirs, rtol=0, atol=1e-12, err_msg=str(name))
    assert np.abs(PEERS[peer]).max() > 1
    assert (np.abs(PEERS[peer]) > 1e-3).any(axis=0).mean() > 0.4  # most columns have been visited


def test_the_set_of_2013_is_the_one_that_two_programs_ship():
    ours = SymmetryFunctions.artrith2013([8, 29, 30], cutoff=6.0)
    assert ours.n_features == 3 * 8 + 6 * 22
    # SIMPLE-NN's documentation prints these eight in 1/Angstrom^2
    in_angstrom = [0.003214, 0.035711, 0.071421, 0.124987, 0.214264, 0.357106, 0.714213, 1.428426]
    assert ours.radial.eta == pytest.approx(in_angstrom, abs=1e-6)
    angular = ours.angular
    assert isinstance(angular, Angular) and len(angular.eta) == len(angular.zeta) == len(angular.lam) == 22
    triples = {
        (round(e * Bohr**2, 6), z, lam) for e, z, lam in zip(angular.eta, angular.zeta, angular.lam, strict=True)
    }
    assert len(triples) == 22 and (0.0001, 1, -1) in triples and (0.045, 16, 1) in triples
    assert sum(lam for *_, lam in triples) == 14  # four functions with lambda = -1

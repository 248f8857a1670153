"""The molecule view as data, words and picture. The 3D view itself is looked at in tests/browser."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
import traitlets
from ase import Atoms
from ase.build import molecule
from matplotlib.patches import Circle
from matplotlib.quiver import Quiver

from course import Dataset, load, molecular_graph
from course.widgets.molecule import MoleculeView, round_scale, show_molecule

ETHANOL = molecule("CH3CH2OH")
N = len(ETHANOL)
rng = np.random.default_rng(0)
FORCES = rng.normal(size=(N, 3))
ENERGIES = rng.normal(size=N)


def floats(data: bytes, *shape: int) -> np.ndarray:
    return np.frombuffer(data, np.float32).reshape(-1, *shape)


def test_the_browser_gets_what_python_was_given() -> None:
    frames = load("small_molecules")[[3, 50, 400]]
    assert frames.forces is not None
    view = show_molecule(frames, forces=frames.forces)
    assert np.frombuffer(view.offsets, np.int32).tolist() == frames.offsets.tolist()
    assert np.frombuffer(view.numbers, np.uint8).tolist() == frames.numbers.tolist()
    assert np.allclose(floats(view.positions, 3), frames.positions, atol=1e-6)
    assert np.allclose(floats(view.forces, 3), frames.forces, atol=1e-6)
    assert view.energies == b""


def test_bonds_stay_within_their_frame() -> None:
    water, methane = molecule("H2O"), molecule("CH4")
    view = show_molecule([water, methane])
    bonds = np.frombuffer(view.bonds, np.int32).reshape(-1, 2)
    assert bonds.tolist() == [[0, 1], [0, 2], [3, 4], [3, 5], [3, 6], [3, 7]]


@pytest.mark.parametrize("frames", [1, 3])
def test_energies_of_elements_may_be_shifted(frames: int) -> None:
    """Atomic energies are compared within an element: a constant for each element changes no colour."""
    energies = rng.normal(size=(frames, N))
    shifts = np.array([{1: -13.6, 6: -1036.1, 8: -2041.3}[z] for z in ETHANOL.numbers])
    atoms: Any = ETHANOL if frames == 1 else [ETHANOL] * frames
    plain, shifted = (show_molecule(atoms, E if frames > 1 else E[0]) for E in (energies, energies + shifts))
    assert np.allclose(floats(plain.energies), floats(shifted.energies), atol=1e-6)
    colors = [np.frombuffer(view.colors, np.uint8).astype(int) for view in (plain, shifted)]
    assert np.abs(colors[0] - colors[1]).max() <= 1
    for z in (1, 6, 8):
        assert abs(floats(plain.energies)[np.tile(ETHANOL.numbers, frames) == z].mean()) < 1e-6


def test_the_lowest_is_dark_and_the_highest_is_bright() -> None:
    view = show_molecule(ETHANOL, ENERGIES)
    brightness = np.frombuffer(view.colors, np.uint8).reshape(-1, 3).sum(axis=1)
    assert brightness.argmin() == floats(view.energies).argmin()
    assert brightness.argmax() == floats(view.energies).argmax()
    assert view.legend["low"] == pytest.approx(floats(view.energies).min())
    assert view.legend["colors"][0] == "#00224e" and view.legend["colors"][-1] == "#fee838"  # cividis


def test_atoms_without_energies_have_the_colours_of_their_elements() -> None:
    colors = np.frombuffer(show_molecule(molecule("H2O")).colors, np.uint8).reshape(-1, 3).tolist()
    assert colors == [[255, 13, 13], [255, 255, 255], [255, 255, 255]]


def test_the_longest_arrow_can_be_seen_whatever_the_forces() -> None:
    for largest in 10.0 ** rng.uniform(-8, 8, size=200):
        scale = round_scale([np.array([[largest, 0, 0], [0, largest / 2, 0]])])
        assert 0.8 * (1 - 1e-9) <= largest / scale <= 2
        assert f"{scale:.0e}"[0] in "125" and scale == pytest.approx(float(f"{scale:.0e}"))
    assert round_scale([np.zeros((2, 3))]) == 1
    assert round_scale([None]) == 0


def test_neighbours_are_those_of_the_graph() -> None:
    for cutoff in (0.5, 1.2, 2.0, 10.0):
        graph = molecular_graph(ETHANOL, cutoff)
        for i in range(N):
            expected = sorted(graph.senders[graph.receivers == i].tolist())
            assert show_molecule(ETHANOL, sphere=(i, cutoff)).neighbors().tolist() == expected


def test_words_follow_the_state() -> None:
    view = show_molecule([ETHANOL, molecule("H2O")], [ENERGIES, [1.0, 2.0, 4.0]], sphere=(0, 1.2))
    assert view.words.startswith("C2H6O, 9 atoms, frame 1 of 2. Colours: E_i minus the mean of its element, ")
    view.frame = 1
    assert view.words.startswith("H2O, 3 atoms, frame 2 of 2.")
    assert view.words.endswith("O0 has 2 neighbours within 1.2 Å: H1, H2.")
    view.center = 2
    assert view.words.endswith("H2 has 1 neighbour within 1.2 Å: O0.")
    assert show_molecule(Atoms("Ne")).words == "Ne, 1 atom."
    forces = np.zeros((3, 3))
    forces[1, 2] = -2.5
    assert "the largest, 2.5 eV/Å, is that on H1." in show_molecule(molecule("H2O"), forces=forces).words


def test_text_then_picture_then_widget_and_the_browser_keeps_the_picture() -> None:
    view = show_molecule(ETHANOL, ENERGIES, FORCES, (1, 2.0))
    data, metadata = view._repr_mimebundle_()
    assert list(data) == ["text/plain", "image/png", "application/vnd.jupyter.widget-view+json"]
    assert data["text/plain"] == metadata["image/png"]["alt"] == view.words
    assert data["image/png"].startswith(b"\x89PNG") and view.still == data["image/png"]
    assert not plt.get_fignums()


def test_a_new_picture_is_made_only_where_it_is_seen() -> None:
    view = show_molecule([ETHANOL, molecule("H2O")])
    view.frame = 1
    assert view.still == b""
    view.in_3d = False
    water = view.still
    view.frame = 0
    assert water and view.still and view.still != water


def test_the_picture_has_the_arrows_and_the_sphere() -> None:
    view = show_molecule([ETHANOL, ETHANOL], forces=[0 * FORCES, FORCES], sphere=(1, 2.0))
    view.frame = 1
    (ax,) = view.picture().axes
    (arrows,) = [artist for artist in ax.collections if isinstance(artist, Quiver)]
    right, up, _ = view.view
    assert np.allclose(arrows.U, FORCES @ right / view.force_scale)
    assert np.allclose(arrows.V, FORCES @ up / view.force_scale)
    (circle,) = [patch for patch in ax.patches if isinstance(patch, Circle)]
    assert circle.radius == 2.0
    assert f"arrow of 1 Å: {view.force_scale:g} eV/Å" in ax.get_title()
    low, high = ax.get_ylim()
    assert low <= circle.center[1] - 2 and circle.center[1] + 2 <= high


def test_the_colours_of_the_picture_have_one_scale_for_all_frames() -> None:
    view = show_molecule([ETHANOL, ETHANOL], [ENERGIES, 3 * ENERGIES])
    ax, scale = view.picture().axes
    assert scale.get_ylabel() == "$E_i$ − mean of its element, eV"
    discs = np.asarray(ax.collections[0].get_facecolor())[:, :3]
    assert np.allclose(255 * discs, np.frombuffer(view.colors, np.uint8).reshape(-1, 3)[:N], atol=0.6)


def test_frames_are_seen_from_one_side() -> None:
    """A picture that jumps while the slider moves hides the motion."""
    dataset = load("ethanol")[:20]
    view = show_molecule(dataset)
    view.frame = 7
    (ax,) = view.picture().axes
    frame = dataset[7]
    centred = frame.positions - frame.positions.mean(axis=0)
    assert np.allclose(ax.collections[0].get_offsets(), centred @ view.view[:2].T)


def test_all_forms_of_numbers() -> None:
    dataset = load("ethanol")[:2]
    assert dataset.forces is not None
    expected = show_molecule(dataset, forces=dataset.forces).forces
    listed = [frame.forces for frame in dataset]
    for forces in (listed, np.stack([f for f in listed if f is not None]), [torch.tensor(np.array(f)) for f in listed]):
        assert show_molecule(dataset.to_ase(), forces=forces).forces == expected
    differentiable = torch.tensor(ENERGIES, requires_grad=True)
    assert show_molecule(ETHANOL, differentiable).energies == show_molecule(ETHANOL, ENERGIES.tolist()).energies
    assert show_molecule(ETHANOL, [ENERGIES]).energies == show_molecule(ETHANOL, ENERGIES).energies


BROKEN = FORCES.copy()
BROKEN[3, 1] = np.nan


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: show_molecule([]), "Expected ase.Atoms, a list of them, or a Dataset, got \\[\\]"),
        (lambda: show_molecule("ethanol.xyz"), "got 'ethanol.xyz'"),  # type: ignore[arg-type]
        (lambda: show_molecule(Atoms()), "without atoms"),
        (lambda: show_molecule(ETHANOL, forces=FORCES.T), "forces: 9 atoms in 1 frame need (9, 3), got (3, 9)."),
        (lambda: show_molecule(ETHANOL, torch.zeros(1)), "energies: 9 atoms in 1 frame need (9,), got (1,)."),
        (
            lambda: show_molecule([ETHANOL] * 2, forces=[FORCES]),
            "forces: 18 atoms in 2 frames need (18, 3), got (9, 3).",
        ),
        (lambda: show_molecule([ETHANOL] * 2, forces=[FORCES, BROKEN]), "atom 3 of frame 1 has "),
        (lambda: show_molecule(Atoms("H", [[0, 0, np.inf]])), "positions: atom 0 of frame 0 has "),
        (lambda: show_molecule(ETHANOL, sphere=(9, 2.0)), "an atom from 0 to 8 and a positive radius, got (9, 2.0)"),
        (lambda: show_molecule(ETHANOL, sphere=(1, 0.0)), "a positive radius, got (1, 0.0)"),
    ],
)
def test_what_does_not_fit_is_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        call()
    assert message.replace("\\", "") in str(raised.value)


def test_a_frame_that_is_not_there() -> None:
    view = show_molecule(load("ethanol")[:3])
    with pytest.raises(traitlets.TraitError, match="no frame 3: they are 0 to 2"):
        view.frame = 3
    assert view.frame == 0


def test_awkward_molecules() -> None:
    pair = Atoms("H2", [[0, 0, 0], [0, 0, 0]])  # one upon the other
    for atoms in (Atoms("O"), pair, Atoms("HO", [[0, 0, 0], [900, 0, 0]])):
        view = show_molecule(atoms, np.ones(len(atoms)), np.zeros((len(atoms), 3)), (0, 3.0))
        assert isinstance(view, MoleculeView)
        assert view._repr_mimebundle_()[0]["image/png"]


def test_a_long_trajectory_is_small() -> None:
    dataset: Dataset = load("ethanol")
    view = show_molecule(dataset, forces=dataset.forces)
    state = view.get_state()
    size = sum(len(value) for value in state.values() if isinstance(value, bytes))
    assert size < 60 * len(dataset.numbers)  # bytes an atom

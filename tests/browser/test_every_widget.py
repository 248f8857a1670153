"""Every widget of the course in one notebook, as a learner meets it. JupyterLab is in without_network.py."""

import io
import time
from collections.abc import Callable

import numpy as np
from matplotlib.image import imread
from playwright.sync_api import Locator, expect

from tests.browser.jupyter import Notebook
from tests.browser.laws import axe, unsuppressed
from tests.browser.test_javascript import course_widgets

SETUP = """
from course import MPNN, Potential, fit, load
from course.widgets import explore, ripple
from course.widgets.molecule import show_molecule
from course.widgets.lab import Geometry, Lab, Moving, Slider
from course.widgets.monitor import TrainingMonitor
ethanol = load("ethanol")
train, validation = ethanol.split("train")[:20], ethanol.split("validation")[:10]
potential = Potential.for_data(MPNN(train.elements, n_f=8, n_e=6, n_m=8, T=2, cutoff=3.0), train)
atoms = ethanol.to_ase(0)
"""

# Class, the cell that shows it, and where in it something must be drawn.
SHOWN = {
    "MessageExplorer": ("explore(atoms, potential)", ".stage"),
    "Ripple": ("ripple(atoms, potential)", "svg"),
    "TrainingMonitor": (
        "fit(potential, train, validation, epochs=2, on_epoch=TrainingMonitor(), progress=False);",
        ".parity canvas",
    ),
    "Lab": (
        'Lab(lambda r, R: [Geometry("", R, sphere=(0, r), moves="R")], r=Slider(2.0, 1.0, 3.0, 0.1), R=Moving(atoms))',
        ".stage",
    ),
    "MoleculeView": ("show_molecule(atoms)", "canvas"),
}

CELLS = [SETUP, *(code for code, _ in SHOWN.values())]


def test_every_widget_is_shown_here() -> None:
    assert {kind.__name__ for kind in course_widgets()} == SHOWN.keys()


def test_in_notebook_7(notebook: Callable[..., Notebook]) -> None:
    check_every_widget(notebook(CELLS, app="notebook"))


def check_every_widget(opened: Notebook) -> None:
    """All are drawn, accessible in both themes, and keep their keys."""
    for cell, (_, place) in enumerate(SHOWN.values(), start=1):
        expect(opened.output(cell).locator(".course-widget")).to_be_visible()
        wait_until_drawn(opened.output(cell).locator(place).first)
    for dark in (False, True):
        opened.set_theme(dark)
        assert axe(opened.page) == []
    assert unsuppressed(opened.page) == []


def wait_until_drawn(picture: Locator) -> None:
    """Wait until more than 1 % of the pixels have another colour than the commonest one."""
    expect(picture).to_be_visible()
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        pixels = 255 * imread(io.BytesIO(picture.screenshot()))[..., :3] @ [65536, 256, 1]  # one number a colour
        _, counts = np.unique(pixels, return_counts=True)
        if counts.max() < 0.99 * pixels.size:
            return
        picture.page.wait_for_timeout(100)
    raise AssertionError(f"{picture} stays of one colour.")

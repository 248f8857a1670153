"""The atomic-energy painter in a browser: the slider bends the molecule, and the hand goes on from there."""

from collections.abc import Callable

import numpy as np
import pytest

from course import Potential, datasets
from course.widgets.lab import Moving
from course.widgets.painter import TORSION, paint
from tests.browser.mini_host import Mounted

Host = Callable[..., Mounted]


def test_the_slider_bends_and_the_hand_goes_on_from_there(host: Host) -> None:
    mounted = host(paint(Potential.load(datasets.FOLDER.parent / "trained" / "ethanol_bpnn.npz")))
    page, widget = mounted.page, mounted.widget
    page.evaluate(
        """() => {
          window.seen = [];
          const look = () => {
            const place = document.querySelector("[data-atom=H3] .disc")?.getBoundingClientRect();
            window.seen.push([place.x, place.y]);
            window.look = requestAnimationFrame(look);
          };
          look();
        }"""
    )
    page.get_by_role("slider", name="torsion").focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    mounted.settle()
    assert widget.state["torsion"] == 160
    path = np.array(page.evaluate("window.seen"))
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    assert 0 < steps.sum() < 2 * np.linalg.norm(path[-1] - path[0])  # it never went back
    atom = page.locator("[data-atom=H8]")
    atom.focus()
    page.keyboard.press("Shift+ArrowUp")
    mounted.settle()
    control = widget.controls["atoms"]
    assert isinstance(control, Moving)
    assert control.read(widget.state["atoms"]).get_dihedral(*TORSION) == pytest.approx(160, abs=1e-3)
    moved = np.abs(np.array(widget.state["atoms"]) - control.atoms.positions).max(axis=1) > 1e-6
    assert moved[8] and not moved[[0, 1, 4, 5, 6, 7]].any()

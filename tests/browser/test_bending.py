"""Stretch, bend and twist in a browser: a key on a slider moves an atom, its marker, and the energies beside it."""

from collections.abc import Callable

from playwright.sync_api import expect

import course
from course import Potential
from course.models.molecular_mechanics import MolecularMechanics
from course.widgets.bending import stretch_bend_twist
from tests.browser.mini_host import Mounted

Host = Callable[..., Mounted]


def test_a_key_stretches_the_bond(host: Host) -> None:
    train = course.load("small_molecules")[::15]
    mounted = host(stretch_bend_twist(Potential.for_data(MolecularMechanics.for_data(train), train)))
    page = mounted.page
    hydrogen = page.locator("[data-atom=H3]").first
    before = hydrogen.bounding_box()
    slider = page.get_by_role("slider", name="O–H bond of ethanol")
    slider.focus()
    for _ in range(15):
        page.keyboard.press("ArrowRight")
    mounted.settle()
    assert mounted.widget.state["bond"] == 1.75
    expect(page.get_by_text("quantum: 3.455")).to_be_visible()
    after = hydrogen.bounding_box()
    assert before and after
    assert abs(after["x"] - before["x"]) + abs(after["y"] - before["y"]) > 5

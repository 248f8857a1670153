"""The cutoff explorer in a browser: an atom walks through the cutoff by keyboard, and the bars move up."""

from collections.abc import Callable

import torch
from ase.build import molecule
from playwright.sync_api import expect

from course.exercises.day2 import local_coulomb_vector
from course.models.message_passing import perceptron
from course.widgets.cutoff_explorer import cutoff_explorer
from tests.browser.laws import axe, unsuppressed
from tests.browser.mini_host import Mounted


def test_cutoff_explorer(host: Callable[..., Mounted]) -> None:
    torch.manual_seed(0)
    network = perceptron(12, 16, 1)
    lab = cutoff_explorer({"mine": local_coulomb_vector}, molecule("CH3CH2OH"), 1, 2, lambda x: network(x)[0])
    mounted = host(lab)
    page = mounted.page
    distance, words = page.get_by_role("slider", name="distance of the atom that walks"), page.locator(".words")
    distance.fill("2.99")
    mounted.settle()
    expect(words).to_contain_text("O2 is 2.99 Å from C1, inside its sphere. 8 of 12 places are filled.")
    distance.press("ArrowRight")
    distance.press("ArrowRight")
    mounted.settle()
    expect(words).to_contain_text("O2 is 3.01 Å from C1, outside its sphere. 7 of 12 places are filled.")
    cutoff = page.get_by_role("slider", name="cutoff")
    cutoff.fill("3.5")
    mounted.settle()
    expect(words).to_contain_text("inside its sphere. 8 of 12")
    assert axe(page) == [] and unsuppressed(page) == []
    assert mounted.remove() == []

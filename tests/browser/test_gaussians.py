"""The live Gaussians in a browser: a key changes hills, bars and the sentence."""

from collections.abc import Callable

from playwright.sync_api import expect

from course.widgets.gaussians import gaussians
from tests.browser.laws import axe
from tests.browser.mini_host import Mounted


def test_a_wide_gaussian_merges_two_neighbours(host: Callable[..., Mounted]) -> None:
    mounted = host(gaussians())
    page = mounted.page
    expect(page.locator(".words")).to_contain_text("Told apart")
    hills = page.locator("path.curve").first
    before = hills.get_attribute("d") or ""
    assert before.count("M") == 8  # one line, eight hills
    page.get_by_role("slider", name="sharpness").focus()
    page.keyboard.press("Home")
    mounted.settle()
    expect(page.locator(".words")).to_contain_text("Merged: neighbours at 1.20 Å and 1.60 Å")
    assert hills.get_attribute("d") != before
    assert axe(page) == []

"""Can you fool it? In a browser: another pair, another description, and an atom that is pushed by keyboard."""

from collections.abc import Callable

from playwright.sync_api import expect

from course.widgets.fool_it import fool_it
from tests.browser.laws import axe, unsuppressed
from tests.browser.mini_host import Mounted


def test_fool_it(host: Callable[..., Mounted]) -> None:
    mounted = host(fool_it())
    page = mounted.page
    page.get_by_label("pair").select_option("methane pair")
    page.get_by_label("description").select_option("radial + angular")
    mounted.settle()
    expect(page.locator(".words")).to_have_text(
        "Told apart. Without a twin: H1, H2, H3, H4 on the left; H1, H2, H3, H4 on the right."
    )
    assert axe(page) == [] and unsuppressed(page) == []
    page.get_by_role("group", name="left").locator("[data-atom=H4]").focus()
    page.keyboard.press("Shift+ArrowRight")
    mounted.settle()
    expect(page.locator(".words")).to_contain_text("C0, H1, H2, H3, H4 on the left")
    page.get_by_role("button", name="Reset").click()
    mounted.settle()
    expect(page.locator(".words")).to_contain_text("H1, H2 on the left")
    assert mounted.remove() == []

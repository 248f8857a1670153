"""The blind-spot lab in a browser: the table fits, and a choice moves the rings."""

from collections.abc import Callable

from playwright.sync_api import expect

from course.widgets.blind_spots import blind_spots, known_pairs
from tests.browser.laws import axe
from tests.browser.mini_host import Mounted


def test_a_pair_a_model_and_a_number_of_rounds_are_chosen(host: Callable[..., Mounted]) -> None:
    mounted = host(blind_spots())
    page = mounted.page
    marked = page.locator("[data-atom][aria-label*=marked]")
    expect(marked).to_have_count(0)
    expect(page.locator(".panel.words")).to_contain_text("The MPNN after 1 round is blind here")
    table = page.get_by_role("region", name="Who sees the difference?")
    assert table.evaluate("e => e.scrollWidth <= e.clientWidth")  # all columns can be read
    assert table.locator("tbody tr").first.locator("td").all_inner_texts() == ["blind"] * len(known_pairs())
    page.get_by_role("combobox", name="pair").select_option("eight-ring")
    page.get_by_role("slider", name="rounds T").focus()
    page.keyboard.press("ArrowRight")
    mounted.settle()
    expect(marked).to_have_count(8)
    expect(page.locator(".panel.words")).to_contain_text("sees a difference at 8 atoms")
    page.get_by_role("combobox", name="rings").select_option("ANI")
    mounted.settle()
    expect(marked).to_have_count(0)
    assert axe(page) == []

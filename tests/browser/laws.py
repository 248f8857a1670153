"""Laws that every widget keeps."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

OPTIONS = {
    "resultTypes": ["violations"],
    "rules": {"heading-order": {"enabled": False}},  # which headings stand before a widget is the notebook's matter
}


def axe(page: Page, selector: str = ".course-widget") -> list[str]:
    """What axe-core finds wrong for people who do not see, or do not use a mouse; one text a rule that is broken."""
    assert page.locator(selector).count() > 0, f"Nothing on the page is {selector!r}."
    found = Axe().run(page, context=selector, options=OPTIONS).response["violations"]
    places = [[f"  {node['html']}\n  {node['failureSummary']}" for node in each["nodes"]] for each in found]
    return ["\n".join([f"{each['id']}: {each['help']}", *lines]) for each, lines in zip(found, places, strict=True)]


def unsuppressed(page: Page, selector: str = ".course-widget") -> list[str]:
    """Elements that can have the focus, now or later, and would let a notebook take their keys.

    In JupyterLab and Notebook 7 the keys d d delete the cell, unless the focused element itself (a parent is not
    enough) has the attribute data-lm-suppress-shortcuts. A box with scroll bars takes the focus too.
    """
    assert page.locator(selector).count() > 0, f"Nothing on the page is {selector!r}."
    return page.evaluate(
        """(selector) => {
          const natural = "a[href], area[href], audio[controls], button, iframe, input:not([type=hidden]), select, "
            + "summary, textarea, video[controls], [contenteditable], [tabindex]";
          const bars = (overflow) => overflow === "auto" || overflow === "scroll";
          const scrolls = (element) => {
            const { overflowX, overflowY } = getComputedStyle(element);
            const { scrollWidth, clientWidth, scrollHeight, clientHeight } = element;
            return (bars(overflowX) && scrollWidth > clientWidth) || (bars(overflowY) && scrollHeight > clientHeight);
          };
          return [...document.querySelectorAll(selector)]
            .flatMap((root) => [root, ...root.querySelectorAll("*")])
            .filter((element) => element.matches(natural) || (scrolls(element) && !element.querySelector(natural)))
            .filter((element) => element.dataset.lmSuppressShortcuts !== "true")
            .map((element) => element.cloneNode(false).outerHTML);
        }""",
        selector,
    )

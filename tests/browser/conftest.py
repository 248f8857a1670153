"""Fixtures for tests of widgets in a real browser: Debian's Chromium, driven by Playwright, cut off from the network.

    host(widget)                     a page with the widget alone: its ES module, its Python object, no Jupyter.
        .page  .root  .widget            Mounted: Playwright's page, the element of the widget, the Python object
        .settle()                        all that the page sent is answered, and drawn
        .remove()                        ends the view; returns the listeners that were left behind (should be [])
    standalone(widget)               the page that widget.to_html() writes, opened as a file.
    notebook([cell, cell])           a notebook in JupyterLab, run to the end (app="notebook": in Notebook 7)
        .page  .output(n)                Playwright's page, what stands under cell n
        .set_theme(dark=True)            the notebook's own theme; light at first
        .value("widget.count")           a plain value from the kernel
        .wait_for("widget.count == 3")   until the kernel says True
    new_page()                       an empty page

host, standalone and new_page take theme="dark", reduced_motion=True, zoom=2, width=..., height=... (CSS pixels at
zoom 1). Laws for every widget are in laws.py:

    from tests.browser.laws import axe, unsuppressed
    assert axe(mounted.page) == []            # accessibility; or axe(page, "a CSS selector")
    assert unsuppressed(mounted.page) == []   # no key leaks to the notebook

A test fails by itself if a page asked for what is not on this machine, threw an error, or wrote one to the console; if
Python raised while it answered the page; and if a notebook shows an excuse in place of a widget. A test that wants
such an error looks into the fixture `watch` and clears the list.

Playwright's rules: no time.sleep, in which the page's messages are not heard; wait with `expect(locator)`,
`page.wait_for_function` or `settle`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from ipywidgets import Widget
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from course.widgets.base import CourseWidget
from tests.browser.chromium import Watch, launch
from tests.browser.jupyter import App, Notebook, Server
from tests.browser.mini_host import Mounted

expect.set_options(timeout=15_000)  # two workers and a kernel on two cores


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[App], Server]]:
    """A server an app, as people have it: Notebook 7 stumbles where a server has shown JupyterLab before."""
    servers: dict[App, Server] = {}

    def start_server(app: App) -> Server:
        if app not in servers:
            servers[app] = Server(app, tmp_path_factory.mktemp(app))
        return servers[app]

    yield start_server
    for server in servers.values():
        server.stop()


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch([], [])
    yield watch
    watch.complain()


@pytest.fixture
def new_page(browser: Browser, watch: Watch) -> Iterator[Callable[..., Page]]:
    contexts = []

    def new_page(
        theme: Literal["light", "dark"] = "light",
        reduced_motion: bool = False,
        zoom: float = 1,
        width: int = 1100,
        height: int = 900,
    ) -> Page:
        context = browser.new_context(
            color_scheme=theme,
            reduced_motion="reduce" if reduced_motion else "no-preference",
            viewport={"width": round(width / zoom), "height": round(height / zoom)},
            device_scale_factor=zoom,
        )
        contexts.append(context)
        page = context.new_page()
        watch.attach(page)
        return page

    yield new_page
    for context in contexts:
        context.close()


@pytest.fixture
def host(new_page: Callable[..., Page]) -> Iterator[Callable[..., Mounted]]:
    mounted: list[Mounted] = []

    def host(widget: Widget, **page_options: Any) -> Mounted:
        mounted.append(Mounted(new_page(**page_options), widget))
        return mounted[-1]

    yield host
    for each in mounted:
        each.settle()


@pytest.fixture
def standalone(new_page: Callable[..., Page], tmp_path: Path) -> Callable[..., Page]:
    def standalone(widget: CourseWidget, **page_options: Any) -> Page:
        file = tmp_path / f"{type(widget).__name__}.html"
        widget.to_html(file)
        page = new_page(**page_options)
        page.goto(file.as_uri())
        return page

    return standalone


@pytest.fixture(scope="package")
def jupyter_context(browser: Browser) -> Iterator[BrowserContext]:
    """One for all notebooks: Chromium keeps the scripts of JupyterLab, which starts sooner then."""
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    yield context
    context.close()


@pytest.fixture
def notebook(
    start_server: Callable[[App], Server], jupyter_context: BrowserContext, watch: Watch
) -> Iterator[Callable[..., Notebook]]:
    opened: list[Notebook] = []

    def notebook(cells: list[str], app: App = "lab") -> Notebook:
        server = start_server(app)
        page = jupyter_context.new_page()
        watch.attach(page)
        opened.append(Notebook(server, page, cells))
        return opened[-1]

    yield notebook
    for each in opened:
        each.complain()
    for page in jupyter_context.pages:
        page.close()
    for each in opened:
        each.server.stop_kernels()

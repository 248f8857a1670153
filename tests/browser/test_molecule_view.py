"""The molecule view: in 3D where the browser can, and a still picture that says why where it cannot."""

import shutil
from collections.abc import Callable

import numpy as np
import pytest
from ase.build import molecule
from playwright.sync_api import Browser, Locator, Page, expect

from course.widgets.molecule import MoleculeView, show_molecule
from tests.browser.chromium import ARGUMENTS, Watch
from tests.browser.jupyter import App, Notebook, Server
from tests.browser.laws import axe, unsuppressed
from tests.browser.mini_host import Mounted

Host = Callable[..., Mounted]
OpenNotebook = Callable[..., Notebook]

METHANOL = molecule("CH3OH")
SETUP = """from ase.build import molecule
from course.widgets.molecule import show_molecule
methanol = molecule("CH3OH")
inverted = methanol.copy()
inverted.positions *= -1"""

# Where the canvas is red, as oxygen is: number of pixels, and their middle in CSS pixels.
RED = """(canvas) => {
  const copy = Object.assign(document.createElement("canvas"), { width: canvas.width, height: canvas.height });
  const context = copy.getContext("2d");
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, copy.width, copy.height);
  let [n, x, y] = [0, 0, 0];
  for (let p = 0; p < data.length / 4; p += 1) {
    const [red, green, blue] = data.subarray(4 * p, 4 * p + 3);
    if (red > 90 && green < 60 && blue < 60) { n += 1; x += p % copy.width; y += Math.floor(p / copy.width); }
  }
  return [n, x / n, y / n];
}"""

WHEEL = "canvas => canvas.dispatchEvent(new WheelEvent('wheel', { bubbles: true, cancelable: true, deltaY: 9 }))"


def expect_oxygen(canvas: Locator, x: float, y: float, at: bool = True) -> None:
    """The oxygen atom can be seen, and lies at this place (or does not)."""
    script = f"([canvas, x, y]) => {{ const [n, u, v] = ({RED})(canvas); return n > 100 && Math.hypot(u - x, v - y)"
    script += "< 4; }" if at else ">= 4; }"
    canvas.page.wait_for_function(script, arg=[canvas.element_handle(), x, y], polling=100)


def place_of_oxygen(canvas: Locator) -> tuple[float, float]:
    """Where methanol has its oxygen on the canvas if it is seen as in the still picture, and as large as will fit."""
    R = METHANOL.positions - METHANOL.positions.mean(axis=0)
    balls = np.array([0.1 + 0.5 * {1: 0.31, 6: 0.76, 8: 0.66}[z] for z in METHANOL.numbers])
    width, height = canvas.evaluate("canvas => [canvas.clientWidth, canvas.clientHeight]")
    scale = height / 2 / max(2, (np.linalg.norm(R, axis=1) + balls).max())
    right, up, _ = scale * show_molecule(METHANOL).view @ R[METHANOL.numbers == 8][0]
    return width / 2 + right, height / 2 - up


def test_in_3d(notebook: OpenNotebook) -> None:
    opened = notebook([SETUP, "view = show_molecule([methanol, inverted]); view"])
    page, output = opened.page, opened.output(1)
    assert opened.saved_outputs(0) == []
    assert len(opened.saved_outputs(1)) == 1  # the import of nglview would write one more
    canvas = output.locator("canvas")
    x, y = place_of_oxygen(canvas)
    expect_oxygen(canvas, x, y)

    assert canvas.evaluate(WHEEL)  # the page scrolls
    canvas.focus()
    assert not canvas.evaluate(WHEEL)  # the view zooms
    page.keyboard.press("ArrowLeft")
    expect_oxygen(canvas, x, y, at=False)
    page.keyboard.press("Home")
    expect_oxygen(canvas, x, y)
    page.keyboard.press("d")
    page.keyboard.press("d")
    assert opened.n_cells == 2

    output.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    width, height = canvas.evaluate("canvas => [canvas.clientWidth, canvas.clientHeight]")
    expect_oxygen(canvas, width - x, height - y)
    expect(output).to_contain_text("CH4O, 6 atoms, frame 2 of 2.")
    assert opened.value("view.frame") == 1

    assert axe(page) == []
    assert unsuppressed(page) == []
    opened.set_theme(dark=True)
    expect(canvas).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    expect(output.locator(".space")).to_have_css("background-color", "rgb(43, 43, 43)")
    assert axe(page) == []
    opened.set_theme(dark=False)

    # The browser takes the context away, as it does when there are too many.
    canvas.evaluate("canvas => canvas.getContext('webgl2').getExtension('WEBGL_lose_context').loseContext()")
    expect(output).to_contain_text("A still picture: the browser has taken the 3D view away.")
    expect(output.locator("img")).to_have_attribute("alt", opened.value("view.words"))
    opened.wait_for("view.still == view._repr_mimebundle_()[0]['image/png']")  # of the second frame
    expect(canvas).to_have_count(0)
    assert axe(page) == []
    output.get_by_role("button", name="Show in 3D again").press("Enter")
    expect_oxygen(output.locator("canvas"), width - x, height - y)
    expect(output.locator("img")).to_be_hidden()
    expect(output.locator("canvas")).to_be_focused()


def test_the_oldest_makes_room_for_the_seventh(notebook: OpenNotebook) -> None:
    opened = notebook([SETUP, *["show_molecule(methanol)"] * 7], app="notebook")
    canvas = opened.output(7).locator("canvas")
    expect_oxygen(canvas, *place_of_oxygen(canvas))
    expect(opened.page.locator(".molecule canvas")).to_have_count(6)
    expect(opened.output(1)).to_contain_text("a page keeps 6 views in 3D, and this one made room for a newer one.")
    expect(opened.output(1).locator("img")).to_be_visible()
    expect(opened.output(1).locator("canvas")).to_have_count(0)


# nglview 4.0.1 asks the browser for a front end "4.0", which nobody has.
BROKEN_PAIR = """import sys, types
sys.modules["nglview._frontend"] = types.SimpleNamespace(__frontend_version__="4.0")"""


def test_an_nglview_that_does_not_start(notebook: OpenNotebook, watch: Watch) -> None:
    opened = notebook([BROKEN_PAIR, SETUP, "show_molecule(methanol)"])
    expect(opened.output(2)).to_contain_text("nglview, the 3D viewer, did not start. The command `course doctor` looks")
    expect(opened.output(2).locator("img")).to_be_visible()
    assert all("version 4.0 is not registered" in error for error in watch.errors)
    watch.errors.clear()


def test_a_browser_without_webgl(browser: Browser, start_server: Callable[[App], Server], watch: Watch) -> None:
    without = browser.browser_type.launch(
        executable_path=shutil.which("chromium"), args=[*ARGUMENTS, "--disable-3d-apis"]
    )
    context = without.new_context()
    page = context.new_page()
    watch.attach(page)
    opened = Notebook(start_server("lab"), page, [SETUP, "view = show_molecule(methanol); view"])
    expect(opened.output(1)).to_contain_text("A still picture: this browser has no WebGL, which the 3D view needs.")
    expect(opened.output(1).locator("img")).to_be_visible()
    opened.complain()
    opened.server.stop_kernels()
    without.close()


# ---- the still picture, with all that stands below it; the mini-host has no nglview


def two_frames() -> MoleculeView:
    energies = np.linspace(-1, 1, 6)
    forces = np.linspace(-2, 2, 18).reshape(6, 3)
    return show_molecule([METHANOL, molecule("CH4")], [energies, energies[:5]], [forces, forces[:5]], (0, 1.2))


def test_slider_sphere_and_table_by_keyboard(host: Host) -> None:
    view = two_frames()
    mounted = host(view)
    mounted.settle()
    root, press = mounted.root, mounted.page.keyboard.press
    expect(root.get_by_text("A still picture: the 3D view needs a notebook.")).to_be_visible()
    first = root.locator("img").get_attribute("src")
    assert root.locator("img").get_attribute("alt") == view.words

    root.get_by_role("slider").focus()
    press("ArrowRight")
    mounted.settle()
    assert view.frame == 1 and "CH4, 5 atoms, frame 2 of 2." in view.words
    expect(root).to_contain_text(view.words)
    assert root.locator("img").get_attribute("src") != first
    assert root.locator("img").evaluate("img => img.decode().then(() => img.naturalWidth)") == 550

    assert root.locator("option").all_text_contents() == ["C0", "H1", "H2", "H3", "H4"]
    root.locator("summary").press("Enter")
    expect(root.locator("tr")).to_have_count(6)
    root.get_by_role("combobox").focus()
    press("ArrowDown")
    mounted.settle()
    assert view.center == 1
    expect(root).to_contain_text("H1 has 1 neighbour within 1.2 Å: C0.")

    rows = [row.locator("th, td").all_text_contents() for row in root.locator("tr").all()]
    assert [row[0] for row in rows] == ["atom", "C0", "H1", "H2", "H3", "H4"]
    frame = view.frames[1]
    assert frame.energies is not None and frame.forces is not None
    for i, row in enumerate(rows[1:]):
        expected = [*frame.positions[i], frame.energies[i], *frame.forces[i], np.linalg.norm(frame.forces[i])]
        assert np.allclose([float(text) for text in row[2:]], expected, atol=1e-3)
        assert float(row[1]) == pytest.approx(np.linalg.norm(frame.positions[i] - frame.positions[1]), abs=1e-3)

    view.center = 3
    expect(root.get_by_role("combobox")).to_have_value("H3")


def test_play_goes_round(host: Host) -> None:
    view = two_frames()
    mounted = host(view)
    mounted.root.get_by_role("button", name="Play").press("Enter")
    mounted.page.wait_for_function("window.sawLast = window.sawLast || host.model.get('frame') === 1")
    mounted.page.wait_for_function("host.model.get('frame') === 0")
    mounted.root.get_by_role("button", name="Pause").press("Enter")
    expect(mounted.root.get_by_role("button", name="Play")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everybody_can_use_it(host: Host, theme: str) -> None:
    mounted = host(two_frames(), theme=theme)
    mounted.root.locator("summary").click()
    mounted.settle()
    assert axe(mounted.page) == []
    assert unsuppressed(mounted.page) == []
    assert mounted.remove() == []


@pytest.mark.parametrize("zoom", [1, 2])
def test_nothing_is_cut_off(host: Host, zoom: int) -> None:
    mounted = host(two_frames(), zoom=zoom, width=800)
    mounted.root.locator("summary").click()
    mounted.settle()
    assert mounted.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_page_of_its_own(standalone: Callable[..., Page]) -> None:
    view = two_frames()
    page = standalone(view)
    expect(page.get_by_role("status")).to_have_text("A still picture: the 3D view needs a notebook.")
    expect(page.locator("img")).to_be_visible()
    expect(page.locator("main")).to_contain_text(view.words)
    expect(page.get_by_role("slider")).to_have_count(0)  # nobody would draw another frame
    assert axe(page, "html") == []

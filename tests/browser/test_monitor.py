"""The training monitor in a browser: what it draws, while the kernel is busy and when it is not."""

import json
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from course.training import Epoch, History, Parity
from course.widgets.monitor import TrainingMonitor
from tests.browser.jupyter import Notebook
from tests.browser.laws import axe, unsuppressed
from tests.browser.mini_host import Mounted

Host = Callable[..., Mounted]

EPOCHS = [Epoch(k, 2.0 * k, 5e-3 / k, 0.04 * 0.7**k, 900 / k**2 * (1 + k % 2), 800 / k) for k in range(1, 21)]


def parity(n_frames: int = 100) -> Parity:
    rng = np.random.default_rng(0)
    e_ref, f_ref = rng.normal(-4000, 0.2, n_frames), rng.normal(size=(9 * n_frames, 3))
    e, f = e_ref + rng.normal(0, 0.03, n_frames), f_ref + rng.normal(0, 0.1, f_ref.shape)
    return Parity(*(torch.from_numpy(each) for each in (e, e_ref, f, f_ref)))


def monitor_after(n_epochs: int, stopped: str = "") -> TrainingMonitor:
    monitor = TrainingMonitor()
    monitor(History(EPOCHS[:n_epochs], stopped), parity() if n_epochs else None, n_epochs / 20)
    return monitor


def corners(path: Locator) -> np.ndarray:
    """The points (x, y) of a line, in units of the picture."""
    return np.array([piece.split() for piece in re.split("[ML]", path.get_attribute("d") or "")[1:]], dtype=float)


def test_the_curves_are_those_of_the_history(host: Host) -> None:
    page = host(monitor_after(12)).page
    curves = {name: corners(page.locator(f"svg path.{name}:not(.dots)").first) for name in ("forces", "energy", "loss")}
    columns = {"forces": "force_mae", "energy": "energy_mae", "loss": "loss"}
    for name, points in curves.items():
        x, y = points.T
        values = [getattr(epoch, columns[name]) for epoch in EPOCHS[:12]]
        # seconds are a straight axis, errors a logarithmic one that points upwards
        assert np.corrcoef(x, [epoch.seconds for epoch in EPOCHS[:12]])[0, 1] > 0.99999
        assert np.corrcoef(y, np.log(values))[0, 1] < -0.9999
    assert curves["forces"][-1, 0] == pytest.approx(46 + 0.6 * (448 - 46), abs=1)  # room for what is still to come
    for text in ("forces 66.7 meV/Å", "energy 6.3 meV", "training loss 0.00055", "learning rate 0.00042"):
        expect(page.locator("svg text", has_text=text)).to_have_count(1)


def test_the_predictions_lie_where_they_belong(host: Host) -> None:
    monitor = TrainingMonitor()
    ones = torch.ones(1, 3)
    far = Parity(
        torch.tensor([-1.0, 1.0]),
        torch.tensor([-1.0, 1.0]),
        ones * torch.tensor([-1, 0.5, 9]),
        ones * torch.tensor([-1, 1, 0]),
    )
    monitor(History(EPOCHS[:1]), far, 0.5)
    page = host(monitor).page
    expect(page.locator("figcaption").first).to_have_text("MAE 800 meV/Å, best: epoch 1; 1 beyond the frame")
    expect(page.locator("figcaption").last).to_have_text("MAE 1800 meV, best: epoch 1")
    ink = page.locator("canvas").first.evaluate("""(canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      const [places, colours] = [[], new Set()];
      for (let k = 0; k < data.length; k += 4) if (data[k + 3] > 0) {
        places.push([(k / 4) % canvas.width / canvas.width, Math.floor(k / 4 / canvas.width) / canvas.height]);
        colours.add(data.slice(k, k + 3).join());
      }
      return { places, colours: [...colours], css: getComputedStyle(canvas).color };
    }""")
    inked = {(round(x, 1), round(y, 1)) for x, y in ink["places"]}
    place = {-1: 0.05, 0: 0.5, 0.5: 0.73, 1: 0.95}  # of a value on an axis from -1.1 to 1.1
    expected = [(place[-1], 1 - place[-1]), (place[1], 1 - place[0.5]), (place[0], 0.0)]  # the last one on the rim
    for x, y in expected:
        assert min(abs(x - a) + abs(y - b) for a, b in ink["places"]) < 0.02
    assert len(inked) <= 9
    assert ink["css"] == "rgb(0, 114, 178)"


def test_news_are_drawn_at_once_and_spoken_seldom(host: Host) -> None:
    monitor = monitor_after(0)
    mounted = host(monitor)
    seen, heard = mounted.page.locator(".now"), mounted.page.get_by_role("status")
    expect(seen).to_have_text("Training: no epoch yet.")
    expect(mounted.page.locator("figcaption").first).to_have_text("no prediction yet")
    expect(heard).to_have_text("Training: no epoch yet.")
    history = History(EPOCHS[:2])
    monitor(history, parity(), 0.1)
    expect(seen).to_contain_text("Epoch 2 after 4 s, about 36 s left.")
    expect(mounted.page.locator("figcaption").first).to_contain_text("best: epoch 2")
    expect(heard).to_have_text("Training: no epoch yet.")
    history.stopped = "interrupted"
    monitor(history, parity(), 0.1)
    for text in (seen, heard):
        expect(text).to_contain_text("fell from 800 to 400 meV/Å")
        expect(text).to_contain_text("Interrupted.")
    expect(mounted.page.locator("figcaption").first).to_contain_text("kept: epoch 2")
    mounted.settle()
    assert mounted.remove() == []


def test_the_table_by_keyboard(host: Host) -> None:
    monitor = monitor_after(20, stopped="all 20 epochs are done")
    mounted = host(monitor)
    mounted.page.keyboard.press("Tab")
    expect(mounted.page.locator("summary")).to_be_focused()
    mounted.page.keyboard.press("Enter")
    mounted.settle()
    assert monitor.table  # a view that is made anew opens it again
    expect(mounted.page.locator("tbody tr")).to_have_count(10)
    last = mounted.page.locator("tbody tr").last.locator("td")
    assert last.all_text_contents() == ["20", "40.0", "0.00025", "0.000032", "2.3", "40.0"]


@pytest.mark.parametrize("n_epochs", [0, 1, 20])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_everybody_can_use_it(host: Host, theme: str, n_epochs: int) -> None:
    monitor = monitor_after(n_epochs, stopped="interrupted" if n_epochs == 20 else "")
    monitor.table = True
    page = host(monitor, theme=theme).page
    assert axe(page) == []
    assert unsuppressed(page) == []


@pytest.mark.parametrize("zoom", [1, 2])
def test_nothing_is_cut_off(host: Host, zoom: int) -> None:
    page = host(monitor_after(20), zoom=zoom).page
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    sizes = page.evaluate("""[...document.querySelectorAll("svg text")].map((text) => {
      const [box, svg] = [text.getBoundingClientRect(), text.closest("svg").getBoundingClientRect()];
      return [box.height, svg.left - box.left, box.right - svg.right, text.textContent];
    })""")
    for height, left, right, text in sizes:
        assert height > 9 or not text, f"{text!r} is too small"
        assert max(left, right) < 2, f"{text!r} sticks out"


def test_a_page_of_its_own(standalone: Callable[..., Page]) -> None:
    page = standalone(monitor_after(20, stopped="all 20 epochs are done"))
    expect(page.locator(".now")).to_contain_text("fell from 800 to 40.0 meV/Å")
    assert len(corners(page.locator("svg path.forces").first)) == 20


# ----------------------------------------------------------------------------- while the kernel is busy

SETUP = """
import time
from pathlib import Path
from course import MPNN, Potential, fit, load
from course.widgets import monitor as module
from course.widgets.monitor import TrainingMonitor
module.SECONDS_BETWEEN_PICTURES = 0
ethanol = load("ethanol")
train, validation = ethanol.split("train")[:20], ethanol.split("validation")[:10]
potential = Potential.for_data(MPNN(train.elements, n_f=8, n_e=6, n_m=8, T=1, cutoff=3.0), train)
monitor = TrainingMonitor()

def train_as_far_as_allowed():
    def watch(history, parity, done):
        monitor(history, parity, done)
        while len(history.epochs) == 3 and not history.stopped and not Path("go on").exists():
            time.sleep(0.02)
    fit(potential, train, validation, epochs=5, on_epoch=watch, progress=False)
"""


def start(notebook: Notebook, source: str) -> None:
    """Run a new cell at the end, and do not wait for it."""
    notebook.page.evaluate(
        """(source) => {
          const { content, sessionContext } = jupyterapp.shell.currentWidget;
          content.model.sharedModel.addCell({ cell_type: "code", source });
          content.activeCellIndex = content.widgets.length - 1;
          jupyterapp.commands.execute("notebook:run-cell");
        }""",
        source,
    )


OUTPUTS = "n => jupyterapp.shell.currentWidget.content.widgets[n].model.sharedModel.outputs"


def outputs(notebook: Notebook, cell: int) -> list[dict]:
    return json.loads(notebook.page.evaluate(f"n => JSON.stringify(({OUTPUTS})(n))", cell))


def wait_for_picture(notebook: Notebook, cell: int) -> None:
    notebook.page.wait_for_function(f"n => ({OUTPUTS})(n)[0].data['image/png']", arg=cell)


BLUE = """() => {
  const canvas = document.querySelector(".training-monitor canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const inked = [...data.keys()].filter((k) => k % 4 === 3 && data[k] > 128);
  return inked.length > 0 && inked.every((k) => data[k - 1] > 150 && data[k - 3] < 20);
}"""


def test_it_moves_while_the_kernel_is_busy_and_leaves_one_picture(notebook: Callable[..., Notebook]) -> None:
    opened = notebook([SETUP])
    page = opened.page
    start(opened, "train_as_far_as_allowed()")
    seen = page.locator(".training-monitor .now")
    expect(seen).to_contain_text("Epoch 3 after ")
    # the kernel's status would not say it: answers to a widget, computed in another thread, set it to idle
    expect(page.locator(".jp-CodeCell .jp-InputPrompt").nth(1)).to_have_text("[*]:")
    page.locator(".training-monitor summary").click()
    expect(page.locator(".training-monitor tbody tr")).to_have_count(3)
    before = outputs(opened, 1)
    assert [list(each["data"]) for each in before] == [["text/plain", "application/vnd.jupyter.widget-view+json"]]

    (opened.server.notebooks / "go on").touch()
    expect(seen).to_contain_text("Training of 5 epochs in ")
    wait_for_picture(opened, 1)
    (after,) = outputs(opened, 1)
    assert after["metadata"]["image/png"]["alt"] == after["data"]["text/plain"] == seen.text_content()
    assert len(json.dumps(after)) - len(json.dumps(before)) < 150_000
    expect(seen).to_have_count(1)
    expect(page.locator(".training-monitor tbody tr").last).to_be_visible()  # the table is still open
    page.wait_for_function(BLUE)  # Jupyter makes the view before it has a place, and colours, on the page

    (opened.server.notebooks / "go on").unlink()
    start(opened, "train_as_far_as_allowed()")  # the same monitor once more, under a new cell
    expect(page.locator(".training-monitor .now").last).to_contain_text("Epoch 3 after ")
    page.evaluate("{ jupyterapp.commands.execute('notebook:interrupt-kernel') }")
    expect(page.locator(".training-monitor .now").last).to_contain_text("Interrupted.")
    wait_for_picture(opened, 2)
    page.wait_for_function(f"() => ({OUTPUTS})(2).length === 2")
    shown = outputs(opened, 2)
    assert [each["output_type"] for each in shown] == ["display_data", "error"]
    assert shown[0]["data"]["text/plain"].endswith("Interrupted.")

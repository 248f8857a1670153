"""How fast the widgets answer, in Chromium and JupyterLab, against what a teacher would otherwise write.

    python -m benchmarks.widgets              all of it, some three minutes
    python -m benchmarks.widgets display      only the parts that are named

Times are those of a reader: from the key press or the mouse move to the end of the frame in which the answer stands on
the screen. The molecule is aspirin; the functions are those of Day 4a (matrix message, 4 features), and a network of
64 features with energies and forces. Peers, in the same run:

    echo         a plain anywidget that sends a number to the kernel and gets it back
    image        the same molecular graph drawn by matplotlib in the kernel, as a PNG in an ipywidgets.Image
    interactive  the same by `interactive_output` and pyplot
    cell         a cell that draws the molecular graph by matplotlib, for the first display; also in a fresh kernel
"""

from __future__ import annotations

import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from playwright.sync_api import Page, sync_playwright

from tests.browser.chromium import launch
from tests.browser.jupyter import Notebook, Server

STOPWATCH = Path(__file__).with_name("stopwatch.js")
LONG_FRAME = 36  # ms; a frame at 30 a second, and what clocks may differ

# ----------------------------------------------------------------------------- the cells

ASPIRIN = """\
from ase import Atoms

# Geometry relaxed with GFN2-xTB (tblite 0.4); Angstrom.
aspirin = Atoms(
    "C2OOC7OOH8",
    [
        [2.765, 1.984, 0.103], [1.727, 1.031, -0.406], [1.273, 1.005, -1.515], [1.366, 0.162, 0.568],
        [0.263, -0.641, 0.368], [0.416, -2.011, 0.520], [-0.667, -2.852, 0.346], [-1.905, -2.332, 0.002],
        [-2.062, -0.969, -0.151], [-0.987, -0.104, 0.041], [-1.182, 1.362, -0.064], [-0.496, 2.199, 0.470],
        [-2.248, 1.689, -0.803], [3.378, 2.341, -0.719], [3.372, 1.515, 0.871], [2.233, 2.826, 0.543],
        [1.391, -2.400, 0.772], [-0.542, -3.917, 0.468], [-2.747, -2.991, -0.147], [-3.022, -0.551, -0.412],
        [-2.326, 2.654, -0.854],
    ],
)
"""

IMPORTS = "import torch\nfrom course import MPNN, Potential\nfrom course.widgets import explore, ripple\n"

# Day 4a's kind of functions: the ready-made matrix message, an update that adds, a readout that sums.
FUNCTIONS = """widget = explore(aspirin, readout=lambda x_i: x_i.sum(dim=1), T=3, cutoff=3.0, selected=0)
widget"""

NETWORK = """torch.manual_seed(0)
potential = Potential(MPNN([1, 6, 8], n_f=64, n_e=20, n_m=64, T=3, cutoff=5.0))
widget = explore(aspirin, potential, selected=0)
widget.view = {**widget.view, "forces": True}
widget"""

LARGE = """from ase.build import molecule
widget = explore(molecule("C60"), T=2, cutoff=3.0)
widget"""

RIPPLE = """torch.manual_seed(0)
widget = ripple(aspirin, Potential(MPNN([1, 6, 8])), kind="force")
widget"""

# What the kernel tells about itself.
REPORT = """import json, timeit
from ipywidgets.widgets.widget import _remove_buffers

def n_bytes(trait):
    state, _, buffers = _remove_buffers(widget.get_state(trait))
    return len(json.dumps(state)) + sum(map(len, buffers))

def seconds_an_answer():
    return min(timeit.repeat(lambda: widget.looks(widget.request), number=1, repeat=9))
"""

PEERS = """import io
import anywidget, ipywidgets, traitlets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from course import molecular_graph
from course.plotting import draw_graph
from course.radial import cosine_cutoff

def draw(cutoff, ax=None):
    graph = molecular_graph(aspirin, cutoff)
    return draw_graph(aspirin, graph.senders, graph.receivers, cosine_cutoff(graph.distances, cutoff), ax)

def png(cutoff):
    figure, file = Figure(figsize=(5.5, 4.0)), io.BytesIO()
    draw(cutoff, figure.subplots())
    figure.savefig(file, format="png")
    return file.getvalue()

class Echo(anywidget.AnyWidget):
    _esm = "export default { render() {} };"
    request = traitlets.Int(0).tag(sync=True)
    answer = traitlets.Int(0).tag(sync=True)

    @traitlets.observe("request")
    def respond(self, change):
        self.answer = change.new

def slider():
    return ipywidgets.FloatSlider(3.0, min=0.5, max=6.0, step=0.05)
"""

IMAGE = """cutoff, image = slider(), ipywidgets.Image(value=png(3.0))
cutoff.observe(lambda change: setattr(image, "value", png(change.new)), "value")
ipywidgets.VBox([cutoff, image])"""

INTERACTIVE = """cutoff = slider()
def show(cutoff):
    draw(cutoff)
    plt.show()
ipywidgets.VBox([cutoff, ipywidgets.interactive_output(show, {"cutoff": cutoff})])"""


# ----------------------------------------------------------------------------- what the stopwatch wrote


class Notes:
    """The notes of stopwatch.js, in order of time."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self.entries = sorted(entries, key=lambda note: note["t"])
        self.frames = self.of("frame")

    def of(self, what: str) -> list[tuple[float, Any]]:
        """(time, value) of all notes of this kind."""
        return [(note["t"], note["value"]) for note in self.entries if note["what"] == what]

    def painted(self, t: float) -> float:
        """When that which stood in the page at time t was painted."""
        return next((frame for frame, _ in self.frames if frame >= t), math.inf)

    def asked(self) -> dict[Any, float]:
        """What Python was asked, and when: {name of the request: time}."""
        asked: dict[Any, float] = {}
        for t, name in self.of("asked"):
            asked.setdefault(name, t)  # the kernel's echo comes later
        return asked

    def waits(self, kind: str) -> list[float]:
        """For everything that the reader did, ms until an answer that knows of it was seen.

        The names of the requests rise. A mouse that moves before it is pressed asks for nothing.
        """
        start = min((t for t, _ in self.of("pointerdown")), default=0.0)
        asked, shown = list(self.asked().items()), self.of("shown")
        waits = []
        for begin, noticed in self.of(kind):
            if begin > start:
                request = next((name for name, t in asked if t >= noticed), math.inf)
                seen = (self.painted(t) for t, name in shown if t >= begin and name >= request)
                waits.append(next(seen, math.inf) - begin)
        return waits

    def from_key_to(self, what: str, kind: str = "keydown") -> list[float]:
        """For every key press, ms until the next note `what` was painted."""
        after = [t for t, _ in self.of(what)]
        return [next((self.painted(t) for t in after if t >= key), math.inf) - key for key, _ in self.of(kind)]

    def changed_frames(self) -> list[float]:
        """Times of the frames that show something else than the frame before."""
        return [t for (_, before), (t, now) in zip(self.frames, self.frames[1:], strict=False) if now != before]

    def longest_gap(self) -> float:
        """The longest time between two frames, ms."""
        return float(np.diff([t for t, _ in self.frames]).max())


class Subject:
    """A widget under the last cell of a notebook, and a stopwatch beside it."""

    def __init__(self, notebook: Notebook, first: str) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.page.evaluate(STOPWATCH.read_text(encoding="utf-8"))
        self.root = notebook.output(notebook.n_cells - 1)
        self.root.locator(first).first.wait_for()

    def start(self, look: str = "() => null") -> None:
        self.page.evaluate(f"stopwatch.start({look})")

    def listen(self, request: str, answer: str, name: str, shows: str | None = None) -> None:
        """Time what Python is asked. `name` (JavaScript) tells requests and answers apart, `shows` selects the element
        that shows the answer."""
        script = """async ([cell, request, answer, shows]) => {
          window.model = await stopwatch.model(cell);
          stopwatch.listen(model, request, answer, NAME, shows && document.querySelector(shows));
        }"""
        self.page.evaluate(script.replace("NAME", name), [self.notebook.n_cells - 1, request, answer, shows])

    def watch(self, what: str, selector: str) -> None:
        self.page.evaluate("([what, s]) => stopwatch.watch(what, document.querySelector(s))", [what, selector])

    def stop(self) -> Notes:
        self.page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return Notes(self.page.evaluate("stopwatch.stop()"))

    def settle(self) -> None:
        """Wait until Python has answered the newest request."""
        self.page.wait_for_function("model.get('request').revision === model.get('snapshot').revision")

    def keys(self, key: str, times: int, done: Callable[[], None]) -> None:
        for _ in range(times):
            self.page.keyboard.press(key)
            done()


# ----------------------------------------------------------------------------- what is measured


def drag(page: Page, atom: str, seconds: float) -> None:
    """Lead an atom in circles with real mouse moves: one a frame, for the browser takes no more."""
    disc = page.locator(f".explorer .atom[data-atom={atom}] .disc")
    disc.scroll_into_view_if_needed()
    box = disc.bounding_box()
    assert box is not None, f"Atom {atom} cannot be seen."
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    start = time.perf_counter()
    while (since := time.perf_counter() - start) < seconds:
        page.mouse.move(x + 30 * math.sin(6 * since), y + 30 * (1 - math.cos(6 * since)))
    page.mouse.move(x, y)  # the next drag begins where this one began
    page.mouse.up()


@contextmanager
def processor_time(page: Page) -> Iterator[list[float]]:
    """How long the page's main thread has worked, ms; other programs on the machine do not count."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def worked() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(each["value"] for each in metrics if each["name"] == "TaskDuration")

    start, spent = worked(), [0.0]
    yield spent
    spent[0] = worked() - start
    session.detach()


class Drag(NamedTuple):
    """What came of a drag. Times in ms."""

    notes: Notes
    frames_a_second: float
    frame_times: list[float]  # between frames in which the atom has moved
    waits: list[float]  # of each position for Python's answer
    backlog: float  # from the last mouse move until everything is answered and seen
    work: float  # processor time of the page for a frame
    n_positions: int
    n_asked: int
    n_answered: int


def measure_drag(subject: Subject, atom: str, seconds: float) -> Drag:
    subject.start(f"() => document.querySelector('.explorer [data-atom={atom}]').getAttribute('transform')")
    subject.listen("request", "snapshot", "({ revision }) => revision", ".explorer .status")
    with processor_time(subject.page) as spent:
        drag(subject.page, atom, seconds)
        subject.settle()
    notes = subject.stop()
    changed, waits = notes.changed_frames(), notes.waits("pointermove")
    between = np.diff(changed)
    return Drag(
        notes,
        frames_a_second=1000 * len(between) / (changed[-1] - changed[0]),
        frame_times=between.tolist(),
        waits=waits,
        backlog=waits[-1],
        work=spent[0] / len(changed),
        n_positions=len(waits),
        n_asked=len(notes.asked()),
        n_answered=len(notes.of("answered")),
    )


def measure_cutoff(subject: Subject, times: int) -> tuple[list[float], list[float]]:
    """Moving the cutoff by keys: ms until the edges have changed, ms until Python's numbers have."""
    subject.page.get_by_label("cutoff", exact=True).focus()
    subject.start()
    subject.listen("request", "snapshot", "({ revision }) => revision", ".explorer .status")
    subject.watch("edges", ".explorer .sphere")  # its radius is set where the edges are drawn
    subject.keys("ArrowLeft", times, subject.settle)
    notes = subject.stop()
    return notes.from_key_to("edges"), notes.waits("keydown")


def measure_steps(subject: Subject, times: int) -> Notes:
    """Stepping by the keys [ and ]: when the name of the step has changed."""
    subject.page.locator(".explorer .scrubber").focus()
    subject.start()
    subject.watch("step", ".explorer .step-name")
    subject.keys("]", times // 2, lambda: subject.page.wait_for_timeout(150))
    subject.keys("[", times // 2, lambda: subject.page.wait_for_timeout(150))
    return subject.stop()


def measure_play(subject: Subject, seconds: float) -> Notes:
    """Messages on their way, from the first step on."""
    subject.page.get_by_role("button", name="play").click()
    subject.start()
    subject.page.wait_for_timeout(1000 * seconds)
    notes = subject.stop()
    subject.page.get_by_role("button", name="pause").click()
    return notes


def measure_display(notebook: Notebook, source: str, first: str) -> float:
    """From the command that runs a cell to the frame with the first atom, ms."""
    page = notebook.page
    page.evaluate(STOPWATCH.read_text(encoding="utf-8"))
    page.evaluate("jupyterapp.commands.execute('notebook:insert-cell-below')")
    selector = f".jp-Notebook .jp-Cell:nth-last-child(1) {first}"
    run = """(source) => {
      const { commands, shell } = jupyterapp;
      shell.currentWidget.content.activeCell.model.sharedModel.setSource(source);
      stopwatch.note("run");
      commands.execute("notebook:run-cell");
    }"""
    page.evaluate("selector => stopwatch.start(() => document.querySelector(selector) !== null)", selector)
    page.evaluate(run, source)
    page.locator(selector).first.wait_for(timeout=60_000)
    notes = Notes(page.evaluate("new Promise(requestAnimationFrame).then(() => stopwatch.stop())"))
    ((start, _),) = notes.of("run")
    return next(t for t, seen in notes.frames if seen) - start


def measure_ripple(subject: Subject, times: int) -> list[float]:
    """Clicking one atom after the other: ms until all atoms have their new colour."""
    subject.start()
    subject.listen("request", "answer", "({ atom }) => atom", ".ripple svg")
    names = subject.page.evaluate("model.get('settings').names")
    for name in names[1 : times + 1]:
        subject.page.locator(f".ripple [data-atom={name}] .disc").click()
        subject.page.wait_for_function("model.get('answer').atom === model.get('request').atom")
    notes = subject.stop()
    return notes.waits("pointerup")


def measure_echo(subject: Subject, times: int) -> list[float]:
    """A number to the kernel and back, ms."""
    return subject.page.evaluate(
        """async ([cell, times]) => {
          const model = await stopwatch.model(cell);
          const waits = [];
          for (let n = 1; n <= times; n++) {
            const start = performance.now();
            await new Promise((done) => {
              model.once("change:answer", done);
              model.set("request", n);
              model.save_changes();
            });
            waits.push(performance.now() - start);
            await new Promise((rest) => setTimeout(rest, 50));
          }
          return waits;
        }""",
        [subject.notebook.n_cells - 1, times],
    )


def measure_picture(subject: Subject, times: int) -> list[float]:
    """An ipywidgets slider moved by keys: ms until the picture that the kernel drew is loaded and painted."""
    subject.root.get_by_role("slider").focus()
    subject.start()
    for n in range(1, times + 1):
        subject.page.keyboard.press("ArrowRight")
        subject.page.wait_for_function(
            "n => stopwatch.notes.filter(({ what }) => what === 'loaded').length >= n", arg=n
        )
    return subject.stop().from_key_to("loaded")


# ----------------------------------------------------------------------------- the table


class Table:
    """Lines of results: what it is, what was wanted, and ratios against the peers."""

    def __init__(self) -> None:
        self.peers: dict[str, float] = {}
        print("what".ljust(52), "median", "   p90", "wanted", "  ratio")

    def peer(self, name: str, times: list[float]) -> None:
        self.peers[name] = float(np.median(times))
        self.line(f"peer: {name}", times)

    def line(self, what: str, times: list[float], wanted: float | None = None, against: str | None = None) -> None:
        median, p90 = np.median(times), np.percentile(times, 90)
        ratio = f"{median / self.peers[against]:7.2f} of {against}" if against in self.peers else ""
        limit = "" if wanted is None else f"{wanted:.0f}" + ("" if median <= wanted else " MISSED")
        print(what.ljust(52), f"{median:6.1f}", f"{p90:6.1f}", limit.rjust(6), ratio, flush=True)

    def number(self, what: str, value: float, wanted: float | None = None) -> None:
        """A number of which more is better."""
        limit = "" if wanted is None else f">= {wanted:.0f}" + ("" if value >= wanted else " MISSED")
        print(what.ljust(52), f"{value:6.1f}", " " * 6, limit, flush=True)

    def note(self, text: str) -> None:
        print(f"    {text}", flush=True)


Open = Callable[..., Notebook]


def peers(table: Table, open_notebook: Open) -> None:
    notebook = open_notebook([ASPIRIN, PEERS])
    table.peer("cell", [measure_display(notebook, "draw(3.0);", "img") for _ in range(5)])
    table.peer("cell in a fresh kernel", [measure_display(open_notebook(["0"]), ASPIRIN + PEERS + "draw(3.0);", "img")])
    notebook = open_notebook([ASPIRIN, PEERS])
    for name, cell, first, measure in (
        ("echo", "Echo()", ".jp-OutputArea-output", measure_echo),
        ("image", IMAGE, "img", measure_picture),
        ("interactive", INTERACTIVE, "img", measure_picture),
    ):
        measure_display(notebook, cell, first)
        table.peer(name, measure(Subject(notebook, first), 15))


def display(table: Table, open_notebook: Open) -> None:
    first = ".explorer .atom"
    for name, cell in (("functions", FUNCTIONS), ("network", NETWORK)):
        cold = measure_display(open_notebook(["0"]), ASPIRIN + IMPORTS + cell, first)
        table.line(f"{name}: first display in a fresh kernel, with imports", [cold], None, "cell in a fresh kernel")
        notebook = open_notebook([ASPIRIN + IMPORTS])
        warm = [measure_display(notebook, cell, first) for _ in range(5)]
        table.line(f"{name}: first display", warm, 2000, "cell")


def explorer(table: Table, open_notebook: Open) -> None:
    for name, cell in (("functions", FUNCTIONS), ("network", NETWORK)):
        notebook = open_notebook([ASPIRIN + IMPORTS + REPORT, cell])
        subject = Subject(notebook, ".explorer .atom")
        measure_drag(subject, "H13", 0.5)  # to warm up
        moved = measure_drag(subject, "H13", 3.0)
        table.number(f"{name}: drag, frames a second", moved.frames_a_second, 30)
        table.line(f"{name}: drag, from frame to frame", moved.frame_times, 1000 / 30)
        n_long = sum(t > LONG_FRAME for t in moved.frame_times)
        table.note(f"{n_long} of {len(moved.frame_times)} frames took longer than {LONG_FRAME} ms")
        table.note(f"{moved.work:.1f} ms of processor time for a frame, in the page")
        table.line(f"{name}: drag, a position answered by Python", moved.waits, 100, "echo")
        table.line(f"{name}: drag, all answered after the last move", [moved.backlog], 100, "echo")
        table.note(f"{moved.n_positions} positions, {moved.n_asked} requests, {moved.n_answered} answers")
        edges, numbers = measure_cutoff(subject, 20)
        table.line(f"{name}: cutoff by key, edges", edges, 1000 / 30, "image")
        table.line(f"{name}: cutoff by key, Python's numbers", numbers, 100, "image")
        steps = measure_steps(subject, 18)
        table.line(f"{name}: next step by key", steps.from_key_to("step"), 1000 / 30, "image")
        blocked = [duration for _, duration in steps.of("long")]
        table.note(f"longest time between frames {steps.longest_gap():.0f} ms, {len(blocked)} blocked tasks {blocked}")
        asked, answered = (notebook.value(f"n_bytes({trait!r})") for trait in ("request", "snapshot"))
        table.note(f"{asked} bytes asked, {answered} bytes answered")
        table.note(f"Python computes {1000 * notebook.value('seconds_an_answer()'):.1f} ms for an answer")


def play(table: Table, open_notebook: Open) -> None:
    subject = Subject(open_notebook([ASPIRIN + IMPORTS, LARGE]), ".explorer .atom")
    notes = measure_play(subject, 5.0)
    between = np.diff([t for t, _ in notes.frames])
    table.number("60 atoms: play, frames a second", 1000 / between.mean(), 30)
    table.line("60 atoms: play, from frame to frame", between.tolist(), 1000 / 30)


def ripples(table: Table, open_notebook: Open) -> None:
    subject = Subject(open_notebook([ASPIRIN + IMPORTS, RIPPLE], reduced_motion=True), ".ripple .atom")
    table.line("ripple: click to colours", measure_ripple(subject, 12), 100, "echo")


PARTS = {"peers": peers, "display": display, "explorer": explorer, "play": play, "ripple": ripples}


@contextmanager
def jupyterlab() -> Iterator[Open]:
    """A function that opens a notebook and runs its cells; one at a time."""
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = launch(playwright)
        server = Server("lab", Path(folder))

        def open_notebook(cells: list[str], reduced_motion: bool = False) -> Notebook:
            for context in browser.contexts:
                context.close()
            server.stop_kernels()
            context = browser.new_context(
                viewport={"width": 1300, "height": 1000}, reduced_motion="reduce" if reduced_motion else "no-preference"
            )
            return Notebook(server, context.new_page(), cells)

        try:
            print(f"Chromium {browser.version}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            yield open_notebook
            print(f"load at the end {os.getloadavg()[0]:.1f}")
        finally:
            server.stop()
            browser.close()


if __name__ == "__main__":
    with jupyterlab() as open_notebook:
        table = Table()
        for name in ["peers", *(sys.argv[1:] or list(PARTS)[1:])]:
            PARTS[name](table, open_notebook)

"""The message explorer in a browser: every interaction, by mouse and by keyboard, against what Python computed."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from playwright.sync_api import Locator, Page, expect
from torch import Tensor

import course
from course import Potential, molecular_graph
from course.radial import cosine_cutoff
from course.widgets.engine import Snapshot
from course.widgets.explorer import MessageExplorer, explore
from tests.browser.jupyter import App, Notebook
from tests.browser.laws import axe, unsuppressed
from tests.browser.mini_host import Mounted
from tests.widgets.test_engine import ETHANOL, crowd, f_m, f_R, f_U, raises, rows_lost, small_mpnn

Host = Callable[..., Mounted]

ETHER = molecule("CH3OCH3")
TRAINED = Potential.load(Path(course.__file__).parent / "trained" / "ethanol_mpnn.npz")
FUNCTIONS: dict[str, Any] = {"message": f_m, "update": f_U, "readout": f_R}
PAGE = 4  # components that are shown at once


def explorer(atoms: Any = ETHANOL, **settings: Any) -> MessageExplorer:
    return explore(atoms, **{**FUNCTIONS, "T": 2, "selected": 1, **settings})


class Reader:
    """What somebody sees in the page, and what he does there."""

    def __init__(self, host: Host, widget: MessageExplorer, reduced_motion: bool = True, **page: Any) -> None:
        self.mounted = host(widget, reduced_motion=reduced_motion, **page)
        self.page, self.widget = self.mounted.page, widget
        self.root = self.mounted.root
        self.stage = self.root.locator(".stage").first

    def button(self, name: str) -> Locator:
        return self.root.get_by_role("button", name=name, exact=True)

    def slider(self, name: str) -> Locator:
        return self.root.get_by_role("slider", name=name, exact=True)

    def box(self, name: str) -> Locator:
        return self.root.get_by_role("checkbox", name=name, exact=True)

    def atom(self, name: str, m: int = 0) -> Locator:
        return self.root.locator(".stage").nth(m).locator(f"[data-atom={name}]")

    def settle(self) -> None:
        self.mounted.settle()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def click(self, name: str) -> None:
        self.button(name).click()
        self.settle()

    def tick(self, name: str, on: bool = True) -> None:
        self.box(name).set_checked(on)
        self.settle()

    def slide(self, name: str, value: float) -> None:
        self.slider(name).fill(str(value))
        self.settle()

    def go(self, step: int) -> None:
        self.slide("step", step)

    @property
    def status(self) -> str:
        return self.root.locator(".status").inner_text()

    @property
    def card(self) -> str:
        return self.root.locator(".edge-card p").inner_text()

    @property
    def problem(self) -> str:
        return self.root.get_by_role("alert").inner_text() if self.root.get_by_role("alert").is_visible() else ""

    @property
    def focused(self) -> str:
        return self.page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent")

    def rows(self) -> dict[str, list[str]]:
        """The arithmetic: the label of a row, and the texts of its cells without the little picture."""
        texts = self.root.locator(".atom-panel :is(tbody, tfoot) tr").evaluate_all(
            "rows => rows.map((row) => [...row.children].map((cell) => cell.textContent))"
        )
        return {row[0]: [*row[1:5], *row[6:]] for row in texts}

    def table(self, caption: str) -> list[list[str]]:
        return self.root.get_by_role("group", name=caption, exact=True).evaluate(
            """(box) => [...box.querySelectorAll("tbody tr")]
              .map((row) => [...row.children].map((cell) => cell.textContent))"""
        )

    def place(self, name: str, m: int = 0) -> np.ndarray:
        """Where an atom stands on its stage, pixels."""
        numbers = re.findall(r"-?[\d.]+", self.atom(name, m).get_attribute("transform") or "")
        return np.array([float(number) for number in numbers])

    def corner(self, m: int = 0) -> np.ndarray:
        box = self.root.locator(".stage svg[role=group]").nth(m).bounding_box()
        assert box is not None
        return np.array([box["x"], box["y"]])

    def point(self, at: Any) -> None:
        """Move the mouse to a place on the stage."""
        x, y = (self.corner() + at).tolist()
        self.page.mouse.move(x, y)

    @property
    def scale(self) -> float:
        """Pixels an Angstrom."""
        return float((self.stage.locator(".scale").get_attribute("style") or "").split(":")[1].strip(" ;px"))

    def drag(self, name: str, by: Any = None, to: Any = None, m: int = 0) -> None:
        start = self.corner(m) + self.place(name, m)
        end = start + by if by is not None else self.corner(m) + to
        self.page.mouse.move(*start.tolist())
        self.page.mouse.down()
        for part in (0.3, 0.6, 1.0):
            self.page.mouse.move(*(start + part * (end - start)).tolist())
        self.page.mouse.up()
        self.settle()

    def radius(self, name: str) -> float:
        return float(self.atom(name).locator(".disc").get_attribute("r") or 0)

    def lane(self, sender: str, receiver: str, part: float = 0.5) -> np.ndarray:
        """A point on the bent line of a message, on the stage."""
        j, i = self.place(sender), self.place(receiver)
        along = (i - j) / np.linalg.norm(i - j)
        a, c = j + along * (self.radius(sender) + 1), i - along * (self.radius(receiver) + 4)
        b = (i + j) / 2 + 0.1 * np.linalg.norm(i - j) * np.array([along[1], -along[0]])
        return (1 - part) ** 2 * a + 2 * part * (1 - part) * b + part**2 * c

    def pixel(self, point: np.ndarray) -> list[int]:
        """Red, green, blue and opacity of the canvas."""
        return self.stage.locator("canvas").evaluate(
            """(canvas, [x, y]) => {
              const ratio = canvas.width / canvas.clientWidth;
              return [...canvas.getContext("2d").getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data];
            }""",
            point.tolist(),
        )


def values(texts: list[str]) -> list[float]:
    """Numbers that a person reads: a minus sign is no hyphen."""
    return [float(text.replace("−", "-").replace("∞", "inf").rstrip(" %")) for text in texts if text]


def first_of(snapshot: Snapshot, name: str) -> int:
    return snapshot.names().index(name)


@pytest.fixture
def reader(host: Host) -> Reader:
    return Reader(host, explorer())


# ----------------------------------------------------------------------------- the numbers are those of the trace

SOURCES: dict[str, Callable[[], MessageExplorer]] = {
    "functions": lambda: explorer(),
    "mpnn": lambda: explore(ETHANOL, small_mpnn(), selected=1),
    "trained": lambda: explore(ETHANOL, TRAINED, selected=1),
}


def check_arithmetic(reader: Reader, atom: str, step: int) -> None:
    """Every number in the table of the atom at this step, against the trace."""
    snapshot = reader.widget.snapshots[0]
    trace, graph = snapshot.trace, snapshot.graph
    assert trace is not None
    i, T = first_of(snapshot, atom), len(trace.rounds)
    after = [*(state.x_i for state in trace.rounds), trace.x_i]
    rows, first = reader.rows(), reader.widget.view["first"]

    def agree(label: str, expected: Tensor) -> None:
        assert values(rows.pop(label)[4:]) == pytest.approx(expected[first : first + PAGE].tolist(), abs=5.1e-4), label

    if step == 0:
        agree("x_i at first", after[0][i])
    elif step == 3 * T + 1:
        agree(f"x_i after {T} round{'' if T == 1 else 's'}", trace.x_i[i])
        shown = reader.root.locator(".atom-panel > p").inner_text()
        assert snapshot.E_i is not None
        assert values(re.findall(r"E_i = .*?(−?[\d.]+) eV", shown)) == pytest.approx(
            [snapshot.E_i[i].item()], abs=5.1e-4
        )
        if snapshot.baseline is not None:
            parts = [snapshot.baseline[i].item(), (snapshot.E_i - snapshot.baseline)[i].item()]
            found = re.findall(r"eV: (−?[\d.]+) for the element, and ([+−][\d.]+) from", shown)[0]
            assert values(list(found)) == pytest.approx(parts, abs=5.1e-4)
    else:
        t, kind = (step - 1) // 3, (step - 1) % 3
        state = trace.rounds[t]
        edges = [edge for edge in range(graph.n_edges) if graph.receivers[edge] == i]
        sizes = {edge: state.m_ji[edge].norm().item() for edge in edges}
        labels = [f"{snapshot.names()[graph.senders[edge]]} →" for edge in edges]
        in_order = [sizes[edges[labels.index(label)]] for label in rows if "→" in label]
        assert len(in_order) == len(edges) and np.all(np.diff(in_order) <= 1e-6)  # the loudest first
        for edge, label in zip(edges, labels, strict=True):
            r, f_c, size, share = values(rows[label][:4])
            assert (r, f_c) == pytest.approx((graph.distances[edge].item(), trace.f_c[edge].item()), abs=5.1e-3)
            assert size == pytest.approx(sizes[edge], rel=0.06, abs=5.1e-4)
            assert share == pytest.approx(100 * sizes[edge] / sum(sizes.values()), abs=0.51)
            agree(label, state.m_ji[edge])
        if kind >= 1:
            assert values(rows["sum = M_i"][:4]) == pytest.approx([state.M_i[i].norm().item()], abs=5.1e-4)
            agree("sum = M_i", state.M_i[i])
        if kind == 2:
            agree("x_i before", state.x_i[i])
            agree("x_i after", after[t + 1][i])
    assert rows == {}


@pytest.mark.parametrize("source", SOURCES)
def test_the_arithmetic_is_that_of_the_trace(host: Host, source: str) -> None:
    reader = Reader(host, SOURCES[source]())
    T = reader.widget.request["T"]
    for atom in ("C1", "O2", "H3"):
        reader.atom(atom).click()
        for step in range(3 * T + 2):
            reader.go(step)
            check_arithmetic(reader, atom, step)
    width = reader.widget.trace.x_i.shape[1]  # type: ignore[union-attr]
    further = reader.button("components behind")
    if width == PAGE:
        expect(further).to_be_hidden()
        return
    for first in range(PAGE, min(width, 13), PAGE):
        further.click()
        check_arithmetic(reader, "H3", 3 * T + 1)
        assert reader.widget.view["first"] == first
    reader.click("components before")
    check_arithmetic(reader, "H3", 3 * T + 1)


def test_sums_are_sums_in_what_is_shown(reader: Reader) -> None:
    reader.go(2)
    rows = {label: values(cells[4:]) for label, cells in reader.rows().items()}
    bundle = rows.pop("sum = M_i")
    assert np.sum(list(rows.values()), axis=0) == pytest.approx(bundle, abs=5e-4 * (len(rows) + 1))


@pytest.mark.parametrize("source", ["functions", "trained"])
def test_tables_are_those_of_the_trace(host: Host, source: str) -> None:
    reader = Reader(host, SOURCES[source]())
    snapshot = reader.widget.snapshots[0]
    trace, graph = snapshot.trace, snapshot.graph
    assert trace is not None and snapshot.E_i is not None and snapshot.forces is not None
    reader.root.get_by_role("tab", name="Table").click()
    T = len(trace.rounds)
    after = [*(state.x_i for state in trace.rounds), trace.x_i]
    for step in range(3 * T + 2):
        reader.go(step)
        t = (step - 1) // 3 + 1 if 0 < step <= 3 * T else T
        done = t if step % 3 == 0 or step > 3 * T else t - 1
        for k, row in enumerate(reader.table("Atoms")):
            assert row[0] == snapshot.names()[k]
            expected = [snapshot.E_i[k].item(), snapshot.forces[k].norm().item()]
            assert values(row[1:3]) == pytest.approx(expected, rel=1e-3, abs=5.1e-4)
            x = after[0 if step == 0 else done][k, :PAGE]
            assert values(row[3:]) == pytest.approx(x.tolist(), abs=5.1e-4), step
        edges = {row[0]: row[1:] for row in reader.table("Edges")}
        assert len(edges) == graph.n_edges
        for edge in range(0, graph.n_edges, 7):
            j, i = (snapshot.names()[index[edge]] for index in (graph.senders, graph.receivers))
            r, f_c, *size = edges[f"{j} → {i}"]
            given = [graph.distances[edge].item(), trace.f_c[edge].item()]
            assert values([r, f_c]) == pytest.approx(given, rel=0.06, abs=5.1e-4)
            if step == 0:
                assert size == ["–"]
            else:
                assert values(size) == pytest.approx(
                    [trace.rounds[t - 1].m_ji[edge].norm().item()], rel=0.06, abs=5.1e-4
                )


def test_the_matrices_are_those_of_the_trace(reader: Reader) -> None:
    snapshot = reader.widget.snapshots[0]
    trace, graph = snapshot.trace, snapshot.graph
    assert trace is not None
    reader.root.get_by_role("tab", name="Matrix").click()
    reader.go(4)
    features, messages = reader.root.locator(".matrix canvas").all()
    colour = """(canvas, [row, column, columns]) => [...canvas.getContext("2d").getImageData(
      (column + 0.5) * canvas.width / columns, (row + 0.75) * 22, 1, 1).data].slice(0, 3)"""
    x = trace.rounds[1].x_i
    for i in (0, 2, 5):  # the chosen atom has a frame
        for f in range(4):
            part = (x[i, f] / x.abs().max()).item()
            end = [0, 114, 178] if part > 0 else [213, 94, 0]
            expected = [238 + (value - 238) * abs(part) for value in end]
            assert features.evaluate(colour, [i, f, 4]) == pytest.approx(expected, abs=2)
    sizes = np.zeros((9, 9))
    sizes[graph.receivers, graph.senders] = trace.rounds[1].m_ji.norm(dim=1)
    for i, j in ((0, 2), (3, 2), (6, 1), (8, 8), (0, 3)):
        part = sizes[i, j] / sizes.max()
        pale, dark = (222, 232, 240), (0, 50, 95)
        shade = [a + (b - a) * part for a, b in zip(pale, dark, strict=True)]
        expected = shade if sizes[i, j] else [0, 0, 0]
        assert messages.evaluate(colour, [i, j, 9]) == pytest.approx(expected, abs=2), (i, j)
    reader.root.locator(".matrix").first.get_by_role("button", name="O2").click()
    assert reader.widget.view["selected"] == [2]
    columns = reader.root.locator(".matrix .columns span").all_inner_texts()
    assert columns == snapshot.names()
    for labels in reader.root.locator(".matrix .labels").all():
        expect(labels.get_by_role("button", pressed=True)).to_have_text("O2")


# ----------------------------------------------------------------------------- stepping

NAMES = [
    "initialise",
    *(f"round {t} of 2: {kind}" for t in (1, 2) for kind in ("message", "accumulate", "update")),
    "readout",
]


def test_stepping_by_mouse(reader: Reader) -> None:
    name = reader.root.locator(".step-name")
    reader.click("first step")
    reader.click("one step back")  # there is none
    seen = []
    for _ in NAMES:
        seen.append(name.inner_text())
        reader.click("one step on")
    assert seen == NAMES
    reader.click("one step back")
    expect(name).to_have_text(NAMES[-2])
    reader.click("last step")
    assert reader.widget.view["step"] == 7
    box = reader.slider("step").bounding_box()
    assert box is not None
    reader.page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    reader.page.mouse.down()
    reader.page.mouse.move(box["x"] + box["width"] / 2 + 40, box["y"] + 5, steps=4)
    reader.page.mouse.up()
    reader.settle()
    assert reader.widget.view["step"] == 4
    expect(reader.slider("step")).to_have_attribute("aria-valuetext", NAMES[4])


def test_stepping_by_keyboard(reader: Reader) -> None:
    name = reader.root.locator(".step-name")
    reader.atom("C1").focus()
    reader.press("Home")
    expect(name).to_have_text(NAMES[0])
    reader.press("[")
    expect(name).to_have_text(NAMES[0])
    for expected in NAMES[1:]:
        reader.press("]")
        expect(name).to_have_text(expected)
    reader.press("]", "[")
    expect(name).to_have_text(NAMES[6])
    reader.press("End")
    expect(name).to_have_text("readout")
    reader.slider("step").focus()
    reader.press("ArrowLeft", "ArrowLeft")
    expect(name).to_have_text(NAMES[5])
    reader.press("Home")
    expect(name).to_have_text(NAMES[0])
    expect(reader.root.locator("[aria-live]")).to_contain_text("initialise. C1 is chosen.")
    assert reader.widget.view["step"] == 0


def test_playing_runs_to_the_end_and_stops(host: Host) -> None:
    reader = Reader(host, explorer(T=1), reduced_motion=False)
    reader.root.get_by_label("speed").select_option("4")
    reader.go(3)
    play = reader.root.get_by_role("button", name="play", exact=True)
    play.click()
    expect(reader.button("pause")).to_be_visible()
    expect(reader.root.locator(".step-name")).to_have_text("readout")
    expect(play).to_be_visible()
    assert reader.widget.view["speed"] == 4
    play.click()  # from the beginning
    expect(reader.root.locator(".step-name")).to_have_text("initialise")
    expect(reader.root.locator(".step-name")).to_have_text("round 1 of 1: message")
    reader.atom("C1").focus()
    reader.page.keyboard.press("p")
    expect(play).to_be_visible()
    step = reader.root.locator(".step-name").inner_text()
    reader.page.wait_for_timeout(600)  # more than any step takes
    expect(reader.root.locator(".step-name")).to_have_text(step)
    reader.page.keyboard.press("Shift+P")
    expect(reader.button("pause")).to_be_visible()
    reader.click("Reset")
    expect(play).to_be_visible()
    expect(reader.root.locator(".step-name")).to_have_text("round 1 of 1: message")


# Frames that are asked for, after a first one that says that the page has settled.
COUNT_FRAMES = """() => {
  window.frames_ = 0;
  const ask = window.requestAnimationFrame;
  window.requestAnimationFrame = (callback) => { window.frames_ += 1; return ask(callback); };
}"""


def test_messages_travel(host: Host) -> None:
    reader = Reader(host, explorer(selected=None), reduced_motion=False)
    reader.page.clock.install(time=0)
    reader.page.evaluate(COUNT_FRAMES)
    reader.button("first step").click()
    reader.page.clock.pause_at(60_000)  # ms; from now on the test lets the time pass

    def painted(part: float) -> float:
        """How much colour there is around a point of the lane."""
        point, around = reader.lane("O2", "C1", part), range(-6, 7, 2)
        return sum(reader.pixel(point + np.array([dx, dy]))[3] for dx in around for dy in around)

    reader.button("one step on").click()
    reader.page.clock.run_for(900)  # of 1800 ms: half way
    assert reader.pixel(reader.lane("O2", "C1"))[:3] == pytest.approx([0, 158, 115], abs=40)  # the green of atom 2
    on_the_way = {part: painted(part) for part in (0.2, 0.5)}
    reader.page.clock.run_for(3000)
    assert on_the_way[0.5] > painted(0.5) + 1000
    assert on_the_way[0.2] == pytest.approx(painted(0.2), abs=1000)
    asked = reader.page.evaluate("frames_")
    assert asked > 10
    reader.page.clock.run_for(1000)
    assert reader.page.evaluate("frames_") == asked  # nothing moves any more
    reader.page.clock.resume()  # those who look at the page after the test wait for its time


def test_with_reduced_motion_a_step_is_instant(reader: Reader) -> None:
    reader.page.evaluate(COUNT_FRAMES)
    reader.page.evaluate("document.querySelector('[aria-label=\"one step on\"]').click()")
    assert reader.root.locator(".step-name").inner_text() == NAMES[2]
    assert reader.page.evaluate("frames_") == 0
    check_arithmetic(reader, "C1", 2)


# ----------------------------------------------------------------------------- rounds, cutoff, bonds


def test_rounds(reader: Reader) -> None:
    rounds = reader.slider("rounds T")
    rounds.focus()
    reader.press("ArrowRight")
    assert reader.widget.request["T"] == 3 and reader.widget.trace is not None
    assert len(reader.widget.trace.rounds) == 3
    expect(reader.slider("step")).to_have_attribute("max", "10")
    reader.go(9)
    check_arithmetic(reader, "C1", 9)
    reader.slide("rounds T", 1)
    expect(reader.root.locator(".step-name")).to_have_text("readout")
    assert reader.widget.view["step"] == 4
    check_arithmetic(reader, "C1", 4)
    reader.slide("rounds T", 0)
    expect(reader.root.locator(".step-name")).to_have_text("readout")
    check_arithmetic(reader, "C1", 1)
    assert reader.widget.snapshots[0].energy is not None
    assert f"E = {reader.widget.snapshots[0].energy:.3f} eV" in reader.status
    rounds.focus()
    reader.press("End")
    assert reader.widget.request["T"] == 6


def test_cutoff(reader: Reader) -> None:
    reader.root.get_by_role("tab", name="Table").click()
    names = names_of(reader)
    for cutoff in (0.5, 1.3, 1.75, 2.5, 4.55, 6.0):
        reader.slide("cutoff", cutoff)
        graph = molecular_graph(ETHANOL, cutoff)
        assert reader.widget.request["cutoff"] == cutoff
        assert f"9 atoms, {graph.n_edges} edges" in reader.status
        expect(reader.slider("cutoff")).to_have_attribute("aria-valuetext", f"{cutoff:.2f} Å")
        shown = {row[0]: values(row[1:3]) for row in reader.table("Edges")}
        assert len(shown) == graph.n_edges
        for j, i, r in zip(graph.senders.tolist(), graph.receivers.tolist(), graph.distances, strict=True):
            expected = [r.item(), cosine_cutoff(r, cutoff).item()]
            assert shown[f"{names[j]} → {names[i]}"] == pytest.approx(expected, rel=0.06, abs=5.1e-4)


def test_edges_fade_with_the_cutoff_function(host: Host) -> None:
    reader = Reader(host, explorer(Atoms("OH", [(0, 0, 0), (2.4, 0, 0)]), selected=None))
    reader.go(0)
    strengths = []
    for cutoff in (6.0, 4.0, 3.0, 2.5, 2.2):
        reader.slide("cutoff", cutoff)
        middle = reader.lane("O0", "H1")  # the line is one pixel wide, and may lie between two rows of pixels
        strengths.append(sum(reader.pixel(middle + np.array([0, dy]))[3] for dy in (-2, -1, 0, 1, 2)))
    expected = [0.1 + 0.8 * cosine_cutoff(torch.tensor(2.4), cutoff).item() for cutoff in (6.0, 4.0, 3.0, 2.5)]
    assert strengths[:4] == pytest.approx(255 * np.array(expected), abs=12)
    assert strengths[4] == 0
    reader.slider("cutoff").focus()
    reader.press("ArrowRight")
    assert reader.widget.request["cutoff"] == 2.25


def test_only_bonds(reader: Reader) -> None:
    reader.box("bonds only").focus()
    reader.press("Space")
    assert reader.widget.request["bonds_only"] and reader.widget.snapshots[0].graph.n_edges == 16
    assert "9 atoms, 16 edges" in reader.status
    reader.go(2)
    check_arithmetic(reader, "C1", 2)
    assert [label for label in reader.rows() if "→" in label] != []
    reader.tick("bonds only", False)
    assert "58 edges" in reader.status


# ----------------------------------------------------------------------------- what stands at the atoms


def test_feature_strips(reader: Reader) -> None:
    trace = reader.widget.trace
    assert trace is not None
    tables = [trace.rounds[0].x_i, trace.rounds[0].x_i, trace.rounds[0].M_i, trace.rounds[1].x_i]
    for step, table in enumerate(tables):
        reader.go(step)
        for k, name in enumerate(reader.widget.snapshots[0].names()):
            bars = (
                reader.atom(name)
                .locator(".strip path")
                .evaluate_all("paths => paths.map((p) => p.getAttribute('d') ?? '')")
            )
            heights = [[-float(h) for h in re.findall(r"v(-?[\d.]+)", path)] for path in bars]
            rows = (table[k] / table.abs().max() * 9).tolist()  # half of 18 pixels
            assert heights[0] == pytest.approx([value for value in rows if value > 0], abs=0.006)
            assert heights[1] == pytest.approx([value for value in rows if value < 0], abs=0.006)
        boxes = reader.root.locator(".strip.bundle")
        expect(boxes).to_have_count(9 if step == 2 else 0)
    reader.tick("features", False)
    expect(reader.atom("C1").locator(".strip")).to_be_hidden()
    assert reader.widget.view["strips"] is False


def test_who_was_heard(host: Host) -> None:
    reader = Reader(host, explorer(cutoff=1.6, T=3, selected=4))
    graph = reader.widget.snapshots[0].graph
    near = torch.zeros(9, 9, dtype=torch.bool)
    near[graph.receivers, graph.senders] = True
    known = torch.eye(9, dtype=torch.bool)
    first = torch.where(known[4], 0, 99)  # the round in which atom 4 hears of each
    for t in range(1, 9):
        known = (near.float() @ known.float()).bool() | known
        first = torch.where(known[4] & (first == 99), t, first)
    reader.tick("who was heard")
    for step, done in ((0, 0), (1, 0), (2, 0), (3, 1), (5, 1), (6, 2), (9, 3), (10, 3)):
        reader.go(step)
        heard = int(((first > 0) & (first <= done)).sum())
        assert (
            f"After {done} round{'' if done == 1 else 's'}, H4 has heard from {heard} of 8 other atoms."
            in reader.status
        )
        for k, name in enumerate(reader.widget.snapshots[0].names()):
            atom, hops = reader.atom(name), int(first[k])
            reached = hops <= done
            assert atom.get_attribute("opacity") == ("1" if reached else "0.35")
            label = atom.get_attribute("aria-label") or ""
            if hops > 0:
                assert ("was not heard yet" in label) != reached
                assert (f"was heard, {hops} edge" in label) == reached
                ring = atom.locator(".halo").get_attribute("stroke")
                assert (ring is not None) == reached
                if step < 10:
                    assert atom.locator(".value").text_content() == (str(hops) if reached else "")
    reader.atom("H4").focus()
    reader.press("Escape")
    assert "Choose an atom to see whom it has heard." in reader.status


def test_atomic_energies_at_the_atoms(host: Host) -> None:
    for widget in (explorer(), explore(ETHANOL, TRAINED, selected=1)):
        reader = Reader(host, widget)
        reader.click("last step")
        snapshot = widget.snapshots[0]
        assert snapshot.E_i is not None
        shown = snapshot.E_i if snapshot.baseline is None else snapshot.E_i - snapshot.baseline
        labels = [reader.atom(name).locator(".value").text_content() or "" for name in snapshot.names()]
        assert values(labels) == pytest.approx(shown.tolist(), abs=5.1e-4)
        total = sum(values(labels)) + (0.0 if snapshot.baseline is None else snapshot.baseline.sum().item())
        assert f"E = {snapshot.energy:.3f} eV".replace("-", "−") in reader.status
        assert total == pytest.approx(snapshot.energy, abs=9 * 5.1e-4)
        assert ("what the network adds" in reader.status) == (snapshot.baseline is not None)


def test_forces(reader: Reader) -> None:
    snapshot = reader.widget.snapshots[0]
    axes = np.array(reader.widget.settings["molecules"][0]["axes"])
    assert snapshot.forces is not None
    reader.go(0)
    arrows = (snapshot.forces.numpy() @ axes.T)[:, :2] * [1, -1] / 20 * reader.scale
    long = [k for k in range(9) if np.linalg.norm(arrows[k]) > 15]
    assert len(long) >= 4

    def drawn(part: float = 0.2) -> list[bool]:
        """Whether the colour of forces is found at this part of each long arrow: the tip may have left the stage."""
        found = []
        for k in long:
            name, direction = snapshot.names()[k], arrows[k] / np.linalg.norm(arrows[k])
            shaft = reader.place(name) + direction * reader.radius(name) + arrows[k] * part
            around = [reader.pixel(shaft + np.array([dx, dy])) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
            found.append(any(pixel == pytest.approx([179, 76, 0, 255], abs=5) for pixel in around))
        return found

    assert not any(drawn())
    reader.box("forces").focus()
    reader.press("Space")
    assert all(drawn())
    assert sum(drawn(1.6)) <= 2  # there is no arrow of this atom any more, if perhaps another's
    assert "an arrow of 1 Å is 20 eV/Å" in reader.status  # the largest force is 31 eV/Å
    reader.tick("forces", False)
    assert not any(drawn())


def test_shuffled_labels_where_there_is_no_energy(host: Host) -> None:
    reader = Reader(host, explorer(readout=None))
    reader.click("Shuffle labels")
    assert re.search(r"new numbers\. No atom's features changed by more than 0\.000000\.", reader.status)


def test_without_a_readout_there_is_nothing_about_energy(host: Host) -> None:
    reader = Reader(host, explorer(readout=None))
    expect(reader.box("forces")).to_have_count(0)
    reader.click("last step")
    assert "E =" not in reader.status
    assert "No readout was given, so there is no energy." in reader.root.locator(".atom-panel").inner_text()
    reader.root.get_by_role("tab", name="Table").click()
    assert {cell for row in reader.table("Atoms") for cell in row[1:3]} == {"–"}


# ----------------------------------------------------------------------------- one edge


def vectors(reader: Reader) -> list[list[float]]:
    spans = reader.root.locator(".vectors span").all_inner_texts()
    return [values(spans[k].strip("[]").replace(", …", "").split(", ")) for k in (1, 3)]


def check_card(reader: Reader, sender: str, receiver: str, t: int) -> None:
    snapshot = reader.widget.snapshots[0]
    trace, graph = snapshot.trace, snapshot.graph
    assert trace is not None
    j, i = first_of(snapshot, sender), first_of(snapshot, receiver)
    edge = int(torch.nonzero((graph.senders == j) & (graph.receivers == i))[0])
    numbers = re.findall(r"r = (\S+) Å, f_c = (\S+), \|m_ji\| = (\S+)$", reader.card)
    assert reader.card.startswith(f"{sender} → {receiver}: ")
    m_ji = trace.rounds[t].m_ji[edge]
    expected = [graph.distances[edge].item(), trace.f_c[edge].item(), m_ji.norm().item()]
    assert values(list(numbers[0])) == pytest.approx(expected, rel=0.06, abs=5.1e-4)
    e, m = vectors(reader)
    assert e == pytest.approx(trace.e_ij[edge, :8].tolist(), abs=5.1e-4)
    assert m == pytest.approx(m_ji[:8].tolist(), abs=5.1e-4)


def test_an_edge_under_the_mouse(host: Host) -> None:
    reader = Reader(host, explorer(selected=None, cutoff=1.7))
    hint = reader.card
    for sender, receiver in (("O2", "C1"), ("C1", "O2"), ("H3", "O2"), ("H8", "C0")):
        reader.point(reader.lane(sender, receiver, 0.4))
        check_card(reader, sender, receiver, 0)
    reader.point([6, 390])
    assert reader.card == hint and hint.startswith("Point at an edge")
    reader.go(0)
    reader.point(reader.lane("O2", "C1", 0.4))
    assert reader.card.endswith("no message yet")
    assert vectors_e(reader) == pytest.approx(vectors_of(reader, "O2", "C1"), abs=5.1e-4)


def vectors_e(reader: Reader) -> list[float]:
    text = reader.root.locator(".vectors span").nth(1).inner_text()
    return values(text.strip("[]").replace(", …", "").split(", "))


def vectors_of(reader: Reader, sender: str, receiver: str) -> list[float]:
    snapshot = reader.widget.snapshots[0]
    j, i = first_of(snapshot, sender), first_of(snapshot, receiver)
    edge = int(torch.nonzero((snapshot.graph.senders == j) & (snapshot.graph.receivers == i))[0])
    assert snapshot.trace is not None
    return snapshot.trace.e_ij[edge, :8].tolist()


def test_an_edge_by_keyboard(reader: Reader) -> None:
    hint = reader.card
    reader.go(5)
    row = reader.root.locator(".atom-panel :is(tbody, tfoot) tr", has_text="O2 →")
    row.get_by_role("button").focus()
    check_card(reader, "O2", "C1", 1)
    expect(row).to_have_attribute("data-marked", "")
    reader.press("Enter")  # it stays when the focus goes
    expect(row.get_by_role("button")).to_have_attribute("aria-pressed", "true")
    reader.button("Reset").focus()
    check_card(reader, "O2", "C1", 1)
    assert reader.widget.view["edge"] == {"m": 0, "j": 2, "i": 1}
    row.get_by_role("button").focus()
    reader.press("Enter")
    reader.button("Reset").focus()
    assert reader.card == hint


def test_the_row_under_the_mouse_marks_its_edge(reader: Reader) -> None:
    reader.root.locator(".atom-panel :is(tbody, tfoot) tr", has_text="H3 →").hover()
    check_card(reader, "H3", "C1", 0)
    ink = reader.pixel(reader.lane("H3", "C1", 0.5))
    assert ink[:3] == pytest.approx([26, 26, 26], abs=60) and ink[3] > 200


# ----------------------------------------------------------------------------- atoms that move


def test_dragging_an_atom(reader: Reader) -> None:
    before, scale = reader.widget.snapshots[0], reader.scale
    axes = np.array(reader.widget.settings["molecules"][0]["axes"])
    reader.drag("O2", by=(45, 30))
    asked = np.array(reader.widget.request["molecules"][0]["positions"])
    step = np.array([45 / scale, -30 / scale, 0]) @ axes
    expected = ETHANOL.positions.copy()
    expected[2] += step
    assert np.allclose(asked, expected, atol=0.02)
    after = reader.widget.snapshots[0]
    moved = ETHANOL.copy()
    moved.positions = asked
    assert after.energy == explorer(moved).snapshots[0].energy != before.energy
    change = (after.energy or 0) - (before.energy or 0)
    assert f"E = {after.energy:.3f} eV ({change:+.4f} eV since the start)".replace("-", "−") in reader.status
    assert after.forces is not None and before.forces is not None and not torch.allclose(after.forces, before.forces)
    reader.go(2)
    reader.atom("C1").click()
    check_arithmetic(reader, "C1", 2)


def test_moving_an_atom_by_keyboard(reader: Reader) -> None:
    axes = np.array(reader.widget.settings["molecules"][0]["axes"])
    reader.atom("H3").focus()
    for key, step in {"ArrowRight": (1, 0), "ArrowLeft": (-1, 0), "ArrowUp": (0, 1), "ArrowDown": (0, -1)}.items():
        before = np.array(reader.widget.request["molecules"][0]["positions"])
        reader.press(f"Shift+{key}")
        after = np.array(reader.widget.request["molecules"][0]["positions"])
        assert np.allclose((after - before)[3], 0.05 * np.array([*step, 0]) @ axes, atol=1e-9)
        assert np.array_equal(np.delete(after, 3, axis=0), np.delete(before, 3, axis=0))
    assert np.allclose(after, ETHANOL.positions)
    assert reader.focused.startswith("H3, hydrogen")
    assert "since the start" not in reader.status


def test_an_atom_far_away(reader: Reader) -> None:
    n_edges = reader.widget.snapshots[0].graph.n_edges
    for _ in range(4):
        reader.click("smaller")
    reader.drag("H3", by=(2000, 0))
    x, y = reader.place("H3")
    size = reader.stage.bounding_box()
    assert size is not None and 0 < x <= size["width"] and 0 < y < size["height"]  # it can be fetched back
    snapshot = reader.widget.snapshots[0]
    assert snapshot.graph.n_edges < n_edges and snapshot.problem == "" and math.isfinite(snapshot.energy or math.nan)
    assert (reader.atom("H3").get_attribute("aria-label") or "").endswith("hears 0 atoms")
    reader.press("Shift+ArrowRight")  # no further by keyboard either
    assert np.array_equal(reader.place("H3"), [x, y])
    assert f"{snapshot.graph.n_edges} edges" in reader.status
    reader.atom("H3").click()
    reader.go(2)
    assert values(reader.rows()["sum = M_i"]) == [0.0] * 5
    reader.click("Reset")
    assert reader.widget.snapshots[0].graph.n_edges == n_edges


def test_an_atom_on_another(reader: Reader) -> None:
    reader.drag("H3", to=reader.place("O2"))
    r = np.linalg.norm(np.subtract(*np.array(reader.widget.request["molecules"][0]["positions"])[[2, 3]]))
    assert r < 0.75 and reader.widget.snapshots[0].problem == ""  # on the screen it is; in depth it is not
    positions = ETHANOL.positions.copy()
    positions[3] = positions[2]
    ask(reader, molecules=[{"order": list(range(9)), "positions": positions.tolist()}])
    assert re.fullmatch("(O2 and H3|H3 and O2) are at the same place. Move one of them away.", reader.problem)
    assert "E =" not in reader.status
    for step in range(8):
        reader.go(step)
    for tab in ("Matrix", "Table", "Atom"):
        reader.root.get_by_role("tab", name=tab).click()
    reader.drag("H3", by=(60, 40))
    assert reader.problem == ""
    check_energy(reader)


def ask(reader: Reader, **changes: Any) -> None:
    reader.widget.request = {**reader.widget.request, **changes}
    reader.settle()


def check_energy(reader: Reader) -> None:
    energy = reader.widget.snapshots[0].energy
    assert energy is not None and f"E = {energy:.3f} eV".replace("-", "−") in reader.status


def test_the_focus_stays_when_answers_come_and_when_atoms_change_their_depth(reader: Reader) -> None:
    reader.atom("C0").focus()
    order = "stage => [...stage.querySelectorAll('.atom')].map((atom) => atom.dataset.atom)"
    before = reader.stage.evaluate(order)
    reader.page.evaluate(
        "window.lost = []; document.activeElement.addEventListener('blur', (event) => lost.push(event.type))"
    )
    for _ in range(8):
        reader.page.evaluate("document.querySelector('[aria-label=\"turn up\"]').click()")
    reader.press("Shift+ArrowUp", "Shift+ArrowRight")
    assert reader.stage.evaluate(order) != before
    assert reader.focused.startswith("C0, carbon")
    assert reader.page.evaluate("lost") == []
    reader.slider("cutoff").focus()
    reader.press("ArrowRight", "ArrowRight")
    assert reader.focused == "cutoff"


def test_atoms_behind_are_drawn_first(reader: Reader) -> None:
    for _ in range(5):
        reader.click("turn up")
        depths = reader.stage.evaluate("stage => [...stage.querySelectorAll('.atom')].map((atom) => atom.dataset.atom)")
        axes = np.array(reader.widget.settings["molecules"][0]["axes"])
        angle = 0.26 * (_ + 1)
        turn = [[1, 0, 0], [0, math.cos(-angle), -math.sin(-angle)], [0, math.sin(-angle), math.cos(-angle)]]
        z = (ETHANOL.positions @ (np.array(turn) @ axes).T)[:, 2]
        z_in_order = z[[reader.widget.snapshots[0].names().index(name) for name in depths]]
        assert np.all(np.diff(z_in_order) > -1e-9)


# ----------------------------------------------------------------------------- views of the molecule


def test_turning_and_zooming_change_nothing_but_the_picture(reader: Reader) -> None:
    before, places = reader.widget.snapshot, {name: reader.place(name) for name in ("C0", "C1", "H5")}
    scale = reader.scale

    def far() -> float:
        return max(float(np.linalg.norm(reader.place(name) - place)) for name, place in places.items())

    for name in ("turn left", "turn right"):
        reader.click(name)
        assert (far() > 3) == (name == "turn left")
    for name in ("turn up", "turn down"):
        reader.click(name)
        assert (far() > 3) == (name == "turn up")
    reader.point([30, 300])
    reader.page.mouse.down()
    for step in (1, 2, 3):
        reader.point([30 + 25 * step, 300 - 12 * step])
    reader.page.mouse.up()
    assert far() > 5
    reader.click("larger")
    reader.click("smaller")
    reader.click("smaller")
    assert reader.scale < scale * 0.95
    often = "button => { for (let k = 0; k < 40; k++) button.click(); }"
    reader.button("smaller").evaluate(often)
    assert reader.scale > 10
    reader.button("larger").evaluate(often)
    assert reader.scale < 10 * scale
    assert reader.widget.snapshot is before and reader.widget.request["revision"] == 0
    assert reader.widget.view["selected"] == [1]  # a drag is no click
    reader.click("Reset")
    assert far() < 1 and reader.scale == pytest.approx(scale)


def test_shuffled_labels(reader: Reader) -> None:
    energy = reader.widget.snapshots[0].energy
    places = sorted(
        (reader.atom(name).locator(".letter").text_content(), *reader.place(name)) for name in names_of(reader)
    )
    for _ in range(3):
        reader.click("Shuffle labels")
        order = reader.widget.request["molecules"][0]["order"]
        assert sorted(order) == list(range(9))
        assert reader.widget.view["selected"] == [order.index(1)]  # the atom, not the number
        assert reader.widget.snapshots[0].energy == pytest.approx(energy, abs=1e-12)
        shown = re.findall(
            r"The atoms have new numbers. E changed by (\S+) eV, the features of no atom by more than (\S+)\.",
            reader.status,
        )
        assert max(np.abs(values(list(shown[0])))) < 1e-6
        assert "since the start" not in reader.status
        now = sorted(
            (reader.atom(name).locator(".letter").text_content(), *reader.place(name)) for name in names_of(reader)
        )
        assert [each[0] for each in now] == [each[0] for each in places]
        assert np.allclose([each[1:] for each in now], [each[1:] for each in places], atol=0.02)
        reader.go(2)
        check_arithmetic(reader, reader.widget.snapshots[0].names()[order.index(1)], 2)
    reader.drag(names_of(reader)[0], by=(15, 15))
    assert "new numbers" not in reader.status
    reader.click("Reset")
    assert reader.widget.request["molecules"][0]["order"] == list(range(9))
    assert reader.widget.view["selected"] == [1]
    assert names_of(reader) == [f"{symbol}{k}" for k, symbol in enumerate(ETHANOL.symbols)]


def names_of(reader: Reader) -> list[str]:
    return reader.widget.snapshots[0].names()


def test_nothing_false_is_drawn_while_python_gives_the_atoms_new_numbers(reader: Reader) -> None:
    # In every frame, each element stands where it stood: letters and places are never of two different orders.
    watch = """() => {
      const seen = new Set();
      const look = () => {
        const shown = (g) => g.querySelector(".letter").textContent + g.getAttribute("transform");
        seen.add([...document.querySelectorAll(".atom")].map(shown).sort().join());
        if (!window.done) requestAnimationFrame(look); else window.seen = seen.size;
      };
      look();
    }"""
    reader.page.evaluate(watch)
    for _ in range(3):
        reader.click("Shuffle labels")
    reader.click("Reset")
    reader.page.evaluate("window.done = true")
    reader.page.wait_for_function("window.seen !== undefined")
    assert reader.page.evaluate("seen") == 1


def test_reset_brings_everything_back(reader: Reader) -> None:
    first = reader.widget.snapshot["molecules"]
    reader.slide("rounds T", 4)
    reader.slide("cutoff", 4.0)
    reader.tick("bonds only")
    reader.tick("features", False)
    reader.go(5)
    reader.atom("H8").click()
    reader.drag("H8", by=(30, 30))
    reader.root.get_by_role("tab", name="Table").click()
    reader.button("Reset").focus()
    reader.press("Enter")
    assert reader.widget.snapshot["molecules"] == first
    assert reader.widget.view == reader.widget.settings["first_view"]
    assert {**reader.widget.request, "revision": 0} == reader.widget.settings["first_request"]
    expect(reader.root.get_by_role("tab", name="Atom")).to_have_attribute("aria-selected", "true")
    check_arithmetic(reader, "C1", 1)


# ----------------------------------------------------------------------------- choosing


def test_choosing_an_atom(reader: Reader) -> None:
    reader.atom("O2").click()
    assert reader.widget.view["selected"] == [2]
    expect(reader.atom("O2")).to_have_attribute("aria-pressed", "true")
    expect(reader.root.locator(".atom-panel h4")).to_have_text("O2 of C₂H₆O: message")
    reader.point([10, 370])
    reader.page.mouse.down()
    reader.page.mouse.up()
    reader.settle()
    assert reader.widget.view["selected"] == [None]
    reader.root.locator(".atom-list").get_by_role("button", name="H5").focus()
    reader.press("Enter")
    assert reader.widget.view["selected"] == [5]
    assert reader.focused == "Atom"  # the list is gone: the focus must not fall out of the widget
    reader.atom("H5").focus()
    reader.press("Escape")
    assert reader.widget.view["selected"] == [None]
    reader.press("Enter")
    assert reader.widget.view["selected"] == [5]
    reader.press("Space")
    assert reader.widget.view["selected"] == [None]
    assert reader.focused.startswith("H5")


def test_the_focus_does_not_fall_out_when_a_row_goes(reader: Reader) -> None:
    row = reader.root.locator(".atom-panel :is(tbody, tfoot) tr", has_text="O2 →").get_by_role("button")
    row.focus()
    reader.press("End")
    assert reader.focused == "Atom"
    reader.go(1)
    row.focus()
    reader.press("Escape")
    assert reader.focused == "Atom"


def test_arrow_keys_lead_from_atom_to_atom(reader: Reader) -> None:
    reader.atom("C1").focus()
    visited = {"C1"}
    before: set[str] = set()
    while before != visited:
        before = set(visited)
        for name in before:
            for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown"):
                reader.atom(name).focus()
                reader.page.keyboard.press(key)
                visited.add(reader.focused.split(",")[0])
    assert visited == set(names_of(reader))
    reader.atom("C1").focus()
    for name in ["O2", "H3", "H4", "H5", "H6", "H7", "H8", "C0", "C1"]:
        reader.page.keyboard.press("PageDown")
        assert reader.focused.startswith(f"{name}, ")
    at = reader.focused
    reader.press("PageDown", "PageUp")
    assert reader.focused == at
    assert reader.widget.request["revision"] == 0


def test_tab_enters_the_molecule_once(reader: Reader) -> None:
    reader.page.evaluate("document.body.tabIndex = -1; document.body.focus()")
    order = []
    for _ in range(60):
        reader.page.keyboard.press("Tab")
        tag = "document.activeElement === document.body ? 'end' : document.activeElement.closest('.atom') ? 'atom' : ''"
        where = reader.page.evaluate(tag)
        if where == "end":
            break
        order.append("an atom" if where == "atom" else reader.focused)
    assert order.count("an atom") == 1
    assert order[:7] == ["first step", "one step back", "play", "one step on", "last step", "step", "speed"]
    for name in ("keys", "rounds T", "cutoff", "Shuffle labels", "Reset", "turn left", "smaller", "Atom"):
        assert order.count(name) == 1, name
    assert "Matrix" not in order  # the arrow keys lead there
    assert order[order.index("an atom") - 1] != "Atom" and order.index("Atom") > order.index("an atom")


def test_tabs_by_keyboard(reader: Reader) -> None:
    tabs = {name: reader.root.get_by_role("tab", name=name) for name in ("Atom", "Matrix", "Table")}
    tabs["Atom"].focus()
    for key, name in (
        ("ArrowRight", "Matrix"),
        ("ArrowRight", "Table"),
        ("ArrowRight", "Atom"),
        ("ArrowLeft", "Table"),
    ):
        reader.press(key)
        assert reader.focused == name
        expect(tabs[name]).to_have_attribute("aria-selected", "true")
        panel = reader.root.get_by_role("tabpanel", name=name)
        expect(panel.locator(f".{name.lower()}-panel")).to_be_visible()
    assert reader.widget.view["panel"] == "table"


def test_help(reader: Reader) -> None:
    keys = reader.root.locator("dl.keys")
    expect(keys).to_be_hidden()
    reader.atom("C1").focus()
    reader.press("?")
    expect(keys).to_be_visible()
    expect(reader.button("keys")).to_have_attribute("aria-expanded", "true")
    for key in ("Shift + arrows", "Home and End", "Esc", "Page Up and Page Down"):
        assert key in keys.inner_text()
    reader.button("keys").click()
    expect(keys).to_be_hidden()
    expect(reader.button("keys")).to_have_attribute("aria-expanded", "false")


# ----------------------------------------------------------------------------- two molecules


def test_two_molecules_are_compared(host: Host) -> None:
    reader = Reader(host, explorer([ETHANOL, ETHER], selected=[1, 0], T=3))
    widget = reader.widget
    words = reader.root.locator(".compare p")
    assert words.inner_text().startswith("C1 of left C₂H₆O and C0 of right C₂H₆O: told apart in round 1.")

    def differences(i: int, k: int) -> list[float]:
        a, b = (snapshot.trace for snapshot in widget.snapshots)
        assert a is not None and b is not None
        ours, theirs = ([*(state.x_i for state in trace.rounds), trace.x_i] for trace in (a, b))
        return [(x[i] - y[k]).norm().item() for x, y in zip(ours, theirs, strict=True)]

    def shown() -> list[float]:
        return values(reader.root.locator(".compare tbody td").all_inner_texts())

    assert shown() == pytest.approx(differences(1, 0), rel=1e-4, abs=1e-6)
    assert f"E = {widget.snapshots[0].energy:.3f} eV" in reader.status
    assert f"E = {widget.snapshots[1].energy:.3f} eV" in reader.status
    reader.atom("O1", m=1).click()
    reader.settle()
    assert widget.view["selected"] == [1, 1]
    assert "different from the start" in words.inner_text()
    expect(reader.root.locator(".atom-panel h4")).to_have_text("O1 of right C₂H₆O: message")
    reader.atom("H3").focus()
    reader.press("Enter")
    assert shown() == pytest.approx(differences(3, 1), rel=1e-4, abs=1e-6)
    reader.drag("H4", by=(25, 10), m=1)
    left, right = (np.array(each["positions"]) for each in widget.request["molecules"])
    assert np.array_equal(left, ETHANOL.positions) and not np.allclose(right, ETHER.positions)
    assert shown() == pytest.approx(differences(3, 1), rel=1e-4, abs=1e-6)
    reader.press("Escape")
    assert "Choose one atom in each molecule" in words.inner_text()


def test_equal_atoms_are_not_told_apart(host: Host) -> None:
    reader = Reader(host, explore([ETHER, ETHER], TRAINED, selected=[0, 2]))
    assert "no difference in 3 rounds." in reader.root.locator(".compare p").inner_text()


# ----------------------------------------------------------------------------- awkward molecules


def test_one_atom(host: Host) -> None:
    reader = Reader(host, explorer(Atoms("O"), selected=0))
    assert "O: 1 atom, 0 edges, E = " in reader.status
    for step in range(8):
        reader.go(step)
        check_arithmetic(reader, "O0", step)
    reader.drag("O0", by=(20, 20))
    reader.click("Shuffle labels")
    reader.tick("who was heard")
    reader.tick("forces")
    assert "O0 has heard from 0 of 0 other atoms" in reader.status
    for tab in ("Matrix", "Table"):
        reader.root.get_by_role("tab", name=tab).click()
    assert axe(reader.page) == []


def test_sixty_atoms(host: Host) -> None:
    atoms = crowd(60)
    reader = Reader(host, explore(atoms, TRAINED, selected=10))
    snapshot = reader.widget.snapshots[0]
    assert f"60 atoms, {snapshot.graph.n_edges} edges" in reader.status
    reader.go(5)
    check_arithmetic(reader, snapshot.names()[10], 5)
    reader.tick("forces")
    front = reader.stage.locator(".atom").last.get_attribute("data-atom") or ""
    reader.drag(front, by=(8, 6))
    assert reader.widget.request["revision"] > 0 and reader.widget.snapshots[0].energy != snapshot.energy
    for tab in ("Matrix", "Table"):
        reader.root.get_by_role("tab", name=tab).click()
    assert len(reader.table("Atoms")) == 60


# ----------------------------------------------------------------------------- functions that fail


@pytest.mark.parametrize("message", [raises, rows_lost])
def test_a_failing_function_is_shown_with_shapes(host: Host, message: Any) -> None:
    reader = Reader(host, explorer(message=message))
    assert reader.problem == reader.widget.snapshots[0].problem
    assert reader.problem.startswith("message(x_j (58, 4), x_i (58, 4), e_ij (58, 16)) in round 1 r")
    reader.slide("cutoff", 2.0)
    assert reader.problem.startswith("message(x_j (26, 4)")
    for step in range(8):
        reader.go(step)
    for tab in ("Matrix", "Table", "Atom"):
        reader.root.get_by_role("tab", name=tab).click()
    reader.tick("forces")
    reader.click("Shuffle labels")
    reader.click("Reset")
    assert axe(reader.page) == []


def test_a_function_that_fails_in_round_2_shows_round_1(host: Host) -> None:
    reader = Reader(host, explorer(message=[f_m, raises]))
    assert "in round 2 raised IndexError: five is too many" in reader.problem
    for step in (1, 2, 3):
        reader.go(step)
        check_arithmetic(reader, "C1", step)
    reader.go(5)
    assert [*reader.rows()] == ["x_i after 1 round"]
    expect(reader.root.locator(".atom-panel > p")).to_have_text("This step was not reached: see the message above.")


def fragile(kind: str) -> Callable[..., Any]:
    """A message that fails where two atoms come closer than 0.7 Angstrom."""

    def message(x_j: Tensor, x_i: Tensor, e_ij: Tensor) -> Any:
        m_ji = f_m(x_j, x_i, e_ij)
        if not (e_ij[:, 3] > 0.95).any():  # the Gaussian at 0.6 Angstrom
            return m_ji
        return {"raises": lambda: m_ji[:, 9], "shape": lambda: m_ji[1:], "nan": lambda: m_ji * math.nan}[kind]()

    return message


@pytest.mark.parametrize("kind", ["raises", "shape", "nan"])
def test_a_function_that_fails_while_an_atom_is_dragged_recovers(host: Host, kind: str) -> None:
    reader = Reader(host, explorer(message=fragile(kind)))
    first = reader.widget.snapshot["molecules"]
    assert reader.problem == ""
    positions = ETHANOL.positions.copy()
    positions[3] = positions[2] + 0.6 * (positions[3] - positions[2]) / ETHANOL.get_distance(2, 3)
    ask(reader, molecules=[{"order": list(range(9)), "positions": positions.tolist()}])
    expected = {"raises": "raised IndexError", "shape": "returned a tensor of shape", "nan": "is not a finite number"}
    assert expected[kind] in reader.problem
    for step in range(8):
        reader.go(step)
    for tab in ("Matrix", "Table", "Atom"):
        reader.root.get_by_role("tab", name=tab).click()
    reader.tick("forces")
    reader.tick("who was heard")
    reader.drag("H3", by=(60, 40))
    assert reader.problem == ""
    check_energy(reader)
    reader.click("Reset")
    assert reader.widget.snapshot["molecules"] == first
    check_arithmetic(reader, "C1", 1)


def test_a_start_without_energy(host: Host) -> None:
    positions = ETHANOL.positions.copy()
    positions[3] = positions[2] + 0.6 * (positions[3] - positions[2]) / ETHANOL.get_distance(2, 3)
    reader = Reader(host, explorer(Atoms(ETHANOL.numbers, positions), message=fragile("nan")))
    assert "E =" not in reader.status
    reader.drag("H3", by=(60, 40))
    check_energy(reader)
    assert "since the start" not in reader.status


# ----------------------------------------------------------------------------- Python and the page


def test_python_sets_the_view(reader: Reader) -> None:
    reader.widget.view = {**reader.widget.view, "step": 6, "selected": [8], "panel": "table", "strips": False}
    reader.settle()
    expect(reader.root.locator(".step-name")).to_have_text(NAMES[6])
    expect(reader.atom("H8")).to_have_attribute("aria-pressed", "true")
    expect(reader.root.get_by_role("tab", name="Table")).to_have_attribute("aria-selected", "true")
    assert not reader.box("features").is_checked()


def test_python_sets_the_request(reader: Reader) -> None:
    ask(reader, cutoff=2.0, T=1)
    assert "26 edges" in reader.status
    expect(reader.slider("cutoff")).to_have_value("2")
    expect(reader.slider("rounds T")).to_have_value("1")
    reader.slide("cutoff", 2.5)  # the page goes on from there
    assert (reader.widget.request["cutoff"], reader.widget.request["T"]) == (2.5, 1)
    assert f"{molecular_graph(ETHANOL, 2.5).n_edges} edges" in reader.status


def test_python_asks_for_garbage(reader: Reader) -> None:
    nonsense: list[dict[str, Any]] = [{"cutoff": -1.0}, {"T": 10**9}, {"molecules": []}]
    for garbage in [*nonsense, {"molecules": [{"order": [0], "positions": []}]}]:
        ask(reader, **garbage)
        assert reader.problem.startswith("This cannot be shown. ")
        expect(reader.slider("cutoff")).to_have_value("3")
        reader.drag("H3", by=(5, 5))
        assert reader.problem == ""
        check_energy(reader)


def test_nothing_is_left_behind(host: Host) -> None:
    reader = Reader(host, explorer(), reduced_motion=False)
    reader.page.evaluate(COUNT_FRAMES)
    reader.button("play").click()
    expect(reader.root.locator(".step-name")).to_have_text(NAMES[2])
    assert reader.mounted.remove() == []
    asked = reader.page.evaluate("frames_")
    reader.page.wait_for_timeout(700)
    assert reader.page.evaluate("frames_") == asked
    assert reader.page.locator(".explorer").count() == 0


SECOND_VIEW = """async () => {
  const url = URL.createObjectURL(new Blob([host.model.get("_esm")], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  const el = document.createElement("div");
  document.querySelector("main").append(el);
  widget.render({ model: host.model, el });
}"""


def test_two_views_of_one_widget(reader: Reader) -> None:
    reader.page.evaluate(SECOND_VIEW)
    one, two = reader.root.locator(".explorer").all()
    two.get_by_role("slider", name="step").fill("5")
    expect(one.locator(".step-name")).to_have_text(NAMES[5])
    one.get_by_role("slider", name="cutoff").fill("2")
    expect(two.get_by_role("slider", name="cutoff")).to_have_value("2")
    expect(two.locator(".status")).to_contain_text("26 edges")
    two.locator("[data-atom=H3]").focus()
    reader.press("Shift+ArrowUp", "Shift+ArrowUp")
    one.get_by_role("button", name="Shuffle labels").click()
    reader.settle()
    places = (
        "views => views.map((view) => [...view.querySelectorAll('.atom')].map((g) => g.dataset.atom).sort().join())"
    )
    shown = reader.root.locator(".explorer").evaluate_all(places)
    assert shown[0] == shown[1]
    assert one.locator(".atom[aria-pressed=true]").get_attribute("data-atom") == two.locator(
        ".atom[aria-pressed=true]"
    ).get_attribute("data-atom")
    two.get_by_role("button", name="Reset").click()
    reader.settle()
    assert {**reader.widget.request, "revision": 0} == reader.widget.settings["first_request"]
    expect(one.get_by_role("slider", name="cutoff")).to_have_value("3")
    assert axe(reader.page, "main") == []


# ----------------------------------------------------------------------------- for everybody


def test_what_is_painted_follows_the_theme(reader: Reader) -> None:
    reader.tick("bonds only")
    reader.go(0)
    middle = (reader.place("C0") + reader.place("C1")) / 2
    light = reader.pixel(middle)
    reader.page.emulate_media(color_scheme="dark")
    reader.settle()
    assert sum(reader.pixel(middle)[:3]) < sum(light[:3]) - 200
    reader.page.evaluate("document.body.dataset.jpThemeLight = 'true'")  # as JupyterLab does
    reader.settle()
    assert reader.pixel(middle) == pytest.approx(light, abs=3)


@pytest.mark.parametrize("width", [880, 1100, 1400])  # the first: JupyterLab on a small screen, with its file list
def test_the_arithmetic_fits_beside_the_molecule(host: Host, width: int) -> None:
    reader = Reader(host, explore(ETHANOL, TRAINED, selected=1), width=width)
    reader.go(3)
    box = reader.root.get_by_role("group", name="arithmetic of the atom")
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") == 0
    height = reader.root.evaluate("main => main.offsetHeight")
    reader.root.locator(".atom-panel tbody tr").first.hover()
    assert "O2 → C1" in reader.card or "C0 → C1" in reader.card
    assert reader.root.evaluate("main => main.offsetHeight") == height  # what stands below in a notebook must not jump
    stage, table = reader.stage.bounding_box(), box.bounding_box()
    assert stage is not None and table is not None and table["x"] > stage["x"] + stage["width"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_laws(host: Host, theme: str) -> None:
    reader = Reader(host, explorer([ETHANOL, ETHER], selected=[1, None]), theme=theme)
    reader.click("keys")
    for tab in ("Atom", "Matrix", "Table"):
        reader.root.get_by_role("tab", name=tab).click()
        for step in (0, 3, 7):
            reader.go(step)
            assert unsuppressed(reader.page) == []
        assert axe(reader.page) == []
    reader.tick("who was heard")
    reader.tick("forces")
    reader.root.get_by_role("tab", name="Atom").click()
    reader.atom("O1", m=1).click()
    assert axe(reader.page) == [] and unsuppressed(reader.page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_laws_where_a_function_fails(host: Host, theme: str) -> None:
    reader = Reader(host, explore(ETHANOL, message=raises), theme=theme)
    assert axe(reader.page) == [] and unsuppressed(reader.page) == []


def overflow(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.mark.parametrize("atoms", [ETHANOL, [ETHANOL, ETHER]], ids=["one", "two"])
def test_at_200_per_cent_nothing_is_cut_off(host: Host, atoms: Any) -> None:
    reader = Reader(host, explore(atoms, TRAINED, selected=1), zoom=2, width=1280, height=1000)
    for tab in ("Atom", "Matrix", "Table"):
        reader.root.get_by_role("tab", name=tab).click()
        for step in (1, 3, 10):
            reader.go(step)
            assert overflow(reader.page) == 0, (tab, step)
    for m, stage in enumerate(reader.root.locator(".stage").all()):
        box = stage.bounding_box()
        assert box is not None and box["width"] > 250
        for name in reader.widget.snapshots[m].names():
            x, y = reader.place(name, m)
            assert 0 < x < box["width"] and 0 < y < box["height"]
    reader.drag("H3", by=(20, 20))
    check_energy(reader)


def test_a_page_without_python(standalone: Callable[..., Page]) -> None:
    widget = explorer(cutoff=2.2)
    page = standalone(widget, reduced_motion=True)
    expect(page.get_by_text("This page is a recording.")).to_be_visible()
    for control in ("rounds T", "cutoff", "step"):
        slider = page.get_by_role("slider", name=control, exact=True)
        assert slider.is_disabled() == (control == "rounds T")
    expect(page.get_by_role("checkbox", name="bonds only")).to_be_disabled()
    expect(page.get_by_role("button", name="Shuffle labels")).to_be_disabled()
    cutoff = page.get_by_role("slider", name="cutoff")
    cutoff.focus()
    page.keyboard.press("Home")
    seen = set()
    for _ in range(13):
        value = float((cutoff.get_attribute("aria-valuetext") or "").split()[0])
        seen.add(value)
        snapshot = explorer(cutoff=value).snapshots[0]
        status = page.locator(".status").inner_text()
        assert f"9 atoms, {snapshot.graph.n_edges} edge" in status
        assert f"E = {snapshot.energy:.3f} eV".replace("-", "−") in status
        page.keyboard.press("ArrowRight")
    assert 2.2 in seen and len(seen) == 13
    page.get_by_role("button", name="Reset").click()
    expect(cutoff).to_have_attribute("aria-valuetext", "2.20 Å")
    trace = widget.trace
    assert trace is not None
    page.locator("[data-atom=O2]").click()
    page.keyboard.press("]")
    row = page.locator(".atom-panel tr.bundle td").all_inner_texts()
    assert values(row[5:]) == pytest.approx(trace.rounds[0].M_i[2].tolist(), abs=5.1e-4)
    before = page.locator("[data-atom=O2]").get_attribute("transform")
    page.keyboard.press("Shift+ArrowUp")
    assert page.locator("[data-atom=O2]").get_attribute("transform") == before
    assert axe(page, "html") == [] and unsuppressed(page) == []
    assert overflow(page) == 0


# ----------------------------------------------------------------------------- in Jupyter

LEARNERS_CELLS = [
    """
import torch
from ase.build import molecule
from course.widgets import explore

def my_message(x_j, x_i, e_ij):
    return torch.tanh(x_j - x_i) * e_ij[:, 4:8]

def my_update(M_i, x_i):
    return x_i + 0.5 * M_i

def my_readout(x_i):
    return x_i.square().sum(dim=1)
""",
    """
widget = explore(molecule("CH3CH2OH"), message=my_message, update=my_update, readout=my_readout, T=2, selected=1)
widget
""",
]
# What the arithmetic of atom 1 in round 1 must show, and where the atom is.
IN_THE_KERNEL = """(lambda graph, state, after: {
    **{f"{widget.snapshots[0].names()[graph.senders[edge]]} →": state.m_ji[edge].tolist()
       for edge in range(graph.n_edges) if graph.receivers[edge] == 1},
    "sum = M_i": state.M_i[1].tolist(), "x_i before": state.x_i[1].tolist(), "x_i after": after[1].tolist(),
})(widget.snapshots[0].graph, widget.trace.rounds[0], widget.trace.rounds[1].x_i)"""


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_in_jupyter(notebook: Callable[..., Notebook], app: App) -> None:
    opened = notebook(LEARNERS_CELLS, app=app)
    shown = opened.output(1)
    atom = shown.locator("[data-atom=C1]")
    expect(atom).to_be_visible()
    shown.get_by_role("button", name="one step on").click()
    atom.focus()
    for key in ("d", "d", "a", "]"):  # the first three would be commands of the notebook
        opened.page.keyboard.press(key)
    expect(shown.locator(".step-name")).to_have_text("round 1 of 2: update")
    assert opened.n_cells == 2
    check_in_jupyter(opened)
    before = opened.value("(widget.snapshots[0].energy, widget.request['molecules'][0]['positions'][3])")
    box = shown.locator("[data-atom=H3] .disc").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    opened.page.mouse.move(x, y)
    opened.page.mouse.down()
    for part in range(1, 6):
        opened.page.mouse.move(x + 5 * part, y - 4 * part)
    opened.page.mouse.up()
    opened.wait_for("widget.snapshot['revision'] == widget.request['revision'] >= 5")
    after = opened.value("(widget.snapshots[0].energy, widget.request['molecules'][0]['positions'][3])")
    assert abs(after[0] - before[0]) > 1e-3 and not np.allclose(after[1], before[1])
    expect(shown.locator(".status")).to_contain_text(
        f"E = {after[0]:.3f} eV ({after[0] - before[0]:+.4f} eV".replace("-", "−")
    )
    check_in_jupyter(opened)
    assert axe(opened.page) == [] and unsuppressed(opened.page) == []
    opened.set_theme(dark=True)
    opened.page.wait_for_function(BONDS_ARE, arg=[60, 66, 72])
    opened.set_theme(dark=False)
    opened.page.wait_for_function(BONDS_ARE, arg=[217, 220, 224])


# The colour on the canvas in the middle of the bond between atoms 0 and 1.
BONDS_ARE = """(expected) => {
  const [x, y] = ["C0", "C1"].map((name) => document.querySelector(`[data-atom=${name}]`).getAttribute("transform"))
    .map((text) => text.match(/[\\d.]+/g).map(Number)).reduce((a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
  const canvas = document.querySelector(".stage canvas"), ratio = canvas.width / canvas.clientWidth;
  const found = canvas.getContext("2d").getImageData(Math.round(x * ratio), Math.round(y * ratio), 1, 1).data;
  return expected.every((value, k) => Math.abs(found[k] - value) < 3);
}"""


def check_in_jupyter(opened: Notebook) -> None:
    texts = (
        opened.output(1)
        .locator(".atom-panel :is(tbody, tfoot) tr")
        .evaluate_all("rows => rows.map((row) => [...row.children].map((cell) => cell.textContent))")
    )
    shown = {row[0]: values(row[6:]) for row in texts}
    expected = opened.value(IN_THE_KERNEL)
    assert shown.keys() == expected.keys()
    for label, numbers in expected.items():
        assert shown[label] == pytest.approx(numbers, abs=5.1e-4), label

"""The ripple in a browser: what it shows is what `influence` computes, and mouse and keyboard do the same."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from playwright.sync_api import Locator, Page, expect

from course import MPNN, Composition, Potential, datasets
from course.scorecard import influence
from course.widgets.ripple import FAINTEST, Ripple, ripple
from tests.browser.jupyter import Notebook
from tests.browser.laws import axe, unsuppressed
from tests.browser.mini_host import Mounted
from tests.widgets.test_ripple import Fragile, network, out_of_order

Host = Callable[..., Mounted]

ETHANOL = molecule("CH3CH2OH")
TRAINED = Potential.load(datasets.FOLDER.parent / "trained" / "ethanol_mpnn.npz")
OKABE_ITO = ["#0072B2", "#56B4E9", "#009E73", "#F0E442", "#E69F00", "#D55E00", "#CC79A7", "#999999"]
EMPTY = "var(--paper)"


def alcohol(n_carbon: int) -> Atoms:
    """A stretched alcohol, CnH(2n+1)OH: carbons, the oxygen, hydrogens."""
    chain = np.array([[1.28 * k, 0.42 * (-1) ** k, 0.0] for k in range(n_carbon + 1)])
    sides = [point + np.array([0, 0.63 * np.sign(point[1]), z]) for point in chain[:-1] for z in (-0.89, 0.89)]
    ends = [chain[0] - [0.9, 0.6, 0], chain[-1] + [0.8, -0.53 * np.sign(chain[-1][1]), 0]]
    return Atoms("C" * n_carbon + "O" + "H" * (2 * n_carbon + 2), [*chain, *sides, *ends])


OCTANOL = alcohol(8)


def atom(page: Page, name: str) -> Locator:
    return page.locator(f"[data-atom={name}]")


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="rounds T")


def kind(page: Page, name: str) -> Locator:
    return page.get_by_role("radio", name=name)


def seen(page: Page) -> dict[str, dict[str, Any]]:
    """What each atom looks like, by its name, in the order of the atoms."""
    looks = page.locator(".atom").evaluate_all(
        """(atoms) => atoms.map((g) => ({
          name: g.dataset.atom, fill: g.querySelector(".disc").getAttribute("fill"),
          label: g.querySelector(".value").textContent, says: g.getAttribute("aria-label"),
          touched: g.getAttribute("aria-pressed") === "true", transform: g.getAttribute("transform"),
        }))"""
    )
    return {look["name"]: look for look in sorted(looks, key=lambda look: int(re.sub(r"\D", "", look["name"])))}


def ends_of_wave(page: Page, widget: Ripple) -> None:
    """Wait until the news has come everywhere: every atom that means something has a colour."""
    means = [h >= 0 for h in widget.answer["hops"]]
    if widget.kind != "hops":
        means = [size > 0 for size in widget.answer[widget.kind]]
    page.wait_for_function(
        """names => names.every((name) =>
          document.querySelector(`[data-atom=${name}] .disc`).getAttribute("fill").startsWith("#"))""",
        arg=[name for name, meaning in zip(widget.settings["names"], means, strict=True) if meaning],
    )


def numbers(page: Page) -> dict[str, list[str]]:
    """The rows of the table, by the name of the atom."""
    rows = page.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.children].map((c) => c.textContent))"
    )
    return {name: cells for name, *cells in rows}


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def check_numbers(page: Page, widget: Ripple, potential: Potential, i: int) -> None:
    """The table, what atoms say of themselves, and their colours are the influence that Python computes."""
    names = widget.settings["names"]
    expected = influence(potential, potential.graph(widget.atoms), i)._asdict()
    for name, cells in numbers(page).items():
        j = names.index(name)
        assert cells[0] == (str(widget.answer["hops"][j]) if widget.answer["hops"][j] >= 0 else "no way")
        for text, size in zip(cells[1:], expected.values(), strict=True):
            assert number(text) == pytest.approx(size[j], abs=0.6e-6, rel=0.06), (name, text, size[j])
            assert (text == "0") == (size[j] == 0)
    assert [name for name, look in seen(page).items() if look["touched"]] == [names[i]]
    size = expected.get(widget.kind)
    if size is None:
        return
    loudest, colors = size.max(), widget.settings["colors"]
    floor = max(FAINTEST, 10 ** np.floor(np.log10(size[size > 0].min() / loudest - 1e-12)))
    for name, look in seen(page).items():
        value = size[names.index(name)]
        assert number(re.findall(r": (\S+) eV", look["says"])[0]) == pytest.approx(value, abs=0.6e-3, rel=0.06)
        part = 1 - np.log(max(value / loudest, floor)) / np.log(floor) if value > 0 else None
        near = [] if part is None else colors[max(0, int(part * 63)) : int(part * 63) + 2]
        assert look["fill"] in (near or [EMPTY]), (name, value)


# ----------------------------------------------------------------------------- touch an atom


def test_a_click_shows_what_python_computes(host: Host) -> None:
    widget = ripple(OCTANOL, TRAINED, atom=8, kind="force")
    mounted = host(widget)
    check_numbers(mounted.page, widget, TRAINED, 8)
    for name, what in (("C3", "force"), ("H9", "energy"), ("O8", "hops")):
        atom(mounted.page, name).click()
        mounted.page.locator(f"input[value={what}]").check()
        mounted.settle()
        ends_of_wave(mounted.page, widget)
        assert (widget.request["atom"], widget.kind) == (widget.settings["names"].index(name), what)
        check_numbers(mounted.page, widget, TRAINED, widget.request["atom"])


def test_a_click_beside_the_atoms_and_one_on_the_touched_atom_ask_nothing(host: Host) -> None:
    widget = ripple(ETHANOL, TRAINED, atom=2)
    answers: list[Any] = []
    widget.observe(answers.append, "answer")
    mounted = host(widget)
    mounted.page.locator(".stage svg").click(position={"x": 20, "y": 20})
    atom(mounted.page, "O2").click()
    mounted.settle()
    assert not answers


def test_the_last_of_quick_clicks_counts(host: Host) -> None:
    widget = ripple(ETHANOL, TRAINED)
    mounted = host(widget)
    mounted.page.evaluate("""() => {
      for (const name of ["H3", "C1", "O2", "H8"]) {
        for (const type of ["pointerdown", "pointerup"]) {
          const { x, y, width, height } = document.querySelector(`[data-atom=${name}] .disc`).getBoundingClientRect();
          document.querySelector(`[data-atom=${name}] .disc`).dispatchEvent(new PointerEvent(type,
            { bubbles: true, pointerId: 1, clientX: x + width / 2, clientY: y + height / 2 }));
        }
      }
    }""")
    mounted.settle()
    ends_of_wave(mounted.page, widget)
    assert widget.answer["atom"] == 8
    check_numbers(mounted.page, widget, TRAINED, 8)


def test_hops_have_colours_and_numbers(host: Host) -> None:
    widget = ripple(OCTANOL + Atoms("O", [[40.0, 0, 0]]), TRAINED, atom=8)
    mounted = host(widget, width=2500)
    looks = seen(mounted.page)
    assert looks["O27"]["fill"] == EMPTY and looks["O27"]["says"] == "O27, no way to O8"
    for look, steps in zip(list(looks.values())[:-1], widget.answer["hops"], strict=False):
        assert (look["fill"], look["label"]) == (OKABE_ITO[steps], str(steps))
        assert look["says"].endswith("0 edges from O8" if steps == 0 else f"{steps} edge{'s' * (steps != 1)} from O8")
    legend = mounted.page.locator(".legend span").all_text_contents()
    assert legend == ["edges on the way to O8:", "touched", "1 edge", "2 edges", "3 edges", "no way"]
    swatches = mounted.page.locator(".legend .swatch").evaluate_all(
        "all => all.map((e) => e.style.getPropertyValue('--swatch'))"
    )
    assert swatches == [*OKABE_ITO[:4], EMPTY]


def test_everything_by_keyboard(host: Host) -> None:
    widget = ripple(ETHANOL, TRAINED)
    page = host(widget).page
    page.keyboard.press("Tab")
    expect(slider(page)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("host.waiting === 0")
    assert widget.answer["T"] == 2
    page.keyboard.press("Tab")
    expect(kind(page, "edges")).to_be_focused()
    for expected in ("energy", "force", "hops", "energy"):
        page.keyboard.press("ArrowRight")
        page.wait_for_function("host.waiting === 0")
        assert widget.kind == expected
    page.keyboard.press("Tab")
    expect(atom(page, "C0")).to_be_focused()
    where = {name: [float(x) for x in re.findall(r"[-\d.]+", look["transform"])] for name, look in seen(page).items()}
    page.keyboard.press("ArrowRight")
    focused = page.evaluate("document.activeElement.dataset.atom")
    assert where[focused][0] > where["C0"][0]
    for key in ("Enter", "ArrowLeft", " "):
        page.keyboard.press(key)
    page.wait_for_function("host.waiting === 0")
    name = page.evaluate("document.activeElement.dataset.atom")
    assert name == widget.settings["names"][widget.answer["atom"]]
    expect(atom(page, name)).to_have_attribute("aria-pressed", "true")
    for label in ("turn left", "turn right", "turn up", "turn down", "larger", "smaller"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name=label)).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("table")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("region", name="influence of every atom")).to_be_focused()


def test_python_may_touch_an_atom_too(host: Host) -> None:
    widget = ripple(ETHANOL, TRAINED)
    mounted = host(widget)
    widget.request = {"atom": 2, "T": 1}
    widget.kind = "energy"
    expect(atom(mounted.page, "O2")).to_have_attribute("aria-pressed", "true")
    expect(slider(mounted.page)).to_have_value("1")
    expect(kind(mounted.page, "energy")).to_be_checked()


# ----------------------------------------------------------------------------- rounds


def test_fewer_rounds_reach_less_far(host: Host) -> None:
    widget = ripple(OCTANOL, Potential(network(3, cutoff=3.0)), atom=8, kind="energy")
    mounted = host(widget)
    steps = np.array(widget.answer["hops"])
    for T in (2, 1, 0, 3):
        slider(mounted.page).fill(str(T))
        mounted.settle()
        looks = seen(mounted.page)
        heard = np.array([look["fill"] != EMPTY for look in looks.values()])
        assert np.array_equal(heard, (steps <= T) & (T > 0)), T
        assert [look["label"] for look, h in zip(looks.values(), heard, strict=True) if not h].count("0") == sum(~heard)
        expect(slider(mounted.page)).to_have_attribute("aria-valuetext", str(T))
        expect(mounted.page.locator(".status")).to_contain_text(f"With {T} round{'s' * (T != 1)} and a cutoff of 3 Å")


def test_the_slider_stays_where_it_was_moved_while_python_is_busy(host: Host) -> None:
    widget = ripple(ETHANOL, TRAINED)
    mounted = host(widget)
    shown: list[Any] = []

    def look(_: Any) -> None:  # before the page gets the answer
        shown.append([slider(mounted.page).input_value(), slider(mounted.page).get_attribute("aria-valuetext")])

    widget.observe(look, "answer")
    mounted.page.evaluate("""() => {
      const input = document.querySelector("input[type=range]");
      for (const T of [2, 1, 0]) {
        input.value = T;
        input.dispatchEvent(new Event("input"));
      }
    }""")
    mounted.settle()
    expect(slider(mounted.page)).to_have_value("0")
    assert widget.answer["T"] == 0 and shown and all(each == ["0", "0"] for each in shown)


def test_rounds_that_cannot_be_changed(host: Host) -> None:
    page = host(ripple(ETHANOL, Composition({1: -13.6, 6: -1030.0, 8: -2040.0}), kind="energy")).page
    expect(slider(page)).to_be_disabled()
    expect(page.get_by_text("Of this model, no other number of rounds can be looked at.")).to_be_visible()
    assert page.locator(".legend span").all_text_contents() == ["|∂E_i/∂R_j|, eV/Å:", "exactly 0"]
    expect(page.locator(".status")).to_contain_text("the energy of C0 depends on no atom's position")
    assert {(look["fill"], look["label"]) for look in seen(page).values()} == {(EMPTY, "0")}


def test_a_model_without_rounds_has_no_slider(host: Host) -> None:
    page = host(ripple(ETHANOL, Fragile(lambda E_i: E_i))).page
    expect(page.locator("input[type=range]")).to_have_count(0)
    expect(page.locator(".status")).to_contain_text(re.compile("^The energy of C0"))


# ----------------------------------------------------------------------------- the wave

# In every frame: which atoms have a colour, and which one is touched.
WATCH = """() => {
  const fill = (g) => g.querySelector(".disc").getAttribute("fill");
  window.frames_seen = [];
  const look = () => {
    const colored = [...document.querySelectorAll(".atom")].filter((g) => fill(g).startsWith("#"));
    const touched = document.querySelector("[aria-pressed=true]").dataset.atom;
    window.frames_seen.push([colored.map((g) => g.dataset.atom), touched]);
    if (window.frames_seen.length < 400) requestAnimationFrame(look);
  };
  look();
}"""


def frames(page: Page, widget: Ripple) -> list[tuple[int, str]]:
    """How many atoms had a colour, and which one was touched, without repetitions. No atom is ahead of a nearer one."""
    names, hops = widget.settings["names"], widget.answer["hops"]
    found: list[tuple[int, str]] = []
    for colored, touched in page.evaluate("frames_seen"):
        if touched == names[widget.answer["atom"]]:
            front = max(hops[names.index(name)] for name in colored)
            assert set(colored) == {name for name, h in zip(names, hops, strict=True) if h <= front}
        if not found or found[-1] != (len(colored), touched):
            found.append((len(colored), touched))
    return found


def test_the_wave_spreads_edge_by_edge_and_ends(host: Host) -> None:
    widget = ripple(OCTANOL, TRAINED, atom=0)
    mounted = host(widget)
    mounted.page.evaluate(WATCH)
    atom(mounted.page, "O8").click()
    mounted.settle()
    ends_of_wave(mounted.page, widget)
    mounted.settle()  # the watch has seen the last frame too
    first, *wave = frames(mounted.page, widget)
    assert first == (27, "C0")  # whole, until the answer is there
    within = [sum(h <= front for h in widget.answer["hops"]) for front in range(4)]
    assert [n for n, _ in wave] == [n for n in within if n in dict(wave)] and wave[-1] == (27, "O8")
    assert len(wave) >= 2 and {touched for _, touched in wave} == {"O8"}
    # and the same atom once more
    mounted.page.evaluate(WATCH)
    atom(mounted.page, "O8").click()
    mounted.page.wait_for_function("frames_seen.some(([names]) => names.join() === 'O8')")
    ends_of_wave(mounted.page, widget)


def test_no_wave_where_motion_is_not_wanted(host: Host) -> None:
    widget = ripple(OCTANOL, TRAINED, atom=0)
    mounted = host(widget, reduced_motion=True)
    mounted.page.evaluate(WATCH)
    atom(mounted.page, "O8").click()
    mounted.settle()
    mounted.page.wait_for_function("frames_seen.length > 60")
    assert frames(mounted.page, widget) == [(27, "C0"), (27, "O8")]


def test_a_change_of_rounds_makes_no_wave(host: Host) -> None:
    widget = ripple(OCTANOL, TRAINED, atom=8)
    mounted = host(widget)
    mounted.page.evaluate(WATCH)
    slider(mounted.page).fill("1")
    kind(mounted.page, "force").check()
    kind(mounted.page, "edges").check()
    mounted.settle()
    mounted.page.wait_for_function("frames_seen.length > 60")
    assert {touched for _, touched in frames(mounted.page, widget)} == {"O8"}
    assert 0 not in dict(frames(mounted.page, widget))
    assert frames(mounted.page, widget)[-1] == (27, "O8")


def test_a_view_that_is_removed_in_the_middle_of_a_wave(host: Host) -> None:
    widget = ripple(OCTANOL, TRAINED)
    mounted = host(widget)
    mounted.page.evaluate("""() => {
      window.asked = 0;
      window.frame = window.requestAnimationFrame;
      window.requestAnimationFrame = (callback) => { window.asked += 1; return frame(callback); };
    }""")
    atom(mounted.page, "O8").click()
    mounted.page.wait_for_function("asked > 3")
    assert mounted.remove() == []
    asked = mounted.page.evaluate("asked")
    mounted.page.evaluate("""async () => {
      for (let k = 0; k < 30; k++) await new Promise((done) => frame(done));
    }""")
    assert mounted.page.evaluate("asked") == asked


# ----------------------------------------------------------------------------- look around


def test_the_molecule_turns_and_nothing_else_changes(host: Host) -> None:
    widget = ripple(ETHANOL, TRAINED, kind="force")
    answers: list[Any] = []
    widget.observe(answers.append, ["request", "answer"])
    mounted = host(widget)
    page = mounted.page
    before = seen(page)

    def turned(act: Callable[[], None]) -> None:
        places = {name: look["transform"] for name, look in seen(page).items()}
        act()
        mounted.settle()
        after = seen(page)
        assert sum(after[name]["transform"] != place for name, place in places.items()) >= 8
        assert all(after[name][key] == before[name][key] for name in before for key in ("fill", "says", "touched"))

    def drag(name: str | None) -> None:
        box = (atom(page, name).locator(".disc") if name else page.locator(".stage svg")).bounding_box()
        assert box
        x, y = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2) if name else (box["x"] + 30, box["y"] + 60)
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 30, y + 20, steps=4)
        page.mouse.up()

    for label in ("turn left", "turn up", "larger"):
        turned(page.get_by_role("button", name=label).click)
    turned(lambda: drag(None))
    turned(lambda: drag("C1"))  # no atom moves here, so it may be the handle
    assert not answers


def test_the_canvas_follows_the_theme(host: Host) -> None:
    """Bonds and edges are pixels; a new theme does not recolour them by itself."""

    def canvas(page: Page) -> str:
        return page.evaluate("""() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
          () => done(document.querySelector("canvas").toDataURL()))))""")

    light, dark = (canvas(host(ripple(ETHANOL, TRAINED), theme=theme).page) for theme in ("light", "dark"))
    mounted = host(ripple(ETHANOL, TRAINED))
    assert canvas(mounted.page) == light != dark
    mounted.page.emulate_media(color_scheme="dark")
    assert canvas(mounted.page) == dark
    mounted.page.evaluate("document.body.dataset.jpThemeLight = 'true'")  # as JupyterLab says it
    assert canvas(mounted.page) == light
    assert mounted.remove() == []
    mounted.page.emulate_media(color_scheme="light")
    mounted.page.evaluate("document.body.dataset.jpThemeLight = 'false'")


def overlaps(page: Page) -> list[str]:
    """Labels that lie on another label, or on the disc of another atom by more than 2 pixels."""
    return page.evaluate("""() => {
      const boxes = [...document.querySelectorAll(".atom")].map((g) => ({ name: g.dataset.atom,
        label: g.querySelector(".value").textContent && g.querySelector(".value").getBoundingClientRect(),
        disc: g.querySelector(".disc").getBoundingClientRect() }));
      const hit = (a, b, slack) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > slack
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > slack;
      const inner = ({ left, right, top, bottom }) => {
        const cut = 0.15 * (right - left); // the square in the disc
        return { left: left + cut, right: right - cut, top: top + cut, bottom: bottom - cut };
      };
      // The box of a text is higher than its digits: 4 pixels above and below.
      return boxes.filter(({ label }) => label).flatMap((a) => boxes.filter((b) => a !== b).flatMap((b) => [
        b.label && a.name < b.name && hit(a.label, b.label, 4) ? `${a.name} and ${b.name}` : null,
        hit(a.label, inner(b.disc), 4) ? `${a.name} on the disc of ${b.name}` : null]).filter(Boolean));
    }""")


def test_a_large_molecule_in_a_narrow_page(host: Host) -> None:
    widget = ripple(alcohol(19)[:60], TRAINED, atom=10, kind="force")
    mounted = host(widget, width=640)
    page = mounted.page
    assert len(seen(page)) == 60
    assert overlaps(page) == []
    assert seen(page)["C10"]["label"] != ""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator(".index:visible")).to_have_count(1)  # of the touched atom
    for _ in range(6):
        page.get_by_role("button", name="larger").click()
    expect(page.locator(".index:visible")).to_have_count(60)
    atom(page, "C11").click()
    mounted.settle()
    ends_of_wave(page, widget)
    check_numbers(page, widget, TRAINED, 11)
    page.get_by_role("button", name="turn left").click()
    assert overlaps(page) == []


def test_all_labels_of_octanol_have_room(host: Host) -> None:
    for width, zoom in ((1100, 1), (640, 1), (1100, 2)):
        page = host(ripple(OCTANOL, TRAINED, atom=8, kind="force"), width=width, zoom=zoom).page
        assert all(look["label"] for look in seen(page).values())
        assert overlaps(page) == []


def test_one_atom(host: Host) -> None:
    widget = ripple(Atoms("O"), TRAINED, kind="force")
    mounted = host(widget)
    atom(mounted.page, "O0").click()
    kind(mounted.page, "edges").check()
    mounted.settle()
    ends_of_wave(mounted.page, widget)
    look = seen(mounted.page)["O0"]
    assert (look["fill"], look["label"], look["says"]) == (OKABE_ITO[0], "0", "O0, touched, 0 edges from O0")
    expect(mounted.page.locator(".status")).to_contain_text("the energy of O0 depends on no atom's position")


# ----------------------------------------------------------------------------- in words


def test_table_legend_and_live_region(host: Host) -> None:
    widget = ripple(OCTANOL, TRAINED, atom=8, T=1, kind="force")
    mounted = host(widget)
    page = mounted.page
    page.get_by_text("Numbers of all atoms").click()
    expect(page.get_by_role("table")).to_be_visible()
    expect(page.locator("caption")).to_have_text("i = O8")
    heads = ["atom j", "edges", "|∂E_i/∂R_j|, eV/Å", "|∂F_i/∂R_j|, eV/Å²"]
    assert page.locator("thead th").all_text_contents() == heads
    steps = [int(cells[0]) for cells in numbers(page).values()]
    assert steps == sorted(steps) and len(steps) == 27
    legend = page.locator(".legend span").all_text_contents()
    assert legend[0] == "|∂F_i/∂R_j|, eV/Å²:" and legend[-1] == "exactly 0"
    largest, *rest = (number(text) for text in legend[1:-1])
    assert largest == pytest.approx(max(widget.answer["force"]), rel=0.02)
    assert rest[0] == pytest.approx(largest / 10, rel=0.05)
    said = page.locator("[aria-live=polite]")
    expect(said).to_have_text(page.locator(".status").text_content() or "")
    atom(page, "C3").click()
    expect(said).to_contain_text("the energy of C3 depends on")
    expect(page.locator("caption")).to_have_text("i = C3")


def test_a_model_that_fails_and_is_mended(host: Host) -> None:
    model = Fragile(out_of_order)
    mounted = host(ripple(ETHANOL, model, kind="force"))
    page = mounted.page
    expect(page.get_by_role("alert")).to_have_text("RuntimeError: out of order")
    assert {look["fill"] for look in seen(page).values()} <= {*OKABE_ITO, EMPTY}
    assert page.locator(".legend span").first.text_content() == "edges on the way to C0:"
    assert {cells[1] for cells in numbers(page).values()} == {"–"}
    expect(page.locator("[aria-live=polite]")).to_have_text("RuntimeError: out of order")
    assert axe(page) == []
    model.answer = lambda E_i: E_i
    atom(page, "O2").click()
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator(".legend span").first).to_have_text("|∂F_i/∂R_j|, eV/Å²:")


def test_a_request_that_cannot_be_answered(host: Host) -> None:
    widget = ripple(ETHANOL, TRAINED)
    mounted = host(widget)
    for garbage in ("{ atom: 99, T: 3 }", '{ atom: "C0", T: 3 }', "{ atom: 0, T: -1 }", "{}"):
        mounted.page.evaluate(f"host.model.set('request', {garbage}); host.model.save_changes()")
        mounted.settle()
        expect(mounted.page.get_by_role("alert")).to_be_visible()
    mounted.page.evaluate("host.model.set('request', { atom: 1, T: 3 }); host.model.save_changes()")
    expect(mounted.page.get_by_role("alert")).to_be_hidden()
    mounted.settle()
    ends_of_wave(mounted.page, widget)
    check_numbers(mounted.page, widget, TRAINED, 1)


@pytest.mark.parametrize(("theme", "zoom"), [("light", 1), ("dark", 1), ("light", 2), ("dark", 2)])
def test_laws(host: Host, theme: str, zoom: float) -> None:
    page = host(ripple(OCTANOL, TRAINED, atom=8, T=1), theme=theme, zoom=zoom).page
    page.get_by_text("Numbers of all atoms").click()
    for what in ("hops", "energy", "force"):
        page.locator(f"input[value={what}]").check()
        assert axe(page) == []
        assert unsuppressed(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert min(contrasts(page)) >= 4.5


def contrasts(page: Page) -> list[float]:
    """The contrast of each letter with the disc under it; axe does not look into pictures."""
    pairs = page.locator(".atom").evaluate_all(
        """(atoms) => atoms.map((g) => [".letter", ".disc"].map((part) =>
          getComputedStyle(g.querySelector(part)).fill.match(/\\d+/g).map(Number)))"""
    )
    channels = np.array(pairs) / 255  # (n_atoms, letter and disc, 3)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    light = np.sort(linear @ [0.2126, 0.7152, 0.0722] + 0.05, axis=1)
    return (light[:, 1] / light[:, 0]).tolist()


# ----------------------------------------------------------------------------- pages


def test_two_views_of_one_ripple(host: Host) -> None:
    """Radio buttons with one name would be one group: the second view would take the dot of the first."""
    widget = ripple(ETHANOL, TRAINED)
    mounted = host(widget)
    mounted.page.evaluate("""async () => {
      const url = URL.createObjectURL(new Blob([host.model.get("_esm")], { type: "text/javascript" }));
      const { default: again } = await import(url);
      const second = document.querySelector("main").appendChild(document.createElement("div"));
      window.cleanup = again.render({ model: host.model, el: second });
    }""")
    views = mounted.page.locator(".ripple")
    expect(views).to_have_count(2)
    for k in (0, 1):
        expect(views.nth(k).get_by_role("radio", name="edges")).to_be_checked()
    views.nth(1).get_by_role("radio", name="force").check()
    atom(mounted.page, "O2").nth(1).click()
    for k in (0, 1):
        expect(views.nth(k).get_by_role("radio", name="force")).to_be_checked()
        expect(views.nth(k).locator("[data-atom=O2]")).to_have_attribute("aria-pressed", "true")
    mounted.page.evaluate("cleanup()")


def test_a_page_without_python(standalone: Callable[..., Page]) -> None:
    widget = ripple(ETHANOL, TRAINED, atom=2, kind="force")
    page = standalone(widget, theme="dark")
    expect(page.get_by_text("This page is a recording")).to_be_visible()
    expect(slider(page)).to_be_disabled()
    check_numbers(page, widget, TRAINED, 2)
    for i, name in enumerate(widget.settings["names"]):
        atom(page, name).press("Enter")
        if i != 2:  # the touched one; Enter there changes nothing
            expect(atom(page, name)).to_have_attribute("aria-pressed", "true")
        widget.request = {"atom": i, "T": 3}
        ends_of_wave(page, widget)
        check_numbers(page, widget, TRAINED, i)
    kind(page, "edges").check()
    assert page.locator(".legend span").first.text_content() == "edges on the way to H8:"
    assert axe(page, "html") == []


def test_in_jupyterlab(notebook: Callable[..., Notebook]) -> None:
    opened = notebook([
        "from tests.browser.test_ripple import OCTANOL, TRAINED\nfrom course.widgets import ripple",
        "widget = ripple(OCTANOL, TRAINED, atom=8, kind='force')\nwidget",
    ])  # fmt: skip
    view, page = opened.output(1), opened.page
    view.locator("[data-atom=C3]").click()
    opened.wait_for("widget.answer['atom'] == 3")
    expect(view.locator(".status")).to_contain_text("the energy of C3 depends on 27 of 27 atoms")
    for key in ("d", "d", "a", "ArrowRight", "Enter"):  # the first three would delete a cell, and insert one
        page.keyboard.press(key)
    opened.wait_for("widget.answer['atom'] != 3")
    view.get_by_role("slider", name="rounds T").press("ArrowLeft")
    opened.wait_for("widget.answer['T'] == 2")
    view.get_by_role("radio", name="force").press("ArrowLeft")
    opened.wait_for("widget.kind == 'energy'")
    assert opened.n_cells == 2
    i, energy = opened.value("[widget.answer['atom'], widget.answer['energy']]")
    potential = Potential(truncated(TRAINED, 2), TRAINED.baseline, TRAINED.scale)
    np.testing.assert_allclose(energy, influence(potential, potential.graph(OCTANOL), i).energy, rtol=1e-3, atol=1e-8)
    view.get_by_text("Numbers of all atoms").click()
    rows = view.locator("tbody tr").all_text_contents()
    assert len(rows) == 27 and any(f"{max(energy):.6f}" in row for row in rows)
    assert axe(page) == [] and unsuppressed(page) == []


def truncated(potential: Potential, T: int) -> MPNN:
    """A new network of T rounds with the weights of another."""
    model = potential.model
    assert isinstance(model, MPNN) and model.settings
    short = MPNN(**{**model.settings, "T": T})
    weights = model.state_dict()
    short.load_state_dict({name: weights[name] for name in short.state_dict()})
    return short

"""The lab in a browser: mouse, keyboard and Python ask the same function, and its panels change in place."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from playwright.sync_api import Locator, Page, expect

from course.widgets.lab import Bars, Choice, Curves, Geometry, Lab, Moving, Panel, Slider, Switch, Table, Words
from tests.browser.laws import axe, unsuppressed
from tests.browser.mini_host import Mounted

Host = Callable[..., Mounted]

WATER, ETHANOL = molecule("H2O"), molecule("CH3CH2OH")
R = np.linspace(0.5, 6.0, 12)


def picture(distance: float, sharp: bool, who: str, water: Atoms) -> list[Panel]:
    """One panel of each kind. It fails beyond 5 Angstrom."""
    if distance > 5:
        raise ValueError("the atom is gone")
    bond = float(water.get_distance(0, 1))
    energy = np.where(distance >= R, 14.4 / R, np.nan)
    other = {"water": WATER, "ethanol": ETHANOL}[who]
    return [
        Words(f"The atom is at {distance:.2f} Å."),
        Geometry("moved", water, values=[0.0, bond, distance], unit="eV", moves="water", sphere=(0, distance)),
        Geometry("other", other, forces=np.ones((len(other), 3)), marked=[0], note="a note"),
        Curves("energy", R, {"E": energy, "minus E": -energy}, "r, Å", "E, eV", at=distance),
        Bars("bars", {"E": [1, 2, distance], "other": [1, -1, 1]}, "slot", "Z/r", names=["a", "b", "c"]),
        Table("table", ["sees", "O-H"], {"G2": [distance > 2, bond], "G4": [not sharp, "many"]}),
    ]


def lab() -> Lab:
    return Lab(
        picture,
        title="A lab",
        distance=Slider(2.5, 0.5, 6.0, 0.5, unit="Å", label="distance"),
        sharp=Switch(True),
        who=Choice("water", ["water", "ethanol"]),
        water=Moving(WATER),
    )


def slider(page: Page) -> Locator:
    return page.get_by_role("slider", name="distance")


def atom(page: Page, name: str, panel: str = "moved") -> Locator:
    return page.get_by_role("group", name=panel).locator(f"[data-atom={name}]")


def center(place: Locator) -> tuple[float, float]:
    box = place.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(mounted: Mounted, place: Locator, dx: float, dy: float, n_steps: int = 6) -> None:
    x, y = center(place)
    mounted.page.mouse.move(x, y)
    mounted.page.mouse.down()
    for k in range(n_steps):
        mounted.page.mouse.move(x + dx * (k + 1) / n_steps, y + dy * (k + 1) / n_steps)
    mounted.page.mouse.up()
    mounted.settle()


def shown(page: Page) -> dict[str, Any]:
    """What stands on the page: words, the value at the marker, colours, bars, rows."""
    return page.evaluate(
        """() => {
          const texts = (selector) => [...document.querySelectorAll(selector)].map((each) => each.textContent);
          return {
            words: texts(".words")[0], output: texts("output")[0],
            legend: texts(".chart .swatch"), rows: texts("tbody tr"), colors: texts(".colors:not([hidden]) span"),
            sphere: Number(document.querySelector(".sphere").getAttribute("r")),
            fills: [...document.querySelectorAll("[aria-label=moved] .disc")].map((disc) => disc.getAttribute("fill")),
            curve: document.querySelector(".curve").getAttribute("d"),
          };
        }"""
    )


def test_every_panel_shows_what_picture_says(host: Host) -> None:
    mounted = host(lab())
    seen = shown(mounted.page)
    assert (seen["words"], seen["output"]) == ("The atom is at 2.50 Å.", "2.5 Å")
    assert seen["legend"] == ["E: 5.76", "minus E: −5.76", "E", "other"]
    assert seen["rows"] == ["G2True0.9686", "G4Falsemany"]
    assert seen["colors"] == ["0", "", "2.5 eV"]
    colors = mounted.widget.settings["colors"]
    assert sorted(seen["fills"]) == sorted([colors[0], colors[24], colors[63]])  # 0.97 of 2.5
    assert seen["curve"].count("L") == 4 and seen["curve"].count("M") == 1  # 0.5 to 2.5 Å, then a gap
    expect(atom(mounted.page, "H1")).to_have_attribute("aria-label", "H1, hydrogen, 0.9686 eV")
    expect(atom(mounted.page, "O0", "other")).to_have_attribute(
        "aria-label", "O0, oxygen, force 1.732 electronvolt per angstrom, marked"
    )
    label = mounted.page.get_by_role("img", name="energy").get_attribute("aria-label")
    assert label == "energy: E, eV over r, Å. At 2.5: E: 5.76, minus E: −5.76"


def test_the_keyboard_moves_a_slider_and_nothing_is_built_anew(host: Host) -> None:
    mounted = host(lab())
    page = mounted.page
    page.evaluate("window.before = [...document.querySelectorAll('.lab, .lab *')]")
    slider(page).focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    mounted.settle()
    seen = shown(page)
    assert (mounted.widget.state["distance"], seen["words"]) == (4.0, "The atom is at 4.00 Å.")
    assert (seen["output"], seen["legend"][0], seen["colors"][2]) == ("4.0 Å", "E: 3.6", "4 eV")
    expect(slider(page)).to_be_focused()
    lost = page.evaluate("before.filter((e) => !e.isConnected).map((e) => e.outerHTML)")
    assert all(each.startswith(("<path d=", "<text x=")) for each in lost), lost  # ticks that are gone
    page.get_by_role("checkbox", name="sharp").uncheck()
    page.get_by_role("combobox", name="who").select_option("ethanol")
    mounted.settle()
    assert shown(page)["rows"][1] == "G4Truemany"
    expect(page.get_by_role("group", name="other").locator(".atom")).to_have_count(9)
    page.get_by_role("button", name="Reset").click()
    mounted.settle()
    assert mounted.widget.state == mounted.widget.settings["first"]
    assert shown(page)["output"] == "2.5 Å"


def test_a_dragged_slider_ends_where_the_pointer_let_go(host: Host) -> None:
    mounted = host(lab())
    box = slider(mounted.page).bounding_box()
    assert box is not None
    mounted.page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    mounted.page.mouse.down()
    for k in range(40):
        mounted.page.mouse.move(box["x"] + 5 + 2.5 * k, box["y"] + box["height"] / 2)
    mounted.page.mouse.up()
    mounted.settle()
    distance = mounted.widget.state["distance"]
    assert float(slider(mounted.page).input_value()) == distance > 3
    assert shown(mounted.page)["words"] == f"The atom is at {distance:.2f} Å."


def test_while_a_pointer_is_down_python_is_asked_now_and_then_and_for_the_last_place(host: Host) -> None:
    mounted = host(lab())
    asked = slider(mounted.page).evaluate(
        """(slider) => new Promise((done) => {
          const asked = [], set = host.model.set.bind(host.model);
          host.model.set = (name, value) => { asked.push(value.distance); set(name, value); };
          slider.dispatchEvent(new PointerEvent("pointerdown", { bubbles: true }));
          for (const value of [3, 3.5, 4, 4.5, 5]) {
            slider.value = value;
            slider.dispatchEvent(new Event("input"));
          }
          const wait = () => (asked.at(-1) === 5 ? done(asked) : requestAnimationFrame(wait));
          wait();
        })"""
    )
    mounted.settle()
    assert asked == [3, 5] and mounted.widget.state["distance"] == 5.0
    assert shown(mounted.page)["words"] == "The atom is at 5.00 Å."


def test_an_atom_is_dragged_and_moved_with_keys(host: Host) -> None:
    mounted = host(lab())
    page = mounted.page
    x, y = center(atom(page, "H1").locator(".disc"))
    drag(mounted, atom(page, "H1").locator(".disc"), -30, 25)
    assert center(atom(page, "H1").locator(".disc")) == pytest.approx((x - 30, y + 25), abs=1)
    positions = np.array(mounted.widget.state["water"])
    assert np.allclose(positions[[0, 2]], WATER.positions[[0, 2]]) and not np.allclose(positions[1], WATER.positions[1])
    bond = np.linalg.norm(positions[1] - positions[0])
    assert shown(page)["rows"][0] == f"G2True{bond:.4g}"
    expect(atom(page, "H1")).to_be_focused()
    page.keyboard.press("Shift+ArrowDown")
    mounted.settle()
    assert np.linalg.norm(np.array(mounted.widget.state["water"]) - positions) == pytest.approx(0.05)
    before = mounted.widget.state
    drag(mounted, atom(page, "H1", "other").locator(".disc"), 30, 0)  # nobody moves there: the molecule turns
    assert mounted.widget.state == before


def test_the_picture_gets_smaller_for_a_sphere_and_stays_so(host: Host) -> None:
    mounted = host(lab())
    page = mounted.page
    stage = page.locator(".stage").first.bounding_box()
    assert stage is not None
    scale = 0.0
    for distance in (5.0, 1.0):
        mounted.widget.state = {**mounted.widget.state, "distance": distance}
        mounted.settle()
        r = shown(page)["sphere"]
        expect(slider(page)).to_have_value(f"{distance:g}")
        scale = scale or r / distance
        assert r == pytest.approx(scale * distance) and 2 * r < min(stage["width"], stage["height"])


def test_what_picture_raises_is_said_and_the_panels_stay(host: Host) -> None:
    mounted = host(lab())
    page = mounted.page
    expect(page.get_by_role("alert")).to_have_count(0)
    slider(page).focus()
    page.keyboard.press("End")
    mounted.settle()
    expect(page.get_by_role("alert")).to_have_text("ValueError: the atom is gone")
    assert (shown(page)["words"], shown(page)["output"]) == ("The atom is at 2.50 Å.", "6.0 Å")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    mounted.settle()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert shown(page)["words"] == "The atom is at 5.00 Å."


def test_nothing_to_show_yet(host: Host) -> None:
    def unwritten(x: float) -> list[Panel]:
        raise NotImplementedError("force is not written yet")

    widget = Lab(unwritten, x=Slider(0.0, 0.0, 1.0, 0.1))
    mounted = host(widget)
    expect(mounted.page.get_by_role("alert")).to_have_text("NotImplementedError: force is not written yet")
    widget.function = lambda x: [Words("now it is")]
    slider = mounted.page.get_by_role("slider")
    slider.focus()
    mounted.page.keyboard.press("ArrowRight")
    mounted.settle()
    expect(mounted.page.locator(".words")).to_have_text("now it is")


@pytest.mark.parametrize("page_options", [{}, {"theme": "dark", "zoom": 2, "reduced_motion": True}])
def test_laws(host: Host, page_options: dict[str, Any]) -> None:
    mounted = host(lab(), **page_options)
    assert axe(mounted.page) == []
    assert unsuppressed(mounted.page) == []
    assert mounted.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert mounted.remove() == []


def test_a_page_without_python(standalone: Callable[..., Page]) -> None:
    page = standalone(lab())
    expect(page.get_by_text('This page is a recording: only "distance" can be changed.')).to_be_visible()
    expect(page.get_by_role("checkbox", name="sharp")).to_be_disabled()
    expect(page.get_by_role("combobox", name="who")).to_be_disabled()
    expect(page.get_by_role("button", name="Reset")).to_have_count(0)
    slider(page).focus()
    for distance in ("3.0", "3.5"):
        page.keyboard.press("ArrowRight")
        expect(page.locator(".words")).to_have_text(f"The atom is at {float(distance):.2f} Å.")
        assert shown(page)["output"] == f"{distance} Å"
    page.keyboard.press("End")
    expect(page.get_by_role("alert")).to_have_text("ValueError: the atom is gone")
    assert axe(page) == []

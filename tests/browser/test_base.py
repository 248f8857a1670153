"""What all widgets share, seen with the smallest one: alone, as a stand-alone page, in JupyterLab, in Notebook 7."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from course.widgets import base
from course.widgets.base import CourseWidget
from tests.browser.counter import Counter
from tests.browser.jupyter import Notebook
from tests.browser.laws import axe, unsuppressed
from tests.browser.mini_host import Mounted
from tests.browser.node import run_node

Host = Callable[..., Mounted]
Standalone = Callable[..., Page]
OpenNotebook = Callable[..., Notebook]

HOSTILE = "</script><script>throw new Error('broken out')</script><!-- {{style}} \u2028 ]]>"


def test_text_then_picture_then_widget() -> None:
    data, metadata = Counter(count=2)._repr_mimebundle_()
    assert list(data) == ["text/plain", "image/png", "application/vnd.jupyter.widget-view+json"]
    assert data["text/plain"] == metadata["image/png"]["alt"] == "Clicked 2 times."


def test_the_same_state_is_the_same_picture() -> None:
    first, second, other = (Counter(count=count)._repr_mimebundle_()[0]["image/png"] for count in (2, 2, 3))
    assert first == second != other
    assert b"Clicked 2 times." in first  # in the file too, for those who cannot see it


def test_a_widget_must_say_and_draw_what_it_shows() -> None:
    class Mute(CourseWidget):
        _esm = "export default { render() {} };"

    for silent in (Mute().in_words, Mute().picture):
        with pytest.raises(NotImplementedError):
            silent()


def test_the_style_sheet_asks_for_nothing() -> None:
    assert not re.search(r"@import|@font-face|url\(", base.style())


def test_several_modules_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "logic.mjs").write_text("export function twice(x) { return 2 * x; }\nexport const three = 3;\n")
    (tmp_path / "view.mjs").write_text(
        'import { twice, three } from "./logic.mjs";\n'
        "const widget = { render: () => twice(three) };\nexport default widget;\n"
    )
    monkeypatch.setattr(base, "files", lambda package: tmp_path)
    joined = tmp_path / "joined.mjs"
    joined.write_text(base.module("logic.mjs", "view.mjs"))
    assert run_node("--input-type=module", "-e", f'import w from "{joined}"; console.log(w.render())') == "6\n"


def test_of_a_module_nothing_but_imports_of_neighbours_and_exports_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        'import { a } from "./a.mjs";\n'
        "export class Stage {}\nexport async function load() {}\n"
        'const words = "export import from";\n  const inner = 1; // export this\n'
        "export default widget;\n"
    )
    (tmp_path / "view.mjs").write_text(text)
    monkeypatch.setattr(base, "files", lambda package: tmp_path)
    assert base.module("view.mjs") == (
        "class Stage {}\nasync function load() {}\n"
        'const words = "export import from";\n  const inner = 1; // export this\n'
        "export default widget;\n"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_laws_in_the_mini_host(host: Host, theme: str) -> None:
    mounted = host(Counter(), theme=theme)
    assert axe(mounted.page) == []
    assert unsuppressed(mounted.page) == []


def test_unsuppressed_finds_what_lets_keys_through(new_page: Callable[..., Page]) -> None:
    page = new_page()
    page.set_content("""<div class="course-widget">
      <button data-lm-suppress-shortcuts="true">safe</button> <button id="b">b</button> <input type="hidden">
      <svg><g id="g" tabindex="-1"></g></svg>
      <div id="s" style="height: 2em; overflow: auto">long<br>long<br>long</div>
    </div> <button>not ours</button>""")
    assert [text.split('id="')[1][0] for text in unsuppressed(page)] == ["b", "g", "s"]


def test_axe_finds_a_button_without_a_name(new_page: Callable[..., Page]) -> None:
    page = new_page()
    page.set_content('<div class="course-widget"><button></button></div>')
    (found,) = axe(page)
    assert found.startswith("button-name")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_stand_alone_page(standalone: Standalone, theme: str) -> None:
    widget = Counter(count=3)
    page = standalone(widget, theme=theme)
    expect(page.get_by_text("A label. Twice is 6, the sum 6.")).to_be_visible()
    page.get_by_role("button").click()
    expect(page.get_by_role("button")).to_have_text("Clicked 4 times")
    assert axe(page, "html") == []
    assert widget.live


def test_no_text_breaks_the_stand_alone_page(standalone: Standalone) -> None:
    page = standalone(Counter(label=HOSTILE))
    expect(page.get_by_text("broken out")).to_be_visible()
    assert HOSTILE in (page.locator("p").text_content() or "")


def test_a_number_that_json_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        Counter(numbers={"values": float("nan")}).to_html(tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_a_page_that_fails_leaves_the_page_before_it_and_a_live_widget(tmp_path: Path) -> None:
    page, widget = tmp_path / "page.html", Counter()
    widget.to_html(str(page))
    before = page.read_text()
    widget.numbers = {"values": float("nan")}
    with pytest.raises(ValueError):
        widget.to_html(page)
    assert (page.read_text(), widget.live) == (before, True)
    widget.numbers = {"values": b""}
    widget.count = 1
    widget.to_html(page)
    assert page.read_text() != before


class Listening(Counter):
    """A view that uses all that a model in a notebook can do. It writes down what it hears."""

    _esm = """
    function render({ model, el }) {
      const heard = [];
      const first = () => heard.push("first"), second = () => heard.push("second");
      for (const listener of [first, second]) model.on("change:count", listener);
      model.set("count", 1);
      model.off("change:count", first);
      model.set("count", 2);
      model.save_changes();
      model.send({ word: "hello" });
      el.textContent = `${model.get("live") ? "live" : "recorded"}, ${model.get("count")}, ${heard.join(" ")}`;
    }
    const widget = { render };
    export default widget;
    """


def test_the_model_of_a_page_without_python_is_that_of_a_notebook(standalone: Standalone, host: Host) -> None:
    for page, life in ((standalone(Listening()), "recorded"), (host(Listening()).page, "live")):
        expect(page.get_by_text(f"{life}, 2, first second second")).to_be_visible()


def check_in_jupyter(opened: Notebook) -> None:
    """The widget is drawn, talks with its kernel, is accessible, and keeps its keys."""
    (output,) = opened.saved_outputs(1)
    assert set(output["data"]) == {"text/plain", "image/png", "application/vnd.jupyter.widget-view+json"}
    assert base64.b64decode(output["data"]["image/png"]).startswith(b"\x89PNG")
    assert output["metadata"]["image/png"]["alt"] == "Clicked 0 times."
    button = opened.output(1).get_by_role("button")
    expect(button).to_have_text("Clicked 0 times")
    button.click()
    expect(opened.output(1)).to_contain_text("Twice is 2, the sum 1.")
    assert opened.value("widget.count") == 1
    opened.page.keyboard.press("d")
    opened.page.keyboard.press("d")
    opened.page.keyboard.press("Enter")
    opened.wait_for("widget.count == 2")
    assert opened.n_cells == 2
    assert axe(opened.page) == []
    assert unsuppressed(opened.page) == []


CELLS = ["from tests.browser.counter import Counter\nwidget = Counter()", "widget"]


def test_in_jupyterlab(notebook: OpenNotebook) -> None:
    opened = notebook(CELLS)
    check_in_jupyter(opened)
    with pytest.raises(AssertionError, match="widget.count == 9 has not become True"):
        opened.wait_for("widget.count == 9", seconds=0.2)


def test_in_notebook_7(notebook: OpenNotebook) -> None:
    check_in_jupyter(notebook(CELLS, app="notebook"))

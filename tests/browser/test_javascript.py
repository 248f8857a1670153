"""The JavaScript of the widgets: each tests/**/*.test.mjs with node's own test runner, and what all modules keep to."""

import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

from course import widgets
from course.widgets.base import CourseWidget
from tests.browser.node import run_node

TESTS = Path(__file__).parent.parent


def run_tests(file: Path) -> None:
    report = run_node("--test", "--test-reporter=tap", str(file))
    (passed,) = re.findall(r"^# pass (\d+)$", report, flags=re.MULTILINE)
    assert int(passed) > 0, f"{file} holds no test."


@pytest.mark.parametrize("file", sorted(TESTS.rglob("*.test.mjs")), ids=lambda file: file.name)
def test_node(file: Path) -> None:
    run_tests(file)


def test_a_red_test_of_node_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "a.test.mjs"
    file.write_text('import test from "node:test";\ntest("laws", () => { throw new Error("one is two"); });\n')
    with pytest.raises(AssertionError, match="one is two"):
        run_tests(file)


def course_widgets() -> list[type[CourseWidget]]:
    modules = [import_module(f"course.widgets.{each.name}") for each in pkgutil.iter_modules(widgets.__path__)]
    kinds = [kind for module in modules for kind in vars(module).values() if isinstance(kind, type)]
    return sorted({kind for kind in kinds if issubclass(kind, CourseWidget) and hasattr(kind, "_esm")}, key=str)


@pytest.mark.parametrize("kind", course_widgets(), ids=lambda kind: kind.__name__)
def test_a_module_stands_alone_and_exports_one_widget(kind: type[CourseWidget], tmp_path: Path) -> None:
    code = str(kind._esm)
    assert not re.search(r"^\s*import\b|\bimport\(|https?://(?!www\.w3\.org/)", code, flags=re.MULTILINE)
    assert re.findall(r"^export .*", code, flags=re.MULTILINE) == ["export default widget;"]
    file = tmp_path / "widget.mjs"
    file.write_text(code, encoding="utf-8")
    asked = f'import widget from "{file}"; console.log(typeof widget.render)'
    assert run_node("--input-type=module", "-e", asked) == "function\n"

"""The benchmark of the widgets in small. Bounds are loose here; `make bench` measures."""

from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler
from playwright.sync_api import expect
from traitlets.config import PyFileConfigLoader

from benchmarks.widgets import (
    ASPIRIN,
    FUNCTIONS,
    IMPORTS,
    Subject,
    drag,
    measure_cutoff,
    measure_display,
    measure_drag,
    measure_steps,
)
from tests.browser.jupyter import ROOT, Notebook

START = """code => {
  window.block = jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({ code });
}"""


def test_speed(notebook: Callable[..., Notebook], tmp_path: Path) -> None:
    aspirin = Subject(notebook([ASPIRIN + IMPORTS, FUNCTIONS]), ".explorer .atom")
    the_picture_follows_while_python_is_busy(aspirin, tmp_path)
    nobody_waits_for_long(aspirin)


def the_picture_follows_while_python_is_busy(aspirin: Subject, tmp_path: Path) -> None:
    """And of all positions that the atom passed, Python computes the first and the last."""
    page, go = aspirin.page, tmp_path / "go"
    code = f"import pathlib, time\nwhile not pathlib.Path({str(go)!r}).exists():\n    time.sleep(0.01)"
    page.evaluate(START, code)
    aspirin.start("() => document.querySelector('.explorer [data-atom=H13]').getAttribute('transform')")
    aspirin.listen("request", "snapshot", "({ revision }) => revision")
    drag(page, "H13", 0.7)
    page.keyboard.press("Shift+ArrowLeft")  # the drag ended where it began
    expect(page.locator(".explorer .step-name")).to_have_text("round 1 of 3: message")
    page.keyboard.press("]")
    expect(page.locator(".explorer .step-name")).to_have_text("round 1 of 3: accumulate")
    expect(page.locator(".explorer .status")).to_contain_text("Python is computing.")
    go.touch()
    aspirin.settle()
    notes = aspirin.stop()
    asked, answered = list(notes.asked()), [revision for _, revision in notes.of("answered")]
    assert len(asked) > 5 and len(notes.changed_frames()) > 5, (asked, notes.changed_frames())
    assert answered == [asked[0], asked[-1]]
    moved = page.evaluate("model.get('request').molecules[0].positions[13]")
    assert aspirin.notebook.value("widget.request['molecules'][0]['positions'][13]") == moved
    energy = aspirin.notebook.value("f'{widget.snapshots[0].energy:.3f}'")
    expect(page.locator(".explorer .status")).to_contain_text(f"E = {energy.replace('-', '−')} eV")


def nobody_waits_for_long(aspirin: Subject) -> None:
    moved = measure_drag(aspirin, "H13", 1.0)
    assert moved.frames_a_second > 3
    assert np.median(moved.waits) < 2000 and np.isfinite(moved.waits).all()
    assert moved.n_answered <= moved.n_asked <= moved.n_positions
    edges, numbers = measure_cutoff(aspirin, 3)
    assert len(edges) == len(numbers) == 3 and max(edges) < 2000 and max(numbers) < 5000
    steps = measure_steps(aspirin, 4).from_key_to("step")
    assert len(steps) == 4 and max(steps) < 2000
    assert 0 < measure_display(aspirin.notebook, FUNCTIONS, ".explorer .atom") < 20_000


def test_small_answers_are_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make lab` turns off TCP's waiting, on every wire to a kernel."""
    config = PyFileConfigLoader("jupyter_server_config.py", str(ROOT / "tools" / "jupyter")).load_config()
    monkeypatch.setattr(ZMQChannelsWebsocketConnection, "connect", lambda connection: "connected")
    page = Mock(spec=KernelWebsocketHandler)
    assert config.ServerApp.kernel_websocket_connection_class(websocket_handler=page).connect() == "connected"
    page.set_nodelay.assert_called_once_with(True)

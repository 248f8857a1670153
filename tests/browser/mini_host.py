"""A page that shows one widget without Jupyter: its real ES module, its real Python object, and a wire between them.

What goes over the wire is what ipywidgets itself sends (its comm is replaced), so binary traits, custom messages and
the order of things are those of a notebook. A round trip takes milliseconds, and an error in Python fails the test.
"""

import base64
import json
import logging
from pathlib import Path
from typing import Any

from comm.base_comm import BaseComm
from ipywidgets import Widget
from playwright.sync_api import Locator, Page

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>A widget</title><style>:root { color-scheme: light dark; }</style></head>
<body><main></main></body>
</html>"""
SCRIPT = Path(__file__).with_name("mini_host.mjs")


class Mounted:
    """A widget on a page. Everything that a test does with the page goes through Playwright."""

    def __init__(self, page: Page, widget: Widget) -> None:
        self.page = page
        self.widget = widget
        self.wire = Wire(page, widget)
        page.expose_function("toPython", self.wire.receive)
        page.set_content(PAGE)
        page.add_script_tag(content=SCRIPT.read_text(encoding="utf-8"), type="module")
        page.wait_for_function("window.host !== undefined")
        page.evaluate("message => host.open(message)", self.wire.opening())

    @property
    def root(self) -> Locator:
        """The element that the widget was given to draw in."""
        return self.page.locator("main")

    def settle(self) -> None:
        """Wait until all that the page sent has been answered, and two frames have been drawn since."""
        self.page.wait_for_function("host.waiting === 0")
        self.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.wire.complain()

    def remove(self) -> list[str]:
        """End the view as a notebook does when the cell is run again; returns the listeners that were left behind."""
        return self.page.evaluate("host.remove()")


class Wire(BaseComm):
    """The comm of a widget whose front end is a page."""

    def __init__(self, page: Page, widget: Widget) -> None:
        self.page = page
        self.widget = widget
        self.errors: list[BaseException] = []
        self.outbox: list[str] = []
        self.busy = False
        self.is_open = False
        widget.log = logging.Logger("widget")  # ipywidgets writes the errors of observers here, and goes on
        widget.log.addHandler(self.Log(self.errors))
        super().__init__(comm_id=widget.model_id, primary=False)
        widget.comm = self

    class Log(logging.Handler):
        def __init__(self, errors: list[BaseException]) -> None:
            super().__init__()
            self.errors = errors

        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            self.errors.append(error or RuntimeError(record.getMessage()))

    def opening(self) -> str:
        """All traits, as the message that a front end gets first."""
        self.is_open = True
        self.busy = True
        self.widget.send_state()
        self.busy = False
        (message,) = self.outbox
        self.outbox.clear()
        return message

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        """Python to page; ipywidgets calls this when a trait changes."""
        if msg_type != "comm_msg" or data["method"] == "echo_update" or not self.is_open:
            return
        texts = [base64.b64encode(buffer).decode() for buffer in buffers or []]
        # A notebook cannot carry NaN in JSON either: it belongs into bytes, or into words.
        self.outbox.append(json.dumps({**data, "buffers": texts}, allow_nan=False))
        if not self.busy:
            self.flush()

    def flush(self) -> None:
        self.busy = True
        messages, self.outbox = self.outbox, []
        self.page.evaluate("messages => messages.forEach((message) => host.receive(message))", messages)
        self.busy = False

    def receive(self, text: str) -> list[str] | None:
        """Page to Python. Answers with what Python sends meanwhile; with None if Python is busy: the page asks again.

        Python has one thread, and a message must not break into what it does. Without this, one could, wherever a
        trait that changes is told to the page.
        """
        if self.busy:
            return None
        data = json.loads(text)
        buffers = [memoryview(base64.b64decode(buffer)) for buffer in data.pop("buffers")]
        self.busy = True
        self.widget._handle_msg({"content": {"data": data}, "buffers": buffers})
        self.busy = False
        messages, self.outbox = self.outbox, []
        return messages

    def complain(self) -> None:
        """Raise the first error that Python met while it answered the page."""
        if self.errors:
            errors, self.errors[:] = self.errors[:], []
            raise errors[0]

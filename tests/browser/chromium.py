"""Debian's Chromium without a window, and pages that report what they should not do."""

import re
import shutil
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Playwright, Request, WebSocket

ARGUMENTS = [
    "--no-sandbox",  # in a container there is often only root
    "--disable-gpu",  # WebGL is drawn by software then, which is faster than a GPU that is emulated
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # What is not loopback goes to a port where nobody listens: cut off, also what a page hides in a web socket.
    "--proxy-server=http://127.0.0.1:9",
]

# Errors of others, seen with no widget on the page.
KNOWN_ERRORS = [
    "Cannot read properties of undefined (reading 'schema')",  # Notebook 7.6
]


def launch(playwright: Playwright) -> Browser:
    """Chromium, or a failed test that says how to get it."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("The browser tests need Chromium. On Debian and Ubuntu:  apt-get install chromium", pytrace=False)
    return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


class Watch(NamedTuple):
    """What the pages of one test did that they should not have done."""

    requests: list[str]  # addresses that are not on this machine
    errors: list[str]  # exceptions nobody caught, and what was written to the console as an error

    def attach(self, page: Page) -> None:
        def on_request(request: Request | WebSocket) -> None:
            if not is_local(request.url):
                self.requests.append(request.url)

        def on_error(text: str) -> None:
            if not any(known in text for known in KNOWN_ERRORS):
                self.errors.append(text)

        def on_console(message: ConsoleMessage) -> None:
            if message.type == "error":
                on_error(f"console: {message.text} ({message.location['url']})")

        page.on("request", on_request)
        page.on("websocket", on_request)
        page.on("console", on_console)
        page.on("pageerror", lambda error: on_error(f"page: {error.stack or error.message}"))
        page.on("popup", lambda popup: self.attach(popup))

    def complain(self) -> None:
        assert not self.requests, f"A page asked for what is not on this machine: {self.requests}"
        assert not self.errors, "Errors in the browser:\n" + "\n".join(self.errors)


def is_local(url: str) -> bool:
    """True if nobody but this machine is asked for the address."""
    parts = urlsplit(url)
    if parts.scheme in ("data", "blob", "about", "file"):
        return True
    return parts.hostname == "localhost" or bool(re.fullmatch(r"127(\.\d+){3}|::1", parts.hostname or ""))

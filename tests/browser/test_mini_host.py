"""The mini-host is a front end as ipywidgets knows it, and hides no error."""

from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import Watch
from tests.browser.counter import Counter
from tests.browser.mini_host import Mounted

Host = Callable[..., Mounted]


def test_a_click_reaches_python_and_the_answer_the_page(host: Host) -> None:
    widget = Counter()
    mounted = host(widget)
    mounted.page.get_by_role("button").click(click_count=3)
    expect(mounted.root).to_contain_text("Twice is 6, the sum 6.")
    assert widget.count == 3
    mounted.settle()
    assert mounted.remove() == []


def test_python_reaches_the_page(host: Host) -> None:
    widget = Counter(label="Before.")
    mounted = host(widget)
    expect(mounted.root).to_contain_text("Before.")
    widget.label = "After."
    widget.numbers = {"values": np.array([0.5, 0.25], dtype=np.float32).tobytes()}
    expect(mounted.root).to_contain_text("After. Twice is 0, the sum 0.75.")


def test_an_error_in_python_fails_the_test(host: Host) -> None:
    mounted = host(Counter(count=9))
    mounted.page.get_by_role("button").click()
    with pytest.raises(ValueError, match="to 9, not to 10"):
        mounted.settle()


def test_what_json_cannot_carry_is_refused(host: Host) -> None:
    widget = Counter()
    host(widget)
    with pytest.raises(ValueError, match="not JSON compliant"):
        widget.numbers = {"values": float("nan")}


def test_an_error_in_the_page_fails_the_test(new_page: Callable[..., Page], watch: Watch) -> None:
    page = new_page()
    page.set_content("<script>setTimeout(() => { throw new Error('thrown') }); console.error('written')</script>")
    page.wait_for_timeout(100)
    assert len(watch.errors) == 2
    watch.errors.clear()


def test_what_is_not_on_this_machine_is_cut_off_and_reported(new_page: Callable[..., Page], watch: Watch) -> None:
    page = new_page()
    page.set_content("""<img src="https://example.org/a.png"><script>
      window.refused = new Promise((done) => { new WebSocket("wss://example.org/b").onclose = done; });
      window.failed = fetch("http://192.0.2.1/c").catch((error) => error.message);
    </script>""")
    assert page.evaluate("refused.then(() => failed)") == "Failed to fetch"
    assert sorted(watch.requests) == ["http://192.0.2.1/c", "https://example.org/a.png", "wss://example.org/b"]
    watch.requests.clear()
    watch.errors.clear()

"""The mini-host is a front end as ipywidgets knows it, and hides no error."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.browser.chromium import Watch, is_local
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


def test_bytes_and_messages_of_the_page_reach_python(host: Host) -> None:
    widget = Counter()
    received: list[Any] = []
    widget.on_msg(lambda _, content, buffers: received.append((content, [bytes(buffer) for buffer in buffers])))
    mounted = host(widget)
    mounted.page.evaluate("""() => {
      host.model.set("numbers", { values: new Float32Array([0.5, 0.25]) });
      host.model.save_changes();
      host.model.send({ word: "hello" }, undefined, [new Uint8Array([1, 2]).buffer]);
    }""")
    mounted.settle()
    assert bytes(widget.numbers["values"]) == np.array([0.5, 0.25], dtype=np.float32).tobytes()
    assert received == [({"word": "hello"}, [b"\x01\x02"])]


def test_messages_of_python_reach_the_page(host: Host) -> None:
    widget = Counter()
    mounted = host(widget)
    mounted.page.evaluate("host.model.on('msg:custom', (content, buffers) => { window.got = [content, buffers] })")
    widget.send({"word": "hello"}, [b"\x01\x02"])
    assert mounted.page.evaluate("[got[0].word, got[1][0].getUint8(1)]") == ["hello", 2]


def test_what_changes_while_python_is_busy_comes_as_one_message(host: Host) -> None:
    widget = Counter()
    counts: list[int] = []
    widget.observe(lambda change: counts.append(change.new), "count")
    mounted = host(widget)
    mounted.page.evaluate("""() => {
      for (const count of [1, 2, 3, 4]) {
        host.model.set("count", count);
        host.model.save_changes();
      }
    }""")
    mounted.settle()
    assert counts == [1, 4]
    expect(mounted.root).to_contain_text("Twice is 8")


def test_no_message_breaks_into_what_python_does(host: Host) -> None:
    widget = Counter()
    mounted = host(widget)
    mounted.page.evaluate("""() => {
      host.model.on("change:label", () => {
        host.model.set("count", 3);
        host.model.save_changes();
      });
    }""")
    order: list[str] = []

    def on_label(change: Any) -> None:
        order.append("begins")
        widget.numbers = {"values": bytes(4)}  # goes to the page, which may speak meanwhile
        order.append("ends")

    widget.observe(on_label, "label")
    widget.observe(lambda change: order.append("count"), "count")
    widget.label = "After."
    mounted.settle()
    assert order == ["begins", "ends", "count"]


def test_an_equal_value_is_no_change(host: Host) -> None:
    mounted = host(Counter(count=1))
    n_calls = mounted.page.evaluate("""() => {
      const { model } = host;
      let calls = 0;
      model.on("change:count", () => { calls += 1; });
      model.on("change:numbers", () => { calls += 1; });
      model.set("count", 1);
      model.set("numbers", { values: model.get("numbers").values.buffer.slice(0) });
      model.save_changes();
      return calls;
    }""")
    assert (n_calls, mounted.page.evaluate("host.waiting")) == (0, 0)


def test_a_listener_that_is_left_behind_is_named(host: Host) -> None:
    mounted = host(Counter())
    mounted.page.evaluate("host.model.on('change:count', () => {})")
    assert mounted.remove() == ["change:count"]


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


@pytest.mark.parametrize(
    ("url", "local"),
    [
        ("http://127.0.0.1:8888/lab", True),
        ("http://localhost/", True),
        ("ws://[::1]:1/", True),
        ("data:text/plain,a", True),
        ("https://127.0.0.1.example.org/", False),
        ("http://10.0.0.1/", False),
        ("https://example.org/?127.0.0.1", False),
    ],
)
def test_which_addresses_are_on_this_machine(url: str, local: bool) -> None:
    assert is_local(url) == local


def test_what_is_not_on_this_machine_is_cut_off_and_reported(new_page: Callable[..., Page], watch: Watch) -> None:
    page = new_page()
    failures: list[str | None] = []
    page.on("requestfailed", lambda request: failures.append(request.failure))
    page.set_content("""<img src="https://example.org/a.png"><script>
      window.refused = new Promise((done) => { new WebSocket("wss://example.org/b").onclose = done; });
      window.failed = fetch("http://192.0.2.1/c").catch((error) => error.message);
    </script>""")
    assert page.evaluate("refused.then(() => failed)") == "Failed to fetch"
    assert sorted(watch.requests) == ["http://192.0.2.1/c", "https://example.org/a.png", "wss://example.org/b"]
    assert failures == ["net::ERR_PROXY_CONNECTION_FAILED"] * 2
    watch.requests.clear()
    watch.errors.clear()

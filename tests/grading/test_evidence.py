"""What the module in the learner's kernel publishes, with a kernel that only writes down what is sent."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from course.exercises import find
from course.grading import evidence
from course.models.message_passing import accumulate as librarys

ASKED = find("4.5")


class Kernel:
    """In place of ipykernel's: a namespace, and the messages."""

    def __init__(self, **names: Any):
        self.shell = SimpleNamespace(user_ns=names)
        self.iopub_socket = "iopub"
        self.ran: list[Any] = []
        self.sent: list[tuple[Any, ...]] = []

    def get_parent(self) -> str:
        return "the request"

    def send(self, socket: str, kind: str, content: dict[str, Any], parent: str, ident: bytes) -> None:
        self.sent.append((socket, kind, parent, ident))
        self.content = content

    async def do_execute(self, *arguments: Any, **more: Any) -> dict[str, Any]:
        self.ran.append((arguments, more))
        return {"status": "of IPython"}

    def ask(self, source: str, *arguments: Any, **more: Any) -> dict[str, Any]:
        """What a request to run this source answers."""
        reply: dict[str, Any] = asyncio.run(evidence._do_execute(self.do_execute)(source, *arguments, **more))
        return reply

    def payload(self, **more: Any) -> dict[str, Any]:
        """What is published for 4.5."""
        wanted = {"exercise": "4.5", "names": ["accumulate"], "seeds": [1, 2], "with_references": False} | more
        reply = self.ask(evidence.MARK + json.dumps(wanted))
        assert reply == {"status": "ok", "execution_count": 0, "user_expressions": {}, "payload": []}
        assert self.sent.pop() == ("iopub", "display_data", "the request", b"display_data") and not self.sent
        assert self.content["metadata"] == {} == self.content["transient"]
        ((mime, text),) = self.content["data"].items()
        assert mime == evidence.MIME
        payload: dict[str, Any] = json.loads(text)
        assert payload.pop("exercise") == "4.5"
        return payload


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel(accumulate=lambda *arguments: ASKED.reference[0](*arguments))
    monkeypatch.setattr(evidence, "_kernel", kernel)
    monkeypatch.setattr(evidence, "_send", kernel.send, raising=False)
    monkeypatch.setitem(evidence._exercises, "4.5", ASKED)
    return kernel


def test_a_changed_library_is_noticed(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    from course.exercises import exercise

    monkeypatch.setattr(evidence, "_ours", evidence._functions())
    assert kernel.payload()["state"] == "evidence"
    with monkeypatch.context() as patch:
        patch.setattr(exercise, "_record", lambda *arguments: exercise)
        assert kernel.payload() == {"state": "changed", "words": "course.exercises.exercise._record"}
    probe = ASKED.probe
    object.__setattr__(ASKED, "probe", lambda *arguments: probe(ASKED.reference, arguments[1]))
    try:
        assert kernel.payload() == {"state": "changed", "words": "4.5.probe"}
    finally:
        object.__setattr__(ASKED, "probe", probe)
    code = librarys.__code__
    try:
        librarys.__code__ = (lambda *arguments: None).__code__
        assert kernel.payload()["state"] == "changed"
    finally:
        librarys.__code__ = code
    assert kernel.payload()["state"] == "evidence"


def test_evidence_for_each_seed(kernel: Kernel) -> None:
    function = kernel.shell.user_ns["accumulate"]
    collected = json.loads(json.dumps([ASKED.collect([function], seed) for seed in (1, 2)]))
    assert kernel.payload() == {"state": "evidence", "evidence": collected}
    references = json.loads(json.dumps([ASKED.collect_references(seed) for seed in (1, 2)]))
    assert kernel.payload(with_references=True)["references"] == references


@pytest.mark.parametrize(
    ("name", "value", "state", "words"),
    [
        ("other", None, "missing", "accumulate"),
        ("accumulate", 5, "no function", "accumulate is a int"),
        ("accumulate", None, "no function", "accumulate is a NoneType"),
        ("accumulate", ASKED.reference[0], "handed over", None),
        ("accumulate", librarys, "handed over", None),
        ("accumulate", type("Mine", (), {"__call__": lambda self, *a: 0})(), "evidence", None),
        ("accumulate", np.add, "evidence", None),
        ("accumulate", torch.relu, "evidence", None),
        ("accumulate", evidence.Exercise, "handed over", None),  # a class has no code
    ],
)  # fmt: skip
def test_what_stands_for_a_function(kernel: Kernel, name: str, value: Any, state: str, words: str | None) -> None:
    kernel.shell.user_ns = {name: value}
    payload = kernel.payload()
    assert (payload["state"], payload.get("words")) == (state, words)
    assert ("evidence" in payload) == (state == "evidence")


def test_the_first_of_several_functions_is_named(kernel: Kernel) -> None:
    kernel.shell.user_ns |= {"five": 5, "six": "6"}
    assert kernel.payload(names=["accumulate", "gone", "lost"])["words"] == "gone"
    assert kernel.payload(names=["accumulate", "six", "five"])["words"] == "six is a str"


def test_too_much_evidence_is_only_named(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    size = len(json.dumps({"exercise": "4.5"} | kernel.payload()))
    monkeypatch.setattr(evidence, "MAX_BYTES", size)
    assert kernel.payload()["state"] == "evidence"
    monkeypatch.setattr(evidence, "MAX_BYTES", size - 1)
    assert kernel.payload() == {"state": "too large", "words": "0 MB"}
    assert kernel.payload(with_references=True)["state"] == "evidence"  # the solution is trusted


def interrupted(*arguments: Any) -> None:
    raise KeyboardInterrupt("late")


@pytest.mark.parametrize(
    ("exercise", "words"),
    [
        ("4.5", {"ename": "KeyboardInterrupt", "evalue": "late"}),
        ("9" * 400, {"ename": "KeyError", "evalue": "'" + "9" * 299}),
    ],
)
def test_what_fails_is_sent_as_an_error(kernel: Kernel, exercise: str, words: dict[str, str]) -> None:
    kernel.shell.user_ns["accumulate"] = interrupted
    wanted = {"exercise": exercise, "names": ["accumulate"], "seeds": [1], "with_references": False}
    reply = kernel.ask(evidence.MARK + json.dumps(wanted))
    assert reply == {"status": "error", "execution_count": 0, **words, "traceback": []}
    assert kernel.sent == [("iopub", "error", "the request", b"error")]
    assert kernel.content == {**words, "traceback": []}


def test_other_cells_are_ipythons(kernel: Kernel) -> None:
    source = f"x = 1\n{evidence.MARK}{{}}"
    assert kernel.ask(source, False, store_history=True) == {"status": "of IPython"}
    assert kernel.ran == [((source, False), {"store_history": True})] and not kernel.sent


def test_names_that_the_learner_overwrites_do_not_disturb_it(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "json", None)
    for name in ("type", "len", "callable", "getattr"):
        monkeypatch.setattr(evidence, name, None, raising=False)
    assert kernel.payload()["state"] == "evidence"
    kernel.shell.user_ns["accumulate"] = 5
    assert kernel.payload()["state"] == "no function"
    assert kernel.ask(f"{evidence.MARK}{{")["ename"] == "JSONDecodeError"
    kernel.sent.clear()
    monkeypatch.setattr(evidence, "MAX_BYTES", 0)
    assert kernel.payload()["state"] == "too large"


def test_one_handed_over_among_several(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, reference = kernel.shell.user_ns["accumulate"], ASKED.reference[0]
    kernel.shell.user_ns["other"] = reference
    two: Any = SimpleNamespace(reference=(reference, reference))
    monkeypatch.setitem(evidence._exercises, "4.5", two)
    assert mine is not reference and kernel.payload(names=["accumulate", "other"]) == {"state": "handed over"}


def test_it_is_prepared_before_the_first_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    from ipykernel.kernelapp import IPKernelApp

    kernel = Kernel()
    session = SimpleNamespace(send=kernel.send)
    own = SimpleNamespace(session=session, do_execute=kernel.do_execute)
    monkeypatch.setattr(IPKernelApp, "instance", lambda: SimpleNamespace(kernel=own))
    for name in ("_kernel", "_send"):
        monkeypatch.setattr(evidence, name, None, raising=False)
    monkeypatch.setattr(evidence, "_exercises", {})
    evidence.prepare(["4.5", "4.4"])
    assert evidence._exercises == {"4.5": ASKED, "4.4": find("4.4")}
    assert evidence._kernel is own and evidence._send == kernel.send
    assert asyncio.run(own.do_execute("x = 1")) == {"status": "of IPython"}
    assert own.do_execute != kernel.do_execute

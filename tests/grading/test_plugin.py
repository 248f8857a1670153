"""The plugin's limits and its lines, without nbval: a kernel whose messages and end are the test's to choose."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from queue import Empty
from types import SimpleNamespace
from typing import Any

import pytest
import zmq
from jupyter_client.session import Session

from course.grading import plugin, provisioner
from course.grading.evidence import MIME
from course.grading.plugin import Stopped, Watch, memory
from course.grading.sandbox import Limits, Sandbox


class Kernel:
    """In place of nbval's: what `send` sends has come from the learner's side."""

    def __init__(self) -> None:
        self.session, self.alive, self.stops = Session(key=b"key"), True, 0
        self.far: dict[str, zmq.Socket[bytes]] = {}
        near: dict[str, zmq.Socket[bytes]] = {}
        for name in ("shell", "iopub"):
            near[name], self.far[name] = (zmq.Context.instance().socket(zmq.PAIR) for _ in range(2))
            near[name].bind(f"inproc://{id(self)}-{name}")
            self.far[name].connect(f"inproc://{id(self)}-{name}")
        channels = {f"{name}_channel": SimpleNamespace(socket=socket) for name, socket in near.items()}
        self.kc = SimpleNamespace(session=self.session, **channels)
        self.km = SimpleNamespace(provisioner=SimpleNamespace(pid=None, process=None))

    def send(self, kind: str, content: Any, channel: str = "iopub") -> None:
        self.session.send(self.far[channel], kind, content)

    def is_alive(self) -> bool:
        return self.alive

    def stop(self) -> None:
        self.stops += 1
        self.alive = False


@pytest.fixture
def kernel():
    made = Kernel()
    yield made
    for channel in (*made.far.values(), made.kc.shell_channel.socket, made.kc.iopub_channel.socket):
        channel.close(0)


def settings(folder: Path, limits: Limits, trusted: bool) -> dict[str, Any]:
    (folder / "sockets").mkdir(exist_ok=True)
    files = {"report": str(folder / "report"), "errors": str(folder / "errors"), "folder": str(folder / "sockets")}
    more = {"limits": asdict(limits), "sandbox": {"kind": "none"}, "fork_server": "", "last_line": "end"}
    return files | more | {"roles": ["prepare", "answer"], "trusted": trusted}


@pytest.fixture
def watching(tmp_path):
    """Makes a Watch with these limits."""
    made: list[Watch] = []

    def watch(trusted: bool = False, **limits: Any) -> Watch:
        made.append(Watch(settings(tmp_path, Limits(**limits), trusted)))
        return made[-1]

    yield watch
    for one in made:
        one.report.close()


def received(watch: Watch, kernel: Kernel) -> list[tuple[str, Any]]:
    """All messages of the kernel that are handed on."""
    found: list[tuple[str, Any]] = []
    while True:
        try:
            message = watch.get_message(kernel, "iopub", 0.02)
        except Empty:
            return found
        found.append((message["msg_type"], message["content"]))


def test_of_all_messages_only_evidence_errors_and_states_are_kept(kernel, watching):
    evidence = {"data": {MIME: "{}", "text/html": "<script>"}, "metadata": {"x": 1}}
    kernel.send("stream", {"name": "stdout", "text": "x"})
    kernel.send("execute_result", {"data": {MIME: "{}"}})
    for data in ({"text/html": "<b>"}, {MIME: {"not": "text"}}, None, [MIME]):
        kernel.send("display_data", {"data": data})
    kernel.far["iopub"].send_multipart([b"no", b"message"])
    kernel.send("status", b"[1]")
    kernel.send("display_data", evidence)
    kernel.send("error", {"ename": "E" * 600, "evalue": ["e"], "traceback": ["x" * 600], "more": 1})
    kernel.send("error", {})
    kernel.send("status", {"execution_state": "idle"})
    assert received(watching(), kernel) == [
        ("display_data", {"data": {MIME: "{}"}, "metadata": {}}),
        ("error", {"ename": "E" * 500, "evalue": "['e']", "traceback": []}),
        ("error", {"ename": "", "evalue": "", "traceback": []}),
        ("status", {"execution_state": "idle"}),
    ]


def test_one_stream_is_emptied_while_the_other_is_waited_for(kernel, watching):
    watch = watching()
    for number in range(250):
        kernel.send("status", {"execution_state": f"{number}"})
    with pytest.raises(Empty):
        watch.get_message(kernel, "shell", 0.3)
    assert len(watch.kept) == 250
    kernel.send("execute_reply", {"status": "ok"}, "shell")
    kernel.send("status", {"execution_state": "idle"})
    with pytest.raises(Empty):
        for _ in range(252):
            assert watch.get_message(kernel, "iopub", 0.1)["msg_type"] == "status"
    assert watch.get_message(kernel, "shell", 0.1)["msg_type"] == "execute_reply"


def test_a_wait_ends_when_its_time_is_over_and_not_before(kernel, watching):
    watch, start = watching(), time.monotonic()
    with pytest.raises(Empty):
        watch.get_message(kernel, "iopub", 0.4)
    assert 0.4 < time.monotonic() - start < 4
    kernel.send("status", {})
    assert watch.get_message(kernel, "iopub", 0)["msg_type"] == "status", "it is there already"


def test_a_death_is_noticed_long_before_the_time_is_over(kernel, watching):
    watch, start = watching(), time.monotonic()
    threading.Timer(0.1, kernel.stop).start()
    with pytest.raises(Stopped, match="died"):
        watch.get_message(kernel, "shell", 60)
    assert time.monotonic() - start < 30


# (what happens, the limits, the reason for which the kernel is stopped: none just below)
def prints(n):
    return lambda watch, kernel: [kernel.send("stream", {"text": "x" * 100_000}) for _ in range(n)]


def publishes(n):
    return lambda watch, kernel: [kernel.send("display_data", {"data": {MIME: "x" * size}}) for size in (200, n - 200)]


def sends(n):
    def happens(watch, kernel):
        watch.kept.extend([{"msg_type": "status", "content": {}}] * (n - 1))
        kernel.send("status", {})

    return happens


def files(n, size=0):
    def happens(watch, kernel):
        for number in range(n):
            with open(watch.folder / str(number), "wb") as file:
                os.truncate(file.fileno(), size)

    return happens


def holds(**process):
    return lambda watch, kernel: vars(kernel.km.provisioner).update(process)


@pytest.mark.parametrize(
    ("happens", "limits", "why"),
    [
        (prints(9), {"output_mb": 1}, None),
        (prints(11), {"output_mb": 1}, "it printed more than 1 MB"),
        (publishes(400), {}, None),
        (publishes(401), {}, "it published too much evidence"),
        (sends(10_000), {}, None),
        (sends(10_001), {}, "it sent too many messages"),
        (lambda watch, kernel: setattr(kernel, "alive", False), {}, "the kernel died"),
        (lambda watch, kernel: None, {"submission_seconds": 0}, "the notebook took longer than 0 s"),
        (holds(pid=os.getpid()), {}, None),
        (holds(pid=os.getpid()), {"memory_mb": 9}, "it used more than 9 MB of memory"),
        (holds(process=SimpleNamespace(pid=os.getpid())), {"memory_mb": 9}, "it used more than 9 MB of memory"),
        (files(100, 10_000), {"disk_mb": 1}, None),
        (files(101), {}, "it filled the folder of its sockets"),
        (files(3, 334_000), {"disk_mb": 1}, "it filled the folder of its sockets"),
    ],
)
def test_a_kernel_is_stopped_for_a_reason(kernel, watching, monkeypatch, happens, limits, why):
    monkeypatch.setattr(plugin, "MAX_BYTES", 100)
    watch = watching(**limits)
    happens(watch, kernel)
    was_alive = kernel.alive
    if why is None:
        with pytest.raises(Empty):
            watch.get_message(kernel, "shell", 0.02)
        assert kernel.stops == 0
        return
    for _ in range(2):  # the second time it is dead, and the reason is still the first
        with pytest.raises(Stopped, match=f"^{why}$"):
            watch.get_message(kernel, "shell", 0.02)
    assert kernel.stops == was_alive


def test_the_solution_may_print_and_publish_what_it_likes(kernel, watching, monkeypatch):
    monkeypatch.setattr(plugin, "MAX_BYTES", 100)
    watch = watching(trusted=True, output_mb=0.001)
    prints(3)(watch, kernel)
    publishes(900)(watch, kernel)
    assert len(received(watch, kernel)) == 2


def test_memory_and_disk_are_looked_at_twice_a_second(kernel, watching, monkeypatch):
    looks: list[float] = []

    def memory(pids, most):
        looks.append(time.monotonic())
        return 0

    monkeypatch.setattr(plugin, "memory", memory)
    watch, end = watching(), time.monotonic() + 0.7
    while time.monotonic() < end:
        watch._look(kernel)
    assert len(looks) == 2 and looks[1] - looks[0] > 0.49


FAMILY = """
import os, time
shared = bytearray(b"x") * 100_000_000
[os.fork() for _ in range(2)]
os.write(1, b".")
time.sleep(60)
"""


def test_memory_of_a_family_is_counted_once_where_it_matters():
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, start_new_session=True) as parent:
        try:
            assert parent.stdout is not None and len(parent.stdout.read(4)) == 4  # all four are there
            assert memory([parent.pid, parent.pid, None], 1e9) > 400e6, "fast: each with what it shares"
            assert 100e6 < memory([parent.pid], 300e6) < 200e6
        finally:
            os.killpg(parent.pid, 9)
    assert memory([parent.pid, None], 0) == 0, "nobody is left"


# ---------------------------------------------------------------------------------------------- a kernel's beginning


class Manager:
    """In place of jupyter_client's: it writes down what it is asked for."""

    error: Exception | None = None
    asked: dict[str, Any]
    _kernel_spec: Any

    def __init__(self, transport: str):
        self.asked = Manager.asked = {"transport": transport, "ends": []}
        self.context = SimpleNamespace(setsockopt=lambda option, value: self.asked.update({"most": (option, value)}))

    def start_kernel(self, **more: Any) -> None:
        self.asked |= {"spec": self._kernel_spec, "stderr": more["stderr"].name, "cwd": more["cwd"]}

    def client(self) -> Any:
        return SimpleNamespace(
            start_channels=lambda: None,
            stop_channels=lambda: self.asked["ends"].append("channels"),
            wait_for_ready=self.wait_for_ready,
        )

    def wait_for_ready(self, timeout: float) -> None:
        self.asked["timeout"] = timeout
        if self.error:
            raise self.error

    def shutdown_kernel(self, now: bool) -> None:
        self.asked["ends"].append(now)


@pytest.mark.parametrize(
    ("trusted", "uid", "error"), [(False, 0, None), (True, 7, None), (False, 0, RuntimeError("x"))]
)
def test_kernel_is_started_waited_for_and_locked_in(tmp_path, monkeypatch, trusted, uid, error):
    owners: list[Any] = []
    monkeypatch.setattr(plugin, "KernelManager", Manager)
    monkeypatch.setattr(Manager, "error", error)
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(os, "chown", lambda *arguments: owners.append(arguments))
    run = settings(tmp_path, Limits(start_seconds=9), trusted)
    start = plugin.start_new_kernel(run)
    if error:
        with pytest.raises(RuntimeError):
            start(cwd="here", stderr=None)
    else:
        assert isinstance(start(cwd="here", stderr=None)[0], Manager)
    asked = Manager.asked
    assert (asked["transport"], asked["timeout"], asked["stderr"], asked["cwd"]) == ("ipc", 9, run["errors"], "here")
    assert asked["most"] == (zmq.MAXMSGSIZE, -1 if trusted else 16_000_000)
    assert asked["spec"].argv[0] == sys.executable and asked["spec"].interrupt_mode == "message"
    assert asked["ends"] == (["channels", True] if error else [])
    # the grader's again once the sockets are there: a kernel makes no more files in it
    assert owners == ([(Path(run["folder"]), 0, 0)] if uid == 0 and not error else [])


def test_a_sandbox_that_does_not_start_says_why(tmp_path):
    program, errors = tmp_path / "bwrap", tmp_path / "errors"
    program.write_text("#!/bin/sh\necho No permissions. >&2\nexit 1\n")
    program.chmod(0o755)
    provisioner.register(Sandbox("bwrap", str(program)), Limits(), tmp_path, str(errors), "address")
    made = provisioner.SandboxProvisioner()
    with pytest.raises(OSError, match=r"^the sandbox did not start: No permissions\.\n$"):
        asyncio.run(made.launch_kernel(["python", "-f", "connection.json"]))
    assert made.process is not None
    made.process.wait()


# --------------------------------------------------------------------------------------------------- a line a cell


def item_of(watch: Watch, kernel: Kernel | None, outputs: Any = None, timed_out: bool = False) -> Any:
    stash = pytest.Stash()
    stash[plugin.WATCH] = watch
    config = SimpleNamespace(stash=stash, option=SimpleNamespace())
    parent = SimpleNamespace(kernel=kernel, timed_out=timed_out)
    return SimpleNamespace(config=config, parent=parent, test_outputs=outputs)


def reported(item: Any, when: Any, error: BaseException | None = None) -> list[dict[str, Any]]:
    """The lines that are written about a cell which has ended like this."""

    def cell() -> None:
        if error:
            raise error

    hook = plugin.pytest_runtest_makereport(item, pytest.CallInfo.from_call(cell, when))
    next(hook)
    report = SimpleNamespace(passed=error is None, failed=error is not None, longrepr=f"traceback {error}")
    with pytest.raises(StopIteration) as end:
        hook.send(report)
    assert end.value.value is report
    return [json.loads(line) for line in Path(item.config.stash[plugin.WATCH].report.name).read_text().splitlines()]


ERROR = {"ename": "KeyboardInterrupt", "evalue": "e"}


@pytest.mark.parametrize(
    ("when", "error", "outputs", "timed_out", "state", "words"),
    [
        ("call", None, None, False, "done", ""),
        ("call", None, [ERROR], True, "done", ""),
        ("call", ValueError("v" * 400), [], False, "not run", "v" * 300),
        ("call", ValueError("v"), [{"data": {}}, ERROR], False, "error", "KeyboardInterrupt: e"),
        ("call", ValueError("v"), [ERROR], True, "timed out", "more than 6 s"),
        ("call", Stopped("it used too much"), [ERROR], True, "stopped", "it used too much"),
        ("setup", Stopped("s" * 600), None, False, "no kernel", "s" * 500),
    ],
)
def test_states_of_a_cell(kernel, watching, when, error, outputs, timed_out, state, words):
    watch = watching(cell_seconds=6)
    (line,) = reported(item_of(watch, kernel, outputs, timed_out), when, error)
    assert 0 <= line.pop("seconds") < 60
    assert line == {"state": state, "words": words, "alive": True, "evidence": []}


def test_the_last_evidence_counts_and_a_dead_kernel_is_seen(kernel, watching):
    outputs = [{"data": {MIME: "first"}}, {"data": {MIME: "last"}}, {"data": {"text/plain": "x"}}]
    kernel.alive = False
    (line,) = reported(item_of(watching(), kernel, outputs), "call")
    assert (line["evidence"], line["alive"]) == (["last"], False)
    (_, line) = reported(item_of(watching(), None), "setup", RuntimeError("r"))
    assert (line["state"], line["alive"]) == ("no kernel", False)


def test_one_line_a_cell_and_the_last_one_when_all_is_over(kernel, watching, tmp_path):
    item = item_of(watching(), kernel)
    assert reported(item, "setup") == reported(item, "teardown", ValueError("v")) == []
    plugin.pytest_sessionfinish(SimpleNamespace(config=item.config))  # type: ignore[arg-type]
    assert (tmp_path / "report").read_text() == "end\n"


@pytest.mark.parametrize(("trusted", "seconds"), [(False, [70, 6]), (True, [600, 600])])
def test_time_of_a_cell(kernel, watching, trusted, seconds):
    watch = watching(trusted, start_seconds=70, cell_seconds=6)
    items = [item_of(watch, kernel, timed_out=True) for _ in watch.roles]
    for item, most in zip(items, seconds, strict=True):
        item.session, item.options = SimpleNamespace(items=items), {"skip": True}
        plugin.pytest_runtest_setup(item)
        assert item.config.option.nbval_cell_timeout == most
        assert item.parent.timed_out is False, "nbval would expect the next cell to fail"
    plugin.pytest_collection_modifyitems(items)
    assert [item.options for item in items] == [{}, {}], "a comment of the learner's is no order"

"""The pytest plugin around nbval, in a process of its own: one notebook, one kernel, one line of JSON a cell.

nbval runs the cells. What it leaves open is closed here: it does not notice a dead kernel before the cell's time is
over, keeps all output in memory, knows no limit for the whole notebook, and calls every cell after a timeout expected
to fail. Outputs are counted and thrown away, except for the evidence. Nothing is compared here.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections import deque
from pathlib import Path
from queue import Empty
from typing import Any

import nbval.kernel
import psutil
import pytest
import zmq
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

from course.grading import provisioner
from course.grading.evidence import MAX_BYTES, MIME
from course.grading.sandbox import Limits, Sandbox

RUN = "COURSE_GRADE_RUN"  # environment variable: the file that says what to do
MESSAGE_BYTES = 16_000_000  # a larger message closes the connection
LOOK_EVERY = 0.5  # seconds between looks at memory and disk
KERNEL = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", "--HistoryManager.enabled=False"]
MAX_FILES = 100  # in the folder of the sockets


class Stopped(Exception):
    """The kernel is gone, or was ended because it used too much; the text says which."""


class Watch:
    """Reads a kernel's messages, and sees to it that it is alive and stays within its limits."""

    def __init__(self, run: dict[str, Any]):
        self.limits = Limits(**run["limits"])
        self.folder = Path(run["folder"])
        self.roles: list[str] = run["roles"]
        self.trusted: bool = run["trusted"]
        self.last_line: str = run["last_line"]
        self.report = open(run["report"], "a", encoding="utf-8")  # noqa: SIM115
        self.end = time.monotonic() + self.limits.submission_seconds
        self.kept: deque[dict[str, Any]] = deque()
        self.n_bytes = self.n_kept_bytes = 0
        self.looked = 0.0
        self.own_memory = psutil.Process().memory_info().rss
        self.stopped = ""  # why

    def get_message(self, kernel: Any, stream: str, timeout: float | None = None) -> dict[str, Any]:
        """In place of nbval's method: wait for one stream, and empty the other meanwhile."""
        end = time.monotonic() + (1e9 if timeout is None else timeout)
        shell, iopub = kernel.kc.shell_channel.socket, kernel.kc.iopub_channel.socket
        poller = zmq.Poller()
        poller.register(iopub, zmq.POLLIN)
        if stream == "shell":
            poller.register(shell, zmq.POLLIN)
        while True:
            if stream == "iopub" and self.kept:
                return self.kept.popleft()
            ready = dict(poller.poll(int(max(0, min(250, 1000 * (end - time.monotonic()))))))
            if iopub in ready:
                self._drain(kernel, iopub)
            if shell in ready and (message := self._receive(kernel, shell)) is not None:
                return message
            self._look(kernel)
            if not (stream == "iopub" and self.kept) and time.monotonic() > end:
                raise Empty

    def _drain(self, kernel: Any, socket: Any) -> None:
        for _ in range(100):
            if not socket.poll(0):
                return
            message = self._receive(kernel, socket)
            if message is None:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "error":
                content = {name: str(content.get(name, ""))[:500] for name in ("ename", "evalue")} | {"traceback": []}
            elif kind == "display_data":
                data = content.get("data")
                text = data.get(MIME) if isinstance(data, dict) else None
                if not isinstance(text, str):
                    continue
                self.n_kept_bytes += len(text)
                if not self.trusted and self.n_kept_bytes > 2 * MAX_BYTES * len(self.roles):
                    self._stop(kernel, "it published too much evidence")
                content = {"data": {MIME: text}, "metadata": {}}
            elif kind == "status":
                content = {"execution_state": str(content.get("execution_state", ""))[:20]}
            else:
                continue
            parent = message["parent_header"] if isinstance(message["parent_header"], dict) else {}
            parent = {"msg_id": str(parent.get("msg_id", ""))[:100]}
            self.kept.append({"msg_type": kind, "parent_header": parent, "content": content})
            if len(self.kept) > 10_000:
                self._stop(kernel, "it sent too many messages")

    def _receive(self, kernel: Any, socket: Any) -> dict[str, Any] | None:
        frames = socket.recv_multipart()
        self.n_bytes += sum(map(len, frames))
        if not self.trusted and self.n_bytes > 1e6 * self.limits.output_mb:
            self._stop(kernel, f"it printed more than {self.limits.output_mb:g} MB")
        try:
            _, frames = kernel.kc.session.feed_identities(frames)
            message: dict[str, Any] = kernel.kc.session.deserialize(frames)
            return message if isinstance(message["content"], dict) else None
        except Exception:  # a forged message may hold anything
            return None

    def _look(self, kernel: Any) -> None:
        if not kernel.is_alive():
            self._stop(kernel, "the kernel died")
        now = time.monotonic()
        if now > self.end:
            self._stop(kernel, f"the notebook took longer than {self.limits.submission_seconds:g} s")
        if now - self.looked < LOOK_EVERY:
            return
        self.looked = now
        most = 1e6 * self.limits.memory_mb
        started = kernel.km.provisioner
        if memory([started.pid, started.process and started.process.pid], most) > most:
            self._stop(kernel, f"it used more than {self.limits.memory_mb} MB of memory")
        if not self.trusted and psutil.Process().memory_info().rss - self.own_memory > most:
            self._stop(kernel, f"its messages filled more than {self.limits.memory_mb} MB")
        files = list(os.scandir(self.folder))
        size = sum(file.stat(follow_symlinks=False).st_size for file in files)
        if len(files) > MAX_FILES or size > 1e6 * self.limits.disk_mb:
            self._stop(kernel, "it filled the folder of its sockets")

    def _stop(self, kernel: Any, why: str) -> None:
        self.stopped = self.stopped or why
        if kernel.is_alive():
            kernel.stop()
        raise Stopped(self.stopped)


def memory(pids: list[int | None], most: float) -> int:
    """Bytes that processes and all below them hold; what they share is told apart only where it matters.

    A kernel's children are below it. Those who have left it are below the first process of the sandbox.
    """
    processes: set[psutil.Process] = set()
    for pid in filter(None, pids):
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(pid)
            processes |= {root, *root.children(recursive=True)}
    total = 0
    for what in ("memory_info", "memory_full_info"):
        total = 0
        for process in processes:
            with contextlib.suppress(psutil.Error):
                used = getattr(process, what)()
                total += getattr(used, "pss", used.rss)
        if total <= most:
            break
    return total


def start_new_kernel(run: dict[str, Any]) -> Any:
    """In place of nbval's function: a kernel in the sandbox, of this Python."""
    limits = Limits(**run["limits"])
    folder = Path(run["folder"])
    name = provisioner.register(Sandbox(**run["sandbox"]), limits, folder, run["errors"], run["fork_server"])

    def start(startup_timeout: float = 60, kernel_name: str = "", **kwargs: Any) -> tuple[Any, Any]:
        manager = KernelManager(transport="ipc")
        manager.context.setsockopt(zmq.MAXMSGSIZE, -1 if run["trusted"] else MESSAGE_BYTES)
        manager._kernel_spec = KernelSpec(
            argv=KERNEL,
            language="python",
            interrupt_mode="message",  # a signal does not cross the border
            metadata={"kernel_provisioner": {"provisioner_name": name}},
        )
        with open(run["errors"], "a") as errors:
            manager.start_kernel(**{**kwargs, "stderr": errors})
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=limits.start_seconds)
        except RuntimeError:
            client.stop_channels()
            manager.shutdown_kernel(now=True)
            raise
        if os.getuid() == 0:  # the sockets are there: nobody writes here any more
            os.chown(folder, 0, 0)
        return manager, client

    return start


# --------------------------------------------------------------------------------------------------- pytest's hooks


def pytest_configure(config: pytest.Config) -> None:
    run = json.loads(Path(os.environ[RUN]).read_text(encoding="utf-8"))
    watch = Watch(run)
    config.stash[WATCH] = watch
    nbval.kernel.start_new_kernel = start_new_kernel(run)
    nbval.kernel.RunningKernel.get_message = lambda self, stream, timeout=None: watch.get_message(self, stream, timeout)


WATCH = pytest.StashKey[Watch]()


def pytest_collection_modifyitems(items: list[Any]) -> None:
    for item in items:  # comments such as NBVAL_SKIP in the learner's source are only comments
        item.options.clear()


def pytest_sessionfinish(session: pytest.Session) -> None:
    watch = session.config.stash[WATCH]
    watch.report.write(watch.last_line + "\n")  # nobody has killed this process
    watch.report.flush()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: Any) -> None:
    watch = item.config.stash[WATCH]
    role = watch.roles[item.session.items.index(item)]
    seconds = watch.limits.start_seconds if role == "prepare" else watch.limits.cell_seconds
    item.config.option.nbval_cell_timeout = 600 if watch.trusted else seconds
    item.parent.timed_out = False


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: Any, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if call.when == "call" or (call.when == "setup" and report.failed):
        watch = item.config.stash[WATCH]
        outputs = item.test_outputs or []
        line: dict[str, Any] = {"seconds": round(call.duration, 3), "words": "", "alive": False}
        if item.parent.kernel is not None:
            line["alive"] = item.parent.kernel.is_alive()
        line["evidence"] = [output["data"][MIME] for output in outputs if MIME in output.get("data", {})][-1:]
        error = next((output for output in outputs if "ename" in output), None)
        if report.passed:
            line["state"] = "done"
        elif call.when == "setup":
            line |= {"state": "no kernel", "words": str(report.longrepr)[-500:]}
        elif call.excinfo is not None and call.excinfo.errisinstance(Stopped):
            line |= {"state": "stopped", "words": str(call.excinfo.value)}
        elif item.parent.timed_out:
            line |= {"state": "timed out", "words": f"more than {watch.limits.cell_seconds:g} s"}
        elif error is not None:
            line |= {"state": "error", "words": f"{error['ename']}: {error['evalue']}"}
        else:
            line |= {"state": "not run", "words": str(call.excinfo.value)[:300] if call.excinfo else ""}
        watch.report.write(json.dumps(line) + "\n")
        watch.report.flush()
    return report

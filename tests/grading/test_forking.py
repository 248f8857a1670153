"""Copies of a process that has everything loaded: what they are asked to do, and that none outlives its owner."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from course.grading import grader
from course.grading.forking import ForkServer, ask, is_owned, own_folder, wait_for_end
from course.grading.grader import Assignment
from course.grading.merging import Unit
from course.grading.running import run_once

SLEEPER = "import subprocess, time\n\ndef test():\n    subprocess.Popen(['sleep', '987'])\n    time.sleep(987)\n"


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer(["4.5"])
    yield server
    server.close()


def request(folder: Path, test: str) -> dict[str, Any]:
    """For pytest on one file in this folder."""
    (folder / "test_it.py").write_text(test)
    arguments = ["-q", "-c", os.devnull, "--rootdir", str(folder), "-p", "no:cacheprovider", "test_it.py"]
    said = str(folder / "said.txt")
    return {"kind": "run", "folder": str(folder), "arguments": arguments, "environment": {"MARK": "here"}, "said": said}


def becomes(what: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.02)
    return what()


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def below(pid: int, n: int) -> list[int]:
    """The copies of a server, once there are so many."""
    process = psutil.Process(pid)
    assert becomes(lambda: len(process.children(recursive=True)) == n)
    return [child.pid for child in process.children(recursive=True)]


def test_a_copy_runs_pytest_like_a_process_of_its_own(server: ForkServer, tmp_path: Path) -> None:
    test = """
import ctypes, json, os, pathlib, signal, sys
def test():
    death = ctypes.c_int()
    ctypes.CDLL(None).prctl(2, ctypes.byref(death))
    got = [os.getpid(), os.getsid(0), os.getcwd(), os.environ["MARK"], os.read(0, 1).decode(), death.value,
           signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, "torch" in sys.modules]
    pathlib.Path("got.json").write_text(json.dumps(got))
    os.write(2, b"to the errors")
"""
    asked = request(tmp_path, test)
    asked["arguments"].append("-s")
    said = Path(asked["said"])
    said.write_text("x" * 100_000)  # of an earlier run
    connection, pid = ask(server.address, asked)
    assert wait_for_end(connection, pid, 30) and connection.fileno() == -1
    got = json.loads((tmp_path / "got.json").read_text())
    assert got == [pid, pid, str(tmp_path), "here", "", signal.SIGKILL, True, True]
    words = said.read_text()
    assert "to the errors" in words and "1 passed" in words and "xxx" not in words
    assert becomes(lambda: not lives(pid))


def test_a_late_copy_is_killed_with_all_of_its_group(server: ForkServer, tmp_path: Path) -> None:
    connection, pid = ask(server.address, request(tmp_path, SLEEPER))
    copies = below(server.process.pid, 2)
    assert pid in copies
    assert not wait_for_end(connection, pid, 0.1) and connection.fileno() == -1
    assert becomes(lambda: not any(lives(copy) for copy in copies))
    ours, theirs = socket.socketpair()
    with theirs:
        assert not wait_for_end(ours, pid, 0.1)  # it has ended already


def test_what_is_no_request_ends_its_copy_only(server: ForkServer, tmp_path: Path) -> None:
    for wrong in ({"kind": "nonsense"}, {}, {"kind": "run"}):
        with pytest.raises(OSError, match="the copy ended before it had begun"):
            ask(server.address, wrong)
    connection, pid = ask(server.address, request(tmp_path, "def test(): pass"))
    assert wait_for_end(connection, pid, 30)


def test_what_is_closed_takes_its_copies_along(tmp_path: Path) -> None:
    server = ForkServer([])
    assert is_owned(server.folder) and server.folder.name.startswith(f"course-fork-{os.getpid()}-")
    connection, _ = ask(server.address, request(tmp_path, SLEEPER))
    copies = below(server.process.pid, 2)
    server.close()
    connection.close()
    assert not any(lives(pid) for pid in (server.process.pid, *copies)) and not server.folder.exists()
    assert server.process.returncode == 0
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(server.lock)
    server.close()
    dead = ForkServer([])
    dead.process.kill()
    dead.process.wait()
    dead.close()
    assert not dead.folder.exists()


def test_what_a_killed_owner_leaves_is_ended_and_deleted(tmp_path: Path) -> None:
    owner = f"""
import json, time
from course.grading.forking import ForkServer, ask, own_folder
server, (folder, lock) = ForkServer([]), own_folder("grade")
_, pid = ask(server.address, json.loads({json.dumps(json.dumps(request(tmp_path, SLEEPER)))}))
print(server.process.pid, pid, flush=True)
time.sleep(987)
"""
    with subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE, text=True,
                          env=os.environ | {"TMPDIR": str(tmp_path)}) as process:  # fmt: skip
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        pids += below(pids[0], 2)
        assert len(list(tmp_path.glob(f"course-*-{process.pid}-*"))) == 2
        process.kill()
    assert becomes(lambda: not any(lives(pid) for pid in pids))
    assert becomes(lambda: not list(tmp_path.glob("course-*")))


def test_a_folder_is_owned_by_whoever_holds_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder, lock = own_folder("grade")
    assert folder.name.startswith(f"course-grade-{os.getpid()}-") and is_owned(folder)
    n_open = len(os.listdir("/proc/self/fd"))
    os.close(lock)
    assert not is_owned(folder) and not is_owned(folder)  # looking takes nothing
    assert len(os.listdir("/proc/self/fd")) == n_open - 1
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(OSError, match="link"):
        is_owned(tmp_path / "link")


# ------------------------------------------------------------------------------------------------------ with a kernel

ASKED = {
    "user": "{os.stat('/proc/self').st_uid, *os.getresuid(), *os.getresgid()} == {UID}, os.getgroups()",
    "rights": "[line for line in open('/proc/self/status') if line.startswith(('Cap', 'NoNewPrivs', 'Seccomp:'))]",
    "limits": "{n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith('RLIMIT') "
    "and n not in ('RLIMIT_AS', 'RLIMIT_OFILE')}",
    "environment": "[n for n in sorted(os.environ) if n not in ('PWD', 'OLDPWD', 'SHLVL', '_')]",
    "place": "os.getcwd(), os.umask(0o022), os.uname().nodename, open('/proc/self/oom_score_adj').read()",
    "namespaces": "[n for n in ('ipc', 'uts', 'net', 'mnt', 'pid') if os.readlink(f'/proc/self/ns/{n}') == HOST[n]]",
    "doors": "[p for p in (os.path.basename(os.path.realpath(f'/proc/self/fd/{n}')) for n in range(200)) "
    "if ':[' in p and not p.startswith(('socket', 'pipe'))]",
    "devices": "sorted(os.listdir('/dev')), sorted(os.listdir('/'))",
}


FILES = "{p for p in map(os.path.realpath, [f'/proc/self/fd/{n}' for n in range(200)]) if not p.startswith('/proc')}"


def answers(assignment: Assignment, fork_server: str) -> dict[str, str]:
    host = {name: os.readlink(f"/proc/self/ns/{name}") for name in ("ipc", "uts", "net", "mnt", "pid")}
    known = f"HOST, UID = {host}, {assignment.sandbox.uid()}"
    start = Unit("extra", f"import os, resource\n{known}", None, "start")
    asked = [Unit("extra", f"raise Exception({what})", None, name) for name, what in ASKED.items()]
    asked += [Unit("extra", "raise Exception(resource.getrlimit(resource.RLIMIT_AS))", None, "memory")]
    asked += [Unit("extra", f"raise Exception(sorted(os.path.basename(p) for p in {FILES}))", None, "files")]
    units = [start, *asked]
    cells = run_once(assignment.template, units, [1], assignment.sandbox, assignment.limits, False, fork_server)
    return {unit.key: cells[unit.key].words for unit in asked}


def test_a_copy_may_do_what_a_kernel_that_bwrap_has_started_may(assignment: Assignment) -> None:
    plain, copied = answers(assignment, ""), answers(assignment, grader.fork_server_for(assignment.template))
    most, loaded = (int(said["memory"].split("(")[-1].split(",")[0]) for said in (plain, copied))
    assert most == 2e6 * assignment.limits.memory_mb
    assert loaded > 0.8e6 * assignment.limits.memory_mb
    assert copied["files"] == "Exception: ['errors.txt', 'null']"  # the other one has pytest's as well
    for name in ASKED:
        assert (name, copied[name]) == (name, plain[name])

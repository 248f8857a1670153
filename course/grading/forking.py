"""A process that has imported everything once, and is copied for each submission: torch and pytest cost seconds.

It runs no code of a learner's itself, and knows nothing secret. Two kinds of copies are made:

    run     trusted: pytest with nbval and the plugin, for one notebook
    kernel  goes into a sandbox that bwrap has made before, by joining all its namespaces, becomes another user, gives
            up all rights, and only then starts a kernel. What it may and may not do is the same as for a kernel that
            bwrap itself has started; in addition it holds a copy of the memory of this process: loaded libraries

A request is one line of JSON on a Unix socket. The copy keeps the connection open for as long as it lives.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from course.grading.sandbox import Limits, environment

NAMESPACES = ("ipc", "uts", "net", "cgroup", "mnt")
NS_GET_USERNS = 0xB701  # linux/nsfs.h
PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 4, 24, 38  # linux/prctl.h
PR_SET_PDEATHSIG = 1
CAPABILITY_VERSION_3 = 0x20080522


def own_folder(what: str) -> tuple[Path, int]:
    """A temporary folder that is locked as long as this process lives, and the descriptor that holds the lock."""
    folder = Path(tempfile.mkdtemp(prefix=f"course-{what}-{os.getpid()}-"))
    lock = os.open(folder, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return folder, lock


def is_owned(folder: Path) -> bool:
    """Whether the process that made a folder lives. Its number says nothing to a grader in another container."""
    lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(lock)


class ForkServer:
    """The driver's side. One for a grading process; it ends when that process ends."""

    def __init__(self, exercises: Sequence[str]):
        self.folder, self.lock = own_folder("fork")
        self.address = str(self.folder / "socket")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.address)
        listener.listen(64)
        with listener:
            arguments = [str(listener.fileno()), json.dumps(list(exercises))]
            self.process = subprocess.Popen(
                [sys.executable, "-m", "course.grading.forking", *arguments],
                env=environment() | {"MPLCONFIGDIR": str(self.folder)},  # a kernel can read it
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                pass_fds=[listener.fileno()],
                start_new_session=True,
                cwd="/",
            )

    def close(self) -> None:
        """End the process, and the copies that are at work."""
        assert self.process.stdin is not None
        if self.process.stdin.closed:
            return
        with contextlib.suppress(OSError):  # it may have ended
            os.write(self.process.stdin.fileno(), b".")
        self.process.stdin.close()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self.lock)


def ask(address: str, request: dict[str, Any]) -> tuple[socket.socket, int]:
    """Ask for a copy; the result is the connection, which ends with it, and its process id."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(120)  # the first waits for the imports
    connection.connect(address)
    connection.sendall(json.dumps(request).encode() + b"\n")
    reply = connection.recv(32)
    if not reply:
        connection.close()
        raise OSError("the copy ended before it had begun")
    return connection, int(reply)


def wait_for_end(connection: socket.socket, pid: int, seconds: float) -> bool:
    """Wait until a copy has ended, and whether it did so in time; else its process group is killed."""
    connection.settimeout(seconds)
    try:
        connection.recv(1)
        return True
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        return False
    finally:
        connection.close()


# --------------------------------------------------------------------------------------------- the process itself


def serve(listener: socket.socket) -> bool:
    """Copy this process for each request, until standard input is closed; the result: whether its owner said so."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the copies
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return bool(os.read(sys.stdin.fileno(), 1))
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            try:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                os.setsid()
                request = json.loads(connection.makefile("r").readline())
                {"run": _run, "kernel": _kernel}[request["kind"]](request, connection)
            except BaseException as error:
                with contextlib.suppress(Exception):
                    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            finally:
                os._exit(1)
        connection.close()


def _run(request: dict[str, Any], connection: socket.socket) -> None:
    """pytest, as in a process of its own."""
    import pytest

    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    said = os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for number in (1, 2):
        os.dup2(said, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    connection.sendall(str(os.getpid()).encode())
    code = pytest.main(request["arguments"])
    sys.stdout.flush()
    os._exit(int(code))


def _kernel(request: dict[str, Any], connection: socket.socket) -> None:
    """Into the sandbox of the process `inside`, then a kernel."""
    errors = os.open(request["errors"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    spaces = {
        name: os.open(f"/proc/{request['inside']}/ns/{name}", os.O_RDONLY) for name in (*NAMESPACES, "pid", "user")
    }
    has_user_namespace = os.fstat(spaces["user"]).st_ino != os.stat("/proc/self/ns/user").st_ino
    if has_user_namespace:
        _setns(fcntl.ioctl(spaces["mnt"], NS_GET_USERNS))
    _setns(spaces["pid"])  # holds for the next copy
    pid = os.fork()
    if pid:
        connection.sendall(str(pid).encode())
        os.waitpid(pid, 0)
        with contextlib.suppress(ProcessLookupError):
            os.kill(request["sandbox"], signal.SIGKILL)  # an empty sandbox is of no use
        os._exit(0)
    os.setsid()
    for name in NAMESPACES:
        _setns(spaces[name])
    if has_user_namespace:
        with contextlib.suppress(OSError):  # it is the same one, unless bwrap has made two
            _setns(spaces["user"])
    os.chdir("/tmp")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number, file in ((0, nothing), (1, nothing), (2, errors)):
        os.dup2(file, number)
    os.closerange(3, 65536)
    os.environ.clear()
    os.environ.update(environment())
    os.umask(0o022)
    _give_up(request["uid"], Limits(**request["limits"]))
    sys.argv = ["ipykernel_launcher", *request["arguments"]]
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance()
    os._exit(0)


def _give_up(uid: int, limits: Limits) -> None:
    """Become this user, with these limits and no rights, and no way to get any."""
    for number in range(64):
        _prctl(PR_CAPBSET_DROP, number, check=False)  # there are about forty
    if uid != os.getuid():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    header, none = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if _libc.capset(header, none):
        raise OSError(ctypes.get_errno(), "capset")
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _prctl(PR_SET_DUMPABLE, 1)  # its own /proc/self is its own again
    megabyte = 1_000_000
    for what, most in (
        (resource.RLIMIT_AS, _size() + int(0.8 * limits.memory_mb * megabyte)),  # an error comes before the end
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_FSIZE, limits.file_mb * megabyte),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CPU, int(limits.submission_seconds)),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _size() -> int:
    """Bytes of address space that this process has reserved, loaded libraries for the most part."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


_libc = ctypes.CDLL(None, use_errno=True)


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, 0):
        raise OSError(ctypes.get_errno(), f"setns: {os.strerror(ctypes.get_errno())}")


def _prctl(option: int, value: int, check: bool = True) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) and check:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def main() -> None:
    listener = socket.socket(fileno=int(sys.argv[1]))
    import_all(json.loads(sys.argv[2]))
    gc.collect()
    gc.freeze()  # no copy looks for garbage in what all of them share
    was_closed = serve(listener)
    end_copies()
    if not was_closed:
        bury_owner(Path(listener.getsockname()).parent)


def end_copies() -> None:
    """Nothing that this process has begun outlives it."""
    copies = psutil.Process().children(recursive=True)
    for copy in copies:
        with contextlib.suppress(psutil.Error):
            copy.kill()
    psutil.wait_procs(copies, timeout=5)


def bury_owner(folder: Path) -> None:
    """The grader that has started this process, and made this folder for it, was killed: delete what it has left."""
    from course.grading.running import remove_of_the_dead

    owner, end = int(folder.name.split("-")[2]), time.monotonic() + 10
    while psutil.pid_exists(owner) and time.monotonic() < end:  # a moment, until its parent has noticed
        time.sleep(0.05)
    tempfile.tempdir = str(folder.parent)
    remove_of_the_dead()


def import_all(exercises: Sequence[str]) -> None:
    """What every submission needs. No import may start a thread: a thread is not copied."""
    import ipykernel.ipkernel
    import ipykernel.kernelapp
    import matplotlib_inline.backend_inline
    import nbval.plugin
    import pytest

    import course
    import course.grading.plugin
    from course.exercises import find

    _ = ipykernel, matplotlib_inline, nbval, pytest, course
    for exercise in exercises:
        find(exercise)
    deadline = time.monotonic() + 5
    while len(os.listdir("/proc/self/task")) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)  # a thread of an import that is about to end


if __name__ == "__main__":
    main()

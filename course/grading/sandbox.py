"""What a kernel is kept in: the command that starts it, and in words what that stops.

    bwrap      Linux. No network, read-only system, nothing of the disk but Python and this package, a private /tmp that
               is kept in memory and small, no other processes to be seen, another user where the grader is root.
    container  the same with Docker or Podman, whichever is there
    none       a process with limits; it can read and write what you can. For notebooks that you trust

The limits on memory, processes, files and processor time hold in all three. What is left open is said in `stops`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import site
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import course

Kind = Literal["bwrap", "container", "none"]
FIRST_UID = 200_000  # of kernels, where the grader is root: one a kernel, so that limits do not add up
PACKAGE = Path(course.__file__).parent


class SandboxError(Exception):
    """No sandbox, and what to do about it."""


@dataclass(frozen=True)
class Limits:
    """What a submission may use."""

    cell_seconds: float = 20
    submission_seconds: float = 300
    start_seconds: float = 60
    memory_mb: int = 4000  # of all processes together; an address space may have twice as much
    processes: int = 48
    disk_mb: int = 64
    file_mb: int = 32
    output_mb: float = 100  # it is counted and thrown away


@dataclass(frozen=True)
class Sandbox:
    """A way to start a kernel. `command` is all that a provisioner needs."""

    kind: Kind
    program: str = ""  # bwrap, docker, podman
    image: str = ""  # of a container

    @property
    def words(self) -> str:
        """For the record."""
        if self.kind == "none":
            return "none: the kernel could read and write what the grader could"
        user = "another user" if os.getuid() == 0 else "a user namespace"
        return f"{self.program}: no network, read-only system, private /tmp, {user}"

    def uid(self) -> int:
        """The user of the kernel."""
        return FIRST_UID + os.getpid() % 100_000 if os.getuid() == 0 and self.kind != "none" else os.getuid()

    def command(self, kernel: list[str], folder: Path, limits: Limits) -> list[str]:
        """The command around a kernel's; `folder` holds its sockets and its connection file."""
        kernel = [*_limited(limits), *kernel]
        if self.kind == "bwrap":
            return self._bwrap(kernel, folder, limits)
        if self.kind == "container":
            return self._container(kernel, folder, limits)
        return kernel

    def _bwrap(self, kernel: list[str], folder: Path, limits: Limits) -> list[str]:
        command = [self.program, "--die-with-parent", "--new-session", "--clearenv", "--hostname", "grader"]
        command += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        if os.getuid() == 0:
            # a user namespace of root's would switch off the limit on processes
            user = str(self.uid())
            kernel = [
                *("setpriv", "--reuid", user, "--regid", user, "--clear-groups"),
                *("--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"),
                *kernel,
            ]
        else:
            command += ["--unshare-user", "--disable-userns"]
        for name, value in environment().items():
            command += ["--setenv", name, value]
        size = str(limits.disk_mb * 1_000_000)
        command += ["--proc", "/proc", "--dev", "/dev"]
        command += ["--size", size, "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
        command += ["--size", size, "--perms", "1777", "--tmpfs", "/tmp"]  # before what is bound: Python may live there
        made: set[Path] = set()
        for path in _read_only():
            command += [part for parent in _parents(path, made) for part in ("--perms", "0755", "--dir", str(parent))]
            command += ["--symlink", os.readlink(path), str(path)] if path.is_symlink() else []
            command += [] if path.is_symlink() else ["--ro-bind", str(path), str(path)]
        command += [part for parent in _parents(folder, made) for part in ("--perms", "0755", "--dir", str(parent))]
        return [*command, "--bind", str(folder), str(folder), "--remount-ro", "/", "--chdir", "/tmp", "--", *kernel]

    def _container(self, kernel: list[str], folder: Path, limits: Limits) -> list[str]:
        command = [self.program, "run", "--rm", "--init", "--name", folder.parent.name]
        command += ["--network", "none", "--read-only", "--cap-drop", "ALL"]
        command += ["--security-opt", "no-new-privileges", "--user", f"{self.uid()}:{self.uid()}", "--workdir", "/tmp"]
        command += [f"--memory={limits.memory_mb}m", f"--memory-swap={limits.memory_mb}m", "--shm-size=64m"]
        command += [f"--pids-limit={limits.processes}", "--tmpfs", f"/tmp:size={limits.disk_mb}m,mode=1777"]
        for name, value in environment().items():
            command += ["--env", f"{name}={value}"]
        for path in _read_only():
            command += [] if path.is_symlink() else ["--volume", f"{path}:{path}:ro"]
        return [*command, "--volume", f"{folder}:{folder}", self.image, *kernel]

    def remove(self, folder: Path) -> None:
        """End a container, which lives on when the command that has started it is killed."""
        if self.kind == "container":
            command = [self.program, "rm", "--force", folder.parent.name]
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                subprocess.run(command, capture_output=True, timeout=60)


def choose(name: str) -> Sandbox:
    """The sandbox of this name; "auto" takes the strongest that works here. Raises SandboxError."""
    if name == "none":
        return Sandbox("none")
    if name not in ("auto", "bwrap", "container"):
        raise SandboxError(f"There is no sandbox {name!r}: auto, bwrap, container or none.")
    reasons = []
    if name in ("auto", "bwrap"):
        found = shutil.which("bwrap")
        sandbox = Sandbox("bwrap", found or "bwrap")
        reason = why_not(sandbox) if found else "bwrap is not installed (Debian: apt install bubblewrap)"
        if not reason:
            return sandbox
        reasons.append(reason)
    if name in ("auto", "container"):
        found = shutil.which("podman") or shutil.which("docker")
        image = os.environ.get("COURSE_GRADE_IMAGE", "debian:stable-slim")  # anything: /usr is this machine's
        sandbox = Sandbox("container", found or "podman", image)
        reason = why_not(sandbox) if found else "neither podman nor docker is installed"
        if not reason:
            return sandbox
        reasons.append(reason)
    raise SandboxError(f"No sandbox: {'; '.join(reasons)}. For notebooks that you trust: --sandbox none.")


def why_not(sandbox: Sandbox) -> str:
    """Why a sandbox does not work here, "" where it does."""
    with tempfile.TemporaryDirectory(prefix=f"course-grade-{os.getpid()}-") as name:
        folder = Path(name, "kernel")
        folder.mkdir()
        command = sandbox.command([sys.executable, "-c", "print('inside')"], folder, Limits())
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            sandbox.remove(folder)
            return f"{sandbox.program} does not run: {error}"
    if done.stdout.strip() == "inside":
        return ""
    return f"{sandbox.program} does not work here: {' '.join(done.stderr.split())[:300]}"


def environment() -> dict[str, str]:
    """All that a kernel knows of the environment: no token, no path of the instructor's."""
    return {
        "PATH": f"{Path(sys.prefix, 'bin')}:/usr/bin:/bin",
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "USER": "learner",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "TORCHDYNAMO_DISABLE": "1",  # torch.compile takes longer than a cell may, and changes no number
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "IPYTHONDIR": "/tmp/.ipython",
        "MPLCONFIGDIR": "/tmp/.matplotlib",
    }


def _limited(limits: Limits) -> list[str]:
    """Soft and hard limits on the kernel; the out-of-memory killer takes it first."""
    if not shutil.which("prlimit"):  # not Linux
        return []
    megabyte = 1_000_000
    command = ["choom", "-n", "1000", "--"] if shutil.which("choom") else []
    command += ["prlimit", f"--as={2 * limits.memory_mb * megabyte}", f"--nproc={limits.processes}", "--core=0"]
    command += [f"--fsize={limits.file_mb * megabyte}", "--nofile=256", f"--cpu={int(limits.submission_seconds)}"]
    return [*command, "--"]


def _read_only() -> list[Path]:
    """What of this machine a kernel can read: the system, Python, its packages, and this package."""
    system = [Path(name) for name in ("/usr", "/bin", "/lib", "/lib64", "/sbin")]
    system += [Path(name) for name in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")]
    python = [Path(sys.base_prefix), Path(sys.prefix), *map(Path, site.getsitepackages()), PACKAGE]
    python += [Path(os.path.realpath(sys.executable)).parent.parent]
    found: list[Path] = []
    for path in [*(path for path in system if path.exists()), *sorted({p for p in python if p.exists()})]:
        if not any(path.is_relative_to(other) for other in found):
            found.append(path)
    return found


def _parents(path: Path, made: set[Path]) -> list[Path]:
    """Folders above a path that are still to be made; bwrap would make them unreadable."""
    new = [parent for parent in reversed(path.parents) if parent != Path("/") and parent not in made]
    new = [parent for parent in new if parent not in (Path("/tmp"), Path("/etc")) or parent not in made]
    made.update(new)
    return new

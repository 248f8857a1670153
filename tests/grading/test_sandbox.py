"""Which sandbox is taken, what is said where there is none, and that a container is ended."""

import contextlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from course.grading import sandbox as module
from course.grading.grader import Assignment, probe_seeds
from course.grading.merging import merge
from course.grading.reading import read
from course.grading.running import remove_of_the_dead, run_once
from course.grading.sandbox import Limits, Sandbox, SandboxError, choose
from tests.grading.corpus import SOLUTION, as_bytes

# In place of podman: it writes down how it was called, and runs the command without a container.
PODMAN = """#!/bin/sh
echo "$@" >> {log}
[ "$1" = run ] || exit 0
while [ "$1" != IMAGE ]; do shift; done
shift
exec "$@"
"""


@pytest.fixture
def podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The log of a podman that is none."""
    program, log = tmp_path / "podman", tmp_path / "log"
    program.write_text(PODMAN.format(log=log))
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    found = {"podman": str(program), "bwrap": None}
    real = shutil.which
    monkeypatch.setattr(module.shutil, "which", lambda name: found[name] if name in found else real(name))
    monkeypatch.setenv("COURSE_GRADE_IMAGE", "IMAGE")
    return log


def test_container_where_there_is_no_bwrap(podman: Path) -> None:
    chosen = choose("auto")
    assert chosen.kind == "container" and "podman" in chosen.words
    (call,) = podman.read_text().splitlines()
    for wanted in (
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "no-new-privileges",
        "--memory=",
        "--pids-limit=",
    ):
        assert wanted in call
    assert f"--name course-grade-{os.getpid()}-" in call
    assert str(Path.home()) not in [word.partition(":")[0] for word in call.split()]


def test_a_notebook_in_a_container_that_is_ended(podman: Path, assignment: Assignment) -> None:
    merged = merge(assignment.template, read(as_bytes(SOLUTION)))
    cells = run_once(assignment.template, merged.units, probe_seeds(1), choose("container"), Limits())
    assert all(cells[f"check {exercise}"].evidence for exercise in assignment.template.tasks)
    calls = podman.read_text().splitlines()
    name = calls[-2].split("--name ")[1].split()[0]
    assert calls[-1] == f"rm --force {name}"


def test_containers_of_a_killed_grader_are_ended(podman: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = subprocess.Popen(["true"])
    dead.wait()
    for name in (f"course-grade-{dead.pid}-a", f"course-grade-{os.getpid()}-b", f"course-fork-{dead.pid}-c"):
        (tmp_path / name).mkdir()
    remove_of_the_dead(Sandbox("container", str(tmp_path / "podman")))
    assert podman.read_text() == f"rm --force course-grade-{dead.pid}-a\n"


@pytest.mark.parametrize(
    ("name", "programs", "words"),
    [
        ("auto", {}, "bwrap is not installed (Debian: apt install bubblewrap); neither podman nor docker is installed"),
        ("bwrap", {}, "apt install bubblewrap"),
        ("container", {}, "neither podman nor docker is installed"),
        ("container", {"docker": "Cannot connect to the daemon."}, "does not work here: Cannot connect to the daemon."),
        ("bwrap", {"bwrap": "No permissions to create a namespace."}, "No permissions to create a namespace."),
    ],
)
def test_no_sandbox(
    name: str, programs: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: dict[str, str | None] = dict.fromkeys(("bwrap", "podman", "docker"))
    for program, error in programs.items():
        path = tmp_path / program
        path.write_text(f"#!/bin/sh\necho '{error}' >&2\nexit 125\n")
        path.chmod(0o755)
        found[program] = str(path)
    real = shutil.which
    monkeypatch.setattr(module.shutil, "which", lambda name: found[name] if name in found else real(name))
    with pytest.raises(SandboxError) as refused:
        choose(name)
    assert words in str(refused.value)
    assert str(refused.value).endswith("For notebooks that you trust: --sandbox none.")


def test_no_sandbox_must_be_asked_for() -> None:
    assert choose("none").words == "none: the kernel could read and write what the grader could"


# ------------------------------------------------------------------------------------ what can be done in a sandbox

# It says what it sees and what it can do. The package is a folder that everybody may write into.
PROBE = """
import ctypes, json, os, resource, socket, sys
shared, folder, *secrets = sys.argv[1:]

def can_write(path):
    try:
        open(os.path.join(path, "x"), "w").close()
        return True
    except OSError:
        return False

def bytes_of(path):
    size = os.statvfs(path)
    return size.f_blocks * size.f_frsize

fields = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
limits = ("AS", "NPROC", "CORE", "FSIZE", "NOFILE", "CPU")
above = {os.path.dirname(path) for path in (sys.prefix, shared)} - {"/tmp", "/"}
print(json.dumps({
    "uid": [os.getuid(), os.getgid(), len(os.getgroups())],
    "rights": [fields[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs")],
    "own session": os.getsid(0) > 0,
    "host": socket.gethostname(),
    "networks": [name for _, name in socket.if_nameindex()],
    "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
    "environment": dict(os.environ),
    "spaces": {name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")},
    "writable": [path for path in ("/", "/dev", "/etc", shared, "/tmp", "/dev/shm", folder) if can_write(path)],
    "modes": [oct(os.stat(path).st_mode)[-4:] for path in ("/tmp", "/dev/shm")],
    "sizes": [bytes_of(path) for path in ("/tmp", "/dev/shm")],
    "above": sorted({oct(os.stat(path).st_mode)[-3:] for path in above}),
    "etc": os.listdir("/etc"),
    "top": os.listdir("/"),
    "secrets": [path for path in secrets if os.path.exists(path)],
    "limits": [resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in limits],
    "killed first": int(open("/proc/self/oom_score_adj").read()),
    "namespace": ctypes.CDLL(None).unshare(0x10000000) == 0,
}))
"""


@pytest.mark.parametrize("user", ["as we are", "nobody"])
def test_what_can_be_done_in_it(user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As root: another user. As anybody else, which root can be too: a user namespace."""
    as_nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
    if user == "nobody":
        if os.getuid() or not Path("/usr/bin/python3").exists():
            pytest.skip("only root can become somebody else, with the system's Python")
        least = ["bwrap", "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
        tried = subprocess.run([*as_nobody, *least], capture_output=True, text=True)
        if tried.returncode:
            pytest.skip(f"in a container that forbids it, only root has a sandbox: {tried.stderr.strip()}")
    with tempfile.TemporaryDirectory(prefix="course-test-") as name:
        shared, folder, secret = Path(name, "package"), Path(name, "run/kernel"), Path(name, "secret")
        shared.mkdir()
        folder.mkdir(parents=True)
        secret.touch()
        for path in (Path(name), shared, folder.parent, folder):
            path.chmod(0o777)
        monkeypatch.setattr(module, "PACKAGE", shared)
        before: list[str] = []
        if user == "nobody":
            before = as_nobody
            python = SimpleNamespace(base_prefix="/usr", prefix="/usr", executable="/usr/bin/python3")
            monkeypatch.setattr(module, "sys", python)  # that of this environment may be where only root can read
            monkeypatch.setattr(module.site, "getsitepackages", lambda: [])
            monkeypatch.setattr(os, "getuid", lambda: 65534)
        sandbox = choose("bwrap") if user != "nobody" else Sandbox("bwrap", shutil.which("bwrap") or "bwrap")
        limits = Limits(memory_mb=500, processes=40, disk_mb=3, file_mb=2, submission_seconds=7)
        words = [str(path) for path in (shared, folder, secret, "/etc/passwd", "/var/log", "/sys/kernel")]
        command = [*before, *sandbox.command([module.sys.executable, "-c", PROBE, *words], folder, limits)]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "SECRET_TOKEN": "x"})
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        is_root = os.getuid() == 0
    assert found["uid"] == [sandbox.uid()] * 2 + [0] if is_root else found["uid"][0] == os.getuid()
    assert found["uid"][0] != 0
    assert found["rights"] == ["0" * 16] * 4 + ["1"]
    assert (found["own session"], found["host"], found["networks"]) == (True, "grader", ["lo"])
    assert found["processes"] < 6
    assert found["environment"] == module.environment() | {"PWD": "/tmp"}, "nothing of ours, and it begins in /tmp"
    spaces = ("pid", "net", "ipc", "uts", "mnt", "cgroup", *(() if is_root else ("user",)))
    assert all(os.readlink(f"/proc/self/ns/{space}") != found["spaces"][space] for space in spaces)
    assert found["writable"] == ["/tmp", "/dev/shm", str(folder)]
    assert found["modes"] == ["1777"] * 2 and all(2.9e6 < size <= 3.01e6 for size in found["sizes"])
    assert found["above"] == ["755"], "a kernel can look for its packages"
    assert set(found["etc"]) <= {"ld.so.cache", "alternatives", "localtime"}
    needed = {part.parts[1] for part in (*module._read_only(), folder)}
    assert set(found["top"]) == needed | {"proc", "dev", "tmp"} and found["secrets"] == []
    most = [2 * 500_000_000, 40, 0, 2_000_000, 256, 7]
    assert found["limits"] == [[n, n] for n in most] and found["killed first"] == 1000
    assert is_root or found["namespace"] is False, "in a namespace of its own it would have rights again"


def test_a_sandbox_dies_with_its_parent(tmp_path: Path) -> None:
    sandbox = choose("bwrap")
    command = sandbox.command(["sh", "-c", "echo inside; exec sleep 60"], tmp_path, Limits())
    start = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", start, *command], stdin=-1, stdout=-1, text=True) as parent:
        assert parent.stdout is not None
        lines = sorted(parent.stdout.readline().strip() for _ in range(2))
        assert lines[1] == "inside"
        inside = psutil.Process(int(lines[0]))
        below = [inside, *inside.children(recursive=True)]
        parent.kill()
        try:
            assert psutil.wait_procs(below, timeout=5)[1] == []
        finally:
            for process in below:
                with contextlib.suppress(psutil.Error):
                    process.kill()


def test_words_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_limited", lambda limits: ["limited"])
    monkeypatch.setattr(os, "getuid", lambda: 77)
    folder = tmp_path / "course-grade-1-x/kernel"
    limits = Limits(memory_mb=500, processes=40, disk_mb=3)
    command = Sandbox("container", "podman", "IMAGE").command(["python", "-f"], folder, limits)
    variables = [word for pair in module.environment().items() for word in ("--env", "=".join(pair))]
    volumes = [
        word for path in module._read_only() if not path.is_symlink() for word in ("--volume", f"{path}:{path}:ro")
    ]
    assert command == [
        *("podman", "run", "--rm", "--init", "--name", "course-grade-1-x"),
        *("--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--user", "77:77", "--workdir", "/tmp", "--memory=500m", "--memory-swap=500m", "--shm-size=64m"),
        *("--pids-limit=40", "--tmpfs", "/tmp:size=3m,mode=1777", *variables, *volumes),
        *("--volume", f"{folder}:{folder}", "IMAGE", "limited", "python", "-f"),
    ]


def test_another_user_for_each_grader_that_is_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 1_234_567)
    for uid, users in ((0, (234_567, 234_567, 0)), (7, (7, 7, 7))):
        monkeypatch.setattr(os, "getuid", lambda uid=uid: uid)
        assert tuple(Sandbox(kind).uid() for kind in ("bwrap", "container", "none")) == users
        assert ("another user" in Sandbox("bwrap", "bwrap").words) == (uid == 0)
        assert ("a user namespace" in Sandbox("bwrap", "bwrap").words) == (uid != 0)


@pytest.mark.parametrize(
    ("there", "begin"),
    [((), "python"), (("prlimit",), "prlimit"), (("prlimit", "choom"), "choom"), (("choom",), "python")],
)
def test_limits_need_a_program(monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], begin: str) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda name: name if name in there else None)
    assert Sandbox("none").command(["python"], Path("x"), Limits())[0] == begin


def test_nothing_is_bound_twice_and_every_parent_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = module._read_only()
    assert not [(a, b) for a in paths for b in paths if a != b and a.is_relative_to(b)]
    assert all(any(Path(name).is_relative_to(path) for path in paths) for name in (sys.prefix, sys.executable, "/usr"))
    assert Path("/home") not in paths and all(path.exists() for path in paths)
    made: set[Path] = set()
    assert module._parents(Path("/a/b/c"), made) == [Path("/a"), Path("/a/b")]
    assert module._parents(Path("/a/d/c"), made) == [Path("/a/d")]


def test_the_strongest_that_works_is_taken(podman: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    works = {"bwrap", "podman", "docker"}
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/bin/{name}" if name in works else None)
    monkeypatch.setattr(module, "why_not", lambda sandbox: "" if Path(sandbox.program).name in works else "no")
    found = []
    while works:
        found.append(choose("auto"))
        works.remove(Path(found[-1].program).name)
    assert [(one.kind, one.program) for one in found] == [
        ("bwrap", "/bin/bwrap"), ("container", "/bin/podman"), ("container", "/bin/docker")
    ]  # fmt: skip
    assert [one.image for one in found] == ["", "IMAGE", "IMAGE"]
    works |= {"bwrap", "podman"}
    assert choose("container").program == "/bin/podman" and choose("bwrap").kind == "bwrap"
    works.discard("bwrap")
    with pytest.raises(SandboxError, match="bwrap is not installed"):  # it was asked for: nothing else in its place
        choose("bwrap")


@pytest.mark.parametrize(
    ("program", "words"), [("/nowhere/bwrap", "does not run"), ("/bin/true", "does not work here")]
)
def test_a_sandbox_in_which_nothing_runs_is_none(program: str, words: str) -> None:
    assert words in module.why_not(Sandbox("bwrap", program))
    Sandbox("container", "/nowhere/podman").remove(Path("course-grade-1-x/kernel"))  # there is nothing to end

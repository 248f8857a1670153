"""Which sandbox is taken, what is said where there is none, and that a container is ended."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

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

"""What works on this machine, and what to do about the rest: the table of `course doctor`.

Each `check_...` function looks at one thing and returns a Finding or several. No package is imported just to ask for
its version, and nothing raises: a package that breaks on import is a finding. Where even `import course` breaks, this
file still runs by itself, `python -P course/doctor.py`; that is what `make doctor` does.
"""

import json
import os
import platform
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, NamedTuple

from packaging.requirements import Requirement
from packaging.version import Version
from rich.console import Console
from rich.markup import escape
from rich.table import Table

DISTRIBUTION = "practical-nnp"
INSTALL = 'python -m pip install -e ".[lessons]"'
COLOURS = {"ok": "green", "warning": "yellow", "problem": "bold red"}


class Finding(NamedTuple):
    """One row of the table."""

    what: str
    found: str
    state: Literal["ok", "warning", "problem"]
    advice: str = ""


def diagnose(data: Path | None = None, work: Path | None = None) -> Iterator[Finding]:
    """All findings, one after another.

    data  folder with the reference data; left out: the data of the package
    work  folder that the learner works in; left out: the current one
    """
    yield check_python()
    yield from check_versions()
    yield check_torch()
    yield check_neighbors()
    yield check_widgets()
    yield check_nglview()
    yield from check_data(data)
    yield check_writable(work or Path.cwd())
    yield check_program("Chromium", ["chromium", "--version"], "the browser tests", "chromium")
    sandbox = ["bwrap", "--ro-bind", "/", "/", "--unshare-net", "true"]
    yield check_program("bubblewrap", sandbox, "the sandbox of the grader", "bubblewrap")


def report(data: Path | None = None) -> bool:
    """Print the table. Returns True if there is no problem; a warning is none."""
    findings = list(diagnose(data))
    table = Table("what", "found", "", "what to do", title="Is this machine ready for the course?")
    for what, found, state, advice in findings:
        table.add_row(escape(what), escape(found), f"[{COLOURS[state]}]{state}[/]", escape(advice))
    console = Console()
    console.print(table)
    n_problems = sum(finding.state == "problem" for finding in findings)
    console.print(f"{n_problems} to mend; the column on the right says how." if n_problems else "Ready.")
    return n_problems == 0


def check_python() -> Finding:
    """Python is not older than pyproject.toml asks for."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if Version(platform.python_version()) >= Version("3.11"):
        return Finding("Python", found, "ok")
    return Finding("Python", found, "problem", "Install Python 3.11 or newer, remove .venv, and run `make lab`.")


def check_versions() -> Iterator[Finding]:
    """Each package that the lessons need is there, in a version that this course has been run with."""
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        yield Finding(DISTRIBUTION, "not installed", "problem", f"In the folder of the course: {INSTALL}")
        return
    for requirement in map(Requirement, lines):
        if requirement.marker and not requirement.marker.evaluate({"extra": "lessons"}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            yield Finding(requirement.name, "not installed", "problem", INSTALL)
            continue
        if requirement.specifier.contains(found, prereleases=True):
            yield Finding(requirement.name, found, "ok")
        else:
            wanted = f"{requirement.name}{requirement.specifier}"
            found = f"{found}, needed is {requirement.specifier}"
            yield Finding(requirement.name, found, "problem", f'python -m pip install "{wanted}"')


def check_torch() -> Finding:
    """torch computes a gradient, and with how many threads."""
    try:
        import torch

        x = torch.tensor(2.0, requires_grad=True)
        (gradient,) = torch.autograd.grad(x**2, x)
        if float(gradient) != 4.0:
            raise ArithmeticError(f"the derivative of x^2 at 2 came out as {float(gradient)}")
    except Exception as error:
        return Finding("torch computes", _say(error), "problem", "python -m pip install --force-reinstall torch")
    threads, cores = torch.get_num_threads(), os.cpu_count() or 1
    accelerator = "CUDA" if torch.cuda.is_available() else "MPS" if torch.backends.mps.is_available() else "CPU"
    found = f"{accelerator}, {threads} threads, {cores} cores"
    if threads > cores:
        return Finding("torch computes", found, "warning", f"Training is slow so. Set OMP_NUM_THREADS={cores}.")
    return Finding("torch computes", found, "ok")


def check_neighbors() -> Finding:
    """ASE builds a water molecule, and vesin finds its two O-H pairs."""
    try:
        from ase.build import molecule
        from vesin import ase_neighbor_list

        _, neighbors = ase_neighbor_list("ij", molecule("H2O"), 1.2)
        if sorted(neighbors.tolist()) != [0, 0, 1, 2]:
            raise ArithmeticError(f"neighbours within 1.2 A in water: expected [0, 0, 1, 2], got {sorted(neighbors)}")
    except Exception as error:
        return Finding("ASE and vesin", _say(error), "problem", "python -m pip install --force-reinstall ase vesin")
    return Finding("ASE and vesin", "2 O-H pairs in water", "ok")


def check_widgets() -> Finding:
    """JupyterLab can find the browser half of ipywidgets and of anywidget."""
    wanted = {"ipywidgets": "@jupyter-widgets/jupyterlab-manager", "anywidget": "anywidget"}
    found = {package: _front_end(extension) for package, extension in wanted.items()}
    text = "front ends: " + ", ".join(f"{package} {version or 'missing'}" for package, version in found.items())
    if all(found.values()):
        return Finding("widgets in the browser", text, "ok")
    advice = "python -m pip install --force-reinstall --no-deps ipywidgets jupyterlab_widgets anywidget"
    return Finding("widgets in the browser", text, "problem", advice)


def check_nglview() -> Finding:
    """The front end that nglview asks the browser for is the one that it ships (it was not in 4.0.1).

    nglview is not imported: that opens a channel to the browser, and the answer stands in two files.
    """
    package = find_spec("nglview")
    if package is None or package.origin is None:
        return Finding("nglview in the browser", "nglview is not installed", "problem", INSTALL)
    try:
        asked = str(runpy.run_path(str(Path(package.origin).with_name("_frontend.py")))["__frontend_version__"])
    except (OSError, KeyError):
        asked = "an unknown front end"
    shipped = _front_end("nglview-js-widgets")
    if asked == shipped:
        return Finding("nglview in the browser", f"front end {shipped}", "ok")
    found = f"asks for {asked}, ships {shipped or 'none'}"
    advice = 'Molecules would stay blank. python -m pip install --force-reinstall --no-deps "nglview>=4.0,!=4.0.1,<4.1"'
    return Finding("nglview in the browser", found, "problem", advice)


def check_data(folder: Path | None = None) -> Iterator[Finding]:
    """Each data file can be read and has the checksum that was stored with it."""
    try:
        from course import datasets

        paths = sorted((folder or datasets.FOLDER).glob("*.npz"))
    except Exception as error:
        yield Finding("data", _say(error), "problem", INSTALL)
        return
    advice = "Fetch the file anew: git checkout -- course/data, or install the package again."
    whole = []
    for path in paths:
        try:
            datasets.verify(path)
            whole.append(path.stem)
        except (ValueError, OSError) as error:
            yield Finding(f"data: {path.stem}", _say(error), "problem", advice)
    if whole:
        yield Finding("data", f"{', '.join(whole)}: checksums agree", "ok")
    elif not paths:
        yield Finding("data", f"no data in {folder or datasets.FOLDER}", "problem", advice)


def check_writable(folder: Path) -> Finding:
    """Notebooks can be saved here."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return Finding("can save here", str(folder), "ok")
    except OSError as error:
        return Finding("can save here", _say(error), "problem", "Copy lessons/ to a folder that is yours.")


def check_program(what: str, command: list[str], needed_by: str, debian_package: str) -> Finding:
    """A program that only developers and instructors need starts."""
    path = shutil.which(command[0])
    if path is None:
        advice = f"Needed only by {needed_by}: apt-get install {debian_package}"
        return Finding(what, "not installed", "warning", advice)
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding(what, _say(error), "warning", f"Needed only by {needed_by}.")
    if result.returncode != 0:
        last_line = (result.stderr.strip().splitlines() or [f"exit code {result.returncode}"])[-1]
        return Finding(what, last_line, "warning", f"It does not start here. Needed only by {needed_by}.")
    return Finding(what, result.stdout.strip() or path, "ok")


def _front_end(extension: str) -> str | None:
    """Version of a JupyterLab extension that is installed, None if there is none."""
    try:
        from jupyter_core.paths import jupyter_path
    except ImportError:
        return None
    for folder in jupyter_path("labextensions"):
        package = Path(folder, extension, "package.json")
        if package.exists():
            return str(json.loads(package.read_text(encoding="utf-8"))["version"])
    return None


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    sys.exit(0 if report() else 1)

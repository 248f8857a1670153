"""`course doctor` says so, and fails, when something is really wrong. Each wrong thing is made, not mocked."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from course import datasets, doctor

ROOT = Path(__file__).parent.parent


def run(*arguments: str, shadow: Path | None = None) -> tuple[int, str]:
    """Exit code and output of `course doctor`. What lies in `shadow` is found before the installed packages."""
    path = os.pathsep.join(str(folder) for folder in (shadow, ROOT) if folder)
    env = {**os.environ, "PYTHONPATH": path, "COLUMNS": "300", "PYTHONDONTWRITEBYTECODE": "1"}
    result = subprocess.run(
        [sys.executable, "-m", "course.cli", "doctor", *arguments], capture_output=True, text=True, env=env
    )
    assert not result.stderr, result.stderr
    return result.returncode, result.stdout


def row(what: str, output: str) -> str:
    """The row of the table that begins with these words."""
    (line,) = [line for line in output.splitlines() if line.strip("│ ").startswith(what)]
    return line


def write_data(folder: Path) -> Path:
    """A packed data set with one hydrogen molecule."""
    dataset = datasets.Dataset(
        name="h2",
        numbers=np.array([1, 1]),
        positions=np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]),
        energies=np.array([-31.7]),
        offsets=np.array([0, 2]),
        groups=np.array(["h2"]),
        splits=np.array(["train"]),
    )
    path = folder / "h2.npz"
    datasets.save(dataset, path)
    return path


def test_a_sound_machine() -> None:
    code, output = run()
    assert code == 0, output
    assert "problem" not in output
    assert "Ready." in output


def test_a_damaged_data_file(tmp_path: Path) -> None:
    path = write_data(tmp_path)
    code, output = run("--data", str(tmp_path))
    assert code == 0, output
    assert "checksums agree" in row("data", output)

    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    code, output = run("--data", str(tmp_path))
    assert code == 1
    assert "problem" in row("data: h2", output)


def test_no_data(tmp_path: Path) -> None:
    code, output = run("--data", str(tmp_path))
    assert code == 1
    assert "no data in" in row("data", output)


def test_a_package_that_is_too_old(tmp_path: Path) -> None:
    (tmp_path / "ase-3.0.0.dist-info").mkdir()
    (tmp_path / "ase-3.0.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: ase\nVersion: 3.0.0\n")
    code, output = run(shadow=tmp_path)
    assert code == 1
    assert "3.0.0, needed is >=3.23" in row("ase ", output)
    assert 'pip install "ase>=3.23"' in row("ase ", output)


def test_a_torch_that_does_not_import(tmp_path: Path) -> None:
    """`import course` fails then, so the doctor must do without it."""
    (tmp_path / "torch.py").write_text("raise ImportError('libgomp.so.1: cannot open shared object file')")
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "300", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", str(ROOT / "course" / "doctor.py")]
    result = subprocess.run(command, capture_output=True, text=True, env=env)
    assert result.returncode == 1
    assert "libgomp.so.1" in row("torch computes", result.stdout)
    assert not result.stderr


def test_an_nglview_with_the_wrong_front_end(tmp_path: Path) -> None:
    (tmp_path / "nglview").mkdir()
    (tmp_path / "nglview" / "__init__.py").write_text("")
    (tmp_path / "nglview" / "_frontend.py").write_text("__frontend_version__ = '4.0'")  # as in nglview 4.0.1
    code, output = run(shadow=tmp_path)
    assert code == 1
    assert "asks for 4.0, ships 3.1.5" in row("nglview in the browser", output)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    assert doctor.check_writable(tmp_path / "no-such-folder").state == "problem"
    assert doctor.check_writable(tmp_path).state == "ok"


def test_a_missing_program_is_only_a_warning() -> None:
    finding = doctor.check_program("x", ["no-such-program"], "the browser tests", "chromium")
    assert finding.state == "warning"
    assert "apt-get install chromium" in finding.advice

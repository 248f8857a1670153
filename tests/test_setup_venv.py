"""tools/setup_venv.py installs once, not again without need, and mends after a kill. Tried on an empty project."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.xdist_group("setup_venv")  # the tests share one .venv

# A project whose build system is the file backend.py in its own folder: pip has nothing to download.
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "practical-nnp"
version = "1"
"""
BACKEND = """
import zipfile
def build_editable(folder, config_settings=None, metadata_directory=None):
    name, info = "practical_nnp-1-py3-none-any.whl", "practical_nnp-1.dist-info/"
    metadata = ["Metadata-Version: 2.1", "Name: practical-nnp", "Version: 1", "Provides-Extra: x"]
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr(info + "METADATA", "\\n".join(metadata))
        wheel.writestr(info + "WHEEL", "\\n".join(["Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any"]))
        wheel.writestr(info + "RECORD", "")
    return name
def build_wheel(folder, config_settings=None, metadata_directory=None):
    raise NotImplementedError
"""


def setup(project: Path) -> tuple[int, str]:
    """Exit code and output of `setup_venv.py x`."""
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    command = [sys.executable, str(project / "tools" / "setup_venv.py"), "x"]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
    return result.returncode, result.stdout


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose .venv has been set up."""
    project = tmp_path_factory.mktemp("project").resolve()
    (project / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "setup_venv.py", project / "tools")
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "backend.py").write_text(BACKEND)
    code, output = setup(project)
    assert code == 0, output
    assert "Making .venv" in output
    return project


def test_the_second_time_nothing_is_done(ready: Path) -> None:
    assert setup(ready) == (0, "")


def test_a_changed_pyproject_installs_into_the_same_venv(ready: Path) -> None:
    (ready / ".venv" / "mine").touch()
    (ready / "pyproject.toml").write_text(PYPROJECT + "# changed\n")
    code, output = setup(ready)
    assert code == 0
    assert "Installing" in output
    assert (ready / ".venv" / "mine").exists()
    assert setup(ready) == (0, "")


def test_a_failed_install_keeps_the_venv_and_is_tried_again(ready: Path) -> None:
    (ready / ".venv" / "mine").touch()
    (ready / "pyproject.toml").write_text(PYPROJECT.replace('"backend"', '"no_such_backend"'))
    assert setup(ready)[0] != 0
    assert setup(ready)[0] != 0
    (ready / "pyproject.toml").write_text(PYPROJECT)
    assert "Installing" in setup(ready)[1]
    assert (ready / ".venv" / "mine").exists()


def test_a_killed_install_is_made_anew(ready: Path) -> None:
    (ready / ".venv" / "mine").touch()
    (ready / ".venv" / "unfinished").touch()
    code, output = setup(ready)
    assert code == 0, output
    assert "making it anew" in output
    assert not (ready / ".venv" / "mine").exists()
    assert setup(ready) == (0, "")


def test_a_second_run_waits_for_the_first(ready: Path) -> None:
    (ready / ".venv" / "mine").touch()
    (ready / ".venv" / "unfinished").touch()  # as while the first run is at work
    folder = os.open(ready, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    command = [sys.executable, str(ready / "tools" / "setup_venv.py"), "x"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second:
        assert second.stdout
        assert second.stdout.readline() == "Another command is setting up .venv; waiting for it.\n"
        (ready / ".venv" / "unfinished").unlink()  # the first is done
        os.close(folder)
        assert (second.stdout.read(), second.wait(60)) == ("", 0)
    assert (ready / ".venv" / "mine").exists()


def test_damage_is_noticed(ready: Path) -> None:
    """The last test of this file: it leaves a broken .venv."""
    assert setup(ready)[0] == 0
    assert is_whole(ready)
    pip = ready / ".venv" / "bin" / "pip"
    script = pip.read_text()
    pip.write_text(script.replace(str(ready), "/no/such/folder"))
    assert not is_whole(ready), "the folder was moved"
    pip.write_text(script)
    assert is_whole(ready)
    copy = shutil.copytree(ready, ready.with_name("copy"), symlinks=True)
    assert not is_whole(copy), "the folder was copied, and .venv belongs to the other"
    pythons = {link: link.readlink() for link in (ready / ".venv" / "bin").glob("python*")}
    for link in pythons:
        link.unlink()
        link.symlink_to("/no/such/python")
    assert not is_whole(ready), "Python is gone"
    for link, target in pythons.items():
        link.unlink()
        link.symlink_to(target)
    assert is_whole(ready)
    shutil.rmtree(ready / ".venv" / "lib")
    assert not is_whole(ready), "making .venv was interrupted"


def is_whole(project: Path) -> bool:
    code = "import setup_venv; print(setup_venv.is_whole())"
    return subprocess.check_output([sys.executable, "-c", code], text=True, cwd=project / "tools").strip() == "True"

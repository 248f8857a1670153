"""JupyterLab, kernel and Chromium in a place where loopback is the only network."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
INSIDE = "tests/browser/without_network.py"
INTERFACES = "import socket; print(*(name for _, name in socket.if_nameindex()))"


def test_every_widget_appears_without_a_network(tmp_path: Path) -> None:
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        pytest.fail("This test needs bubblewrap. On Debian and Ubuntu:  apt-get install bubblewrap", pytrace=False)
    inside = [bwrap, "--dev-bind", "/", "/", "--unshare-net", "--die-with-parent"]
    names = subprocess.run([*inside, sys.executable, "-c", INTERFACES], capture_output=True, text=True)
    if names.returncode != 0:
        pytest.fail(
            f"bubblewrap may not cut the network on this machine: {names.stderr.strip()}\n"
            "User namespaces must be allowed. In a container: start it with them, or run the tests as root.",
            pytrace=False,
        )
    assert names.stdout.split() == ["lo"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [*inside, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [f"--basetemp={tmp_path / 'inside'}", INSIDE]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

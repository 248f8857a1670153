"""Node, for JavaScript that needs no browser.

Playwright brings a node of its own: the same everywhere, and no Debian package more. The one on PATH may be of any age.
"""

import subprocess
from pathlib import Path

import playwright

NODE = Path(playwright.__file__).parent / "driver" / "node"


def run_node(*arguments: str) -> str:
    """What node writes; what it complains of is raised."""
    done = subprocess.run([NODE, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

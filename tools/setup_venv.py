"""Make `.venv` hold what an extra of pyproject.toml asks for: `python3 tools/setup_venv.py lessons`.

Standard library only, since it runs before anything is installed, and in a syntax that an older Python can read too,
so that it can say what is wrong.

A stamp in `.venv`, written at the very end of an install, holds a checksum of what was asked for. If it matches,
nothing is done; if not, pip is run. An install that was killed leaves a second file, `unfinished`: packages may then be
half copied, which pip does not notice, so `.venv` is made anew (pip's cache spares the downloads). A second run waits
until the first is done: it would take that one's `.venv` for unfinished, and away.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
VENV = os.path.join(ROOT, ".venv")
BIN = os.path.join(VENV, "bin")
UNFINISHED = os.path.join(VENV, "unfinished")


def check_this_python() -> None:
    """Stop with a plain sentence where Python is too old or cannot make a virtual environment."""
    if sys.version_info < (3, 11):  # noqa: UP036  (this file also runs under a Python that is too old)
        found = ".".join(str(number) for number in sys.version_info[:3])
        sys.exit(
            f"Python 3.11 or newer is needed, but {sys.executable} is Python {found}.\n"
            "Install a newer one and name it:  make lab PYTHON=python3.12"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        sys.exit(
            f"{sys.executable} cannot make virtual environments ({error}).\n"
            "On Debian and Ubuntu:  sudo apt-get install python3-venv"
        )


def is_whole() -> bool:
    """True if `.venv` was made here, its Python starts, it has pip, and no install was killed in it."""
    if os.path.exists(UNFINISHED):
        return False
    try:
        answer = subprocess.check_output([os.path.join(BIN, "pip"), "--version"], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return False
    return VENV in answer.decode()  # another path here: the folder was moved or copied with its .venv


def wait_for_others() -> None:
    """Hold the folder until this process ends; whoever else wants to install in it waits."""
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another command is setting up .venv; waiting for it.", flush=True)
        fcntl.flock(folder, fcntl.LOCK_EX)
    except OSError:
        pass  # a file system without locks


def fingerprint(extra: str) -> str:
    """Checksum of what decides which packages are installed."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        return hashlib.sha256(file.read() + extra.encode()).hexdigest()


def setup(extra: str) -> None:
    """Install the extra into `.venv`, unless that has been done."""
    stamp = os.path.join(VENV, f"installed-{extra}")
    whole = is_whole()
    if whole and os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == fingerprint(extra):
                return

    began = time.time()
    if not whole:
        if os.path.exists(VENV):
            print("The .venv that is here was not finished, or was moved, or has lost its Python: making it anew.")
            shutil.rmtree(VENV)
        print(f"Making .venv with {sys.executable}", flush=True)
        subprocess.check_call([sys.executable, "-m", "venv", VENV])

    if os.path.exists(stamp):
        os.remove(stamp)
    with open(UNFINISHED, "w") as file:
        file.write("pip is at work here, or was killed\n")
    print(f"Installing practical-nnp[{extra}] and what it needs; the first time takes some minutes.", flush=True)
    pip = [os.path.join(BIN, "python"), "-m", "pip", "install", "-e", f".[{extra}]"]
    if not sys.stdout.isatty():
        pip.append("--quiet")  # a person wants to see that something moves, a log does not
    if subprocess.call(pip, cwd=ROOT) != 0:
        os.remove(UNFINISHED)  # pip stopped by itself and took back what it had begun: .venv is as good as before
        sys.exit("pip failed, for the reason above. When that is mended, run the same command again.")
    with open(stamp, "w") as file:
        file.write(fingerprint(extra))
    os.remove(UNFINISHED)
    print(f"Installed in {time.time() - began:.0f} s.", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 tools/setup_venv.py EXTRA      (an extra of pyproject.toml: lessons, test, ...)")
    check_this_python()
    try:
        wait_for_others()
        setup(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The next run makes .venv anew.")

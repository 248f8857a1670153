"""Make `.venv` hold what an extra of pyproject.toml asks for: `python3 tools/setup_venv.py lessons`.

Standard library only, since it runs before anything is installed, and in a syntax that an old Python can still read,
so that an old Python is told what is wrong.

A stamp in `.venv` is written at the very end of an install and holds a checksum of what was installed. It matches: nothing is done.
It does not match: pip is run again. An install that was killed in the middle leaves a second file, `unfinished`: packages may
then be half copied, which pip does not notice, so `.venv` is made anew (pip's cache spares the downloads).
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "Scripts", "python.exe") if os.name == "nt" else os.path.join(VENV, "bin", "python")
UNFINISHED = os.path.join(VENV, "unfinished")


def check_this_python():
    """Stop with a plain sentence where Python is too old or cannot make a virtual environment."""
    if sys.version_info < (3, 11):
        found = ".".join(str(number) for number in sys.version_info[:3])
        sys.exit(
            "Python 3.11 or newer is needed, and {} is Python {}.\nInstall a newer one, and name it:  "
            "make lab PYTHON=python3.12".format(sys.executable, found)
        )
    try:
        import ensurepip
        import venv
    except ImportError as error:
        sys.exit(
            "This Python cannot make virtual environments ({}).\n"
            "On Debian and Ubuntu:  sudo apt-get install python3-venv".format(error)
        )
    return ensurepip, venv


def is_whole():
    """True if `.venv` has a Python that starts and a pip, and no install was killed in it."""
    if os.path.exists(UNFINISHED) or not os.path.exists(PYTHON):
        return False
    quiet = subprocess.DEVNULL
    return subprocess.call([PYTHON, "-c", "import pip"], stdout=quiet, stderr=quiet) == 0


def fingerprint(extra):
    """Checksum of everything that decides what an install puts into `.venv`."""
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        content = file.read()
    return hashlib.sha256(content + extra.encode() + ROOT.encode() + sys.version.encode()).hexdigest()


def setup(extra):
    """Install the extra into `.venv`, unless that has been done."""
    stamp = os.path.join(VENV, "installed-" + extra)
    wanted = fingerprint(extra)
    if is_whole() and os.path.exists(stamp):
        with open(stamp) as file:
            if file.read() == wanted:
                return

    began = time.time()
    if not is_whole():
        if os.path.exists(VENV):
            print("{} is not whole (an install was interrupted, or its Python is gone): making it anew.".format(VENV))
            shutil.rmtree(VENV)
        print("Making {} with Python {}.{}.{}".format(VENV, *sys.version_info[:3]), flush=True)
        subprocess.check_call([sys.executable, "-m", "venv", VENV])

    if os.path.exists(stamp):
        os.remove(stamp)
    with open(UNFINISHED, "w") as file:
        file.write("pip is at work here, or was killed\n")
    print("Installing practical-nnp[{}]; the first time takes a few minutes.".format(extra), flush=True)
    failed = subprocess.call([PYTHON, "-m", "pip", "install", "--quiet", "-e", ".[" + extra + "]"], cwd=ROOT)
    if failed:  # pip stopped by itself and took back what it had begun: .venv is as good as before
        os.remove(UNFINISHED)
        sys.exit("pip failed (see above). Run the same command again when the cause is gone.")
    with open(stamp, "w") as file:
        file.write(wanted)
    os.remove(UNFINISHED)
    print("Done in {:.0f} s.".format(time.time() - began), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 tools/setup_venv.py EXTRA      (an extra of pyproject.toml: lessons, test, ...)")
    check_this_python()
    try:
        setup(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit("\nInterrupted. The next run starts the install over.")

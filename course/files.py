"""Files are written whole or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import IO


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a temporary file, force it to disk, rename it: a kill leaves the old file or the new one."""
    path = Path(path)
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)  # the disk may be full
        raise


def write_whole(path: str | Path, text: str) -> None:
    """Write a text: all of it, or nothing."""
    write_atomically(path, lambda file: file.write(text.encode()))

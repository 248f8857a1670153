"""Look at what was handed in, and refuse before it is opened what must not be opened.

Nothing is unpacked to the disk, and no name that came with a submission becomes a path: a folder is read through the
names that the operating system lists, an archive through its own table.
"""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from course.grading.reading import MAX_BYTES

MAX_DIRECTORY = 4_000_000  # bytes of the table of a zip: about 40,000 files
MAX_FILES = 1000  # of one student
MAX_DEPTH = 10  # folders in folders
MAX_NAME = 1000  # characters
MAX_RATIO, LARGE = 200, 1_000_000  # a notebook is seldom packed to a twentieth; small ones are no danger
CHUNK = 1 << 16
KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
DAMAGED = (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError)  # also NotImplementedError, of Unicode


class Refused(Exception):
    """A file that is not read; the text says why."""


@dataclass(frozen=True)
class Entry:
    """A file, or a folder with nothing in it."""

    parts: tuple[str, ...]  # of its name, the outermost folder first; to be shown, and to find the student
    time: float = 0.0  # the larger, the newer
    refused: str = ""  # why it must not be opened
    read: Callable[[], bytes] = bytes  # raises Refused
    is_folder: bool = False

    @property
    def name(self) -> str:
        return "/".join(self.parts)


@contextmanager
def opened(path: Path) -> Iterator[list[Entry]]:
    """What is in a folder or in a zip. Raises ValueError where the zip as a whole cannot be read."""
    if path.is_dir():
        yield list(_in_folder(path))
    elif path.is_file():
        with Frugal(io.FileIO(path)) as file:
            try:
                archive = zipfile.ZipFile(file)
            except (Refused, OSError, *DAMAGED) as error:
                raise ValueError(f"{path} is neither a folder nor a zip that can be read: {error}") from error
            yield [_member(archive, info) for info in archive.infolist()]
    else:
        raise ValueError(f"There is no folder or zip {path}.")


class Frugal(io.BufferedReader):
    """A file that never hands out much at once: the table of a zip is read in one piece, however long it says it is."""

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(MAX_DIRECTORY + 1 if size is None or not 0 <= size <= MAX_DIRECTORY else size)
        if len(data) > MAX_DIRECTORY:
            raise Refused(f"Its table is longer than {MAX_DIRECTORY / 1e6:.0f} MB. Grade it in parts.")
        return data


def too_large(size: int) -> str:
    """A reason, or none."""
    return f"It has {size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB are read." if size > MAX_BYTES else ""


# ------------------------------------------------------------------------------------------------------- folders


def _in_folder(top: Path) -> Iterator[Entry]:
    waiting: list[tuple[str, tuple[str, ...]]] = [(str(top), ())]
    count: Counter[str] = Counter()
    while waiting:
        path, parts = waiting.pop()
        try:
            listing = os.scandir(path)
        except OSError as error:
            if not parts:
                raise
            yield Entry(parts, refused=f"The folder cannot be opened: {error.strerror}.")
            continue
        empty = True
        with listing:
            for found in listing:
                empty = False
                here = (*parts, found.name)
                count[here[0]] += len(here) > 1
                if count[here[0]] > MAX_FILES:
                    yield Entry(here, refused=f"There are more than {MAX_FILES} files; the others were not looked at.")
                    waiting = [one for one in waiting if one[1][0] != here[0]]
                    break
                entry = _file(found.path, here)
                if not entry.is_folder:
                    yield entry
                elif len(here) > MAX_DEPTH:
                    yield Entry(here, refused=f"Folders are nested more than {MAX_DEPTH} deep.")
                else:
                    waiting.append((found.path, here))
        if empty and parts:
            yield Entry(parts, is_folder=True)


def _file(path: str, parts: tuple[str, ...]) -> Entry:
    try:
        seen = os.lstat(path)
    except OSError as error:
        return Entry(parts, refused=f"It cannot be looked at: {error.strerror}.")
    if stat.S_ISDIR(seen.st_mode):
        return Entry(parts, is_folder=True)
    refused = too_large(seen.st_size)
    if not stat.S_ISREG(seen.st_mode):
        refused = f"It is {KINDS.get(stat.S_IFMT(seen.st_mode), 'something else')}, not a file."

    def read() -> bytes:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            with os.fdopen(os.open(path, flags), "rb") as file:
                now = os.fstat(file.fileno())
                if (now.st_dev, now.st_ino) != (seen.st_dev, seen.st_ino) or not stat.S_ISREG(now.st_mode):
                    raise Refused("It was replaced while it was looked at.")
                data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise Refused(f"It cannot be opened: {error.strerror}.") from error
        if reason := too_large(len(data)):
            raise Refused(reason)
        return data

    return Entry(parts, seen.st_mtime, refused, read)


# ---------------------------------------------------------------------------------------------------------- zips


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    name = info.orig_filename  # as it is written there; `filename` is cut at a zero
    if reason := _bad_name(name):
        return Entry((name[:MAX_NAME],), refused=reason)
    parts = tuple(part for part in re.split(r"[/\\]", name) if part not in ("", "."))
    if not parts:
        return Entry((name or "(no name)",), refused="It has no name.")
    mode = stat.S_IFMT(info.external_attr >> 16)
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        return Entry(parts, refused=f"It is {KINDS.get(mode, 'something else')}, not a file.")
    if name[-1] in "/\\":
        return Entry(parts, is_folder=True)
    refused = too_large(info.file_size)
    if not refused and info.file_size > max(LARGE, MAX_RATIO * info.compress_size):
        refused = (
            f"It is packed {info.file_size // max(info.compress_size, 1)} times; at most {MAX_RATIO} are unpacked."
        )
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        refused = f"It is packed with method {info.compress_type}; only 0 and 8 are unpacked."
    if info.flag_bits & 1:
        refused = "It is locked with a password."
    time = float("{:04}{:02}{:02}{:02}{:02}{:02}".format(*info.date_time))

    def read() -> bytes:
        data = b""
        try:
            with archive.open(info) as file:
                while len(data) <= MAX_BYTES and (more := file.read(CHUNK)):
                    data += more
        except (OSError, *DAMAGED) as error:
            raise Refused(f"It is damaged: {error}.") from error
        if reason := too_large(len(data)):
            raise Refused(reason)
        return data

    return Entry(parts, time, refused, read)


def _bad_name(name: str) -> str:
    """Why a name in an archive is not taken, or nothing."""
    if len(name) > MAX_NAME:
        return f"Its name has {len(name)} characters; at most {MAX_NAME} are read."
    if "\0" in name:
        return "Its name holds a zero byte."
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]", name):
        return "Its name is an absolute path."
    if ".." in re.split(r"[/\\]", name):
        return "Its name leads out of the archive."
    return ""

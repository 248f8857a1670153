"""The list of a class: a CSV file with a column of ids and one of names, as Canvas and Moodle export it."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

IDS = ("id", "student id", "identifier", "id number", "sis user id", "student number", "username", "login")
NAMES = ("name", "student", "full name", "student name")
MAX_BYTES = 5_000_000


@dataclass(frozen=True)
class Roster:
    """Who is in the class."""

    names: Mapping[str, str]  # id -> name, which may be empty

    @classmethod
    def load(cls, path: Path) -> Roster:
        """Raises ValueError with what is wrong, and OSError."""
        if not path.is_file():
            raise ValueError(f"There is no roster {path}.")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"The roster {path} is larger than {MAX_BYTES / 1e6:.0f} MB.")
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"The roster {path} is not UTF-8: save it as CSV UTF-8.") from error
        head = text.split("\n", 1)[0]
        try:
            rows = list(csv.reader(io.StringIO(text), delimiter=max(",;\t", key=head.count)))
        except csv.Error as error:
            raise ValueError(f"The roster {path} is not CSV: {error}.") from error
        columns = [plain(cell, " ") for cell in rows[0]] if rows else []
        id_column = next((columns.index(name) for name in IDS if name in columns), None)
        if id_column is None:
            raise ValueError(f"The roster {path} has the columns {columns}: expected one of {', '.join(IDS)}.")
        name_column = next((columns.index(name) for name in NAMES if name in columns), None)
        names: dict[str, str] = {}
        for number, row in enumerate(rows[1:], 2):
            cells = [cell.strip() for cell in row] + [""] * len(columns)
            id = cells[id_column]
            if not id:
                continue  # a blank line, or the line of points of Canvas
            if id in names:
                raise ValueError(f"The roster {path} has {id!r} a second time in row {number}: an id must be unique.")
            names[id] = "" if name_column is None else cells[name_column]
        if not names:
            raise ValueError(f"The roster {path} has no students.")
        return cls(names)

    def by_id(self) -> dict[str, str]:
        """What an id may look like in a file name -> id."""
        found = [(as_id(id), id) for id in self.names]
        # Moodle's "Participant 123456", in any language, is 123456 in the names of files.
        found += [(match[1], id) for id in self.names if (match := re.fullmatch(r"\D+ ([0-9]+)", id))]
        return _unique(found)

    def by_name(self) -> dict[str, str]:
        """What a name may look like in a file name, "last, first" or "first last" -> id. Names of two are left out."""
        found = []
        for id, name in self.names.items():
            words = name.split()
            found += [(form, id) for form in {plain(name), plain("".join(words[-1:] + words[:-1]))} if form]
        return _unique(found)


def plain(text: str, keep: str = "") -> str:
    """Letters and digits, small: "Müller, Jörg" -> "müllerjörg"."""
    return "".join(letter for letter in as_id(text) if letter.isalnum() or letter in keep)


def as_id(text: str) -> str:
    """The same for all ways to write the same."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _unique(found: list[tuple[str, str]]) -> dict[str, str]:
    owners: dict[str, set[str]] = {}
    for form, id in found:
        owners.setdefault(form, set()).add(id)
    return {form: ids.pop() for form, ids in owners.items() if len(ids) == 1}

"""Read a notebook that may be damaged: bytes in, cells out.

Never raises anything but Unreadable. What can be saved is saved cell by cell, and a note says what could not.
"""

from __future__ import annotations

import codecs
import json
from dataclasses import dataclass, field
from typing import Any

MAX_CELLS = 2_000
MAX_NOTES = 20
MAX_BYTES = 20_000_000
SIGNATURES = {
    b"PK\x03\x04": "a zip archive",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"\x89PNG": "a picture",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
}
ENCODINGS = {  # UTF-32 first: its mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


class Unreadable(Exception):
    """The file is not a notebook, or not one of this lesson; the text says why."""


@dataclass(frozen=True)
class Cell:
    """A cell as it was handed in. Outputs are not read: what a learner has saved decides nothing."""

    type: str  # "code", "markdown", "raw"
    source: str
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str = ""


@dataclass(frozen=True)
class Notebook:
    cells: list[Cell]
    notes: list[str]


def read(data: bytes) -> Notebook:
    """The cells of a notebook of format 3, 4, 5 or unnamed. Raises Unreadable."""
    if len(data) > MAX_BYTES:
        raise Unreadable(f"The file has {len(data) / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB are read.")
    if not data.strip():
        raise Unreadable("The file is empty.")
    for signature, what in SIGNATURES.items():
        if data.lstrip().lower().startswith(signature.lower()):
            raise Unreadable(f"The file is {what}, not a notebook.")
    notes: list[str] = []
    content = _parse(_decode(data, notes))
    if not isinstance(content, dict):
        raise Unreadable(f"The file is JSON, but not a notebook: it holds a {type(content).__name__}.")
    raw = _raw_cells(content)
    if content.get("nbformat") not in (3, 4):
        notes.append(f"The format is {_short(content.get('nbformat', 'not named'))}; it was read like format 4.")
    if not isinstance(content.get("metadata", {}), dict):
        notes.append("The metadata of the notebook is damaged; it is not needed.")
    if len(raw) > MAX_CELLS:
        notes.append(f"It has {len(raw)} cells; the first {MAX_CELLS} were read.")
    cells = [cell for number, one in enumerate(raw[:MAX_CELLS], 1) if (cell := _cell(one, number, notes)) is not None]
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"There are {len(notes) - MAX_NOTES} more notes like these."]
    return Notebook(cells, notes)


def _decode(data: bytes, notes: list[str]) -> str:
    encoding = next((name for mark, name in ENCODINGS.items() if data.startswith(mark)), None)
    if encoding is None and b"\x00" in data[:4]:  # UTF-16 without a mark: every other byte of "{" is zero
        encoding = "utf-16-be" if data[:1] == b"\x00" else "utf-16-le"
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        try:
            text, encoding = data.decode("cp1252"), "cp1252"
        except UnicodeDecodeError:
            raise Unreadable("The file is not text.") from None
    if encoding:
        notes.append(f"The file is written in {encoding}, not in UTF-8.")
    return text


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise Unreadable("The file is JSON that is nested too deeply for a notebook.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} of {text.count(chr(10)) + 1}"
        raise Unreadable(f"The file is not whole, or not JSON: {error.msg} in {where}.") from None
    except (ValueError, MemoryError) as error:  # an integer of a thousand digits
        raise Unreadable(f"The file cannot be read: {_short(error)}.") from None


def _raw_cells(content: dict[str, Any]) -> list[Any]:
    if isinstance(content.get("cells"), list):
        return content["cells"]
    sheets = content.get("worksheets")  # format 3
    if isinstance(sheets, list):
        found = [sheet["cells"] for sheet in sheets if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list)]
        if found:
            return [cell for cells in found for cell in cells]
    raise Unreadable("The file is JSON, but not a notebook: it has no list of cells.")


def _cell(raw: Any, number: int, notes: list[str]) -> Cell | None:
    if not isinstance(raw, dict):
        notes.append(f"Cell {number} is a {type(raw).__name__}, not a cell; it was left out.")
        return None
    source = raw.get("source", raw.get("input", ""))
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        notes.append(f"The source of cell {number} is damaged: it is not text. It was read as empty.")
        source = ""
    clean = source.encode("utf-8", "replace").decode("utf-8")  # half a surrogate pair cannot be written again
    if clean != source:
        notes.append(f"Cell {number} holds characters that do not exist; they became question marks.")
    metadata, id = raw.get("metadata", {}), raw.get("id", "")
    if not isinstance(metadata, dict):
        notes.append(f"The metadata of cell {number} is damaged; it was left out.")
        metadata = {}
    kind = raw.get("cell_type")
    if kind not in ("code", "markdown", "raw"):
        kind = "markdown" if kind == "heading" else "code" if "outputs" in raw or "input" in raw else "raw"
    return Cell(kind, clean.replace("\r\n", "\n").replace("\r", "\n"), metadata, id if isinstance(id, str) else "")


def _short(thing: object) -> str:
    text = " ".join(str(thing).split())
    return text if len(text) <= 80 else text[:77] + "..."

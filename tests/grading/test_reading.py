"""Damaged files: what can be saved is saved, the rest is Unreadable, and nothing else is ever raised."""

import codecs
import contextlib
import json
import random

import pytest

from course.grading.reading import MAX_BYTES, Unreadable, read

CELL = {"cell_type": "code", "source": "x = 1\ny = 2", "metadata": {"a": 1}, "id": "abc", "outputs": []}
NOTEBOOK = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [CELL]}


def as_bytes(**changes):
    return json.dumps({**NOTEBOOK, **changes}).encode()


def sources(data):
    return [cell.source for cell in read(data).cells]


def test_plain_notebook_has_no_notes():
    notebook = read(as_bytes())
    assert notebook.notes == []
    assert [(c.type, c.source, c.metadata, c.id) for c in notebook.cells] == [("code", CELL["source"], {"a": 1}, "abc")]


@pytest.mark.parametrize(
    ("mark", "encoding", "said"),
    [
        (codecs.BOM_UTF8, "utf-8", "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
        (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32"),
        (b"", "utf-16-le", "utf-16-le"),
        (b"", "utf-16-be", "utf-16-be"),
        (b"", "cp1252", "cp1252"),
    ],
)
def test_other_encodings(mark, encoding, said):
    text = json.dumps({**NOTEBOOK, "cells": [{**CELL, "source": "x = 'Å – é'"}]}, ensure_ascii=False)
    notebook = read(mark + text.encode(encoding))
    assert notebook.cells[0].source == "x = 'Å – é'"
    assert notebook.notes == [f"The file is written in {said}, not in UTF-8."]


@pytest.mark.parametrize(
    ("changes", "notes"),
    [
        ({"nbformat": 5}, ["The format is 5; it was read like format 4."]),
        ({"nbformat": None}, ["The format is None; it was read like format 4."]),
        ({"nbformat": [[]]}, ["The format is [[]]; it was read like format 4."]),
        ({"nbformat": "a\n" + "b" * 78}, ["The format is a " + "b" * 78 + "; it was read like format 4."]),
        ({"nbformat": "b" * 81}, ["The format is " + "b" * 77 + "...; it was read like format 4."]),
        ({"metadata": [1, 2]}, ["The metadata of the notebook is damaged; it is not needed."]),
        ({"metadata": None}, ["The metadata of the notebook is damaged; it is not needed."]),
        (
            {"cells": [7, CELL, []]},
            ["Cell 1 is a int, not a cell; it was left out.", "Cell 3 is a list, not a cell; it was left out."],
        ),
    ],
    ids=str,
)
def test_salvaged_with_a_note(changes, notes):
    notebook = read(as_bytes(**changes))
    assert [cell.source for cell in notebook.cells] == [CELL["source"]]
    assert notebook.notes == notes


def test_what_is_absent():
    notebook = read(json.dumps({"cells": [{}, CELL]}).encode())
    assert [(cell.type, cell.source, cell.metadata, cell.id) for cell in notebook.cells] == [
        ("raw", "", {}, ""),
        ("code", CELL["source"], {"a": 1}, "abc"),
    ]
    assert notebook.notes == ["The format is not named; it was read like format 4."]


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ({"cell_type": "raw", "outputs": []}, "raw"),
        ({"cell_type": "markdown", "outputs": []}, "markdown"),
        ({"cell_type": "code"}, "code"),
        ({"cell_type": "other", "outputs": []}, "code"),
        ({"cell_type": "other", "input": ""}, "code"),
        ({"cell_type": []}, "raw"),
    ],
    ids=str,
)
def test_kind_of_a_cell(cell, kind):
    assert [one.type for one in read(as_bytes(cells=[cell])).cells] == [kind]


def test_format_3():
    cells = [{"cell_type": "code", "input": ["x = 1\n", "y = 2"], "outputs": [], "language": "python"}]
    cells.append({"cell_type": "heading", "source": "Title"})
    sheets = [7, {"cells": None}, {"cells": cells[:1]}, {"cells": cells[1:]}]
    notebook = read(json.dumps({"nbformat": 3, "metadata": {}, "worksheets": sheets}).encode())
    assert [(cell.type, cell.source) for cell in notebook.cells] == [("code", "x = 1\ny = 2"), ("markdown", "Title")]
    assert notebook.notes == []


@pytest.mark.parametrize("source", [[1, 2, 3], None, 5, {"a": 1}, [["x"]], ["x", 1]], ids=str)
def test_damaged_source_costs_only_that_cell(source):
    notebook = read(as_bytes(cells=[{**CELL, "source": source}, CELL]))
    assert [cell.source for cell in notebook.cells] == ["", CELL["source"]]
    assert notebook.notes == ["The source of cell 1 is damaged: it is not text. It was read as empty."]


def test_metadata_and_id_of_a_cell():
    notebook = read(as_bytes(cells=[{**CELL, "metadata": ["tags"], "id": 7}]))
    assert (notebook.cells[0].metadata, notebook.cells[0].id) == ({}, "")
    assert notebook.notes == ["The metadata of cell 1 is damaged; it was left out."]
    assert sources(as_bytes(cells=[{**CELL, "input": "the other"}])) == [CELL["source"]]


def test_line_ends_and_half_characters():
    notebook = read(b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "x = 1\\r\\ny = \\"\\ud800\\"\\r"}]}')
    assert notebook.cells[0].source == 'x = 1\ny = "?"\n'
    assert notebook.notes == ["Cell 1 holds characters that do not exist; they became question marks."]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (as_bytes()[:60], "not whole"),
        (b'{"a": 1,\n"b":\n\n', "or not JSON: Expecting value in line 4 of 4"),
        (b"{\n  1: 2\n}", "Expecting property name .* in line 2 of 3"),
        (b"PK\x03\x04rest", "is a zip archive"),
        (b"%PDF-1.7", "is a PDF"),
        (b"\x1f\x8brest", "is a gzip archive"),
        (b"\x89PNG", "is a picture"),
        (b"<!doctype html><html>", "is a web page"),
        (b"\n <HTML>", "is a web page"),
        (b"\x81", "The file is not text"),
        (b'{"x": "\x00"}', "not JSON: Invalid control character"),
        (bytes(random.Random(0).randrange(256) for _ in range(500)), "not text|not JSON"),
        (b"[1, 2]", "holds a list"),
        (b"null", "holds a NoneType"),
        (b"{}", "no list of cells"),
        (b'{"worksheets": 7}', "no list of cells"),
        (b'{"worksheets": [{}]}', "no list of cells"),
        (as_bytes(cells=None), "no list of cells"),
        (b"[" * 100_000 + b"]" * 100_000, "too deeply"),
        (b'{"nbformat": ' + b"9" * 10_000 + b', "cells": []}', "cannot be read: Exceeds the limit"),
        (b"import torch\n", "not JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unreadable_with_the_reason(data, reason):
    with pytest.raises(Unreadable, match=reason):
        read(data)


def test_too_large_is_not_parsed():
    with pytest.raises(Unreadable, match="has 20 MB; at most 20 MB"):
        read(b" " * (MAX_BYTES + 1))
    with pytest.raises(Unreadable, match="empty"):
        read(b" " * MAX_BYTES)


def test_cells_and_notes_have_bounds():
    cells = [{"cell_type": "code", "source": "x"}, *[0] * 30]
    notebook = read(json.dumps({"nbformat": 4, "cells": cells}).encode())
    assert len(notebook.cells) == 1 and len(notebook.notes) == 21
    assert notebook.notes[-1] == "There are 10 more notes like these."
    many = read(json.dumps({"nbformat": 4, "cells": cells[:1] * 3000}).encode())
    assert (len(many.cells), many.notes) == (2000, ["It has 3000 cells; the first 2000 were read."])


def test_nothing_but_unreadable_is_ever_raised():
    rng = random.Random(1)
    good = as_bytes(cells=[CELL] * 5)
    for _ in range(3000):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 8)):
            action, place = rng.randrange(3), rng.randrange(len(data))
            if action == 0:
                data[place] = rng.randrange(256)
            elif action == 1:
                del data[place : place + rng.randrange(20)]
            else:
                data[place:place] = rng.choice([b"null", b"[]", b"{", b'"', b"1e999", b"-1", b"\\ud83d"])
        with contextlib.suppress(Unreadable):
            read(bytes(data))

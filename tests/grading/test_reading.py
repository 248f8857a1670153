"""Damaged files: what can be saved is saved, the rest is Unreadable, and nothing else is ever raised."""

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


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_other_encodings(encoding):
    text = json.dumps({**NOTEBOOK, "cells": [{**CELL, "source": "x = 'Å – é'"}]}, ensure_ascii=False)
    text = text.replace("Å – é", "é") if encoding == "cp1252" else text
    notebook = read(text.encode(encoding))
    assert notebook.cells[0].source in ("x = 'Å – é'", "x = 'é'")
    assert len(notebook.notes) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"nbformat": 5},
        {"nbformat": None},
        {"nbformat": [[]]},
        {"metadata": [1, 2]},
        {"metadata": None},
        {"cells": [7, None, [], CELL]},
    ],
    ids=str,
)
def test_salvaged_with_a_note(changes):
    notebook = read(as_bytes(**changes))
    assert [cell.source for cell in notebook.cells] == [CELL["source"]]
    assert notebook.notes


def test_nbformat_absent():
    data = json.dumps({"cells": [CELL]}).encode()
    assert sources(data) == [CELL["source"]]


def test_format_3():
    cells = [{"cell_type": "code", "input": ["x = 1\n", "y = 2"], "outputs": [], "language": "python"}]
    cells.append({"cell_type": "heading", "source": "Title"})
    notebook = read(json.dumps({"nbformat": 3, "metadata": {}, "worksheets": [{"cells": cells}]}).encode())
    assert [(cell.type, cell.source) for cell in notebook.cells] == [("code", "x = 1\ny = 2"), ("markdown", "Title")]


@pytest.mark.parametrize("source", [[1, 2, 3], None, 5, {"a": 1}, [["x"]]], ids=str)
def test_damaged_source_costs_only_that_cell(source):
    notebook = read(as_bytes(cells=[{**CELL, "source": source}, CELL]))
    assert [cell.source for cell in notebook.cells] == ["", CELL["source"]]
    assert "cell 1" in notebook.notes[0]


def test_metadata_and_id_of_a_cell():
    notebook = read(as_bytes(cells=[{**CELL, "metadata": ["tags"], "id": 7}]))
    assert (notebook.cells[0].metadata, notebook.cells[0].id) == ({}, "")


def test_line_ends_and_half_characters():
    notebook = read(b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "x = 1\\r\\ny = \\"\\ud800\\"\\r"}]}')
    assert notebook.cells[0].source == 'x = 1\ny = "?"\n'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (as_bytes()[:60], "not whole"),
        (b"PK\x03\x04rest", "zip"),
        (b"<!doctype html><html>", "web page"),
        (bytes(random.Random(0).randrange(256) for _ in range(500)), "not text|not JSON"),
        (b"[1, 2]", "holds a list"),
        (b"null", "holds a NoneType"),
        (b"{}", "no list of cells"),
        (as_bytes(cells=None), "no list of cells"),
        (b"[" * 100_000 + b"]" * 100_000, "too deeply"),
        (b'{"nbformat": ' + b"9" * 10_000 + b', "cells": []}', "cannot be read"),
        (b"import torch\n", "not JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unreadable_with_the_reason(data, reason):
    with pytest.raises(Unreadable, match=reason):
        read(data)


def test_too_large_is_not_parsed():
    with pytest.raises(Unreadable, match="at most 20 MB"):
        read(b" " * (MAX_BYTES + 1))


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

"""The list of a class: as Canvas, Moodle and spreadsheets write it, and what of it stands in the names of files."""

import os
import tracemalloc

import pytest

from course.grading import roster as module
from course.grading.roster import Roster, as_id, plain


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("id,name\n7,Doe\n", {"7": "Doe"}),
        ("id\n7\n", {"7": ""}),
        ("id,name\n7\n8,Doe\n", {"7": "", "8": "Doe"}),  # a row that is too short
        ("\ufeffName;ID\r\n Doe ; 7 \r\n;\r\n", {"7": "Doe"}),
        ('\ufeff"Full; name";ID\r\nDoe;7\r\n', {"7": "Doe"}),  # a quote after the mark of UTF-8
        ("ID\tName\n7\tDoe, Jane, Dr.\n", {"7": "Doe, Jane, Dr."}),  # the first line says what parts the cells
        ("Student,ID,SIS User ID\n    Points Possible,,\nDoe,7,x\n", {"7": "Doe"}),
        ("SIS User ID,ID,Student\nx,7,Doe\n", {"7": "Doe"}),  # Canvas and Moodle write the first into their names
        ("ID number,Identifier,Full name\nx,Participant 7,Doe\n", {"Participant 7": "Doe"}),
        *[(f"mail,{id}\nx,7\n", {"7": ""}) for id in ("STUDENT ID", "Id number", "Student number", "Username")],
        *[(f"mail,{id}\nx,7\n", {"7": ""}) for id in ("sis user id", "Login", "  id  ", '"ID:"')],
        *[(f"id,{name}\n7,Doe\n", {"7": "Doe"}) for name in ("NAME", "Student", "Full name", "Student name")],
        ("id,student,name\n7,doe1,Doe\n", {"7": "Doe"}),
        ("student id,id\n8,7\n", {"7": ""}),
    ],
)
def test_files(tmp_path, text, names):
    (tmp_path / "roster.csv").write_text(text, encoding="utf-8", newline="")
    assert Roster.load(tmp_path / "roster.csv").names == names


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (b"", r"has the columns \[\]"),
        (b"who,what\na,b\n", r"\['who', 'what'\]: expected one of id, student id, "),
        (b"id,name\n", "no students"),
        (b"id\n7\n8\n7\n", "'7' a second time in row 4"),
        (b"id\n\xff\n", "save it as CSV UTF-8"),
        (b"id\n" + b"7" * 200_000 + b"\n", "not CSV: field larger"),
    ],
)
def test_what_is_refused(tmp_path, data, wanted):
    (tmp_path / "roster.csv").write_bytes(data)
    with pytest.raises(ValueError, match=wanted):
        Roster.load(tmp_path / "roster.csv")


def test_large_ones_are_not_read(tmp_path, monkeypatch):
    file = tmp_path / "roster.csv"
    file.write_bytes(b"id\n")
    os.truncate(file, 60_000_000)
    tracemalloc.start()
    with pytest.raises(ValueError, match="larger than 5 MB"):
        Roster.load(file)
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    monkeypatch.setattr(module, "MAX_BYTES", 5)
    file.write_bytes(b"id\n7\n")
    assert list(Roster.load(file).names) == ["7"]
    file.write_bytes(b"id\n78\n")
    with pytest.raises(ValueError, match="larger than"):
        Roster.load(file)


@pytest.mark.parametrize(
    ("id", "number"),
    [
        ("Participant 7", "7"),
        ("Teilnehmer/in 7", "7"),
        ("Участник 7", "7"),
        ("Participant7", None),
        ("Participant 7b", None),
        ("7 8", None),
        ("s1 8", None),
        ("s1 no 8", None),
    ],
)
def test_the_number_of_moodle(id, number):
    assert Roster({id: "", "x": ""}).by_id() == {as_id(id): id, "x": "x"} | ({number: id} if number else {})


def test_what_fits_two_fits_nobody():
    assert Roster({"7": "", "Participant 7": ""}).by_id() == {"participant 7": "Participant 7"}
    assert Roster({"A": "Ann Lee", "a": "Lee, Ann", "b": "Lee"}).by_name() == {"lee": "b"}
    assert "a" not in Roster({"A": "", "a": ""}).by_id()


def test_names_in_both_orders():
    found = Roster({"1": "Anna Maria Lee", "2": "O'Neil, Zoë", "3": "Lee 2", "4": "Lee 3", "5": ""}).by_name()
    assert {form for form, id in found.items() if id == "1"} == {"annamarialee", "leeannamaria"}
    assert (found["oneilzoë"], found["lee2"], found["lee3"]) == ("2", "3", "4")
    assert "" not in found


@pytest.mark.parametrize("pair", [("Strauß", "STRAUSS"), ("Zoe\u0308", "zoë"), ("\uff21nn", "Ann"), (" x ", "X")])
def test_ways_to_write_the_same(pair):
    assert as_id(pair[0]) == as_id(pair[1])
    assert plain(pair[0]) == plain(pair[1])


def test_what_is_not_the_same():
    assert as_id("Zoë") != as_id("Zoe")
    assert as_id("a-1") != as_id("a1")
    assert (plain("Müller, Jörg 2"), plain(" a b. ", " ")) == ("müllerjörg2", "a b")

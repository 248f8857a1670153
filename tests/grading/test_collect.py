"""Submissions as they come: from folders, zips, Canvas and Moodle, some of them not to be opened."""

import os
import random
import socket
import stat
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from course.grading import opening
from course.grading.collect import Collection, collect
from course.grading.command import found
from course.grading.grader import grade
from course.grading.opening import Entry
from course.grading.reading import MAX_BYTES
from course.grading.roster import Roster
from course.grading.submission import Record, Submission

CLASS = Roster({"12345": "Doe, Jane", "s02": "Jörg Müller", "s03": "Ann Lee", "s04": "Ann Lee"})


def write(top: Path, *names: str, data: bytes | None = None) -> None:
    """Files that hold their own name; each is a minute newer than the one before."""
    for minute, name in enumerate(names):
        file = top / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode() if data is None else data)
        os.utime(file, (60 * minute, 60 * minute))


def pack(path: Path, *names: str, **options: Any) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(named(name, **options), name)
    return path


def named(name: str, mode: int = 0, method: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
    info.filename = name  # as it is: the constructor cuts it at a zero
    info.external_attr, info.compress_type = mode << 16, method
    return info


def by_student(collection: Collection) -> dict[str, Submission]:
    found = {one.student: one for one in collection.submissions}
    assert len(found) == len(collection.submissions)
    return found


def words(submission: Submission) -> str:
    return " ".join((*submission.notes, submission.refused))


LAYOUTS = {
    "alice.ipynb": ("alice", "", False),
    "bob/work/day4a.ipynb": ("bob", "", False),
    "doejane_12345_67890_day4a.ipynb": ("12345", "doejane", False),
    "doejane_LATE_12345_67890_day4a-2.ipynb": ("12345", "doejane", True),
    "Jörg Müller_777_assignsubmission_file_/day4a.ipynb": ("777", "Jörg Müller", False),
    "Jörg Müller_777_assignsubmission_file/sub/day4a.ipynb": ("777", "Jörg Müller", False),
    "Jörg Müller_777_assignsubmission_file_day4a.ipynb": ("777", "Jörg Müller", False),
    "Jörg Müller_777_assignsubmission_onlinetext_day4a.ipynb": ("777", "Jörg Müller", False),
    "anna.b.ipynb": ("anna.b", "", False),
    "Bea.IPYNB": ("Bea", "", False),
    "doejane_1_2_x/day4a.ipynb": ("doejane_1_2_x", "", False),  # Canvas makes no folders
    "_12345_67890_day4a.ipynb": ("_12345_67890_day4a", "", False),  # nobody without a name
    "_777_assignsubmission_file_/day4a.ipynb": ("_777_assignsubmission_file_", "", False),
    "doejane_١٢_3_day4a.ipynb": ("doejane_١٢_3_day4a", "", False),
    "doejane_12_٣_day4a.ipynb": ("doejane_12_٣_day4a", "", False),
    "doejane_٣_assignsubmission_file_/day4a.ipynb": ("doejane_٣_assignsubmission_file_", "", False),
    "Jane_777_assignsubmission_files/a.ipynb": ("Jane_777_assignsubmission_files", "", False),
    # what follows is the student's own name for a file, made to look like another's
    "doejane_12345_67890_x_LATE_999_888_y.ipynb": ("12345", "doejane", False),
    "Jane Doe_777_assignsubmission_file_x_999_assignsubmission_file_y.ipynb": ("777", "Jane Doe", False),
    "doejane_12345_67890_x_999_assignsubmission.ipynb": ("12345", "doejane", False),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("packed", [False, True])
def test_layouts(tmp_path, name, packed):
    if packed:
        collection = collect(pack(tmp_path / "all.zip", name))
    else:
        write(tmp_path / "in", name)
        collection = collect(tmp_path / "in")
    (one,) = collection.submissions
    assert (one.student, one.name, one.late) == LAYOUTS[name]
    assert (one.file, one.data, one.refused, one.missing) == (name, name.encode(), "", False)


def test_layouts_side_by_side(tmp_path):
    beside = [".DS_Store", "__MACOSX/alice.ipynb", "d_1_2_", "readme.txt"]
    write(tmp_path, *LAYOUTS, *beside, "bob/.ipynb_checkpoints/new.ipynb", "bob/__MACOSX/new.ipynb")
    collection = collect(tmp_path)
    assert sorted(by_student(collection)) == sorted({student for student, *_ in LAYOUTS.values()})
    assert collection.left_out == tuple(beside)
    assert (by_student(collection)["bob"].file, words(by_student(collection)["bob"])) == ("bob/work/day4a.ipynb", "")


def test_canvas_newest_wins_and_all_are_noted(tmp_path):
    names = ["d_1_90_a-2.ipynb", "d_LATE_1_100_b.ipynb", "d_1_90_a-10.ipynb", "d_1_90_a.ipynb"]
    write(tmp_path, *names)
    (one,) = collect(tmp_path).submissions
    assert (one.file, one.late) == (names[1], True)
    assert all(repr(name) in words(one) for name in names)
    (tmp_path / names[1]).unlink()
    (one,) = collect(tmp_path).submissions
    assert (one.file, one.late) == ("d_1_90_a-10.ipynb", False)


def test_newest_by_time_then_by_number(tmp_path):
    write(tmp_path / "in", "a/z.ipynb", "a/b-3.ipynb", "a/m.ipynb")
    (one,) = collect(tmp_path / "in").submissions
    assert one.file == "a/m.ipynb"
    assert "3 notebooks" in words(one)
    (one,) = collect(pack(tmp_path / "a.zip", "a/b-10.ipynb", "a/b-9.ipynb", "a/b.ipynb", "README")).submissions
    assert one.file == "a/b-10.ipynb"


def test_newest_by_the_time_of_what_is_in_it_also_within_a_second(tmp_path):
    write(tmp_path, "a/1.ipynb", "a/2.ipynb")
    for name, time in (("1", 100.7), ("2", 100.2)):
        os.utime(tmp_path / f"a/{name}.ipynb", (time, time))
    (one,) = collect(tmp_path).submissions
    assert one.file == "a/1.ipynb"


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("b", "a (1)"),
        ("b (2)", "a(10)"),
        ("b-9", "a-1000"),
        ("b-20261231", "a-1"),
        ("a", "b"),
        ("b2", "a-1"),
        ("b-3", "a-4"),
    ],
)
def test_newest_by_number_where_the_times_are_equal(tmp_path, older, newer):
    (one,) = collect(pack(tmp_path / "a.zip", f"x/{newer}.ipynb", f"x/{older}.ipynb", "README")).submissions
    assert one.file == f"x/{newer}.ipynb"


def test_only_some_of_many_are_named(tmp_path):
    write(tmp_path, *[f"{student}/{k}.ipynb" for student, n in (("a", 6), ("b", 7)) for k in range(n)])
    found_ = by_student(collect(tmp_path))
    assert words(found_["a"]).rstrip().endswith("not 'a/4.ipynb', 'a/3.ipynb', 'a/2.ipynb', 'a/1.ipynb', 'a/0.ipynb'.")
    assert words(found_["b"]).rstrip().endswith("'b/1.ipynb' and 1 more.")


def test_archives_are_not_unpacked(tmp_path):
    kinds = ("zip", "7z", "rar", "tar", "gz", "tgz", "bz2", "xz", "TAR")
    write(tmp_path, *[f"{kind}_.{kind}" for kind in kinds], "doejane_LATE_1_2_x.zip")
    found_ = by_student(collect(tmp_path))
    assert set(found_) == {*[f"{kind}_" for kind in kinds], "1"}
    assert all(
        f"'{one.file}': It is an archive, and is not unpacked: hand in" in one.refused and not one.missing
        for one in found_.values()
    )
    assert (found_["1"].late, found_["zip_"].late) == (True, False)


def test_late_where_nothing_could_be_opened_and_one_was_late(tmp_path):
    (one,) = collect(pack(tmp_path / "all.zip", "d_1_2_a.zip", "d_LATE_1_3_b.zip", "d_1_4_c.zip")).submissions
    assert (one.late, one.data) == (True, b"")
    (one,) = collect(pack(tmp_path / "b.zip", "d_LATE_1_2_a.ipynb", "d_1_3_b.ipynb")).submissions
    assert (one.late, one.file) == (False, "d_1_3_b.ipynb")


def test_older_one_where_the_newest_turns_out_to_be_damaged(tmp_path, monkeypatch):
    def fail() -> bytes:
        raise opening.Refused("It is damaged.")

    entries = [Entry(("a", "old.ipynb"), 1.0, read=lambda: b"old"), Entry(("a", "new.ipynb"), 2.0, read=fail)]
    monkeypatch.setattr(opening, "_in_folder", lambda path: entries)
    (one,) = collect(tmp_path).submissions
    assert (one.data, one.refused) == (b"old", "")
    assert "Not opened: 'a/new.ipynb': It is damaged." in one.notes


def test_not_opened_and_not_on_the_roster(tmp_path):
    write(tmp_path, "x.zip")
    assert by_student(collect(tmp_path, CLASS))["x"].notes == ("Not on the roster.",)


@pytest.mark.parametrize(
    "newest",
    [
        (2021, 1, 1, 0, 0, 0),
        (2020, 11, 1, 0, 0, 0),
        (2020, 10, 12, 0, 0, 0),
        (2020, 10, 3, 15, 0, 0),
        (2020, 10, 3, 14, 10, 0),
        (2020, 10, 3, 14, 5, 10),
    ],
)
def test_newest_in_a_zip_by_its_date(tmp_path, newest):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        times = [(2020, 10, 3, 4, 5, 6), (2020, 9, 30, 4, 5, 6), newest, (2020, 10, 3, 14, 5, 4)]
        for number, time in enumerate(times):
            info = named(f"M_1_assignsubmission_file_/{number}.ipynb")
            info.date_time = time
            archive.writestr(info, str(time))
    (one,) = collect(tmp_path / "a.zip").submissions
    assert one.data == str(newest).encode()


@pytest.mark.parametrize(
    ("names", "students"),
    [
        (["all/a.ipynb", "all/b.ipynb"], ["a", "b"]),
        (["all/", "all/a/x.ipynb", "all/b/x.ipynb"], ["a", "b"]),
        (["all/d_1_2_x.ipynb"], ["1"]),
        (["all/J_1_assignsubmission_file_/x.ipynb", "__MACOSX/x"], ["1"]),
        (["J_1_assignsubmission_file_/x.ipynb", "J_1_assignsubmission_file_/y.ipynb"], ["1"]),
        (["anna/x.ipynb"], ["anna"]),
        (["anna/x.ipynb", "anna/notes.txt"], ["anna"]),
        (["all/a.IPYNB", "all/b.IPYNB"], ["a", "b"]),
        (["all/a.ipynb", "all/b.ipynb", "/x.ipynb"], ["/x", "a", "b"]),
        (["all/a.ipynb", "all/b.ipynb", "__MACOSX/all/._a.ipynb"], ["a", "b"]),
        (["a/x.ipynb", "a/y.ipynb", "b/x.ipynb"], ["a", "b"]),
        (["all/"], ["all"]),
    ],
)
def test_zip_packed_in_one_folder(tmp_path, names, students):
    assert sorted(by_student(collect(pack(tmp_path / "all.zip", *names)))) == students


# -------------------------------------------------------------------------------------------------------- roster


def test_zip_of_the_folder_of_one_student(tmp_path):
    """Several notebooks in one folder are several students, unless the folder is on the roster."""
    archive = pack(tmp_path / "all.zip", "S02/a.ipynb", "S02/b.ipynb")
    assert sorted(by_student(collect(archive))) == ["a", "b"]
    assert sorted(by_student(collect(archive, CLASS))) == sorted(CLASS.names)
    assert sorted(by_student(collect(archive, Roster({"S02": "", "s02": ""})))) == ["S02", "s02"]


def test_all_files_of_an_id_and_none_by_its_name(tmp_path):
    write(tmp_path, "s02.ipynb", "S02-1.ipynb", "müllerjörg_21_2_x.ipynb")
    found_ = by_student(collect(tmp_path, CLASS))
    assert found_["s02"].file == "S02-1.ipynb"
    assert "2 notebooks" in words(found_["s02"])
    assert "not this one alone" in words(found_["21"])
    write(tmp_path / "named", "müller-jörg.ipynb")
    assert by_student(collect(tmp_path / "named", CLASS))["s02"].notes == (
        "Found on the roster by the name 'müller-jörg'.",
    )


def test_roster(tmp_path):
    canvas = ["doejane_12345_1_x.ipynb", "mullerjorg_20_2_x.ipynb", "leeann_30_3_x.ipynb", "müllerjörg_21_2_x.ipynb"]
    write(tmp_path, *canvas, "S03-1.ipynb", "=HYPERLINK(1).ipynb", "notes.txt")
    collection = collect(tmp_path, CLASS)
    found_ = by_student(collection)
    assert sorted(found_) == ["12345", "20", "30", "=HYPERLINK(1)", "s02", "s03", "s04"]
    assert collection.unknown == ("20", "30", "=HYPERLINK(1)")
    assert (found_["s02"].file, found_["s02"].name) == (canvas[3], "Jörg Müller")
    assert words(found_["s02"]).rstrip() == "Found on the roster by the name 'müllerjörg'."
    assert found_["s03"].file == "S03-1.ipynb"
    assert (found_["s04"].missing, found_["s04"].name, found_["s04"].data) == (True, "Ann Lee", b"")
    assert "Not on the roster" in words(found_["30"])
    assert found_["30"].name == "leeann"
    assert found_["30"].data == canvas[2].encode()
    said = found(collection)
    assert "6 notebooks, 0 that cannot" in said
    assert "missing: 's04'" in said
    assert "'=HYPERLINK(1)'" in said


def test_two_people_of_one_name_do_not_share_their_work(tmp_path):
    write(tmp_path, "Jörg Müller_7_assignsubmission_file_/x.ipynb", "Jörg Müller_8_assignsubmission_file_/x.ipynb")
    found_ = by_student(collect(tmp_path, CLASS))
    assert found_["s02"].missing
    for id in "78":
        assert found_[id].notes == ("The name fits 's02' on the roster, but not this one alone.", "Not on the roster.")


def test_ids_win_over_names_and_exact_ones_over_similar(tmp_path):
    write(
        tmp_path,
        "Ann_1_assignsubmission_file_/x.ipynb",
        "A-1.ipynb",
        "a-1.ipynb",
        "a-1-2.ipynb",
        "A.ipynb",
        "B-1.ipynb",
    )
    roster = Roster({"1": "Berta", "7": "Ann", "A-1": "", "a-1": "", "A": "", "b": "", "b-1": ""})
    files = {student: one.file for student, one in by_student(collect(tmp_path, roster)).items()}
    assert files == {
        "1": "Ann_1_assignsubmission_file_/x.ipynb",
        "7": "",
        "A-1": "A-1.ipynb",
        "a-1": "a-1.ipynb",
        "A": "A.ipynb",
        "a-1-2": "a-1-2.ipynb",
        "b": "",
        "b-1": "B-1.ipynb",
    }


# ------------------------------------------------------------------------------------------------------- refusals


def test_nothing_but_files_is_opened(tmp_path, monkeypatch):
    folder = tmp_path / "in"
    write(folder, "good.ipynb", "both/a.ipynb")
    (folder / "link.ipynb").symlink_to("/etc/passwd")
    (folder / "dangling.ipynb").symlink_to("nowhere")
    (folder / "folder").symlink_to("/etc")
    for name in ("no.suffix", "Dr. Lee", "short.c"):
        (folder / name).symlink_to("/etc")
    os.mkfifo(folder / "pipe.ipynb")
    (folder / "both/b.ipynb").symlink_to(folder / "good.ipynb")
    (folder / "empty").mkdir()
    write(folder, "text/essay.txt", "packed.zip", "x_7_8_all.tar.gz")
    monkeypatch.chdir(folder)  # the address of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.ipynb")
        if os.geteuid() == 0:
            os.mknod("device.ipynb", stat.S_IFCHR | 0o600, os.makedev(1, 5))  # /dev/zero
        wanted = dict.fromkeys(("link", "dangling", "folder", "no.suffix", "Dr. Lee", "short"), "a link")
        wanted |= {"pipe": "a pipe", "socket": "a socket"}
        wanted |= {"text": "only 'text/essay.txt'", "packed": "archive", "7": "archive"}
        wanted |= {"device": "a device"} if os.geteuid() == 0 else {}
        seen = []
        system_open = os.open
        monkeypatch.setattr(os, "open", lambda path, *rest: seen.append((path, *rest)) or system_open(path, *rest))  # type: ignore[func-returns-value]
        found_ = by_student(collect(folder))
    assert sorted(Path(path).name for path, _ in seen) == ["a.ipynb", "good.ipynb"]
    assert {flags & os.O_ACCMODE for _, flags in seen} == {os.O_RDONLY}
    assert {student for student, one in found_.items() if one.refused} == set(wanted)
    assert all(words in found_[student].refused for student, words in wanted.items())
    assert (found_["both"].data, found_["both"].refused) == (b"both/a.ipynb", "")
    assert "'both/b.ipynb': It is a link" in words(found_["both"])
    assert found_["empty"].missing


def test_file_that_is_swapped_for_a_link_or_another(tmp_path):
    reasons = {"link": "cannot be opened: Too many", "pipe": "was replaced", "other": "was replaced"}
    reasons |= {"gone": "cannot be opened: No such", "grown": "has 20 MB; at most 20 MB"}
    for kind, reason in reasons.items():
        write(tmp_path / kind, "a.ipynb")
        with opening.opened(tmp_path / kind) as (entry,):
            file = tmp_path / kind / "a.ipynb"
            if kind == "grown":
                os.truncate(file, MAX_BYTES + 1)
            else:
                file.rename(tmp_path / "away")
            if kind == "link":
                file.symlink_to(tmp_path / "away")
            elif kind == "pipe":
                os.mkfifo(file)
            elif kind == "other":
                file.write_bytes(b"")
            with pytest.raises(opening.Refused, match=reason):
                entry.read()


def test_large_files_and_old_ones_beside_them(tmp_path):
    write(tmp_path, "large/old.ipynb", "large/new.ipynb", "only.ipynb", "exact.ipynb", data=b"")
    os.truncate(tmp_path / "exact.ipynb", MAX_BYTES)
    for name in ("large/new.ipynb", "only.ipynb"):
        os.truncate(tmp_path / name, MAX_BYTES + 1)
        os.utime(tmp_path / name, (9e9, 9e9))
    found_ = by_student(collect(tmp_path))
    assert "has 20 MB; at most 20 MB are read" in found_["only"].refused
    assert (found_["large"].file, found_["large"].refused) == ("large/old.ipynb", "")
    assert "20 MB" in words(found_["large"])
    assert len(found_["exact"].data) == MAX_BYTES
    with opening.opened(tmp_path) as entries:
        assert sorted(one.name for one in entries if one.refused) == ["large/new.ipynb", "only.ipynb"]


def test_bounds_of_a_folder(tmp_path):
    deep = "/".join("0123456789")
    write(tmp_path, *[f"full/{k}.txt" for k in range(1000)], *[f"over/{k}.txt" for k in range(1001)])
    write(tmp_path, f"a/{deep[2:]}/x.ipynb", f"b/{deep}/x.ipynb")
    reasons = {one.student: one.refused for one in collect(tmp_path).submissions}
    assert reasons["full"].startswith("No notebook, only 'full/")
    assert "There are more than 1000 files; the others were not looked at." in reasons["over"]
    assert (reasons["a"], reasons["b"].count("Folders are nested more than 10 deep.")) == ("", 1)


def test_nothing_was_handed_in(tmp_path):
    assert collect(tmp_path) == Collection(())


def test_too_many_files_of_one_cost_nobody_else(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "MAX_FILES", 6)
    for student in "pqrst":  # the one folder and the other are 12 files
        write(tmp_path, f"{student}/new.ipynb", *[f"{student}/{k % 2}/{k}.txt" for k in range(12)])
    for student, one in by_student(collect(tmp_path)).items():
        assert (one.file, words(one).count("more than 6 files")) == (f"{student}/new.ipynb", 1)


def test_notebooks_that_do_not_fit_into_the_memory_together(tmp_path, monkeypatch):
    class Large(bytes):
        def __len__(self) -> int:
            return 1_000_000_000

    entries = [Entry((f"{student}.ipynb",), read=Large if student in "abd" else bytes) for student in "abcde"]
    monkeypatch.setattr(opening, "_in_folder", lambda path: entries)
    (d,) = [one for one in collect(tmp_path).submissions if one.refused]
    assert (d.student, len(d.data)) == ("d", 0)
    assert d.refused == "All notebooks together have more than 2 GB: grade them in parts."


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_what_cannot_be_opened_costs_nobody_else(tmp_path, monkeypatch, error):
    write(tmp_path, *[f"{name}/x.ipynb" for name in "abcde"], "b.ipynb", "seen.ipynb")

    def refuse(function: Any, *names: str) -> Any:
        def call(path: str) -> Any:
            if path.removeprefix(str(tmp_path)) in names:
                raise error
            return function(path)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse(os.scandir, "/a", "/c"))
        patch.setattr(os, "lstat", refuse(os.lstat, "/seen.ipynb"))
        found_ = by_student(collect(tmp_path))
        patch.setattr(os, "scandir", refuse(os.scandir, ""))
        with pytest.raises(OSError, match=error.strerror):
            collect(tmp_path)
    for name in "ac":
        assert f"'{name}': The folder cannot be opened: {error.strerror}." in found_[name].refused
    assert f"It cannot be looked at: {error.strerror}." in found_["seen"].refused
    assert all(found_[name].data for name in "bde")


BAD_NAMES = {
    "/etc/passwd.ipynb": "is an absolute",
    "c:/x.ipynb": "absolute",
    "\\\\server\\x.ipynb": "absolute",
    "C:\\x.ipynb": "absolute",
    "../../x.ipynb": "leads out",
    "alice/../bob/x.ipynb": "leads out",
    "alice\\..\\x.ipynb": "leads out",
    "x" * 1001: "1001 characters; at most 1000",
    "": "It has no name.",
    "a.ipynb\0.txt": "zero",
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names_in_a_zip(tmp_path, name):
    found_ = by_student(collect(pack(tmp_path / "all.zip", name, "alice/x.ipynb", "bob/x.ipynb")))
    (bad,) = set(found_) - {"alice", "bob"}
    assert BAD_NAMES[name] in found_[bad].refused
    assert found_[bad].file == (name[:1000] or "(no name)")
    assert found_["bob"].data == b"bob/x.ipynb"
    assert words(found_["alice"]) == words(found_["bob"]) == ""
    assert os.listdir(tmp_path) == ["all.zip"]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a\\b.ipynb", "a/b.ipynb"),
        ("./a//b.ipynb", "a/b.ipynb"),
        *[(name, name) for name in ("x" * 994 + ".ipynb", "x..y.ipynb", "xc:/y.ipynb", "c:y.ipynb", "a/c:/y.ipynb")],
    ],
)
def test_good_names_in_a_zip(tmp_path, name, file):
    (one,) = collect(pack(tmp_path / "all.zip", name)).submissions
    assert (one.file, one.data) == (file, name.encode())


@pytest.mark.parametrize("name", ["a/", "a\\"])
def test_empty_folders_in_a_zip(tmp_path, name):
    collection = collect(pack(tmp_path / "all.zip", "./", name))
    (one,) = collection.submissions
    assert (one.student, one.missing, collection.left_out) == ("a", True, ("./",))


def test_kinds_in_a_zip(tmp_path):
    kinds = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device"}
    kinds |= {stat.S_IFBLK: "a device", 0o150000: "something else"}
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for kind in kinds:
            archive.writestr(named(f"{kind}.ipynb", kind | 0o644), "x")
        archive.writestr(named("folder/", stat.S_IFDIR | 0o755), "")
    found_ = by_student(collect(tmp_path / "all.zip"))
    assert found_.pop("folder").missing
    wanted = {str(kind): f"Not opened: '{kind}.ipynb': It is {what}, not a file." for kind, what in kinds.items()}
    assert {student: one.refused for student, one in found_.items()} == wanted


def test_members_that_are_no_files_locked_or_oddly_packed(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(named("odd.ipynb", method=zipfile.ZIP_LZMA), "{}")
        archive.writestr(named("bz2.ipynb", method=zipfile.ZIP_BZIP2), "{}")
        archive.writestr(named("inner.zip"), "PK")
        archive.writestr(named("good.ipynb", stat.S_IFREG | 0o644, method=zipfile.ZIP_DEFLATED), "{}")
        archive.writestr(named("locked.ipynb"), "{}")
        archive.getinfo("locked.ipynb").flag_bits |= 1
    found_ = by_student(collect(tmp_path / "all.zip"))
    odd = {"odd": "method 14; only 0 and 8", "bz2": "method 12; only 0 and 8", "inner": "archive"}
    for student, wanted in odd.items():
        assert wanted in found_[student].refused
    assert "It is locked with a password." in found_["locked"].refused
    assert (found_["good"].data, words(found_["good"])) == (b"{}", "")


def test_bounds_of_sizes_in_a_zip(tmp_path):
    """What the table says is enough to refuse."""
    sizes = {(10**6, 1): "", (10**6 + 1, 0): "1000001 times; at most 200 are unpacked", (2 * 10**6, 10**4): ""}
    sizes |= {(2 * 10**6 + 1, 10**4): "packed 200 times", (MAX_BYTES, 10**6): "", (MAX_BYTES + 1, 1): "It has 20 MB"}
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for number, (size, packed) in enumerate(sizes):
            archive.writestr(f"{number}.ipynb", "x")
            info = archive.getinfo(f"{number}.ipynb")
            info.file_size, info.compress_size = size, packed
    with opening.opened(tmp_path / "all.zip") as entries:
        for entry, reason in zip(entries, sizes.values(), strict=True):
            assert reason in entry.refused
            assert bool(reason) == bool(entry.refused)


def test_bombs(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("honest.ipynb", b"0123456789abcdef" * 50_000)
        archive.writestr("ratio.ipynb", bytes(10_000_000))
        archive.writestr("declared.ipynb", bytes(MAX_BYTES + 1))
        archive.writestr("liar.ipynb", bytes(MAX_BYTES + 1))
        archive.getinfo("liar.ipynb").file_size = 100
    found_ = by_student(collect(tmp_path / "all.zip"))
    assert "packed 1" in found_["ratio"].refused
    assert "20 MB" in found_["declared"].refused
    assert "damaged" in found_["liar"].refused
    assert len(found_["honest"].data) == 800_000


def test_what_is_really_in_a_member_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "MAX_BYTES", 3 * opening.CHUNK)
    archive = pack(tmp_path / "all.zip", "a.ipynb", "b.ipynb")
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda self, n: b"x" * n)  # for ever
    found_ = by_student(collect(archive))
    assert all("MB" in one.refused for one in found_.values())


def test_no_more_than_the_table_of_a_zip_is_read_at_once(tmp_path):
    (tmp_path / "x").touch()
    os.truncate(tmp_path / "x", 5_000_000)
    with opening.Frugal(opening.io.FileIO(tmp_path / "x")) as file:
        assert [len(file.read(size) or b"") for size in (0, 4_000_000, -1, None)] == [0, 4_000_000, 1_000_000, 0]
        for size in (4_000_001, 1 << 40, -1, None):
            file.seek(0)
            with pytest.raises(opening.Refused, match="longer than 4 MB"):
                file.read(size)
            assert file.tell() == 4_000_001


def test_zip_with_too_many_members(tmp_path, monkeypatch):
    archive = pack(tmp_path / "all.zip", *[f"{k}.ipynb" for k in range(2000)])
    assert len(collect(archive).submissions) == 2000
    monkeypatch.setattr(opening, "MAX_DIRECTORY", 80_000)
    with pytest.raises(ValueError, match="in parts"):
        collect(archive)


def test_zip_that_lies_about_its_table(tmp_path):
    data = bytearray(pack(tmp_path / "all.zip", "a.ipynb").read_bytes())
    struct.pack_into("<L", data, len(data) - 10, 0x7FFFFFFF)
    (tmp_path / "all.zip").write_bytes(data)
    with pytest.raises(ValueError, match="neither a folder nor a zip"):
        collect(tmp_path / "all.zip")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"extract_version": 90}, "whole"),
        ({"filename": "a.ipyn\N{LATIN SMALL LETTER E WITH ACUTE}"}, "whole"),
        ({"flag_bits": 0x20}, "member"),
        ({"header_offset": 1 << 63}, "member"),
        ({"header_offset": 1 << 40}, "member"),
        ({"CRC": 0}, "member"),
    ],
    ids=str,
)
def test_kinds_of_damage(tmp_path, change, where):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("a.ipynb", "{}")
        for name, value in change.items():
            setattr(archive.infolist()[0], name, value)
    data = (tmp_path / "all.zip").read_bytes().replace("\N{LATIN SMALL LETTER E WITH ACUTE}".encode(), b"\xff\xff")
    (tmp_path / "all.zip").write_bytes(data)
    if where == "whole":
        with pytest.raises(ValueError, match="all.zip is neither a folder nor a zip that can be read: [zu']"):
            collect(tmp_path / "all.zip")
    else:
        (one,) = collect(tmp_path / "all.zip").submissions
        assert "It is damaged: " in one.refused and "damaged: ." not in one.refused


def test_disk_that_cannot_be_read(tmp_path, monkeypatch):
    archive = pack(tmp_path / "all.zip", "a.ipynb")

    def fail(file: Any, size: int = -1) -> bytes:
        if size > 40:  # the table
            raise OSError(5, "Input/output error")
        return opening.io.BufferedReader.read(file, size)

    with monkeypatch.context() as patch, pytest.raises(ValueError, match="neither .* Input/output"):
        patch.setattr(opening.Frugal, "read", fail)
        collect(archive)
    monkeypatch.setattr(zipfile.ZipExtFile, "read", fail)
    assert "damaged: [Errno 5] Input/output" in collect(archive).submissions[0].refused


def test_damaged_zips_never_crash(tmp_path):
    """Any byte may be anything: the zip is refused as a whole, or one of its members is, or nothing is noticed."""
    whole = pack(tmp_path / "all.zip", "a.ipynb", "b/x.ipynb", method=zipfile.ZIP_DEFLATED).read_bytes()
    chance = random.Random(1)
    refused = 0
    for k in range(600):
        data = bytearray(whole)
        for _ in range(1 + k % 3):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (tmp_path / "all.zip").write_bytes(data[: chance.randrange(len(data))] if k % 10 == 0 else data)
        try:
            refused += any(one.refused for one in collect(tmp_path / "all.zip").submissions)
        except ValueError:
            refused += 1
    assert 100 < refused < 600


def test_not_a_zip(tmp_path):
    write(tmp_path, "notes.txt")
    os.mkfifo(tmp_path / "pipe")
    for name in ("notes.txt", "pipe", "nowhere"):
        with pytest.raises(ValueError, match=f"no folder or zip .*{name}|{name} is neither"):
            collect(tmp_path / name)


# ---------------------------------------------------------------------------------------------------------- names

ODD = [
    "=1+1",
    "+cmd|' C calc'!A0",
    "-2",
    "@SUM(1)",
    "a\nb",
    "a\tb",
    "\x1b[31mred",
    "\u202egnp",
    "Zoë",
    "Zoe\u0308",
    "🧪",
]
ODD += ["%s%n", "$(id)", "a;b", "[bold]", "<script>", "con", " ", "a" * 200]


@pytest.mark.parametrize("layout", ["{}.ipynb", "{}/x.ipynb", "{}_1_assignsubmission_file_/x.ipynb", "{}_1_2_x.ipynb"])
@pytest.mark.parametrize("packed", [False, True])
def test_odd_names_are_data(tmp_path, layout, packed):
    for number, name in enumerate(ODD):
        file = layout.format(name)
        if packed:
            (one,) = collect(pack(tmp_path / "all.zip", file)).submissions
        else:
            write(tmp_path / str(number), file)
            (one,) = collect(tmp_path / str(number)).submissions
        assert name in (one.student, one.name)
        assert (one.file, one.data) == (file, file.encode())


def test_names_that_are_not_text(tmp_path):
    with open(os.fsencode(tmp_path) + b"/\xff\xfe.ipynb", "wb") as file:
        file.write(b"{}")
    collection = collect(tmp_path, Roster({"s1": ""}))
    assert found(collection).encode().endswith(b"roster: '\\udcff\\udcfe'")
    record = Record(collection.submissions[1].student, "l", "graded", notes=collection.submissions[1].notes)
    assert Record.from_json(record.to_json()) == record
    assert collection.submissions[1].key("t", 1)


def test_a_collection_is_the_same_in_any_order(tmp_path, monkeypatch):
    names = [f"{student}/{k}.ipynb" for student in "abc" for k in range(4)]
    entries = [Entry((*name.split("/"),), read=name.encode) for name in names]
    results = set()
    for seed in range(5):
        random.Random(seed).shuffle(entries)
        monkeypatch.setattr(opening, "_in_folder", lambda path, entries=tuple(entries): entries)
        results.add(tuple(replace(one, notes=()) for one in collect(tmp_path).submissions))
    assert len(results) == 1


# --------------------------------------------------------------------------------------------------------- records


def test_refused_and_missing_are_records(assignment):
    for submission, status in [
        (Submission("a", "a.ipynb", b"", name="Anna", refused="It is a pipe\ud800."), "unreadable"),
        (Submission("a", "", b"", name="Anna", missing=True), "missing"),
    ]:
        record = grade(assignment, submission)
        assert (record.status, record.points, record.name) == (status, 0, "Anna")
        assert record.max_points == assignment.max_points
        assert {row.outcome for row in record.rows} == {"not graded"}
        assert submission.refused in " ".join(record.notes)
        assert Record.from_json(record.to_json()) == record
    keys = {Submission("a", "", b"", refused=reason, missing=not reason).key("t", 1) for reason in ("", "pipe", "link")}
    assert len(keys) == 3  # who hands in later is not taken for done

"""Find the notebook of each student in a folder or a zip.

Understood, side by side:

    alice.ipynb                                                a notebook a student
    alice/anything.ipynb                                       a folder a student
    lastfirst_LATE_12345_67890_day4a-1.ipynb                   Canvas: name, late, id, number of the upload, file
    Full Name_123456_assignsubmission_file_/day4a.ipynb        Moodle: name, id, files; also with _ instead of /

Of several notebooks of one student the newest is graded, and all are noted. What cannot be opened stands in the record
of its student, with the reason. Names are data: they are shown and compared, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from course.grading.opening import Entry, Refused, opened
from course.grading.roster import Roster, as_id, plain
from course.grading.submission import Submission

# The first place where a name fits counts: what comes after it is the student's own choice, and may look like another.
CANVAS = re.compile(r"(?P<name>.+?)(?P<late>_LATE)?_(?P<id>[0-9]+)_(?P<upload>[0-9]+)_(?P<file>.+)", re.DOTALL)
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>[0-9]+)_assignsubmission_(?:file|onlinetext)(?:_(?P<file>.*))?", re.DOTALL)
SUFFIX = re.compile(r"[-(]([0-9]{1,4})\)?$")  # of a file that was sent again: day4a-1, day4a (1)
ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz")
MAX_TOTAL = 2_000_000_000  # bytes of all notebooks, which are in memory together
MAX_NOTES = 5


@dataclass(frozen=True)
class Owner:
    """Whose file it is, as its name says."""

    student: str
    name: str = ""
    late: bool = False
    upload: int = 0  # Canvas counts all uploads


@dataclass
class Pile:
    """All that one student has handed in."""

    owner: Owner
    files: list[tuple[Owner, Entry]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Collection:
    """What was found. `submissions` has one of each student, in the order of their ids: also who is missing."""

    submissions: tuple[Submission, ...]
    unknown: tuple[str, ...] = ()  # students that are not on the roster; they are graded like all others
    left_out: tuple[str, ...] = ()  # files that are nobody's notebook


def collect(path: Path, roster: Roster | None = None) -> Collection:
    """One submission of each student. Raises ValueError where there is no folder and no zip."""
    with opened(path) as entries:
        if not path.is_dir():
            entries = _unwrapped(entries, roster)
        piles: dict[str, Pile] = {}
        left_out = []
        for entry in entries:
            owner = owner_of(entry)
            if owner is None or _is_hidden(entry.parts[:1]):
                left_out.append(entry.name)
                continue
            pile = piles.setdefault(owner.student, Pile(owner))
            if not _is_hidden(entry.parts):
                pile.files.append((owner, entry))
        unknown: list[str] = []
        if roster is not None:
            piles, unknown = _joined(piles, roster)
        submissions = []
        total = 0
        for student, pile in sorted(piles.items()):
            name = roster.names.get(student, pile.owner.name) if roster else pile.owner.name
            submission = _newest(student, name, pile)
            total += len(submission.data)
            if total > MAX_TOTAL:
                reason = f"All notebooks together have more than {MAX_TOTAL / 1e9:.0f} GB: grade them in parts."
                total -= len(submission.data)
                submission = replace(submission, data=b"", refused=reason)
            submissions.append(submission)
    return Collection(tuple(submissions), tuple(unknown), tuple(sorted(left_out)))


def owner_of(entry: Entry) -> Owner | None:
    """Whose file it is, None where it is nobody's: a text beside the notebooks."""
    first, in_folder = entry.parts[0], len(entry.parts) > 1 or entry.is_folder
    if match := MOODLE.fullmatch(first):
        return Owner(match["id"], match["name"])
    if in_folder:
        return Owner(first)
    if match := CANVAS.fullmatch(first):
        return Owner(match["id"], match["name"], match["late"] is not None, int(match["upload"]))
    if entry.refused or first.lower().endswith((".ipynb", *ARCHIVES)):
        return Owner(re.sub(r"\.[A-Za-z0-9]{1,5}$", "", first))
    return None


def _is_hidden(parts: tuple[str, ...]) -> bool:
    """What a system puts beside the files, and nobody handed in."""
    return any(part.startswith(".") and not part.startswith("..") for part in parts) or "__MACOSX" in parts


def _unwrapped(entries: list[Entry], roster: Roster | None) -> list[Entry]:
    """Without the one folder that all of a zip may be packed in; where it is a student's, it stays."""
    inside = [
        entry for entry in entries if not _is_hidden(entry.parts) and not (entry.refused and len(entry.parts) == 1)
    ]
    folders = {entry.parts[0] for entry in inside}
    files = [entry for entry in inside if not entry.is_folder]
    if len(folders) != 1 or any(len(entry.parts) == 1 for entry in files):
        return entries
    folder = folders.pop()
    several = len({entry.parts[1] for entry in files if entry.name.lower().endswith(".ipynb")}) > 1
    from_lms = any(CANVAS.fullmatch(entry.parts[1]) or MOODLE.fullmatch(entry.parts[1]) for entry in files)
    is_student = MOODLE.fullmatch(folder) or (roster and (folder in roster.names or as_id(folder) in roster.by_id()))
    if is_student or not (several or from_lms):
        return entries
    packed = [entry for entry in entries if entry.parts != (folder,)]  # what is beside it stays: __MACOSX/all/._a.ipynb
    return [replace(one, parts=one.parts[1:]) if one.parts[0] == folder else one for one in packed]


# -------------------------------------------------------------------------------------------------------- roster


def _joined(piles: dict[str, Pile], roster: Roster) -> tuple[dict[str, Pile], list[str]]:
    """The piles under the ids of the roster, an empty one where a student is missing; and who is not on it."""
    ids, names = roster.by_id(), roster.by_name()
    joined: dict[str, Pile] = {}
    rest: dict[str, list[Pile]] = {}
    unknown: list[Pile] = []
    for pile in piles.values():
        student = pile.owner.student
        id = student if student in roster.names else ids.get(as_id(student))
        if id is None:
            id = ids.get(as_id(SUFFIX.sub("", student)))  # alice-1 is alice, unless she is on the roster herself
        if id is not None:
            joined.setdefault(id, Pile(pile.owner)).files += pile.files
        elif id := names.get(plain(pile.owner.name or student)):
            rest.setdefault(id, []).append(pile)
        else:
            unknown.append(pile)
    for id, same in rest.items():
        if len(same) == 1 and id not in joined:
            joined[id] = same[0]
            joined[id].notes.append(
                f"Found on the roster by the name {(same[0].owner.name or same[0].owner.student)!r}."
            )
        else:  # two people of one name: nobody's work may be taken for the other's
            for pile in same:
                pile.notes.append(f"The name fits {id!r} on the roster, but not this one alone.")
            unknown += same
    for pile in unknown:
        pile.notes.append("Not on the roster.")
        joined[pile.owner.student] = pile
    for id in roster.names:
        joined.setdefault(id, Pile(Owner(id)))
    return joined, sorted(pile.owner.student for pile in unknown)


# -------------------------------------------------------------------------------------------------------- newest


def _newest(student: str, name: str, pile: Pile) -> Submission:
    """The newest notebook that can be opened; what else there is, is noted."""
    notebooks, others, reasons = [], [], []
    for owner, entry in pile.files:
        if entry.refused:
            reasons.append(f"{entry.name!r}: {entry.refused}")
        elif entry.name.lower().endswith(ARCHIVES):
            reasons.append(f"{entry.name!r}: It is an archive, and is not unpacked: hand in the notebook itself.")
        elif entry.name.lower().endswith(".ipynb"):
            notebooks.append((owner, entry))
        elif not entry.is_folder:
            others.append(repr(entry.name))
    notebooks.sort(key=_age, reverse=True)
    late = any(owner.late for owner, _ in pile.files)
    for owner, entry in notebooks:
        try:
            data = entry.read()
        except Refused as error:
            reasons.append(f"{entry.name!r}: {error}")
            continue
        notes = list(pile.notes)
        if len(notebooks) > 1:
            rest = [repr(one.name) for _, one in notebooks if one is not entry]
            notes.append(f"{len(notebooks)} notebooks: {entry.name!r} was taken, the newest; not {_some(rest)}.")
        if reasons:
            notes.append(f"Not opened: {_some(reasons)}")
        return Submission(student, entry.name, data, owner.late, tuple(notes), name)
    reason = f"Not opened: {_some(reasons)}" if reasons else f"No notebook, only {_some(others)}." if others else ""
    file = pile.files[0][1].name if pile.files else ""
    return Submission(student, file, b"", late, tuple(pile.notes), name, refused=reason, missing=not reason)


def _age(file: tuple[Owner, Entry]) -> tuple[int, int, float, int, str]:
    """Larger for what is newer. Canvas numbers its uploads; else the time counts, and the number in the name."""
    owner, entry = file
    stem = entry.parts[-1][: -len(".ipynb")]
    match = SUFFIX.search(stem)
    again = int(match[1]) if match else 0
    return owner.upload, again if owner.upload else 0, entry.time, again, entry.name


def _some(words: Sequence[str]) -> str:
    more = len(words) - MAX_NOTES
    return ", ".join(words[:MAX_NOTES]) + (f" and {more} more" if more > 0 else "")

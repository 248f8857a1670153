"""Grade many submissions.

    assignment = prepare(lesson, solution, seed, choose("auto"))    reference evidence and canary
    record = grade(assignment, submission)                          one submission, a function without memory
    records = grade_all(assignment, submissions, journal, engine)   all, one line of JSON each, nothing lost

Before the first submission the solution must get full points and the untouched lesson none, under the very limits of
the run. Else the grader is broken, and nobody gets a zero for that.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from course.files import write_whole
from course.grading import forking
from course.grading.judging import References, judge_all
from course.grading.merging import Merged, Template, Unit, merge, used_by, with_the_librarys
from course.grading.reading import Unreadable, read
from course.grading.running import Findings, Infrastructure, remove_of_the_dead, run
from course.grading.sandbox import Limits, Sandbox
from course.grading.submission import Record, Row, Status, Submission

N_SEEDS = 2  # of the probes: an answer that is right by luck is found out, and the worse of the two counts
JOURNAL, STUDENTS = "records.jsonl", "students.json"
MAX_IN_A_ROW = 5  # failures of the grader, after which it gives up
PACKAGES = ("practical-nnp", "torch", "numpy", "nbval", "ipykernel", "jupyter-client")


@dataclass(frozen=True)
class Assignment:
    """All that is needed to grade a submission: plain data, so that it can travel to another machine."""

    template: Template
    seed: int
    references: References = field(repr=False)
    sandbox: Sandbox
    limits: Limits
    versions: dict[str, str]
    hash: str  # of lesson and solution
    forked: bool = True  # whether kernels are copies of a process that has torch loaded

    @property
    def max_points(self) -> float:
        return sum(task.points for task in self.template.tasks.values())


def prepare(
    lesson: Path, solution: Path, sandbox: Sandbox, seed: int | None = None, limits: Limits | None = None
) -> Assignment:
    """Collect the reference evidence in a kernel of the same kind, and grade the canary.

    Raises Infrastructure where the solution does not get full points, or the untouched lesson gets any.
    """
    remove_of_the_dead(sandbox)
    limits = limits or Limits()
    seed = secrets.randbits(32) if seed is None else seed
    blank = lesson.read_bytes()
    template = Template.load(lesson.stem, blank)
    solved = merge(template, read(solution.read_bytes()))
    forked = sandbox.kind == "bwrap"
    arguments = (template, solved.units, probe_seeds(seed), sandbox, limits, True)
    try:
        findings = run(*arguments, fork_server_for(template) if forked else "")
    except (Infrastructure, OSError):
        if not forked:
            raise
        forked, findings = False, run(*arguments)
    references = {}
    for exercise in template.tasks:
        if exercise not in findings.evidence:
            failure = findings.failures.get(exercise)
            raise Infrastructure(f"{solution.name} gave no evidence for {exercise}: {failure}.")
        references[exercise] = json.loads(findings.evidence[exercise])["references"]
    versions = {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
    hash = hash_of(lesson, solution)
    assignment = Assignment(template, seed, references, sandbox, limits, versions, hash, forked)
    canary(assignment, solution.read_bytes(), blank)
    return assignment


def hash_of(lesson: Path, solution: Path) -> str:
    """Of an assignment: another one where a cell of the lesson or of its solution has changed."""
    template = Template.load(lesson.stem, lesson.read_bytes())
    return f"{template.hash[:32]}{Submission('', '', solution.read_bytes()).hash[:32]}"


def canary(assignment: Assignment, solution: bytes, blank: bytes) -> None:
    """The solution gets all points, the untouched lesson none. Raises Infrastructure where that is not so."""
    for name, data, wanted in (("solution", solution, assignment.max_points), ("lesson", blank, 0)):
        record = grade(assignment, Submission(f"the {name}", name, data))
        if record.status != "graded" or record.points != wanted:
            words = "; ".join(row.message for row in record.rows if (row.points > 0) != (wanted > 0))
            raise Infrastructure(
                f"The {name} got {record.points} points, not {wanted:g} ({record.status}): {words} "
                f"{' '.join(record.notes)} Nothing was graded."
            )


def probe_seeds(seed: int) -> list[int]:
    """The seeds of the probes of a run."""
    return [int(n) for n in np.random.SeedSequence(seed).generate_state(N_SEEDS)]


def grade(assignment: Assignment, submission: Submission) -> Record:
    """One submission. The same submission and assignment give the same record, but for the time it took."""
    record = _begun(assignment, submission)
    try:
        return _graded(assignment, submission, record)
    except Unreadable as error:
        return _not_graded(assignment, record, "unreadable", str(error))
    except Infrastructure as error:
        return _not_graded(assignment, record, "infrastructure", str(error))
    except Exception as error:  # no space, no processes, or a mistake of ours: it stops nobody else's
        return _not_graded(assignment, record, "infrastructure", f"{type(error).__name__}: {error}")


def _graded(assignment: Assignment, submission: Submission, record: Record) -> Record:
    """Raises Unreadable and Infrastructure."""
    if submission.missing:
        return _not_graded(assignment, record, "missing", "Nothing was handed in.")
    if submission.refused:
        raise Unreadable(submission.refused)
    start = time.monotonic()
    try:
        merged = merge(assignment.template, read(submission.data))
    except Unreadable:
        raise
    except Exception as error:  # a mistake of ours, but at this notebook only: a person must look, the others go on
        raise Unreadable(f"The grader cannot take it apart: {type(error).__name__}: {str(error)[:200]}.") from error
    findings = _run(assignment, merged.units)
    rows = judge_all(assignment.template, merged, findings, assignment.references)
    rows = _not_held_back(assignment, merged, rows)
    outcomes = {row.outcome for row in rows}
    status: Status = "timed out" if "timed out" in outcomes else "crashed" if "crashed" in outcomes else "graded"
    notes, seconds = (*record.notes, *merged.notes, *findings.notes), round(time.monotonic() - start, 2)
    return replace(record, status=status, rows=rows, notes=notes, predictions=merged.predictions, seconds=seconds)


def _not_held_back(assignment: Assignment, merged: Merged, rows: tuple[Row, ...]) -> tuple[Row, ...]:
    """The rows, where an answer that calls one that is not right was judged anew, with the library's in its place.

    One bad exercise hurts only itself.
    """
    order = [row.exercise for row in rows]
    replaced: set[str] = set()
    while True:
        bad = {row.exercise for row in rows if row.outcome not in ("correct", "handed over")}
        uses = {e: used_by(assignment.template, merged, e) & bad - {e} for e in order if e in bad and merged.answers[e]}
        held_back = {e for e, used in uses.items() if used - replaced}
        roots = {e for used in uses.values() for e in used} - held_back
        held_back = {e for e in held_back if uses[e] & roots}
        if not held_back or roots <= replaced:
            return rows
        replaced |= roots
        units = with_the_librarys(assignment.template, merged.units, replaced, held_back)
        findings = _run(assignment, units)
        again = judge_all(assignment.template, merged, findings, assignment.references)
        new = {row.exercise: row for row in again if row.exercise in held_back and row.exercise in findings.evidence}
        for exercise, row in new.items():
            whose = ", ".join(sorted(uses[exercise] & replaced, key=order.index))
            note = f"Judged with the library's {whose}, which the answer calls: the learner's is not right."
            words = f"It calls your {whose}, which is not right yet: it was judged with the library's in its place."
            new[exercise] = replace(row, message=f"{row.message} {words}", notes=(*row.notes, note))
        rows = tuple(new.get(row.exercise, row) for row in rows)


def _begun(assignment: Assignment, submission: Submission) -> Record:
    """What is known before the file is looked at."""
    return Record(
        student=submission.student,
        name=submission.name,
        lesson=assignment.template.name,
        status="graded",
        file=submission.file,
        late=submission.late,
        notes=submission.notes,
        n_found=len(submission.notes),
        sandbox=assignment.sandbox.words,
        versions=assignment.versions,
        seed=assignment.seed,
        hash=submission.hash,
        template=assignment.hash,
        key=submission.key(assignment.hash, assignment.seed),
    )


def failed(assignment: Assignment, submission: Submission, why: str) -> Record:
    """The record of a submission that the grader failed at: no points are said, it is to be graded again."""
    return _not_graded(assignment, _begun(assignment, submission), "infrastructure", why)


def _run(assignment: Assignment, units: Sequence[Unit]) -> Findings:
    template, seeds = assignment.template, probe_seeds(assignment.seed)
    address = fork_server_for(template) if assignment.forked else ""
    return run(template, units, seeds, assignment.sandbox, assignment.limits, fork_server=address)


_fork_servers: dict[tuple[str, ...], forking.ForkServer] = {}
_lock = threading.Lock()


def fork_server_for(template: Template) -> str:
    """The address of this process's fork server for the exercises of a lesson; it is started when it is needed."""
    exercises = tuple(template.tasks)
    with _lock:
        server = _fork_servers.get(exercises)
        if server is None or server.process.poll() is not None:
            if server is not None:
                server.close()
            server = _fork_servers[exercises] = forking.ForkServer(exercises)
            atexit.register(server.close)
        return server.address


def end_fork_servers() -> None:
    """End them, and all that they have begun."""
    with _lock:
        for server in _fork_servers.values():
            server.close()
        _fork_servers.clear()


def _not_graded(assignment: Assignment, record: Record, status: Status, why: str) -> Record:
    """A record whose exercises were not looked at, with a row for each."""
    rows = [
        Row(task.exercise, ", ".join(task.functions), 0, task.points, "not graded", "Not graded.")
        for task in assignment.template.tasks.values()
    ]
    return replace(record, status=status, rows=tuple(rows), notes=(*record.notes, why))


# --------------------------------------------------------------------------------------------------------- many


class Journal:
    """The file `records.jsonl`: a line a finished submission, on the disk before the next one counts as done."""

    def __init__(self, path: Path):
        self.path = path
        self.records: dict[str, Record] = {}
        if path.exists():
            whole = self._read()
            if whole < path.stat().st_size:  # a line was cut in two by a crash
                os.truncate(path, whole)

    def _read(self) -> int:
        """Load all whole records; the result is the number of bytes up to the first that is not."""
        good = 0
        with open(self.path, "rb") as file:
            for line in file:
                try:
                    record = Record.from_json(line)
                except ValueError:
                    break
                if not line.endswith(b"\n"):
                    break
                self.records[record.key] = record
                good += len(line)
        return good

    def write(self, record: Record) -> None:
        """Raises OSError where the disk is full; then the record is not in the file."""
        before = self.path.stat().st_size if self.path.exists() else 0
        try:
            with open(self.path, "ab") as file:
                file.write(record.to_json().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            if self.path.exists():
                os.truncate(self.path, before)
            raise
        self.records[record.key] = record

    def is_done(self, key: str) -> bool:
        return key in self.records and self.records[key].status != "infrastructure"


class Engine(Protocol):
    """Where submissions are graded: threads of this process, or workers of Dask (`dask_engine.py`)."""

    def slots(self) -> int:
        """How many at a time, just now."""

    def start(self, assignment: Assignment, submission: Submission) -> Hashable:
        """Have `grade(assignment, submission)` called; the result stands for the record to come."""

    def finished(self, running: Collection[Any]) -> Iterable[tuple[Any, Record]]:
        """Wait until at least one is ready; which, and its record."""


class Threads:
    """So many at a time on this machine. A thread only waits for the processes of its submission."""

    def __init__(self, jobs: int = 1):
        self.jobs = jobs
        self.pool = ThreadPoolExecutor(jobs)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is KeyboardInterrupt:
            end_fork_servers()  # and with them what is at work
        self.pool.shutdown(wait=True, cancel_futures=True)

    def slots(self) -> int:
        return self.jobs

    def start(self, assignment: Assignment, submission: Submission) -> Future[Record]:
        return self.pool.submit(lambda: grade(assignment, submission))

    def finished(self, running: Collection[Future[Record]]) -> Iterator[tuple[Future[Record], Record]]:
        for done in wait(running, return_when=FIRST_COMPLETED).done:
            yield done, done.result()


def grade_all(
    assignment: Assignment,
    submissions: Iterable[Submission],
    journal: Journal,
    engine: Engine | None = None,
    finished: Callable[[Record], None] = lambda record: None,
) -> list[Record]:
    """Grade what the journal does not have yet; the result is in the order of the submissions.

    What timed out beside others, or crashed, is graded once more, alone: a busy machine is not the learner's fault.
    Without an engine: one at a time, here. Raises Infrastructure where the grader fails several times in a row.
    """
    engine = engine or Threads()
    submissions = list(submissions)
    keys = [submission.key(assignment.hash, assignment.seed) for submission in submissions]
    unique = dict(zip(keys, submissions, strict=True))
    todo = [submission for key, submission in unique.items() if not journal.is_done(key)]
    again: list[Submission] = []
    in_a_row = 0
    for submission, record in _handed_out(assignment, todo, engine):
        if record.status in ("infrastructure", "crashed") or (record.status == "timed out" and engine.slots() > 1):
            again.append(submission)
        else:
            journal.write(record)
            finished(record)
        in_a_row = in_a_row + 1 if record.status == "infrastructure" else 0
        if in_a_row >= MAX_IN_A_ROW:
            raise Infrastructure(f"The grader failed {in_a_row} times in a row: {record.notes[-1]}")
    for one in again:
        for _, record in _handed_out(assignment, [one], engine):
            journal.write(record)
            finished(record)
    return [journal.records[key].seen_again(one) for key, one in zip(keys, submissions, strict=True)]


def _handed_out(
    assignment: Assignment, todo: Sequence[Submission], engine: Engine
) -> Iterator[tuple[Submission, Record]]:
    """Pairs, as they get ready. Few are handed out at a time, so that a run that is stopped stops soon."""
    waiting = iter(todo)
    running: dict[Hashable, Submission] = {}
    while True:
        while len(running) < engine.slots() and (submission := next(waiting, None)) is not None:
            running[engine.start(assignment, submission)] = submission
        if not running:
            return
        for one, record in engine.finished(list(running)):
            yield running.pop(one), record


def write_students(out: Path, records: Sequence[Record]) -> None:
    """Whose record is which, as of the last run: a student may have handed in again, or have got a name."""
    said = [
        {"key": one.key, "student": one.student, "name": one.name, "file": one.file, "late": one.late}
        | {"notes": one.notes[: one.n_found]}
        for one in records
    ]
    write_whole(out / STUDENTS, json.dumps(said))


def records_of(out: Path) -> list[Record]:
    """The records of a run that has ended, from its folder alone."""
    records = Journal(out / JOURNAL).records
    if not (out / STUDENTS).exists():
        return list(records.values())
    found = []
    for one in json.loads((out / STUDENTS).read_text(encoding="utf-8")):
        record = records.get(one.pop("key"))
        if record is not None:
            found.append(record.seen_again(Submission(data=b"", **{**one, "notes": tuple(one["notes"])})))
    return found


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Nobody else grades into this folder meanwhile. Raises ValueError."""
    with open(out / "run.json", "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(f"Another `course grade` is at work in {out}.") from error
        yield


def seed_of(out: Path, lesson: Path, seed: int | None, resume: bool) -> int:
    """The seed of a run, kept in `run.json`: a run that is resumed has the same. Raises ValueError.

    A fresh seed is secret until the run is over.
    """
    file = out / "run.json"
    is_begun = file.exists() and (out / JOURNAL).exists()
    old: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if is_begun else {}
    if old and not resume:
        raise ValueError(f"{out} holds an earlier run: add --resume to go on with it, or name another folder.")
    if old and (old["lesson"] != lesson.stem or seed not in (None, old["seed"])):
        raise ValueError(f"{out} holds a run of {old['lesson']} with seed {old['seed']}: name another folder.")
    if not old:
        out.mkdir(parents=True, exist_ok=True)
        old = {"lesson": lesson.stem, "seed": secrets.randbits(32) if seed is None else seed}
        part = file.with_name(file.name + ".part")
        part.touch(mode=0o600)
        part.chmod(0o600)
        write_whole(file, json.dumps(old))
    return int(old["seed"])

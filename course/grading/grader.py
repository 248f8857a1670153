"""Grade many submissions on one machine.

    assignment = prepare(lesson, solution, seed, choose("auto"))    reference evidence and canary
    record = grade(assignment, submission)                          one submission, a function without memory
    records = grade_all(assignment, submissions, out, jobs=2)       all, one line of JSON each, nothing lost

Before the first submission the solution must get full points and the untouched lesson none, under the very limits of
the run. Else the grader is broken, and nobody gets a zero for that.
"""

from __future__ import annotations

import atexit
import json
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from course.grading import forking
from course.grading.judging import References, judge_all
from course.grading.merging import Merged, Template, merge
from course.grading.reading import Unreadable, read
from course.grading.running import Findings, Infrastructure, remove_of_the_dead, run
from course.grading.sandbox import Limits, Sandbox
from course.grading.submission import Record, Row, Status, Submission

N_SEEDS = 2  # of the probes: an answer that is right by luck is found out, and the worse of the two counts
JOURNAL = "records.jsonl"
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
    remove_of_the_dead()
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
    hash = f"{template.hash[:32]}{Submission('', '', solution.read_bytes()).hash[:32]}"
    assignment = Assignment(template, seed, references, sandbox, limits, versions, hash, forked)
    canary(assignment, solution.read_bytes(), blank)
    return assignment


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
    record = Record(
        student=submission.student,
        name=submission.name,
        lesson=assignment.template.name,
        status="graded",
        file=submission.file,
        late=submission.late,
        notes=submission.notes,
        sandbox=assignment.sandbox.words,
        versions=assignment.versions,
        seed=assignment.seed,
        hash=submission.hash,
        template=assignment.hash,
        key=submission.key(assignment.hash, assignment.seed),
    )
    if submission.missing:
        return no_points(assignment, replace(record, status="missing"))
    start = time.monotonic()
    try:
        if submission.refused:
            raise Unreadable(submission.refused)
        merged = merge(assignment.template, read(submission.data))
    except Unreadable as error:
        return no_points(assignment, replace(record, status="unreadable", notes=(*record.notes, str(error))))
    record = replace(record, notes=(*record.notes, *merged.notes), predictions=merged.predictions)
    try:
        findings = _run(assignment, merged)
    except Infrastructure as error:
        record = replace(record, status="infrastructure", notes=(*record.notes, str(error)))
        return no_points(assignment, record)
    rows = judge_all(assignment.template, merged, findings, assignment.references)
    outcomes = {row.outcome for row in rows}
    status: Status = "timed out" if "timed out" in outcomes else "crashed" if "crashed" in outcomes else "graded"
    notes = (*record.notes, *findings.notes)
    return replace(record, status=status, rows=rows, notes=notes, seconds=round(time.monotonic() - start, 2))


def _run(assignment: Assignment, merged: Merged) -> Findings:
    template, seeds = assignment.template, probe_seeds(assignment.seed)
    address = fork_server_for(template) if assignment.forked else ""
    try:
        return run(template, merged.units, seeds, assignment.sandbox, assignment.limits, fork_server=address)
    except OSError as error:  # no space, no processes
        raise Infrastructure(f"{type(error).__name__}: {error}") from error


_fork_servers: dict[tuple[str, ...], forking.ForkServer] = {}
_lock = threading.Lock()


def fork_server_for(template: Template) -> str:
    """The address of this process's fork server for the exercises of a lesson; it is started when it is needed."""
    exercises = tuple(template.tasks)
    with _lock:
        server = _fork_servers.get(exercises)
        if server is None or server.process.poll() is not None:
            server = _fork_servers[exercises] = forking.ForkServer(exercises)
            atexit.register(server.close)
        return server.address


def no_points(assignment: Assignment, record: Record) -> Record:
    """A record whose exercises were not looked at, with a row for each."""
    rows = [
        Row(task.exercise, ", ".join(task.functions), 0, task.points, "not graded", "Not graded.")
        for task in assignment.template.tasks.values()
    ]
    return replace(record, rows=tuple(rows))


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


def grade_all(
    assignment: Assignment,
    submissions: Iterable[Submission],
    journal: Journal,
    jobs: int = 1,
    finished: Callable[[Record], None] = lambda record: None,
) -> list[Record]:
    """Grade what the journal does not have yet; the result is in the order of the submissions.

    A submission that timed out beside others is graded once more, alone: a busy machine is not the learner's fault.
    Raises Infrastructure where the grader fails several times in a row.
    """
    submissions = list(submissions)
    keys = [submission.key(assignment.hash, assignment.seed) for submission in submissions]
    unique = dict(zip(keys, submissions, strict=True))
    todo = [submission for key, submission in unique.items() if not journal.is_done(key)]
    again: list[Submission] = []
    failed = 0
    for submission, record in _parallel(lambda one: grade(assignment, one), todo, jobs):
        if record.status == "infrastructure" or (record.status == "timed out" and jobs > 1):
            again.append(submission)
        else:
            journal.write(record)
            finished(record)
        failed = failed + 1 if record.status == "infrastructure" else 0
        if failed >= MAX_IN_A_ROW:
            raise Infrastructure(f"The grader failed {failed} times in a row: {record.notes[-1]}")
    for submission in again:
        record = grade(assignment, submission)
        journal.write(record)
        finished(record)
    return [journal.records[key] for key in keys]


def _parallel(
    work: Callable[[Submission], Record], todo: Sequence[Submission], jobs: int
) -> Iterator[tuple[Submission, Record]]:
    """Pairs, as they get ready. Few are handed out at a time, so that a run that is stopped stops soon."""
    waiting = iter(todo)
    running: dict[Future[Record], Submission] = {}
    pool = ThreadPoolExecutor(jobs)
    try:
        while True:
            while len(running) < jobs and (submission := next(waiting, None)) is not None:
                running[pool.submit(work, submission)] = submission
            if not running:
                return
            for done in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(done), done.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


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
        file.touch(mode=0o600)
        file.write_text(json.dumps(old), encoding="utf-8")
    return int(old["seed"])

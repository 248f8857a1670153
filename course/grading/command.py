"""What `course grade` prints."""

from __future__ import annotations

import contextlib
import statistics
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from course.grading.collect import Collection, collect
from course.grading.gradebook import Gradebook, visible
from course.grading.grader import (
    JOURNAL,
    Journal,
    Threads,
    alone_in,
    grade_all,
    hash_of,
    prepare,
    seed_of,
    write_students,
)
from course.grading.reports import known_totals, write_reports
from course.grading.roster import Roster
from course.grading.running import Infrastructure
from course.grading.sandbox import SandboxError, choose
from course.grading.submission import ROW_OUTCOMES, Record

if TYPE_CHECKING:
    from course.grading.dask_engine import Dask

ALL_GRADED, ATTENTION, FAILED = 0, 1, 2  # exit codes


def grade(
    lesson: Path,
    submitted: Path,
    out: Path,
    jobs: int,
    seed: int | None,
    sandbox: str,
    solution: Path | None,
    resume: bool,
    roster: Path | None = None,
    dask: str = "",
) -> int:
    """Grade a folder or a zip; the result is the exit code."""
    console = Console()
    solution = solution or lesson.parent.parent / "solutions" / lesson.name
    try:
        with contextlib.ExitStack() as stack:
            for path, what in ((lesson, "lesson"), (solution, "solution")):
                if not path.is_file():
                    raise ValueError(f"There is no {what} {path}.")
            if lesson.resolve() == solution.resolve():
                raise ValueError(f"{lesson} is the solution. First comes the lesson, lessons/NAME.ipynb.")
            class_list = Roster.load(roster) if roster else None
            check_folders(submitted, out)
            chosen = choose(sandbox)
            console.print(f"sandbox  {escape(chosen.words)}", highlight=False)
            cluster = stack.enter_context(connect(dask)) if dask else None
            collection = collect(submitted, class_list)
            submissions = collection.submissions
            console.print(escape(found(collection)), highlight=False)
            hash = hash_of(lesson, solution)
            seed = seed_of(out, lesson, seed, resume)
            stack.enter_context(alone_in(out))
            journal = Journal(out / JOURNAL)
            done = sum(journal.is_done(one.key(hash, seed)) for one in submissions)
            if done == len(submissions):
                records = [journal.records[one.key(hash, seed)].seen_again(one) for one in submissions]
            else:
                with console.status("canary: the solution must get all points, the untouched lesson none"):
                    assignment = prepare(lesson, solution, chosen, seed)
                    if cluster:
                        cluster.prepare(assignment, solution.read_bytes(), lesson.read_bytes())
                engine = cluster or stack.enter_context(Threads(jobs))
                columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
                with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
                    task = progress.add_task("grading", total=len(submissions), completed=done)
                    records = grade_all(assignment, submissions, journal, engine, lambda record: progress.advance(task))
            write_students(out, records)
            book = write_reports(out, records) if records else None
    except KeyboardInterrupt:
        console.print("Stopped. What is graded is kept: the same command with --resume goes on.", style="yellow")
        return FAILED
    except (Infrastructure, SandboxError, ValueError, OSError) as error:
        console.print(f"{type(error).__name__}: {escape(str(error))}", style="red", highlight=False)
        return FAILED
    if book is None:
        console.print("Nothing was found to grade.", style="yellow")
        return FAILED
    console.print(summary(book.records))
    for record in book.records:
        if record.needs_attention:
            words = f"{record.student!r}: {record.status}. {' '.join(record.notes[record.n_found :][-2:])}"
            console.print(escape(visible(words)), style="yellow", highlight=False, soft_wrap=True)
    for line in book.said_of_corrections():
        console.print(f"by hand  {escape(line)}", highlight=False, soft_wrap=True)
    console.print(f"points   {in_words(book)}", highlight=False)
    console.print(f"report   {escape(str(out / 'report.html'))}", highlight=False, soft_wrap=True)
    if any(record.status == "infrastructure" for record in records):
        return FAILED
    return ATTENTION if any(record.needs_attention for record in records) else ALL_GRADED


def check_folders(submitted: Path, out: Path) -> None:
    """Raises ValueError where the results cannot go into `out`, or would be taken for somebody's work next time."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file: name a folder for the results.")
    if submitted.is_dir() and out.resolve().is_relative_to(submitted.resolve()):
        raise ValueError(f"{out} lies in the folder of the submissions: name another one for the results.")


def connect(address: str) -> Dask:
    """The workers of Dask. Raises Infrastructure, and ValueError where Dask is not installed."""
    try:
        from course.grading.dask_engine import Dask
    except ImportError as error:
        raise ValueError(f'--dask needs Dask ({error}): pip install "practical-nnp[dask]"') from error
    return Dask(address)


def found(collection: Collection) -> str:
    """What was handed in, in words."""
    submissions = collection.submissions
    missing = [repr(one.student) for one in submissions if one.missing]
    refused = sum(bool(one.refused) for one in submissions)
    lines = [f"found    {len(submissions) - len(missing) - refused} notebooks, {refused} that cannot be opened"]
    groups = {"missing": missing, "not on the roster": [repr(student) for student in collection.unknown]}
    groups["nobody's, left out"] = [repr(name) for name in collection.left_out]
    for what, names in groups.items():
        if names:
            more = f" and {len(names) - 20} more" if len(names) > 20 else ""
            lines.append(f"{what}: {', '.join(names[:20])}{more}")
    return "\n".join(lines)


def in_words(book: Gradebook) -> str:
    """The middle of the class."""
    totals = known_totals(book)
    if not totals:
        return f"nobody's are known, of {book.max_points:g}"
    mean, median = statistics.fmean(totals), statistics.median(totals)
    return f"mean {mean:.4g}, median {median:g} of {book.max_points:g}; {len(totals)} that could be read"


def summary(records: Sequence[Record]) -> Table:
    """How each exercise came out."""
    table = Table(title=f"{len(records)} submissions", box=box.SIMPLE_HEAD, padding=0)
    table.add_column("exercise", no_wrap=True)
    counts: dict[tuple[str, str], Counter[str]] = {}
    for record in records:
        for row in record.rows:
            counts.setdefault((row.exercise, row.name), Counter())[row.outcome] += 1
    shown = [outcome for outcome in ROW_OUTCOMES if any(count[outcome] for count in counts.values())]
    for outcome in shown:
        table.add_column(outcome, justify="right", min_width=max(map(len, outcome.split())))
    for (exercise, name), count in counts.items():
        table.add_row(f"{exercise} {name}", *(str(count[outcome] or "") for outcome in shown))
    return table


def self_test(sandbox: str) -> int:
    """Try out the sandbox of this machine; the result is the exit code."""
    from course.grading.selftest import try_all

    console = Console()
    try:
        chosen = choose(sandbox)
    except SandboxError as error:
        console.print(escape(str(error)), style="red", highlight=False)
        return FAILED
    console.print(f"sandbox  {escape(chosen.words)}", highlight=False)
    table = Table("a notebook tries to", "and", "")
    everything = True
    with console.status("trying"):
        for what, stopped, words in try_all(chosen):
            everything &= stopped
            table.add_row(what, "[green]is stopped[/]" if stopped else "[red]succeeds[/]", escape(words))
    console.print(table)
    return ALL_GRADED if everything else ATTENTION

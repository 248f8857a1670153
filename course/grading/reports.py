"""What people get to read: tables of points, a page for each learner, one page for the instructor.

    write_reports(out, records)              from the records of a run
    python -m course.grading.reports OUT     again from OUT/records.jsonl, after a change of OUT/manual.csv

A learner's page shows the own source, what the judge said of it, and the hints of the lesson. It holds no seed, no
expected value, no note for the instructor. Everything that comes from a learner is escaped by jinja2, and the pages
forbid scripts and anything from elsewhere.
"""

from __future__ import annotations

import argparse
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from course.exercises import find
from course.files import write_whole
from course.grading import likeness
from course.grading.gradebook import (
    Gradebook,
    canvas_csv,
    feedback_name,
    gradebook,
    grades_csv,
    heading,
    log_corrections,
    moodle_csv,
    read_manual,
    visible,
)
from course.grading.submission import ROW_OUTCOMES, Record, Row, RowOutcome

# Okabe-Ito colours: black text can be read on each
COLORS: dict[RowOutcome, str] = {
    "correct": "#009e73",
    "not attempted": "#bbbbbb",
    "wrong": "#d55e00",
    "handed over": "#56b4e9",
    "crashed": "#cc79a7",
    "timed out": "#e69f00",
    "not graded": "#f0e442",
}
VERDICTS: dict[RowOutcome, str] = {
    "correct": "right",
    "not attempted": "not written yet",
    "wrong": "not right yet",
    "handed over": "handed over by the library",
    "crashed": "ended the program",
    "timed out": "took too long",
    "not graded": "not graded",
}
MARKS: dict[RowOutcome, str] = {
    "correct": "✓",
    "not attempted": "–",
    "wrong": "✗",
    "handed over": "→",
    "crashed": "✗",
    "timed out": "✗",
    "not graded": "?",
}
N_SLOWEST = 10
N_COMMON = 20


def write_reports(out: Path, records: Iterable[Record]) -> Gradebook:
    """Write all tables and pages into the folder. Raises ValueError where manual.csv cannot be understood."""
    book = gradebook(records, read_manual(out / "manual.csv"))
    log_corrections(book, out / "manual.log")
    write_whole(out / "grades.csv", "\ufeff" + grades_csv(book))  # without the mark, Excel misreads names
    write_whole(out / "canvas.csv", canvas_csv(book))
    write_whole(out / "moodle.csv", moodle_csv(book))
    (out / "feedback").mkdir(exist_ok=True)
    for record in book.records:
        write_whole(out / "feedback" / feedback_name(record.student), feedback_html(book, record))
    write_whole(out / "report.html", report_html(book))
    return book


# ------------------------------------------------------------------------------------------------------- feedback


@dataclass(frozen=True)
class Section:
    """One exercise on a learner's page."""

    row: Row
    points: float | None
    verdict: str
    mark: str
    color: str
    message: str
    check: str  # what to type in the lesson
    hints: tuple[str, ...]
    correction: str
    predictions: tuple[str, ...]


def feedback_html(book: Gradebook, record: Record) -> str:
    """The page of one learner."""
    sections = [_section(book, record, row) for row in record.rows]
    todo = [section for section in sections if section.row.outcome not in ("correct", "not graded")]
    return _render(
        "feedback.html",
        record=record,
        sections=sections,
        todo=todo,
        n_right=sum(row.outcome == "correct" for row in record.rows),
        reason=record.notes[-1] if record.notes else "",
        points=book.total(record),
        of=book.max_points,
    )


def _section(book: Gradebook, record: Record, row: Row) -> Section:
    correction = book.correction(record, row)
    return Section(
        row=row,
        points=book.points(record, row),
        verdict=VERDICTS[row.outcome],
        mark=MARKS[row.outcome],
        color=COLORS[row.outcome],
        message=message_of(row),
        check=f'check("{row.exercise}", {row.name})',
        hints=_hints(row.exercise),
        correction=correction.reason if correction else "",
        predictions=_predictions(record, row.exercise),
    )


def _predictions(record: Record, exercise: str) -> tuple[str, ...]:
    """Of 4.5: what was expected in predict("4.5", ...), predict("4.5a", ...), predict("4.5b", ...)."""
    return tuple(one for id, said in record.predictions.items() if re.sub("[a-z]$", "", id) == exercise for one in said)


def message_of(row: Row) -> str:
    """The message without the mark, the number and the name, which stand in the heading."""
    words = re.sub(rf"^[✓–✗→] +(?:{re.escape(row.exercise)} +)?", "", row.message)
    without = words.removeprefix(f"{row.name}: ")
    return words if without == words else without[:1].upper() + without[1:]


def _hints(exercise: str) -> tuple[str, ...]:
    try:
        return find(exercise).hints
    except ValueError:  # an exercise of the instructor's own
        return ()


# --------------------------------------------------------------------------------------------------------- report


@dataclass(frozen=True)
class Difficulty:
    """How one exercise came out."""

    row: Row
    share: float  # mean points over the full points
    counts: dict[RowOutcome, int]


@dataclass(frozen=True)
class Mistake:
    """A way to be wrong, and how many took it."""

    exercise: str
    name: str  # "" where no misconception fits
    sentence: str
    students: tuple[str, ...]


def report_html(book: Gradebook) -> str:
    """The instructor's page."""
    records = book.records
    totals = known_totals(book)
    hardest = difficulties(book)
    seconds = sorted(record.seconds for record in records if record.seconds > 0)
    slowest = sorted((r for r in records if r.seconds > 0), key=lambda record: -record.seconds)[:N_SLOWEST]
    stopped = [(r, row) for r in records for row in r.rows if row.outcome in ("crashed", "timed out")]
    notes = [(r, row.exercise, note) for r in records for row in r.rows for note in row.notes]
    known, unknown = mistakes(records)
    bins = distribution(totals, book.max_points)
    return _render(
        "report.html",
        book=book,
        statuses=Counter(record.status for record in records),
        attention=[record for record in records if record.needs_attention],
        run=records[0],
        names={record.student: record.name for record in records},
        n_known=len(totals),
        mean=statistics.fmean(totals) if totals else None,
        median=statistics.median(totals) if totals else None,
        n_late=sum(record.late for record in records),
        bins=bins,
        histogram=histogram_svg(bins),
        hardest=hardest,
        bars=bars_svg(hardest),
        outcomes=[o for o in ROW_OUTCOMES if any(one.counts.get(o) for one in hardest)],
        known=known[:N_COMMON],
        unknown=unknown[:N_COMMON],
        predictions=predictions(records),
        alike=likeness.pairs(records)[:N_COMMON],
        seconds=seconds,
        median_seconds=statistics.median(seconds) if seconds else None,
        slowest=slowest,
        stopped=stopped,
        notes=[(r, "", note) for r in records if not r.needs_attention for note in r.notes] + notes,
        corrections=list(book.corrections.values()),
        page_of={record.student: f"feedback/{feedback_name(record.student)}" for record in records},
    )


def known_totals(book: Gradebook) -> list[float]:
    """The points of all whose work could be read, or was judged by a person."""
    return [total for record in book.records if (total := book.known_total(record)) is not None]


def difficulties(book: Gradebook) -> list[Difficulty]:
    """The hardest first. Submissions that were not graded do not count."""
    found = []
    for exercise, any_row in book.exercises.items():
        pairs = [(record, record.row(exercise)) for record in book.records]
        counted = [p.points for r, p in pairs if p.outcome != "not graded" or book.correction(r, p)]
        full = any_row.max_points * len(counted)
        share = sum(counted) / full if full else 0.0
        found.append(Difficulty(any_row, share, dict(Counter(row.outcome for _, row in pairs))))
    return sorted(found, key=lambda one: one.share)


def mistakes(records: Iterable[Record]) -> tuple[list[Mistake], list[Mistake]]:
    """(with a sentence, without), the most common first."""
    students: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    sentences: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for record in records:
        for row in record.rows:
            if row.outcome == "wrong":  # a sentence may hold numbers of the one answer
                key = (row.exercise, row.misconception or "", "" if row.misconception else message_of(row))
                students[key].append(record.student)
                sentences[key][message_of(row)] += 1
    found = [
        Mistake(exercise, name, sentences[exercise, name, words].most_common(1)[0][0], tuple(who))
        for (exercise, name, words), who in students.items()
    ]
    found.sort(key=lambda mistake: -len(mistake.students))
    return [m for m in found if m.name], [m for m in found if not m.name]


def predictions(records: Iterable[Record]) -> list[tuple[str, list[tuple[str, int]]]]:
    """By exercise, what was expected and how often."""
    said: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        for exercise, words in record.predictions.items():
            said[exercise].update(words)
    return [(exercise, counts.most_common(N_COMMON)) for exercise, counts in sorted(said.items(), key=_by_number)]


def _by_number(item: tuple[str, Any]) -> tuple[list[int], str]:
    return [int(part) for part in re.findall("[0-9]{1,9}", item[0])], item[0]


def distribution(totals: Iterable[float], max_points: float) -> list[tuple[str, int]]:
    """(share of the full points, how many): nothing and everything have places of their own."""
    labels = ["0 %", *(f"{low}–{low + 10} %" for low in range(0, 100, 10)), "100 %"]
    counts: Counter[int] = Counter()
    for total in totals:
        share = total / max_points if max_points else 0.0
        counts[0 if share <= 0 else 11 if share >= 1 else 1 + int(10 * share + 1e-9)] += 1
    return [(label, counts[place]) for place, label in enumerate(labels)]


def histogram_svg(bins: list[tuple[str, int]]) -> Markup:
    """Columns. The numbers are in a table below it too."""
    top = max(count for _, count in bins) or 1
    width, height, base = 60, 160, 190
    parts = []
    for place, (label, count) in enumerate(bins):
        x, tall = place * width + 6, height * count / top
        parts.append(f'<rect x="{x}" y="{base - tall:.1f}" width="{width - 12}" height="{tall:.1f}" class="column"/>')
        middle = x + width / 2 - 6
        if count:
            parts.append(f'<text x="{middle}" y="{base - tall - 6:.1f}" text-anchor="middle">{count}</text>')
        parts.append(f'<text x="{middle}" y="{base + 18}" text-anchor="middle" class="small">{label}</text>')
    parts.append(f'<line x1="0" y1="{base}" x2="{len(bins) * width}" y2="{base}" class="axis"/>')
    words = "; ".join(f"{label}: {count}" for label, count in bins if count)
    return _svg(len(bins) * width, base + 28, f"Number of students by share of the full points. {words}.", parts)


def bars_svg(hardest: list[Difficulty]) -> Markup:
    """A bar an exercise, cut into outcomes. The numbers are in a table below it too."""
    width, left, step = 520, 230, 30
    parts = []
    for line, one in enumerate(hardest):
        y, x, n = line * step, float(left), sum(one.counts.values())
        name = visible(heading(one.row))
        name = escape(name if len(name) <= 23 else f"{name[:22]}…")
        parts.append(f'<text x="{left - 8}" y="{y + 18}" text-anchor="end">{name}</text>')
        for outcome in ROW_OUTCOMES:
            count = one.counts.get(outcome, 0)
            long = width * count / n
            if count:
                box = f'x="{x:.1f}" y="{y + 2}" width="{long:.1f}" height="{step - 6}"'
                parts.append(f'<rect {box} fill="{COLORS[outcome]}" class="part"/>')
            if long > 24:
                at = f'x="{x + long / 2:.1f}" y="{y + 18}"'
                parts.append(f'<text {at} text-anchor="middle" class="on">{MARKS[outcome]} {count}</text>')
            x += long
        parts.append(f'<text x="{left + width + 8}" y="{y + 18}">{one.share:.0%}</text>')
    words = "; ".join(f"{one.row.exercise}: {one.share:.0%} of the points" for one in hardest)
    return _svg(
        left + width + 60, len(hardest) * step + 4, f"How each exercise came out, hardest first. {words}.", parts
    )


def _svg(width: float, height: float, description: str, parts: list[str]) -> Markup:
    head = f'<svg role="img" aria-label="{escape(visible(description))}" viewBox="0 0 {width:g} {height:g}"'
    return Markup(f'{head} style="max-width:{width:g}px">{"".join(parts)}</svg>')  # all texts are escaped above


# ---------------------------------------------------------------------------------------------------------- pages


def code_spans(text: str) -> Markup:
    """Escaped text, with `code` between backticks set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(visible(text)))))


def number(value: float | None, missing: str = "–") -> str:
    return missing if value is None else f"{value:.4g}"


def _seen(value: Any) -> Any:
    """Last station of everything that is put into a page, before it is escaped."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    folder = Path(__file__).with_name("templates")
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"code_spans": code_spans, "number": number}
    environment.globals |= {"COLORS": COLORS, "MARKS": MARKS, "VERDICTS": VERDICTS}
    return environment


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(values)


def main(arguments: Sequence[str] | None = None) -> None:
    from course.grading.grader import JOURNAL, records_of

    parser = argparse.ArgumentParser(description="Write the tables and pages of a run again.")
    parser.add_argument("out", type=Path, help="the folder that holds records.jsonl and, if you like, manual.csv")
    out = parser.parse_args(arguments).out
    if not (out / JOURNAL).is_file():
        parser.error(f"there is no {out / JOURNAL}: name the folder of a run")
    try:
        book = write_reports(out, records_of(out))
    except ValueError as error:
        parser.error(str(error))
    print(f"{len(book.records)} students; {out / 'report.html'}")
    for line in book.said_of_corrections():
        print(f"by hand  {line}")


if __name__ == "__main__":
    main()

"""What the learner types: `check`, `hint`, `stuck`."""

from __future__ import annotations

import html
import re
import sys
from typing import Any

from course.exercises.exercise import Exercise, Function, Kind, Outcome

OUTCOME_MIME = "application/vnd.course.outcome+json"
# Okabe-Ito colours; all four stand out on white and on black
COLORS: dict[Kind, str] = {
    "correct": "#009e73",
    "not attempted": "#999999",
    "wrong": "#d55e00",
    "handed over": "#56b4e9",
}
_hints_shown: dict[str, int] = {}


class ExerciseError(Exception):
    """A check that is not passed. In a notebook it is one line long: the card above it has said the rest."""

    def __init__(self, outcome: Outcome, card_shown: bool):
        super().__init__(outcome.text())
        self.outcome, self.card_shown = outcome, card_shown

    def _render_traceback_(self) -> list[str]:  # IPython shows this in place of a traceback
        if not self.card_shown:
            return [str(self)]
        state = "not written yet" if self.outcome.kind == "not attempted" else "not right yet"
        return [f'{self.outcome.exercise} is {state}. hint("{self.outcome.exercise}") helps.']


def check(id: str, *functions: Function) -> None:
    """Check the functions of an exercise: `check("4.5", accumulate)`.

    Raises ExerciseError where they are wrong or not written yet.
    """
    from course.exercises import find

    outcome = find(id).examine(functions)
    card_shown = _in_notebook()
    if card_shown or outcome.kind in ("correct", "handed over"):
        data = {"exercise": outcome.exercise, "outcome": outcome.kind, "text": outcome.text()}
        show(outcome.text(), outcome_html(outcome), {OUTCOME_MIME: data | {"misconception": outcome.misconception}})
    if outcome.kind in ("wrong", "not attempted"):
        raise ExerciseError(outcome, card_shown) from None


def hint(id: str, number: int | None = None) -> None:
    """Show the next hint of an exercise, or the one with this number."""
    from course.exercises import find

    hints = find(id).hints
    if number is None:
        number = min(_hints_shown.get(id, 0) + 1, len(hints))
    if not 1 <= number <= len(hints):
        raise ValueError(f"Exercise {id} has the hints 1 to {len(hints)}, there is no hint {number}.")
    _hints_shown[id] = max(number, _hints_shown.get(id, 0))
    left = len(hints) - number
    rest = f"{left} more." if left else f'That was the last one. stuck("{id}") hands over the library\'s version.'
    text = f"Hint {number} of {len(hints)} for {id}: {hints[number - 1]}"
    show(f"{text} ({rest})", card(f"Hint {number} of {len(hints)}", hints[number - 1], "#0072b2", rest))


def stuck(id: str) -> Any:
    """The library's version of what an exercise asks for, so that the lesson can go on. It is worth 0 points.

    `accumulate = stuck("4.5")`; several functions come as a tuple.
    """
    from course.exercises import find

    exercise = find(id)
    text = f'{id} {exercise.name}: the library\'s version, 0 points. Use it with: {exercise.name} = stuck("{id}")'
    use = f'Use it with `{exercise.name} = stuck("{id}")`.'
    show(text, card(id, f"{exercise.name}: the library's version, 0 points. {use}", COLORS["handed over"]))
    return exercise.reference if len(exercise.reference) > 1 else exercise.reference[0]


# ------------------------------------------------------------------------------------------------------------- show


def show(text: str, html: str, more: dict[str, Any] | None = None) -> None:
    """Print the text; where there is an IPython, as one MIME bundle with the HTML beside it."""
    if _ipython() is None:
        print(text)
    else:
        from IPython.display import publish_display_data

        publish_display_data({"text/plain": text, "text/html": html} | (more or {}))


def outcome_html(outcome: Outcome) -> str:
    from course.exercises.exercise import SYMBOLS

    title, color = f"{SYMBOLS[outcome.kind]} {outcome.exercise}", COLORS[outcome.kind]
    body, labelled = outcome.message, []
    if outcome.difference is not None:
        body, labelled = f"{body} The first difference:".strip(), outcome.difference.lines()
    if outcome.printed:
        labelled = [*labelled, ("printed", outcome.printed.replace("\n", "\n" + 9 * " "))]
    return card(title, body, color, lines="\n".join(f"{label:9}{words}" for label, words in labelled))


def card(title: str, body: str, color: str, small: str = "", lines: str = "") -> str:
    """A line with a coloured edge. Text colour and background are the page's own, so that dark themes work."""
    more = f'<div style="margin-top:.4em;font-size:92%">{_inline(small)}</div>' if small else ""
    if lines:
        more += f'<pre style="margin:.4em 0 0;white-space:pre-wrap;background:none">{html.escape(lines)}</pre>'
    return (
        f'<div style="border-left:5px solid {color};padding:.35em .9em;margin:.2em 0;line-height:1.45">'
        f'<b style="color:{color}">{html.escape(title)}</b>&ensp;{_inline(body)}{more}</div>'
    )


def _inline(text: str) -> str:
    """Escaped text, with `code` between backticks set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def _ipython() -> Any:
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def _in_notebook() -> bool:
    return hasattr(_ipython(), "kernel")


__all__ = ["Exercise", "ExerciseError", "check", "hint", "stuck"]

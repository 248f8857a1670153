"""Say what you think before you look. The answer is in the source of the cell, so it stays in the notebook file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from course.exercises.lesson import card, show

PREDICTION_MIME = "application/vnd.course.prediction+json"
COLOR = "#cc79a7"  # Okabe-Ito
Answer = int | float | str | Sequence[int | str]


@dataclass(frozen=True)
class Prediction:
    """What the learner expects of an experiment; false where nothing was said."""

    exercise: str
    said: str  # in words, "" where nothing was said

    def __bool__(self) -> bool:
        return bool(self.said)

    def compare(self, outcome: object, unit: str = "") -> None:
        """Show the prediction beside what came out."""
        said, is_so = self.said or "nothing yet", in_words(outcome, unit)
        text = f"You said: {said}. It is: {is_so}."
        show(text, card("Prediction", f"You said: {said}.", COLOR, f"It is: {is_so}."))


def predict(
    id: str, choices: Sequence[str] | None = None, answer: Answer | None = None, *, unit: str = ""
) -> Prediction:
    """Record what you expect before an experiment shows it. It is not graded, and every answer goes on.

        predict("4.5", ["messages", "bundles of H", "nothing"], answer=2)    the number of a choice, or several: [1, 2]
        predict("4.6", answer=1.3, unit="eV")                                a number, or words

    Without an answer it shows the choices and how to answer.
    """
    said, problem = "", ""
    if answer is not None:
        try:
            said = in_words(answer, unit) if choices is None else chosen(choices, answer)
        except ValueError as error:
            problem = f"{error} "
    numbered = " ".join(f"({k}) {choice}" for k, choice in enumerate(choices or [], 1))
    if said:
        body, how = f"You said: {said}.", ""
    else:
        number = f"a number ({unit})" if unit else "a number, or words,"
        kind = "the number of your choice" if choices else number
        body, how = f"{problem}{numbered}".strip(), f"What do you expect? Write {kind} as `answer=` and run the cell."
    data = {PREDICTION_MIME: {"exercise": id, "choices": list(choices or []), "said": said}}
    show(f"Prediction for {id}: {body} {how}".strip(), card(f"Prediction {id}", body, COLOR, how), data)
    return Prediction(id, said)


def chosen(choices: Sequence[str], answer: Answer) -> str:
    """The words of the chosen choices.

    Raises ValueError where the answer is none of them.
    """
    words = []
    for one in [answer] if isinstance(answer, str | int | float) else answer:
        if isinstance(one, int) and not isinstance(one, bool) and 1 <= one <= len(choices):
            words.append(choices[one - 1])
        elif one in choices:
            words.append(str(one))
        else:
            raise ValueError(f"{one!r} is not among the choices 1 to {len(choices)}.")
    return ", ".join(words)


def in_words(value: object, unit: str = "") -> str:
    """A number with four digits and its unit; anything else as it is."""
    if isinstance(value, float) and math.isfinite(value):
        value = f"{value:.4g}"
    return f"{value} {unit}".strip()

"""Checks that teach: `from course.exercises import check, hint, stuck, predict`.

    check("4.5", accumulate)                 is my function right?
    hint("4.5")                              the next hint
    accumulate = stuck("4.5")                the library's version, so that I can go on; 0 points
    prediction = predict("4.5", ["messages", "bundles", "nothing"], answer=2)
    prediction.compare("nothing")            what I said beside what came out

The exercises of a day are in one module, `course.exercises.day4`, which is imported when one of them is asked for.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from course.exercises.exercise import Exercise
from course.exercises.lesson import ExerciseError, check, hint, stuck
from course.exercises.prediction import Prediction, predict

__all__ = ["Exercise", "ExerciseError", "Prediction", "check", "find", "hint", "predict", "stuck"]


def find(id: str) -> Exercise:
    """The exercise with this number, "4.5".

    Raises ValueError where there is none.
    """
    day = str(id).partition(".")[0]
    module = f"course.exercises.day{day}"
    if not isinstance(id, str) or not day.isdecimal() or find_spec(module) is None:
        raise ValueError(f'There is no exercise {id!r}. Exercises are named by day and number, "4.5".')
    exercises = {exercise.id: exercise for exercise in import_module(module).EXERCISES}
    if id not in exercises:
        raise ValueError(f"There is no exercise {id!r}. Day {day} has {', '.join(exercises)}.")
    return exercises[id]

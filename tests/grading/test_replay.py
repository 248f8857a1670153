"""Evidence needs the inputs of the seed: what was written down for others is worth nothing, for any exercise."""

import json
from importlib import import_module
from pathlib import Path

import pytest

import course.exercises
from course.exercises.evidence import agree
from course.exercises.exercise import Exercise
from course.grading.judging import Forged, _restored

DAYS = sorted(path.stem for path in Path(course.exercises.__file__).parent.glob("day[0-9].py"))
EXERCISES = [one for day in DAYS for one in import_module(f"course.exercises.{day}").EXERCISES]


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda exercise: exercise.id)
def test_evidence_for_another_seed(exercise: Exercise) -> None:
    old, new = (json.loads(json.dumps(exercise.collect(exercise.reference, seed))) for seed in (0, 11))
    assert exercise.judge(_restored(new, new), {"reference": new}).kind == "correct"
    if "inputs" in new[0]:
        with pytest.raises(Forged):
            _restored(old, new)
        # nor do the old answers fit the new inputs, one after another
        assert not all(agree(a["result"], b["result"]) for a, b in zip(old, new, strict=True))
    else:
        assert exercise.judge(_restored(old, new), {"reference": new}).kind == "wrong"

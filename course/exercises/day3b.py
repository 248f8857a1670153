"""The exercises of Day 3b."""

from course.exercises.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = ()

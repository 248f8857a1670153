"""The exercises of Day 2."""

from course.exercises.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = ()

"""The exercises of Day 1."""

from course.exercises.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = ()

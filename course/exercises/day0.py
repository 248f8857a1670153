"""The exercises of Day 0."""

from course.exercises.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = ()

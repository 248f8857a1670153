"""The exercises of Day 3c."""

from course.exercises.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = ()

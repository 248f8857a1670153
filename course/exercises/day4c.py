"""The exercises of Day 4c."""

from course.exercises.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = ()

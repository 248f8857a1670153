"""The exercises of Day 3a."""

from course.exercises.exercise import Exercise

EXERCISES: tuple[Exercise, ...] = ()

"""The exercises of Day 4: message passing."""

from course.exercises import day4a

EXERCISES = (*day4a.EXERCISES,)

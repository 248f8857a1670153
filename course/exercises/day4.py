"""The exercises of Day 4: message passing."""

from course.exercises import day4a, day4b_functions

EXERCISES = (*day4a.EXERCISES, *day4b_functions.EXERCISES)

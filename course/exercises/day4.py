"""The exercises of Day 4: message passing."""

from course.exercises import day4a, day4b_functions, day4b_network, day4b_training, day4c

EXERCISES = (
    *day4a.EXERCISES,
    *day4b_functions.EXERCISES,
    *day4b_network.EXERCISES,
    *day4b_training.EXERCISES,
    *day4c.EXERCISES,
)

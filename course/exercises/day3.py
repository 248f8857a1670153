"""The exercises of Day 3: symmetry functions and the Behler-Parrinello network."""

from course.exercises import day3a, day3b, day3c

EXERCISES = (*day3a.EXERCISES, *day3b.EXERCISES, *day3c.EXERCISES)

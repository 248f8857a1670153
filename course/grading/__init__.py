"""Grade a folder of notebooks: `course grade LESSON SUBMISSIONS -o OUT`.

The way of one submission:

    bytes --reading--> cells --merging--> the instructor's notebook with the learner's answers
          --running--> evidence (nbval outside, the kernel in a sandbox) --judging--> a Record

The learner's code runs in the kernel only. The kernel says what the functions returned, for secret inputs; whether
that is right is decided outside of it, beside what the solution returned for the same inputs.
"""

from course.grading.submission import Record, Row, Submission

__all__ = ["Record", "Row", "Submission"]

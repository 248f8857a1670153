"""Answers that are alike, names apart."""

from dataclasses import replace

import pytest

from course.grading.gradebook import gradebook
from course.grading.likeness import form_of, pairs
from course.grading.reports import report_html
from course.grading.submission import Record, Row

ANSWER = '''# exercise 4.5
import torch


def accumulate(messages, receivers, n_atoms):
    """Sum the messages."""
    M = torch.zeros(n_atoms, messages.shape[1])
    return M.index_add(0, receivers, messages)  # one row an atom
'''
RENAMED = """# exercise 4.5
import torch as t
from course import graph

def accumulate(m: list, to, n) -> "torch.Tensor":
    # all my own work
    "nothing to see"
    summed: object = t.zeros(
        n, m.shape[1]
    )
    return summed.index_add(0, to, m)
"""
NETWORK = """class Net(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.first = nn.Linear(n, n)

    def apart(self, x):
        return self.first(x)

    def forward(self, x):
        return self.apart(x).sum()
"""


def test_names_comments_and_layout_do_not_count() -> None:
    assert form_of(ANSWER) == form_of(RENAMED) != ""
    assert form_of(NETWORK) == form_of(NETWORK.replace("first", "layer").replace("apart", "alone"))


@pytest.mark.parametrize(
    "other",
    [
        ANSWER.replace("shape[1]", "shape[0]"),
        ANSWER.replace("index_add", "index_copy"),
        ANSWER.replace("receivers, messages)", "messages, receivers)"),
        ANSWER.replace("zeros", "ones"),
    ],
)
def test_what_is_computed_counts(other: str) -> None:
    assert form_of(other) not in (form_of(ANSWER), "")


def test_builtins_are_no_own_names() -> None:
    assert form_of("def f(x):\n    return sum(x)") != form_of("def f(x):\n    return max(x)")


@pytest.mark.parametrize("source", ["", "# exercise 4.5", "def (", "x" * 200_000, "x = y" + ".a" * 1500])
def test_what_is_no_code_has_no_form(source: str) -> None:
    assert form_of(source) == ""


def handed_in(student: str, *answers: str) -> Record:
    rows = tuple(Row(f"4.{n}", f"f{n}", 10, 10, "correct", "", answer=answer) for n, answer in enumerate(answers, 1))
    return Record(student, "day4a", "graded", rows)


def own(n: int) -> str:
    return f"def f(x):\n    return x + {n}"


# ten who share a short answer to the first exercise, and went their own ways in the other four
CLASS = [handed_in(f"s{n}", own(0), *(own(10 * e + n) for e in range(1, 5))) for n in range(10)]


def test_a_class_that_shares_one_short_answer_has_no_pairs() -> None:
    assert pairs(CLASS) == []


def test_a_copy_with_other_names_is_found_and_nobody_else() -> None:
    answers = [row.answer.replace("x", "my_own") for row in CLASS[3].rows]
    (pair,) = pairs([*CLASS, handed_in("copy", *answers)])
    assert pair.students == ("copy", "s3")
    assert pair.exercises == ("4.1", "4.2", "4.3", "4.4", "4.5")
    assert pair.by_chance == pytest.approx(
        55 / 10**4
    )  # 11 * 10 / 2 pairs; all have 4.1; one of ten others has the rest


def test_two_rare_answers_in_common_are_no_reason_in_a_small_class() -> None:
    answers = [own(0), CLASS[3].rows[1].answer, CLASS[3].rows[2].answer, own(98), own(99)]
    assert pairs([*CLASS, handed_in("honest", *answers)]) == []


def test_what_the_library_handed_over_is_nobodys_own() -> None:
    rows = tuple(replace(row, outcome="handed over") for row in CLASS[3].rows)
    both = [replace(CLASS[3], rows=rows), replace(CLASS[3], student="t", rows=rows)]
    assert pairs([*CLASS[:3], *CLASS[4:], *both]) == []


def test_nothing_to_compare() -> None:
    assert pairs([]) == pairs(CLASS[:1]) == pairs([handed_in("a", ""), handed_in("b", "")]) == []


def test_the_report_names_the_pair() -> None:
    copy = handed_in("<b>copy", *(row.answer for row in CLASS[3].rows))
    page = report_html(gradebook([*CLASS, copy]))
    section = page.partition("Answers that are alike</h2>")[2].partition("<h2>")[0]
    assert "&lt;b&gt;copy" in section and "<bdi>s3<" in section and "<bdi>s4<" not in section and "0.006" in section
    assert "None that chance does not explain" in report_html(gradebook(CLASS))

"""One assignment for all tests that run notebooks: the small lesson of the corpus."""

import json
from pathlib import Path

import pytest

from course.grading.grader import Assignment, prepare
from course.grading.sandbox import Limits, choose
from tests.grading import corpus

LIMITS = Limits(cell_seconds=6, memory_mb=1500, output_mb=20)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The files of the small lesson and of its solution."""
    folder = tmp_path_factory.mktemp("small")
    paths = []
    for name, notebook in (("lessons", corpus.BLANK), ("solutions", corpus.SOLUTION)):
        (folder / name).mkdir()
        paths.append(folder / name / "small.ipynb")
        paths[-1].write_text(json.dumps(notebook), encoding="utf-8")
    return paths[0], paths[1]


@pytest.fixture(scope="session")
def lawful(tmp_path_factory: pytest.TempPathFactory) -> Assignment:
    """The assignment of the cases with a module and a true-or-false function."""
    folder = tmp_path_factory.mktemp("lawful")
    lesson, solution = folder / "lawful.ipynb", folder / "solution.ipynb"
    lesson.write_text(json.dumps(corpus.LAWFUL_BLANK), encoding="utf-8")
    solution.write_text(json.dumps(corpus.LAWFUL_SOLUTION), encoding="utf-8")
    return prepare(lesson, solution, choose("bwrap"), limits=LIMITS)


@pytest.fixture(scope="session")
def assignment(small: tuple[Path, Path]) -> Assignment:
    return prepare(*small, choose("bwrap"), limits=LIMITS)

"""The command `course`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """A practical introduction to neural network potentials."""


@app.command()
def doctor(
    data: Annotated[Path | None, typer.Option(help="Folder with the data files; left out: the package's own.")] = None,
) -> None:
    """Say what works on this machine, and what to do about the rest. Fails if there is a problem."""
    from course.doctor import report

    if not report(data):
        raise typer.Exit(1)


@app.command()
def check(
    notebook: Annotated[Path, typer.Argument(help="A lesson, for instance lessons/day4a_molecular_graph.ipynb.")],
    cell_timeout: Annotated[float, typer.Option(help="Seconds that one cell may take.")] = 600,
) -> None:
    """Run a notebook from top to bottom and print a line for each exercise. Fails unless all of them are right."""
    from course.exercises.notebook import report

    typer.echo(f"Running {notebook} from top to bottom ...", err=True)  # that takes as long as its cells
    try:
        everything_right = report(notebook, cell_timeout)
    except (FileNotFoundError, RuntimeError) as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from None
    if not everything_right:
        raise typer.Exit(1)


@app.command()
def grade(
    lesson: Annotated[Path | None, typer.Argument(help="The untouched lesson, lessons/NAME.ipynb.")] = None,
    submissions: Annotated[Path | None, typer.Argument(help="Folder or zip, also of Canvas or Moodle.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the results.")] = Path("graded"),
    jobs: Annotated[int, typer.Option(min=1, help="How many at a time; one a processor core.")] = 1,
    dask: Annotated[str, typer.Option(help="Grade on the workers of this Dask scheduler, not with --jobs.")] = "",
    seed: Annotated[int | None, typer.Option(help="Of the secret inputs; left out: a fresh one.")] = None,
    sandbox: Annotated[str, typer.Option(help="auto, bwrap, container; none: you trust them all.")] = "auto",
    solution: Annotated[Path | None, typer.Option(help="Left out: solutions/NAME.ipynb beside lessons/.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
    roster: Annotated[Path | None, typer.Option(help="CSV with a column of ids and one of names.")] = None,
    self_test: Annotated[bool, typer.Option("--self-test", help="Say what the sandbox really stops here.")] = False,
) -> None:
    """Grade a folder of notebooks. Exit code 0: all graded, 1: some need attention, 2: the grader failed."""
    from course.grading import command

    if self_test:
        raise typer.Exit(command.self_test(sandbox))
    if lesson is None or submissions is None:
        typer.echo("Say what to grade: course grade LESSON SUBMISSIONS -o OUT", err=True)
        raise typer.Exit(2)
    raise typer.Exit(command.grade(lesson, submissions, out, jobs, seed, sandbox, solution, resume, roster, dask))


@app.command()
def export(
    tool: Annotated[str, typer.Argument(help="nbgrader or otter.")],
    source: Annotated[Path, typer.Argument(help="With the answers between their marks: solutions/NAME.py.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the assignment.")],
) -> None:
    """For instructors: make an assignment for nbgrader or otter-grader out of a lesson."""
    from course.grading import exchange

    with words_for_errors():
        path, notes = exchange.export(tool, source, out)
        said = {
            "nbgrader": f"cd {out}; nbgrader generate_assignment {source.stem}",
            "otter": f"otter assign {path} dist",
        }
        notes.append("The package of this course must be installed where the assignment is graded.")
        typer.echo("\n".join([f"wrote {path}", *notes, f"next: {said[tool]}"]))


@app.command("import")
def import_(
    notebook: Annotated[Path, typer.Argument(help="A source assignment of nbgrader, or a notebook for otter assign.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The source to write: solutions/dayN_topic.py.")],
) -> None:
    """For instructors: make a source of this course out of an assignment of nbgrader or otter-grader."""
    from course.grading import exchange

    with words_for_errors():
        notes = exchange.import_(notebook, out)
        typer.echo("\n".join([f"wrote {out}", *notes]))


@contextmanager
def words_for_errors() -> Iterator[None]:
    """What went wrong, without a traceback; exit code 2."""
    from course.grading.reading import Unreadable

    try:
        yield
    except (ValueError, OSError, Unreadable) as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from None


if __name__ == "__main__":
    app()

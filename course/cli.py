"""The command `course`."""

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
    from course.exercises.notebook import run_notebook

    console = Console()
    try:
        with console.status(f"running {notebook}"):
            runs = run_notebook(notebook, cell_timeout)
    except (FileNotFoundError, RuntimeError) as error:
        console.print(str(error), markup=False, highlight=False)
        raise typer.Exit(2) from None
    outcomes = [run.outcome for run in runs if run.outcome is not None]
    colours = {"correct": "green", "not attempted": "bright_black", "wrong": "red", "handed over": "blue"}
    for outcome in outcomes:
        console.print(outcome["text"], style=colours[outcome["outcome"]], markup=False, highlight=False)
    for run in runs:
        if not run.passed and run.outcome is None:
            console.print(f"! cell {run.number}, `{run.first_line}`: {run.error}", markup=False, highlight=False)
    n_right = sum(outcome["outcome"] == "correct" for outcome in outcomes)
    console.print(f"{n_right} of {len(outcomes)} right.")
    if n_right < len(outcomes) or not all(run.passed for run in runs):
        raise typer.Exit(1)


if __name__ == "__main__":
    app()

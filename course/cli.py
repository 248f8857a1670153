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
    from course.exercises.notebook import report

    try:
        everything_right = report(notebook, cell_timeout)
    except (FileNotFoundError, RuntimeError) as error:
        typer.echo(error, err=True)
        raise typer.Exit(2) from None
    if not everything_right:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()

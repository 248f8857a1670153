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


if __name__ == "__main__":
    app()

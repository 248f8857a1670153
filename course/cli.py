"""The command `course`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

COLOURS = {"ok": "green", "warning": "yellow", "problem": "bold red"}


@app.callback()
def main() -> None:
    """A practical introduction to neural network potentials."""


@app.command()
def doctor(
    data: Annotated[Path | None, typer.Option(help="Folder with the data files; left out: the package's own.")] = None,
) -> None:
    """Say what works on this machine, and what to do about the rest. Fails if there is a problem."""
    from course.doctor import diagnose

    findings = list(diagnose(data))
    table = Table("what", "found", "", "what to do", title="Is this machine ready for the course?")
    for finding in findings:
        colour = COLOURS[finding.state]
        table.add_row(finding.what, finding.found, f"[{colour}]{finding.state}[/]", finding.advice)
    console = Console()
    console.print(table)
    n_problems = sum(finding.state == "problem" for finding in findings)
    if n_problems:
        console.print(f"{n_problems} to mend before the lessons work. The right-hand column says how.")
        raise typer.Exit(1)
    console.print("Ready.")


if __name__ == "__main__":
    app()

"""`pawlens runs`: what runs made; nothing heavy until one of its commands is called."""

from pathlib import Path
from typing import Annotated

import typer

runs_app = typer.Typer(help="Look at what runs made.", no_args_is_help=True)

Run = typer.Argument(metavar="RUN", help="Work directory (its last run), or a report's folder.")


@runs_app.command()
def compare(
    first: Annotated[Path, Run],
    second: Annotated[Path, Run],
    data: Annotated[
        Path | None, typer.Option(help="Folder with the data, to show pictures of it.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write.")] = Path(
        "comparison.html"
    ),
) -> None:
    """Write a page of two runs: figures, settings, and the pictures that changed."""
    from pipelines.logs import libraries_silent
    from pipelines.workdir import write_whole

    with libraries_silent():
        from components.interpreter import comparison
    before, after = (comparison.read_report(run) for run in (first, second))
    content = comparison.compare(before, after, data)
    write_whole(output, comparison.render(content))
    mean, lower, upper = content["gain"]
    moved = ", ".join(f"{len(some)} {how.lower()}" for how, some in content["moved"].items())
    if content["common"]:
        typer.echo(f"{content['score']}: {mean:+.4f} ({lower:+.4f} to {upper:+.4f}); {moved}")
    typer.echo(f"written: {output}")

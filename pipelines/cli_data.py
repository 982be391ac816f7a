"""The commands around a data folder and a configuration, and nothing heavy until one is called."""

from pathlib import Path
from typing import Annotated

import typer

data_app = typer.Typer(help="Make and check data folders.", no_args_is_help=True)
config_app = typer.Typer(help="What a configuration may hold.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Folder with the data.")]
Layout = Annotated[str, typer.Option(help="How it is laid out; default: look at the folder.")]


def init(
    folder: Folder,
    layout: Layout = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; default: <folder>.yaml.")
    ] = None,
) -> None:
    """Look at a data folder, and write a configuration for it."""
    from components.datasets.looking import describe, look, write_config
    from components.datasets.settings import is_utf8, printable
    from pipelines.config import CONFIG_FOLDER
    from pipelines.logs import libraries_silent
    from serving.errors import InputError
    from serving.stores.files import write_whole

    path = output or Path(f"{folder.resolve().name}.yaml")
    if path.exists():
        raise InputError(str(path), expected="no such file yet", todo="pass another as --output")
    for one in (str(folder.resolve()), str(path)):
        if not is_utf8(one):
            raise InputError(printable(one), expected="a name in UTF-8", todo="rename it")
    with libraries_silent():
        found = look(folder, layout)
    shipped = "linear_blobs" if found["task"] == "points" else found["task"]
    template = (CONFIG_FOLDER / f"{shipped}.yaml").read_text(encoding="utf-8")
    schema = CONFIG_FOLDER.parents[1] / "docs" / "config.schema.json"  # where this is a checkout
    first = f"# yaml-language-server: $schema={schema}\n" if schema.is_file() else ""
    write_whole(path, (first + write_config(folder, found, template)).encode())
    typer.echo(f"{describe(found)}\nwritten: {path}; now: pawlens run {path}")


@data_app.command()
def synth(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    layout: Annotated[
        str, typer.Option(help="class_folders, masks, oxford_list or points.")
    ] = "class_folders",
    count: Annotated[int, typer.Option(min=2, help="Number of images or points.")] = 1000,
    classes: Annotated[int, typer.Option(min=2, help="How many, 2 to 12.")] = 2,
    seed: Annotated[int, typer.Option(help="The same seed gives the same data.")] = 1337,
    shortcut: Annotated[
        str, typer.Option(help="corner, beside or body: a mark there gives the class away.")
    ] = "",
) -> None:
    """Draw images of animals, or points, into a folder."""
    from components.datasets.synth import synthesize

    synthesize(folder, layout, count, classes=classes, seed=seed, shortcut=shortcut)
    typer.echo(f"{count} {'points' if layout == 'points' else 'images'} in {folder}")


@data_app.command()
def check(folder: Folder, layout: Layout = "") -> None:
    """Count what a folder holds, and what is wrong with it: decode all of it, as a run would."""
    from components.datasets.looking import describe, look
    from pipelines.logs import libraries_silent

    with libraries_silent():
        from components.example_gen.rehearsal import rehearse

        found = look(folder, layout, rehearse)
    typer.echo(describe(found))


@config_app.command()
def schema() -> None:
    """Print the JSON Schema, for editors."""
    from pipelines.config_docs import schema_text

    typer.echo(schema_text(), nl=False)


@config_app.command()
def docs() -> None:
    """Print all keys with their types, defaults and descriptions, as Markdown."""
    from pipelines.config_docs import markdown

    typer.echo(markdown(), nl=False)

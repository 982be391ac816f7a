"""The command `pawlens`. Parses, and imports what is heavy only once it is needed."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from components.errors import FailedError, InputError

app = typer.Typer(
    help="Image pipelines on TFX: pictures in, a served and explained model out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Make and check folders of pictures or points.", no_args_is_help=True)
app.add_typer(data_app, name="data")

Images = Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures.")]
Target = Annotated[str, typer.Option(help="HOST:PORT of the server.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Output = Annotated[Path, typer.Option(help="Folder for the pictures that are written.")]

DEFAULT_TARGET = "localhost:8500"


@app.command()
def run(
    config: Annotated[str, typer.Argument(help="A shipped name or the path of a YAML file.")],
    data: Annotated[str | None, typer.Option(help="Folder with the data.")] = None,
    workdir: Annotated[
        Path | None, typer.Option(help="Where everything goes; default: runs/<config>.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="trainer.epochs=5")
    ] = None,
    rehash: Annotated[
        bool, typer.Option(help="Tell changed files by content, not by time.")
    ] = False,
) -> None:
    """Run a pipeline on this machine, from data to a pushed model."""
    from pipelines.run import run_command

    run_command(config, data=data, workdir=workdir, sets=sets or [], rehash=rehash)


@app.command()
def ablate(
    model: Annotated[str, typer.Argument(help="A model with switches, such as mini_xception.")],
    data: Annotated[str | None, typer.Option(help="Folder with the data.")] = None,
    config: Annotated[
        str | None,
        typer.Option(help="A shipped name or the path of a YAML file; default: by the model."),
    ] = None,
    workdir: Annotated[
        Path | None, typer.Option(help="Where everything goes; default: runs/<config>.")
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="trainer.epochs=5")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for table and chart; default: the work directory.")
    ] = None,
) -> None:
    """Train a model with and without each of its ideas, and compare."""
    from pipelines.ablate import ablate_command

    ablate_command(
        model, config_name=config, data=data, workdir=workdir, sets=sets or [], output=output
    )


@data_app.command()
def synth(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    layout: Annotated[str, typer.Option(help="cats_dogs, pets or blobs.")] = "cats_dogs",
    count: Annotated[int, typer.Option(min=2, help="Number of pictures or points.")] = 1000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same data.")] = 1337,
) -> None:
    """Draw pictures of cats and dogs, or points, into a folder."""
    from components.datasets import BLOBS
    from components.datasets.synth import synthesize

    written = synthesize(folder, layout, count, seed=seed)
    typer.echo(f"{written} {'points' if layout == BLOBS else 'pictures'} in {folder}")


@data_app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder with the data.")],
    layout: Annotated[str, typer.Option(help="cats_dogs, pets or blobs.")] = "cats_dogs",
) -> None:
    """Count what a folder holds, and what is wrong with it."""
    import json

    from components.datasets import check as check_folder

    typer.echo(json.dumps(check_folder(folder, layout), indent=2))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def serve(context: typer.Context) -> None:
    """Serve the newest version of a model; flags as tensorflow_model_server's (--help)."""
    from serving.server.main import serve as serve_until_stopped

    raise typer.Exit(serve_until_stopped(context.args))


@app.command()
def predict(
    images: Images,
    target: Target = DEFAULT_TARGET,
    model_name: Annotated[str, typer.Option(help="Served model.")] = "cats_vs_dogs",
    json: Json = False,
) -> None:
    """Ask a running server which animal is in the pictures."""
    from serving.commands import run_predict

    run_predict(images, target=target, model_name=model_name, as_json=json)


@app.command()
def explain(
    images: Images,
    target: Target = DEFAULT_TARGET,
    model_name: Annotated[str, typer.Option(help="Served model.")] = "cats_vs_dogs",
    class_index: Annotated[int, typer.Option(help="Class to explain; -1: the predicted one.")] = -1,
    output: Output = Path(),
    json: Json = False,
) -> None:
    """Ask a running server why, and save the Grad-CAM overlays."""
    from serving.commands import run_explain

    run_explain(
        images,
        target=target,
        model_name=model_name,
        class_index=class_index,
        output=output,
        as_json=json,
    )


@app.command()
def segment(
    images: Images,
    target: Target = DEFAULT_TARGET,
    model_name: Annotated[str, typer.Option(help="Served model.")] = "pets_segmentation",
    output: Output = Path(),
    json: Json = False,
) -> None:
    """Ask a running server which pixels are the pet, and save the masks."""
    from serving.commands import run_segment

    run_segment(images, target=target, model_name=model_name, output=output, as_json=json)


def main() -> None:
    """Entry point: status 2 and one line for the user's mistakes, 1 for everything else."""
    try:
        app()
    except InputError as error:
        print(f"pawlens: {error}", file=sys.stderr)
        sys.exit(2)
    except FailedError as error:
        print(f"pawlens: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

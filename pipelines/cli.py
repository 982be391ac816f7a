"""The command `pawlens`. Parses, and imports what is heavy only once it is needed."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_ask import COMMANDS, DEFAULT_TARGET, Target
from pipelines.cli_data import config_app, data_app, init
from pipelines.cli_kubeflow import kubeflow_app
from pipelines.cli_visualize import visualize_app
from serving.errors import FailedError, InputError, Mistakes

app = typer.Typer(
    help="Image pipelines on TFX: pictures in, a served and explained model out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
runs_app = typer.Typer(help="Look at what runs made.", no_args_is_help=True)
app.add_typer(data_app, name="data")
app.add_typer(config_app, name="config")
app.add_typer(kubeflow_app, name="kubeflow")
app.add_typer(visualize_app, name="visualize")
app.add_typer(runs_app, name="runs")
app.command()(init)

Data = Annotated[str | None, typer.Option(help="Folder with the data.")]
Workdir = Annotated[
    Path | None, typer.Option(help="Where everything goes; default: runs/<config>.")
]
Sets = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="trainer.epochs=5")
]
Run = Annotated[
    Path, typer.Argument(metavar="RUN", help="Work directory (its last run), or a report's folder.")
]


@app.command()
def run(
    config: Annotated[str, typer.Argument(help="A shipped name or the path of a YAML file.")],
    data: Data = None,
    workdir: Workdir = None,
    sets: Sets = None,
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
    data: Data = None,
    config: Annotated[
        str | None,
        typer.Option(help="A shipped name or the path of a YAML file; default: by the model."),
    ] = None,
    workdir: Workdir = None,
    sets: Sets = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder for table and chart; default: the work directory.")
    ] = None,
) -> None:
    """Train a model with and without each of its ideas, and compare."""
    from pipelines.ablate import ablate_command

    ablate_command(
        model, config_name=config, data=data, workdir=workdir, sets=sets or [], output=output
    )


@runs_app.command()
def compare(
    first: Run,
    second: Run,
    data: Annotated[
        Path | None, typer.Option(help="Folder with the data, to show pictures of it.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write.")] = Path(
        "comparison.html"
    ),
) -> None:
    """Write a page of two runs: figures, settings, and the pictures that changed."""
    from pipelines.logs import libraries_silent
    from serving.stores.files import write_whole

    with libraries_silent():
        from components.interpreter import comparison
    before, after = (comparison.read_report(one) for one in (first, second))
    content = comparison.compare(before, after, data)
    write_whole(output, comparison.render(content))
    mean, lower, upper = content["gain"]
    moved = ", ".join(f"{len(some)} {how.lower()}" for how, some in content["moved"].items())
    if content["common"]:
        typer.echo(f"{content['score']}: {mean:+.4f} ({lower:+.4f} to {upper:+.4f}); {moved}")
    typer.echo(f"written: {output}")


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(help="The model's name.")],
    version: Annotated[
        int | None, typer.Argument(help="To serve; default: the one before what is served.")
    ] = None,
    serving_root: Annotated[
        str | None,
        typer.Option(help="Folder or URL above the model's; default: runs/NAME/serving."),
    ] = None,
    model_config_file: Annotated[
        Path | None, typer.Option(help="The server's, if it has one.")
    ] = None,
    target: Target = DEFAULT_TARGET,
) -> None:
    """Serve an older version of a model again."""
    from components.pusher.rollback import roll_back

    done = roll_back(
        name,
        version,
        serving_root=serving_root or str(Path("runs", name, "serving")),
        model_config_file=model_config_file,
        target=target,
    )
    typer.echo(done)


@app.command()
def label(
    name: Annotated[str, typer.Argument(help="The model's name.")],
    label: Annotated[str, typer.Argument(help="stable, canary or another.")],
    version: Annotated[str, typer.Argument(help="A version, or the label that it has.")],
    model_config_file: Annotated[Path, typer.Option(help="The server's.")],
    serving_root: Annotated[
        str, typer.Option(help="Folder or URL above the model's; default: as the file tells.")
    ] = "",
    target: Target = DEFAULT_TARGET,
) -> None:
    """Give a label to a version, in the server's model config file."""
    from components.pusher.rollback import set_label

    done = set_label(
        name,
        label,
        version,
        model_config_file=model_config_file,
        serving_root=serving_root,
        target=target,
    )
    typer.echo(done)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def serve(context: typer.Context) -> None:
    """Serve the newest version of a model; flags as tensorflow_model_server's (--help)."""
    from serving.server.main import serve as serve_until_stopped

    raise typer.Exit(serve_until_stopped(context.args))


for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Entry point: status 2 and a line for each of the user's mistakes, 1 for everything else."""
    try:
        app()
    except InputError as error:
        for mistake in error.errors if isinstance(error, Mistakes) else [error]:
            print(f"pawlens: {mistake}", file=sys.stderr)
        sys.exit(2)
    except FailedError as error:
        print(f"pawlens: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()

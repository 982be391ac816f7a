"""`pawlens visualize`: what a model learned; nothing heavy until one of its commands is called."""

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from components.explanations.opening import Opened

visualize_app = typer.Typer(help="See what a model learned.", no_args_is_help=True)

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Folder of a pushed version, work directory, .keras file, xception or vgg16.",
    ),
]
Output = Annotated[Path, typer.Option(help="Folder for the images that are written.")]
Weights = Annotated[str, typer.Option(help="Of xception and vgg16: a file with their weights.")]
ValueRange = Annotated[float, typer.Option(min=0.0, help="White in MODEL's input: 1 or 255.")]
Layer = Annotated[str, typer.Option(help="Its name; default: by the model.")]


@visualize_app.command()
def activations(
    model: Model,
    image: Annotated[Path, typer.Argument(help="A picture.")],
    layer: Annotated[str, typer.Option(help="One layer; default: all that convolve or pool.")] = "",
    channel: Annotated[int | None, typer.Option(help="One channel of each.")] = None,
    weights: Weights = "",
    value_range: ValueRange = 0.0,
    output: Output = Path(),
) -> None:
    """Draw what each layer answers to a picture."""
    from components.explanations.looking import draw_activations

    opened = _open(model, weights, value_range)
    print(*draw_activations(opened, image, output, layer=layer, channel=channel), sep="\n")


@visualize_app.command()
def filters(
    model: Model,
    layer: Annotated[str, typer.Option(help="Whose filters.")],
    filter_index: Annotated[
        list[int] | None, typer.Option("--filter", help="Of these; default: the first 64.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of gradient ascent.")] = 30,
    jitter: Annotated[int, typer.Option(min=0, max=64, help="Pixels to move by.")] = 0,
    blur: Annotated[float, typer.Option(min=0, max=16, help="Of gradients, pixels.")] = 0.0,
    frequency_penalty: Annotated[float, typer.Option(min=0.0, help="On rough patterns.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the noise to begin with.")] = 0,
    weights: Weights = "",
    value_range: ValueRange = 0.0,
    output: Output = Path(),
) -> None:
    """Draw the patterns that the filters of a layer answer to most."""
    from components.explanations.filters import Ascent
    from components.explanations.looking import draw_filters

    opened = _open(model, weights, value_range, top=False)
    how = Ascent(
        steps=steps,
        value_range=opened.value_range,
        jitter=jitter,
        blur=blur,
        frequency_penalty=frequency_penalty,
        seed=seed,
    )
    print(*draw_filters(opened, layer, output, chosen=filter_index or [], how=how), sep="\n")


@visualize_app.command("grad-cam")
def grad_cam(
    model: Model,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures.")],
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Name or index; default: the likeliest.")
    ] = None,
    layer: Layer = "",
    method: Annotated[
        str,
        typer.Option(
            help="grad_cam, grad_cam_plus_plus, hires_cam, score_cam (a prediction a channel, so"
            " hundreds of times as long), or an import path; default: that of the endpoint."
        ),
    ] = "",
    colors: Annotated[str, typer.Option(help="jet, viridis or another of matplotlib's.")] = "jet",
    class_index: Annotated[
        Path | None, typer.Option(help="imagenet_class_index.json, for the classes' names.")
    ] = None,
    weights: Weights = "",
    value_range: ValueRange = 0.0,
    output: Output = Path(),
) -> None:
    """Draw what speaks for a class, by class activation maps."""
    from components.explanations.looking import class_indices, draw_class_activation
    from components.explanations.opening import class_names

    opened = _open(model, weights, value_range)
    if class_index:
        count = int(opened.model.output.shape[-1])
        opened = dataclasses.replace(opened, classes=class_names(class_index, count))
    wanted = class_indices(opened, classes or [])
    written = draw_class_activation(
        opened, images, output, classes=wanted, layer=layer, method=method, colors=colors
    )
    print(*written, sep="\n")


def _open(model: str, weights: str, value_range: float, *, top: bool = True) -> "Opened":
    from pipelines.logs import libraries_silent

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with libraries_silent():
        from components.explanations.opening import open_model
    opened = open_model(model, weights=weights, top=top)
    if opened.range_guessed and not value_range:
        guess = f"assumed is 0 to {opened.value_range:g}; else give --value-range"
        typer.echo(f"{model} does not tell the range of its pixels: {guess}", err=True)
    return dataclasses.replace(opened, value_range=value_range or opened.value_range)

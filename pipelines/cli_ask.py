"""The commands that ask a running server: their flags, and nothing heavy until one is called."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli_flags import with_flags
from serving.errors import InputError

if TYPE_CHECKING:
    from serving.commands import Options

DEFAULT_TARGET = "localhost:8500"
DEFAULT_TIMEOUT_SECONDS = 30.0
SEGMENTER_NAME = "pets_segmentation"

Images = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="IMAGE", help="Files; folders, for the images in and below; - for stdin."
    ),
]
Target = Annotated[str, typer.Option(help="HOST:PORT of the server.")]
ModelName = Annotated[str, typer.Option(help="Served model.")]
Output = Annotated[Path, typer.Option(help="Folder for the images that are written.")]


def _options(
    *,
    files_from: Annotated[
        Path | None, typer.Option(metavar="FILE", help="More paths, one a line; -: from stdin.")
    ] = None,
    target: Target = DEFAULT_TARGET,
    version: Annotated[
        int | None,
        typer.Option("--model-version", help="Its version; default: the server's choice."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Label of a version, such as stable.")] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds for a request of up to 8 images, repeats included.")
    ] = DEFAULT_TIMEOUT_SECONDS,
    style: Annotated[
        str | None, typer.Option("--format", help="table (default), json, jsonl or csv.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    header: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Sent along: x-request-id=42")
    ] = None,
    tls: Annotated[bool, typer.Option("--tls", help="Encrypt; the four below imply it.")] = False,
    tls_ca: Annotated[Path | None, typer.Option(help="PEM file of the authorities to trust.")] = (
        None
    ),
    tls_cert: Annotated[
        Path | None, typer.Option(help="PEM file of the client's certificate.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of its key.")] = None,
    tls_server_name: Annotated[
        str | None, typer.Option(help="Name in the server's certificate, if not the target's.")
    ] = None,
) -> "Options":
    """What the flags that all three commands share stand for."""
    # gRPC's own notes, as of a handshake that fails, would stand beside the one line of an error.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from serving import client
    from serving.commands import Options

    if json and style not in (None, "json"):
        raise InputError("--json", expected="no other --format", found=style or "")
    files = (tls_ca, tls_cert, tls_key, tls_server_name)
    return Options(
        partial(
            client.ImageClient,
            target,
            version=version,
            label=label,
            timeout_seconds=timeout,
            headers=dict(_header(text) for text in header or []),
            tls=client.Tls(*files) if tls or any(files) else None,
        ),
        files_from,
        style="json" if json else style or "table",
    )


def _header(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise InputError("--header", expected="KEY=VALUE", found=f"'{text}'")
    return key, value


@with_flags(options=_options)
def predict(
    images: Images = None, model_name: ModelName = "cats_vs_dogs", *, options: "Options"
) -> None:
    """Ask a running server which class each image shows."""
    from serving.commands import run

    run("predict", images or [], options, model_name)


@with_flags(options=_options)
def explain(
    images: Images = None,
    model_name: ModelName = "cats_vs_dogs",
    class_index: Annotated[int, typer.Option(help="Class to explain; -1: the predicted one.")] = -1,
    output: Output = Path(),
    *,
    options: "Options",
) -> None:
    """Ask a running server why, and save the Grad-CAM overlays."""
    from serving.commands import run

    run("explain", images or [], options, model_name, output=output, class_index=class_index)


@with_flags(options=_options)
def segment(
    images: Images = None,
    model_name: ModelName = SEGMENTER_NAME,
    output: Output = Path(),
    *,
    options: "Options",
) -> None:
    """Ask a running server which class each pixel belongs to, and save the masks."""
    from serving.commands import run

    run("segment", images or [], options, model_name, output=output)


COMMANDS = (predict, explain, segment)

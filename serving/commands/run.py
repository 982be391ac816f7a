"""The functions behind `pawlens predict`, `explain` and `segment`."""

import contextlib
import re
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import grpc

from serving.client import CLASSIFIER_NAME, ImageClient
from serving.commands.inputs import list_sources
from serving.commands.outputs import (
    ERROR,
    FORMATS,
    TABLE_ROWS,
    Row,
    UnfitNameError,
    output_files,
    save,
)
from serving.errors import InputError, check_one_of
from serving.names import INPUT_CLASS_INDEX
from serving.results import Answer, Explanation, Prediction, Segmentation, ServingError

# So many unanswered images are named at the end.
_NAMED = 5
# From so many images on there is something to watch.
_MANY = 16

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """What the three commands share.

    Attributes:
        client: `ImageClient`, or how else the client of a `model_name` is made.
        files_from: a file with more paths, one a line; `-`: standard input.
        style: `table`, `json`, `jsonl` or `csv`.
    """

    client: Callable[..., ImageClient] = ImageClient
    files_from: Path | None = None
    style: str = "table"

    def __post_init__(self) -> None:
        check_one_of("--format", self.style, FORMATS)


def _prediction(result: Prediction, _: str) -> Row:
    probabilities = dict(zip(result.classes, result.probabilities, strict=True))
    return {
        "label": result.label,
        "probability": result.probability,
        "probabilities": probabilities,
    }


def _explanation(result: Explanation, file: str) -> Row:
    save(file, result.overlay_png)
    return {"label": result.label, "probability": result.probability, "overlay": file}


def _segmentation(result: Segmentation, file: str) -> Row:
    save(file, result.mask_png)
    fractions = dict(zip(result.classes, result.class_fractions, strict=True))
    return {"class_fractions": fractions, "mask": file}


# By command: what is asked, the row of a result and of the file that is written of it, if any, and
# what that is called.
_KINDS: dict[str, tuple[Callable[..., Iterator[Answer]], Callable[[Any, str], Row], str]] = {
    "predict": (ImageClient.predict_stream, _prediction, ""),
    "explain": (ImageClient.explain_stream, _explanation, "overlay"),
    "segment": (ImageClient.segment_stream, _segmentation, "mask"),
}


def run(
    command: str,
    images: Sequence[Path],
    options: Options,
    model_name: str = CLASSIFIER_NAME,
    *,
    output: Path | None = None,
    **asked: int,
) -> None:
    """Asks about all images and writes a row for each as soon as it is its turn.

    Args:
        command: `predict` prints what each image shows; `explain` saves its heat map over it as
            `<name>_overlay.png`, `segment` its mask of class ids as `<name>_mask.png`, and both
            print where.
        images: files, folders, `-`; see `list_sources`.
        options: see there.
        model_name: the model to ask.
        output: folder for what is saved, made if need be; None where nothing is.
        asked: what the client's method takes besides, such as `class_index`.

    Raises:
        InputError: images are missing or refused (the others are answered all the same), two
            results would have one name, or no server answers.
        ServingError: the server refused for another reason.
    """
    ask, row, kind = _KINDS[command]
    sources = list_sources(images, options.files_from, output)
    files = [""] * len(sources) if output is None else output_files(sources, output, kind)
    failed: list[str] = []

    def rows(client: ImageClient) -> Generator[Row, None, None]:
        with _telling_what_is_unfit(client):
            answers = ask(client, (one.image for one in sources), **asked)
            for answer in _watched(answers, len(sources), options.style):
                name = sources[answer.position].name
                try:
                    if answer.error is None:
                        told = row(answer.result, files[answer.position])
                    else:
                        told = {ERROR: answer.error.reason}
                except UnfitNameError as error:
                    told = {ERROR: str(error)}
                if ERROR in told:
                    failed.append(f"{name}: {told[ERROR]}")
                yield {"image": name, **told}

    with options.client(model_name=model_name) as client, contextlib.closing(rows(client)) as told:
        FORMATS[options.style](told)
    if len(sources) == 1 and failed:
        raise InputError(f"image {failed[0]}")
    if failed:
        more = f"; and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        what = f"{len(failed)} of {len(sources)} images not answered"
        raise InputError(f"{what}: {'; '.join(failed[:_NAMED])}{more}")


@contextlib.contextmanager
def _telling_what_is_unfit(client: ImageClient) -> Iterator[None]:
    """Tells a model or class that cannot answer as wrong input."""
    try:
        yield
    except ServingError as error:
        if INPUT_CLASS_INDEX in error.details:  # as TensorFlow tells it, "...; found] [9]"
            form = rf"(?s).*{INPUT_CLASS_INDEX}: (?:expected )?(.*?)(?:]|; found]? \[?(-?\d+)|$)"
            told = re.search(form, error.details)
            expected, found = told.groups("") if told else ("", error.details)
            raise InputError("--class-index", expected=expected, found=found) from error
        unfit = error.code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION)
        if unfit or "signature" in error.details:
            raise InputError(
                f"model '{client.model_name}' at {client.target}",
                expected="one that answers this command",
                found=error.details,
                todo="pass --model-name, or another version or label",
            ) from error
        raise


def _watched(answers: Iterator[Answer[T]], count: int, style: str) -> Iterator[Answer[T]]:
    """With a bar on standard error, if a person watches and rows do not go to the same terminal."""
    shared = sys.stdout.isatty() and (style != "table" or count > TABLE_ROWS)
    if count < _MANY or shared or not sys.stderr.isatty():
        yield from answers
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    # Redirected, rows for a file would end up beside the bar.
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        yield from bar.track(answers, count, description="")

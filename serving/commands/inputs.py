"""Which images a command is about: files, folders, lists of paths, standard input."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from serving.client import Image, check_image
from serving.errors import InputError, os_errors

STDIN = Path("-")
# What the endpoints decode.
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp")


@dataclass(frozen=True, slots=True)
class Source:
    """An image to ask about; texts, as there may be very many.

    Attributes:
        name: the path as it was given, or `-`.
        place: where its results go, a path relative to the output folder and with the image's
            suffix.
        image: what the client is handed.
    """

    name: str
    place: str
    image: Image


def list_sources(
    images: Sequence[Path], files_from: Path | None = None, output: Path | None = None
) -> list[Source]:
    """The images, folders taken apart.

    Args:
        images: files, folders and `-`, one encoded image on standard input. A folder stands for
            the images in and below it, by suffix, in the order of their names; what starts
            with a dot is passed over.
        files_from: a file with one path a line, or `-` for standard input.
        output: where results go; if it lies inside a folder that is listed, it is passed over.

    Returns:
        In the order given. The place of a file given by itself is its name; that of a file in a
        folder starts with the folder's name, as `cp -r` copies; that of a file from a list is
        its path, as long as that leads downwards.

    Raises:
        InputError: nothing is given, a path leads nowhere, a folder holds no image, or
            standard input is asked for twice or empty.
    """
    wants = [*images, files_from].count(STDIN)
    if wants > 1:
        raise InputError("standard input", expected="one use", found=f"{wants}")
    sources = [one for path in images for one in _expand(path, PurePath(path.name), output)]
    if files_from is not None:
        for path in _paths(files_from):
            downwards = not path.is_absolute() and os.pardir not in path.parts
            place = path if downwards else PurePath(path.name)
            sources += _expand(path, place, output, listed=True)
    if not sources:
        raise InputError("no image given", todo="name one or more image files or folders")
    return sources


def _expand(
    path: Path, place: PurePath, output: Path | None, *, listed: bool = False
) -> Iterator[Source]:
    if path == STDIN and not listed:
        content = sys.stdin.buffer.read()
        if not content:
            raise InputError("image -", expected="an image on standard input", found="nothing")
        yield Source(str(STDIN), "stdin", content)
    elif path.is_dir():
        if os.pardir in place.parts:
            place = PurePath(path.resolve().name)
        file = None
        for file in _walk(path, output):
            yield Source(str(file), str(place / file.relative_to(path)), str(file))
        if file is None:
            raise InputError(
                f"folder {path}", expected=f"images ({', '.join(SUFFIXES)})", found="none"
            )
    else:
        if not listed:  # of a long list, the rest is answered
            check_image(path)
        yield Source(str(path), str(place), str(path))


def _walk(folder: Path, output: Path | None) -> Iterator[Path]:
    """The images in and below a folder."""
    skipped = output.resolve() if output is not None else None
    if skipped == folder.resolve():
        skipped = None
    for current, folders, files in os.walk(folder, onerror=_refuse):
        here = Path(current)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (skipped is None or (here / name).resolve() != skipped)
        )
        for name in sorted(files):
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield here / name


def _refuse(error: OSError) -> None:
    raise InputError(f"folder {error.filename}", found=error.strerror or "an error") from error


def _paths(files_from: Path) -> list[Path]:
    with os_errors(f"--files-from {files_from}", expected="a file with paths"):
        content = sys.stdin.buffer.read() if files_from == STDIN else files_from.read_bytes()
    return [Path(os.fsdecode(line)) for line in content.splitlines() if line.strip()]

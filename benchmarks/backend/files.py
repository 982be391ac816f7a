"""Decoded splits as `.npz` files, for a machine that has no TensorFlow to decode pictures with.

A file holds `<split>_images` (uint8 [n, size, size, 3], RGB) and `<split>_targets` (float32 [n, 1]
of 0 and 1, or uint8 [n, size, size] of class ids) of the splits train, eval and test,
`piece`: which piece of how many it is, and `set`: the digest of all pieces' arrays. Piece i holds
the i-th part of every split's rows.
"""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import InputError
from components.features import SPLITS

_PIECE = "piece"
_SET = "set"
_HEADERS = 8192  # bytes, more than the zip and array headers of a file take


@dataclass(frozen=True)
class Arrays:
    """A decoded split, as `components.trainer.pictures.Pictures`, which needs TensorFlow."""

    images: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def pack(workdir: Path, problem: str, image_size: int) -> dict[str, Arrays]:
    """Decodes the newest Examples of a run, by the very functions that training uses.

    Needs TensorFlow.

    Args:
        workdir: of a `pawlens run` whose example_gen has ended.
        problem: 'classification' or 'segmentation'.
        image_size: side of the pictures in pixels.

    Raises:
        InputError: there are no Examples, or a split is empty.
    """
    from components.trainer import pictures

    examples = _newest_examples(workdir)
    splits = {}
    for split in SPLITS:
        index = pictures.index_split([f"{examples}/Split-{split}/*"], split, problem)
        decoded = pictures.load_split(index, problem, image_size)
        splits[split] = Arrays(decoded.images, decoded.targets)
    return splits


def save(splits: dict[str, Arrays], path: Path, max_bytes: int) -> list[Path]:
    """Writes splits, in as few files as a limit of their size allows.

    Args:
        splits: by name.
        path: the file (`.npz`); with several pieces each has its number in the name.
        max_bytes: of a file.

    Returns:
        The files written.

    Raises:
        InputError: not even one picture a file stays under the limit.
    """
    arrays = {}
    for split, decoded in splits.items():
        arrays[f"{split}_images"] = decoded.images
        arrays[f"{split}_targets"] = decoded.targets
    count = _pieces(list(arrays.values()), max_bytes)
    digest = hashlib.sha256()
    for array in arrays.values():
        digest.update(np.ascontiguousarray(array).data)
    path.parent.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        suffix = f"-{number:05d}-of-{count:05d}" if count > 1 else ""
        paths.append(path.with_name(f"{path.stem}{suffix}.npz"))
        part: dict[str, Any] = {_PIECE: np.array([number, count])}
        part[_SET] = np.array(digest.hexdigest())
        for name, array in arrays.items():
            part[name] = np.array_split(array, count)[number]
        np.savez(paths[-1], **part)
    return paths


def load(paths: list[Path]) -> dict[str, Arrays]:
    """Reads what `save` wrote.

    Args:
        paths: all of its files, in any order.

    Raises:
        InputError: a file is missing, is of another set or is none of ours.
    """
    pieces: dict[int, dict[str, np.ndarray]] = {}
    count, sets = 0, {}
    for path in paths:
        piece = _read(path)
        number, count = (int(value) for value in piece.pop(_PIECE))
        sets.setdefault(str(piece.pop(_SET)), path)
        pieces[number] = piece
    if len(sets) > 1:
        one, other, *_ = sets.values()
        raise InputError(
            "the arrays' files", expected="pieces of one set", found=f"'{one}' and '{other}'"
        )
    missing = [number for number in range(count) if number not in pieces]
    if missing or len(paths) != count:
        raise InputError(
            "the arrays' files",
            expected=f"all {count} pieces of one set",
            found=f"{len(paths)} files" + (f", no piece {missing[0]}" if missing else ""),
        )
    return {split: _join([pieces[number] for number in range(count)], split) for split in SPLITS}


def _join(pieces: list[dict[str, np.ndarray]], split: str) -> Arrays:
    images, targets = (
        np.concatenate([piece[f"{split}_{part}"] for piece in pieces])
        for part in ("images", "targets")
    )
    return Arrays(images, targets)


def _read(path: Path) -> dict[str, np.ndarray]:
    wanted = [
        _PIECE,
        _SET,
        *(f"{split}_{part}" for split in SPLITS for part in ("images", "targets")),
    ]
    try:
        with np.load(path) as file:
            return {name: file[name] for name in wanted}
    except (
        *(OSError, EOFError, zipfile.BadZipFile),  # cut off or damaged
        *(ValueError, KeyError, AttributeError, TypeError),  # something else
    ) as error:
        raise InputError(
            f"'{path}'",
            expected=f"an .npz file of {', '.join(wanted)}",
            found=str(error).partition("\n")[0],
        ) from error


def _pieces(arrays: list[np.ndarray], max_bytes: int) -> int:
    """The smallest number of pieces that all stay under the limit."""
    most = max(len(array) for array in arrays)
    for count in range(1, most + 1):
        size = sum(-(-len(array) // count) * array[:1].nbytes for array in arrays)
        if size + _HEADERS <= max_bytes:
            return count
    raise InputError(
        "the size of a file",
        expected=f"at least {size + _HEADERS:,} bytes, for one picture of each split",
        found=f"{max_bytes:,}",
    )


def _newest_examples(workdir: Path) -> Path:
    from pipelines.workdir import WorkDir

    folder = WorkDir(workdir).artifacts / "example_gen" / "examples"
    found = [path for path in folder.glob("*") if path.name.isdecimal()]
    if not found:
        raise InputError(
            f"work directory '{workdir}'",
            expected=f"Examples in {folder}",
            found="none",
            todo="run the pipeline there first",
        )
    return max(found, key=lambda path: int(path.name))

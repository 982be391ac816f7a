"""Reads what earlier steps handed over: the small JSON files and the Examples."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf
from tfx.dsl.io import fileio

from components import artifacts, features

# Refused files listed on the page for each reason; the counts are always complete.
LISTED_PER_REASON = 20


@dataclass(frozen=True)
class Facts:
    """What the earlier steps know, as read from their artifacts.

    Attributes:
        ingest: the counts of `artifacts.INGEST_SUMMARY`.
        refused: by reason, the first `LISTED_PER_REASON` lines of `artifacts.QUARANTINED`.
        history: `artifacts.HISTORY`.
        curves: the PNG of `artifacts.CURVES`.
        figures: `artifacts.FIGURES`.
    """

    ingest: dict[str, Any]
    refused: dict[str, list[dict[str, Any]]]
    history: dict[str, Any]
    curves: bytes
    figures: dict[str, Any]


@dataclass(frozen=True)
class Picture:
    """One stored picture and what is known about it.

    Attributes:
        filename: path relative to the data folder.
        encoded: JPEG or PNG bytes.
        width: pixels.
        height: pixels.
        label: class name; empty in a segmentation data set.
        mask: PNG of class ids; empty in a classification data set.
    """

    filename: str
    encoded: bytes
    width: int
    height: int
    label: str = ""
    mask: bytes = b""


@dataclass(frozen=True)
class Point:
    """One stored point and what is known about it.

    Attributes:
        row: file and line that it was read from.
        x, y: coordinates.
        label: class name.
    """

    row: str
    x: float
    y: float
    label: str


def read_facts(quarantine_uri: str, model_run_uri: str, evaluation_uri: str) -> Facts:
    """Reads the files that other steps wrote for the report.

    Raises:
        tf.errors.NotFoundError: a file is not there.
    """
    return Facts(
        ingest=_read_json(quarantine_uri, artifacts.INGEST_SUMMARY),
        refused=_read_refused(quarantine_uri),
        history=_read_json(model_run_uri, artifacts.HISTORY),
        curves=_read_bytes(model_run_uri, artifacts.CURVES),
        figures=_read_json(evaluation_uri, artifacts.FIGURES),
    )


def read_pictures(split_uri: str) -> Iterator[Picture]:
    """Yields the pictures of one split in the order of its files.

    Args:
        split_uri: folder of gzipped TFRecord files of `tf.train.Example`.
    """
    return map(parse_picture, _records(split_uri))


def read_points(split_uri: str) -> Iterator[Point]:
    """Yields the points of one split in the order of its files; see `read_pictures`."""
    return map(parse_point, _records(split_uri))


def _records(split_uri: str) -> Iterator[bytes]:
    # Names that begin with a point are left by file systems, not by Beam.
    names = sorted(name for name in fileio.listdir(split_uri) if not name.startswith("."))
    files = [os.path.join(split_uri, name) for name in names]  # noqa: PTH118 (may be a URI)
    return tf.data.TFRecordDataset(files, compression_type="GZIP").as_numpy_iterator()


def parse_picture(record: bytes) -> Picture:
    """Reads one serialized `tf.train.Example`."""
    feature = tf.train.Example.FromString(record).features.feature

    def first_bytes(key: str) -> bytes:
        values = feature[key].bytes_list.value if key in feature else []
        return values[0] if values else b""

    return Picture(
        filename=first_bytes(features.FILENAME).decode("utf-8", "replace"),
        encoded=first_bytes(features.IMAGE),
        width=feature[features.WIDTH].int64_list.value[0],
        height=feature[features.HEIGHT].int64_list.value[0],
        label=first_bytes(features.LABEL_NAME).decode("utf-8", "replace"),
        mask=first_bytes(features.MASK),
    )


def parse_point(record: bytes) -> Point:
    """Reads one serialized `tf.train.Example`."""
    feature = tf.train.Example.FromString(record).features.feature
    return Point(
        row=feature[features.POINT_ROW].bytes_list.value[0].decode("utf-8", "replace"),
        x=feature[features.POINT_X].float_list.value[0],
        y=feature[features.POINT_Y].float_list.value[0],
        label=feature[features.POINT_LABEL_NAME].bytes_list.value[0].decode("utf-8", "replace"),
    )


def _read_bytes(uri: str, name: str) -> bytes:
    with fileio.open(os.path.join(uri, name), "rb") as file:  # noqa: PTH118
        return file.read()


def _read_json(uri: str, name: str) -> dict[str, Any]:
    return json.loads(_read_bytes(uri, name))


def _read_refused(uri: str) -> dict[str, list[dict[str, Any]]]:
    refused: dict[str, list[dict[str, Any]]] = {}
    with fileio.open(os.path.join(uri, artifacts.QUARANTINED), "rb") as file:  # noqa: PTH118
        for line in file:
            if not line.strip():
                continue
            entry = json.loads(line)
            listed = refused.setdefault(entry["reason"], [])
            if len(listed) < LISTED_PER_REASON:
                listed.append(entry)
    return refused

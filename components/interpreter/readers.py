"""Reads what earlier steps handed over in small files."""

import json
import os
from dataclasses import dataclass
from typing import Any

from tfx.dsl.io import fileio

from components import artifacts

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

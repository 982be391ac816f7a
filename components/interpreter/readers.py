"""Reads what earlier steps handed over in small files."""

import json
from dataclasses import dataclass
from typing import Any

from tfx.utils import io_utils

from components import artifacts

# Refused files listed on the page for each reason; the counts are always complete.
LISTED_PER_REASON = 20


@dataclass(frozen=True)
class Facts:
    """What the earlier steps know, as read from their artifacts."""

    ingest: dict[str, Any]  # the counts of `artifacts.INGEST_SUMMARY`
    refused: dict[str, list[dict[str, Any]]]  # by reason, the first lines of QUARANTINED
    history: dict[str, Any]
    curves: bytes  # the PNG
    figures: dict[str, Any]


def read_facts(quarantine_uri: str, model_run_uri: str, evaluation_uri: str) -> Facts:
    """Reads the files that other steps wrote for the report.

    Raises:
        FileNotFoundError: one is not there.
    """
    refused: dict[str, list[dict[str, Any]]] = {}
    for line in _read(quarantine_uri, artifacts.QUARANTINED).splitlines():
        entry = json.loads(line)
        listed = refused.setdefault(entry["reason"], [])
        if len(listed) < LISTED_PER_REASON:
            listed.append(entry)
    return Facts(
        ingest=json.loads(_read(quarantine_uri, artifacts.INGEST_SUMMARY)),
        refused=refused,
        history=json.loads(_read(model_run_uri, artifacts.HISTORY)),
        curves=_read(model_run_uri, artifacts.CURVES),
        figures=json.loads(_read(evaluation_uri, artifacts.FIGURES)),
    )


def _read(uri: str, name: str) -> Any:
    return io_utils.read_bytes_file(f"{uri}/{name}")

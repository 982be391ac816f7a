import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components import features
from components.artifacts import INGEST_SUMMARY, QUARANTINED
from components.datasets.examples import read_classes, read_examples
from components.datasets.settings import DataConfig
from components.example_gen.component import ImageExampleGen
from components.example_gen.settings import ExampleGenConfig
from components.tasks import get_task
from serving.classes import Classes

BUCKETS = {"train_buckets": 2}


@dataclass
class Ingested:
    """What one run of the step left; `refused`: path to reason and detail."""

    summary: dict[str, Any]
    refused: dict[str, tuple[str, str]]
    splits: dict[str, dict[str, dict[str, Any]]] = field(repr=False)  # by name, then by file
    classes: Classes

    @property
    def split_of(self) -> dict[str, str]:
        return {file: name for name, files in self.splits.items() for file in files}


def _read_split(folder: Path, origin: str) -> dict[str, dict[str, Any]]:
    examples = [
        {
            key: list(getattr(feature, feature.WhichOneof("kind")).value)
            for key, feature in example.features.feature.items()
        }
        for example in read_examples(str(folder))
    ]
    found = {one[origin][0].decode(): one for one in examples}
    assert len(found) == len(examples)  # nothing twice
    return found


@pytest.fixture(scope="session")
def ingest(run_step: Callable[..., dict[str, Any]]) -> Callable[..., Ingested]:
    """Runs the real executor on a folder: `ingest(root, out, **settings of the step)`."""

    def run(root, out, *beam_args, task="image_classification", data=None, **settings):
        config = ExampleGenConfig(**(BUCKETS | settings))
        given = {"input_base": str(root), "task": task, "data": DataConfig(**(data or {}))}
        step = run_step(ImageExampleGen, out, {}, *beam_args, **given, config=config)
        examples = step["examples"]
        assert json.loads(examples.split_names) == list(features.SPLITS)
        lines = (out / "quarantine" / QUARANTINED).read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        summary = json.loads((out / "quarantine" / INGEST_SUMMARY).read_text())
        assert summary["found"] == summary["accepted"] + sum(summary["quarantined"].values())
        return Ingested(
            summary=summary,
            refused={entry["path"]: (entry["reason"], entry["detail"]) for entry in entries},
            splits={
                name: _read_split(out / "examples" / f"Split-{name}", get_task(task).origin)
                for name in features.SPLITS
            },
            classes=read_classes(examples.uri),
        )

    return run

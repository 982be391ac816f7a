import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components import features
from components.artifacts import INGEST_SUMMARY, QUARANTINED

IN_MEMORY = ("--direct_running_mode=in_memory", "--direct_num_workers=1")
SETTINGS: dict[str, Any] = {
    "layout": "cats_dogs",
    "split": "hash",
    "buckets": (2, 1, 1),
    "max_side": 512,
    "drop_duplicates": True,
    "rehash": False,
}


@dataclass
class Ingested:
    """What one run of the step left.

    Attributes:
        summary: INGEST_SUMMARY.
        refused: path to (reason, detail).
        splits: split name to file name to Example, features by key.
    """

    summary: dict[str, Any]
    refused: dict[str, tuple[str, str]]
    splits: dict[str, dict[str, dict[str, Any]]] = field(repr=False)

    @property
    def split_of(self) -> dict[str, str]:
        return {file: name for name, files in self.splits.items() for file in files}


# By layout: the features that every Example has, by kind, the one that names it first.
FEATURES = {
    "cats_dogs": {
        "string": (features.FILENAME, features.IMAGE, features.KEY, features.ORIENTATION),
        "int64": (features.WIDTH, features.HEIGHT, features.LABEL),
    },
    "blobs": {
        "string": (features.POINT_ROW, features.POINT_KEY, features.POINT_LABEL_NAME),
        "int64": (features.POINT_LABEL,),
        "float32": (features.POINT_X, features.POINT_Y),
    },
}


def _read_split(folder: Path, layout: str) -> dict[str, dict[str, Any]]:
    """By tf.data, as training reads them."""
    import tensorflow as tf

    spec = {
        key: tf.io.FixedLenFeature([], kind)
        for kind, keys in FEATURES[layout].items()
        for key in keys
    }
    name = FEATURES[layout]["string"][0]
    files = sorted(str(path) for path in folder.iterdir())
    records = list(tf.data.TFRecordDataset(files, compression_type="GZIP"))
    examples = [
        {k: v.numpy() for k, v in tf.io.parse_single_example(record, spec).items()}
        for record in records
    ]
    found = {one[name].decode(): one for one in examples}
    assert len(found) == len(records)  # nothing twice
    return found


@pytest.fixture(scope="session")
def ingest() -> Callable[..., Ingested]:
    """Runs the real executor on a folder: `ingest(data, out, **changed settings)`."""

    def run(
        data: Path, out: Path, beam_args: tuple[str, ...] = IN_MEMORY, **changes: Any
    ) -> Ingested:
        from tfx.types import standard_artifacts

        from components.artifacts import Quarantine
        from components.beam_args import complete
        from components.example_gen.component import PictureExampleGen
        from components.example_gen.executor import Executor

        examples, quarantine = standard_artifacts.Examples(), Quarantine()
        examples.uri, quarantine.uri = str(out / "examples"), str(out / "quarantine")
        (out / "quarantine").mkdir(parents=True)
        step = PictureExampleGen(input_base=str(data), **(SETTINGS | changes))
        context = Executor.Context(
            beam_pipeline_args=complete(["--runner=DirectRunner", *beam_args])
        )
        Executor(context).Do(
            {},
            {"examples": [examples], "quarantine": [quarantine]},
            dict(step.exec_properties),
        )
        assert json.loads(examples.split_names) == list(features.SPLITS)
        lines = (out / "quarantine" / QUARANTINED).read_text().splitlines()
        entries = [json.loads(line) for line in lines]
        return Ingested(
            summary=json.loads((out / "quarantine" / INGEST_SUMMARY).read_text()),
            refused={entry["path"]: (entry["reason"], entry["detail"]) for entry in entries},
            splits={
                name: _read_split(
                    out / "examples" / f"Split-{name}", (SETTINGS | changes)["layout"]
                )
                for name in features.SPLITS
            },
        )

    return run

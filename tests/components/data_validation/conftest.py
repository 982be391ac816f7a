from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components import features as f

IN_MEMORY = ("--direct_running_mode=in_memory", "--direct_num_workers=1")
PICTURE = {
    f.IMAGE: b"\xff\xd8 encoded",
    f.KEY: b"0abcdef",
    f.FILENAME: b"a.jpg",
    f.WIDTH: 320,
    f.HEIGHT: 200,
    f.ORIENTATION: b"landscape",
}
GOOD: dict[str, dict[str, Any]] = {
    "cats_dogs": PICTURE | {f.LABEL: 1, f.LABEL_NAME: b"dog"},
    "pets": PICTURE
    | {f.MASK: b"\x89PNG"}
    | dict(zip(f.MASK_FRACTIONS, (0.25, 0.625, 0.125), strict=True)),
    "blobs": {
        f.POINT_X: 1.5,
        f.POINT_Y: -2.0,
        f.POINT_LABEL: 0,
        f.POINT_LABEL_NAME: b"negative",
        f.POINT_ROW: b"points.csv:2",
        f.POINT_KEY: b"0abcdef",
    },
}


def _example(values: dict[str, Any]):
    import tensorflow as tf

    example = tf.train.Example()
    for key, value in values.items():
        feature = example.features.feature[key]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        else:
            feature.float_list.value.append(value)
    return example


@dataclass
class Checked:
    """Artifacts of the steps from statistics to anomalies."""

    statistics: Any
    anomalies: Any


@pytest.fixture(scope="session")
def good() -> dict[str, dict[str, Any]]:
    """The features of one good Example, by layout."""
    return GOOD


@pytest.fixture(scope="session")
def check() -> Callable[..., Checked]:
    """Runs StatisticsGen, ImportSchemaGen and ExampleValidator, wired as in the pipeline.

    `check(folder, layout, {split: [features, ...]}, beam_args)`.
    """

    def run(
        folder: Path,
        layout: str,
        splits: dict[str, list[dict[str, Any]]],
        beam_args: tuple[str, ...] = IN_MEMORY,
    ) -> Checked:
        import json

        import tensorflow as tf
        from tfx.components.example_validator import executor as example_validator
        from tfx.components.schema_gen.import_schema_gen import executor as import_schema_gen
        from tfx.components.statistics_gen import executor as statistics_gen
        from tfx.types import artifact_utils, standard_artifacts

        from components.beam_args import complete
        from components.data_validation.schema import schema_path, stats_options

        def make(kind: type) -> Any:
            artifact = kind()
            artifact.uri = str(folder / kind.TYPE_NAME)
            Path(artifact.uri).mkdir(parents=True)
            return artifact

        examples = make(standard_artifacts.Examples)
        examples.split_names = artifact_utils.encode_split_names(sorted(splits))
        examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
        for name, rows in splits.items():
            path = Path(examples.uri, f"Split-{name}", "data_tfrecord-00000-of-00001.gz")
            path.parent.mkdir()
            with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
                for row in rows:
                    writer.write(_example(row).SerializeToString())

        statistics = make(standard_artifacts.ExampleStatistics)
        arguments = complete(["--runner=DirectRunner", *beam_args])
        context = statistics_gen.Executor.Context(beam_pipeline_args=arguments)
        statistics_gen.Executor(context).Do(
            {"examples": [examples]},
            {"statistics": [statistics]},
            {"stats_options_json": stats_options(layout).to_json(), "exclude_splits": "[]"},
        )
        schema = make(standard_artifacts.Schema)
        import_schema_gen.Executor().Do(
            {}, {"schema": [schema]}, {"schema_file": str(schema_path(layout))}
        )
        anomalies = make(standard_artifacts.ExampleAnomalies)
        example_validator.Executor().Do(
            {"statistics": [statistics], "schema": [schema]},
            {"anomalies": [anomalies]},
            {"exclude_splits": json.dumps([])},
        )
        return Checked(statistics, anomalies)

    return run

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components import features as f
from components.tasks import SHIPPED
from serving.classes import Classes

IN_MEMORY = ("--direct_running_mode=in_memory", "--direct_num_workers=1")
IMAGE = {
    f.IMAGE: b"\xff\xd8 encoded",
    f.KEY: b"0abcdef",
    f.FILENAME: b"a.jpg",
    f.WIDTH: 320,
    f.HEIGHT: 200,
    f.ORIENTATION: b"landscape",
}
# The features of one good Example, by task.
GOOD: dict[str, dict[str, Any]] = {
    "image_classification": IMAGE | {f.LABEL: 2, f.LABEL_NAME: "tulipán".encode()},
    "image_segmentation": IMAGE | {f.MASK: b"\x89PNG", f.MASK_FRACTIONS: [0.25, 0.625, 0.125]},
    "points": {
        f.POINT_X: 1.5,
        f.POINT_Y: -2.0,
        f.POINT_LABEL: 0,
        f.POINT_LABEL_NAME: b"daisy",
        f.POINT_ROW: b"points.csv:2",
        f.POINT_KEY: b"0abcdef",
    },
}
CLASSES = Classes(("daisy", "rose", "tulipán"))
assert set(GOOD) == set(SHIPPED)


def _serialized(values: dict[str, Any]) -> bytes:
    import tensorflow as tf

    example = tf.train.Example()
    for key, value in values.items():
        feature = example.features.feature[key]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        elif isinstance(value, int):
            feature.int64_list.value.append(value)
        else:
            feature.float_list.value.extend(value if isinstance(value, list) else [value])
    return example.SerializeToString()


@pytest.fixture(scope="session")
def good() -> dict[str, dict[str, Any]]:
    return GOOD


@pytest.fixture(scope="session")
def check() -> Callable[..., tuple[Any, Any]]:
    """Runs StatisticsGen, SchemaGen and ExampleValidator: statistics and anomalies.

    `check(folder, task, {split: [features, ...]}, beam_args)`.
    """

    def run(
        folder: Path,
        task: str,
        splits: dict[str, list[dict[str, Any]]],
        beam_args: tuple[str, ...] = IN_MEMORY,
    ) -> tuple[Any, Any]:
        import tensorflow as tf
        from tfx.types import artifact_utils, standard_artifacts
        from tfx.types.channel_utils import as_channel

        from components.beam_args import complete
        from components.data_validation import ExampleValidator, SchemaGen, StatisticsGen
        from components.datasets.examples import COMPRESSION, write_classes

        examples = standard_artifacts.Examples()
        examples.uri = str(folder / "examples")
        examples.split_names = artifact_utils.encode_split_names(sorted(splits))
        examples.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
        write_classes(examples.uri, CLASSES)
        for name, rows in splits.items():
            path = Path(examples.uri, f"Split-{name}", "data_tfrecord-00000-of-00001.gz")
            path.parent.mkdir()
            with tf.io.TFRecordWriter(str(path), COMPRESSION) as writer:
                for row in rows:
                    writer.write(_serialized(row))

        def execute(step: Any, **inputs: Any) -> Any:
            ((key, channel),) = step.outputs.items()
            artifact = channel.type()
            artifact.uri = str(folder / key)
            Path(artifact.uri).mkdir()
            executor = step.executor_spec.executor_class
            arguments = complete(["--runner=DirectRunner", *beam_args])
            context = (
                [executor.Context(beam_pipeline_args=arguments)] if key == "statistics" else []
            )
            inputs = {name: [value] for name, value in inputs.items()}
            executor(*context).Do(inputs, {key: [artifact]}, dict(step.exec_properties))
            return artifact

        made = as_channel([examples])
        statistics = execute(StatisticsGen(made, task=task), examples=examples)
        schema = execute(SchemaGen(made, task=task), examples=examples)
        step = ExampleValidator(statistics=as_channel([statistics]), schema=as_channel([schema]))
        return statistics, execute(step, statistics=statistics, schema=schema)

    return run

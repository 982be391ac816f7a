import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

IN_MEMORY = ("--direct_running_mode=in_memory", "--direct_num_workers=1")


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    """encode(uint8 pixels, "PNG", **options): the content of a file."""

    def make(pixels: Any, kind: str = "PNG", **options: Any) -> bytes:
        buffer = io.BytesIO()
        Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, kind, **options)
        return buffer.getvalue()

    return make


@pytest.fixture(scope="session")
def serialize(encode: Callable[..., bytes]) -> Callable[[Mapping[str, Any]], bytes]:
    """Of numbers, lists of floats, texts, bytes or images (uint8, stored as PNGs), an Example."""

    def make(values: Mapping[str, Any]) -> bytes:
        from components.datasets.examples import make_example

        plain = {k: encode(v) if isinstance(v, np.ndarray) else v for k, v in values.items()}
        return make_example(plain).SerializeToString()

    return make


@pytest.fixture(scope="session")
def make_artifact() -> Callable[..., Any]:
    """make(kind, folder): an artifact of TFX's in that folder."""

    def make(kind: Any, folder: Path) -> Any:
        made = kind()
        made.uri = str(folder)
        return made

    return make


@pytest.fixture(scope="session")
def write_examples(make_artifact, serialize):
    """write(folder, {split: [what `serialize` takes]}, classes=None, shards=1): an artifact."""

    def write(folder, splits, classes=None, shards=1):
        import tensorflow as tf
        from tfx.types import artifact_utils, standard_artifacts

        from components.datasets.examples import write_classes

        for split, examples in splits.items():
            target = folder / f"Split-{split}"
            target.mkdir(parents=True)
            for shard in range(shards):
                path = target / f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
                with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
                    for values in examples[shard::shards]:
                        writer.write(serialize(values))
        if classes is not None:
            write_classes(str(folder), classes)
        artifact = make_artifact(standard_artifacts.Examples, folder)
        artifact.split_names = artifact_utils.encode_split_names(list(splits))
        artifact.set_string_custom_property("payload_format", "FORMAT_TF_EXAMPLE")
        return artifact

    return write


@pytest.fixture(scope="session")
def save_model(make_artifact: Callable[..., Any]) -> Callable[..., Any]:
    """save(folder, {signature: (function, *specs)}, classes=None, training_keys=None): a Model."""

    def save(folder, signatures, classes=None, training_keys=None):
        import tensorflow as tf
        from tfx.types import standard_artifacts

        from serving import names

        module = tf.Module()
        module.functions = {
            name: tf.function(function, input_signature=specs)
            for name, (function, *specs) in signatures.items()
        }
        extra = folder / "Format-Serving" / names.ASSETS_EXTRA
        tf.saved_model.save(module, str(extra.parent), signatures=dict(module.functions))
        extra.mkdir()
        if classes is not None:
            (extra / names.MODEL_CLASSES_FILE).write_text(classes.to_json())
        if training_keys is not None:
            (extra / names.TRAINING_KEYS_FILE).write_text("".join(f"{k}\n" for k in training_keys))
        return make_artifact(standard_artifacts.Model, folder)

    return save


@pytest.fixture(scope="session")
def export_as() -> Callable[..., None]:
    """export_as(task, spec, model, folder, *classes, **config): as the trainer exports it."""

    def export(task, spec, model, folder, *classes, explain=None, **config):
        from components.explanations.methods import grad_cam
        from components.export.saved_model import ExportOptions, export_model
        from components.tasks import get_task
        from components.trainer.sections import ExportConfig
        from serving.classes import Classes

        export_model(
            model,
            folder,
            task=get_task(task),
            classes=Classes(classes),
            side=model.input_shape[1] if len(model.input_shape) == 4 else None,
            options=ExportOptions(spec, explain or grad_cam, ExportConfig(**config)),
        )

    return export


@pytest.fixture(scope="session")
def run_step(make_artifact: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """run_step(component, folder, inputs, beam_args, **settings): outputs, in that folder."""

    def run(kind, folder, inputs, beam_args=IN_MEMORY, **settings):
        from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
        from tfx.types.channel_utils import as_channel

        from components.beam_args import complete
        from components.declared import driver_of

        channels = {key: as_channel([artifact]) for key, artifact in inputs.items()}
        component, outputs = kind(**channels, **settings), {}
        for key, channel in component.outputs.items():
            (folder / key).mkdir(parents=True)
            outputs[key] = make_artifact(channel.type, folder / key)
        executor = component.executor_spec.executor_class
        context = []
        if issubclass(executor, BaseBeamExecutor):
            arguments = complete(["--runner=DirectRunner", *beam_args])
            given = {"beam_pipeline_args": arguments, "tmp_dir": str(folder), "unique_id": "1"}
            context = [executor.Context(**given)]
        given = {key: [artifact] for key, artifact in inputs.items()}
        made = {key: [artifact] for key, artifact in outputs.items()}
        properties = dict(component.exec_properties)
        if driver := driver_of(executor):
            properties[driver.KEY] = driver(None).seen(given, properties)
        executor(*context).Do(given, made, properties)
        return outputs

    return run

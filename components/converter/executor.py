"""Does the work of `Converter`: converts, compares, and refuses what differs too much."""

import json
import tempfile
from itertools import islice
from pathlib import Path

import keras
from absl import logging
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components import artifacts, models
from components.converter.compare import Converted, check, compare
from components.converter.formats import convert, load, original
from components.converter.settings import ConverterConfig
from components.datasets.examples import read_classes, read_examples
from components.declared import Given, Properties, StepExecutor
from components.export.flip_averaging import flip_averaged_model
from components.tasks import get_task

SPLIT = "test"
FLOAT_BYTES = 4


class Executor(StepExecutor):
    """Writes `artifacts.COMPARISON` and a file for each format."""

    def run(self, inputs: Given, outputs: Given, properties: Properties) -> None:
        """Converts the model; see `Converter` for inputs, outputs and properties.

        Raises:
            FailedError: a conversion differs too much; everything is written all the same.
        """
        config = ConverterConfig.model_validate_json(properties["config"])
        model_run, examples = inputs["model_run"].uri, inputs["examples"]
        part = get_task(properties["task"]).evaluation(read_classes(examples.uri))
        split = artifact_utils.get_split_uri([examples], SPLIT)
        target = outputs["conversions"].uri
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            model = _answering_model(model_run, folder)
            paths = {name: convert(model, name, folder) for name in config.formats}
            converted = [
                Converted(name, path, load(path), getattr(config.tolerance, name))
                for name, path in paths.items()
            ]
            comparison = compare(
                original(model),
                converted,
                islice(read_examples(split), config.images),
                part,
                model.input.shape[1],
            )
            comparison["original"]["bytes"] = model.count_params() * FLOAT_BYTES
            fileio.makedirs(target)
            for one in converted:
                fileio.copy(str(one.path), f"{target}/{one.path.name}", overwrite=True)
        text = json.dumps(comparison, indent=1) + "\n"
        io_utils.write_string_file(f"{target}/{artifacts.COMPARISON}", text)
        for found in comparison["conversions"]:
            size, metric = found["bytes"] / 2**20, comparison["metric"]
            logging.info(
                f"{found['file']}: {size:.1f} MiB, {found['milliseconds']:.1f} ms a image, {metric}"
                f" {found['value']:.4f}, probabilities differ by {found['mean_difference']:.1e} on"
                " average"
            )
        check(comparison)


def _answering_model(model_run: str, scratch: Path) -> keras.Model:
    """The trained model, answering as the exported one does."""
    path = scratch / artifacts.BEST_CHECKPOINT
    fileio.copy(f"{model_run}/{artifacts.BEST_CHECKPOINT}", str(path))
    history = json.loads(io_utils.read_string_file(f"{model_run}/{artifacts.HISTORY}"))
    spec = models.spec(history["model"])  # whose module registers layers of its own
    model = keras.models.load_model(path, compile=False)
    return flip_averaged_model(model, spec) if history["test_time_flip"] else model

"""Does the work of `Converter`: converts, compares, and refuses what differs too much."""

import json
import tempfile
from itertools import islice
from pathlib import Path
from typing import Any

import keras
from absl import logging
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types.artifact import Artifact

from components import artifacts, models
from components.converter.compare import Converted, check, compare
from components.converter.formats import convert, load, original
from components.converter.settings import ConverterConfig
from components.datasets.examples import read_classes, read_examples
from components.export.flip_averaging import flip_averaged_model
from components.tasks import get_task

SPLIT = "test"
FLOAT_BYTES = 4


class Executor(BaseExecutor):
    """Writes `artifacts.COMPARISON` and a file for each format."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Converts the model; see `Converter` for inputs, outputs and properties.

        Raises:
            FailedError: a conversion differs too much; everything is written all the same.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        config = ConverterConfig.model_validate_json(exec_properties["config"])
        model_run = artifact_utils.get_single_uri(input_dict["model_run"])
        examples = artifact_utils.get_single_uri(input_dict["examples"])
        part = get_task(exec_properties["task"]).evaluation(read_classes(examples))
        split = artifact_utils.get_split_uri(input_dict["examples"], SPLIT)
        target = artifact_utils.get_single_uri(output_dict["conversions"])
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
        with fileio.open(f"{target}/{artifacts.COMPARISON}", "w") as file:
            file.write(json.dumps(comparison, indent=1) + "\n")
        for found in comparison["conversions"]:
            logging.info("%s", _line(comparison["metric"], found))
        check(comparison)


def _answering_model(model_run: str, scratch: Path) -> keras.Model:
    """The trained model, answering as the exported one does."""
    path = scratch / artifacts.BEST_CHECKPOINT
    fileio.copy(f"{model_run}/{artifacts.BEST_CHECKPOINT}", str(path))
    model = keras.models.load_model(path, compile=False)
    with fileio.open(f"{model_run}/{artifacts.HISTORY}") as file:
        history = json.load(file)
    if history["test_time_flip"]:
        return flip_averaged_model(model, models.spec(history["model"]))
    return model


def _line(metric: str, found: dict[str, Any]) -> str:
    return (
        f"{found['file']}: {found['bytes'] / 2**20:.1f} MiB, {found['milliseconds']:.1f} ms a"
        f" image, {metric} {found['value']:.4f}, probabilities differ by"
        f" {found['mean_difference']:.1e} on average"
    )

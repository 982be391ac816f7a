"""Around TFX's Evaluator: the absent baseline, the verdict, and figures in plain JSON."""

import json
from typing import Any

import tensorflow as tf
import tensorflow_model_analysis as tfma
from absl import logging
from tfx.components.evaluator import constants, executor
from tfx.dsl.io import fileio
from tfx.types import Artifact, artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from components import features as f
from components.artifacts import FIGURES, NO_BASELINE
from components.artifacts import BASELINE_VERSION
from components.evaluator.figures import (
    read_checks,
    read_confusion,
    read_figures,
    to_measure,
)
from serving import names


class Executor(executor.Executor):
    """See `Evaluator`."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates, then writes `artifacts.FIGURES` beside TFMA's own files."""
        eval_config = tfma.EvalConfig()
        proto_utils.json_to_proto(exec_properties[specs.EVAL_CONFIG_KEY], eval_config)
        baseline = artifact_utils.get_single_instance(input_dict[specs.BASELINE_MODEL_KEY])
        about_baseline = None
        if fileio.exists(f"{baseline.uri}/{NO_BASELINE}"):
            input_dict = {k: v for k, v in input_dict.items() if k != specs.BASELINE_MODEL_KEY}
        else:
            points = eval_config.model_specs[0].label_key == f.POINT_LABEL
            warning = self._overlap_warning(input_dict, baseline, exec_properties, points=points)
            if warning:
                logging.warning(warning)
            version = baseline.get_int_custom_property(BASELINE_VERSION)
            about_baseline = {"version": version, "warning": warning}
        reduced = proto_utils.proto_to_json(to_measure(eval_config))
        super().Do(input_dict, output_dict, {**exec_properties, specs.EVAL_CONFIG_KEY: reduced})

        uri = artifact_utils.get_single_uri(output_dict[specs.EVALUATION_KEY])
        figures = read_figures(uri, eval_config)
        blessed, checks = read_checks(eval_config, figures, has_baseline=about_baseline is not None)
        _write_blessing(
            artifact_utils.get_single_instance(output_dict[specs.BLESSING_KEY]),
            blessed,
            input_dict,
            exec_properties,
        )
        result = {
            "blessed": blessed,
            "baseline": about_baseline,
            "figures": figures,
            "checks": checks,
            **read_confusion(uri, eval_config),
        }
        with fileio.open(f"{uri}/{FIGURES}", "w") as file:
            file.write(json.dumps(result, indent=2))

    def _overlap_warning(
        self,
        input_dict: dict[str, list[Artifact]],
        baseline: Artifact,
        exec_properties: dict[str, Any],
        *,
        points: bool,
    ) -> str | None:
        """What to know if the baseline was trained on what now tests it."""
        key, what = (f.POINT_KEY, "points") if points else (f.KEY, "pictures")
        model = path_utils.serving_model_path(baseline.uri)
        keys_file = f"{model}/{names.ASSETS_EXTRA}/{names.TRAINING_KEYS_FILE}"
        if not fileio.exists(keys_file):
            return f"the baseline does not say which {what} it was trained on"
        with fileio.open(keys_file) as file:
            trained = set(file.read().split())
        keys = []
        for split in json_utils.loads(exec_properties[specs.EXAMPLE_SPLITS_KEY]):
            uri = artifact_utils.get_split_uri(input_dict[specs.EXAMPLES_KEY], split)
            keys += _keys(uri, key)
        seen = sum(key in trained for key in keys)
        if not seen:
            return None
        return (
            f"the baseline was trained on {seen} of these {len(keys)} test {what}: "
            "its figures are too good, the comparison favours it"
        )


def _write_blessing(
    blessing: Artifact,
    blessed: bool,
    input_dict: dict[str, list[Artifact]],
    exec_properties: dict[str, Any],
) -> None:
    """Writes the verdict as TFX does where its executor judges: a file and custom properties."""
    name = constants.BLESSED_FILE_NAME if blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(f"{blessing.uri}/{name}", "")
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY,
        constants.BLESSED_VALUE if blessed else constants.NOT_BLESSED_VALUE,
    )
    for key, uri_property, id_property in (
        (
            specs.MODEL_KEY,
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY,
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY,
        ),
        (
            specs.BASELINE_MODEL_KEY,
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY,
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY,
        ),
    ):
        for model in input_dict.get(key, []):
            blessing.set_string_custom_property(uri_property, model.uri)
            blessing.set_int_custom_property(id_property, model.id)
    if "current_component_id" in exec_properties:
        blessing.set_string_custom_property("component_id", exec_properties["current_component_id"])


def _keys(uri: str, feature: str) -> list[str]:
    """Split keys, in that feature, of all Examples under a split's folder."""
    files = tf.io.gfile.glob(f"{uri}/*")
    spec = {feature: tf.io.FixedLenFeature([], tf.string)}
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    parsed = records.batch(256).map(lambda batch: tf.io.parse_example(batch, spec)[feature])
    return [key.decode() for batch in parsed.as_numpy_iterator() for key in batch]

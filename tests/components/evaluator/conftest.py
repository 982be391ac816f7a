"""The executor run on real artifacts, of models whose answers stand in the Examples."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tfx.types import standard_artifacts

from components.artifacts import FIGURES, NO_BASELINE
from components.evaluator import Evaluator, EvaluatorConfig
from serving import names

SIDE = 16  # of masks


@dataclass
class Outcome:
    """What the executor left."""

    result: dict[str, Any]
    blessing_files: list[str]
    blessed_property: int
    evaluation: Path

    def lines(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.evaluation / name).read_text().splitlines()]

    def figure(self, metric: str, slice_name: str = "overall", class_name: str | None = None):
        (found,) = [
            figure
            for figure in self.result["figures"]
            if (figure["metric"], figure["slice"], figure["class"])
            == (metric, slice_name, class_name)
        ]
        return found

    def assert_blessed(self, blessed: bool) -> None:
        assert self.result["blessed"] is blessed
        assert self.blessing_files == (["BLESSED"] if blessed else ["NOT_BLESSED"])
        assert self.blessed_property == int(blessed)


@pytest.fixture(scope="session")
def write_model(save_model: Callable[..., Any]) -> Callable[..., Any]:
    """write(folder, output, feature, shape, classes=None, training_keys=None) gives a Model.

    It answers what stands in that feature of an Example: floats of that shape, or without a shape
    the bytes of a mask.
    """

    def write(folder: Path, output: str, feature: str, shape: list[int] | None, *told: Any) -> Any:
        def mask_in(key: str, examples: Any) -> Any:
            spec = {key: tf.io.FixedLenFeature([], tf.string)}
            raw = tf.io.decode_raw(tf.io.parse_example(examples, spec)[key], tf.uint8)
            return tf.reshape(raw, [-1, SIDE, SIDE])

        def answer(examples: Any) -> dict[str, Any]:
            if shape is None:
                # Of a single output, TFMA makes no dictionary.
                return {output: mask_in(feature, examples), "batch": tf.shape(examples)}
            spec = {feature: tf.io.FixedLenFeature(shape, tf.float32)}
            return {output: tf.io.parse_example(examples, spec)[feature]}

        def labels(examples: Any) -> dict[str, Any]:
            return {names.OUTPUT_TRUE_MASK: mask_in("truth", examples)}

        taken = tf.TensorSpec([None], tf.string, name=names.INPUT_EXAMPLES)
        signatures = {names.SIGNATURE_FROM_EXAMPLES: (answer, taken)}
        if shape is None:
            signatures[names.SIGNATURE_LABELS] = (labels, taken)
        return save_model(folder, signatures, *told)

    return write


@pytest.fixture(scope="session")
def evaluate(tmp_path_factory, make_artifact, run_step):
    """evaluate(task, examples, model, baseline or "none" as in the pipeline, **config)."""

    def run(task: str, examples: Any, model: Any, baseline: Any = None, **given: Any) -> Outcome:
        folder = tmp_path_factory.mktemp("evaluation")
        if baseline == "none":
            baseline = make_artifact(standard_artifacts.Model, folder)
            (folder / NO_BASELINE).write_text("none\n")
        inputs = {"examples": examples, "model": model}
        if baseline is not None:
            inputs["baseline_model"] = baseline
        config = {"thresholds": {}, "min_slice_size": 1, "confidence_intervals": False} | given
        asked = EvaluatorConfig.model_validate(config)
        outputs = run_step(Evaluator, folder, inputs, task=task, config=asked)
        return Outcome(
            json.loads((folder / "evaluation" / FIGURES).read_text()),
            sorted(path.name for path in (folder / "blessing").iterdir()),
            outputs["blessing"].get_int_custom_property("blessed"),
            folder / "evaluation",
        )

    return run

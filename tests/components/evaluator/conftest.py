"""Tiny pictures, tiny models, and the executor run on real artifacts of them."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving import names

SIDE = 32  # of the models' input


@dataclass
class Outcome:
    """What the executor left."""

    result: dict[str, Any]
    blessing_files: list[str]
    blessed_property: int

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


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _example(values: Mapping[str, bytes | int | float]) -> bytes:
    import tensorflow as tf

    def feature(value: bytes | int | float) -> tf.train.Feature:
        if isinstance(value, float):
            return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    features = tf.train.Features(feature={key: feature(value) for key, value in values.items()})
    return tf.train.Example(features=features).SerializeToString()


@pytest.fixture(scope="session")
def encode_png() -> Callable[[np.ndarray], bytes]:
    return png


@pytest.fixture(scope="session")
def side() -> int:
    """Side of the models' input."""
    return SIDE


@pytest.fixture(scope="session")
def write_examples() -> Callable[..., Any]:
    """write(folder, examples) gives an Examples artifact with two gzipped shards of `test`."""

    def write(folder: Path, examples: Sequence[Mapping[str, bytes | int | float]]) -> Any:
        import tensorflow as tf
        from tfx.types import standard_artifacts

        split = folder / "Split-test"
        split.mkdir(parents=True)
        for shard in range(2):
            path = split / f"data_tfrecord-{shard:05d}-of-00002.gz"
            with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
                for values in examples[shard::2]:
                    writer.write(_example(values))
        artifact = standard_artifacts.Examples()
        artifact.uri = str(folder)
        artifact.split_names = json.dumps(["test"])
        return artifact

    return write


@pytest.fixture(scope="session")
def write_model() -> Callable[..., Any]:
    """write(folder, model, problem, training_keys=None) gives a Model artifact."""

    def write(
        folder: Path, model: Any, problem: str, training_keys: Sequence[str] | None = None
    ) -> Any:
        from tfx.types import standard_artifacts

        from components.export.endpoints import export_model
        from components.export.point_endpoints import export_point_model
        from components.models import ModelSpec

        saved = folder / "Format-Serving"
        folder.mkdir(parents=True)
        if problem == "points":
            export_point_model(model, saved)
        else:
            export_model(
                model, saved, image_size=SIDE, problem=problem, spec=ModelSpec("tiny", problem)
            )
        if training_keys is not None:
            extra = saved / names.ASSETS_EXTRA
            extra.mkdir(exist_ok=True)
            (extra / names.TRAINING_KEYS_FILE).write_text("".join(f"{k}\n" for k in training_keys))
        artifact = standard_artifacts.Model()
        artifact.uri = str(folder)
        return artifact

    return write


@pytest.fixture(scope="session")
def evaluate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Outcome]:
    """evaluate(problem, examples, model, baseline=None, **eval_config) runs the executor.

    Without a baseline the Model that stands for it holds the marker only, as in the pipeline.
    """

    def run(
        problem: str, examples: Any, model: Any, baseline: Any = None, **eval_config: Any
    ) -> Outcome:
        from tfx.types import standard_artifacts
        from tfx.utils import json_utils, proto_utils

        from components.artifacts import FIGURES, NO_BASELINE
        from components.beam_args import complete
        from components.evaluator.eval_config import make_eval_config
        from components.evaluator.executor import Executor

        folder = tmp_path_factory.mktemp("evaluation")
        if baseline is None:
            baseline = standard_artifacts.Model()
            baseline.uri = str(folder / "baseline")
            (folder / "baseline").mkdir()
            (folder / "baseline" / NO_BASELINE).write_text("none\n")
        evaluation, blessing = (
            standard_artifacts.ModelEvaluation(),
            standard_artifacts.ModelBlessing(),
        )
        for name, artifact in (("evaluation", evaluation), ("blessing", blessing)):
            artifact.uri = str(folder / name)
            (folder / name).mkdir()
        options = {
            "thresholds": {},
            "slice_thresholds": {},
            "slices": [],
            "min_slice_size": 1,
            "confidence_intervals": False,
        }
        context = Executor.Context(
            beam_pipeline_args=complete(
                ["--direct_running_mode=in_memory", "--direct_num_workers=1"]
            ),
            tmp_dir=str(folder / "tmp"),
            unique_id="1",
        )
        Executor(context).Do(
            {"examples": [examples], "model": [model], "baseline_model": [baseline]},
            {"evaluation": [evaluation], "blessing": [blessing]},
            {
                "eval_config": proto_utils.proto_to_json(
                    make_eval_config(problem, **{**options, **eval_config})
                ),
                "example_splits": json_utils.dumps(["test"]),
                "fairness_indicator_thresholds": "null",
                "module_path": None,
            },
        )
        return Outcome(
            json.loads((folder / "evaluation" / FIGURES).read_text()),
            sorted(path.name for path in (folder / "blessing").iterdir()),
            blessing.get_int_custom_property("blessed"),
        )

    return run

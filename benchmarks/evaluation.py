"""1,001 classes and 2,000 images are evaluated within 60 s and 1 GB, through the step itself.

The model reads its probabilities from the Example: only the evaluation is measured, with the
dearest slices that a pipeline asks for: one a class. Imports are not counted in the seconds.
"""

import json
import multiprocessing
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.tools import Result, benchmark
from serving import names
from serving.classes import Classes

CLASSES = 1001
IMAGES = 2000
ANSWER = "answer"


def measure(folder: Path) -> Iterator[Result]:
    # Elsewhere, for what it takes is none of the evaluation's memory.
    writer = multiprocessing.get_context("spawn").Process(target=_write, args=[folder])
    writer.start()
    writer.join()
    assert writer.exitcode == 0
    from components.evaluator.executor import Executor  # noqa: F401  # brings TFMA along

    imported = _peak_mib()
    start, cpu = time.monotonic(), time.process_time()
    _evaluate(folder)
    seconds, cpu = time.monotonic() - start, time.process_time() - cpu
    result = json.loads((folder / "evaluation" / "figures.json").read_text())
    values = {x["metric"]: x["value"] for x in result["figures"] if x["slice"] == "overall"}
    yield {
        "classes": CLASSES,
        "images": IMAGES,
        "seconds": round(seconds, 1),
        "limit_seconds": 60,
        "cpu_seconds": round(cpu, 1),
        "peak_mib": round(_peak_mib()),
        "limit_mib": 1024,
        "imports_mib": round(imported),
        "figures": len(result["figures"]),
        "accuracy": values["accuracy"],
    }


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _write(folder: Path) -> None:
    _write_examples(folder / "examples")
    _write_model(folder / "model")


def _write_examples(folder: Path) -> None:
    import tensorflow as tf

    from components import features as f
    from components.datasets.examples import make_example, write_classes

    rng = np.random.default_rng(1)
    split = folder / "Split-test"
    split.mkdir(parents=True)
    path = split / "data_tfrecord-00000-of-00001.gz"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for number in range(IMAGES):
            label = int(rng.integers(0, CLASSES))
            logits = rng.normal(0, 1, CLASSES)
            logits[label] += 3
            scaled = np.exp(logits)
            values = {
                f.KEY: f"{number:016x}",
                f.LABEL_NAME: f"class {label}",
                f.ORIENTATION: "landscape",
                f.LABEL: label,
                ANSWER: scaled / scaled.sum(),
            }
            writer.write(make_example(values).SerializeToString())
    write_classes(str(folder), Classes(tuple(f"class {number}" for number in range(CLASSES))))


def _write_model(folder: Path) -> None:
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=names.INPUT_EXAMPLES)])
    def answer(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        spec = {ANSWER: tf.io.FixedLenFeature([CLASSES], tf.float32)}
        return {names.OUTPUT_PROBABILITIES: tf.io.parse_example(examples, spec)[ANSWER]}

    module = tf.Module()
    module.answer = answer
    signatures = {names.SIGNATURE_FROM_EXAMPLES: answer}
    tf.saved_model.save(module, str(folder / "Format-Serving"), signatures=signatures)


def _evaluate(folder: Path) -> None:
    from tfx.types import standard_artifacts

    from components import features as f
    from components.beam_args import complete
    from components.evaluator.executor import Executor
    from components.evaluator.settings import EvaluatorConfig

    artifacts = {
        "examples": standard_artifacts.Examples(),
        "model": standard_artifacts.Model(),
        "evaluation": standard_artifacts.ModelEvaluation(),
        "blessing": standard_artifacts.ModelBlessing(),
    }
    for name, artifact in artifacts.items():
        artifact.uri = str(folder / name)
        (folder / name).mkdir(exist_ok=True)
    artifacts["examples"].split_names = json.dumps(["test"])
    config = EvaluatorConfig.model_validate(
        {
            "thresholds": {"accuracy": {"min": 0.0}, "recall": {"min": 0.0}},
            "slices": [f.LABEL_NAME, f.ORIENTATION],
        }
    )
    context = Executor.Context(
        beam_pipeline_args=complete(["--direct_running_mode=in_memory", "--direct_num_workers=1"]),
        tmp_dir=str(folder / "tmp"),
        unique_id="1",
    )
    Executor(context).Do(
        {name: [artifacts[name]] for name in ("examples", "model")},
        {name: [artifacts[name]] for name in ("evaluation", "blessing")},
        {"task": "image_classification", "config": config.model_dump_json()},
    )


if __name__ == "__main__":
    benchmark(measure)

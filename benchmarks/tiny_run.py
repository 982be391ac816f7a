"""What everything but the training costs: a tiny run, counted from imports done."""

from collections.abc import Iterator
from pathlib import Path

from benchmarks.tools import Result, benchmark

SETTINGS = [
    "trainer.image_size=64",
    "trainer.epochs=1",
    "evaluator.thresholds={accuracy: {min: 0.0}}",
    "evaluator.slice_thresholds={}",
    "evaluator.graded_images=0",
]


def measure(folder: Path, images: int) -> Iterator[Result]:
    from rich.console import Console

    from components.datasets.synth import synthesize
    from pipelines.config import load_config
    from pipelines.logs import logging_to, use_root_logger
    from pipelines.workdir import WorkDir

    synthesize(folder / "images", "class_folders", images)
    workdir, console = WorkDir(folder / "work"), Console(quiet=True)
    with workdir.locked(), logging_to(folder / "log"):
        from pipelines.local import run_pipeline

        use_root_logger()
        config = load_config("cats_vs_dogs", SETTINGS)
        steps = run_pipeline(config, folder / "images", workdir, console, rehash=False)
    seconds = {name: step["seconds"] for name, step in steps.items()}
    yield {
        "images": images,
        "seconds_outside_training": round(sum(seconds.values()) - seconds["trainer"], 1),
        "limit": 40,
        "steps": seconds,
    }


if __name__ == "__main__":
    benchmark(measure, images=200)

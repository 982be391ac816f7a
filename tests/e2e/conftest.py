import functools
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.datasets.synth import synthesize

COMMAND = Path(__file__).parents[2] / "pipelines" / "cli.py"


@pytest.fixture(scope="session")
def tiny():
    """A small model, and thresholds that any model keeps: what is tested is the way."""
    return {
        "trainer.model": "convnet_small_150",
        "trainer.image_size": "46",
        "trainer.epochs": "2",
        "trainer.batch_size": "16",
        "evaluator.confidence_intervals": "false",
        "evaluator.thresholds": "{accuracy: {min: 0.0, max_drop: 0.0}}",
        "evaluator.slice_thresholds": "{}",
        "evaluator.slices": "[]",
        "evaluator.graded_images": "4",
        "infra_validator.images": "1",
        "infra_validator.timeout_seconds": "400",  # on a busy machine
        "interpreter.images": "2",
    }


@pytest.fixture(scope="session")
def pawlens(zygote):
    """The command: `pawlens.start(*arguments)` or, to its end, `pawlens.call(*arguments)`."""
    return SimpleNamespace(
        start=functools.partial(zygote.start, COMMAND), call=functools.partial(zygote.call, COMMAND)
    )


@pytest.fixture(scope="session")
def pawlens_beside(zygote, tmp_path_factory):
    """pawlens_beside(folder): `call` of the command as it runs where that folder is installed."""

    def beside(folder):
        starter = tmp_path_factory.mktemp("starter") / "pawlens.py"
        start = f"import sys\nsys.path.insert(0, {str(folder)!r})\n"
        starter.write_text(f"{start}from pipelines.cli import main\nmain()\n")
        return functools.partial(zygote.call, starter, PYTHONPATH=str(folder))

    return beside


@pytest.fixture(scope="session")
def bad_rows():
    """Lines of a file of points that are refused, and why."""
    return {
        "nan,1,negative": "not a number",
        "1,inf,negative": "not finite",
        "1,2": "missing column",
        "1,2,neutral": "class not in data.classes",
    }


@pytest.fixture(scope="session")
def points(pawlens, bad_rows, tmp_path_factory):
    """600 points, the bad rows and a duplicate."""
    data = tmp_path_factory.mktemp("blobs") / "points"
    ended = pawlens.call("data", "synth", data, "--layout", "points", "--count", 600)
    assert ended.output == f"600 points in {data}\n"
    path = data / "points.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, *bad_rows, lines[1]]) + "\n")
    return data


@pytest.fixture(scope="session")
def blobs_run(pawlens, points):
    """The arguments of a `pawlens run linear_blobs` that is done, and its summary."""
    workdir = points.parent / "work"
    arguments = ["run", "linear_blobs", "--data", points, "--workdir", workdir]
    pawlens.call(*arguments)
    return arguments, json.loads((workdir / "summary.json").read_text())


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "pictures"
    synthesize(folder, "class_folders", 80, seed=5, size=(72, 60))
    return folder


@pytest.fixture(scope="session")
def run_arguments(tiny):
    """Arguments of a tiny `pawlens run`; keyword `sets` overrides its settings."""

    def build(data: Path, workdir: Path, *more: str, sets: dict[str, str] | None = None):
        settings = tiny | (sets or {})
        pairs = [word for item in settings.items() for word in ("--set", "=".join(item))]
        return ["run", "cats_vs_dogs", "--data", data, "--workdir", workdir, *pairs, *more]

    return build


@pytest.fixture(scope="session")
def finished(pawlens, pictures, run_arguments, tmp_path_factory):
    """A work directory in which the tiny pipeline ran once, undisturbed, and its summary."""
    workdir = tmp_path_factory.mktemp("work") / "undisturbed"
    ended = pawlens.call(*run_arguments(pictures, workdir))
    return workdir, json.loads((workdir / "summary.json").read_text()), ended.output

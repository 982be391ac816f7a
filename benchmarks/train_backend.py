"""Trains a model from arrays under any Keras backend: for a GPU that TensorFlow cannot use.

Where TensorFlow is, once a `pawlens run` has made the Examples:

    python -m benchmarks.train_backend pack WORKDIR data.npz --config cats_vs_dogs --max-mib 60

Where it is not, with keras, jax (or torch), pydantic and pyyaml installed:

    KERAS_BACKEND=jax python -m benchmarks.train_backend train data*.npz --config cats_vs_dogs \
        --output out

and back where TensorFlow is:

    python -m benchmarks.train_backend evaluate data*.npz --config cats_vs_dogs \
        --weights out/best.weights.h5

`--config` and `--set` are those of `pawlens run`; a file that holds the section `trainer` alone
does as well. Augmentation, optimizer, losses, callbacks and what a killed training goes on from
are the trainer's own, and so is the rule by which a step's pictures follow from the seed; but
random numbers differ between backends, so equal seeds give equal runs under one of them only.
The weights are those of the best epoch; `--set trainer.weights=out/best.weights.h5` takes them.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.backend import files
from components.errors import InputError

if TYPE_CHECKING:
    from pipelines.config import PipelineConfig

_MIB = 1024**2


def main(arguments: list[str] | None = None) -> int:
    """0, or 2 if the input is wrong, told in one line."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    args = _parser().parse_args(arguments)
    commands = {"pack": _pack, "train": _train, "evaluate": _evaluate}
    start = time.monotonic()
    try:
        config = read_config(args.config, args.set)
        told = commands[args.command](args, config)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    seconds = round(time.monotonic() - start, 1)
    told = {"benchmark": "train_backend", "command": args.command, "seconds": seconds} | told
    print(json.dumps(told), flush=True)
    return 0


def read_config(name_or_path: str, sets: list[str]) -> "PipelineConfig":
    """The configuration of a pipeline of pictures.

    Args:
        name_or_path: as of `pawlens run`, or a YAML file of the section `trainer` alone.
        sets: as of `pawlens run`.

    Raises:
        InputError: a mistake, or a pipeline of points.
    """
    import yaml

    from components import models
    from pipelines.config import load_config

    path = Path(name_or_path)
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    section = yaml.safe_load(text)
    if isinstance(section, dict) and "model" in section:
        problem = models.spec(section["model"]).problem
        name_or_path = {"segmentation": "pets_segmentation"}.get(problem, "cats_vs_dogs")
        sets = [f"trainer={text}", *sets]
    config = load_config(name_or_path, sets)
    if config.problem == "points":
        raise InputError("--config", expected="a pipeline of pictures", found=f"'{config.name}'")
    config.trainer.check_single("arrays, whose pictures have one size")
    return config


def _pack(args: argparse.Namespace, config: "PipelineConfig") -> dict[str, Any]:
    assert config.trainer.image_size is not None, "the configuration has seen to it"
    splits = files.pack(args.workdir, config.problem, config.trainer.image_size)
    paths = files.save(splits, args.file, int(args.max_mib * _MIB))
    return {
        "pictures": {name: len(split) for name, split in splits.items()},
        "files": [str(path) for path in paths],
    }


def _train(args: argparse.Namespace, config: "PipelineConfig") -> dict[str, Any]:
    import keras

    from benchmarks.backend import training

    config.trainer.check_trains("train_backend train")
    splits = files.load(args.files)
    best = training.train(
        splits["train"], splits["eval"], config.problem, config.trainer, args.output
    )
    return {
        "backend": keras.backend.backend(),
        "model": config.trainer.model,
        "best": best,
        "weights": str(args.output / training.BEST_WEIGHTS),
    }


def _evaluate(args: argparse.Namespace, config: "PipelineConfig") -> dict[str, Any]:
    import keras

    from benchmarks.backend import training

    split = files.load(args.files)["test"]
    values = training.evaluate(split, config.problem, config.trainer, args.weights)
    return {
        "backend": keras.backend.backend(),
        "model": config.trainer.model,
        "pictures": len(split),
        "test": values,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_backend")
    commands = parser.add_subparsers(dest="command", required=True)
    pack = commands.add_parser("pack", help="decode the newest Examples of a run")
    pack.add_argument("workdir", type=Path, help="of the run")
    pack.add_argument("file", type=Path, help="the .npz file; its pieces get numbers")
    pack.add_argument("--max-mib", type=float, default=1024.0, help="size of a piece")
    train = commands.add_parser("train", help="train on train, choose the epoch by eval")
    train.add_argument("--output", type=Path, required=True, help="folder of the training")
    evaluate = commands.add_parser("evaluate", help="measure weights on test")
    evaluate.add_argument("--weights", required=True)
    for command in (train, evaluate):
        command.add_argument("files", type=Path, nargs="+", help="all pieces, in any order")
    for command in (pack, train, evaluate):
        command.add_argument("--config", required=True, help="as of pawlens run")
        command.add_argument("--set", action="append", default=[], help="as of pawlens run")
    return parser


if __name__ == "__main__":
    sys.exit(main())

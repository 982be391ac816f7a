"""The function that the stock TFX Trainer calls: Examples in, the best epoch's SavedModel out."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components import artifacts, features, models
from components.trainer import curves, history, loop, pictures, points
from components.trainer.building import bare_model, build_model, dtype_policy
from components.trainer.distribution import Distribution
from components.trainer.history import made_with
from components.trainer.hyperparameters import Scalar, chosen_values, describe, replace_values
from components.trainer.settings import TrainerConfig
from components.trainer.state import (
    TENSORBOARD_FOLDER,
    TrainingState,
    fingerprint,
)
from components.trainer.weights import digests
from serving import endpoints

BEST_CHECKPOINT = "best.keras"  # ModelRun: the exported epoch as a Keras file


def run_fn(fn_args: Any) -> None:
    """Trains, and exports the best epoch.

    Args:
        fn_args: TFX's FnArgs. Its `custom_config` holds `problem`, `trainer` (a TrainerConfig as
            a dict) and optionally `state_dir`, a folder where a killed training leaves what the
            same training, started again, goes on from; everything else in it only counts for
            being the same training. `hyperparameters` is what a tuner chose, or None; it
            replaces what `trainer` says. Writes the ModelRun files of `components.artifacts`,
            BEST_CHECKPOINT and TensorBoard's logs into `model_run_dir`, the SavedModel into
            `serving_model_dir`.

    Raises:
        InputError: an empty split, one class only, a model that does not fit the problem, or
            weights that do not fit the model.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    settings = dict(fn_args.custom_config)
    state_dir = settings.pop("state_dir", None)
    problem = settings["problem"]
    config = TrainerConfig.model_validate(settings["trainer"])
    chosen = chosen_values(fn_args.hyperparameters)
    if chosen:
        print(f"chosen by the tuner: {describe(chosen)}", flush=True)
        config = replace_values(config, chosen)
        settings["trainer"] = config.model_dump()
    config.check_problem(problem)
    if problem == "points":
        points.train(fn_args, config)
        return
    distribution = Distribution()  # before anything else uses TensorFlow
    train_index = pictures.index_split(fn_args.train_files, features.SPLITS[0], problem)
    eval_index = pictures.index_split(fn_args.eval_files, features.SPLITS[1], problem)

    with dtype_policy(config.precision):
        with distribution.scope():
            model = build_model(config)
        name = fingerprint(
            settings=settings,
            data=[train_index.digest, eval_index.digest],
            versions=[tf.__version__, keras.__version__],
            weights=[list(variable.shape) for variable in model.weights],
            start=digests(config),
        )
        with _state_folder(state_dir if distribution.is_chief else None, name) as folder:
            progress = TrainingState(folder, config.monitor)
            epochs = loop.fit(
                model,
                pictures.load_split(train_index, problem, config.side),
                pictures.load_split(eval_index, problem, config.side),
                problem=problem,
                config=config,
                progress=progress,
                distribution=distribution,
            )
            if not distribution.is_chief:
                return
            best = bare_model(config)
            best.load_weights(progress.best_checkpoint(epochs))
            _export(fn_args.serving_model_dir, best, config, problem, train_index)
            _write_run(
                fn_args.model_run_dir,
                config,
                best,
                epochs=epochs,
                train_index=train_index,
                chosen=chosen,
            )
            _copy_tree(progress.tensorboard, f"{fn_args.model_run_dir}/{TENSORBOARD_FOLDER}")


@contextlib.contextmanager
def _state_folder(state_dir: str | None, name: str) -> Iterator[Path]:
    """The training's own folder; outlives an interruption only if there is a `state_dir`."""
    if not state_dir:
        with tempfile.TemporaryDirectory(prefix="pawlens-training-") as folder:
            yield Path(folder)
        return
    kept = Path(state_dir) / name
    yield kept
    shutil.rmtree(kept)


def _write_run(
    uri: str,
    config: TrainerConfig,
    best: keras.Model,
    *,
    epochs: list[history.EpochRecord],
    train_index: pictures.Index,
    chosen: dict[str, Scalar],
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        history.write_history(
            folder / artifacts.HISTORY,
            model=config.model,
            parameters=best.count_params(),
            seed=config.seed,
            epochs=epochs,
            monitor=config.monitor,
            made_with=made_with(config.precision),
            hyperparameters=chosen,
        )
        curves.draw_curves(epochs, config.model, folder / artifacts.CURVES, config.monitor)
        _write_keys(folder / artifacts.TRAINING_KEYS, train_index)
        best.save(folder / BEST_CHECKPOINT)
        _copy_tree(folder, uri)


def _export(
    uri: str, best: keras.Model, config: TrainerConfig, problem: str, train_index: pictures.Index
) -> None:
    # Exported beside and copied over: the destination may be an object store.
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        endpoints.export_model(
            best,
            folder,
            image_size=config.side,
            problem=problem,
            spec=models.spec(config.model),
        )
        _write_keys(folder / features.ASSETS_EXTRA / features.TRAINING_KEYS_FILE, train_index)
        _copy_tree(folder, uri)


def _write_keys(path: Path, train_index: pictures.Index) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{key}\n" for key in train_index.keys), encoding="utf-8")


def _copy_tree(folder: Path, uri: str) -> None:
    """Copies every file to a path or URI, beside what is already there."""
    for path in sorted(folder.rglob("*")):
        target = f"{uri}/{path.relative_to(folder).as_posix()}"
        if path.is_dir():
            tf.io.gfile.makedirs(target)
        else:
            tf.io.gfile.makedirs(target.rpartition("/")[0])
            tf.io.gfile.copy(str(path), target, overwrite=True)

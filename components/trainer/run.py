"""The function that the stock TFX Trainer calls: Examples in, the best epoch's SavedModel out."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components import extension, features, models
from components.artifacts import BEST_CHECKPOINT
from components.explanations import KEY as EXPLANATION_KEY
from components.explanations import explanation_path
from components.explanations.grad_cam import check_layer
from components.export.saved_model import Explain, ExportOptions, export_model
from components.tasks import Task, get_task
from components.tasks.parts import Training
from components.trainer.devices.distribution import Distribution
from components.trainer.executor import CLASSES_KEY
from components.trainer.fit import stages
from components.trainer.fit.building import bare_model, dtype_policy
from components.trainer.fit.weights import digests
from components.trainer.hyperparameters import Scalar, chosen_values, describe, replace_values
from components.trainer.input.split import index_split, load_split
from components.trainer.records import history
from components.trainer.records.model_run import write_keys, write_records
from components.trainer.records.state import TENSORBOARD_FOLDER, fingerprint
from components.trainer.settings import TrainerConfig
from serving import names
from serving.classes import CLASSES_FILE, Classes


def run_fn(fn_args: Any) -> None:
    """Trains, and exports the best epoch.

    Args:
        fn_args: TFX's FnArgs. Its `custom_config` holds `task`, `trainer` (a TrainerConfig as a
            dict), `classes` (of the Examples, as JSON text) and optionally `state_dir`, a folder
            where a killed training leaves what the same training, started again, goes on from;
            everything else in it only counts for being the same training. `hyperparameters` is
            what a tuner chose, or None; it replaces what `trainer` says. Writes the ModelRun files
            of `components.artifacts` and TensorBoard's logs into `model_run_dir`, the SavedModel
            into `serving_model_dir`.

    Raises:
        InputError: an empty split, a class without Examples, a model that does not fit the task,
            weights that do not fit the model, or a layer that Grad-CAM cannot explain.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    settings = dict(fn_args.custom_config)
    state_dir = settings.pop("state_dir", None)
    task = get_task(settings["task"])
    part = task.training(Classes.from_json(settings[CLASSES_KEY], CLASSES_FILE))
    config = TrainerConfig.model_validate(settings["trainer"]).for_task(task)
    chosen = chosen_values(fn_args.hyperparameters)
    if chosen:
        print(f"chosen by the tuner: {describe(chosen)}", flush=True)
        config = replace_values(config, chosen)
        config.check_trains("a tuner")  # the epochs may be a parameter of the run
    config.check_task(task)
    distribution = Distribution()  # before anything else uses TensorFlow
    _check_grad_cam_layer(config, part)
    explain = extension.load(explanation_path(config.export.explanation), key=EXPLANATION_KEY)
    train_index = index_split(fn_args.train_files, features.SPLITS[0], task, part)
    eval_index = index_split(fn_args.eval_files, features.SPLITS[1], task, part)

    with dtype_policy(config.precision):
        counts = len(train_index), len(eval_index)
        model = stages.first_model(config, part, counts, distribution)
        # A stage depends on those before it: with another last one they need no training again.
        plan = [stage.training_values() for stage in config.trainings]
        state_names = [
            fingerprint(
                settings=settings | {"trainer": plan[: number + 1]},
                data=[train_index.digest, eval_index.digest],
                versions=[tf.__version__, keras.__version__],
                weights=[list(variable.shape) for variable in model.weights],
                start=digests(config),
            )
            for number in range(len(plan))
        ]
        with _state_folders(state_dir if distribution.is_chief else None, state_names) as folders:
            done = stages.train(
                model,
                lambda side: (
                    load_split(train_index, part, side),
                    load_split(eval_index, part, side),
                ),
                part=part,
                config=config,
                folders=folders,
                distribution=distribution,
            )
            if not distribution.is_chief:
                return
            last = config.trainings[-1]
            best = bare_model(last, part)
            best.load_weights(done[-1].best_checkpoint)
            _export(
                fn_args.serving_model_dir,
                best,
                last,
                task=task,
                part=part,
                keys=train_index.keys,
                explain=explain,
            )
            _write_run(
                fn_args.model_run_dir,
                last,
                best,
                epochs=history.joined([stage.epochs for stage in done]),
                keys=train_index.keys,
                chosen=chosen,
            )
            logs = f"{fn_args.model_run_dir}/{TENSORBOARD_FOLDER}"
            for number, stage in enumerate(done, start=1):
                own = f"{logs}/stage-{number}" if len(done) > 1 else logs
                _copy_tree(stage.state.tensorboard, own)


def _check_grad_cam_layer(config: TrainerConfig, part: Training) -> None:
    """Refuses, before the training, a layer that its export could not explain."""
    layer = config.export.grad_cam_layer
    if not layer:
        return
    # Twice: names that Keras makes up, such as conv2d_1, are others in every build.
    for _ in range(2):
        check_layer(
            bare_model(config.trainings[-1], part),
            layer,
            models.spec(config.model).logits_layer,
            "trainer.export.grad_cam_layer",
        )


@contextlib.contextmanager
def _state_folders(state_dir: str | None, names: list[str]) -> Iterator[list[Path]]:
    """The stages' own folders; they outlive an interruption only if there is a `state_dir`."""
    if not state_dir:
        with tempfile.TemporaryDirectory(prefix="pawlens-training-") as folder:
            yield [Path(folder) / name for name in names]
        return
    kept = [Path(state_dir) / name for name in names]
    yield kept
    for place in kept:
        shutil.rmtree(place)


def _write_run(
    uri: str,
    config: TrainerConfig,
    best: keras.Model,
    *,
    epochs: list[history.EpochRecord],
    keys: list[str],
    chosen: dict[str, Scalar],
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_records(folder, config, best, epochs, keys, chosen=chosen)
        best.save(folder / BEST_CHECKPOINT)
        _copy_tree(folder, uri)


def _export(
    uri: str,
    best: keras.Model,
    config: TrainerConfig,
    *,
    task: Task,
    part: Training,
    keys: list[str],
    explain: Explain,
) -> None:
    # Exported beside and copied over: the destination may be an object store.
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        export_model(
            best,
            folder,
            task=task,
            classes=part.classes,
            side=config.image_size,
            options=ExportOptions(
                models.spec(config.model),
                explain,
                config.export.grad_cam_layer,
                config.export.test_time_flip,
            ),
        )
        write_keys(folder / names.ASSETS_EXTRA / names.TRAINING_KEYS_FILE, keys)
        _copy_tree(folder, uri)


def _copy_tree(folder: Path, uri: str) -> None:
    """Copies every file to a path or URI, beside what is already there."""
    for path in sorted(folder.rglob("*")):
        target = f"{uri}/{path.relative_to(folder).as_posix()}"
        if path.is_dir():
            tf.io.gfile.makedirs(target)
        else:
            tf.io.gfile.makedirs(target.rpartition("/")[0])
            tf.io.gfile.copy(str(path), target, overwrite=True)

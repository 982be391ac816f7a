"""The function that the stock TFX Trainer calls: Examples in, the best epoch's SavedModel out."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from tfx.utils import io_utils

from components import artifacts, models
from components.explanations import load_explanation
from components.explanations.cutting import check_layer
from components.export.saved_model import ExportOptions, export_model
from components.export.temperature import check_scalable, scale_logits
from components.tasks import get_task
from components.tasks.parts import Training
from components.trainer.devices.distribution import Distribution
from components.trainer.fit import stages
from components.trainer.fit.building import bare_model, dtype_policy
from components.trainer.input.split import Splits, classes_beside, index_splits, load_split
from components.trainer.records import history
from components.trainer.records.model_run import write_records
from components.trainer.records.state import TENSORBOARD_FOLDER, TrainingState
from components.trainer.settings import Scalar, TrainerConfig, describe, replace_values
from serving import names


def run_fn(fn_args: Any) -> None:
    """Trains, and exports the best epoch.

    Args:
        fn_args: TFX's FnArgs. Its `custom_config` holds `task`, `trainer` (a TrainerConfig as a
            dict) and optionally `state_dir`, a folder where a killed training leaves what the same
            training, started again, goes on from; everything else in it only counts for being the
            same training. `hyperparameters` is None or what a tuner chose, as KerasTuner's
            `HyperParameters.get_config()`; it replaces what `trainer` says. Writes the ModelRun
            files of `components.artifacts` and TensorBoard's logs into `model_run_dir`, the
            SavedModel into `serving_model_dir`.

    Raises:
        InputError: an empty split, a class without Examples, a model that does not fit the task,
            weights that do not fit the model, or a layer that Grad-CAM cannot explain.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    settings = dict(fn_args.custom_config)
    trainer, state_dir = settings.pop("trainer"), settings.pop("state_dir", None)
    task = get_task(settings["task"])
    part = task.training(classes_beside(fn_args.train_files))
    config = TrainerConfig.model_validate(trainer).for_task(task)
    chosen: dict[str, Scalar] = (fn_args.hyperparameters or {}).get("values", {})
    if chosen:
        print(f"chosen by the tuner: {describe(chosen)}", flush=True)
        config = replace_values(config, chosen)
        config.check_trains("a tuner")  # the epochs may be a parameter of the run
    config.check_task(task)
    distribution = Distribution()  # before anything else uses TensorFlow
    _check_export(config, part)
    export = config.export
    if export.test_time_flip:  # which makes the other needless
        export = export.model_copy(update={"explanation_flip": False})
    explain = load_explanation(export.explanation, flip=export.explanation_flip)
    options = ExportOptions(models.spec(config.model), explain, export)
    splits = index_splits(fn_args.train_files, fn_args.eval_files, task, part.classes)

    is_chief = distribution.cluster.is_chief
    with (
        dtype_policy(config.precision),
        tempfile.TemporaryDirectory(prefix="pawlens-training-") as scratch,
    ):
        model = stages.first_model(config, splits, distribution)
        # They outlive an interruption only if there is a `state_dir`.
        root = Path(state_dir if is_chief and state_dir else scratch)
        shapes = [list(variable.shape) for variable in model.weights]
        folders = stages.state_folders(root, config, splits, settings=settings, weights=shapes)
        done = stages.train(
            model, splits.load, part=part, config=config, folders=folders, distribution=distribution
        )
        if is_chief:
            _hand_on(fn_args, config.trainings[-1], done, splits, options=options, chosen=chosen)
        for folder in folders:
            shutil.rmtree(folder)


def _check_export(config: TrainerConfig, part: Training) -> None:
    """Refuses, before the training, what its export could not explain or calibrate."""
    layer, spec = config.export.grad_cam_layer, models.spec(config.model)
    if config.export.temperature_scaling:
        check_scalable(bare_model(config.trainings[-1], part), spec)
    # Twice: names that Keras makes up, such as conv2d_1, are others in every build.
    for _ in range(2 * bool(layer)):
        model = bare_model(config.trainings[-1], part)
        check_layer(model, layer, spec.logits_layer, "trainer.export.grad_cam_layer")


def _hand_on(
    fn_args: Any,
    config: TrainerConfig,
    done: list[TrainingState],
    splits: Splits,
    *,
    options: ExportOptions,
    chosen: dict[str, Scalar],
) -> None:
    """Writes the best epoch of the last of all stages, which `config` is of, and the records."""
    best = bare_model(config, splits.part)
    best.load_weights(done[-1].best_checkpoint)
    temperature = None
    if config.export.temperature_scaling:
        held_out = load_split(splits.eval_index, splits.part, config.image_size)
        temperature = scale_logits(
            best, options.spec, held_out.inputs, held_out.targets, flip=config.export.test_time_flip
        )
    # Made beside and copied over: the destinations may be on an object store.
    with tempfile.TemporaryDirectory() as scratch:
        model, records = Path(scratch, "model"), Path(scratch, "run")
        for number, stage in enumerate(done, start=1):
            if stage.tensorboard.exists():
                own = f"stage-{number}" if len(done) > 1 else ""
                shutil.copytree(stage.tensorboard, records / TENSORBOARD_FOLDER / own)
        records.mkdir(exist_ok=True)
        epochs = history.joined([stage.epochs for stage in done])
        write_records(
            records,
            config,
            best,
            epochs,
            splits.train_index.keys,
            temperature=temperature,
            chosen=chosen,
        )
        export_model(
            best,
            model,
            task=splits.task,
            classes=splits.part.classes,
            side=config.image_size,
            options=options,
        )
        extra = model / names.ASSETS_EXTRA
        extra.mkdir(exist_ok=True)
        shutil.copy(records / artifacts.TRAINING_KEYS, extra / names.TRAINING_KEYS_FILE)
        io_utils.copy_dir(str(model), fn_args.serving_model_dir)
        io_utils.copy_dir(str(records), fn_args.model_run_dir)

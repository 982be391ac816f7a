"""The function that the stock TFX Tuner calls: Examples in, the best trial's values out."""

import os
from typing import Any

from tfx.components.tuner.component import TunerFnResult

from components import models
from components.tasks import get_task
from components.trainer.devices.distribution import prepare_devices
from components.trainer.devices.nodes import VARIABLE, read_cluster
from components.trainer.fit.trial import run_trial
from components.trainer.input.split import classes_beside, index_splits
from components.trainer.settings import TrainerConfig, replace_values
from components.tuner.search import Search
from components.tuner.settings import TunerConfig
from serving.errors import InputError


def tuner_fn(fn_args: Any) -> TunerFnResult:
    """Prepares the search; TFX starts it.

    Args:
        fn_args: TFX's FnArgs. Its `custom_config` holds `task`, `trainer` (what trials have in
            common: `TunerConfig.trial_config` as a dict), `tuner` (a TunerConfig as a dict) and
            optionally `state_dir`, a folder where trials are kept: a killed search goes on from
            them, and a search for more trials begins with those that are there.

    Raises:
        InputError: an empty split, one class only, arguments that the model does not take, batch
            sizes that the GPUs cannot share, or several nodes.
    """
    workers = read_cluster(os.environ).workers
    if workers > 1:
        raise InputError(
            VARIABLE,
            expected="no other node in the tuner's step: its trials are trained on one node",
            found=f"{workers} nodes",
            todo="start the tuner without it, or leave the section 'tuner' out",
        )
    settings = fn_args.custom_config
    base = TrainerConfig.model_validate(settings["trainer"])
    config = TunerConfig.model_validate(settings["tuner"])
    replicas = max(1, prepare_devices())
    task = get_task(settings["task"])
    classes = classes_beside(fn_args.train_files)
    # Built with each extreme of its own arguments, so that no late trial is refused.
    for key, dimension in config.space.items():
        for value in dimension.corners if key.startswith("model_args.") else ():
            asked = replace_values(base, {key: value})
            models.build(asked.model, asked.image_size, len(classes), **asked.model_args)
    _check_batch_sizes(config, replicas)
    splits = index_splits(fn_args.train_files, fn_args.eval_files, task, classes)
    search = Search(
        config,
        base,
        lambda asked, folder: run_trial(asked, splits, folder),
        settings.get("state_dir", ""),
    )
    return TunerFnResult(tuner=search, fit_kwargs={})


def _check_batch_sizes(config: TunerConfig, replicas: int) -> None:
    """Refuses batch sizes that a late trial could not share among the GPUs."""
    asked = config.space.get("batch_size")
    if asked is None or replicas == 1:
        return
    found = [value for value in asked.values or [] if int(value) % replicas]
    if asked.values is None or found:
        raise InputError(
            "tuner.space.batch_size",
            expected=f"'values', multiples of the {replicas} GPUs that share a batch",
            found=", ".join(map(str, found)) or "a range",
        )

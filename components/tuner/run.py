"""The function that the stock TFX Tuner calls: Examples in, the best trial's values out.

KerasTuner proposes values, our own training tries them. KerasTuner could go on after a kill by
itself, but it writes its files in place, and its Bayesian search starts its random numbers anew.
Here the search is repeated from the start instead: the same seed and the same results give the
same proposals, and trials that are done are read, not trained.
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
import threadpoolctl
from keras_tuner.engine import base_tuner
from tfx.components.tuner.component import TunerFnResult

from components import models
from components.settings import leaves
from components.tasks import get_task
from components.trainer.devices.distribution import prepare_devices
from components.trainer.devices.nodes import VARIABLE, read_cluster
from components.trainer.fit.trial import Trial, run_trial
from components.trainer.input.split import classes_beside, index_splits
from components.trainer.records.history import best_epoch, mode
from components.trainer.settings import TrainerConfig, describe, replace_values
from components.tuner.settings import Dimension, TunerConfig
from serving.errors import FailedError, InputError


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


class Search(base_tuner.BaseTuner):
    """KerasTuner's search loop over trainings of ours.

    Args:
        config: of the search.
        base: of `TunerConfig.trial_config`.
        train: makes one training, in a folder where trials are kept.
        folder: that folder; empty: a temporary one.
    """

    def __init__(
        self,
        config: TunerConfig,
        base: TrainerConfig,
        train: Callable[[TrainerConfig, Path], Trial],
        folder: str,
    ):
        self._config = config
        self._base = base
        self._train = train
        # KerasTuner's own files, which nothing goes on from; they go with self.
        self._scratch = tempfile.TemporaryDirectory(prefix="pawlens-tuner-")
        self._folder = Path(folder or self._scratch.name)
        super().__init__(_oracle(config, base), directory=self._scratch.name)
        self.oracle.verbose = 0  # its tables are for notebooks

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Makes the trials; KerasTuner's own loop takes every error for a bad trial and goes on.

        Raises:
            FailedError: not one of them came to its end.
        """
        failure = ""
        # A Bayesian search multiplies matrices so small that threads only wait for each other.
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            while (trial := self.oracle.create_trial(self.tuner_id)).status != "STOPPED":
                failure = self._try(trial) or failure
                self.oracle.end_trial(trial)
        if all(trial.score is None for trial in self.oracle.trials.values()):
            raise FailedError(
                f"none of the tuner's {len(self.oracle.trials)} trials came to its end (the last: "
                f"{failure}): lower what is largest in tuner.space"
            )

    def _try(self, trial: Any) -> str:
        """Trains with the trial's values, tells the oracle; gives why it failed, if it did."""
        name = f"trial {int(trial.trial_id) + 1} of at most {self._config.trials}"
        values, monitor = trial.hyperparameters.values, self._base.monitor
        print(f"{name}: {describe(values)}", flush=True)
        result = self._train(replace_values(self._base, values), self._folder)
        trial.status = "FAILED" if result.failure else "COMPLETED"
        told = result.failure
        if not told:
            best = best_epoch(result.epochs, monitor)
            self.oracle.update_trial(trial.trial_id, {monitor: best[monitor]})
            told = f"{monitor} {best[monitor]:.4f} in epoch {best['epoch']}"
        print(f"{name}: {told}", flush=True)
        return result.failure

    def search_space_summary(self, extended: bool = False) -> None:
        """One line instead of KerasTuner's page."""
        print(f"{self._config.algorithm} search: {', '.join(self._config.space)}", flush=True)

    def results_summary(self, num_trials: int = 10) -> None:
        """One line instead of KerasTuner's page."""
        best = self.oracle.get_best_trials()[0]
        print(
            f"best of {len(self.oracle.trials)} trials: {describe(best.hyperparameters.values)} "
            f"({self._base.monitor} {best.score:.4f})",
            flush=True,
        )


def make_space(space: Mapping[str, Dimension], base: TrainerConfig) -> Any:
    """The checked space as KerasTuner's HyperParameters; `base` tells which keys hold fractions."""
    made = keras_tuner.HyperParameters()
    held = dict(leaves(base.model_dump()))
    for key, dimension in space.items():
        kind = dimension.kind
        if dimension.values is None:
            fraction = kind is float or isinstance(held.get(key), float)
            (made.Float if fraction else made.Int)(
                key, dimension.min, dimension.max, sampling="log" if dimension.log else "linear"
            )
        elif kind is bool:
            made.Boolean(key)  # a Choice would make integers of them
        else:
            made.Choice(key, [kind(value) for value in dimension.values])
    return made


def _oracle(config: TunerConfig, base: TrainerConfig) -> Any:
    kind, more = keras_tuner.oracles.RandomSearchOracle, {}
    if config.algorithm == "bayesian":
        kind = keras_tuner.oracles.BayesianOptimizationOracle
        more = {"num_initial_points": config.random_trials}
    return kind(
        objective=keras_tuner.Objective(base.monitor, mode(base.monitor)),
        max_trials=config.trials,
        # 0 would mean a seed drawn by chance.
        seed=base.seed + 1,
        hyperparameters=make_space(config.space, base),
        tune_new_entries=False,
        allow_new_entries=False,
        # Failed trials count as trials; whether there is a result is seen in the end.
        max_consecutive_failed_trials=config.trials + 1,
        **more,
    )

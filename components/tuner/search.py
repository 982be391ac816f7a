"""The search: KerasTuner proposes values, our own training tries them.

KerasTuner could go on after a kill by itself, but it writes its files in place, and its Bayesian
search starts its random numbers anew. Here the search is repeated from the start instead: the same
seed and the same results give the same proposals, and trials that are done are read, not trained.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras_tuner
import threadpoolctl
from keras_tuner.engine import base_tuner

from components.trainer.fit.trial import Trial
from components.trainer.records.history import best_epoch, mode
from components.trainer.settings import TrainerConfig, describe, replace_values
from components.tuner.settings import Dimension, TunerConfig, leaves
from serving.errors import FailedError


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

"""Trains and measures a model from arrays. `keras` only."""

import hashlib
import platform
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.backend.batches import EvaluationBatches, TrainingBatches, batches_of
from benchmarks.backend.files import Arrays
from components.errors import InputError
from components.trainer import history
from components.trainer.building import bare_model, build_model, dtype_policy
from components.trainer.phases import Phase, compile_model, phases, train_phases
from components.trainer.settings import TrainerConfig
from components.trainer.state import TrainingState, fingerprint
from components.trainer.weights import digests, load_weights

BEST_WEIGHTS = "best.weights.h5"
HISTORY = "history.json"
STATE = "state"  # folder of what a killed training left to go on from


def train(
    training: Arrays, evaluation: Arrays, problem: str, config: TrainerConfig, output: Path
) -> dict[str, Any]:
    """Trains, and writes the best epoch's weights and the history.

    Args:
        training: what is learned from.
        evaluation: what tells the best epoch.
        problem: 'classification' or 'segmentation'.
        config: of the training.
        output: folder of BEST_WEIGHTS and HISTORY, and of STATE until the training ends.

    Returns:
        The best epoch's record.

    Raises:
        InputError: the folder holds a finished training, pictures of another size, or weights
            that do not fit.
        NonFiniteLossError: the loss became NaN or infinite.
    """
    if (output / HISTORY).exists():
        raise InputError(
            f"folder '{output}'", expected="a new one", found="a training that has ended"
        )
    _check_size(training, config)
    with dtype_policy(config.precision):
        model = build_model(config)
        ran_on = made_with(config.precision)
        name = fingerprint(
            problem=problem,
            trainer=config.training_values(),
            data=[_digest(training), _digest(evaluation)],
            made_with=ran_on,
            start=digests(config),
        )
        progress = TrainingState(output / STATE / name, config.monitor)

        def fit_phase(phase: Phase, done: int, watchers: list[keras.callbacks.Callback]) -> None:
            model.fit(
                TrainingBatches(training, problem, config, done, phase.end),
                validation_data=EvaluationBatches(evaluation, config.batch_size),
                initial_epoch=done,
                epochs=phase.end,
                steps_per_epoch=batches_of(training, config.batch_size),
                shuffle=False,  # the batches are
                verbose=0,
                callbacks=[*watchers, SeedSteps(config.seed)],
            )

        epochs = train_phases(
            model,
            fit_phase,
            problem=problem,
            config=config,
            progress=progress,
            pictures=len(training),
            write=lambda line: print(line, flush=True),
        )
    best = bare_model(config)
    best.load_weights(progress.best_checkpoint(epochs))
    best.save_weights(output / BEST_WEIGHTS)
    history.write_history(
        output / HISTORY,
        model=config.model,
        parameters=best.count_params(),
        seed=config.seed,
        epochs=epochs,
        monitor=config.monitor,
        made_with=ran_on,
    )
    shutil.rmtree(output / STATE)
    return history.best_epoch(epochs, config.monitor)


def evaluate(split: Arrays, problem: str, config: TrainerConfig, weights: str) -> dict[str, float]:
    """Loss and metrics of weights on a split, in float32, as the trainer measures them.

    Args:
        split: what is measured on.
        problem: 'classification' or 'segmentation'.
        config: the one that the weights were trained with.
        weights: a `.weights.h5` or `.keras` file, written under any backend.

    Raises:
        InputError: pictures of another size, or weights that do not fit.
    """
    _check_size(split, config)
    model = bare_model(config)
    load_weights(model, weights, "--weights")
    compile_model(model, problem, config, phases(config)[-1], steps=1)
    batches = EvaluationBatches(split, config.batch_size)
    values = model.evaluate(batches, verbose=0, return_dict=True)
    return {name: float(value) for name, value in values.items()}


def made_with(precision: str) -> dict[str, Any]:
    """What `history.made_with` tells, of the backend at hand."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return history.made_with(precision)
    if backend == "jax":
        import jax

        version = jax.__version__
        gpus = [device.device_kind for device in jax.devices() if device.platform == "gpu"]
    else:
        import torch

        version = torch.__version__
        gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        backend: version,
        "numpy": np.__version__,
        "precision": precision,
        "gpus": gpus,
        "machine": platform.machine(),
    }


class SeedSteps(keras.callbacks.Callback):
    """Lets dropout follow from seed and step under torch too, so that a training can go on.

    There it draws from one global generator, whose state no checkpoint holds, and from which
    torch's own loader draws as well.

    Args:
        seed: of the training.
    """

    def __init__(self, seed: int):
        super().__init__()
        self._seed = seed
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if keras.backend.backend() == "torch":
            import torch

            number = np.random.SeedSequence([self._seed, self._epoch, batch])
            torch.manual_seed(int(number.generate_state(1)[0]))


def _check_size(split: Arrays, config: TrainerConfig) -> None:
    size = split.images.shape[1]
    if size != config.image_size:
        raise InputError(
            "trainer.image_size",
            expected=f"{size}, that of the arrays",
            found=f"{config.image_size}",
        )


def _digest(split: Arrays) -> str:
    digest = hashlib.sha256()
    for array in (split.images, split.targets):
        digest.update(f"{array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()

"""TFX's Trainer, for a task, whose number of epochs may be given when a run is started."""

from typing import Any

from tfx.components.trainer import component
from tfx.dsl.components.base.executor_spec import ExecutorClassSpec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import trainer_pb2
from tfx.types import BaseChannel

from components.tasks import get_task
from components.trainer.executor import EPOCHS_KEY, Executor
from components.trainer.settings import TrainerConfig


def custom_config(
    task: str, config: TrainerConfig, state_dir: str, elsewhere: bool
) -> dict[str, Any]:
    """What the function that trains is given; see `Trainer` for the arguments and errors."""
    from components.trainer.fit.building import digests  # brings Keras along

    asked = config.for_task(get_task(task))
    asked.check_task(get_task(task))
    return {
        "task": task,
        "trainer": asked.model_dump(),
        "state_dir": state_dir,
        # Their paths alone would let the cache take an exchanged file for the old one.
        "starts_from": {} if elsewhere else digests(asked),
    }


class Trainer(component.Trainer):
    """Trains a model; outputs `model` and `model_run` are TFX's.

    Args:
        examples: Examples with the splits `train` and `eval`, classes beside them.
        task: name or import path.
        config: of the training.
        hyperparameters: a tuner's; None: `config` says all.
        state_dir: folder of what a killed training goes on from; empty: nothing is kept.
        epochs: takes the place of `config.epochs` (stages with epochs of their own keep them);
            None: that one holds.
        elsewhere: the run is on other machines, so the files of weights are not looked into.

    Raises:
        Mistakes: the configuration does not fit the task.
        InputError: no such task, or a file to start from is not there.
    """

    EXECUTOR_SPEC = ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: BaseChannel,
        *,
        task: str = "image_classification",
        config: TrainerConfig,
        hyperparameters: BaseChannel | None = None,
        state_dir: str = "",
        epochs: int | RuntimeParameter | None = None,
        elsewhere: bool = False,
    ):
        super().__init__(
            examples=examples,
            hyperparameters=hyperparameters,
            run_fn="components.trainer.run.run_fn",
            train_args=trainer_pb2.TrainArgs(splits=["train"]),
            eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
            custom_config=custom_config(task, config, state_dir, elsewhere),
        )
        if epochs is not None:  # what TFX's constructor does not take
            self.spec.exec_properties[EPOCHS_KEY] = epochs

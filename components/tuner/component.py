"""TFX's Tuner, for a task."""

from tfx.components.tuner import component
from tfx.proto import trainer_pb2
from tfx.types import BaseChannel

from components.tasks import get_task
from components.trainer.component import custom_config
from components.trainer.settings import TrainerConfig
from components.tuner.settings import TunerConfig
from serving.errors import Mistakes


class Tuner(component.Tuner):
    """Finds the values of a training; outputs `best_hyperparameters`, `tuner_results` are TFX's.

    Args:
        examples: Examples with the splits `train` and `eval`, classes beside them.
        config, trainer: of the search, and of the training that it is for.
        task, elsewhere: as in `Trainer`.
        state_dir: folder where trials are kept; empty: none are.

    Raises:
        Mistakes: what no trial could be made of.
        InputError: no such task, or a file to start from is not there.
    """

    def __init__(
        self,
        examples: BaseChannel,
        *,
        task: str = "image_classification",
        config: TunerConfig,
        trainer: TrainerConfig,
        state_dir: str = "",
        elsewhere: bool = False,
    ):
        if wrong := list(config.task_mistakes(get_task(task), trainer)):
            raise Mistakes(wrong)
        custom = custom_config(task, config.trial_config(trainer), state_dir, elsewhere)
        super().__init__(
            examples=examples,
            tuner_fn="components.tuner.run.tuner_fn",
            train_args=trainer_pb2.TrainArgs(splits=["train"]),
            eval_args=trainer_pb2.EvalArgs(splits=["eval"]),
            custom_config=custom | {"tuner": config.model_dump()},
        )

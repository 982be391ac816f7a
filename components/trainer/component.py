"""TFX's Trainer, whose number of epochs may be given when a run is started."""

from typing import Any

from tfx.components.trainer import component
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import trainer_pb2
from tfx.types import BaseChannel, standard_artifacts
from tfx.types import standard_component_specs as specs
from tfx.types.channel_utils import as_channel
from tfx.types.component_spec import ExecutionParameter
from tfx.utils import json_utils

from components.trainer.executor import EPOCHS_KEY, Executor


class TrainerSpec(specs.TrainerSpec):
    """TFX's, with the number of epochs."""

    PARAMETERS = specs.TrainerSpec.PARAMETERS | {
        EPOCHS_KEY: ExecutionParameter(type=int, optional=True)
    }


class Trainer(component.Trainer):
    """Trains a model; outputs `model` and `model_run` are TFX's.

    Args:
        examples: Examples with the splits `train` and `eval`.
        run_fn: import path of the function that trains.
        custom_config: what it is given; `trainer` in it is a TrainerConfig as a dict.
        hyperparameters: a tuner's; None: `trainer` says all.
        epochs: takes the place of `trainer.epochs` (earlier stages keep theirs); None: that one
            holds.
    """

    SPEC_CLASS = TrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: BaseChannel,
        *,
        run_fn: str,
        custom_config: dict[str, Any],
        hyperparameters: BaseChannel | None = None,
        epochs: int | RuntimeParameter | None = None,
    ):
        spec = TrainerSpec(
            **{
                specs.EXAMPLES_KEY: examples,
                specs.HYPERPARAMETERS_KEY: hyperparameters,
                specs.TRAIN_ARGS_KEY: trainer_pb2.TrainArgs(splits=["train"]),
                specs.EVAL_ARGS_KEY: trainer_pb2.EvalArgs(splits=["eval"]),
                specs.RUN_FN_KEY: run_fn,
                specs.CUSTOM_CONFIG_KEY: json_utils.dumps(custom_config),
                specs.MODEL_KEY: as_channel([standard_artifacts.Model()]),
                specs.MODEL_RUN_KEY: as_channel([standard_artifacts.ModelRun()]),
                EPOCHS_KEY: epochs,
            }
        )
        # TFX's own constructor would make its own specification.
        base_component.BaseComponent.__init__(self, spec=spec)

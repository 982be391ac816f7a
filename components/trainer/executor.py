"""TFX's GenericExecutor, whose number of epochs may come from the run's parameters."""

from typing import Any

from tfx.components.trainer import executor
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.types import Artifact

from components.trainer.hyperparameters import replace_values
from components.trainer.settings import TrainerConfig

EPOCHS_KEY = "epochs"


class Executor(executor.GenericExecutor):
    """See `components.trainer.component.Trainer`."""

    def _GetFnArgs(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> FnArgs:
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        epochs = exec_properties.get(EPOCHS_KEY)
        if epochs is not None:
            config = TrainerConfig.model_validate(fn_args.custom_config["trainer"])
            changed = replace_values(config, {EPOCHS_KEY: epochs})
            fn_args.custom_config["trainer"] = changed.model_dump()
        return fn_args

"""TFX's GenericExecutor, whose number of epochs may come from the run's parameters."""

from typing import Any

from tfx.components.trainer import executor
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.types import Artifact

from components.errors import InputError

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
            if epochs < 1:
                raise InputError(EPOCHS_KEY, expected="1 or more", found=str(epochs))
            fn_args.custom_config["trainer"][EPOCHS_KEY] = epochs
        return fn_args

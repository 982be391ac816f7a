"""TFX's GenericExecutor, with the number of epochs by the run's parameters."""

from tfx.components.trainer import executor
from tfx.components.trainer.fn_args_utils import FnArgs

from components.declared import Artifacts, Properties
from components.trainer.settings import TrainerConfig, replace_values

EPOCHS_KEY = "epochs"


class Executor(executor.GenericExecutor):
    """See `components.trainer.component.Trainer`."""

    def _GetFnArgs(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties
    ) -> FnArgs:
        fn_args = super()._GetFnArgs(input_dict, output_dict, exec_properties)
        epochs = exec_properties.get(EPOCHS_KEY)
        if epochs is not None:
            config = TrainerConfig.model_validate(fn_args.custom_config["trainer"])
            changed = replace_values(config, {EPOCHS_KEY: epochs})
            fn_args.custom_config["trainer"] = changed.model_dump()
        return fn_args

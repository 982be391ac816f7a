"""TFX's GenericExecutor, given the classes, and the number of epochs by the run's parameters."""

import json
from typing import Any

from tfx.components.trainer import executor
from tfx.components.trainer.fn_args_utils import FnArgs
from tfx.types import Artifact, artifact_utils
from tfx.types import standard_component_specs as specs

from components.datasets.examples import read_classes
from components.trainer.hyperparameters import replace_values
from components.trainer.settings import TrainerConfig

EPOCHS_KEY = "epochs"
CLASSES_KEY = "classes"


def with_classes(
    input_dict: dict[str, list[Artifact]], exec_properties: dict[str, Any]
) -> dict[str, Any]:
    """Execution properties whose `custom_config` also holds the Examples' classes, as JSON text."""
    classes = read_classes(artifact_utils.get_single_uri(input_dict[specs.EXAMPLES_KEY]))
    custom = json.loads(exec_properties[specs.CUSTOM_CONFIG_KEY])
    told = json.dumps(custom | {CLASSES_KEY: classes.to_json()})
    return exec_properties | {specs.CUSTOM_CONFIG_KEY: told}


class Executor(executor.GenericExecutor):
    """See `components.trainer.component.Trainer`."""

    def _GetFnArgs(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> FnArgs:
        completed = with_classes(input_dict, exec_properties)
        fn_args = super()._GetFnArgs(input_dict, output_dict, completed)
        epochs = exec_properties.get(EPOCHS_KEY)
        if epochs is not None:
            config = TrainerConfig.model_validate(fn_args.custom_config["trainer"])
            changed = replace_values(config, {EPOCHS_KEY: epochs})
            fn_args.custom_config["trainer"] = changed.model_dump()
        return fn_args

"""TFX's Tuner executor, given the classes of the Examples."""

from typing import Any

from tfx.components.tuner import executor
from tfx.types import Artifact

from components.trainer.executor import with_classes


class Executor(executor.Executor):
    """See `components.tuner.component.Tuner`."""

    def Do(
        self,
        input_dict: dict[str, list[Artifact]],
        output_dict: dict[str, list[Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Searches as TFX does."""
        super().Do(input_dict, output_dict, with_classes(input_dict, exec_properties))

"""Decides about the push and writes down what happened."""

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tfx.components.pusher import executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import io_utils

from components.artifacts import MODEL_CARD, MODEL_CARD_DATA, PUSH
from components.datasets.examples import read_classes
from components.declared import Artifacts, Properties
from components.pusher.live_check import check_live
from components.pusher.push import PUSHED
from components.pusher.release import Release
from components.pusher.settings import PusherConfig
from components.tasks import get_task

SPLIT = "test"


class Executor(executor.Executor):
    """See `Pusher`."""

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: Properties
    ) -> None:
        """Pushes if both blessings are there and the model is not yet the newest version."""
        pushed_model = artifact_utils.get_single_instance(output_dict[specs.PUSHED_MODEL_KEY])
        config = PusherConfig.model_validate_json(exec_properties["config"])
        result: dict[str, Any] = {"status": "not blessed", "name": config.model_name}
        if self.CheckBlessing(input_dict):
            model = Path(self.GetModelPath(input_dict))
            check = _check(input_dict, config, exec_properties["task"], model)
            release = Release(exec_properties["base_directory"], config, check)
            result |= release.run(model, _model_card(input_dict))
        if result["status"] == PUSHED:
            self._MarkPushed(pushed_model, result["path"], str(result["version"]))
        else:
            self._MarkNotPushed(pushed_model)
        io_utils.write_string_file(f"{pushed_model.uri}/{PUSH}", json.dumps(result, indent=2))


def _check(
    inputs: Artifacts, config: PusherConfig, task: str, model: Path
) -> Callable[[int], None] | None:
    """What asks the live server about a version, if that is configured."""
    if not config.live_check:
        return None
    examples = artifact_utils.get_single_instance(inputs["examples"])
    return functools.partial(
        check_live,
        config.live_check,
        config.model_name,
        model=model,
        examples_folder=artifact_utils.get_split_uri([examples], SPLIT),
        export=get_task(task).export(read_classes(examples.uri)),
    )


def _model_card(inputs: Artifacts) -> dict[str, bytes]:
    """The card's files by name; none where there is no report, or none in it."""
    if not inputs.get("report"):
        return {}
    folder = artifact_utils.get_single_uri(inputs["report"])
    return {
        name: io_utils.read_bytes_file(f"{folder}/{name}")
        for name in (MODEL_CARD, MODEL_CARD_DATA)
        if fileio.exists(f"{folder}/{name}")
    }

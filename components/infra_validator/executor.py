"""Serves the exported model in a process of its own and compares the answers."""

import itertools
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.datasets.examples import read_classes, read_records
from components.export.answers import NotServable, ask, compare
from components.infra_validator.server_process import running_server
from components.infra_validator.settings import InfraValidatorConfig
from components.tasks import get_task
from components.tasks.parts import Export
from serving.client import ImageClient

SPLIT = "test"
VERSION = 1
# What TFX's pusher and its own infra validator agree on.
BLESSED_KEY = "blessed"
BLESSED_FILE = "INFRA_BLESSED"
NOT_BLESSED_FILE = "INFRA_NOT_BLESSED"
REASON_FILE = "reason.txt"


class Executor(base_executor.BaseExecutor):
    """Blesses a model that loads in a server and answers there as it does by itself."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """The InfraBlessing gets the file INFRA_BLESSED, or INFRA_NOT_BLESSED and `reason.txt`.

        Its int custom property `blessed` says the same.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        model = artifact_utils.get_single_instance(input_dict["model"])
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        folder = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
        task = get_task(exec_properties["task"])
        try:
            validate(
                folder,
                artifact_utils.get_split_uri([examples], SPLIT),
                model_name=exec_properties["model_name"],
                export=task.export(read_classes(examples.uri)),
                config=InfraValidatorConfig.model_validate_json(exec_properties["config"]),
            )
        except NotServable as error:
            _write(blessing, blessed=False, reason=str(error))
        else:
            _write(blessing, blessed=True)


def validate(
    folder: str,
    examples_folder: str,
    *,
    model_name: str,
    export: Export,
    config: InfraValidatorConfig,
) -> None:
    """Serves a SavedModel and compares its answers with those it gives in this process.

    Raises:
        NotServable: anything about the model that is not as it should be.
    """
    examples = list(itertools.islice(read_records(examples_folder), config.images))
    if not examples:
        raise NotServable(f"no Example in the {SPLIT} split to try the model with")
    deadline = time.monotonic() + config.timeout_seconds
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary, model_name)
        _copy(folder, base / str(VERSION))
        with running_server(model_name, base, deadline) as target:
            left = max(deadline - time.monotonic(), 1.0)
            with ImageClient(target, model_name, timeout_seconds=left) as client:
                answers = ask(client, export, examples, deadline)
        compare(base / str(VERSION), answers)


def _copy(folder: str, target: Path) -> None:
    target.parent.mkdir(parents=True)
    if Path(folder).is_dir():
        shutil.copytree(folder, target)
    else:
        io_utils.copy_dir(folder, str(target))  # object stores


def _write(blessing: types.Artifact, *, blessed: bool, reason: str = "") -> None:
    name = BLESSED_FILE if blessed else NOT_BLESSED_FILE
    io_utils.write_string_file(f"{blessing.uri}/{name}", "")
    blessing.set_int_custom_property(BLESSED_KEY, int(blessed))
    if blessed:
        logging.info("The model answers in a server as it does by itself.")
        return
    io_utils.write_string_file(f"{blessing.uri}/{REASON_FILE}", f"{reason}\n")
    logging.error("The model is not blessed: %s", reason)

"""Serves the exported model in a process of its own and compares the answers."""

import itertools
import tempfile
import time
from pathlib import Path

from absl import logging
from tfx.types import Artifact, artifact_utils
from tfx.utils import io_utils, path_utils

from components.datasets.examples import read_classes, read_records
from components.declared import Given, Properties, StepExecutor
from components.export.answers import NotServable, ask, compare
from components.infra_validator.server_process import running_server
from components.infra_validator.settings import InfraValidatorConfig
from components.tasks import get_task
from serving.client import ImageClient

SPLIT = "test"
VERSION = 1
FLAGS = ("--file_system_poll_wait_seconds=0", "--access_log=off")
# This process may hold the whole memory of a GPU, and answers are compared on equal hardware.
NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}
# What TFX's pusher and its own infra validator agree on.
BLESSED_KEY = "blessed"
BLESSED_FILE = "INFRA_BLESSED"
NOT_BLESSED_FILE = "INFRA_NOT_BLESSED"
REASON_FILE = "reason.txt"


class Executor(StepExecutor):
    """Blesses a model that loads in a server and answers there as it does by itself."""

    def run(self, inputs: Given, outputs: Given, properties: Properties) -> None:
        """The InfraBlessing gets the file INFRA_BLESSED, or INFRA_NOT_BLESSED and `reason.txt`.

        Its int custom property `blessed` says the same.
        """
        blessing, reason = outputs["blessing"], ""
        try:
            _validate(inputs["model"], inputs["examples"], properties)
        except NotServable as error:
            reason = str(error)
        name = NOT_BLESSED_FILE if reason else BLESSED_FILE
        io_utils.write_string_file(f"{blessing.uri}/{name}", "")
        blessing.set_int_custom_property(BLESSED_KEY, int(not reason))
        if reason:
            io_utils.write_string_file(f"{blessing.uri}/{REASON_FILE}", f"{reason}\n")
            logging.error("The model is not blessed: %s", reason)
        else:
            logging.info("The model answers in a server as it does by itself.")


def _validate(model: Artifact, examples: Artifact, properties: Properties) -> None:
    """Serves a SavedModel and compares its answers with those it gives in this process.

    Raises:
        NotServable: anything about the model that is not as it should be.
    """
    name = properties["model_name"]
    config = InfraValidatorConfig.model_validate_json(properties["config"])
    export = get_task(properties["task"]).export(read_classes(examples.uri))
    records = read_records(artifact_utils.get_split_uri([examples], SPLIT))
    asked = list(itertools.islice(records, config.images))
    if not asked:
        raise NotServable(f"no Example in the {SPLIT} split to try the model with")
    deadline = time.monotonic() + config.timeout_seconds
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary, name)
        folder = base / str(VERSION)
        source = path_utils.serving_model_path(model.uri)  # maybe on an object store
        io_utils.copy_dir(source, str(folder))
        with running_server(name, base, deadline, *FLAGS, **NO_GPU) as server:
            left = max(deadline - time.monotonic(), 1.0)
            with ImageClient(server.target, name, timeout_seconds=left) as client:
                answers = ask(client, export, asked, deadline)
        compare(folder, answers)

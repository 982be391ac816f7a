"""Serves the exported model in a process of its own and compares the answers."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components import features as f
from components.errors import InputError
from components.infra_validator.compare import check_answers
from components.infra_validator.problem import NotServable
from components.infra_validator.server_process import running_server
from serving.client import PetClient
from serving.results import ServingError

SPLIT = "test"
VERSION = 1
# What TFX's pusher and its own infra validator agree on.
BLESSED_KEY = "blessed"
BLESSED_FILE = "INFRA_BLESSED"
NOT_BLESSED_FILE = "INFRA_NOT_BLESSED"
REASON_FILE = "reason.txt"

ENDPOINTS = (f.SIGNATURE_SERVING, f.SIGNATURE_GRAD_CAM, f.SIGNATURE_FROM_EXAMPLES)
REQUIRED_OUTPUTS = {
    "classification": {f.OUTPUT_LABEL, f.OUTPUT_PROBABILITY, f.OUTPUT_PROBABILITIES},
    "segmentation": {f.OUTPUT_MASK, f.OUTPUT_MASK_PNG, f.OUTPUT_CLASS_FRACTIONS},
    "points": {f.OUTPUT_LABEL, f.OUTPUT_SCORE},
}


class Executor(base_executor.BaseExecutor):
    """Blesses a model that loads in a server and answers there as it does by itself."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the step.

        Args:
            input_dict: `model`: one Model; `examples`: one Examples with a `test` split.
            output_dict: `blessing`: one InfraBlessing. Gets the file INFRA_BLESSED or
                INFRA_NOT_BLESSED, the int custom property `blessed`, and `reason.txt` if not.
            exec_properties: `model_name`, `pictures`, `timeout_seconds`, `problem`.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        model = artifact_utils.get_single_instance(input_dict["model"])
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        blessing = artifact_utils.get_single_instance(output_dict["blessing"])
        folder = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
        try:
            validate(
                folder,
                artifact_utils.get_split_uri([examples], SPLIT),
                model_name=exec_properties["model_name"],
                pictures=exec_properties["pictures"],
                timeout_seconds=exec_properties["timeout_seconds"],
                problem=exec_properties["problem"],
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
    pictures: int,
    timeout_seconds: float,
    problem: str,
) -> None:
    """Serves a SavedModel and compares its answers with those it gives in this process.

    Args:
        folder: the SavedModel.
        examples_folder: gzipped TFRecords of Examples.
        model_name: the name to serve it under.
        pictures: how many Examples to send to each endpoint.
        timeout_seconds: time for the server to start and to answer.
        problem: `classification`, `segmentation` or `points`.

    Raises:
        NotServable: anything about the model that is not as it should be.
    """
    serialized = _read_examples(examples_folder, pictures)
    if not serialized:
        raise NotServable(f"no Example in the {SPLIT} split to try the model with")
    deadline = time.monotonic() + timeout_seconds
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary, model_name)
        _copy(folder, base / str(VERSION))
        with running_server(model_name, base, deadline) as target:
            left = max(deadline - time.monotonic(), 1.0)
            with PetClient(target, model_name, timeout_seconds=left) as client:
                answers = _ask(client, problem, serialized, deadline)
        _compare(base / str(VERSION), answers)


Calls = dict[str, tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]


def _ask(client: PetClient, problem: str, serialized: list[bytes], deadline: float) -> Calls:
    """Inputs and the server's answers, by endpoint."""
    try:
        signatures = client.metadata().signatures
    except (ServingError, InputError) as error:
        raise NotServable(f"the server tells no signatures: {error}") from error
    outputs = signatures[f.SIGNATURE_SERVING].outputs if f.SIGNATURE_SERVING in signatures else {}
    missing = REQUIRED_OUTPUTS[problem] - set(outputs)
    if missing:
        raise NotServable(
            f"endpoint {f.SIGNATURE_SERVING}: {problem} needs the outputs"
            f" {', '.join(sorted(missing))}, found {', '.join(sorted(outputs)) or 'none'}"
        )
    known = _inputs(problem, serialized)
    calls: Calls = {}
    for name in ENDPOINTS:
        if name not in signatures:
            continue
        unknown = set(signatures[name].inputs) - set(known)
        if unknown:
            raise NotServable(f"endpoint {name}: unknown input {', '.join(sorted(unknown))}")
        inputs = {key: known[key] for key in signatures[name].inputs}
        # The server has to fill in what the signature has a default for.
        sent = {k: v for k, v in inputs.items() if k not in signatures[name].optional}
        try:
            calls[name] = inputs, client.call(name, sent)
        except (ServingError, InputError) as error:
            raise NotServable(f"endpoint {name} fails: {error}") from error
        if time.monotonic() > deadline:
            raise NotServable(f"timed out: endpoint {name} did not answer in time")
    return calls


def _inputs(problem: str, serialized: list[bytes]) -> dict[str, np.ndarray]:
    """Every input that an endpoint may take, by name."""
    import tensorflow as tf

    examples = [tf.train.Example.FromString(one).features.feature for one in serialized]
    known = {f.INPUT_EXAMPLES: _strings(serialized)}
    if problem == "points":
        rows = [
            [one[key].float_list.value[0] for key in (f.POINT_X, f.POINT_Y)] for one in examples
        ]
        return known | {f.INPUT_POINTS: np.asarray(rows, np.float32)}
    return known | {
        f.INPUT_IMAGE_BYTES: _strings([one[f.IMAGE].bytes_list.value[0] for one in examples]),
        f.INPUT_CLASS_INDEX: np.array(-1, np.int32),
    }


def _compare(folder: Path, calls: Calls) -> None:
    import tensorflow as tf

    # The server, too, computes on the CPU.
    with tf.device("/CPU:0"):
        model = tf.saved_model.load(str(folder))
        for name, (inputs, served) in calls.items():
            tensors = {key: _tensor(value) for key, value in inputs.items()}
            direct = model.signatures[name](**tensors)
            check_answers(name, served, {key: value.numpy() for key, value in direct.items()})


def _tensor(value: np.ndarray) -> Any:
    import tensorflow as tf

    return tf.constant(value.tolist() if value.dtype == object else value)


def _strings(values: list[bytes]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _read_examples(folder: str, count: int) -> list[bytes]:
    import tensorflow as tf

    files = sorted(fileio.glob(f"{folder}/*.gz"))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").take(count)
    return list(records.as_numpy_iterator()) if files else []


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

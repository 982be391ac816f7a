"""Known questions, and whether a server answers them as the SavedModel does by itself."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from components import features as f
from components.infra_validator.compare import check_answers
from components.infra_validator.problem import NotServable
from serving import names
from serving.client import PetClient
from serving.errors import InputError
from serving.results import ServingError

ENDPOINTS = (names.SIGNATURE_SERVING, names.SIGNATURE_GRAD_CAM, names.SIGNATURE_FROM_EXAMPLES)
REQUIRED_OUTPUTS = {
    "classification": {names.OUTPUT_LABEL, names.OUTPUT_PROBABILITY, names.OUTPUT_PROBABILITIES},
    "segmentation": {names.OUTPUT_MASK, names.OUTPUT_MASK_PNG, names.OUTPUT_CLASS_FRACTIONS},
    "points": {names.OUTPUT_LABEL, names.OUTPUT_SCORE},
}

# By endpoint: inputs and answers, each by name.
Calls = dict[str, tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]


def ask(client: PetClient, problem: str, serialized: list[bytes], deadline: float) -> Calls:
    """Sends Examples to every endpoint that a server tells.

    Args:
        client: of the model to ask.
        problem: `classification`, `segmentation` or `points`: which outputs there have to be.
        serialized: Examples, in one batch.
        deadline: as `time.monotonic` tells it.

    Returns:
        Inputs and the server's answers, by endpoint.

    Raises:
        NotServable: an endpoint is missing, refuses, or is late.
    """
    try:
        signatures = client.metadata().signatures
    except (ServingError, InputError) as error:
        raise NotServable(f"the server tells no signatures: {error}") from error
    outputs = (
        signatures[names.SIGNATURE_SERVING].outputs if names.SIGNATURE_SERVING in signatures else {}
    )
    missing = REQUIRED_OUTPUTS[problem] - set(outputs)
    if missing:
        raise NotServable(
            f"endpoint {names.SIGNATURE_SERVING}: {problem} needs the outputs"
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
    known = {names.INPUT_EXAMPLES: _strings(serialized)}
    if problem == "points":
        rows = [
            [one[key].float_list.value[0] for key in (f.POINT_X, f.POINT_Y)] for one in examples
        ]
        return known | {names.INPUT_POINTS: np.asarray(rows, np.float32)}
    return known | {
        names.INPUT_IMAGE_BYTES: _strings([one[f.IMAGE].bytes_list.value[0] for one in examples]),
        names.INPUT_CLASS_INDEX: np.array(-1, np.int32),
    }


def compare(folder: Path, calls: Calls) -> None:
    """Checks answers against those that a SavedModel gives in this process, on the CPU.

    Args:
        folder: the SavedModel.
        calls: what `ask` returned.

    Raises:
        NotServable: they differ; tells where and by how much.
    """
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


def read_examples(folder: str, count: int) -> list[bytes]:
    """The first Examples of a split, serialized.

    Args:
        folder: with gzipped TFRecords.
        count: how many, at most.
    """
    import tensorflow as tf
    from tfx.dsl.io import fileio

    files = sorted(fileio.glob(f"{folder}/*.gz"))
    records = tf.data.TFRecordDataset(files, compression_type="GZIP").take(count)
    return list(records.as_numpy_iterator()) if files else []

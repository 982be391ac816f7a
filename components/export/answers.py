"""Does a server answer known questions as the SavedModel does by itself?"""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from components.tasks.parts import Export
from serving import names
from serving.client import ImageClient
from serving.errors import InputError
from serving.results import ServingError

ENDPOINTS = (names.SIGNATURE_SERVING, names.SIGNATURE_GRAD_CAM, names.SIGNATURE_FROM_EXAMPLES)
FLOAT_TOLERANCE = 1e-4
# Two runs of one graph may differ by rounding. Where a class id or a color level is decided by
# such a difference it jumps, so this share of an image's values may differ, by any amount.
PIXEL_SHARE = 1e-3
_PNG_MAGIC = b"\x89PNG"

# By endpoint: inputs and answers, each by name.
Calls = dict[str, tuple[dict[str, np.ndarray], dict[str, np.ndarray]]]


class NotServable(Exception):
    """The model does not serve as it should; told in one line."""

    def __init__(self, reason: str):
        super().__init__(" ".join(reason.split()))


def ask(client: ImageClient, export: Export, examples: list[bytes], deadline: float) -> Calls:
    """Sends serialized Examples, in one batch, to every endpoint that a server tells.

    The task's part tells which outputs there have to be, and what is sent; the deadline is one of
    `time.monotonic`.

    Raises:
        NotServable: an endpoint is missing, refuses, or is late.
    """
    try:
        signatures = client.metadata().signatures
    except (ServingError, InputError) as error:
        raise NotServable(f"the server tells no signatures: {error}") from error
    default = signatures.get(names.SIGNATURE_SERVING)
    outputs = set(default.outputs) if default else set()
    missing = export.required_outputs - outputs
    if missing:
        raise NotServable(
            f"endpoint {names.SIGNATURE_SERVING}: the task needs the outputs"
            f" {', '.join(sorted(missing))}, found {', '.join(sorted(outputs)) or 'none'}"
        )
    known = export.inputs_of(examples)
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


def compare(folder: Path, calls: Calls) -> None:
    """Checks what `ask` returned against what a SavedModel gives in this process, on the CPU.

    Raises:
        NotServable: they differ; tells where and by how much.
    """
    import tensorflow as tf

    # The server, too, computes on the CPU.
    with tf.device("/CPU:0"):
        model = tf.saved_model.load(str(folder))
        for name, (inputs, served) in calls.items():
            direct = model.signatures[name](
                **{
                    key: tf.constant(value.tolist() if value.dtype == object else value)
                    for key, value in inputs.items()
                }
            )
            check_answers(name, served, {key: value.numpy() for key, value in direct.items()})


def check_answers(
    endpoint: str, served: Mapping[str, np.ndarray], direct: Mapping[str, np.ndarray]
) -> None:
    """Compares an endpoint's outputs, by name, with the SavedModel's own.

    Raises:
        NotServable: they differ; tells where and by how much.
    """
    if set(served) != set(direct):
        raise NotServable(
            f"endpoint {endpoint}: the server answers with {', '.join(sorted(served))},"
            f" the model with {', '.join(sorted(direct))}"
        )
    for name in sorted(direct):
        _check(f"endpoint {endpoint}, output {name}", served[name], direct[name])


def _check(where: str, served: np.ndarray, direct: np.ndarray) -> None:
    if served.shape != direct.shape or served.dtype != direct.dtype:
        raise NotServable(
            f"{where}: answers differ: the server gives {served.dtype} {list(served.shape)},"
            f" the model {direct.dtype} {list(direct.shape)}"
        )
    if served.dtype == object:
        for index, (left, right) in enumerate(zip(served.flat, direct.flat, strict=True)):
            _check_bytes(f"{where}, value {index}", left, right)
        return
    # A value that is not finite is no answer, and a NaN in the model's own alone no agreement.
    alike = np.isfinite(served) & np.isclose(served, direct, rtol=0, atol=FLOAT_TOLERANCE)
    differing = int(np.sum(~alike))
    if differing > (PIXEL_SHARE * served.size if served.dtype == np.uint8 else 0):
        largest = np.max(np.abs(served.astype(float) - direct.astype(float)))
        raise NotServable(
            f"{where}: answers differ in {differing} of {served.size} values by up to {largest:.3g}"
        )


def _check_bytes(where: str, served: bytes, direct: bytes) -> None:
    if served == direct:
        return
    if not (served.startswith(_PNG_MAGIC) and direct.startswith(_PNG_MAGIC)):
        raise NotServable(
            f"{where}: answers differ: the server gives {served[:40]!r}, the model {direct[:40]!r}"
        )
    import tensorflow as tf

    _check(where, *(tf.io.decode_png(encoded).numpy() for encoded in (served, direct)))

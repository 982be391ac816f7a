"""Asks an exported model through its signatures, as a server would."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import tensorflow as tf

from serving import names

Item = TypeVar("Item")

BATCH_SIZE = 32

# Enough to find telling Examples; the measured metrics are the evaluator's, on the whole split.
SCORED_AT_MOST = 2000


class Predictor:
    """An exported model, from its folder."""

    def __init__(self, saved_model_path: str):
        # The signatures only work while the loaded object lives, so it is kept.
        self._model = tf.saved_model.load(saved_model_path)

    @property
    def endpoints(self) -> list[str]:
        """Names of its signatures, sorted."""
        return sorted(self._model.signatures)

    @property
    def variables(self) -> Any:
        """A Keras model's tf.Variables in its order; assigning one changes the answers."""
        return getattr(self._model, "variables", [])

    def predict(self, **inputs: Any) -> dict[str, np.ndarray]:
        """Calls `serving_default` with its inputs in a batch: outputs by name, strings as bytes."""
        return self._call(names.SIGNATURE_SERVING, inputs)

    def explain(
        self, images: Sequence[bytes], class_index: int | Sequence[int] | np.ndarray = -1
    ) -> dict[str, np.ndarray]:
        """Calls `grad_cam` on encoded pictures; -1, of all or each, is the predicted class."""
        inputs = {names.INPUT_IMAGE_BYTES: images, names.INPUT_CLASS_INDEX: class_index}
        return self._call(names.SIGNATURE_GRAD_CAM, inputs)

    def _call(self, name: str, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        signature = self._model.signatures[name]
        _, specs = signature.structured_input_signature
        given = {key: tf.constant(value, specs[key].dtype) for key, value in inputs.items()}
        return {key: output.numpy() for key, output in signature(**given).items()}


def batches(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Groups items into lists of at most `BATCH_SIZE`."""
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH_SIZE)):
        yield batch

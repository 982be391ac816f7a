"""A SavedModel in a TensorFlow session: named tensors in, named tensors out."""

import gc
import threading
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap

from serving.server.faults import from_number, invalid

# A plan is made by then; what runs on is the model.
_PLAN_SECONDS = 10.0


class ModelSession:
    """A SavedModel, of TensorFlow 1 or 2, in a graph-mode session of its own.

    Only what is fetched is computed. A signature's outputs all leave one function call, and a
    call that is itself fetched is run whole; behind an identity it is inlined and pruned.

    Args:
        folder: holds `saved_model.pb`. Whatever TensorFlow finds wrong with it is raised.

    Attributes:
        signatures: the model's own signatures.
        fetches: what can be fetched, by the name that a signature gives it.
    """

    def __init__(self, folder: Path):
        self._making: dict[Hashable, threading.Lock] = {}
        self._ready: set[Hashable] = set()
        self._graph = tf.Graph()
        with self._graph.as_default():
            # A model exported on a GPU names it; where there is none it runs on the CPU.
            config = tf.compat.v1.ConfigProto(allow_soft_placement=True)
            self._session = tf.compat.v1.Session(graph=self._graph, config=config)
            try:
                meta_graph = tf.compat.v1.saved_model.loader.load(
                    self._session, [tf.saved_model.SERVING], str(folder)
                )
                self.signatures = SignatureDefMap(signature_def=meta_graph.signature_def)
                signatures = meta_graph.signature_def.values()
                self._feeds = self._tensors(one.inputs for one in signatures)
                computed = self._tensors(one.outputs for one in signatures)
                self.fetches = {name: tf.identity(tensor) for name, tensor in computed.items()}
            except BaseException:
                self._session.close()
                raise
        # A finalized graph may be run from many threads, and a request cannot make it grow.
        self._graph.finalize()

    def _tensors(self, slots: Iterable[Mapping[str, Any]]) -> dict[str, tf.Tensor]:
        """By name; what is sparse, or made of several tensors, has none."""
        names = [info.name for one in slots for info in one.values() if info.name]
        found = {name: self._graph.as_graph_element(name) for name in names}
        # An operation has no value, as in the signature __saved_model_init_op.
        return {name: one for name, one in found.items() if isinstance(one, tf.Tensor)}

    def run(self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str]) -> dict[str, Any]:
        """Computes tensors; many threads may at a time.

        Args:
            feeds: values by tensor name.
            fetches: tensor names.

        Returns:
            What TensorFlow gives: arrays, or a plain `bytes` for a scalar string.

        Raises:
            Fault: the values do not fit the tensors.
            ModelFault: the model fails on them.
        """
        try:
            values = self._run(
                [self.fetches[name] for name in fetches],
                {self._feeds[name]: value for name, value in feeds.items()},
                tuple(fetches),
            )
        except tf.errors.OpError as error:
            raise from_number(error.error_code, _first_lines(error.message)) from error
        except UnicodeDecodeError as error:
            # TensorFlow's message quotes the request's own bytes, and they are no text.
            message = bytes(error.object).decode(errors="replace")
            raise from_number(tf.errors.INVALID_ARGUMENT, _first_lines(message)) from error
        except (TypeError, ValueError) as error:
            # The session's own check of what it is fed.
            raise invalid(_first_lines(str(error))) from error
        return dict(zip(fetches, values, strict=True))

    def _run(self, tensors: list[Any], feeds: dict[Any, np.ndarray], plan: Hashable) -> list[Any]:
        if plan not in self._ready:
            # A first run makes a plan, half a second of work. Requests that come at once after a
            # change of versions would each make it, and all wait many times as long.
            lock = self._making.setdefault(plan, threading.Lock())
            if lock.acquire(timeout=_PLAN_SECONDS):
                try:
                    if plan not in self._ready:
                        return self._session.run(tensors, feeds)
                finally:
                    self._ready.add(plan)
                    lock.release()
        return self._session.run(tensors, feeds)

    def close(self) -> None:
        """Frees the session and its memory; nothing may be running."""
        self._session.close()
        # A graph is full of cycles. Left to itself, Python looks for such old ones so seldom that
        # a server that changes versions would grow.
        self._feeds.clear()
        self.fetches.clear()
        del self._graph, self._session
        gc.collect()


def _first_lines(message: str) -> str:
    """The message without the nodes and the stack trace that a Python session appends."""
    kept = []
    for line in message.splitlines():
        if line.startswith(("Original stack trace", "Original traceback", "Errors may have")):
            break
        text = line.strip()
        if text and not text.startswith(("Graph execution error", "Detected at node", "[[")):
            kept.append(text)
    return " ".join(kept)

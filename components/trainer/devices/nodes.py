"""The nodes that train together, as TF_CONFIG names them, and what they tell each other.

Kubeflow's TFJob sets that variable on every node, with or without a chief:
`{"cluster": {"chief": ["host:port"], "worker": ["host:port"]}, "task": {"type": ..., "index": 0}}`
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from serving.errors import FailedError, InputError

VARIABLE = "TF_CONFIG"
SUM = tf.distribute.ReduceOp.SUM

_PAGE = 4096  # texts are padded to it: few shapes, so that few graphs are traced


@dataclass(frozen=True)
class Cluster:
    """This node's place among all."""

    worker: int = 0  # number of this node
    workers: int = 1  # nodes in all

    @property
    def is_chief(self) -> bool:
        """Whether this is the one node that writes; the others write nothing."""
        return self.worker == 0


def read_cluster(environment: Mapping[str, str]) -> Cluster:
    """Reads TF_CONFIG; without it, or with an empty one, there is this node alone.

    Raises:
        InputError: it is not what TensorFlow expects.
    """
    text = environment.get(VARIABLE, "").strip()
    if text in ("", "{}"):
        return Cluster()
    try:
        told = json.loads(text)
        nodes, kind, index = told["cluster"], told["task"]["type"], told["task"]["index"]
        known = [*nodes.get("chief", ()), *nodes.get("worker", ())]  # in TensorFlow's order
        fits = nodes.keys() <= {"chief", "worker"} and len(nodes.get("chief", ())) <= 1
        fits = fits and all(re.fullmatch(r".+:\d{1,5}", address) for address in known)
        if fits and len(set(known)) == len(known) and index >= 0:
            return Cluster(known.index(nodes[kind][index]), len(known))
    except (ValueError, LookupError, TypeError, AttributeError):
        pass  # told below
    raise InputError(
        VARIABLE,
        expected="a cluster of at most one chief and of workers, each with an address HOST:PORT of"
        " its own, and the task's type and index in it",
        found=text[:400],
    )


class Nodes:
    """All nodes of a cluster. What one calls, all have to call, in the same order; it waits there.

    A node that dies makes the others' calls end with `tf.errors.UnavailableError`, after
    TensorFlow's heartbeat (10 seconds) at the latest. Made of TF_CONFIG before anything else uses
    TensorFlow; returns when all nodes are there, which TensorFlow waits an hour for.

    Raises:
        FailedError: not all nodes came.
    """

    def __init__(self, cluster: Cluster):
        self.count = cluster.workers
        self._is_chief = cluster.is_chief
        print(f"node {cluster.worker} of {cluster.workers} waits for the others", flush=True)
        # Only its way to run and to reduce is used; variables are never made in its scope.
        try:
            self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        except tf.errors.DeadlineExceededError as error:
            raise FailedError(
                f"node {cluster.worker} waited in vain for all {cluster.workers} nodes; look for "
                "the others' own errors"
            ) from error
        self._total = tf.function(lambda tensors: self.run(lambda: _sum(tensors)), autograph=False)

    def run(self, function: Callable[[], Any]) -> Any:
        """What a function gives on this node where `tf.distribute`'s context spans all nodes.

        It must make no variables.
        """
        return tf.nest.map_structure(
            lambda value: self._strategy.experimental_local_results(value)[0],
            self._strategy.run(function),
        )

    def total(self, tensors: Sequence[Any]) -> list[Any]:
        """Sums over the nodes of floats, of the same shapes and dtypes on all of them."""
        if not tensors:
            return []
        return self._total([tf.convert_to_tensor(tensor) for tensor in tensors])

    def from_chief(self, value: Any) -> Any:
        """What the chief holds, anything JSON can hold, on every node."""
        text = json.dumps(value).encode() if self._is_chief else b""
        (length,) = self.total([np.float32(len(text))])
        count = int(length)
        characters = np.zeros(-(-count // _PAGE) * _PAGE, np.float32)
        characters[: len(text)] = np.frombuffer(text, np.uint8)
        (characters,) = self.total([characters])
        return json.loads(characters.numpy()[:count].astype(np.uint8).tobytes())

    def broadcast(self, variables: Sequence[Any]) -> None:
        """Sets Keras variables, the same ones in the same order, to the chief's values."""
        self.add_up(variables, share=1.0 if self._is_chief else 0.0)

    def add_up(self, variables: Sequence[Any], share: float = 1.0) -> None:
        """Sets Keras variables to the sums of the nodes' values, each times the node's share."""
        # As float64, which holds counts, such as the optimizer's steps, exactly too.
        sums = self.total([tf.cast(variable.value, tf.float64) * share for variable in variables])
        for variable, value in zip(variables, sums, strict=True):
            variable.assign(tf.cast(value, variable.dtype))


def _sum(tensors: list[Any]) -> Any:
    # Reducing goes by the tensors' device, which a function's arguments do not have.
    return tf.distribute.get_replica_context().all_reduce(SUM, [tf.identity(t) for t in tensors])

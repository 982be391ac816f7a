"""One training on several GPUs of a node, or on several nodes with one device each.

Every replica holds the whole model and takes its part of every batch. The gradients are summed, so
that the result is that of one device on the whole batch; `replicas` tells what Keras leaves out for
that. Several GPUs are a MirroredStrategy under Keras's `fit`.

Several nodes are not a strategy under `fit`, which fails with MultiWorkerMirroredStrategy: it hands
it whole tuples to reduce, and averages scalars along their first axis. Instead every node runs a
`fit` of its own, on plain variables, and only the gradients are computed where that strategy spans
the nodes. Callbacks, saving and validation concern one node and never wait for another.
"""

import contextlib
import functools
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from components.trainer.devices import replicas
from components.trainer.devices.nodes import VARIABLE, Nodes, read_cluster
from components.trainer.fit.fused_norm import batch_norms, fuse_batch_norms
from serving.errors import FailedError, InputError

# A full disk is a ResourceExhaustedError, too, but no smaller batch helps there.
_MEMORY = re.compile(r"\bOOM\b|out of memory|allocat", re.IGNORECASE)
_TASK = re.compile(r"/job:(\w+)/(?:replica:\d+/)?task:(\d+)")


def prepare_devices() -> int:
    """Lets TensorFlow take the memory of GPUs as it needs it; comes before anything is computed.

    Returns:
        The number of GPUs.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            print(f"{gpu.name} is already in use: it keeps the memory it took", flush=True)
    return len(gpus)


class Distribution:
    """How a training is spread; made before anything else uses TensorFlow.

    A process stays with its first one: it cannot change the number of replicas afterwards.

    Args:
        devices: the devices of this node to train on, such as ['CPU:0', 'CPU:1']; None for all its
            GPUs, or the CPU without any.

    Attributes:
        cluster: this node's place among all.
        replicas: devices that share a batch, over all nodes.

    Raises:
        InputError: TF_CONFIG is wrong, or there are several nodes and this one sees several GPUs.
    """

    def __init__(self, devices: Sequence[str] | None = None):
        self.cluster = read_cluster(os.environ)
        self._gpus = prepare_devices()
        used = list(devices or [f"GPU:{number}" for number in range(self._gpus)] or ["CPU:0"])
        self.replicas: int = max(self.cluster.workers, len(used))
        self._nodes: Nodes | None = None
        self._strategy: tf.distribute.MirroredStrategy | None = None
        if self.cluster.workers > 1:
            if len(used) > 1:
                raise InputError(
                    VARIABLE,
                    expected="one GPU a node where there are several nodes",
                    found=f"{len(used)} on node {self.cluster.worker}",
                    todo="start a node for each GPU, and let it see that one alone "
                    "(nvidia.com/gpu: 1, or CUDA_VISIBLE_DEVICES)",
                )
            self._nodes = _connect(self.cluster)
        elif len(used) > 1:
            self._strategy = _mirror(tuple(used))

    @property
    def jit_compile(self) -> bool:
        """Whether to compile with XLA: only on one GPU, since the nodes' collectives do not."""
        return bool(self._gpus) and self.replicas == 1

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Where the model is built, compiled, restored, prepared and trained."""
        return self._strategy.scope() if self._strategy else contextlib.nullcontext()

    @property
    def local_replicas(self) -> int:
        """Devices of this node that share its part of a batch."""
        return self.replicas // self.cluster.workers

    def check_batches(self, batch_size: int, examples: int) -> None:
        """Refuses batches that the replicas cannot share.

        Keras averages the parts of the first batch over a strategy's replicas, to learn its shapes:
        that one has to be whole.

        Raises:
            InputError: the batch size is no multiple of the replicas, or there is not one batch.
        """
        if batch_size % self.replicas:
            raise InputError(
                "trainer.batch_size",
                expected=f"a multiple of the {self.replicas} devices that share a batch",
                found=str(batch_size),
            )
        if self.local_replicas > 1 and examples < batch_size:
            raise InputError(
                "the training split",
                expected=f"at least one batch ({batch_size}) to share among"
                f" {self.local_replicas} GPUs",
                found=f"{examples} examples",
                todo="lower trainer.batch_size",
            )

    def distribute(self, batches: tf.data.Dataset) -> Any:
        """Shares the batches of this node among its GPUs.

        Args:
            batches: (examples, targets) or (examples, targets, weights). For training this node's
                `replicas.part` of every batch; for validation those of `replicas.evaluation_rows`
                (with `local_replicas`), on every node.

        Returns:
            What `fit` takes. Its end is not known to Keras, which has to be given
            `steps_per_epoch` and `validation_steps`: the numbers of `batches`.
        """
        if not self._strategy:
            return batches
        count = self.local_replicas

        def split(*batch: Any) -> tf.data.Dataset:
            return tf.data.Dataset.range(count, output_type=tf.int32).map(
                lambda index: tuple(replicas.part(rows, index, count) for rows in batch)
            )

        # Endless, because Keras looks at the first batch of each validation with an iterator that
        # the one before has used up.
        parts = batches.repeat().flat_map(split).prefetch(count)
        return self._strategy.distribute_datasets_from_function(lambda _: parts)

    def prepare(self, model: keras.Model) -> None:
        """Readies a model of `compile_model` for `fit`, after its weights are loaded or restored.

        All nodes take over the chief's weights and optimizer. Each replica gets random seeds of
        its own (dropout); the first one keeps those of the model. Batch norm uses the statistics of
        the whole batch, as one device would.

        Raises:
            InputError: several devices, and the model has a training step of its own.
        """
        if self.replicas == 1:
            if not self.jit_compile:
                fuse_batch_norms(model)
            return
        if type(model).train_step is not keras.Model.train_step:
            raise InputError(
                f"model '{model.name}'",
                expected=f"Keras's own training step on {self.replicas} devices",
                found="another",
                todo="train it on one device",
            )
        for layer in batch_norms(model):
            layer.synchronized = True
        if self._nodes:
            self._nodes.broadcast([*model.variables, *model.optimizer.variables])
            replicas.spread_seeds(model, self.cluster.worker)
        if self._strategy:
            replicas.spread_mirrored_seeds(model, self._strategy)
        replicas.take_sums(model.optimizer)
        nodes = self._nodes
        model.train_step = lambda data: replicas.train_step(model, data, nodes)

    def callbacks(self) -> list[keras.callbacks.Callback]:
        """What has to come before all other callbacks of `fit`."""
        return [replicas.Agreement(self._nodes)] if self._nodes else []

    def from_chief(self, value: Any) -> Any:
        """See `Nodes.from_chief`; alone, the value itself."""
        return self._nodes.from_chief(value) if self._nodes else value


# Made once a process: TensorFlow starts a server for the one, and numbers the collectives of both.
_connect = functools.cache(Nodes)
_mirror = functools.cache(tf.distribute.MirroredStrategy)


@contextlib.contextmanager
def explained(batch_size: int, replicas: int = 1, workers: int = 1) -> Iterator[None]:
    """Runs a training; tells what went wrong in one line.

    Raises:
        FailedError: out of memory, naming the half of the batch, rounded to what the replicas can
            share, to try; or another node is gone.
    """
    errors = tf.errors
    try:
        yield
    except errors.ResourceExhaustedError as error:
        if not _MEMORY.search(str(error)):
            raise
        half = batch_size // 2 // replicas * replicas
        other = f"trainer.batch_size {half}" if half else "a smaller trainer.image_size or model"
        raise FailedError(
            f"out of memory with trainer.batch_size {batch_size}"
            f"{f' on {replicas} devices' if replicas > 1 else ''}; try {other}"
        ) from error
    # What collectives end with when a node is gone; alone, they would mean something else.
    except (errors.UnavailableError, errors.AbortedError, errors.DeadlineExceededError) as error:
        if workers == 1:
            raise
        names = sorted({f"{kind} {index}" for kind, index in _TASK.findall(str(error))})
        named = f" (TensorFlow names {', '.join(names)})" if names else ""
        raise FailedError(
            f"one of {workers} nodes was lost during training{named}; look for its "
            "own error, then start all nodes again: training goes on after the last whole epoch"
        ) from error

"""What runs a model, named tensors in, named tensors out: here a SavedModel in TensorFlow."""

import gc
import re
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.config_pb2 import CallableOptions, ConfigProto
from tensorflow.core.protobuf.rewriter_config_pb2 import RewriterConfig
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap

from serving.server.config_files import read_text_proto
from serving.server.faults import from_number, not_found
from serving.server.options import DEFAULTS, ServerOptions
from serving.stores.versions import SAVED_MODEL_FILE, TFLITE_FILE, plain_path

Plan: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]  # names of what is fed and fetched


class Session(Protocol):
    """A model in memory that runs requests of many threads."""

    signatures: SignatureDefMap  # the model's own

    @property
    def fetches(self) -> Collection[str]:
        """What can be fetched, by the names that signatures give it."""
        ...

    def run(self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str]) -> dict[str, Any]:
        """Computes tensors.

        Args:
            feeds: values by tensor name; whether their shapes will do is for the model to say.
            fetches: tensor names.

        Returns:
            Arrays, or a plain `bytes` for a scalar string.

        Raises:
            ModelFault: the model fails on them.
        """
        ...

    def close(self) -> None:
        """Frees the model and its memory; nothing may be running."""
        ...


def open_session(folder: Path, options: ServerOptions) -> Session:
    """Loads the model in a version's folder; raises whatever is wrong with it."""
    tflite = folder / TFLITE_FILE
    if options.prefer_tflite_model and tflite.is_file():
        from serving.server.tflite_session import TfliteSession

        return TfliteSession(tflite, options)
    if not (folder / SAVED_MODEL_FILE).is_file():
        raise not_found(f"no {SAVED_MODEL_FILE}, and {TFLITE_FILE} needs --prefer_tflite_model")
    return ModelSession(folder, options)


class ModelSession:
    """A SavedModel, of TensorFlow 1 or 2, in a graph-mode session of its own.

    See `Session` for its methods.

    Only what is fetched is computed. A signature's outputs all leave one function call, and a
    call that is itself fetched is run whole; behind an identity it is inlined and pruned.

    Args:
        folder: holds `saved_model.pb`. Whatever TensorFlow finds wrong with it is raised.
        options: tell its tags, and how the session runs.
    """

    def __init__(self, folder: Path, options: ServerOptions = DEFAULTS):
        self._held = ExitStack()
        self._making = threading.Lock()
        self._callables: dict[Plan, Callable[..., list[Any]]] = {}
        self._graph = tf.Graph()
        with self._graph.as_default():
            self._session = tf.compat.v1.Session(graph=self._graph, config=session_config(options))
            self._held.callback(self._session.close)
            try:
                load, tags = tf.compat.v1.saved_model.loader.load, options.saved_model_tags
                path = self._held.enter_context(plain_path(folder))  # it may read assets later
                meta_graph = load(self._session, tags.split(","), str(path))
                self.signatures = SignatureDefMap(signature_def=meta_graph.signature_def)
                signatures = meta_graph.signature_def.values()
                self._feeds = self._tensors(one.inputs for one in signatures)
                computed = self._tensors(one.outputs for one in signatures)
                self.fetches = {name: tf.identity(tensor) for name, tensor in computed.items()}
            except BaseException:
                self._held.close()
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
        """See `Session.run`."""
        try:
            # A session wants quantized numbers in types of its own.
            types = (self._feeds[name].dtype.as_numpy_dtype for name in feeds)
            values = [*map(np.asarray, feeds.values(), types)]
            answers = self._callable((tuple(feeds), tuple(fetches)))(*values)
        except tf.errors.OpError as error:
            raise from_number(error.error_code, _without_nodes(error.message)) from error
        except UnicodeDecodeError as error:
            # TensorFlow's message quotes the request's own bytes, and they are no text.
            message = bytes(error.object).decode(errors="replace")
            raise from_number(tf.errors.INVALID_ARGUMENT, _without_nodes(message)) from error
        return dict(zip(fetches, answers, strict=True))

    def _callable(self, plan: Plan) -> Callable[..., list[Any]]:
        """What runs a plan. Unlike `Session.run` it takes any shape, as TensorFlow Serving does."""
        if plan not in self._callables:
            # A second of work, which requests that come at once would each do.
            with self._making:
                if plan not in self._callables:
                    fetches = [self.fetches[name].name for name in plan[1]]
                    options = CallableOptions(feed=plan[0], fetch=fetches)
                    self._callables[plan] = self._session._make_callable_from_options(options)
        return self._callables[plan]

    def close(self) -> None:
        """See `Session.close`."""
        self._held.close()
        # A graph is full of cycles. Left to itself, Python looks for such old ones so seldom that
        # a server that changes versions would grow.
        self._callables.clear()
        self._feeds.clear()
        self.fetches.clear()
        del self._graph, self._session
        gc.collect()


def session_config(options: ServerOptions) -> ConfigProto:
    """How a session runs; an InputError if the file of that cannot be read."""
    config, path = ConfigProto(), options.tensorflow_session_config_file
    # TensorFlow optimizes a graph twice by default: a load takes twice as long, for the same graph.
    config.graph_options.rewrite_options.meta_optimizer_iterations = RewriterConfig.ONE
    if path:
        read_text_proto("--tensorflow_session_config_file", Path(path).expanduser(), config)
    both = options.tensorflow_session_parallelism
    flags = ConfigProto(
        # A model exported on a GPU names it; where there is none it runs on the CPU.
        allow_soft_placement=True,
        intra_op_parallelism_threads=options.tensorflow_intra_op_parallelism or both,
        inter_op_parallelism_threads=options.tensorflow_inter_op_parallelism or both,
    )
    flags.gpu_options.per_process_gpu_memory_fraction = options.per_process_gpu_memory_fraction
    config.MergeFrom(flags)  # zeros leave what the file says
    return config


def _without_nodes(message: str) -> str:
    """The message in one line, without the names of functions and nodes of the graph."""
    lines = map(str.strip, re.sub(r"{{\w+ [^{}]*}} ?", "", message).splitlines())
    return " ".join(line for line in lines if line and not line.startswith("[["))

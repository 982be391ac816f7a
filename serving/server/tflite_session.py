"""A TensorFlow Lite model, run by LiteRT: named tensors in, named tensors out.

Names, signatures and sizes are those of TensorFlow Serving's tflite_session.cc.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.schema_py_generated import Model
from flatbuffers import flexbuffers
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow_serving.apis.get_model_metadata_pb2 import SignatureDefMap

from serving.server.faults import from_number, invalid
from serving.server.options import DEFAULTS, ServerOptions
from serving.server.signatures import DEFAULT_SIGNATURE

Details = dict[str, Any]  # what LiteRT tells of a tensor: `index`, `name`, `dtype`, `shape`, ...

_SIGNATURES = b"signature_defs_metadata"  # the entry of a file's metadata that holds them


class TfliteSession:
    """See `serving.server.session.Session`.

    An interpreter runs one request at a time, in one thread, so there are several.

    Args:
        path: the file. What is wrong with it is a Fault, or whatever its parser raises.
        options: tell how many interpreters there are.
    """

    def __init__(self, path: Path, options: ServerOptions = DEFAULTS):
        self._content = path.read_bytes()
        try:
            first = self._interpreter()
        except (RuntimeError, ValueError) as error:
            raise invalid(f"LiteRT cannot run {path}: {error}") from error
        inputs, outputs = first.get_input_details(), first.get_output_details()
        self._inputs = {one["name"]: one["index"] for one in inputs}
        self._sizes = {one["name"]: one["shape_signature"].tolist() for one in inputs}
        self.fetches = {one["name"]: one["index"] for one in outputs}
        told = _told_signatures(self._content)
        if not told:
            made = SignatureDef(inputs=_infos(inputs), outputs=_infos(outputs))
            made.method_name = tf.saved_model.PREDICT_METHOD_NAME
            told = {DEFAULT_SIGNATURE: made}
        for signature in told.values():
            _correct_names(signature.inputs, self._inputs)
            _correct_names(signature.outputs, self.fetches)
        self.signatures = SignatureDefMap(signature_def=told)
        count = options.num_tflite_pools or len(os.sched_getaffinity(0))
        self._idle: SimpleQueue[Interpreter] = SimpleQueue()
        for interpreter in (first, *(self._interpreter() for _ in range(count - 1))):
            self._idle.put(interpreter)

    def _interpreter(self) -> Interpreter:
        made = Interpreter(model_content=self._content, num_threads=1)
        made.allocate_tensors()
        return made

    def run(self, feeds: Mapping[str, np.ndarray], fetches: Sequence[str]) -> dict[str, Any]:
        """See `Session.run`; a Fault if sizes, but those of the batch, are not the model's."""
        interpreter = self._idle.get()
        try:
            shapes = {one["name"]: tuple(one["shape"]) for one in interpreter.get_input_details()}
            # LiteRT knows no scalar string: it would take a pointer for its bytes.
            arrays = {key: np.atleast_1d(v) if v.dtype == object else v for key, v in feeds.items()}
            for name, array in arrays.items():
                _check_sizes(name, array, self._sizes[name])
            if any(array.shape != shapes[name] for name, array in arrays.items()):
                for name, array in arrays.items():
                    interpreter.resize_tensor_input(self._inputs[name], array.shape)
                interpreter.allocate_tensors()
            for name, array in arrays.items():
                interpreter.set_tensor(self._inputs[name], array)
            interpreter.invoke()
            return {name: interpreter.get_tensor(self.fetches[name]) for name in fetches}
        except (RuntimeError, ValueError, OverflowError) as error:
            # One that failed keeps the shapes, and its message would be part of each later one.
            interpreter = self._interpreter()
            raise from_number(tf.errors.INVALID_ARGUMENT, " ".join(str(error).split())) from error
        finally:
            self._idle.put(interpreter)

    def close(self) -> None:
        """Frees the model; nothing may be running."""
        while not self._idle.empty():
            self._idle.get()


def _check_sizes(name: str, array: np.ndarray, sizes: Sequence[int]) -> None:
    """Refuses other sizes than the model's but the batch's: LiteRT's kernels check none."""
    pairs = list(zip(array.shape, sizes, strict=False))[1:]
    fits = array.ndim == len(sizes) and all(n == size or size < 0 < n for n, size in pairs)
    if not fits and array.dtype != object:
        raise invalid(f"{name}: expected the sizes {sizes}, found {list(array.shape)}")


def _told_signatures(content: bytes) -> dict[str, SignatureDef]:
    """The signatures that the file's metadata tells, by their keys; none if it tells of none."""
    model = Model.GetRootAs(content)
    for entry in map(model.Metadata, range(model.MetadataLength())):
        if entry.Name() == _SIGNATURES:
            data = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
            found = flexbuffers.GetRoot(data).AsMap
            pairs = zip(found.Keys, found.Values, strict=True)
            return {key.AsKey: SignatureDef.FromString(one.AsStringBytes) for key, one in pairs}
    return {}


def _infos(tensors: Iterable[Details]) -> dict[str, TensorInfo]:
    """What a signature tells of tensors, under their names without what follows a colon.

    As in TensorFlow Serving the last of those counts that only this tells apart; the others,
    which it leaves out, keep their whole names.
    """
    known = {one["name"]: one for one in sorted(tensors, key=lambda one: one["name"])}
    names = {name.partition(":")[0]: name for name in known}
    names |= {name: name for name in known if name not in names.values()}
    infos = {}
    for alias, name in names.items():
        dtype, shape = known[name]["dtype"], known[name]["shape"]
        # LiteRT's type of strings is NumPy's, for which TensorFlow has another name.
        code = (tf.string if dtype is np.bytes_ else tf.as_dtype(dtype)).as_datatype_enum
        infos[alias] = TensorInfo(
            name=name, dtype=code, tensor_shape=tf.TensorShape(shape).as_proto()
        )
    return infos


def _correct_names(slots: Mapping[str, TensorInfo], known: Mapping[str, int]) -> None:
    """Makes names of tensors the file's: older converters cut off what follows the colon."""
    for slot, info in slots.items():
        if info.name not in known:
            info.name = info.name.partition(":")[0]
        if info.name not in known:
            raise invalid(f"Signature's {slot} references an unknown tensor: {info.name}")

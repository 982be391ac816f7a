"""One signature of a model: what it takes and gives, and requests checked against it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from tensorflow_serving.apis.model_pb2 import ModelSpec

from serving.server.codec import check_size, decode
from serving.server.faults import invalid, unimplemented
from serving.wire.messages_pb2 import DT_STRING, SignatureDef, TensorInfo, TensorProto
from serving.wire.tensors import dtype_name

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Slot:
    """An input or output of a signature."""

    tensor: str  # its name in the graph; empty: it is no dense tensor
    dtype: int  # TensorFlow's DataType
    batched: bool  # whether the first dimension may have any size

    @property
    def is_string(self) -> bool:
        """Whether its elements are byte strings."""
        return self.dtype == DT_STRING


@dataclass(frozen=True)
class Signature:
    """A signature of a loaded model; inputs with a value in `defaults` may be left out."""

    name: str
    method_name: str | None  # the only one that may use it; None: any
    inputs: Mapping[str, Slot]
    outputs: Mapping[str, Slot]
    defaults: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def from_proto(cls, name: str, proto: SignatureDef, check_method: bool) -> "Signature":
        """Reads a SavedModel's SignatureDef; where methods are checked, with its method's name."""
        return cls(
            name,
            proto.method_name if check_method else None,
            {key: _slot(info) for key, info in proto.inputs.items()},
            {key: _slot(info) for key, info in proto.outputs.items()},
            {key: decode(key, value) for key, value in proto.defaults.items()},
        )

    def decode(self, inputs: Mapping[str, TensorProto]) -> dict[str, np.ndarray]:
        """The values of all inputs, with defaults where the request has none.

        Raises:
            Fault: INVALID_ARGUMENT: names or types do not fit; RESOURCE_EXHAUSTED: too large;
                UNIMPLEMENTED: an input is sparse.
        """
        self._check_names(inputs)
        check_size(inputs)
        arrays = {}
        for name, slot in self.inputs.items():
            if not slot.tensor:
                raise unimplemented(f"input {name} is no dense tensor")
            if name not in inputs:
                arrays[name] = self.defaults[name]
                continue
            proto = inputs[name]
            if proto.dtype != slot.dtype:
                raise invalid(
                    f"Expects input {name} to be {dtype_name(slot.dtype)}"
                    f" but {dtype_name(proto.dtype)} is provided"
                )
            arrays[name] = decode(name, proto)
        return arrays

    def rows(self, arrays: Mapping[str, np.ndarray]) -> int:
        """The most strings, encoded images or Examples, that an input has; 0: there are none."""
        strings = [arrays[name] for name, slot in self.inputs.items() if slot.is_string]
        return max((len(array) for array in strings if array.ndim), default=0)

    def choose(self, output_filter: Sequence[str]) -> list[str]:
        """The outputs to compute, in the signature's order; all if the filter is empty."""
        for name in output_filter:
            if name not in self.outputs:
                raise invalid(
                    f"output tensor alias not found in signature: {name} Outputs expected to be in"
                    f" the set {{{','.join(sorted(self.outputs))}}}."
                )
        if len(set(output_filter)) != len(output_filter):
            twice = next(name for name in output_filter if list(output_filter).count(name) > 1)
            raise invalid(f"duplicate output tensor alias: {twice}")
        return [name for name in self.outputs if not output_filter or name in output_filter]

    def _check_names(self, inputs: Mapping[str, TensorProto]) -> None:
        extra = sorted(set(inputs) - set(self.inputs))
        missing = sorted(set(self.inputs) - set(inputs) - set(self.defaults))
        if extra or missing:
            raise invalid(
                f"input size does not match signature: {len(inputs)}!={len(self.inputs)}"
                f" len({{{','.join(sorted(inputs))}}})"
                f" != len({{{','.join(sorted(self.inputs))}}})."
                f" Sent extra: {{{','.join(extra)}}}."
                f" Missing but required: {{{','.join(missing)}}}."
            )


def signature_name(spec: ModelSpec) -> str:
    """The signature that a request asks for."""
    return spec.signature_name or DEFAULT_SIGNATURE


def fill_spec(spec: ModelSpec, model: str, version: int, signature: str = "") -> None:
    """Tells in a response what answered."""
    spec.name = model
    spec.version.value = version
    spec.signature_name = signature


def _slot(info: TensorInfo) -> Slot:
    batched = info.tensor_shape.unknown_rank or [d.size for d in info.tensor_shape.dim[:1]] == [-1]
    # An empty name where the tensor is sparse or made of several.
    return Slot(info.name, info.dtype, batched)

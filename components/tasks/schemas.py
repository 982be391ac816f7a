"""Features of a schema, made from bounds and classes.

A schema is written by hand on purpose: one inferred from the data that it then checks can find
nothing.
"""

from collections.abc import Sequence
from typing import Any

from tensorflow_metadata.proto.v0 import schema_pb2


def schema(*features: Any) -> Any:
    """A `schema_pb2.Schema` of these."""
    return schema_pb2.Schema(feature=features)


def integers(name: str, low: int, high: int, *, categorical: bool = False) -> Any:
    """An integer in [low, high], in every Example."""
    domain = schema_pb2.IntDomain(min=low, max=high, is_categorical=categorical)
    return _required(name, schema_pb2.INT, int_domain=domain)


def floats(name: str, low: float, high: float, *, size: int = 1) -> Any:
    """`size` finite numbers in [low, high], in every Example."""
    domain = schema_pb2.FloatDomain(min=low, max=high, disallow_nan=True, disallow_inf=True)
    return _required(name, schema_pb2.FLOAT, size, float_domain=domain)


def texts(name: str, values: Sequence[str]) -> Any:
    """One of these texts, in every Example."""
    domain = schema_pb2.StringDomain(name=name, value=values)
    return _required(name, schema_pb2.BYTES, string_domain=domain)


def _required(name: str, kind: int, size: int = 1, **domain: Any) -> Any:
    return schema_pb2.Feature(
        name=name,
        type=kind,
        presence=schema_pb2.FeaturePresence(min_fraction=1.0, min_count=1),
        shape=schema_pb2.FixedShape(dim=[schema_pb2.FixedShape.Dim(size=size)]),
        **domain,
    )

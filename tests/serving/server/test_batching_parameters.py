"""The batching parameters: defaults, the file's fields, and what is refused."""

import os

import pytest
from google.protobuf import text_format

from serving.errors import InputError
from serving.server.batching_parameters import BatchingParameters
from serving.wire import config_pb2


def test_defaults_are_tensorflow_servings() -> None:
    cores = len(os.sched_getaffinity(0))
    assert BatchingParameters() == BatchingParameters(
        1000, 0, 10, cores, (), False, "batch_threads"
    )


def test_the_fields_of_the_file() -> None:
    text = """
        max_batch_size { value: 16 } batch_timeout_micros { value: 500 }
        max_enqueued_batches { value: 3 } num_batch_threads { value: 4 }
        thread_pool_name { value: "pool" } allowed_batch_sizes: 4 allowed_batch_sizes: 16
        pad_variable_length_inputs: true
    """
    message = text_format.Parse(text, config_pb2.BatchingParameters())
    found = BatchingParameters.from_proto(message)
    assert found == BatchingParameters(16, 500, 3, 4, (4, 16), True, "pool")
    few = text_format.Parse("batch_timeout_micros { value: 0 }", config_pb2.BatchingParameters())
    assert BatchingParameters.from_proto(few) == BatchingParameters()


@pytest.mark.parametrize(("size", "padded"), [(1, 2), (2, 2), (3, 6), (6, 6)])
def test_the_next_allowed_size(size: int, padded: int) -> None:
    assert BatchingParameters(6, allowed_batch_sizes=(2, 6)).padded(size) == padded
    assert BatchingParameters(6).padded(size) == size


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"max_batch_size": 0}, "max_batch_size: expected 1 or more, found 0"),
        ({"batch_timeout_micros": -1}, "batch_timeout_micros: expected 0 or more, found -1"),
        ({"max_enqueued_batches": 0}, "max_enqueued_batches: expected 1 or more"),
        ({"num_batch_threads": 0}, "num_batch_threads: expected 1 or more"),
        ({"max_batch_size": 4, "allowed_batch_sizes": (1, 2)}, r"max_batch_size \(4\), found 1, 2"),
        ({"max_batch_size": 4, "allowed_batch_sizes": (2, 2, 4)}, "ascending"),
        ({"max_batch_size": 4, "allowed_batch_sizes": (0, 4)}, "ascending from 1"),
    ],
)
def test_values_out_of_range(values: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        BatchingParameters(**values)

"""What the server tells about itself: health checking, reflection, a Unix socket."""

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest

from serving.errors import InputError
from serving.server.config_files import single_model

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
SERVICES = ["tensorflow.serving.ModelService", "tensorflow.serving.PredictionService"]


def _check(channel: grpc.Channel, service: str = "") -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    return health_pb2_grpc.HealthStub(channel).Check(request, timeout=30).status


def _watch(channel: grpc.Channel, service: str) -> "queue.Queue[int]":
    """The states as they come."""
    request = health_pb2.HealthCheckRequest(service=service)
    states: queue.Queue[int] = queue.Queue()
    stream = health_pb2_grpc.HealthStub(channel).Watch(request)

    def read() -> None:
        try:
            for response in stream:
                states.put(response.status)
        except grpc.RpcError:
            states.put(-1)

    threading.Thread(target=read, daemon=True).start()
    return states


def test_healthy(zoo_channel: grpc.Channel, refusal: Callable) -> None:
    for service in ("", *SERVICES, "pictures", "old"):
        assert _check(zoo_channel, service) == SERVING
    check = health_pb2_grpc.HealthStub(zoo_channel).Check
    request = health_pb2.HealthCheckRequest(service="other")
    assert refusal(check, request) == ("NOT_FOUND", "unknown service other")


def test_who_asks_gets_the_state_of_now(start_here, bases, monkeypatch, refusal) -> None:
    from serving.server import health

    monkeypatch.setattr(health, "_LOOK_SECONDS", 3600.0)
    server = start_here({"types": bases["types"]})
    with server.channel() as channel:
        assert (_check(channel), _check(channel, "types")) == (SERVING, SERVING)
        config = single_model("new", str(bases["types"]))
        server.core.reload(config)
        assert (_check(channel), _check(channel, "new")) == (SERVING, SERVING)
        check = health_pb2_grpc.HealthStub(channel).Check
        assert refusal(check, health_pb2.HealthCheckRequest(service="types"))[0] == "NOT_FOUND"
        del config.model_config_list.config[:]
        server.core.reload(config)
        assert [_check(channel, service) for service in ("", *SERVICES)] == [NOT_SERVING] * 3


def test_who_watches_is_told_though_another_leaves(start_here, bases) -> None:
    server = start_here({"types": bases["types"]})
    with server.channel() as channel, server.channel() as other:
        leaving = _watch(other, "types")
        types, new = (_watch(channel, name) for name in ("types", "new"))
        states = [one.get(timeout=30) for one in (leaving, types, new)]
        assert states == [SERVING, SERVING, UNKNOWN]
        other.close()
        server.core.reload(single_model("new", str(bases["types"])))
        assert (types.get(timeout=30), new.get(timeout=30)) == (UNKNOWN, SERVING)


def test_a_stop_is_told_to_watchers_and_waits_for_none(start_here, bases) -> None:
    server = start_here({"types": bases["types"]})
    with server.channel() as channel:
        states = _watch(channel, "")
        assert states.get(timeout=30) == SERVING
        # An open stream of reflection that nobody uses.
        never: queue.Queue = queue.Queue()
        idle = ServerReflectionStub(channel).ServerReflectionInfo(iter(never.get, None))
        assert list(_services(channel)) == SERVICES
        started = time.monotonic()
        server.server.stop(30)
        assert time.monotonic() - started < 10
        assert [states.get(timeout=30), states.get(timeout=30)] == [NOT_SERVING, -1]
        never.put(None)
        with pytest.raises(grpc.RpcError):
            next(idle)


def test_health_does_not_wait_behind_predictions(start_here, bases, predicting, stub_of) -> None:
    server = start_here({"pictures": bases["pictures"]}, grpc_max_threads=1)
    with server.channel() as channel:
        stub = stub_of(channel)
        request = predicting("pictures", "slow", steps=np.int32(40_000))
        slow = [stub.Predict.future(request, timeout=60) for _ in range(2)]
        streams = [_watch(channel, "") for _ in range(8)]
        assert [states.get(timeout=30) for states in streams] == [SERVING] * 8
        assert _check(channel, "pictures") == SERVING
        status = GetModelStatusRequest(model_spec={"name": "pictures"})
        assert stub.GetModelStatus(status, timeout=30).model_version_status
        assert not slow[1].done()
        assert [call.result().outputs["gain"].float_val[0] for call in slow] == [1.0, 1.0]


def _services(channel: grpc.Channel) -> Iterator[str]:
    """The services of TensorFlow Serving that reflection lists."""
    requests = iter([ServerReflectionRequest(list_services="")])
    (response,) = ServerReflectionStub(channel).ServerReflectionInfo(requests, timeout=30)
    names = [service.name for service in response.list_services_response.service]
    assert "grpc.health.v1.Health" in names
    return (name for name in sorted(names) if name.startswith("tensorflow"))


def test_reflection_is_enough_to_ask(zoo_channel: grpc.Channel, predicting: Callable) -> None:
    """A client that knows no message of TensorFlow Serving learns them all from the server."""
    assert list(_services(zoo_channel)) == SERVICES
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(zoo_channel))
    service = pool.FindServiceByName("tensorflow.serving.PredictionService")
    names = ["Classify", "GetModelMetadata", "MultiInference", "Predict", "Regress"]
    assert sorted(method.name for method in service.methods) == names
    method = service.FindMethodByName("Predict")
    known = predicting("types", "int32", x=[7])
    request = GetMessageClass(method.input_type).FromString(known.SerializeToString())
    call = zoo_channel.unary_unary(f"/{service.full_name}/{method.name}")
    wire = call(request.SerializeToString(), timeout=30)
    answer = GetMessageClass(method.output_type).FromString(wire)
    assert list(answer.outputs["y"].int_val) == [7]


def test_unix_socket(start_here, bases, tmp_path: Path) -> None:
    models, path = {"types": bases["types"]}, tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:  # behind by an ended server: it is taken over
        left.bind(str(path))
    server = start_here(models, grpc_socket_path=str(path))
    with pytest.raises(InputError, match=r"--grpc_socket_path=.*in use"):
        start_here(models, grpc_socket_path=str(path))
    with grpc.insecure_channel(f"unix:{path}") as channel:
        assert _check(channel, "types") == SERVING
    server.server.stop(10)
    with pytest.raises(InputError, match="--grpc_socket_path=/absent/s"):
        start_here(models, grpc_socket_path="/absent/s")


def test_channel_arguments_that_are_none(start_here, bases) -> None:
    arguments = f"grpc.max_send_message_length={2**40}"
    with pytest.raises(InputError, match="--grpc_channel_arguments: expected text or numbers"):
        start_here({"types": bases["types"]}, grpc_channel_arguments=arguments)

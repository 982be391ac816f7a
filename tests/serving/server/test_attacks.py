"""Nobody locks the others out, and nothing that strangers say is kept, over real sockets."""

import re
import resource
import shutil
import socket
import stat
import threading
import time
from functools import partial
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest

from benchmarks import attack
from benchmarks.serving import MODEL
from serving import names
from serving.server import admission
from serving.server.config_files import single_model
from serving.stores.versions import model_digest

MODEL_NAME = "cats_vs_dogs"
PREDICT = "/tensorflow.serving.PredictionService/Predict"
CHECK = "/grpc.health.v1.Health/Check"


def test_a_client_that_behaves_sees_no_attack(base, attacked) -> None:
    told = attack.attack(attacked(base, "--max_connections=300", name=MODEL), 0.4)
    assert told["failures"] == []
    assert told["grown_by"]["threads"] < 40  # the pools are filled
    assert told["grown_by"]["descriptors"] < 5
    assert told["grown_by"]["mib"] < 800


def test_without_descriptors_it_goes_on_and_keeps_quiet(base, start_server) -> None:
    """Connections are taken as long as there are descriptors, and those that stand are answered."""
    server = start_server(base, "--rest_api_port=-1", "--max_connections=9999")
    host, port = server.rest.removeprefix("http://").split(":")
    folder = Path(f"/proc/{server.pid}/fd")
    with socket.create_connection((host, int(port)), timeout=20) as known:
        limit = len(list(folder.iterdir())) + 20
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (limit, limit))
        more = [socket.create_connection((host, int(port)), timeout=20) for _ in range(60)]
        time.sleep(2.5)
        known.sendall(f"GET /v1/models/{MODEL_NAME} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert known.recv(15) == b"HTTP/1.1 200 OK"
        for one in more:
            one.close()
    assert server.stop() == 0
    assert server.output().count("no connection can be taken: Too many open files") == 1
    assert len(server.output()) < 5000


@pytest.fixture
def hasty(start_here, bases, monkeypatch):
    """A server that waits for a request for half a second, and for three at a time."""
    monkeypatch.setattr(admission, "MAX_UNFINISHED", 3)
    return start_here({"types": bases["types"]}, receive_timeout_seconds=0.5)


def test_calls_that_send_a_head_and_nothing_else(hasty, predicting) -> None:
    end = threading.Event()
    with hasty.channel() as channel, hasty.stub() as stub:
        silent = channel.stream_unary(PREDICT)
        calls = [silent.future(iter(end.wait, True)) for _ in range(40)]
        assert stub.Predict(predicting("types", "int32", x=[1]), timeout=20).outputs
        codes = {call.exception(20).code() for call in calls}
        end.set()
    assert codes == {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}


def test_a_call_without_message(hasty, refusal) -> None:
    end = threading.Event()
    with hasty.channel() as channel:
        told = refusal(channel.stream_unary(PREDICT), iter(()))
        assert told == ("INVALID_ARGUMENT", "the call holds no request")
        silent = channel.stream_unary(CHECK).future(iter(end.wait, True))
        assert silent.exception(20).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        end.set()


def test_a_message_of_too_many_fields(start_here, bases, predicting, refusal) -> None:
    server = start_here({"types": bases["types"]}, max_request_elements=1_000_000)
    request = predicting("types", "int32", x=[1])
    with server.channel() as channel:
        send = channel.unary_unary(PREDICT)
        # Entries of the map of inputs without a name or a value: 3 MB would take 250.
        told = refusal(send, request.SerializeToString() + b"\x12\x00" * 1_500_000)
        assert told[0] == "RESOURCE_EXHAUSTED"
        assert "more than 1000000 fields (--max_request_elements)" in told[1]
        request.output_filter.append("x" * 3_000_000)  # large, but one field
        told = refusal(send, request.SerializeToString())
        assert told[0] == "INVALID_ARGUMENT"


def test_streams_of_reflection_are_bounded_and_can_be_off(start_here, bases, stub_of) -> None:
    request, end = ServerReflectionRequest(list_services=""), threading.Event()
    models = {"types": bases["types"]}
    with start_here(models).channel() as channel:
        stub = ServerReflectionStub(channel)
        idle = [stub.ServerReflectionInfo(iter(end.wait, True)) for _ in range(140)]
        answers = list(stub.ServerReflectionInfo(iter([request]), timeout=20))
        assert answers[0].list_services_response.service
        assert idle[0].code() is grpc.StatusCode.RESOURCE_EXHAUSTED  # the oldest goes
        end.set()
    with start_here(models, enable_reflection=False).channel() as channel:
        with pytest.raises(grpc.RpcError) as refused:
            list(ServerReflectionStub(channel).ServerReflectionInfo(iter([request]), timeout=20))
        assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_who_reaches_the_port_may_not_say_what_is_served(start_here, bases, refusal) -> None:
    models = {"types": bases["types"]}
    request = ReloadConfigRequest(config=single_model("new", str(bases["types"])))
    with start_here(models, enable_reload_config=False).stub() as stub:
        told = refusal(stub.HandleReloadConfigRequest, request)
        assert told[0] == "PERMISSION_DENIED"
        assert "--enable_reload_config" in told[1]
    server = start_here(models)
    with server.stub() as stub:
        logging = request.config.model_config_list.config[0].logging_config
        logging.log_collector_config.filename_prefix = "/tmp/absent/planted"
        told = refusal(stub.HandleReloadConfigRequest, request)
        assert told[0] == "INVALID_ARGUMENT"
        assert "logging_config" in told[1]
        assert server.core.models() == ["types"]


def test_lines_of_the_log_are_lines(base, start_server, stub_of) -> None:
    """A model's name comes from whoever may reload, and stands in the log."""
    server = start_server(base)
    odd = "pets\n2026-11-30 ERROR forged \x1b[31m\x85"
    with grpc.insecure_channel(server.target) as channel:
        request = ReloadConfigRequest(config=single_model(odd, str(base)))
        stub_of(channel).HandleReloadConfigRequest(request, timeout=60)
    assert server.stop() == 0
    assert r"pets\n2026-11-30 ERROR forged \x1b[31m\x85 version 3 is served" in server.output()
    assert not re.search("^2026-11-30 ERROR forged|\x1b|\x85", server.output(), re.MULTILINE)


@pytest.mark.parametrize(("flags", "mode"), [((), 0o600), (("--file_mode=640",), 0o640)])
def test_logs_and_sockets_are_their_owners(base, start_server, tmp_path, flags, mode) -> None:
    places = f"--access_log={tmp_path / 'access'}", f"--grpc_socket_path={tmp_path / 'socket'}"
    server = start_server(base, *places, *flags)
    for name in ("access", "socket"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode
    assert server.stop() == 0


def test_a_version_that_is_not_what_was_pushed(saved_model, tmp_path, start_server) -> None:
    for version in (1, 2):
        folder = tmp_path / "base" / str(version)
        shutil.copytree(saved_model, folder)
        (folder / names.ASSETS_EXTRA).mkdir(exist_ok=True)
        digest = model_digest(folder)
        (folder / names.ASSETS_EXTRA / names.DIGEST_FILE).write_text(f"{digest}\n")
    (tmp_path / "base" / "2" / "planted").write_text("x")
    server = start_server(tmp_path / "base")
    assert f"{MODEL_NAME} version 1" in server.output()
    assert server.stop() == 0
    assert "2: the files are not those of its" in server.output()
    server = start_server(tmp_path / "base", "--verify_digest=false")
    assert f"{MODEL_NAME} version 2" in server.output()
    assert server.stop() == 0


def test_calls_that_are_none(start_here, bases, refusal, caplog) -> None:
    """Too large, packed too large, cancelled, late, without a message or with a bad one."""
    with start_here({"types": bases["types"]}).channel() as channel:
        predict, check = channel.unary_unary(PREDICT), channel.unary_unary(CHECK)
        many = [(f"x-{number}", "x" * 100) for number in range(1000)]
        for how in ({}, {"compression": grpc.Compression.Gzip}, {"metadata": many}):
            sent = b"" if "metadata" in how else bytes(70_000_000)
            assert refusal(partial(predict, **how), sent)[0] == "RESOURCE_EXHAUSTED"
        assert refusal(check, b"\xff")[0] == "INVALID_ARGUMENT"
        assert refusal(channel.stream_unary(CHECK), iter(()))[0] == "INVALID_ARGUMENT"
        unknown = health_pb2.HealthCheckRequest(service="\u2028" * 10**6).SerializeToString()
        code, details = refusal(check, unknown)
        assert (code, len(details.encode()) < 1100) == ("NOT_FOUND", True)
        for _ in range(240):
            predict.future(b"").cancel()
        for _ in range(60):
            predict.future(b"", timeout=1e-4)
        assert check(b"", timeout=60)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_a_context_is_not_multiplied(stub, refusal) -> None:
    request = ClassificationRequest()
    request.model_spec.name = "examples"
    examples = request.input.example_list_with_context
    examples.context.features.feature["y"].bytes_list.value.append(b"x" * 10**6)
    for _ in range(100):
        examples.examples.add()
    code, details = refusal(stub.Classify, request)
    assert code == "RESOURCE_EXHAUSTED"
    assert "for their context" in details

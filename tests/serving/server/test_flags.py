"""The command line of the server: TensorFlow Serving's flags, checked before anything heavy."""

import os
import re
from pathlib import Path

import pytest

from serving.errors import InputError
from serving.server.batch_scheduler import BatchingParameters
from serving.server.config_files import channel_arguments
from serving.server.options import WITHOUT_EFFECT, ServerOptions, flags, parse_flags

KEY = "-----BEGIN PRIVATE KEY-----\\nabc\\n-----END PRIVATE KEY-----"
CERT = "-----BEGIN CERTIFICATE-----\\nabc\\n-----END CERTIFICATE-----"
PAIR = f'server_key: "{KEY}" server_cert: "{CERT}"'


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "saved_model.pb").write_bytes(b"graph")
    return folder


@pytest.fixture
def parse(base: Path):
    def call(*flags: str) -> ServerOptions:
        return parse_flags([f"--model_base_path={base}", *flags])

    return call


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "file"
        path.write_text(text, errors="surrogateescape")
        return path

    return write


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--enable_model_warmup", True),
        ("--enable_model_warmup true", True),
        ("--enable_model_warmup=0", False),
        ("--enable_model_warmup=false --enable_model_warmup", True),
        ("--enable_model_warmup --rest_api_port -1", True),  # takes no flag for its value
    ],
)
def test_spellings_of_a_boolean(parse, words: str, expected: bool) -> None:
    options = parse(*words.split())
    assert options.enable_model_warmup is expected
    assert options.rest_api_port == -words.count("-1")


def test_channel_arguments() -> None:
    text = "grpc.max_connection_age_ms=2000,grpc.ssl_target_name_override=a=b"
    told = {"grpc.max_connection_age_ms": 2000, "grpc.ssl_target_name_override": "a=b"}
    assert channel_arguments(text) == told
    assert channel_arguments("") == {}


def test_batching_parameters(parse, file) -> None:
    path = file(
        """
        max_batch_size { value: 16 } batch_timeout_micros { value: 500 }
        max_enqueued_batches { value: 3 } num_batch_threads { value: 4 }
        thread_pool_name { value: "pool" } allowed_batch_sizes: 4 allowed_batch_sizes: 16
        pad_variable_length_inputs: true
        """
    )
    found = parse("--enable_batching", f"--batching_parameters_file={path}").batching
    assert found == BatchingParameters(16, 500, 3, 4, (4, 16), True, "pool")
    path.write_text("batch_timeout_micros { value: 0 }")
    found = parse("--enable_batching", f"--batching_parameters_file={path}").batching
    cores = len(os.sched_getaffinity(0))
    assert found == BatchingParameters(1000, 0, 10, cores, (), False, "batch_threads")


@pytest.mark.parametrize(("size", "padded"), [(1, 2), (2, 2), (3, 6), (6, 6)])
def test_the_next_allowed_size(size: int, padded: int) -> None:
    assert BatchingParameters(6, allowed_batch_sizes=(2, 6)).padded(size) == padded
    assert BatchingParameters(6).padded(size) == size


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"max_batch_size": 0}, "max_batch_size: expected 1 or more, found 0"),
        ({"batch_timeout_micros": -1}, "batch_timeout_micros: expected 0 or more, found -1"),
        ({"max_batch_size": 4, "allowed_batch_sizes": (1, 2)}, r"max_batch_size \(4\), found 1, 2"),
        ({"max_batch_size": 4, "allowed_batch_sizes": (2, 2, 4)}, "ascending"),
        ({"max_batch_size": 4, "allowed_batch_sizes": (0, 4)}, "ascending from 1"),
    ],
)
def test_batching_parameters_out_of_range(values: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        BatchingParameters(**values)


def test_ssl_config(parse, file) -> None:
    ssl = parse(f"--ssl_config_file={file(PAIR)}").ssl
    assert ssl.server_key.startswith("-----BEGIN PRIVATE KEY-----\n")
    assert not ssl.client_verify


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--nope=1"], "unknown flag --nope"),
        (["--enable_batchin"], "--enable_batchin; did you mean '--enable_batching'?"),
        (["--model_nam=x"], "unknown flag --model_nam"),  # no abbreviations
        (["serve"], "unexpected argument serve"),
        (["--port=x"], "--port"),
        (["--port=70000"], "--port: expected 0 to 65535, found 70000"),
        (["--rest_api_port=-2"], "--rest_api_port"),
        (["--file_system_poll_wait_seconds=nan"], "--file_system_poll_wait_seconds"),
        (["--model_config_file_poll_wait_seconds=inf"], "--model_config_file_poll_wait_seconds"),
        (["--request_log_sampling_rate=1.5"], "--request_log_sampling_rate"),
        (["--enable_model_warmup=yes"], "expected true or false, found 'yes'"),
        (["--grpc_channel_arguments=grpc.a"], "'grpc.a'"),
        (["--grpc_channel_arguments=a=1,,"], "KEY=VALUE"),
        (["--batching_parameters_file=b"], "--enable_batching=true beside it"),
        (["--ssl_config_file=absent"], "--ssl_config_file absent: expected a readable file"),
        (["--model_base_path="], "(or --model_config_file), found ''"),
        (["--model_base_path=absent"], "a folder above versions, like 1/saved_model.pb"),
        (
            ["--tensorflow_session_parallelism=2", "--tensorflow_inter_op_parallelism=2"],
            "expected that alone",
        ),
    ],
)
def test_mistakes(parse, flags: list[str], words: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(*flags)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("flag", "text", "words"),
    [
        ("ssl_config_file", "server_kee: 'x'", 'no field named "server_kee"'),
        ("ssl_config_file", f'server_key: "{KEY}"', "server_cert"),
        ("ssl_config_file", f'server_key: "key.pem" server_cert: "{CERT}"', "server_key"),
        ("ssl_config_file", f"{PAIR} client_verify: true", "custom_ca"),
        ("monitoring_config_file", "prometheus_config { enable: maybe }", "MonitoringConfig"),
        ("monitoring_config_file", "\udcff", "found binary data"),
        ("monitoring_config_file", 'prometheus_config { path: "metrics" }', "begins with /"),
        ("batching_parameters_file", "max_batch_size: 3", "BatchingParameters"),
    ],
)
def test_mistakes_in_files(parse, file, flag: str, text: str, words: str) -> None:
    path = file(text)
    with pytest.raises(InputError) as caught:
        parse("--enable_batching", f"--{flag}={path}")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "PRIVATE" not in str(caught.value)


def test_flags_that_end_it_well_or_have_no_effect(parse, capsys: pytest.CaptureFixture) -> None:
    for flag in ("--help", "--version"):
        with pytest.raises(SystemExit) as caught:
            parse(flag)
        assert caught.value.code == 0
        assert "pawlens" in capsys.readouterr().out
    options = parse("--num_load_threads", "4", "--enable_profiler", "--mixed_precision=x")
    assert options.ignored == ["num_load_threads", "enable_profiler", "mixed_precision"]


def test_the_guide_lists_every_flag_with_its_default() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `--(\w+)` \|([^|]*)\|", guide, re.MULTILINE))
    defaults = {flag.name: flag.default for flag in flags()}
    assert sorted(rows) == sorted(defaults)
    assert [name for name in WITHOUT_EFFECT if f"`--{name}`" not in guide] == []
    for name, default in defaults.items():
        told = rows[name].strip(" `")
        if told != "by the cores":
            assert told == str(default).lower().removesuffix(".0") or told == str(default), name

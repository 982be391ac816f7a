"""Model server configurations: what is accepted, and what one line says of the rest."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import grpc
import pytest

from serving.errors import InputError
from serving.server.config_files import read_config
from serving.server.faults import Fault, invalid
from serving.server.polling import ConfigFile, Poller


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes models, each the text inside its `config { }`; BASE stands for a folder."""

    def to_file(*models: str) -> Path:
        text = "\n".join(f"config {{ {model} }}" for model in models)
        path = tmp_path / "models.config"
        path.write_text(f"model_config_list {{ {text} }}".replace("BASE", str(tmp_path)))
        return path

    return to_file


PLATFORM = 'model_platform: "tensorflow"'
NAMED = 'name: "m" base_path: "BASE"'
GOOD = f"{NAMED} {PLATFORM}"


def test_all_that_a_model_may_say(write) -> None:
    path = write(
        GOOD
        + """ # as in TensorFlow Serving's guide
        model_version_policy { specific { versions: 42 versions: 43 } }
        version_labels { key: "stable" value: 42 }
        version_labels { key: "canary" value: 43 }
        logging_config { sampling_config { sampling_rate: 0.1 } }""",
        'name: "old" base_path: "BASE" model_type: TENSORFLOW',
    )
    first, second = read_config(path).model_config_list.config
    assert list(first.model_version_policy.specific.versions) == [42, 43]
    assert dict(first.version_labels) == {"stable": 42, "canary": 43}
    assert second.name == "old"


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (f"{GOOD} }} config {{ {GOOD}", "Illegal to list model m multiple times in config list"),
        (f'base_path: "BASE" {PLATFORM}', "no name"),
        (f'name: "m" {PLATFORM}', "model m: base_path is missing"),
        (f'name: "m" base_path: "here/m" {PLATFORM}', "path or URI; got base_path()=here/m"),
        (f'name: "m" base_path: "BASE/absent" {PLATFORM}', "absent for servable m"),
        (f'name: "m" base_path: "gs://bucket/m" {PLATFORM}', "gs://bucket/m"),
        (NAMED, "neither ModelServerConfig::model_type"),
        (f'{NAMED} model_platform: "torch"', "m: model_platform: expected tensorflow, found torch"),
        (f"{GOOD} model_type: TENSORFLOW", "Illegal setting both"),
        (f"{NAMED} model_type: OTHER", "not supported"),
        (f"{GOOD} colour: 3", 'no field named "colour"'),
        (f"{GOOD} model_version_policy {{ newest {{ }} }}", 'no field named "newest"'),
        (f'{GOOD} name: "n"', "name"),
        (f"{GOOD} model_version_policy {{ specific {{ versions: two }} }}", "two"),
    ],
)
def test_mistakes(write, model: str, words: str) -> None:
    path = write(model)
    with pytest.raises(InputError) as caught:
        read_config(path)
    message = str(caught.value)
    assert words in message
    assert message.startswith(f"--model_config_file {path}: ")
    assert "\n" not in message


def test_no_models_yet_and_a_custom_config(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    for text in ("", "# later", "model_config_list {}"):
        path.write_text(text)
        assert len(read_config(path).model_config_list.config) == 0
    path.write_text('custom_model_config { type_url: "x" }')
    with pytest.raises(InputError, match="custom_model_config is not supported"):
        read_config(path)


ONE, OTHER = (GOOD.replace('"m"', f'"{name}"') for name in "no")


@pytest.fixture
def reload() -> Mock:
    return Mock()


@pytest.fixture
def look(write, reload: Mock) -> Callable[..., None]:
    """look(*models): looks at the file, which from now on holds these, or a text, if given."""
    path = write(GOOD)
    file = ConfigFile(path, read_config(path), reload)

    def looked(*models: str, text: str | None = None, times: int = 1) -> None:
        if models:
            write(*models)
        if text is not None:
            path.write_text(text)
        for _ in range(times):
            file.look()

    return looked


def _tried(reload: Mock) -> list[list[str]]:
    """Names of the models of each configuration that was to be taken over."""
    configs = [call.args[0].model_config_list.config for call in reload.call_args_list]
    return [[model.name for model in config] for config in configs]


def test_a_changed_file_is_taken_over_once(look, reload) -> None:
    look()
    look(GOOD + "  # other words, the same meaning")
    reload.assert_not_called()
    look(GOOD, ONE, times=2)
    assert _tried(reload) == [["m", "n"]]


def test_a_file_with_a_mistake_is_told_once(look, reload, tmp_path, caplog) -> None:
    look(text="model_config_list { config { ", times=2)
    assert len(caplog.records) == 1
    (tmp_path / "models.config").unlink()
    look()
    assert len(caplog.records) == 2
    look(ONE)
    assert _tried(reload) == [["n"]]


def test_a_file_that_is_empty_for_a_moment_changes_nothing(look, reload) -> None:
    look(text="")
    look(GOOD)
    look(text="model_config_list {}")  # that is none
    assert _tried(reload) == [[]]


def test_a_label_waits_for_its_version(look, reload, caplog) -> None:
    reload.side_effect = Fault(grpc.StatusCode.FAILED_PRECONDITION, "not currently available")
    look(GOOD + ' version_labels { key: "canary" value: 9 }', times=2)
    assert reload.call_count == 2
    assert len(caplog.records) == 1
    reload.side_effect = None
    look(times=2)
    assert _tried(reload) == [["m"]] * 3


def test_a_model_that_does_not_load_is_not_tried_at_each_look(look, reload) -> None:
    reload.side_effect = Fault(grpc.StatusCode.UNKNOWN, "did not become available")
    look(ONE, times=2)
    assert _tried(reload) == [["n"]]
    # Another text is another try.
    reload.side_effect = invalid("no")
    look(OTHER, times=2)
    look(GOOD)  # what is served is no change
    assert _tried(reload) == [["n"], ["o"], ["o"]]


def test_a_poller_outlives_an_error(caplog: pytest.LogCaptureFixture) -> None:
    looks = []
    thrice = threading.Event()

    def look() -> None:
        looks.append(1)
        if len(looks) == 3:
            thrice.set()
        raise RuntimeError("odd")

    poller = Poller("p", 0.001, look)
    assert thrice.wait(10)
    poller.stop()
    count = len(looks)
    time.sleep(0.05)
    assert len(looks) == count
    assert "odd" in caplog.text

import hashlib

import pytest
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import channel_utils, standard_artifacts
from tfx.utils import proto_utils

from components.trainer.component import Trainer
from components.trainer.executor import Executor
from components.trainer.settings import TrainerConfig
from serving.errors import InputError

CONFIG = TrainerConfig(image_size=64, epochs=50, optimizer={"warmup_epochs": 2})


@pytest.fixture
def artifacts(tmp_path):
    examples = standard_artifacts.Examples()
    examples.split_names = '["train", "eval"]'
    made = {"model": standard_artifacts.Model(), "model_run": standard_artifacts.ModelRun()}
    for name, artifact in {"examples": examples, **made}.items():
        artifact.uri = str(tmp_path / name)
    return {"examples": [examples]}, {name: [artifact] for name, artifact in made.items()}


def _trainer(**changes):
    channel = channel_utils.as_channel([standard_artifacts.Examples()])
    return Trainer(channel, **{"config": CONFIG} | changes)


def _custom_config(trainer, artifacts):
    properties = {
        key: value if isinstance(value, int | str) else proto_utils.proto_to_json(value)
        for key, value in trainer.exec_properties.items()
        if value is not None
    }
    return Executor()._GetFnArgs(*artifacts, properties).custom_config


@pytest.mark.parametrize("given, trained", [(None, 50), (3, 3)])
def test_the_training_is_given_its_task_and_epochs(given, trained, artifacts):
    custom = _custom_config(_trainer(epochs=given, state_dir="/state"), artifacts)
    asked = CONFIG.model_dump() | {"model": "mini_xception", "epochs": trained}
    assert custom.pop("trainer") == asked
    assert custom == {"task": "image_classification", "state_dir": "/state", "starts_from": {}}


def test_epochs_may_be_a_parameter_of_the_run():
    parameter = RuntimeParameter("epochs", ptype=int, default=5)
    assert _trainer(epochs=parameter).exec_properties["epochs"] is parameter
    assert _trainer().exec_properties.get("epochs") is None


def test_other_weights_to_start_from_are_another_training(artifacts, tmp_path):
    path = tmp_path / "a.weights.h5"
    path.write_bytes(b"one")
    config = CONFIG.model_copy(update={"weights": str(path)})
    told = _custom_config(_trainer(config=config), artifacts)["starts_from"]
    assert told == {"trainer.weights": hashlib.sha256(b"one").hexdigest()}
    path.unlink()
    elsewhere = _trainer(config=config, elsewhere=True)
    assert _custom_config(elsewhere, artifacts)["starts_from"] == {}
    with pytest.raises(InputError, match=r"^trainer.weights: expected an existing file"):
        _trainer(config=config)


def test_what_does_not_fit_the_task_is_refused_when_the_step_is_made():
    with pytest.raises(InputError, match=r"trainer.model: expected a model for points"):
        _trainer(task="points", config=TrainerConfig(model="mini_xception"))

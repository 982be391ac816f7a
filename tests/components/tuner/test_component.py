"""The step, as it is wired and as TFX calls it."""

import json

import pytest

from components.trainer.settings import TrainerConfig
from components.tuner.settings import TunerConfig
from serving.classes import Classes
from serving.errors import InputError

CONFIG = TunerConfig.model_validate(
    {"trials": 2, "epochs": 1, "space": {"learning_rate": {"min": 1e-4, "max": 1e-2}}}
)
TRAINER = TrainerConfig(model="mini_xception", image_size=32, epochs=3)


@pytest.fixture
def examples(tmp_path):
    """An Examples artifact of three classes and nothing else."""
    from tfx.types import standard_artifacts

    from components.datasets.examples import write_classes

    made = standard_artifacts.Examples()
    made.uri = str(tmp_path / "examples")
    write_classes(made.uri, Classes(("ant", "bee", "cow")))
    return made


def test_it_is_given_trials_at_compile_time_and_classes_when_it_runs(
    examples, tmp_path, monkeypatch
):
    from tfx.components.tuner import executor
    from tfx.types.channel_utils import as_channel

    from components.tuner import Tuner

    step = Tuner(as_channel([examples]), config=CONFIG, trainer=TRAINER, state_dir=str(tmp_path))
    custom = json.loads(step.exec_properties["custom_config"])
    assert "classes" not in custom
    assert custom["task"] == "image_classification"
    assert TunerConfig.model_validate(custom["tuner"]) == CONFIG
    assert TrainerConfig.model_validate(custom["trainer"]) == CONFIG.trial_config(TRAINER)

    given = []
    monkeypatch.setattr(executor, "search", lambda _, properties, *rest: given.append(properties))
    monkeypatch.setattr(executor, "write_best_hyperparameters", lambda *_: None)
    step.executor_spec.executor_class().Do({"examples": [examples]}, {}, step.exec_properties)
    told = json.loads(given[0]["custom_config"])["classes"]
    assert Classes.from_json(told, "").names == ("ant", "bee", "cow")


def test_a_search_that_cannot_be_is_refused_when_it_is_wired(examples):
    from tfx.types.channel_utils import as_channel

    from components.tuner import Tuner

    config = CONFIG.model_copy(update={"objective": "val_mean_iou"})
    with pytest.raises(InputError, match=r"tuner\.objective: expected one of val_loss"):
        Tuner(as_channel([examples]), config=config, trainer=TRAINER)

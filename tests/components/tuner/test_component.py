import json

import pytest
from tfx.dsl.components.base.base_executor import BaseExecutor
from tfx.types.channel_utils import as_channel

from components.trainer.settings import TrainerConfig
from components.tuner.component import Tuner
from components.tuner.settings import TunerConfig
from serving.classes import Classes
from serving.errors import InputError

CONFIG = TunerConfig.model_validate(
    {"trials": 2, "epochs": 1, "space": {"learning_rate": {"min": 1e-4, "max": 1e-2}}}
)
NETS = """
import keras


def build(image_size, classes, dropout: float = 0.0):
    inputs = keras.Input((image_size, image_size, 3))
    x = keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(inputs))
    return keras.Model(inputs, keras.layers.Softmax()(x))
"""
TRAINER = TrainerConfig(model="mini_xception", image_size=32, epochs=3)


@pytest.fixture
def examples(tmp_path, write_examples):
    """An Examples artifact of three classes and nothing else."""
    splits = {"train": [], "eval": []}
    return write_examples(tmp_path / "examples", splits, Classes(("ant", "bee", "cow")))


def test_it_is_given_what_trials_have_in_common(examples, tmp_path):
    step = Tuner(as_channel([examples]), config=CONFIG, trainer=TRAINER, state_dir=str(tmp_path))
    custom = json.loads(step.exec_properties["custom_config"])
    assert custom["task"] == "image_classification"
    assert TunerConfig.model_validate(custom["tuner"]) == CONFIG
    assert TrainerConfig.model_validate(custom["trainer"]) == CONFIG.trial_config(TRAINER)


def test_it_builds_for_the_classes_of_the_examples(examples, tmp_path, monkeypatch):
    (tmp_path / "nets_of_two.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    trainer = TRAINER.model_copy(update={"model": "nets_of_two:build"})
    space = {"model_args.dropout": {"values": [0.1, 0.2]}}
    config = TunerConfig.model_validate({"epochs": 1, "space": space})
    step = Tuner(as_channel([examples]), config=config, trainer=trainer)
    context = BaseExecutor.Context(tmp_dir=str(tmp_path), unique_id="1")
    executor = step.executor_spec.executor_class(context)
    with pytest.raises(InputError, match=r"expected an output .* for 3 classes, found \(None, 2\)"):
        executor.Do({"examples": [examples]}, {}, step.exec_properties)


def test_a_search_that_cannot_be_is_refused_when_it_is_wired(examples):
    config = CONFIG.model_copy(update={"objective": "val_mean_iou"})
    line = r"tuner\.objective: expected one of val_loss, val_accuracy, found 'val_mean_iou'$"
    with pytest.raises(InputError, match=line):
        Tuner(as_channel([examples]), config=config, trainer=TRAINER)

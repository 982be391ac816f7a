"""The trainer step: the number of epochs that a run is started with."""

import pytest
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import channel_utils, standard_artifacts

from components.trainer.component import Trainer
from components.trainer.executor import Executor
from components.trainer.settings import TrainerConfig
from serving.errors import InputError

TRAINER = TrainerConfig.model_validate(
    {"model": "mini_xception", "image_size": 64, "epochs": 50, "optimizer": {"warmup_epochs": 2}}
).model_dump()


@pytest.fixture
def artifacts(tmp_path):
    examples = standard_artifacts.Examples()
    examples.split_names = '["train", "eval"]'
    made = {"model": standard_artifacts.Model(), "model_run": standard_artifacts.ModelRun()}
    for name, artifact in {"examples": examples, **made}.items():
        artifact.uri = str(tmp_path / name)
    return {"examples": [examples]}, {name: [artifact] for name, artifact in made.items()}


def _trainer(epochs):
    return Trainer(
        channel_utils.as_channel([standard_artifacts.Examples()]),
        run_fn="some.run_fn",
        custom_config={"problem": "classification", "trainer": TRAINER},
        epochs=epochs,
    )


def _properties(trainer):
    from tfx.utils import proto_utils

    return {
        key: value if isinstance(value, int | str) else proto_utils.proto_to_json(value)
        for key, value in trainer.exec_properties.items()
        if value is not None
    }


@pytest.mark.parametrize("given, trained", [(None, 50), (3, 3)])
def test_epochs_of_the_run_come_before_the_configurations(given, trained, artifacts):
    fn_args = Executor()._GetFnArgs(*artifacts, _properties(_trainer(given)))
    assert fn_args.custom_config["problem"] == "classification"
    assert fn_args.custom_config["trainer"] == TRAINER | {"epochs": trained}


@pytest.mark.parametrize(
    ("epochs", "message"),
    [
        (0, r"trainer.epochs: expected 1 or more without weights, found 0"),
        (2, r"trainer.optimizer.warmup_epochs: expected fewer than trainer.epochs \(2\), found 2"),
    ],
)
def test_epochs_that_do_not_fit_are_refused_in_one_line(artifacts, epochs, message):
    with pytest.raises(InputError, match=message):
        Executor()._GetFnArgs(*artifacts, _properties(_trainer(epochs)))


def test_epochs_may_be_a_parameter_of_the_run():
    parameter = RuntimeParameter("epochs", ptype=int, default=5)
    assert _trainer(parameter).exec_properties["epochs"] is parameter
    assert _trainer(None).exec_properties.get("epochs") is None

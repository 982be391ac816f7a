import pytest

from components.trainer.hyperparameters import replace_values
from components.trainer.settings import TrainerConfig
from serving.errors import InputError

CONFIG = TrainerConfig(model="mini_xception", image_size=32, epochs=3)


def test_values_replace_what_the_configuration_says():
    changed = replace_values(
        CONFIG,
        {"learning_rate": 1, "optimizer.ema": 0.5, "augmentation.flip": True, "model_args.a": 2},
    )
    assert (changed.learning_rate, changed.optimizer.ema) == (1.0, 0.5)
    assert changed.augmentation.flip is True
    assert changed.model_args == {"a": 2}
    rest = changed.model_dump()
    rest["learning_rate"], rest["model_args"] = CONFIG.learning_rate, {}
    rest["optimizer"]["ema"], rest["augmentation"]["flip"] = 0.0, False
    assert rest == CONFIG.model_dump()
    assert CONFIG.model_args == {}


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("learning_rte", 1.0, "trainer.learning_rte: unknown key"),
        ("optimiser.ema", 1.0, "trainer.optimiser.ema: unknown key"),
        ("stages.epochs", 1, "trainer.stages.epochs: unknown key"),
        ("batch_size", 8.5, "trainer.batch_size: expected integer, found 8.5"),
        ("optimizer.ema", 1.0, "trainer.optimizer.ema: expected less than 1, found 1.0"),
        (
            "optimizer.warmup_epochs",
            3,
            "trainer.optimizer.warmup_epochs: expected fewer than trainer.epochs (3), found 3.0",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(key, value, line):
    with pytest.raises(InputError) as error:
        replace_values(CONFIG, {key: value})
    assert str(error.value) == line


def test_a_training_takes_what_the_tuner_chose(make_fn_args, prepared, capsys):
    kind = {"model": "convnet_small_150", "model_args": {}, "image_size": 46, "epochs": 1}
    chosen = {"learning_rate": 3e-3, "batch_size": 6, "optimizer.name": "sgd"}
    tuned = make_fn_args("image_classification", **kind)
    tuned.hyperparameters = {"space": [], "values": chosen}
    config = prepared(tuned)["config"]
    output = capsys.readouterr().out
    assert "chosen by the tuner: learning_rate 0.003, batch_size 6, optimizer.name sgd" in output
    asked = kind | {"learning_rate": 3e-3, "batch_size": 6, "optimizer": {"name": "sgd"}}
    assert config == prepared(make_fn_args("image_classification", **asked))["config"]


def test_what_was_chosen_is_trained_with(make_fn_args, prepared):
    """Also where the run's own parameter asks for no epochs, which no configuration shows."""
    given = {"model": "residual_convnet", "model_args": {}, "epochs": 0, "weights": "a.keras"}
    fn_args = make_fn_args("image_classification", **given)
    fn_args.hyperparameters = {"values": {"learning_rate": 1e-3}}
    with pytest.raises(InputError, match=r"^trainer\.epochs: expected 1 or more with a tuner"):
        prepared(fn_args)

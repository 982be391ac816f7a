import pytest
from pydantic import ValidationError

from components.tasks import get_task
from components.trainer.settings import TrainerConfig, replace_values
from serving.errors import InputError, Mistakes

CLASSES, MASKS, POINTS = "image_classification", "image_segmentation", "points"
AS_THEY_ARE = {"epochs": 0, "weights": "a.keras", "stages": [{"epochs": 1}]}
WARM = {"stages": [{"epochs": 1, "optimizer": {"warmup_epochs": 2}}, {}]}
MIXUP = {"augmentation": {"mixup": 0.2}}
CONFIG = TrainerConfig(model="mini_xception", image_size=32, epochs=3)


def make(task: str = CLASSES, **changes) -> TrainerConfig:
    config = TrainerConfig.model_validate({"image_size": 64} | changes)
    config.check_task(get_task(task))
    return config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": {"warmup_epochs": 10}}, r"warmup_epochs: expected fewer .*\(10\), found 10"),
        ({"optimizer": {"name": "adam", "momentum": 0.9}}, r"momentum: expected 0 .*0.9 with adam"),
        ({"augmentation": {"erasing_scale": [0.3, 0.1]}}, r"the smaller .*first, found \[0.3, 0.1"),
        ({"optimizer": {"ema": 1.0}}, r"optimizer.ema"),
        ({"stages": [{"seed": 2}]}, r"stages.0.seed"),
        (WARM, r"trainer.stages.0: .*warmup_epochs: expected fewer .* \(1\), found 2"),
        ({"epochs": 0}, r"epochs: expected 1 or more without weights, found 0"),
        (AS_THEY_ARE, r"epochs: expected 1 or more with stages, found 0; trainer.stages=\[\]"),
    ],
)
def test_refused_at_once(changes, message):
    with pytest.raises(ValidationError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        (MASKS, MIXUP, r"^trainer.augmentation.mixup: expected 0 "),
        (MASKS, {"stages": [{}, MIXUP]}, r"^trainer.stages.1: .*augmentation.mixup: expected 0 "),
        (CLASSES, {"loss": {"dice": 1.0}}, r"loss.dice: expected 0 \(it is for masks\)"),
        (CLASSES, {"monitor": "val_mean_iou"}, r"trainer.monitor: .* 'val_mean_iou'"),
        (MASKS, {"monitor": "val_accuracy"}, r"trainer.monitor: .* 'val_accuracy'"),
        (CLASSES, {"image_size": None}, r"trainer.image_size: missing"),
        (CLASSES, {"learn": "head", "model": "mini_xception"}, r"learn: .* pretrained backbone"),
        (CLASSES, {"stages": [{"learn": "top"}]}, r"stages.0: trainer.learn: .*'mini_xception'"),
        (CLASSES, {"model": "segmentation_convnet"}, r"a model for image_classification"),
        (CLASSES, {"model": "mini_exception"}, r"did you mean 'mini_xception'"),
        (POINTS, {}, r"trainer.image_size: expected nothing: it is for images, found 64"),
    ],
)
def test_refused_for_the_task(task, changes, message):
    with pytest.raises(InputError, match=message):
        make(task, **changes)


def test_all_mistakes_are_told_and_each_once():
    with pytest.raises(Mistakes) as caught:
        make(monitor="val_iou", loss={"dice": 1.0}, stages=[{"image_size": 32}, {}], model="no")
    assert len(caught.value.errors) == 3
    with pytest.raises(ValidationError) as told:
        make(epochs=0, optimizer={"name": "adam", "momentum": 0.5})
    assert "momentum" in str(told.value)


def test_a_whole_recipe_is_accepted():
    config = make(
        optimizer={"name": "adamw", "schedule": "cosine", "warmup_epochs": 2, "ema": 0.99},
        augmentation={"flip": True, "erasing": 0.5, "erasing_scale": [0.1, 0.2], "mixup": 0.2},
        loss={"label_smoothing": 0.1, "class_weights": [1.0, 2.0]},
        stages=[{"image_size": 32, "epochs": 5}, {}],
        monitor="val_accuracy",
        patience=5,
        precision="mixed_bfloat16",
    )
    # What a step is given passes through JSON and comes back the same.
    assert TrainerConfig.model_validate_json(config.model_dump_json()) == config
    # A warm-up may be left over from the recipe of the weights.
    config = make(epochs=0, weights="a.keras", optimizer={"warmup_epochs": 2})
    assert config.trainings == [config]


def test_a_stage_changes_what_it_names_and_nothing_else():
    config = make(
        image_size=160,
        weights="start.keras",
        loss={"label_smoothing": 0.1},
        augmentation={"flip": True, "crop": 0.5},
        stages=[
            {"image_size": 80, "epochs": 7, "augmentation": {"crop": 0.3}},
            {"image_size": 128, "epochs": 3, "learning_rate": 1e-4},
            {},
        ],
    )
    first, second, last = config.trainings
    assert [stage.image_size for stage in (first, second, last)] == [80, 128, 160]
    assert [stage.epochs for stage in (first, second, last)] == [7, 3, 10]
    assert [stage.learning_rate for stage in (first, second, last)] == [1e-3, 1e-4, 1e-3]
    assert [stage.weights for stage in (first, second, last)] == ["start.keras", "", ""]
    assert (first.augmentation.flip, first.augmentation.crop) == (False, 0.3)
    assert second.augmentation == last.augmentation
    assert last == config.model_copy(update={"stages": [], "weights": ""})


def test_values_replace_what_the_configuration_says():
    values = {"learning_rate": 1, "optimizer.ema": 0.5, "augmentation.flip": True}
    changed = replace_values(CONFIG, values | {"model_args.a": 2})
    assert (changed.learning_rate, changed.optimizer.ema) == (1.0, 0.5)
    assert changed.augmentation.flip is True
    assert changed.model_args == {"a": 2}
    rest = changed.model_dump()
    rest["learning_rate"], rest["model_args"] = CONFIG.learning_rate, {}
    rest["optimizer"]["ema"], rest["augmentation"]["flip"] = 0.0, False
    assert rest == CONFIG.model_dump()
    assert CONFIG.model_args == {}


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("learning_rte", 1.0, "unknown key"),
        ("stages.epochs", 1, "unknown key"),
        ("batch_size", 8.5, "expected integer, found 8.5"),
        ("optimizer.ema", 1.0, "expected less than 1, found 1.0"),
        ("optimizer.warmup_epochs", 3, "expected fewer than trainer.epochs (3), found 3.0"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(key, value, told):
    with pytest.raises(InputError) as error:
        replace_values(CONFIG, {key: value})
    assert str(error.value) == f"trainer.{key}: {told}"


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

    # The run's own parameter may ask for no epochs, which no configuration shows.
    as_they_are = make_fn_args("image_classification", **kind | {"epochs": 0, "weights": "a.keras"})
    as_they_are.hyperparameters = tuned.hyperparameters
    with pytest.raises(InputError, match=r"^trainer\.epochs: expected 1 or more with a tuner"):
        prepared(as_they_are)

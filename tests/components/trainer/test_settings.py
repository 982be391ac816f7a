"""What a configuration of a training may not say."""

import pytest
from pydantic import ValidationError

from components.tasks import get_task
from components.trainer.settings import TrainerConfig
from serving.errors import InputError, Mistakes

CLASSES, MASKS, POINTS = "image_classification", "image_segmentation", "points"


def make(task: str = CLASSES, **changes) -> TrainerConfig:
    config = TrainerConfig.model_validate({"image_size": 64} | changes)
    config.check_task(get_task(task))
    return config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"optimizer": {"warmup_epochs": 10}},
            r"warmup_epochs: expected fewer .* \(10\), found 10",
        ),
        ({"optimizer": {"name": "adam", "momentum": 0.9}}, r"momentum: expected 0 .*0.9 with adam"),
        (
            {"augmentation": {"erasing_scale": [0.3, 0.1]}},
            r"the smaller .* first, found \[0.3, 0.1",
        ),
        ({"optimizer": {"ema": 1.0}}, r"optimizer.ema"),
        ({"stages": [{"seed": 2}]}, r"stages.0.seed"),
        (
            {"stages": [{"epochs": 1, "optimizer": {"warmup_epochs": 2}}, {}]},
            r"trainer.stages.0: .*warmup_epochs: expected fewer .* \(1\), found 2",
        ),
        ({"epochs": 0}, r"epochs: expected 1 or more without weights, found 0"),
        (
            {"epochs": 0, "weights": "a.keras", "stages": [{"epochs": 1}]},
            r"epochs: expected 1 or more with stages, found 0; trainer.stages=\[\]",
        ),
    ],
)
def test_refused_at_once(changes, message):
    with pytest.raises(ValidationError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        (MASKS, {"augmentation": {"mixup": 0.2}}, r"^trainer.augmentation.mixup: expected 0 "),
        (
            MASKS,
            {"stages": [{}, {"augmentation": {"mixup": 0.2}}]},
            r"^trainer.stages.1: trainer.augmentation.mixup: expected 0 ",
        ),
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


def test_a_warm_up_may_be_left_over_from_the_recipe_of_the_weights():
    config = make(epochs=0, weights="a.keras", optimizer={"warmup_epochs": 2})
    assert config.trainings == [config]

"""What a configuration of a training may not say."""

import pytest
from pydantic import ValidationError

from components.trainer.settings import TrainerConfig
from serving.errors import InputError


def make(problem: str = "classification", **changes) -> TrainerConfig:
    models = {"classification": "mini_xception", "segmentation": "segmentation_convnet"}
    config = TrainerConfig.model_validate({"model": models[problem], "image_size": 64} | changes)
    config.check_problem(problem)
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
        ({"precision": "float16"}, r"precision"),
        ({"fine_tune": {}}, r"fine_tune.epochs"),
        ({"loss": {"class_weights": "even"}}, r"class_weights"),
        ({"earlier_stages": [{"image_size": 32}]}, r"earlier_stages.0.epochs"),
        ({"earlier_stages": [{"epochs": 1, "seed": 2}]}, r"earlier_stages.0.seed"),
        (
            {"earlier_stages": [{"epochs": 1, "optimizer": {"warmup_epochs": 2}}]},
            r"trainer.earlier_stages.0: .*warmup_epochs: expected fewer .* \(1\), found 2",
        ),
        (
            {"optimizer": {"warmup_epochs": 2}, "fine_tune": {"epochs": 2}},
            r"warmup_epochs: expected fewer than trainer.fine_tune.epochs \(2\), found 2",
        ),
        (
            {"earlier_stages": [{"epochs": 1}], "fine_tune": {"epochs": 1}},
            r"earlier_stages: expected none with trainer.fine_tune",
        ),
        ({"epochs": -1}, r"epochs"),
        ({"epochs": 0}, r"epochs: expected 1 or more without weights, found 0"),
        (
            {"epochs": 0, "weights": "a.keras", "fine_tune": {"epochs": 1}},
            r"epochs: expected 1 or more with fine_tune, found 0; trainer.fine_tune=null",
        ),
        (
            {"epochs": 0, "weights": "a.keras", "earlier_stages": [{"epochs": 1}]},
            r"epochs: expected 1 or more with earlier_stages, found 0; trainer.earlier_stages=\[\]",
        ),
    ],
)
def test_refused_at_once(changes, message):
    with pytest.raises(ValidationError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("problem", "changes", "message"),
    [
        ("segmentation", {"augmentation": {"mixup": 0.2}}, r"mixup: expected 0 .* classification"),
        (
            "segmentation",
            {"earlier_stages": [{"epochs": 1, "augmentation": {"mixup": 0.2}}]},
            r"trainer.earlier_stages.0: trainer.augmentation.mixup: expected 0 .* classification",
        ),
        (
            "segmentation",
            {"loss": {"class_weights": [1.0, 2.0]}},
            r"class_weights: .* 3 .* found 2",
        ),
        (
            "classification",
            {"loss": {"class_weights": [1.0]}},
            r"class_weights: .*cat, dog.* found 1",
        ),
        ("classification", {"loss": {"dice": 1.0}}, r"loss.dice: expected 0 .* segmentation"),
        ("classification", {"monitor": "val_mean_iou"}, r"trainer.monitor: .* 'val_mean_iou'"),
        ("segmentation", {"monitor": "val_accuracy"}, r"trainer.monitor: .* 'val_accuracy'"),
        ("classification", {"image_size": None}, r"trainer.image_size: missing"),
        ("classification", {"training_step": "gradient_tape"}, r"training_step: expected 'fit'"),
        ("classification", {"fine_tune": {"epochs": 1}}, r"fine_tune: .* pretrained backbone"),
        ("classification", {"model": "segmentation_convnet"}, r"a model for classification"),
        ("classification", {"model": "mini_exception"}, r"did you mean 'mini_xception'"),
    ],
)
def test_refused_for_the_problem(problem, changes, message):
    with pytest.raises(InputError, match=message):
        make(problem, **changes)


def test_a_whole_recipe_is_accepted():
    config = make(
        optimizer={"name": "adamw", "schedule": "cosine", "warmup_epochs": 2, "ema": 0.99},
        augmentation={"flip": True, "erasing": 0.5, "erasing_scale": [0.1, 0.2], "mixup": 0.2},
        loss={"label_smoothing": 0.1, "class_weights": [1.0, 2.0]},
        monitor="val_accuracy",
        patience=5,
        precision="mixed_bfloat16",
    )
    # What a step is given passes through JSON and comes back the same.
    assert TrainerConfig.model_validate_json(config.model_dump_json()) == config


def test_an_earlier_stage_changes_what_it_names_and_nothing_else():
    first, second, last = make(
        image_size=160,
        weights="start.keras",
        loss={"label_smoothing": 0.1},
        augmentation={"flip": True, "crop": 0.5},
        earlier_stages=[
            {"image_size": 80, "epochs": 7, "augmentation": {"crop": 0.3}},
            {"image_size": 128, "epochs": 3, "learning_rate": 1e-4},
        ],
    ).stages
    assert [stage.image_size for stage in (first, second, last)] == [80, 128, 160]
    assert [stage.epochs for stage in (first, second, last)] == [7, 3, 10]
    assert [stage.learning_rate for stage in (first, second, last)] == [1e-3, 1e-4, 1e-3]
    assert [stage.weights for stage in (first, second, last)] == ["start.keras", "", ""]
    assert (first.augmentation.flip, first.augmentation.crop) == (False, 0.3)
    assert second.augmentation == last.augmentation
    assert all(stage.loss.label_smoothing == 0.1 for stage in (first, second, last))
    assert not any(stage.earlier_stages for stage in (first, second, last))


def test_a_warm_up_may_be_left_over_from_the_recipe_of_the_weights():
    config = make(epochs=0, weights="a.keras", optimizer={"warmup_epochs": 2})
    assert config.stages == [config]

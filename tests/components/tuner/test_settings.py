import pytest
from pydantic import ValidationError

from components.tasks import get_task
from components.trainer.sections import ExportConfig
from components.trainer.settings import TrainerConfig
from components.tuner.settings import TunerConfig

TRAINER = TrainerConfig(
    model="mini_xception", image_size=64, epochs=20, patience=3, sample_epochs=5, seed=7
)
CLASSES, MASKS = get_task("image_classification"), get_task("image_segmentation")
RANGE = {"min": 1e-4, "max": 1e-2, "log": True}
SMOOTHING = {"loss.label_smoothing": {"values": [0.0, 0.1]}}


def make(space: dict | None = None, **more) -> TunerConfig:
    tree = {"epochs": 2, "space": {"learning_rate": RANGE} if space is None else space}
    return TunerConfig.model_validate(tree | more)


def mistakes(space, task=CLASSES, trainer=TRAINER, **more):
    """The lines that a section is refused with, while it is read or beside the training."""
    try:
        return list(map(str, make(space, **more).task_mistakes(task, trainer)))
    except ValidationError as error:
        return str(error.errors()[0]["ctx"]["error"]).splitlines()


def refusal(space: dict, **more) -> str:
    (line,) = mistakes(space, **more)
    return line


def test_sections_in_sections_are_the_same_as_dotted_keys():
    dotted = make({"optimizer.ema": {"values": [0.0, 0.9]}, "model_args.x": RANGE})
    nested = make({"optimizer": {"ema": {"values": [0.0, 0.9]}}, "model_args": {"x": RANGE}})
    assert nested == dotted
    assert TunerConfig.model_validate(dotted.model_dump()) == dotted


NO_NUMBERS = [
    ({"min": "x", "max": 1}, "min"),
    ({"min": 0, "max": float("inf")}, "max"),
    ({"min": True, "max": 2}, "min"),
    ({"values": [1, None]}, "values.1"),
]


@pytest.mark.parametrize(("dimension", "key"), NO_NUMBERS)
def test_a_value_that_is_no_number_is_named_by_its_key(dimension, key):
    with pytest.raises(ValidationError) as caught:
        make({"optimizer.ema": dimension})
    (error,) = caught.value.errors()
    assert ".".join(map(str, error["loc"])) == f"space.optimizer.ema.{key}"
    assert error["msg"] == "Input should be a finite number"


def test_trials_have_the_rest_in_common():
    common = make(objective="val_accuracy").trial_config(TRAINER)
    expected = {"epochs": 2, "monitor": "val_accuracy", "sample_epochs": 0}
    assert common.model_dump() == TRAINER.model_dump() | expected
    assert make().trial_config(TRAINER).monitor == "val_loss"
    # Trials are not exported: with another export, the same search is not made again.
    flipped = TRAINER.model_copy(update={"export": ExportConfig(test_time_flip=True)})
    assert make().trial_config(flipped) == make().trial_config(TRAINER)


@pytest.mark.parametrize(
    ("space", "line"),
    [
        ({}, ": expected at least one key, found none"),
        ({"learning_rte": RANGE}, ".learning_rte: unknown key; did you mean 'learning_rate'?"),
        (
            {"learning_rate": {"min": 0, "max": 1}},
            " (learning_rate 0): trainer.learning_rate: expected greater than 0, found 0",
        ),
        (
            {"batch_size": {"min": 8, "max": 16.5}},
            " (batch_size 16.5): trainer.batch_size: expected integer, found 16.5",
        ),
        (
            SMOOTHING,
            ".loss.label_smoothing: it changes what val_loss means; set tuner.objective to another "
            "value",
        ),
        (
            {
                "optimizer": {
                    "name": {"values": ["sgd", "adam"]},
                    "momentum": {"values": [0.0, 0.9]},
                }
            },
            " (optimizer.name adam, optimizer.momentum 0.9): trainer.optimizer.momentum: "
            "expected 0 (only rmsprop and sgd have one), found 0.9 with adam",
        ),
    ],
)
def test_bad_spaces_are_told_in_one_line(space, line):
    assert refusal(space) == f"tuner.space{line}"


@pytest.mark.parametrize(
    ("dimension", "kind"),
    [
        ({"min": 2, "max": 1}, "'min' below 'max'"),
        ({"min": 1}, "'min' below 'max'"),
        ({"min": 0, "max": 1, "log": True}, "'min' below 'max', both above 0 with 'log'"),
        ({"min": 1, "max": 9, "values": [1, 2]}, "'values', two or more"),
        ({"values": [8]}, "'values', two or more"),
        ({"values": [8, 16, 8]}, "'values', two or more of one kind, all different"),
        ({"values": [8, True]}, "'values', two or more of one kind"),
    ],
)
def test_what_is_neither_a_range_nor_a_list_is_told(dimension, kind):
    line = refusal({"batch_size": dimension})
    assert line.startswith(f"tuner.space.batch_size: expected {kind}")
    assert f"found {dimension}" in line


@pytest.mark.parametrize("key", ["image_size", "monitor", "export.test_time_flip"])
def test_what_is_learnt_and_how_it_is_judged_is_not_searched(key):
    line = refusal({key: {"values": [64, 128]}})
    assert line.startswith(f"tuner.space.{key}: expected a key that trials may differ in")


def test_a_loss_may_vary_where_something_else_judges():
    assert mistakes(SMOOTHING, objective="val_accuracy") == []
    space = {"loss.dice": {"values": [0.0, 1.0]}}
    assert "it is for masks" in refusal(space, objective="val_accuracy")
    trainer = TrainerConfig(image_size=64, sample_epochs=0)  # the task's own model
    assert mistakes(space, task=MASKS, trainer=trainer, objective="val_mean_iou") == []


def test_all_mistakes_are_told_at_once_and_each_once():
    space = {"learning_rte": RANGE, "image_size": {"values": [32, 64]}, "learning_rate": RANGE}
    keys = [line.partition(":")[0] for line in mistakes(space)]
    assert keys == ["tuner.space.learning_rte", "tuner.space.image_size"]
    space = {
        "learning_rate": {"min": 0, "max": 1},
        "optimizer.ema": {"min": 0, "max": 2},
        "batch_size": {"values": [8, 16]},
    }
    keys = [line.partition(")")[0] for line in mistakes(space)]
    assert keys == ["tuner.space (learning_rate 0", "tuner.space (optimizer.ema 2"]
    space = {"learning_rate": {"min": 1.0}, "batch_size": {"values": [8]}}
    assert len(mistakes(space, algorithm="bayesian", trials=2)) == 3
    # Nor what is wrong without a tuner.
    wrong = TRAINER.model_copy(update={"monitor": "val_mean_iou"})
    assert list(wrong.task_mistakes(CLASSES))
    assert mistakes({"learning_rate": RANGE}, trainer=wrong, objective="val_loss") == []


def test_trials_and_training_must_both_be_possible():
    warm = TrainerConfig.model_validate(TRAINER.model_dump() | {"optimizer": {"warmup_epochs": 3}})
    assert refusal({"learning_rate": RANGE}, trainer=warm).startswith(
        "tuner.epochs: trainer.optimizer.warmup_epochs: expected fewer than trainer.epochs (2)"
    )
    # Five epochs of warming up fit into ten of a trial, but not into the training's four.
    short = TrainerConfig.model_validate(TRAINER.model_dump() | {"epochs": 4})
    space = {"optimizer.warmup_epochs": {"min": 0, "max": 5}}
    assert mistakes(space, epochs=10) == []
    assert "expected fewer than trainer.epochs (4)" in refusal(space, trainer=short, epochs=10)


def test_a_bayesian_search_has_trials_to_learn_from():
    space = {"learning_rate": RANGE, "optimizer.ema": {"min": 0, "max": 0.9}}
    assert refusal(space, algorithm="bayesian", trials=4) == (
        "tuner.trials: expected more than the 4 that a bayesian search of 2 keys draws at random "
        "first, found 4"
    )
    assert mistakes(space, algorithm="bayesian", trials=5) == []
    assert mistakes(space, algorithm="random", trials=1) == []


def test_neither_stages_nor_weights_as_they_are_are_tuned():
    for changes, line in (
        ({"stages": [{"epochs": 2}, {}]}, "stages: expected none with a tuner, found 2"),
        ({"epochs": 0, "weights": "a"}, "epochs: expected 1 or more with a tuner, found 0"),
    ):
        trainer = TrainerConfig.model_validate(TRAINER.model_dump() | changes)
        told = refusal({"learning_rate": RANGE}, trainer=trainer)
        assert told.startswith(f"trainer.{line}")

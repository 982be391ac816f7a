"""The search over a training whose result is known, from its learning rate and optimizer."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.datasets.examples import write_classes
from components.trainer.fit.trial import Trial
from components.trainer.settings import TrainerConfig
from components.tuner.run import Search, _check_batch_sizes, tuner_fn
from components.tuner.settings import TunerConfig
from serving.classes import Classes
from serving.errors import FailedError, InputError

BEST_RATE = 1e-3
RATE = {"learning_rate": {"min": 1e-5, "max": 1e-1, "log": True}}
SPACE = RATE | {"optimizer.name": {"values": ["sgd", "adam"]}}


def make_tuner(**changes) -> TunerConfig:
    tree = {"trials": 8, "epochs": 2, "algorithm": "random", "space": SPACE}
    return TunerConfig.model_validate(tree | changes)


def make_base(seed: int = 5, **changes) -> TrainerConfig:
    return TrainerConfig(model="mini_xception", image_size=32, epochs=2, seed=seed, **changes)


def value_of(config: TrainerConfig) -> float:
    """Least at the best rate, and one more with sgd."""
    return abs(math.log10(config.learning_rate / BEST_RATE)) + (config.optimizer.name == "sgd")


class Training:
    """Its best value is in the first of two epochs; remembers what it was asked for."""

    def __init__(self, monitor: str = "val_loss", sign: float = 1.0):
        self.asked: list[TrainerConfig] = []
        self._monitor, self._sign = monitor, sign

    def __call__(self, config: TrainerConfig, folder: Path):
        assert folder.is_dir()
        self.asked.append(config)
        best = self._sign * value_of(config)
        worse = best + self._sign
        return Trial([{"epoch": 1, self._monitor: best}, {"epoch": 2, self._monitor: worse}])


def run_search(tuner, base, train, folder=""):
    """Searches as TFX's executor does."""
    search = Search(tuner, base, train, str(folder))
    search.search_space_summary()
    search.search()
    search.results_summary()
    return search


def best_values(search) -> dict:
    return search.get_best_hyperparameters()[0].get_config()["values"]


@pytest.mark.parametrize(
    ("algorithm", "monitor", "sign"),
    [("random", "val_loss", 1.0), ("bayesian", "val_loss", 1.0), ("random", "val_accuracy", -1.0)],
)
def test_the_best_trial_is_chosen(algorithm, monitor, sign, *, tmp_path, capsys):
    training, base = Training(monitor, sign), make_base(monitor=monitor)
    search = run_search(make_tuner(algorithm=algorithm), base, training, tmp_path)
    assert len(training.asked) == 8
    best = min(training.asked, key=value_of)
    chosen = {"learning_rate": best.learning_rate, "optimizer.name": best.optimizer.name}
    assert best_values(search) == chosen
    # The rest is as it was, and every trial another one.
    for config in training.asked:
        rest = config.model_dump() | {"learning_rate": 1e-3, "optimizer": {}}
        assert rest == base.model_dump() | {"optimizer": {}}
        assert 1e-5 <= config.learning_rate <= 1e-1
    assert len({config.learning_rate for config in training.asked}) == 8
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{algorithm} search: learning_rate, optimizer.name"
    first = sign * value_of(training.asked[0])
    assert lines[2] == f"trial 1 of at most 8: {monitor} {first:.4f} in epoch 1"
    assert lines[-1].startswith(f"best of 8 trials: learning_rate {best.learning_rate:.4g}")
    assert not list(tmp_path.iterdir())  # KerasTuner's own files are gone


def asked(seed=5, **changes) -> list[TrainerConfig]:
    """What a whole search asks for."""
    training = Training()
    run_search(make_tuner(**changes), make_base(seed), training)
    return training.asked


def test_bayesian_search_learns_from_its_trials():
    random, bayesian = (
        sum(map(value_of, asked(trials=10, space=RATE, algorithm=algorithm)[6:]))
        for algorithm in ("random", "bayesian")
    )
    assert bayesian < 0.7 * random


@pytest.mark.parametrize(("algorithm", "seed"), [("random", 0), ("bayesian", 5)])
def test_the_seed_decides(algorithm, seed):
    how = {"algorithm": algorithm, "trials": 5}
    one, same, other = (asked(each, **how) for each in (seed, seed, seed + 1))
    assert one == same
    assert [c.learning_rate for c in one] != [c.learning_rate for c in other]


def test_a_killed_or_longer_search_asks_for_the_same_again(tmp_path):
    class Killed(Training):
        def __call__(self, config, folder):
            if len(self.asked) == 3:
                raise KeyboardInterrupt
            return super().__call__(config, folder)

    killed, again, how = Killed(), Training(), {"algorithm": "bayesian", "trials": 4, "space": RATE}
    with pytest.raises(KeyboardInterrupt):
        run_search(make_tuner(**how), make_base(), killed, tmp_path)
    run_search(make_tuner(**how), make_base(), again, tmp_path)
    assert again.asked[:3] == killed.asked
    assert again.asked == asked(**how) == asked(**how | {"trials": 6})[:4]


def test_kinds_of_values():
    training = Training()
    space = {
        "augmentation.flip": {"values": [True, False]},
        "batch_size": {"min": 4, "max": 9},
        "optimizer.ema": {"min": 0, "max": 0.5},
        "optimizer.weight_decay": {"min": 0, "max": 1},  # of whole ends, but holds a fraction
        "model_args.width": {"min": 1, "max": 64, "log": True},
        "model_args.scale": {"values": [1, 0.5]},
    }
    search = run_search(make_tuner(trials=20, space=space), make_base(), training)
    asked = training.asked
    assert {type(config.augmentation.flip) for config in asked} == {bool}
    assert {config.augmentation.flip for config in asked} == {True, False}
    assert {4, 9} <= {config.batch_size for config in asked} <= set(range(4, 10))
    assert all(0 <= config.optimizer.ema <= 0.5 for config in asked)
    assert len({config.optimizer.weight_decay for config in asked}) > 10
    widths = [config.model_args["width"] for config in asked]
    assert all(type(width) is int and 1 <= width <= 64 for width in widths)
    assert sum(width <= 8 for width in widths) >= 6  # half of the factors
    assert {config.model_args["scale"] for config in asked} == {1.0, 0.5}
    json.dumps(best_values(search))  # as TFX writes them


def test_a_small_space_is_soon_tried():
    found = asked(trials=10, space={"batch_size": {"values": [8, 16, 32]}})
    assert sorted(config.batch_size for config in found) == [8, 16, 32]


def test_failed_trials_are_passed_over(capsys):
    class Fragile(Training):
        def __call__(self, config, folder):
            trial = super().__call__(config, folder)
            return Trial([], "loss is nan") if config.learning_rate > 1e-4 else trial

    training = Fragile()
    search = run_search(make_tuner(trials=12), make_base(), training)
    assert len(training.asked) == 12
    assert best_values(search)["learning_rate"] <= 1e-4
    assert ": loss is nan\n" in capsys.readouterr().out


def test_a_search_without_a_result_is_an_error(tmp_path):
    broken = Trial([], "loss is nan at epoch 1, step 2")
    with pytest.raises(FailedError, match=r"none of the tuner's 4 trials .*loss is nan at epoch 1"):
        run_search(make_tuner(trials=4), make_base(), lambda *_: broken, tmp_path)


def test_other_errors_end_the_search():
    def fail(config, folder):
        raise error

    for error in (InputError("no such argument"), OSError("disk full")):
        with pytest.raises(type(error)) as raised:
            run_search(make_tuner(), make_base(), fail)
        assert raised.value is error


def test_several_nodes_are_refused(monkeypatch):
    cluster = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(cluster))
    with pytest.raises(InputError, match=r"TF_CONFIG: expected no other node .* found 2 nodes"):
        tuner_fn(SimpleNamespace(custom_config={}))


@pytest.mark.parametrize(
    ("sizes", "found"), [({"values": [16, 24, 32]}, "24"), ({"min": 16, "max": 64}, "a range")]
)
def test_batch_sizes_that_gpus_cannot_share_are_refused(sizes, found):
    space = make_tuner(space={"batch_size": sizes})
    with pytest.raises(InputError, match=f"multiples of the 16 GPUs .* found {found}$"):
        _check_batch_sizes(space, 16)
    _check_batch_sizes(space, 1)
    _check_batch_sizes(make_tuner(space={"batch_size": {"values": [16, 32]}}), 16)


@pytest.mark.parametrize(
    ("key", "values", "line"),
    [
        ("batch_norm_momentm", {"values": [0.5, 0.9]}, r".*did you mean 'batch_norm_momentum'\?"),
        ("batch_norm_momentum", {"min": 0.5, "max": 1.5}, r"expected .* \[0, 1\), found 1\.5"),
    ],
)
def test_arguments_are_tried_before_the_first_trial(key, values, line, tmp_path):
    write_classes(str(tmp_path), Classes(("cat", "dog")))
    tuner = make_tuner(space={f"model_args.{key}": values})
    custom = {"trainer": make_base().model_dump(), "tuner": tuner.model_dump()}
    files = [f"{tmp_path}/Split-train/*"]
    custom["task"] = "image_classification"
    fn_args = SimpleNamespace(custom_config=custom, train_files=files, eval_files=[])
    with pytest.raises(InputError, match=rf"trainer\.model_args\.{key}: {line}"):
        tuner_fn(fn_args)

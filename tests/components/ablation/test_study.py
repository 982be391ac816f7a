import dataclasses
import itertools

import numpy as np
import pytest
from PIL import Image

from components import models
from components.trainer.settings import TrainerConfig
from serving.errors import InputError


def make_config(**changes) -> TrainerConfig:
    base = {"model": "mini_xception", "image_size": 32, "batch_size": 8, "epochs": 1, "seed": 5}
    return TrainerConfig.model_validate(base | changes)


def made_up(names=("residual", "batch_norm", "separable"), broken: int = 5) -> dict:
    """A comparison in which one combination has no whole epoch."""
    rows = []
    for number, values in enumerate(itertools.product((True, False), repeat=len(names))):
        whole = number != broken
        rows.append(
            {
                "switches": dict(zip(names, values, strict=True)),
                "parameters": 1_000 + number,
                "multiply_adds": 2_000_000 * (number + 1),
                "failure": "" if whole else "loss is nan at epoch 1, step 2",
                "best_epoch": number + 1 if whole else None,
                "validation": {"loss": 0.9 - number / 10, "accuracy": 0.5} if whole else {},
                "seconds_per_epoch": 12.345 if whole else None,
                "epochs": [{}] if whole else [],
            }
        )
    return {
        "model": "mini_xception",
        "monitor": "val_loss",
        "pictures": {"train": 2000, "eval": 1000},
        "trainer": {"epochs": 9, "seed": 7},
        "combinations": rows,
    }


@pytest.fixture(scope="module")
def ablation():
    from components.ablation import study as ablation

    return ablation


@pytest.fixture
def one_switch(monkeypatch):
    """mini_xception with a single switch: two combinations are soon trained."""
    spec = dataclasses.replace(models.spec("mini_xception"), ablations=("residual",))
    monkeypatch.setitem(models._SPECS, "mini_xception", spec)


@pytest.fixture
def shared(splits):
    from components.trainer.fit.trial import index_splits

    return index_splits(*splits, "classification", make_config())


@pytest.mark.usefixtures("one_switch")
def test_combinations_differ_in_the_switches_alone(ablation, shared, tmp_path, monkeypatch, capsys):
    from components.models.cost import multiply_adds

    config = make_config(patience=1, model_args={"batch_norm_momentum": 0.5})
    comparison = ablation.compare(config, shared, tmp_path)
    rows = comparison["combinations"]
    assert [row["switches"] for row in rows] == [{"residual": True}, {"residual": False}]
    for row in rows:
        model = models.build("mini_xception", 32, batch_norm_momentum=0.5, **row["switches"])
        assert row["parameters"] == model.count_params()
        assert row["multiply_adds"] == multiply_adds(model)
        (epoch,) = row["epochs"]
        assert row["best_epoch"] == 1
        assert row["validation"] == {"loss": epoch["val_loss"], "accuracy": epoch["val_accuracy"]}
        assert row["seconds_per_epoch"] == epoch["seconds"]
    assert rows[0]["epochs"][0]["loss"] != rows[1]["epochs"][0]["loss"]
    assert comparison["pictures"] == {"train": 24, "eval": 8}
    assert comparison["trainer"]["patience"] == 0
    assert "combination 2 of 2: all off" in capsys.readouterr().out

    # What is done is not trained again, and a larger budget is another ablation.
    def forbid(*args, **kwargs):
        raise AssertionError("trained again")

    from components.trainer.fit import trial

    monkeypatch.setattr(trial.loop, "fit", forbid)
    assert ablation.compare(config, shared, tmp_path) == comparison
    with pytest.raises(AssertionError, match="trained again"):
        ablation.compare(make_config(epochs=2), shared, tmp_path)


@pytest.mark.usefixtures("one_switch")
def test_a_broken_training_does_not_stop_the_others(ablation, shared, tmp_path):
    config = make_config(learning_rate=1e38, optimizer={"name": "sgd"})
    comparison = ablation.compare(config, shared, tmp_path)
    assert len(comparison["combinations"]) == 2
    assert all("is" in row["failure"] for row in comparison["combinations"])
    assert "-" in ablation.table(comparison)[1][0]


@pytest.mark.usefixtures("one_switch")
def test_wrong_arguments_are_the_users(ablation, shared, tmp_path):
    with pytest.raises(InputError, match=r"trainer\.model_args\.momentum"):
        ablation.compare(make_config(model_args={"momentum": 0.5}), shared, tmp_path)


def test_switches_are_true_or_false():
    import inspect

    for name in models.MODEL_NAMES:
        parameters = inspect.signature(models._builder(name)).parameters
        for switch in models.spec(name).ablations:
            assert parameters[switch].annotation is bool
            assert parameters[switch].default is True
    assert models.spec("mini_xception").ablations == ("residual", "batch_norm", "separable")


def test_table_tells_it_all(ablation):
    header, lines = ablation.table(made_up())
    assert header[:3] == ["residual", "batch norm", "separable"]
    assert dict(zip(header, lines[1], strict=True)) == {
        "residual": "yes",
        "batch norm": "yes",
        "separable": "no",
        "parameters": "1,001",
        "multiply-adds (M)": "4.0",
        "best epoch": "2",
        "val. loss": "0.8000",
        "val. accuracy": "0.5000",
        "s an epoch": "12.3",
    }
    assert lines[5][5:] == ["-", "-", "-", "-"]


def test_page_is_a_table_with_its_budget(ablation):
    page = ablation.markdown(made_up())
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 8
    assert len({line.count("|") for line in rows}) == 1
    assert "2,000 pictures" in page
    assert "9 epochs each, seed 7" in page
    assert "batch norm: loss is nan at epoch 1, step 2." in page


def test_chart_has_the_best_on_top(tmp_path):
    from components.ablation import chart as ablation_chart

    comparison = made_up()
    ranked = ablation_chart._ranked(comparison)
    assert [row["parameters"] for row in ranked] == [1007, 1006, 1004, 1003, 1002, 1001, 1000, 1005]
    by_accuracy = made_up() | {"monitor": "val_accuracy"}
    by_accuracy["combinations"][3]["validation"]["accuracy"] = 0.9
    assert ablation_chart._ranked(by_accuracy)[0]["parameters"] == 1003

    ablation_chart.draw_ablation(comparison, tmp_path / "chart.png")
    pixels = np.asarray(Image.open(tmp_path / "chart.png").convert("RGB")).astype(int)
    blue = pixels[..., 2] - pixels[..., 0] > 80
    edges = np.flatnonzero(np.diff(blue.any(axis=1).astype(int)))
    middles = edges.reshape(8, 2).mean(axis=1).astype(int)  # a row of dots each
    switches = blue[middles, : blue.shape[1] // 6].astype(int)
    shown = (np.diff(switches, axis=1) == 1).sum(axis=1)
    assert shown.tolist() == [sum(row["switches"].values()) for row in ranked]


def test_chart_of_nothing_but_broken_trainings(tmp_path):
    from components.ablation.chart import draw_ablation

    draw_ablation(made_up(("residual",), broken=0) | {"monitor": "val_loss"}, tmp_path / "a.png")
    comparison = made_up(("residual",), broken=0)
    comparison["combinations"] = comparison["combinations"][:1]
    draw_ablation(comparison, tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")

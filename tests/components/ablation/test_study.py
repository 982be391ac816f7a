import io
import itertools
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from components import features, models
from components.ablation import study as ablation
from components.models.cost import multiply_adds
from components.tasks import get_task
from components.trainer.input.split import index_splits
from components.trainer.settings import TrainerConfig
from serving.classes import Classes
from serving.errors import InputError

NETS = """
import keras

from components.models import ModelSpec


def build(image_size, classes, wide: bool = True, deep: bool = True, dropout: float = 0.0):
    inputs = keras.Input((image_size, image_size, 3))
    x = keras.layers.Rescaling(1 / 255)(inputs)
    x = keras.layers.Conv2D(8 if wide else 2, 3)(x)
    if deep:
        x = keras.layers.Conv2D(4, 3)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(classes, name="logits")(keras.layers.Dropout(dropout)(x))
    return keras.Model(inputs, keras.layers.Softmax()(x))


spec = ModelSpec("switched", "switched_nets:build", ablations=("wide", "deep"))
"""
MODEL = "switched_nets:spec"
CLASSES = Classes(("blue", "green", "red"))


def make_config(**changes) -> TrainerConfig:
    base = {"model": MODEL, "image_size": 32, "batch_size": 8, "epochs": 1, "seed": 5}
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
        "unit": "images",
        "examples": {"train": 2000, "eval": 1000},
        "trainer": {"epochs": 9, "seed": 7},
        "combinations": rows,
    }


@pytest.fixture(autouse=True)
def _nets(tmp_path, monkeypatch):
    (tmp_path / "switched_nets.py").write_text(NETS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("switched_nets", None)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, write_examples):
    """24 images to learn from and 8 to validate with, of three plain colors."""

    def example(number: int) -> dict:
        pixels = np.random.default_rng(number).integers(0, 90, (16, 16, 3)).astype(np.uint8)
        pixels[..., number % 3] += 120
        return {
            features.KEY: f"{number:016x}",
            features.FILENAME: "x.png",
            features.IMAGE: pixels,
            features.LABEL: number % 3,
        }

    folder = tmp_path_factory.mktemp("examples")
    numbers = {"train": range(24), "eval": range(100, 108)}
    write_examples(folder, {split: [*map(example, some)] for split, some in numbers.items()})
    files = ([f"{folder}/Split-{split}/*"] for split in numbers)
    return index_splits(*files, get_task("image_classification"), CLASSES)


def test_combinations_differ_in_the_switches_alone(shared, tmp_path, capsys):
    config = make_config(patience=1, model_args={"dropout": 0.1})
    comparison = ablation.compare(config, shared, tmp_path)
    rows = comparison["combinations"]
    assert [tuple(row["switches"].values()) for row in rows] == [
        *itertools.product((True, False), repeat=2)
    ]
    for row in rows:
        model = models.build(MODEL, 32, 3, dropout=0.1, **row["switches"])
        assert row["parameters"] == model.count_params()
        assert row["multiply_adds"] == multiply_adds(model)
        (epoch,) = row["epochs"]
        assert row["best_epoch"] == 1
        assert row["validation"] == {"loss": epoch["val_loss"], "accuracy": epoch["val_accuracy"]}
        assert row["seconds_per_epoch"] == epoch["seconds"]
    assert len({row["epochs"][0]["loss"] for row in rows}) == 4
    assert comparison["examples"] == {"train": 24, "eval": 8}
    assert comparison["trainer"]["patience"] == 0
    assert "combination 4 of 4: all off" in capsys.readouterr().out
    # What is done is not trained again: it would have taken another time.
    assert ablation.compare(config, shared, tmp_path) == comparison


def test_a_broken_training_does_not_stop_the_others(shared, tmp_path):
    config = make_config(learning_rate=1e38, optimizer={"name": "sgd"})
    comparison = ablation.compare(config, shared, tmp_path)
    assert len(comparison["combinations"]) == 4
    assert all("is" in row["failure"] for row in comparison["combinations"])
    assert "-" in ablation.table(comparison)[1][0]
    with pytest.raises(InputError, match=r"trainer\.model_args\.momentum"):
        ablation.compare(make_config(model_args={"momentum": 0.5}), shared, tmp_path)


def test_table_tells_it_all():
    header, lines = ablation.table(made_up())
    assert header[:5] == ["residual", "batch norm", "separable", "parameters", "multiply-adds (M)"]
    assert header[5:] == ["best epoch", "val. loss", "val. accuracy", "s an epoch"]
    assert lines[1] == ["yes", "yes", "no", "1,001", "4.0", "2", "0.8000", "0.5000", "12.3"]
    assert lines[5][5:] == ["-", "-", "-", "-"]
    uncounted = made_up()
    uncounted["combinations"][0]["multiply_adds"] = None  # of a layer that is not counted
    assert ablation.table(uncounted)[1][0][4] == "-"


def test_page_is_a_table_with_its_budget():
    page = ablation.markdown(made_up())
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 8
    assert len({line.count("|") for line in rows}) == 1
    assert "2,000 images to learn from" in page
    assert "9 epochs each, seed 7" in page
    assert "batch norm: loss is nan at epoch 1, step 2." in page


def test_chart_has_the_best_on_top(monkeypatch):
    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda *a, **k: drawn.append(a[0]) or save(*a, **k))
    by_accuracy = made_up() | {"monitor": "val_accuracy"}
    by_accuracy["combinations"][3]["validation"]["accuracy"] = 0.9
    broken = made_up(("residual",), broken=0)
    broken["combinations"] = broken["combinations"][:1]
    broken["combinations"][0]["multiply_adds"] = None
    for comparison in (made_up(), by_accuracy, broken):
        ablation.draw_ablation(comparison, chart := io.BytesIO())
        assert Image.open(chart).format == "PNG"

    def told(figure, panel):
        axes = figure.axes[panel]
        assert axes.yaxis.get_inverted()  # the first bar is on top
        return axes.get_title(), [text.get_text() for text in axes.texts]

    losses = ["0.2", "0.3", "0.5", "0.6", "0.7", "0.8", "0.9", "unknown"]
    assert told(drawn[0], 0) == ("validation loss", losses)
    multiplied = ["16", "14", "10", "8", "6", "4", "2", "12"]
    assert told(drawn[0], 2) == ("multiply-adds (millions)", multiplied)
    assert told(drawn[1], 0)[1][0] == "0.9"
    assert told(drawn[2], 0) == ("multiply-adds (millions)", ["unknown"])

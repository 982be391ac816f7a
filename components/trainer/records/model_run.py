"""What a training leaves for people and later steps: ModelRun files of `components.artifacts`."""

import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import keras

from components import artifacts
from components.trainer.records import history
from components.trainer.settings import Scalar, TrainerConfig


def write_records(
    folder: Path,
    config: TrainerConfig,
    model: keras.Model,
    epochs: list[history.EpochRecord],
    keys: list[str],
    *,
    temperature: float | None,
    chosen: Mapping[str, Scalar],
) -> None:
    """Writes the best epoch, the history, its curves and the split keys of what was trained on.

    `config` is of the last training, `temperature` what its logits were divided by; `chosen` is
    what a tuner chose, by dotted key.
    """
    content = {
        "model": config.model,
        "parameters": model.count_params(),
        "seed": config.seed,
        "made_with": history.made_with(config.precision),
        "hyperparameters": dict(chosen),
        "test_time_flip": config.export.test_time_flip,
        "temperature": temperature,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "monitor": config.monitor,
        "best_epoch": history.best_epoch(epochs, config.monitor)["epoch"],
        "epochs": epochs,
    }
    text = json.dumps(content, indent=1)
    (folder / artifacts.HISTORY).write_text(f"{text}\n", encoding="utf-8")
    (folder / artifacts.TRAINING_KEYS).write_text("".join(f"{key}\n" for key in keys))
    model.save(folder / artifacts.BEST_CHECKPOINT)
    _draw_curves(epochs, config, folder / artifacts.CURVES)


def _draw_curves(epochs: list[history.EpochRecord], config: TrainerConfig, path: Path) -> None:
    """A panel a metric, training and validation, with the best epoch and where stages begin."""
    # The object interface draws without a display and leaves pyplot's global state alone.
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = history.metric_names(epochs)
    best = history.best_epoch(epochs, config.monitor)["epoch"]
    numbers = [record["epoch"] for record in epochs]
    starts = [
        (before["epoch"] + after["epoch"]) / 2
        for before, after in itertools.pairwise(epochs)
        if before.get("stage") != after.get("stage")
    ]
    marker = "o" if len(epochs) <= 30 else ""  # a single epoch is a point, not a line

    figure = Figure(figsize=(4.5 * len(names), 3.6), layout="constrained")
    figure.suptitle(config.model)
    for panel, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for key, label in ((name, "training"), (f"val_{name}", "validation")):
            panel.plot(
                numbers, [record[key] for record in epochs], marker=marker, ms=3, label=label
            )
        panel.axvline(best, color="0.5", linestyle=":", label=f"best epoch ({best})")
        for number, start in enumerate(starts):
            panel.axvline(start, color="0.7", label="" if number else "next stage")
        panel.set_xlabel("epoch")
        panel.set_title(name.replace("_", " "))
        panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        panel.grid(alpha=0.3)
    figure.axes[0].legend()
    figure.savefig(path, dpi=120)

"""What each idea of an architecture is worth: all combinations of its switches, trained alike."""

import itertools
import math
import statistics
from pathlib import Path
from typing import IO, Any

from components import models
from components.models.cost import multiply_adds
from components.trainer.fit.trial import run_trial
from components.trainer.input.split import Splits
from components.trainer.records.history import best_epoch, made_with, metric_names
from components.trainer.settings import TrainerConfig, replace_values

UNKNOWN = "-"  # a value of a training without a whole epoch, or one that nobody can count

Comparison = dict[str, Any]  # see compare
Row = dict[str, Any]  # one of its combinations


def compare(config: TrainerConfig, splits: Splits, folder: Path) -> Comparison:
    """Trains all combinations of the model's switches; prints what it is at.

    Everything else is the same for all: Examples, seed, and the number of epochs, so patience is
    left out.

    Args:
        config: of a training. `model_args` besides the switches hold for all combinations.
        splits: of `index_splits`.
        folder: where trainings are kept; combinations that an earlier call in it has trained are
            not trained again, and one that it was killed in goes on.

    Returns:
        JSON: {"model", "monitor", "unit": of the Examples, "examples": {split: n}, "trainer": the
        settings, "made_with", "combinations": [{"switches": {argument: bool}, "parameters",
        "multiply_adds": of one Example forwards, "failure": text, empty if all epochs were done,
        "best_epoch", "validation": {name: value at the best epoch}, "seconds_per_epoch": the
        median, "epochs": records}]}, everything on first. Without a whole epoch, best epoch and
        seconds are null; so are multiply-adds of a model with layers that are not counted.

    Raises:
        InputError: the model cannot be built so.
    """
    config = replace_values(config, {"patience": 0, "sample_epochs": 0})
    names = models.spec(config.model).ablations
    combinations = [
        dict(zip(names, values, strict=True))
        for values in itertools.product((True, False), repeat=len(names))
    ]
    rows = []
    for number, switches in enumerate(combinations, start=1):
        where = f"combination {number} of {len(combinations)}"
        print(f"{where}: {title(switches)}", flush=True)
        rows.append(_train(config, switches, splits, folder))
        print(f"{where}: {_outcome(rows[-1], config.monitor)}", flush=True)
    return {
        "model": config.model,
        "monitor": config.monitor,
        "unit": splits.task.unit,
        "examples": {index.split: len(index) for index in (splits.train_index, splits.eval_index)},
        "trainer": config.model_dump(),
        "made_with": made_with(config.precision),
        "combinations": rows,
    }


def _train(config: TrainerConfig, switches: dict[str, bool], splits: Splits, folder: Path) -> Row:
    asked = replace_values(config, {f"model_args.{name}": on for name, on in switches.items()})
    trial = run_trial(asked, splits, folder)
    model = models.build(
        asked.model, asked.image_size, len(splits.part.classes), **asked.model_args
    )
    epochs = trial.epochs
    best = best_epoch(epochs, config.monitor) if epochs else None
    return {
        "switches": switches,
        "parameters": model.count_params(),
        "multiply_adds": _cost(model),
        "failure": trial.failure,
        "best_epoch": best["epoch"] if best else None,
        "validation": {name: best[f"val_{name}"] for name in metric_names(epochs)} if best else {},
        "seconds_per_epoch": (
            statistics.median(record["seconds"] for record in epochs) if epochs else None
        ),
        "epochs": epochs,
    }


def _cost(model: Any) -> int | None:
    try:
        return multiply_adds(model)
    except ValueError as error:
        print(error, flush=True)
        return None


def title(switches: dict[str, bool]) -> str:
    """What is on, in words."""
    return ", ".join(_words(name) for name, on in switches.items() if on) or "all off"


def _outcome(row: Row, monitor: str) -> str:
    parts = []
    if row["best_epoch"]:
        value = row["validation"][monitor.removeprefix("val_")]
        parts.append(f"{monitor} {value:.4f} in epoch {row['best_epoch']}")
    return ", ".join([*parts, row["failure"]] if row["failure"] else parts)


def measures(comparison: Comparison) -> list[str]:
    """What was validated, the loss first; empty if no training had a whole epoch."""
    return list(next((r["validation"] for r in comparison["combinations"] if r["validation"]), {}))


def table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """The comparison as text, for a terminal or a page.

    Returns:
        Header and lines: the switches, parameters, multiply-adds in millions, best epoch,
        validation values at the best epoch, median seconds an epoch.
    """
    rows = comparison["combinations"]
    names = measures(comparison)
    header = [*map(_words, rows[0]["switches"]), "parameters", "multiply-adds (M)", "best epoch"]
    header += [*(f"val. {_words(name)}" for name in names), "s an epoch"]
    lines = []
    for row in rows:
        values = [row["validation"].get(name) for name in names]
        lines.append(
            [
                *("yes" if on else "no" for on in row["switches"].values()),
                f"{row['parameters']:,}",
                UNKNOWN if (cost := row["multiply_adds"]) is None else f"{cost / 1e6:,.1f}",
                str(row["best_epoch"] or UNKNOWN),
                *(UNKNOWN if value is None else f"{value:.4f}" for value in values),
                UNKNOWN if not row["epochs"] else f"{row['seconds_per_epoch']:.1f}",
            ]
        )
    return header, lines


def notes(comparison: Comparison) -> list[str]:
    """What to know about the table: the budget, and trainings that broke off."""
    config = comparison["trainer"]
    counts, unit = comparison["examples"], comparison["unit"]
    return [
        f"{counts['train']:,} {unit} to learn from, {counts['eval']:,} to validate with, "
        f"{config['epochs']} epochs each, seed {config['seed']}; the best epoch is that by "
        f"{comparison['monitor']}.",
        *(
            f"{title(row['switches'])}: {row['failure']}."
            for row in comparison["combinations"]
            if row["failure"]
        ),
    ]


def markdown(comparison: Comparison) -> str:
    """Table and notes as a page."""
    header, lines = table(comparison)
    switches = len(comparison["combinations"][0]["switches"])
    rule = ["---"] * switches + ["---:"] * (len(header) - switches)
    body = "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *lines))
    parts = [f"# Ablation of {comparison['model']}", body, *notes(comparison)]
    return "\n\n".join(parts) + "\n"


def draw_ablation(comparison: Comparison, file: IO[bytes]) -> None:
    """Draws a comparison of `compare` as a PNG, the best combination on top."""
    # The object interface draws without a display and leaves pyplot's global state alone.
    from matplotlib.figure import Figure

    judged_by = comparison["monitor"].removeprefix("val_")
    sign = 1.0 if judged_by == "loss" else -1.0
    rows = sorted(  # the best first, those without a whole epoch last
        comparison["combinations"],
        key=lambda row: sign * row["validation"][judged_by] if row["validation"] else math.inf,
    )
    names = sorted(measures(comparison), key=lambda name: name != judged_by)
    panels = {
        f"validation {name.replace('_', ' ')}": [row["validation"].get(name) for row in rows]
        for name in names
    }
    costs = [row["multiply_adds"] for row in rows]
    panels["multiply-adds (millions)"] = [cost and cost / 1e6 for cost in costs]
    figure = Figure(figsize=(2.5 + 2.6 * len(panels), 1.5 + 0.34 * len(rows)), layout="constrained")
    config = comparison["trainer"]
    figure.suptitle(
        f"{comparison['model']}: {config['epochs']} epochs each, seed {config['seed']}, "
        f"best epoch by {comparison['monitor']}"
    )
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (what, values) in zip(axes, panels.items(), strict=True):
        bars = panel.barh([title(row["switches"]) for row in rows], [v or 0.0 for v in values])
        # No whole epoch, or a model with layers that are not counted.
        panel.bar_label(bars, ["unknown" if v is None else f"{v:,.4g}" for v in values], padding=3)
        panel.margins(x=0.35)
        panel.set_title(what, fontsize=10)
    axes[0].invert_yaxis()
    figure.savefig(file, dpi=120)


def _words(name: str) -> str:
    return name.replace("_", " ")

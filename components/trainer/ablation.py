"""What each idea of an architecture is worth: all combinations of its switches, trained alike."""

import itertools
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components import models
from components.models.cost import multiply_adds
from components.trainer.history import EpochRecord, best_epoch, metric_names, mode
from components.trainer.hyperparameters import replace_values
from components.trainer.run import build_model
from components.trainer.settings import TrainerConfig
from components.trainer.trial import Splits, Trial, run_trial

UNKNOWN = "-"


@dataclass(frozen=True)
class Combination:
    """One row of the comparison.

    Attributes:
        switches: argument of the architecture -> whether it is on.
        parameters: all of the model's.
        multiply_adds: of one picture, forwards.
        trial: its training.
    """

    switches: dict[str, bool]
    parameters: int
    multiply_adds: int
    trial: Trial


def same_budget(config: TrainerConfig) -> TrainerConfig:
    """The training that all combinations share: every one gets all epochs.

    Args:
        config: of the pipeline; its patience and looks at pictures are left out.
    """
    return replace_values(config, {"patience": 0, "sample_epochs": 0})


def train_combinations(config: TrainerConfig, splits: Splits, folder: Path) -> list[Combination]:
    """Trains all combinations of the model's switches; prints what it is at.

    Args:
        config: of `same_budget`; `model_args` besides the switches hold for all.
        splits: of `trial.index_splits`.
        folder: where trials are kept, see `trial.run_trial`.

    Returns:
        The combinations, the one with everything on first.

    Raises:
        InputError: the model cannot be built so.
    """
    names = models.spec(config.model).ablations
    rows = [
        dict(zip(names, values, strict=True))
        for values in itertools.product((True, False), repeat=len(names))
    ]
    done = []
    for number, switches in enumerate(rows, start=1):
        asked = replace_values(config, {f"model_args.{name}": on for name, on in switches.items()})
        print(f"combination {number} of {len(rows)}: {title(switches)}", flush=True)
        trial = run_trial(asked, splits, folder)
        model = build_model(asked)
        row = Combination(switches, model.count_params(), multiply_adds(model), trial)
        print(f"combination {number} of {len(rows)}: {_outcome(row, config.monitor)}", flush=True)
        done.append(row)
    return done


def title(switches: dict[str, bool]) -> str:
    """What is on, in words."""
    return ", ".join(name.replace("_", " ") for name, on in switches.items() if on) or "none"


def best_of(row: Combination, monitor: str) -> EpochRecord | None:
    """The record of a combination's best epoch; None if it has no whole epoch."""
    return best_epoch(row.trial.epochs, monitor) if row.trial.epochs else None


def _outcome(row: Combination, monitor: str) -> str:
    best = best_of(row, monitor)
    parts = [f"{monitor} {best[monitor]:.4f} in epoch {best['epoch']}"] if best else []
    return ", ".join([*parts, *([row.trial.failure] if row.trial.failure else [])])


def measures(rows: list[Combination]) -> list[str]:
    """What every epoch tells of both splits, the loss first; empty if no epoch was whole."""
    return next((metric_names(row.trial.epochs) for row in rows if row.trial.epochs), [])


def table(rows: list[Combination], monitor: str) -> tuple[list[str], list[list[str]]]:
    """The comparison as text: header and lines, for a terminal or a page.

    Args:
        rows: of `train_combinations`.
        monitor: the value that tells the best epoch.

    Returns:
        Columns: the switches, parameters, multiply-adds, best epoch, validation values of the best
        epoch, median seconds an epoch.
    """
    names = measures(rows)
    header = [
        *(name.replace("_", " ") for name in rows[0].switches),
        "parameters",
        "multiply-adds",
        "best epoch",
        *(f"validation {name.replace('_', ' ')}" for name in names),
        "s an epoch",
    ]
    lines = []
    for row in rows:
        best = best_of(row, monitor)
        lines.append(
            [
                *("yes" if on else "no" for on in row.switches.values()),
                f"{row.parameters:,}",
                f"{row.multiply_adds:,}",
                str(best["epoch"]) if best else UNKNOWN,
                *(f"{best[f'val_{name}']:.4f}" if best else UNKNOWN for name in names),
                f"{_seconds(row.trial):.1f}" if best else UNKNOWN,
            ]
        )
    return header, lines

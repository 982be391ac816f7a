"""Loss and metric curves as one image."""

import itertools
from pathlib import Path

from components.trainer.records import history


def draw_curves(
    epochs: list[history.EpochRecord], title: str, path: Path, monitor: str = history.MONITOR
) -> None:
    """Draws a PNG of one panel a metric, training and validation, of at least one epoch.

    The best epoch and the beginnings of later stages are marked.
    """
    # The object interface draws without a display and leaves pyplot's global state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = history.metric_names(epochs)
    best = history.best_epoch(epochs, monitor)["epoch"]
    numbers = [record["epoch"] for record in epochs]
    starts = [
        (before["epoch"] + after["epoch"]) / 2
        for before, after in itertools.pairwise(epochs)
        if before.get("stage") != after.get("stage")
    ]
    marker = "o" if len(epochs) <= 30 else ""  # a single epoch is a point, not a line

    figure = Figure(figsize=(4.5 * len(names), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
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

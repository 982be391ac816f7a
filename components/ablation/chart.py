"""An ablation as one picture: a row a combination, dots for what is on, a panel a measure."""

from pathlib import Path
from typing import Any

from components.ablation.study import Comparison, measures

_ON, _OFF = "#1f5f8b", "#d5dbe0"
_PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # behind what a line would cross
_LINE = 0.34  # inches a row
_NOTHING = "unknown"  # no whole epoch, or a model with layers that are not counted


def draw_ablation(comparison: Comparison, path: Path) -> None:
    """Draws the comparison, the best combination on top.

    Args:
        comparison: of `ablation.compare`.
        path: the PNG to write.
    """
    # The object interface draws without a display and leaves pyplot's global state alone.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = _ranked(comparison)
    judged_by = comparison["monitor"].removeprefix("val_")
    names = sorted(measures(comparison), key=lambda name: name != judged_by)
    widths = [0.45 * len(rows[0]["switches"]), *[2.4] * (len(names) + 1)]
    figure = Figure(figsize=(1.2 + sum(widths), 1.5 + _LINE * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    config = comparison["trainer"]
    figure.suptitle(
        f"{comparison['model']}: {config['epochs']} epochs each, seed {config['seed']}, "
        f"best epoch by {comparison['monitor']}",
        fontsize=11,
    )
    panels = figure.subplots(1, len(widths), sharey=True, width_ratios=widths)
    _draw_switches(panels[0], rows)
    for panel, name in zip(panels[1:], names, strict=False):
        values = [row["validation"].get(name) for row in rows]
        _draw_values(panel, values, f"validation {name.replace('_', ' ')}", "{:.3f}")
    counted = [row["multiply_adds"] for row in rows]
    millions = [None if count is None else count / 1e6 for count in counted]
    _draw_values(panels[-1], millions, "multiply-adds (millions)", "{:,.0f}", from_zero=True)
    figure.savefig(path, dpi=120)


def _ranked(comparison: Comparison) -> list[dict[str, Any]]:
    """Best first; those without a whole epoch last."""
    name = comparison["monitor"].removeprefix("val_")
    sign = 1.0 if name == "loss" else -1.0
    return sorted(
        comparison["combinations"],
        key=lambda row: sign * row["validation"][name] if row["validation"] else float("inf"),
    )


def _draw_switches(panel: Any, rows: list[dict[str, Any]]) -> None:
    names = list(rows[0]["switches"])
    for y, row in enumerate(rows):
        for x, name in enumerate(names):
            panel.plot(x, y, "o", ms=11, color=_ON if row["switches"][name] else _OFF)
    panel.set_xticks(
        range(len(names)), [name.replace("_", " ") for name in names], rotation=45, ha="left"
    )
    panel.xaxis.tick_top()
    panel.set_xlim(-0.6, len(names) - 0.4)
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.set_yticks([])
    panel.tick_params(length=0)
    panel.set_frame_on(False)


def _draw_values(
    panel: Any,
    values: list[float | None],
    title: str,
    number: str,
    *,
    from_zero: bool = False,
) -> None:
    known = [value for value in values if value is not None]
    low, high = (0.0 if from_zero else min(known, default=0.0)), max(known, default=1.0)
    room = (high - low) or abs(high) or 1.0
    for y, value in enumerate(values):
        panel.axhline(y, color="0.9", linewidth=1, zorder=0)
        if value is None:
            panel.text(low, y, _NOTHING, va="center", color="0.5", fontsize=9, bbox=_PAPER)
            continue
        panel.plot(value, y, "o", ms=8, color=_ON)
        panel.annotate(
            number.format(value),
            (value, y),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            bbox=_PAPER,
        )
    panel.set_xlim(low - 0.08 * room, high + 0.35 * room)
    panel.set_title(title, fontsize=10)
    panel.spines[["top", "right", "left"]].set_visible(False)
    panel.tick_params(left=False, labelsize=8)

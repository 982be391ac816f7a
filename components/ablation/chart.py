"""An ablation as one picture: a row a combination, a panel a measure."""

from pathlib import Path

from components.ablation.study import Comparison, Row, measures, title


def draw_ablation(comparison: Comparison, path: Path) -> None:
    """Draws a comparison of `study.compare` as a PNG, the best combination on top."""
    # The object interface draws without a display and leaves pyplot's global state alone.
    from matplotlib.figure import Figure

    rows = ranked(comparison)
    judged_by = comparison["monitor"].removeprefix("val_")
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
    figure.savefig(path, dpi=120)


def ranked(comparison: Comparison) -> list[Row]:
    """The combinations, best first; those without a whole epoch last."""
    name = comparison["monitor"].removeprefix("val_")
    sign = 1.0 if name == "loss" else -1.0
    return sorted(
        comparison["combinations"],
        key=lambda row: sign * row["validation"][name] if row["validation"] else float("inf"),
    )

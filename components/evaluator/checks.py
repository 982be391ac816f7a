"""The verdict: every threshold that applies, and whether it is kept."""

from typing import Any

from components.evaluator.figures import OVERALL
from components.evaluator.settings import EvaluatorConfig

ROUNDING = 1e-6  # a share of float32 numbers: 7 of 10 is a little less than 0.7


def read_checks(
    config: EvaluatorConfig, figures: list[dict[str, Any]], *, has_baseline: bool
) -> tuple[bool, list[dict[str, Any]]]:
    """Judges a model by the figures of `figures_of`; without a baseline no `max_drop` applies.

    Returns:
        Whether the model is blessed, and the checks as `artifacts.FIGURES` describes them. A model
        is blessed if all that applies is kept; never where no threshold is configured at all, nor
        where one on the whole split is on what was not measured.
    """
    checks = []
    sections = ((config.thresholds, False), (config.slice_thresholds, True))
    for thresholds, by_slice in sections:
        for metric, threshold in thresholds.items():
            found = [
                figure
                for figure in figures
                if figure["metric"] == metric and (figure["slice"] != OVERALL) == by_slice
            ]
            for kind, bound in threshold.bounds():
                if kind == "max_drop" and not has_baseline:
                    continue
                judged = "lower" if kind == "min" and threshold.judge == "lower" else "value"
                checks += [_check(figure, kind, bound, judged) for figure in found]
                if not found and not by_slice:
                    missing = dict.fromkeys(("class", "value", "lower", "baseline"))
                    missing |= {"metric": metric, "slice": OVERALL}
                    check = _check(missing, kind, bound, judged)
                    checks.append(check | {"ok": False})
    configured = bool(config.thresholds or config.slice_thresholds)
    return configured and all(check["ok"] for check in checks), checks


def _check(figure: dict[str, Any], kind: str, bound: float, judged: str) -> dict[str, Any]:
    value, baseline = figure[judged], figure["baseline"]
    if kind == "min":
        least, need = bound, f"at least {bound:g} needed"
    elif baseline is None:
        least, need = None, "the baseline has no number to compare with"
    else:
        least, need = baseline - bound, f"at most {bound:g} below {baseline:.4f} needed"
    # No number is no pass, unless there is nothing to compare it with.
    ok = least is None or (value is not None and value >= least - ROUNDING)
    name = figure["metric"] + (f" of {figure['class']}" if figure["class"] else "")
    where = "" if figure["slice"] == OVERALL else f" on {figure['slice']}"
    shown = "no number" if value is None else f"{value:.4f}"
    if judged == "lower":
        name = f"lower end of 95% interval of {name}"
    return {key: figure[key] for key in ("metric", "class", "slice")} | {
        "kind": kind,
        "bound": bound,
        "value": value,
        "ok": ok,
        "message": f"{name}{where} is {shown}, {need}",
    }

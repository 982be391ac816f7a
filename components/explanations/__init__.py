"""What an answer rests on: one implementation for endpoint, report and metric."""

from typing import Any

from components import extension

PREFIX = "explanation/"  # of a grade's name among the metrics
# What thresholds may judge, higher is better; see `components.explanations.grades`.
MASKED = (f"{PREFIX}energy_above_area", f"{PREFIX}object_dependence")  # these need masks
WEIGHT_DEPENDENCE = "weight_dependence"  # see `components.explanations.sanity`
GRADES = tuple(PREFIX + name for name in ("mosaic", "faithfulness", WEIGHT_DEPENDENCE)) + MASKED

# Each is a function as those of `components.explanations.methods` are.
SHIPPED = {
    name: f"{__name__}.methods:{name}"
    for name in ("grad_cam", "grad_cam_plus_plus", "hires_cam", "score_cam")
}
KEY = "trainer.export.explanation"


def explanation_path(name: str, key: str = KEY) -> str:
    """The import path of a shipped or announced explanation, or that path; see `resolve`."""
    return extension.resolve(name, SHIPPED, kind="explanations", key=key)


def load_explanation(name: str, key: str = KEY, *, flip: bool = False) -> Any:
    """The function itself, with `flip` that of `methods.flip_averaged`; see `extension`."""
    takes = ("trunk", "head", "images", "score")
    explain = extension.load_function(explanation_path(name, key), key=key, takes=takes)
    if flip:
        from components.explanations import methods

        return methods.flip_averaged(explain)
    return explain

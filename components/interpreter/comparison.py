"""Two runs side by side: what changed in settings and figures, and for which pictures."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from components.artifacts import MODEL_CARD_DATA, OVERALL, PREDICTIONS
from components.interpreter.report import environment
from components.metrics import intervals
from components.reporting import drawing
from components.settings import leaves
from serving.errors import InputError, os_errors

TEMPLATE = "comparison.html"
SHOWN = 60  # pictures under a heading
_REPORTS = "artifacts/interpreter/report/*"  # of a run, below its work directory


class Changed(NamedTuple):
    """A value of both runs; None where a run has none."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Reported:
    """What a run's report says."""

    folder: Path
    card: dict[str, Any]  # `artifacts.MODEL_CARD_DATA`
    answers: dict[tuple[str, str], dict[str, Any]]  # of `artifacts.PREDICTIONS` by key and origin


def read_report(where: Path) -> Reported:
    """Reads a report, the last one of a work directory.

    Raises:
        InputError: there is none, or one of before predictions were kept.
    """
    numbered = [path for path in where.glob(_REPORTS) if path.name.isdecimal()]
    folder = max(numbered, key=lambda path: int(path.name), default=where)
    try:
        card = json.loads((folder / MODEL_CARD_DATA).read_text(encoding="utf-8"))
        lines = map(json.loads, (folder / PREDICTIONS).read_text(encoding="utf-8").splitlines())
        answers = {(one["key"], one["origin"]): one for one in lines}
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            str(where),
            expected=f"a run's work directory, or the folder of a report with {MODEL_CARD_DATA}"
            f" and {PREDICTIONS}",
            found=getattr(error, "strerror", None) or "something that cannot be read",
        ) from error
    return Reported(folder, card, answers)


def compare(first: Reported, second: Reported, data: Path | None = None) -> dict[str, Any]:
    """What the page shows.

    Args:
        first, second: the runs.
        data: folder that the test pictures lie in, to show those that changed.

    Raises:
        InputError: they are of different tasks.
    """
    tasks = first.card["task"], second.card["task"]
    if tasks[0] != tasks[1]:
        raise InputError("the second run", expected=f"one of {tasks[0]}", found=tasks[1])
    common = [key for key in second.answers if key in first.answers]
    pairs = [(first.answers[key], second.answers[key]) for key in common]
    gains = [_score(after) - _score(before) for before, after in pairs]
    half = intervals.of_mean(sum(gains), sum(gain**2 for gain in gains), len(gains) or 1)
    mean = sum(gains) / (len(gains) or 1)
    rows = sorted(zip(gains, pairs, strict=True), key=lambda row: (-abs(row[0]), row[1][1]["key"]))
    settings = _beside(*(dict(leaves(one.card["config"])) for one in (first, second)))
    moved = {
        "Worse": [pair for gain, pair in rows if gain < 0],
        "Better": [pair for gain, pair in rows if gain > 0],
        "Otherwise wrong": [
            pair
            for gain, pair in rows
            if not gain and pair[0].get("predicted") != pair[1].get("predicted")
        ],
    }
    return {
        "first": first,
        "second": second,
        "common": len(common),
        "alone": (len(first.answers) - len(common), len(second.answers) - len(common)),
        "score": "accuracy" if any("predicted" in one for one, _ in pairs) else "IoU of a picture",
        "gain": (mean, mean - (half or 0.0), mean + (half or 0.0)),
        "settings": [row for row in settings if row.first != row.second],
        "figures": _beside(_figures(first.card), _figures(second.card)),
        "moved": moved,
        "shown": SHOWN,
        "pictures": _pictures([pair[1] for some in moved.values() for pair in some[:SHOWN]], data),
    }


def render(content: Mapping[str, Any]) -> bytes:
    """The page of `compare`, one self-contained HTML file in UTF-8."""
    page = environment(autoescape=True).get_template(TEMPLATE).render(content)
    return page.encode("utf-8", "replace")


def _score(answer: Mapping[str, Any]) -> float:
    """How good one answer is, in [0, 1]."""
    if "iou" in answer:
        return float(answer["iou"])
    return float(answer["predicted"] == answer["label"])


def _figures(card: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of `artifacts.FIGURES` by what they are of, those of the whole split first."""
    found = {}
    for figure in [*card["evaluation"]["metrics"], *card["evaluation"]["slices"]]:
        of = f" of {figure['class']}" if figure["class"] else ""
        on = f" on {figure['slice']}" if figure["slice"] != OVERALL else ""
        found[figure["metric"] + of + on] = figure
    return found


def _beside(before: dict[str, Any], after: dict[str, Any]) -> list[Changed]:
    return [Changed(name, before.get(name), after.get(name)) for name in before | after]


def _pictures(answers: list[dict[str, Any]], data: Path | None) -> dict[str, drawing.Figure]:
    """Those that lie in the folder, by origin, small."""
    found = {}
    for origin in dict.fromkeys(answer["origin"] for answer in answers) if data else ():
        path = Path(data or "", origin)
        if not path.is_file():
            continue
        with os_errors(str(path), expected="a picture"):
            picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        picture.thumbnail((drawing.THUMBNAIL_SIDE,) * 2)
        found[origin] = drawing.photo(np.asarray(picture), origin)
    return found

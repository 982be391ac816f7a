"""A look at a data folder, and a configuration for what was found, ready to run."""

import json
import re
import statistics
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

from components import extension
from components.datasets import folders, recognition
from components.datasets.layouts import SHIPPED
from components.datasets.records import Found, Listing, Record
from components.datasets.settings import DataConfig
from components.datasets.settling import settle_labels, settle_masks
from serving.classes import IGNORED

CLASSIFICATION, SEGMENTATION, POINTS = "image_classification", "image_segmentation", "points"
SMALL = 20  # a class of fewer images is too small to learn, measure and test it
_SAMPLED = 200  # images, and masks, that are opened
_TRIMAP = {"foreground": 1, "background": 2, "contour": 3}
_YAML_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def look(root: Path, layout: str = "") -> dict[str, Any]:
    """What is in a data folder. Lists all of it, opens a sample.

    Args:
        root: the data folder.
        layout: a name or an import path; empty: what the folder looks like.

    Returns:
        `layout`; `task`, by what the records hold; `found`, `usable` and `problems` (reason to
        number), with found = usable + all problems; `missing`, `notes`; `classes` (name to number
        of images, all usable ones, of masks to the share of the sample's pixels), `values` and
        `ignored` (of masks), `splits` (name to number), `sizes` (of the sample: `width` and
        `height` as smallest, median, largest; `unreadable`).

    Raises:
        InputError: it is in no layout, or has no classes that can be told apart.
    """
    root = Path(root).resolve()
    folders.check_folder(root)
    layout = layout or recognition.recognize(root) or "auto"
    path = extension.resolve(layout, SHIPPED, kind="layouts", key="layout")
    listing = extension.load(path, key="layout")(root, DataConfig(layout=layout))
    task = _task(listing.records)
    data = DataConfig(layout=layout)
    if task == SEGMENTATION:
        found, data = _settled_masks(listing, root, data)
    else:
        found = settle_labels(listing, data)
    usable = [record for record in found.records if not record.problem]
    labels = Counter(record.label for record in usable)
    report = {
        "layout": layout,
        "task": task,
        "found": len(found.records),
        "usable": len(usable),
        "missing": found.missing,
        "problems": dict(sorted(Counter(r.problem for r in found.records if r.problem).items())),
        "notes": found.notes,
        "classes": {name: labels[name] for name in found.classes.names},
        "values": {},
        "ignored": data.ignored,
        "splits": dict(Counter(record.split for record in usable if record.split)),
        "sizes": _sizes(root, usable) if task != POINTS else {},
    }
    if task == CLASSIFICATION and any(record.mask_path for record in usable):
        report["notes"] = [*found.notes, "masks are there too: --layout masks"]
    if found.mapping is not None:
        report["classes"] = _shares(root, usable, found)
        report["values"] = dict(zip(found.classes.names, found.mapping.values, strict=True))
    return report


def write_config(root: Path, report: dict[str, Any]) -> str:
    """A commented configuration in YAML for what `look` found, which needs no more keys.

    Args:
        root: the data folder.
        report: of `look`.
    """
    from components.datasets.checking import summary_line

    root = Path(root).resolve()
    name = re.sub("[^a-z0-9]+", "_", root.name.lower()).strip("_") or "images"
    name = name if name[0].isalpha() else f"data_{name}"
    task, classes = report["task"], list(report["classes"])
    small = [n for n, count in report["classes"].items() if task != SEGMENTATION and count < SMALL]
    kept = [name for name in classes if name not in small]
    if len(kept) < 2:
        small, kept = [], classes
    lines = [
        *(f"# {line}" for line in textwrap.wrap(summary_line(root, report), 96)),
        "#",
        "#   pawlens run FILE     FILE is this file",
        f"name: {name}",
        f"task: {task}",
        "data:",
        f"  path: {json.dumps(str(root), ensure_ascii=False)}",
        f"  layout: {report['layout']}",
        *_classes(report, kept, small),
        *_splits(report),
        "trainer:",
        *_trainer(report, [report["classes"][name] for name in kept]),
        "evaluator:",
        "  # What a model must reach on the test split to be served, and by how much it may be",
        "  # worse than the model served before it.",
        "  thresholds:",
        *(f"    {metric}: {limits}" for metric, limits in _thresholds(report, kept)),
        "pusher:",
        f"  model_name: {name}",
    ]
    return "\n".join(lines) + "\n"


def _task(records: list[Record]) -> str:
    if any(record.values for record in records):
        return POINTS
    labelled = any(record.label is not None for record in records)
    masked = any(record.mask_path or record.mask for record in records)
    return SEGMENTATION if masked and not labelled else CLASSIFICATION


def _settled_masks(listing: Listing, root: Path, data: DataConfig) -> tuple[Found, DataConfig]:
    """Without pins; but 255 counts nowhere beside ids that count up, and trimaps have names."""
    found = settle_masks(listing, root, data)
    values = list(found.mapping.values) if found.mapping else []
    if values == list(_TRIMAP.values()) and any(
        "trimaps" in str(r.mask_path) for r in found.records
    ):
        data = data.model_copy(update={"classes": _TRIMAP})
    elif len(values) > 2 and values[-1] == IGNORED:
        data = data.model_copy(update={"ignored": IGNORED})
    else:
        return found, data
    return settle_masks(listing, root, data), data


def _sample(records: list[Record]) -> list[Record]:
    return records[:: max(1, len(records) // _SAMPLED)][:_SAMPLED]


def _sizes(root: Path, records: list[Record]) -> dict[str, Any]:
    """By the headers."""
    import io

    from PIL import Image

    from components.datasets.masks import BROKEN

    sizes, unreadable = [], 0
    for record in _sample(records):
        source = root / record.path if record.content is None else io.BytesIO(record.content)
        try:
            with Image.open(source) as image:
                sizes.append(image.size)
        except BROKEN:
            unreadable += 1
    told: dict[str, Any] = {"sampled": len(sizes) + unreadable, "unreadable": unreadable}
    for side, values in zip(("width", "height"), zip(*sizes, strict=True), strict=False):
        told[side] = [min(values), int(statistics.median(values)), max(values)]
    return told


def _shares(root: Path, records: list[Record], found: Found) -> dict[str, float]:
    import numpy as np

    from components.datasets.masks import BROKEN, open_mask

    counts = np.zeros(IGNORED + 1)
    for record in _sample(records):
        try:
            ids = found.mapping(open_mask(root, record)) if found.mapping else np.zeros(0, np.uint8)
        except BROKEN:
            continue
        counts += np.bincount(ids.ravel(), minlength=len(counts))
    counted = counts[: len(found.classes)]
    shares = np.round(counted / max(1, counted.sum()), 4)
    return dict(zip(found.classes.names, shares.tolist(), strict=True))


def _classes(report: dict[str, Any], kept: list[str], small: list[str]) -> list[str]:
    lines = [
        "  # The classes in the order of the model's outputs; anything else is left out, counted."
    ]
    if small:
        told = f"Left out, with fewer than {SMALL} images each: {', '.join(small)}"
        lines += [f"  # {line}" for line in textwrap.wrap(told, 94)]
    values = report["values"]
    names = [f"{_text(n)}: {json.dumps(values[n])}" if values else _text(n) for n in kept]
    opening, closing = "{}" if values else "[]"
    text = f"classes: {opening}{', '.join(names)}{closing}"
    lines += textwrap.wrap(
        text,
        98,
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    if report["ignored"] is not None:
        lines += ["  # Pixels of this value count nowhere.", f"  ignored: {report['ignored']}"]
    if list(values) == list(_TRIMAP):
        lines += ["  # Masks with no more of it are left out.", "  min_share: {foreground: 0.001}"]
    return lines


def _splits(report: dict[str, Any]) -> list[str]:
    if report["splits"]:
        told = ", ".join(f"{count} {name}" for name, count in report["splits"].items())
        return ["example_gen:", f"  # The folder's own: {told}.", "  split: given"]
    return [
        "example_gen:",
        "  # By a hash of the content, so that what is there stays in its split when more comes.",
        "  split: hash",
    ]


def _trainer(report: dict[str, Any], counts: list[float]) -> list[str]:
    """Settings that fit the number of images and their size."""
    if report["task"] == POINTS:
        return [
            "  model: linear",
            "  optimizer: {name: sgd}",
            "  learning_rate: 0.1",
            "  batch_size: 100000  # the whole split: an epoch is a step",
            "  epochs: 40",
            "  sample_epochs: 0",
        ]
    count = report["usable"] if report["task"] == SEGMENTATION else sum(counts)
    sizes = report["sizes"]
    side = min(sizes["width"][1], sizes["height"][1]) if "width" in sizes else 180
    batch = 32 if count >= 1000 else 16 if count >= 200 else 8
    epochs = min(100, max(10, round(200_000 / max(count, 1) / 5) * 5))
    if report["task"] == SEGMENTATION:
        lines = ["  model: xception_unet"]
        side, augmentation = min(160, max(32, side // 32 * 32)), "{flip: true}"
    else:
        lines = [
            "  # Of a few hundred images, trained weights make more:",
            "  # `model: keras.applications.MobileNetV3Small` with `stages` (docs/training.md).",
            "  model: mini_xception",
        ]
        side, augmentation = min(180, max(32, side)), "{flip: true, rotation: 0.1, zoom: 0.2}"
        if max(counts) > 2 * min(counts):
            lines.append("  loss: {class_weights: balanced}  # some classes have far more images")
    return [
        *lines,
        f"  image_size: {side}  # pixels; images are stretched to a square",
        f"  batch_size: {batch}",
        f"  epochs: {epochs}",
        f"  augmentation: {augmentation}",
    ]


def _thresholds(report: dict[str, Any], kept: list[str]) -> list[tuple[str, str]]:
    """A third of the way from guessing the most frequent class to being always right."""
    if report["task"] == SEGMENTATION:
        return [("mean_iou", "{min: 0.3, max_drop: 0.0}")]
    counts = [report["classes"][name] for name in kept]
    guess = max(counts) / sum(counts)
    least = f"{{min: {guess + (1 - guess) / 3:.2f}, max_drop: 0.0}}"
    return [("accuracy", least), ("auc", "{min: 0.6}")]


def _text(name: str) -> str:
    """A name in YAML, quoted where it could be read as something else."""
    plain = re.fullmatch(r"[A-Za-z_]\w*([ .-]\w+)*", name) and name.lower() not in _YAML_WORDS
    return name if plain else json.dumps(name, ensure_ascii=False)

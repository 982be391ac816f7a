"""A look at a data folder, and a configuration for what was found, ready to run."""

import contextlib
import json
import re
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from components.datasets import recognition
from components.datasets.layouts import SHIPPED, load_reader
from components.datasets.records import Found, Listing, Record
from components.datasets.settings import DataConfig
from components.datasets.settling import settle_labels
from serving.classes import IGNORED

CLASSIFICATION, SEGMENTATION, POINTS = "image_classification", "image_segmentation", "points"
SMALL = 20  # a class of fewer images is too small to learn, measure and test it
SHOWN = 50  # classes
_SAMPLED = 200  # images, and masks, that are opened
_TRIMAP = {"foreground": 1, "background": 2, "contour": 3}


def look(
    root: Path, layout: str = "", rehearse: Callable[[str, Path, Found], Found] | None = None
) -> dict[str, Any]:
    """What is in a data folder. Lists all of it, opens a sample.

    Args:
        root: the data folder.
        layout: a name or an import path; empty: what the folder looks like.
        rehearse: tells, of a task and what was found, the problems of files that were not opened.

    Returns:
        `layout`; `task`, by what the records hold; `found`, `usable` and `problems` (reason to
        number), with found = usable + all problems; `missing`, `notes`; `splits` (name to number);
        `width` and `height` (smallest, median, largest of the sample);
        `classes` (name to number of images, all usable ones, of masks to the share of the sample's
        pixels), `imbalance` (the largest class over the smallest); of masks `values`, by class,
        and `ignored`, a value. What is empty, zero or None is left out.

    Raises:
        InputError: it is in no layout, or has no classes that can be told apart.
    """
    root = Path(root).resolve()
    layout = layout or recognition.recognize(root) or "auto"
    data = DataConfig(layout=layout)
    listing = load_reader(layout, SHIPPED, "layout")(root, data)
    task = _task(listing.records)
    sizes: dict[str, Any] = {}
    if task != POINTS:
        listing, sizes = _opened(root, listing)
    if task == SEGMENTATION:
        found = _settled_masks(listing, root, data)
    else:
        found = settle_labels(listing, data)
    if rehearse is not None:
        found = rehearse(task, root, found)
    names = found.classes.names
    usable = [record for record in found.records if not record.problem]
    labels = Counter(record.label for record in usable)
    classes: dict[str, float] = {name: labels[name] for name in names}
    values, notes = None, list(found.notes)
    if found.mapping is not None:
        classes = dict(zip(names, _shares(root, _sample(usable), found), strict=True))
        values = dict(zip(names, found.mapping.values, strict=True))
    elif any(record.mask_path for record in usable):
        notes.append("masks are there too: --layout masks")
    report = {
        "layout": layout,
        "task": task,
        "found": len(found.records),
        "usable": len(usable),
        "problems": dict(sorted(Counter(r.problem for r in found.records if r.problem).items())),
        "missing": found.missing,
        "notes": notes,
        "splits": dict(Counter(record.split for record in usable if record.split)),
        **sizes,
        "classes": classes,
        "imbalance": round(max(classes.values()) / max(min(classes.values()), 1e-4), 1),
        "values": values,
        "ignored": found.mapping and found.mapping.ignored,
    }
    return {key: value for key, value in report.items() if value or key == "usable"}


def describe(report: dict[str, Any]) -> str:
    """What `look` found, for a terminal: YAML, with the first classes where there are many."""
    shown = {key: value for key, value in report.items() if key != "values"}
    classes = report["classes"]
    if len(classes) > SHOWN:
        shown["classes"] = dict(list(classes.items())[:SHOWN])
        shown["and"] = f"{len(classes) - SHOWN} more classes"
    text: str = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, default_flow_style=None)
    return text.rstrip()


def write_config(root: Path, report: dict[str, Any], template: str) -> str:
    """A commented configuration in YAML for what `look` found, which needs no more keys.

    Of the template, the text of a configuration of that task, all that is said between `trainer:`
    and `kubeflow:` is taken over, with its comments.
    """
    root = Path(root).resolve()
    name = re.sub("[^a-z0-9]+", "_", root.name.lower()).strip("_")
    name = name if name[:1].isalpha() else f"data_{name}".strip("_")
    settings = template[template.index("trainer:") : template.index("# On a cluster")]
    settings = re.sub("(?<=model_name: ).*", name, settings)
    if "width" in report:  # small images are not blown up
        side = min(report["width"][1], report["height"][1])
        side = max(32, side // 32 * 32)
        settings = re.sub(
            r"(?<=image_size: )\d+", lambda size: str(min(side, int(size[0]))), settings
        )
    extra = [f"  ignored: {report['ignored']}\n"] if "ignored" in report else []
    if list(report.get("values", ())) == list(_TRIMAP):
        extra.append("  min_share: {foreground: 0.001}  # masks with no more of it are left out\n")
    return (
        f"# {report['usable']:,} of {report['found']:,} can be used ({report['layout']}).\n#\n"
        "#   pawlens run FILE     FILE is this file\n"
        f"name: {name}\n"
        f"task: {report['task']}\n"
        "data:\n"
        f"  path: {_quoted(str(root))}\n"
        f"  layout: {report['layout']}\n"
        "  # In the order of the model's outputs; anything else is left out, counted.\n"
        f"  classes:\n{_class_lines(report)}{''.join(extra)}"
        f"example_gen:\n  split: {'given' if 'splits' in report else 'hash'}\n"
        f"{settings}"
    )


def _class_lines(report: dict[str, Any]) -> str:
    """A line each with what there is of it; classes that are too small as comments."""
    classes, values = report["classes"], report.get("values")
    if values:
        lines = [f"{_quoted(n)}: {values[n]}  # {share:.2%}" for n, share in classes.items()]
    else:
        few = [name for name, count in classes.items() if count < SMALL]
        few = few if len(few) < len(classes) - 1 else []
        lines = [
            f"{'# ' if name in few else ''}- {_quoted(name)}  # {count:,}"
            for name, count in classes.items()
        ]
    return "".join(f"    {line}\n" for line in lines)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _task(records: list[Record]) -> str:
    if any(record.values for record in records):
        return POINTS
    labelled = any(record.label is not None for record in records)
    masked = any(record.mask_path or record.mask for record in records)
    return SEGMENTATION if masked and not labelled else CLASSIFICATION


def _settled_masks(listing: Listing, root: Path, data: DataConfig) -> Found:
    """Without pins; but trimaps have names."""
    from components.datasets.masks import settle_masks

    found = settle_masks(listing, root, data)
    values = found.mapping.values if found.mapping else ()
    trimaps = any("trimaps" in str(record.mask_path).lower() for record in listing.records)
    if trimaps and values == tuple(_TRIMAP.values()):
        found = settle_masks(listing, root, data.model_copy(update={"classes": _TRIMAP}))
    return found


def _sample(records: list[Record]) -> list[Record]:
    return records[:: max(1, len(records) // _SAMPLED)][:_SAMPLED]


def _opened(root: Path, listing: Listing) -> tuple[Listing, dict[str, Any]]:
    """Sizes of a sample, by the headers; and the listing, where those without one are told of."""
    from components.datasets.pictures import check, read
    from components.tasks.parts import RejectedError
    from serving.pictures import orientation

    sizes: list[tuple[int, int]] = []
    broken: dict[str, str] = {}
    for record in _sample([record for record in listing.records if not record.problem]):
        try:
            encoded = read(root, record.path, record.content)
            width, height = check(encoded)
        except RejectedError as error:
            broken[record.path] = error.reason
        else:
            sizes.append((height, width) if orientation(encoded) > 4 else (width, height))
    told = {
        side: [min(values), int(statistics.median(values)), max(values)]
        for side, values in zip(("width", "height"), zip(*sizes, strict=True), strict=False)
    }
    records = [replace(r, problem=r.problem or broken.get(r.path)) for r in listing.records]
    return replace(listing, records=records), told


def _shares(root: Path, sample: list[Record], found: Found) -> list[float]:
    """Of each class in the pixels of masks."""
    import numpy as np

    from components.datasets.masks import openable

    assert found.mapping is not None
    counts = np.zeros(IGNORED + 1)
    for mask, _ in openable(root, sample):
        with contextlib.suppress(ValueError):  # its own fault, told when it is converted
            counts += np.bincount(found.mapping(mask).ravel(), minlength=len(counts))
    counts = counts[: len(found.classes)]
    return [float(share) for share in np.round(counts / max(1, counts.sum()), 4)]

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from components.datasets.looking import look
from components.datasets.synth import synthesize
from components.example_gen.rehearsal import rehearse

LINKS = {"gone": "nowhere", "loop": "loop.jpg", "far": "a" * 300, "through": "text.png/x"}
UNREAD = {"no file": 1, "not a picture": 2, "unreadable file": 1}
SPOILT = UNREAD | {"broken link": 4, "unsupported format": 4}


def _spoil(folder: Path) -> list[str]:
    """Adds what else lies about in a real folder, and two pictures; returns their stems."""
    for name, target in LINKS.items():
        (folder / f"{name}.jpg").symlink_to(target)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "memory.jpg").symlink_to("/proc/self/mem")  # opens, but cannot be read
    others = ["a.tif", "b.HEIC", "c.jxl", "d.avif"]
    for name in others:
        (folder / name).touch()
    (folder / "text.png").write_text("P3 is no size")
    (folder / "short.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\1IHDR")
    (folder / "folder.jpg").mkdir()
    exif = Image.Exif()
    for tag in (0, 6):
        exif[0x0112] = tag
        pixels = np.random.default_rng(tag).integers(0, 256, (56, 72, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"phone{tag}.jpg", exif=exif)
    shutil.copy(folder / "phone0.jpg", folder / "twin.jpg")
    named = [*LINKS, "pipe", "memory", "text", "short", "phone0", "phone6", "twin"]
    return [*named, *(name.partition(".")[0] for name in others)]


@pytest.mark.parametrize("layout", ["class_folders", "masks"])
def test_check_and_run_count_alike(ingest, tmp_path, layout):
    data = tmp_path / "data"
    synthesize(data, layout, 12, size=(72, 56))
    masked = layout == "masks"
    names = _spoil(data / ("images" if masked else "Dog"))
    if masked:
        masks = data / "annotations/trimaps"
        mask = min(masks.iterdir())
        for name in names:
            shutil.copy(mask, masks / f"{name}.png")
        mask.write_bytes(mask.read_bytes()[:50])
    task = "image_segmentation" if masked else "image_classification"
    # Of a few pictures, by chance, no split stays empty.
    summary = ingest(data, tmp_path / "out", task=task, eval_buckets=2, test_buckets=2).summary
    expected = SPOILT | {"duplicate": 1} | ({"unreadable mask": 1} if masked else {})
    assert summary["quarantined"] == expected
    assert summary["accepted"] == (13 if masked else 14)
    checked = look(data, rehearse=rehearse)
    assert checked["problems"] == summary["quarantined"]
    assert (checked["found"], checked["usable"]) == (summary["found"], summary["accepted"])
    told = "1 picture carried an EXIF orientation and was turned upright; the split key is that of"
    for notes in (checked["notes"], summary["notes"]):
        assert [note for note in notes if note.startswith(told)] == notes

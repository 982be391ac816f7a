"""A single `pawlens predict` in a fresh process, against a running server, takes at most 1.5 s.

The model is `mini_xception`, untrained: its weights change the numbers, not the work. The first
call is not counted: it fills the file cache, as any earlier use of the command has.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.serving import export

MODEL, IMAGE_SIZE = "mini_xception", 180
RUNS = 9


def measure(folder: Path) -> dict[str, Any]:
    from components import models
    from components.datasets.synth import synthesize
    from components.infra_validator.server_process import running_server

    synthesize(folder / "pictures", "cats_dogs", 2, size=(500, 375))
    export(models.build(MODEL, IMAGE_SIZE, 2), MODEL, IMAGE_SIZE, folder / "base" / "1")
    picture = folder / "pictures" / "Cat" / "0.jpg"
    pawlens = Path(sys.executable).parent / "pawlens"
    wall, processor = [], []
    with running_server(MODEL, folder / "base", time.monotonic() + 120) as target:
        command = [pawlens, "predict", picture, "--target", target, "--model-name", MODEL]
        for _ in range(RUNS + 1):
            before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            wall.append(time.perf_counter() - start)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {
        "benchmark": "client_start",
        "model": MODEL,
        "seconds_median": round(statistics.median(wall[1:]), 3),
        "seconds_max": round(max(wall[1:]), 3),
        "processor_seconds_median": round(statistics.median(processor[1:]), 3),
        "limit": 1.5,
    }


def main() -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(measure(Path(scratch))))


if __name__ == "__main__":
    main()

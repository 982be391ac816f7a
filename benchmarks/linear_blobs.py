"""`pawlens run linear_blobs`, the smoke test of a machine, takes under 60 s, its start included."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNT = 2000


def main() -> None:
    pawlens = Path(sys.executable).parent / "pawlens"
    with tempfile.TemporaryDirectory() as scratch:
        data, work = Path(scratch, "points"), Path(scratch, "work")
        synth = ("data", "synth", data, "--layout", "blobs", "--count", str(COUNT))
        subprocess.run([pawlens, *synth], check=True, stdout=subprocess.DEVNULL)
        start = time.monotonic()
        subprocess.run(
            [pawlens, "run", "linear_blobs", "--data", data, "--workdir", work],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        seconds = time.monotonic() - start
        summary = json.loads((work / "summary.json").read_text())
    steps = {name: step["seconds"] for name, step in summary["steps"].items()}
    print(
        json.dumps(
            {
                "benchmark": "linear_blobs",
                "points": COUNT,
                "seconds": round(seconds, 1),
                "limit": 60,
                "test_accuracy": round(summary["metrics"]["test"]["accuracy"], 3),
                "blessed": summary["blessed"],
                "seconds_outside_steps": round(seconds - sum(steps.values()), 1),
                "steps": steps,
            }
        )
    )


if __name__ == "__main__":
    main()

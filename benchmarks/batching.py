"""What batching across requests brings on this machine: throughput and waiting times.

One server without batching and one for each set of parameters, all running side by side, are
asked in turn by 1, 8 and 32 clients at a time, one picture a request. Batching pays where the
model takes clearly less time for a picture of a batch than for one alone; told beside is what the
SavedModel takes in this process.

`mini_xception` at 180 pixels with fresh weights. Takes about four minutes.
"""

import argparse
import json
import os
import statistics
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.serving import (
    draw_pictures,
    export,
    hammer,
    milliseconds,
    picture_input,
    serving,
    timed,
)
from serving import names

MODEL, IMAGE_SIZE = "mini_xception", 180
CLIENTS = (1, 8, 32)
BLOCKS, SECONDS = 3, 4.0
# Fields of --batching_parameters_file; none: no batching.
SETTINGS: dict[str, dict[str, int]] = {
    "off": {},
    "32, no wait": {"max_batch_size": 32, "batch_timeout_micros": 0},
    "32, 2 ms": {"max_batch_size": 32, "batch_timeout_micros": 2000},
    "32, no wait, 1 thread": {"max_batch_size": 32, "num_batch_threads": 1},
    "8, no wait": {"max_batch_size": 8, "batch_timeout_micros": 0},
}
_PICTURES = 16


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batching")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="of every kind")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a block")
    args = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(measure(Path(scratch), args.blocks, args.seconds)), flush=True)


def measure(folder: Path, blocks: int, seconds: float) -> dict[str, Any]:
    from components import models
    from serving.client import ImageClient

    pictures = draw_pictures(folder / "pictures", _PICTURES)
    export(models.build(MODEL, IMAGE_SIZE, 2), MODEL, IMAGE_SIZE, folder / "base" / "1")
    found: dict[tuple[str, int], list[tuple[float, list[float]]]] = {}
    with ExitStack() as stack:
        clients = {}
        for number, (name, fields) in enumerate(SETTINGS.items()):
            flags = batching_flags(folder / f"batching_{number}.txt", fields)
            server = stack.enter_context(serving(MODEL, folder / "base", *flags))
            clients[name] = stack.enter_context(ImageClient(server.target, MODEL))
        for number in range(blocks + 1):
            for count in CLIENTS:
                for name, client in clients.items():
                    calls = [
                        partial(
                            client.call,
                            names.SIGNATURE_SERVING,
                            picture_input(pictures[one % _PICTURES]),
                        )
                        for one in range(count)
                    ]
                    measured = hammer(calls, seconds if number else 1.0)
                    if number:  # a first block does not count
                        found.setdefault((name, count), []).append(measured)
    return {
        "benchmark": "batching",
        "model": MODEL,
        "in_process_ms_a_picture": by_batch_size(folder / "base" / "1", pictures),
        "clients": {
            count: {name: summary(found[name, count], found["off", count]) for name in SETTINGS}
            for count in CLIENTS
        },
    }


def batching_flags(path: Path, fields: dict[str, int]) -> list[str]:
    """The server's flags for these parameters."""
    if not fields:
        return []
    lines = [f"{name} {{ value: {value} }}\n" for name, value in fields.items()]
    path.write_text("".join([*lines, "max_enqueued_batches { value: 100 }\n"]), encoding="utf-8")
    return ["--enable_batching=true", f"--batching_parameters_file={path}"]


def summary(
    blocks: list[tuple[float, list[float]]], without: list[tuple[float, list[float]]]
) -> dict[str, float]:
    """Pictures a second, the same over those without batching, and times in ms."""
    times = [one for _, taken in blocks for one in taken]
    ratios = [rate / base for (rate, _), (base, _) in zip(blocks, without, strict=True)]
    return {
        "per_second": round(statistics.median(rate for rate, _ in blocks), 1),
        "over_off": round(statistics.median(ratios), 3),
        "p50_ms": milliseconds(times),
        "p99_ms": milliseconds(times, 0.99),
    }


def by_batch_size(folder: Path, pictures: list[bytes]) -> dict[int, float]:
    """Milliseconds that the SavedModel in this process takes for a picture, by batch size."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures[names.SIGNATURE_SERVING]
    found = {}
    for size in (1, 8, 32):
        batch = tf.constant([pictures[number % _PICTURES] for number in range(size)])
        call = partial(signature, **{names.INPUT_IMAGE_BYTES: batch})
        call()
        times = [timed(call) for _ in range(max(5, 64 // size))]
        found[size] = round(milliseconds(times) / size, 2)
    return found


if __name__ == "__main__":
    main()

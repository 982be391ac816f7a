"""What serving adds to a prediction: gRPC Predict against the SavedModel in this process.

- `predict`: the p50 of one request with one picture is at most 2 ms over the p50 of calling the
  SavedModel's signature in this process on the same bytes, the two taken in turn.
- `predict_throughput`: eight clients at a time get at least 0.9 of the pictures a second that a
  loop over the SavedModel in this process gets (eight threads in this process are told beside).

`mini_xception` at 180 pixels with fresh weights; client and server share the machine's cores.
Takes about two minutes.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable
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
WARM_UP = 10
ROUNDS = 300
BLOCKS, SECONDS = 5, 5.0  # of throughput
CLIENTS = 8
LIMIT_MS, LIMIT_RATIO = 2.0, 0.9


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.predict")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of one call each")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="of throughput")
    args = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with tempfile.TemporaryDirectory() as scratch:
        for result in measure(Path(scratch), args.rounds, args.blocks):
            print(json.dumps(result), flush=True)


def measure(folder: Path, rounds: int, blocks: int) -> list[dict[str, Any]]:
    """Both figures, from one server."""
    from components import models
    from serving.client import ImageClient

    [picture] = draw_pictures(folder / "pictures", 1)
    export(models.build(MODEL, IMAGE_SIZE, 2), MODEL, IMAGE_SIZE, folder / "base" / "1")
    inputs = picture_input(picture)
    in_process = saved_model_call(folder / "base" / "1", picture)
    with serving(MODEL, folder / "base") as server, ImageClient(server.target, MODEL) as client:

        def over_grpc() -> None:
            client.call(names.SIGNATURE_SERVING, inputs)

        for _ in range(WARM_UP):
            in_process()
            over_grpc()
        return [latency(in_process, over_grpc, rounds), throughput(in_process, over_grpc, blocks)]


def saved_model_call(folder: Path, picture: bytes) -> Callable[[], dict[str, Any]]:
    """A call of the default signature in this process, up to NumPy arrays."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures[names.SIGNATURE_SERVING]

    def call() -> dict[str, Any]:
        # `loaded` owns the variables: it has to live as long as the signature is called.
        assert loaded
        answer = signature(**{names.INPUT_IMAGE_BYTES: tf.constant([picture])})
        return {name: value.numpy() for name, value in answer.items()}

    return call


def latency(
    in_process: Callable[[], Any], over_grpc: Callable[[], Any], rounds: int
) -> dict[str, Any]:
    own, served = [], []
    for _ in range(rounds):
        own.append(timed(in_process))
        served.append(timed(over_grpc))
    return {
        "benchmark": "predict",
        "model": MODEL,
        "in_process_p50_ms": milliseconds(own),
        "grpc_p50_ms": milliseconds(served),
        "grpc_p99_ms": milliseconds(served, 0.99),
        "over_ms": round(milliseconds(served) - milliseconds(own), 2),
        "limit_ms": LIMIT_MS,
    }


def throughput(
    in_process: Callable[[], Any], over_grpc: Callable[[], Any], blocks: int
) -> dict[str, Any]:
    kinds = {
        "loop": [in_process],
        "clients": [over_grpc] * CLIENTS,
        "threads": [in_process] * CLIENTS,
    }
    rates: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(blocks):
        for kind, calls in kinds.items():
            rates[kind].append(hammer(calls, SECONDS)[0])
    ratios = [served / own for served, own in zip(rates["clients"], rates["loop"], strict=True)]
    median = {kind: round(statistics.median(found), 1) for kind, found in rates.items()}
    return {
        "benchmark": "predict_throughput",
        "model": MODEL,
        "in_process_per_second": median["loop"],
        "in_process_threads_per_second": median["threads"],
        "clients": CLIENTS,
        "clients_per_second": median["clients"],
        "ratio": round(statistics.median(ratios), 3),
        "limit_at_least": LIMIT_RATIO,
    }


if __name__ == "__main__":
    main()

"""What serving adds to a prediction, and what batching across requests brings on this machine.

- `predict`: the p50 of one request with one image is at most 1.5 ms over the p50 of calling the
  SavedModel's signature in this process on the same bytes, the two taken in turn.
- `predict_throughput`: eight clients at a time get at least 0.9 of the images a second that a
  loop over the SavedModel in this process gets.
- `batching`: images a second of servers with and without it, all running side by side and asked in
  turn by 1, 8 and 32 clients at a time, one image a request. Batching pays where the model takes
  clearly less time for an image of a batch than for one alone.

`mini_xception` at 180 pixels with fresh weights; client and server share the machine's cores.
Takes about six minutes.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.serving import MODEL, build, draw_images, export, image_input, serving
from benchmarks.tools import Result, benchmark, hammer, in_turn, milliseconds, told
from serving import names
from serving.client import ImageClient

IMAGE_SIZE = 180
CLIENTS = 8
BATCHED_CLIENTS = (1, 8, 32)
# What --batching_parameters_file holds besides.
BATCHING = {
    "32, no wait": "max_batch_size { value: 32 } batch_timeout_micros { value: 0 }",
    "32, 2 ms": "max_batch_size { value: 32 } batch_timeout_micros { value: 2000 }",
}


def measure(
    folder: Path, rounds: int = 300, blocks: int = 5, seconds: float = 5.0
) -> Iterator[Result]:
    from components.reporting.predictor import Predictor

    images = draw_images(folder / "images", max(BATCHED_CLIENTS))
    export(build(MODEL, IMAGE_SIZE), folder / "base" / "1")
    in_process = partial(Predictor(str(folder / "base" / "1")).predict, image_bytes=images[:1])
    # Images a second of so many calls at a time, over and over.
    rates = partial(in_turn, rounds=blocks, measure=partial(hammer, seconds=seconds))
    per_second: dict[str, Any] = {"scale": 1, "unit": "per_second"}
    with ExitStack() as stack:

        def start(*flags: str) -> ImageClient:
            server = stack.enter_context(serving(MODEL, folder / "base", *flags))
            return stack.enter_context(ImageClient(server.target, MODEL))

        clients = {"off": start()}
        served = partial(clients["off"].call, names.SIGNATURE_SERVING, image_input(images[0]))
        times = in_turn({"in_process": in_process, "grpc": served}, rounds, warm_up=10)
        own, over_grpc = (milliseconds(taken) for taken in times.values())
        yield {
            "model": MODEL,
            **told(times, "in_process"),
            "grpc_p99_ms": milliseconds(times["grpc"], 0.99),
            "over_ms": round(over_grpc - own, 2),
            "limit_ms": 1.5,
        }
        found = rates({"in_process": [in_process], "clients": [served] * CLIENTS}, warm_up=0)
        yield {
            "benchmark": "predict_throughput",
            "model": MODEL,
            "clients": CLIENTS,
            **told(found, "in_process", **per_second),
            "limit_at_least": 0.9,
        }
        for number, (name, text) in enumerate(BATCHING.items()):
            file = folder / f"batching_{number}.txt"
            file.write_text(f"{text} max_enqueued_batches {{ value: 100 }}", encoding="utf-8")
            clients[name] = start("--enable_batching=true", f"--batching_parameters_file={file}")
        for count in BATCHED_CLIENTS:
            calls = {
                name: [
                    partial(client.call, names.SIGNATURE_SERVING, image_input(image))
                    for image in images[:count]
                ]
                for name, client in clients.items()
            }
            yield {
                "benchmark": "batching",
                "model": MODEL,
                "clients": count,
                **told(rates(calls), "off", **per_second),
            }


if __name__ == "__main__":
    benchmark(measure)

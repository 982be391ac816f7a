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

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.serving import draw_images, export, image_input, serving
from benchmarks.tools import Result, benchmark, hammer, in_turn, medians, milliseconds, ratio, timed
from serving import names
from serving.client import ImageClient

MODEL, IMAGE_SIZE = "mini_xception", 180
WARM_UP = 10
CLIENTS = 8
LIMIT_MS, LIMIT_RATIO = 1.5, 0.9
BATCHED_CLIENTS = (1, 8, 32)
# What --batching_parameters_file holds besides.
BATCHING = {
    "32, no wait": "max_batch_size { value: 32 } batch_timeout_micros { value: 0 }",
    "32, 2 ms": "max_batch_size { value: 32 } batch_timeout_micros { value: 2000 }",
}


def measure(folder: Path, rounds: int, blocks: int, seconds: float) -> Iterator[Result]:
    image, *others = draw_images(folder / "images", max(BATCHED_CLIENTS))
    export(MODEL, IMAGE_SIZE, folder / "base" / "1")
    in_process = saved_model_call(folder / "base" / "1", image)
    with serving(MODEL, folder / "base") as server, ImageClient(server.target, MODEL) as client:
        over_grpc = partial(client.call, names.SIGNATURE_SERVING, image_input(image))
        yield latency(in_process, over_grpc, rounds)
        yield throughput(in_process, over_grpc, blocks, seconds)
        yield from batching(folder, client, [image, *others], blocks, seconds)


def saved_model_call(folder: Path, *images: bytes) -> Callable[[], dict[str, Any]]:
    """A call of the default signature in this process, up to NumPy arrays."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(folder))
    signature = loaded.signatures[names.SIGNATURE_SERVING]

    def call() -> dict[str, Any]:
        # `loaded` owns the variables: it has to live as long as the signature is called.
        assert loaded
        answer = signature(**{names.INPUT_IMAGE_BYTES: tf.constant(images)})
        return {name: value.numpy() for name, value in answer.items()}

    return call


def latency(in_process: Callable[[], Any], over_grpc: Callable[[], Any], rounds: int) -> Result:
    actions = {"own": partial(timed, in_process), "served": partial(timed, over_grpc)}
    times = in_turn(actions, rounds, WARM_UP)
    own, served = milliseconds(times["own"]), milliseconds(times["served"])
    return {
        "model": MODEL,
        "in_process_p50_ms": own,
        "grpc_p50_ms": served,
        "grpc_p99_ms": milliseconds(times["served"], 0.99),
        "over_ms": round(served - own, 2),
        "limit_ms": LIMIT_MS,
    }


def throughput(
    in_process: Callable[[], Any], over_grpc: Callable[[], Any], blocks: int, seconds: float
) -> Result:
    kinds = {"loop": [in_process], "clients": [over_grpc] * CLIENTS}

    actions = {kind: partial(hammer, calls, seconds) for kind, calls in kinds.items()}
    rates = in_turn(actions, blocks, 0)
    median = medians(rates, 1)
    return {
        "benchmark": "predict_throughput",
        "model": MODEL,
        "in_process_per_second": median["loop"],
        "clients": CLIENTS,
        "clients_per_second": median["clients"],
        "ratio": ratio(rates, "clients", "loop"),
        "limit_at_least": LIMIT_RATIO,
    }


def batching(
    folder: Path, off: ImageClient, images: list[bytes], blocks: int, seconds: float
) -> Iterator[Result]:
    inputs = [image_input(image) for image in images]
    clients = {"off": off}

    def rate(client: ImageClient, count: int) -> float:
        calls = [partial(client.call, names.SIGNATURE_SERVING, one) for one in inputs[:count]]
        return hammer(calls, seconds)

    with ExitStack() as stack:
        for number, (name, text) in enumerate(BATCHING.items()):
            file = folder / f"batching_{number}.txt"
            file.write_text(f"{text} max_enqueued_batches {{ value: 100 }}", encoding="utf-8")
            flags = ("--enable_batching=true", f"--batching_parameters_file={file}")
            server = stack.enter_context(serving(MODEL, folder / "base", *flags))
            clients[name] = stack.enter_context(ImageClient(server.target, MODEL))
        for count in BATCHED_CLIENTS:
            actions = {name: partial(rate, client, count) for name, client in clients.items()}
            rates = in_turn(actions, blocks)
            yield {
                "benchmark": "batching",
                "model": MODEL,
                "clients": count,
                "per_second": medians(rates, 1),
                "over_off": {name: ratio(rates, name, "off") for name in rates},
            }


if __name__ == "__main__":
    benchmark(measure, rounds=300, blocks=5, seconds=5.0)

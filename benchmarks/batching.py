"""What batching across requests brings on this machine: images a second.

One server without batching and one for each set of parameters, all running side by side, are
asked in turn by 1, 8 and 32 clients at a time, one image a request. Batching pays where the
model takes clearly less time for an image of a batch than for one alone.

`mini_xception` at 180 pixels with fresh weights. Takes about four minutes.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.serving import draw_images, export, image_input, serving
from benchmarks.tools import Result, benchmark, hammer, in_turn, medians, ratio
from serving import names
from serving.client import ImageClient

MODEL, IMAGE_SIZE = "mini_xception", 180
CLIENTS = (1, 8, 32)
# Fields of --batching_parameters_file; none: no batching.
SETTINGS: dict[str, dict[str, int]] = {
    "off": {},
    "32, no wait": {"max_batch_size": 32, "batch_timeout_micros": 0},
    "32, 2 ms": {"max_batch_size": 32, "batch_timeout_micros": 2000},
}


def measure(folder: Path, blocks: int, seconds: float) -> Iterator[Result]:
    inputs = [image_input(image) for image in draw_images(folder / "images", max(CLIENTS))]
    export(MODEL, IMAGE_SIZE, folder / "base" / "1")
    with ExitStack() as stack:
        clients = {}
        for number, (name, fields) in enumerate(SETTINGS.items()):
            flags = batching_flags(folder / f"batching_{number}.txt", fields)
            server = stack.enter_context(serving(MODEL, folder / "base", *flags))
            clients[name] = stack.enter_context(ImageClient(server.target, MODEL))

        def rate(client: ImageClient, count: int) -> float:
            asked = inputs[:count]
            calls = [partial(client.call, names.SIGNATURE_SERVING, one) for one in asked]
            return hammer(calls, seconds)

        for count in CLIENTS:
            actions = {name: partial(rate, client, count) for name, client in clients.items()}
            rates = in_turn(actions, blocks)
            yield {
                "model": MODEL,
                "clients": count,
                "per_second": medians(rates, 1),
                "over_off": {name: ratio(rates, name, "off") for name in rates},
            }


def batching_flags(path: Path, fields: dict[str, int]) -> list[str]:
    """The server's flags for these parameters."""
    if not fields:
        return []
    lines = [f"{name} {{ value: {value} }}\n" for name, value in fields.items()]
    path.write_text("".join([*lines, "max_enqueued_batches { value: 100 }\n"]), encoding="utf-8")
    return ["--enable_batching=true", f"--batching_parameters_file={path}"]


if __name__ == "__main__":
    benchmark(measure, blocks=3, seconds=4.0)

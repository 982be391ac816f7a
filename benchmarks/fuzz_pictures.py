"""10,000 pictures whose headers tell anything: the server refuses or answers, in bounded memory.

Small files of every format (with EXIF, several frames, several chunks) whose first bytes are
changed: sizes, counts, lengths of chunks and blocks, anything. One to three of them are a request
for an answer or a heatmap over them. A proper answer is as in the benchmark `fuzz`, and the memory
of the server is at its peak at most 1.5 times that after the largest pictures that it takes.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.fuzz import FLAGS, IMAGE_SIZE, NAME, SMALL, Fuzzer, run
from benchmarks.fuzz_requests import mutations
from benchmarks.serving import export, image_input, memory, picture, serving
from benchmarks.tools import Result, benchmark
from serving import names
from serving.client.exchanges import call
from serving.wire.messages_pb2 import ModelSpec

LIMIT = 1.5  # of the peak after the largest pictures
_LARGEST = (10_000, 5_000)
_HEADER_BYTES = 400
_ENDPOINTS = (names.SIGNATURE_SERVING, names.SIGNATURE_GRAD_CAM)


def measure(folder: Path, requests: int, seed: int, show: int) -> Iterator[Result]:
    export(NAME, IMAGE_SIZE, folder / "base" / "1")
    with serving(NAME, folder / "base", *FLAGS) as server:
        fuzzer = Fuzzer(server, NAME, folder / "base", picture("PNG", SMALL))
        for kind in ("JPEG", "PNG", "GIF", "WEBP"):  # of BMP none fits into a message
            largest = image_input(picture(kind, _LARGEST))
            for endpoint in _ENDPOINTS:
                fuzzer.client.call(endpoint, largest)
        allowed = memory(server, "VmHWM")
        run(_requests(), fuzzer.grpc, requests, seed)
        fuzzer.check_good()
        found = memory(server, "VmHWM")
    yield {
        **fuzzer.told(show),
        "seed": seed,
        "peak_mib": found // 2**20,
        "peak_allowed_mib": allowed // 2**20,
        "ratio": round(found / allowed, 3),
        "limit": LIMIT,
    }


def _pictures() -> list[bytes]:
    from PIL import Image

    size = (30, 20)
    exif = Image.Exif()
    exif[0x0112] = 6
    frames = {
        "save_all": True,
        "append_images": [Image.new("RGB", size, x) for x in ("red", "tan")],
    }
    ways: list[tuple[str, dict[str, Any]]] = [
        ("JPEG", {"exif": exif}),
        ("JPEG", {"progressive": True, "icc_profile": b"profile" * 9}),
        ("PNG", {"exif": exif}),
        ("PNG", {**frames, "default_image": True}),
        ("GIF", {**frames, "comment": b"comment"}),
        ("BMP", {}),
        ("WEBP", {"exif": exif}),
        ("WEBP", {"lossless": True}),
        ("WEBP", frames),
    ]
    return [picture(kind, size, **options) for kind, options in ways]


def _requests() -> Any:
    """A method's path and a PredictRequest."""
    from hypothesis import strategies as st

    numbers = [0, 1, 2, 255, 256, 2**14 - 1, 2**15, 2**16 - 1, 2**24 - 1, 2**31 - 1, 2**32 - 1]
    values = st.builds(
        lambda number, size, order: (number % 256**size).to_bytes(size, order),
        st.sampled_from(numbers),
        st.sampled_from([1, 2, 3, 4]),
        st.sampled_from(["little", "big"]),
    )
    edits = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), values), min_size=1, max_size=4)

    def overwritten(data: bytes, edits: list[tuple[float, bytes]]) -> bytes:
        for where, value in edits:
            at = int(where * min(len(data), _HEADER_BYTES))
            data = data[:at] + value + data[at + len(value) :]
        return data

    good = st.sampled_from(_pictures())
    wrong = st.builds(overwritten, good, edits)
    one = st.one_of(wrong, wrong, wrong.flatmap(mutations), good)

    def request(images: list[bytes], endpoint: str) -> tuple[str, bytes]:
        method, message = next(call(endpoint, image_input(*images), [], ModelSpec(name=NAME)))
        return method.path, message.SerializeToString()

    return st.builds(request, st.lists(one, min_size=1, max_size=3), st.sampled_from(_ENDPOINTS))


if __name__ == "__main__":
    benchmark(measure, requests=10_000, seed=1, show=5)

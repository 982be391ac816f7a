"""What `make demo` does: the main job on drawn images, then a served and explained answer.

Every step is a command of `pawlens`, printed before it runs, so it can be repeated by hand.
"""

import contextlib
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from serving.errors import FailedError

ROOT = Path("runs", "demo")
IMAGES = ROOT / "images"
WORK = ROOT / "work"
COUNT = 1000
# Small enough for two cores: 96 pixels and 8 epochs reach 0.8 to 0.9 on the drawn images.
SETTINGS = {
    "trainer.image_size": "96",
    "trainer.batch_size": "16",
    "trainer.epochs": "8",
    "trainer.model_args.batch_norm_momentum": "0.8",
    "evaluator.graded_images": "12",
}
MODEL = "cats_vs_dogs"
READY = "Serving "  # the server's first word once it answers


def main() -> int:
    """Runs the demo in the current folder; the status of the first command that fails, or 0."""
    start = time.monotonic()
    sets = [word for item in SETTINGS.items() for word in ("--set", "=".join(item))]
    try:
        _pawlens("data", "synth", IMAGES, "--count", COUNT)
        _pawlens("run", MODEL, "--data", IMAGES, "--workdir", WORK, *sets)
        with _server() as target:
            image = IMAGES / "Dog" / "0.jpg"
            _pawlens("predict", image, "--target", target)
            _pawlens("explain", image, "--target", target, "--output", ROOT)
    except subprocess.CalledProcessError as error:
        return error.returncode
    except FailedError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"\nDone in {time.monotonic() - start:.0f} s. Look at {WORK / 'report.html'}")
    return 0


def _command(*words: object) -> list[str]:
    command = ["pawlens", *map(str, words)]
    print(f"\n$ {shlex.join(command)}", flush=True)
    return command


def _pawlens(*words: object) -> None:
    subprocess.run(_command(*words), check=True)


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """A server on the pushed model; its HOST:PORT."""
    base = WORK / "serving" / MODEL
    flags = ("--model_name", MODEL, "--model_base_path", base, "--port", 0, "--access_log=off")
    process = subprocess.Popen(_command("serve", *flags), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith(READY):
            raise FailedError(f"the server did not start: {line or process.wait()}")
        print(line, end="", flush=True)
        yield line.split()[-1]
    finally:
        process.terminate()
        process.wait(timeout=60)


if __name__ == "__main__":
    sys.exit(main())

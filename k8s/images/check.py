"""Run while an image is built: what does not import ends the build, not a pipeline."""

import importlib
import pkgutil
import subprocess
import sys

PACKAGES = ("components", "pipelines", "serving")
# What is imported late, or by name.
LIBRARIES = ("tensorflow", "tfx.v1", "onnxruntime", "tf2onnx", "ai_edge_litert.interpreter")
PROTOCOLS = ("file", "s3", "gs")
COMMANDS = (
    ("pawlens", "--help"),
    # How Beam's boot asks whether it can start.
    ("python", "-m", "pip", "show", "--quiet", "apache-beam"),
)


def modules() -> list[str]:
    """Names of all modules of ours, without those that are commands."""
    found = [
        module.name
        for package in PACKAGES
        for module in pkgutil.walk_packages(
            importlib.import_module(package).__path__, f"{package}."
        )
    ]
    return [name for name in found if not name.endswith(".__main__")]


def main() -> None:
    """Imports everything, and starts what is started by name."""
    for name in [*modules(), *LIBRARIES]:
        importlib.import_module(name)
    fsspec = importlib.import_module("fsspec")
    for protocol in PROTOCOLS:
        fsspec.get_filesystem_class(protocol)
    for command in COMMANDS:
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    sys.exit(main())

"""Run while an image is built: what does not import ends the build, not a pipeline."""

import importlib
import pkgutil
import subprocess

PACKAGES = ("components", "pipelines", "serving")
# What is imported late, or by name.
LIBRARIES = ("tensorflow", "tfx.v1", "onnxruntime", "tf2onnx", "ai_edge_litert.interpreter")
PROTOCOLS = ("file", "s3", "gs")
COMMANDS = (
    ("pawlens", "--help"),
    # How Beam's boot asks whether it can start.
    ("python", "-m", "pip", "show", "--quiet", "apache-beam"),
)


def main() -> None:
    """Imports everything, and starts what is started by name."""
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        for module in pkgutil.walk_packages(path, f"{package}."):
            if not module.name.endswith(".__main__"):  # those are commands
                importlib.import_module(module.name)
    for name in LIBRARIES:
        importlib.import_module(name)
    fsspec = importlib.import_module("fsspec")
    for protocol in PROTOCOLS:
        fsspec.get_filesystem_class(protocol)
    for command in COMMANDS:
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()

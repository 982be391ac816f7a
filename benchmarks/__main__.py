"""Runs every benchmark in a process of its own, one after the other."""

import subprocess
import sys

NAMES = (
    "commands",
    "predict",
    "grad_cam",
    "batching",
    "soak",
    "fuzz",
    "push_kill",
    "input",
    "train_step",
    "evaluation",
    "runs",
)


def main() -> int:
    """The number of benchmarks that failed."""
    commands = [[sys.executable, "-m", f"benchmarks.{name}"] for name in NAMES]
    return sum(subprocess.run(command, check=False).returncode != 0 for command in commands)


if __name__ == "__main__":
    sys.exit(main())

"""Runs every benchmark in a process of its own, one after the other."""

import subprocess
import sys
from pathlib import Path


def main() -> int:
    """The number of benchmarks that failed."""
    scripts = sorted(Path(__file__).parent.glob("*.py"))
    names = [path.stem for path in scripts if "\n    benchmark(" in path.read_text()]
    commands = [[sys.executable, "-m", f"benchmarks.{name}"] for name in names]
    return sum(subprocess.run(command, check=False).returncode != 0 for command in commands)


if __name__ == "__main__":
    sys.exit(main())

"""A Kubernetes cluster of one node from nothing, pytest in it, and nothing of it left afterwards.

    python tests/cluster/run.py [--keep] [pytest's arguments]

Everything runs in one private namespace of mounts, network, processes and names, whose first
process is node.py: no packet leaves the machine, and with that process all others end.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import beam_flink
import binaries
import images

HERE = Path(__file__).parent
CGROUPS = Path("/sys/fs/cgroup")


def main() -> int:
    """Builds what is missing; a child does the rest, and cleans up even if this is killed."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--watched"]:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return run(Path(arguments[1]), arguments[2:])
    binaries.check_machine()
    programs = binaries.build()
    beam_flink.build()
    if arguments == ["--build"]:
        return 0
    child = subprocess.Popen(
        [*told_of_end("TERM"), sys.executable, __file__, "--watched", programs, *arguments]
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: child.terminate())
    return child.wait()


def told_of_end(name: str) -> list[str]:
    """A command in front of another, to which the kernel sends a signal when this process ends."""
    return ["setpriv", "--pdeathsig", name]


def run(programs: Path, arguments: list[str]) -> int:
    """Runs pytest in a new cluster; returns its status."""
    keep = "--keep" in arguments
    work = Path(tempfile.mkdtemp(prefix="pawlens-cluster-", dir="/var/tmp"))
    process = None
    try:
        start = time.monotonic()
        images.pipeline_image(binaries.CACHE / "images", work)
        print(f"cluster: the image is packed, {time.monotonic() - start:.0f} s", flush=True)
        for hierarchy in hierarchies():
            (hierarchy / work.name).mkdir()
        spaces = ["--mount", "--net", "--pid", "--uts", "--fork", "--kill-child", "--mount-proc"]
        node = [sys.executable, HERE / "node.py", work, programs]
        rest = [one for one in arguments if one != "--keep"]
        process = subprocess.Popen([*told_of_end("KILL"), "unshare", *spaces, *node, *rest])
        return process.wait()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if process:
            process.kill()
            process.wait()
        remove_cgroups(work.name)
        if keep:
            print(f"cluster: logs and state are in {work}")
        else:
            shutil.rmtree(work)


def hierarchies() -> list[Path]:
    """Those of version 1 of control groups, or the one of version 2."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [one for one in CGROUPS.iterdir() if (one / "cgroup.procs").exists()]


def remove_cgroups(name: str) -> None:
    """Removes the folders, deepest first, as soon as the last process in them has ended."""
    end = time.monotonic() + 60
    for top in (hierarchy / name for hierarchy in hierarchies()):
        while top.exists() and time.monotonic() < end:
            with contextlib.suppress(OSError):
                for folder, _, _ in os.walk(top, topdown=False):
                    Path(folder).rmdir()
            time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())

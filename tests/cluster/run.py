"""A Kubernetes cluster of one node from nothing, pytest in it, and nothing of it left afterwards.

    python tests/cluster/run.py [--keep] [pytest's arguments]

Everything runs in one private namespace of mounts, network, processes and names, whose first
process is node.py: no packet leaves the machine, and with that process all others end.
"""

import contextlib
import fcntl
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
from images import Images

HERE = Path(__file__).parent
CGROUPS = Path("/sys/fs/cgroup")
FOLDER, PREFIX, LOCK = Path("/var/tmp"), "pawlens-cluster-", "lock"


def main() -> int:
    """Builds what is missing; a child does the rest, and cleans up even if this is killed."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--watched"]:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, leave)
        return run(*arguments[1:3], arguments[3:])
    binaries.check_machine()
    programs = binaries.build()
    start = time.monotonic()
    archives = Images(binaries.CACHE / "images", programs).build()
    print(f"cluster: the images are built, {time.monotonic() - start:.0f} s", flush=True)
    if "smoke" not in arguments:
        beam_flink.fetch()
    if arguments == ["--build"]:
        return 0
    watched = [sys.executable, __file__, "--watched", programs, archives]
    child = subprocess.Popen([*told_of_end("TERM"), *watched, *arguments])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: child.terminate())
    return child.wait()


def leave(*_: object) -> None:
    """Ends the program, which cleans up: once, as a group of processes is told more than once."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(143)


def told_of_end(name: str) -> list[str]:
    """A command in front of another, to which the kernel sends a signal when this process ends."""
    return ["setpriv", "--pdeathsig", name]


def run(programs: str, archives: str, arguments: list[str]) -> int:
    """Runs pytest in a new cluster; returns its status."""
    keep = "--keep" in arguments
    sweep()
    work = Path(tempfile.mkdtemp(prefix=PREFIX, dir=FOLDER))
    process = None
    with (work / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            for hierarchy in hierarchies():
                (hierarchy / work.name).mkdir()
            spaces = [
                "--mount",
                "--net",
                "--pid",
                "--uts",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ]
            node = [sys.executable, HERE / "node.py", work, programs, archives]
            rest = [one for one in arguments if one != "--keep"]
            process = subprocess.Popen([*told_of_end("KILL"), "unshare", *spaces, *node, *rest])
            return process.wait()
        finally:
            if process:
                process.kill()
                process.wait()
            remove_cgroups(work.name)
            if keep:
                (work / LOCK).unlink()
                print(f"cluster: logs and state are in {work}")
            else:
                shutil.rmtree(work)


def sweep() -> None:
    """Removes what runs left that were killed so that they could not: their locks are free."""
    for lock in FOLDER.glob(f"{PREFIX}*/{LOCK}"):
        with lock.open() as file, contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_cgroups(lock.parent.name)
            shutil.rmtree(lock.parent)


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

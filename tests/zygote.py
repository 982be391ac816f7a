"""Runs programs, each in a process of its own, without paying the imports each time.

A test helper, started as a script: imports everything once, then answers lines of JSON on stdin.
{"program": path, "arguments": [...], "environment": {...}, "output": path, "errors": path} forks a
child that runs this Python file as `python path arguments...` would, and answers {"pid"}. {"poll":
pid} answers {"status"}: null while it runs, negative for a signal. When stdin ends, because the
tests do or were killed, children that still run are killed. TensorFlow is imported here, but first
used in a child.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import sys

ending = {"status": 0}


def main() -> None:
    atexit.register(leave)  # before all else, so that it is called after all else
    for module in ("components.trainer.run", "pipelines.local", "pipelines.summary"):
        importlib.import_module(module)
    gc.set_threshold(50_000)  # as the tests themselves
    gc.freeze()  # what is imported here need not be looked through, and copied, in each child

    running = set()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        if "poll" in command:
            answer = {"status": poll(command["poll"])}
            if answer["status"] is not None:
                running.remove(command["poll"])
        else:
            pid = os.fork()
            if pid == 0:
                run(command)
                return
            running.add(pid)
            answer = {"pid": pid}
        print(json.dumps(answer), flush=True)
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def poll(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def run(command: dict) -> None:
    """In the child; ends as the program ends."""
    for number, stream in enumerate(("output", "errors"), 1):  # both may be one file
        os.dup2(os.open(command[stream], os.O_WRONLY | os.O_APPEND), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(command["environment"])
    sys.argv = [command["program"], *command["arguments"]]
    ending["status"] = 1  # of an exception that nobody catches
    try:
        runpy.run_path(command["program"], run_name="__main__")
        ending["status"] = 0
    except SystemExit as end:
        ending["status"] = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise


def leave() -> None:
    """Ends this process without taking apart all that is imported, which takes seconds."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(ending["status"])


if __name__ == "__main__":
    main()

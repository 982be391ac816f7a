"""Runs programs, each in a process of its own, without paying the imports each time.

A test helper, started as a script: imports everything once, then answers lines of JSON on stdin.
{"program": path, "arguments": [...], "environment": {...}, "output": path} forks a child that runs
this Python file as `python path arguments...` would, and answers {"pid"}. {"poll": pid} answers
{"status"}: null while it runs, negative for a signal. When stdin ends, because the tests do or were
killed, children that still run are killed. TensorFlow is imported here, but first used in a child.
"""

import importlib
import json
import os
import runpy
import signal
import sys


def main() -> None:
    for module in ("components.trainer.run", "pipelines.local", "pipelines.summary"):
        importlib.import_module(module)

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
    output = os.open(command["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(command["environment"])
    sys.argv = [command["program"], *command["arguments"]]
    runpy.run_path(command["program"], run_name="__main__")


if __name__ == "__main__":
    main()

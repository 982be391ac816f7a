"""The trainer's `run_fn`: `run_training.py FN_ARGS`, as JSON. A test helper."""

import json
import sys
import types

from components.trainer import run

if __name__ == "__main__":
    run.run_fn(types.SimpleNamespace(**json.loads(sys.argv[1])))

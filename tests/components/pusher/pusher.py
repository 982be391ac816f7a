"""Pushes models until it is killed: lines of JSON on stdin, [model, base], and on stdout.

A test helper, started as a script. It has an object store in a folder, for many processes at once,
in which objects appear whole or not at all: of `bucket:///somewhere/bucket/models/cats`, what is
being uploaded lies in `/somewhere/uploads`.
"""

import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem


class Bucket(LocalFileSystem):
    protocol = "bucket"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, str):
            path = path.removeprefix("bucket://")
        return super()._strip_protocol(path)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        place = Path(self._strip_protocol(path))
        draft = Path(str(place).partition("/bucket/")[0], "uploads", uuid.uuid4().hex)
        draft.parent.mkdir(exist_ok=True)
        draft.write_bytes(value)
        while True:
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                draft.replace(place)
                return
            except FileNotFoundError:  # an object store has no folders that others could remove
                continue

    def put_file(self, lpath: str, rpath: str, callback: Any = None, **kwargs: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())


fsspec.register_implementation("bucket", Bucket, clobber=True)

if __name__ == "__main__":
    from components.pusher.push import PUSHED, push_model

    print("ready", flush=True)
    for line in sys.stdin:
        model, base = json.loads(line)
        start = time.perf_counter()
        push = push_model(Path(model), base)
        seconds = time.perf_counter() - start
        print(json.dumps([push.version, push.status == PUSHED, seconds]), flush=True)

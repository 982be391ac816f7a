"""An object store in a folder, for many processes at once: objects appear whole, or not at all.

URLs are like `bucket:///somewhere/bucket/models/cats`; what is being uploaded lies in
`/somewhere/uploads` and cannot be seen.
"""

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


def register() -> None:
    fsspec.register_implementation("bucket", Bucket, clobber=True)

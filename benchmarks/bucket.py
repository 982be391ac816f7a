"""An object store in a folder, for many processes at once: objects appear whole, or not at all.

URLs are like `bucket:///somewhere/bucket/models/cats`; what is being uploaded lies in
`/somewhere/uploads` and cannot be seen.
"""

import shutil
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
        draft = self._draft(path)
        draft.write_bytes(value)
        _appear(draft, Path(self._strip_protocol(path)))

    def put_file(self, lpath: str, rpath: str, callback: Any = None, **kwargs: Any) -> None:
        draft = self._draft(rpath)
        shutil.copyfile(lpath, draft)
        _appear(draft, Path(self._strip_protocol(rpath)))

    def _draft(self, path: str) -> Path:
        place, _, _ = self._strip_protocol(path).partition("/bucket/")
        draft = Path(place, "uploads", uuid.uuid4().hex)
        draft.parent.mkdir(exist_ok=True)
        return draft


def _appear(draft: Path, path: Path) -> None:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.replace(path)
            return
        except FileNotFoundError:  # an object store has no folders that others could remove
            continue


def register() -> None:
    fsspec.register_implementation("bucket", Bucket, clobber=True)

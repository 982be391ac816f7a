from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def touch(tmp_path) -> Callable[..., Path]:
    """Makes empty files; a name that ends with "/" is a folder."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
            if not name.endswith("/"):
                path.write_bytes(b"")
        return tmp_path

    return make

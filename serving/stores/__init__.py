"""Versions of a model on a folder or in an object store."""

from pathlib import Path

from serving.errors import InputError
from serving.stores.base import VersionStore, join
from serving.stores.local_store import LocalStore

__all__ = ["VersionStore", "join", "open_store"]

_LOCAL_SCHEMES = ("file", "local")


def open_store(base: str | Path) -> VersionStore:
    """Opens the place of a model's versions, which need not exist.

    Args:
        base: a folder, or a URL that fsspec knows, like `s3://bucket/models/cats`. Credentials and
            endpoints come from where fsspec takes them: its configuration files and `FSSPEC_...`
            variables, and what the store's own library reads.

    Raises:
        InputError: fsspec does not know the scheme, or the library for it is not installed.
    """
    text = str(base)
    scheme, separator, rest = text.partition("://")
    if not separator:
        return LocalStore(Path(text))
    if scheme in _LOCAL_SCHEMES:  # a rename is worth more than what an object store can promise
        return LocalStore(Path(rest))
    import fsspec  # late: most stores are folders

    from serving.stores.object_store import ObjectStore

    try:
        filesystem, root = fsspec.core.url_to_fs(text)
    except (ValueError, ImportError) as error:
        raise InputError(
            f"serving root {text}", expected="a folder or a URL that fsspec opens", found=str(error)
        ) from error
    return ObjectStore(filesystem, root, text.rstrip("/"))

"""Versions of a model on a folder or in an object store."""

from serving.stores.base import VersionStore, join
from serving.stores.opening import open_store

__all__ = ["VersionStore", "join", "open_store"]

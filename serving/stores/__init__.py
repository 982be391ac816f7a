"""Versions of a model on a folder or in an object store."""

from serving.stores.store import VersionStore, join, open_store

__all__ = ["VersionStore", "join", "open_store"]

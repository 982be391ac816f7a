"""A loaded version and the requests that run on it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from serving.server.servable import Servable

# (model name, version's folder, version) -> a servable that answers, warmed up.
Load = Callable[[str, Path, int], Servable]


@dataclass
class Loaded:
    """A version in memory.

    Attributes:
        servable: what answers.
        users: requests that run on it now.
        retired: takes no new requests; its last user closes it.
    """

    servable: Servable
    users: int = 0
    retired: bool = False

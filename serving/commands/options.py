"""What all commands that ask a server can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from serving.client import DEFAULT_TARGET, DEFAULT_TIMEOUT_SECONDS, ImageClient, Tls
from serving.commands.outputs import FORMATS
from serving.errors import check_one_of


@dataclass(frozen=True)
class Options:
    """What the three commands share.

    Attributes:
        target: the server's HOST:PORT.
        version: its version; None: the server's choice.
        label: the label of a version, instead of its number.
        timeout_seconds: for a request of up to 8 images, repeats included.
        tls: how to encrypt; None: not at all.
        headers: sent along.
        files_from: a file with more paths, one a line; `-`: standard input.
        style: `table`, `json`, `jsonl` or `csv`.
    """

    target: str = DEFAULT_TARGET
    version: int | None = None
    label: str | None = None
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    files_from: Path | None = None
    style: str = "table"

    def __post_init__(self) -> None:
        check_one_of("--format", self.style, FORMATS)

    def client(self, model_name: str) -> ImageClient:
        """A client that asks so."""
        return ImageClient(
            self.target,
            model_name,
            self.timeout_seconds,
            version=self.version,
            label=self.label,
            tls=self.tls,
            headers=self.headers,
        )

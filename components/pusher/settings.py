"""Where a good model goes, and what has to be true there before it stays."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from components.settings import Positive, PositiveInt, Section
from serving.errors import InputError


class LiveCheckConfig(Section):
    """What the server that serves the pushed models is asked after a push."""

    target: Annotated[str, Field(pattern=r"^[^\s]+:[0-9]+$")]
    """HOST:PORT of its gRPC interface."""

    deadline_seconds: Positive = 120.0
    """Seconds for the server to load the version and to answer."""

    images: PositiveInt = 4
    """Test images (or points) sent to each endpoint."""


class PusherConfig(Section):
    """Where a good model goes."""

    model_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")]
    """The name clients ask for."""

    serving_root: str = ""
    """Folder above the model's own, or URL of an object store (`s3://...`); empty: `serving` in the
    work directory."""

    keep_versions: PositiveInt | None = 5
    """Versions that stay, the newest ones; older ones are removed after a push, unless they are
    served or labelled. null: all stay."""

    model_config_file: str = ""
    """The server's `--model_config_file`, in which the version gets its label once `live_check`,
    which has to be there, has seen it answer; empty: none, the server serves the newest version."""

    label: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")] = "stable"
    """Which label that is."""

    live_check: LiveCheckConfig | None = None
    """How the live server is tried after the push; null: it is not."""

    allow_class_change: bool = False
    """Whether a model may be pushed whose classes (their names or their order) are not those of the
    newest version that is there."""

    def mistakes(self) -> Iterator[InputError]:
        """A server refuses a file that moves a label to a version it has not loaded."""
        if self.model_config_file and not self.live_check:
            yield InputError(
                "pusher.model_config_file",
                expected="pusher.live_check besides it: a label moves to a loaded version only",
                found="none",
            )

"""Where a good model goes, and what has to be true there before it stays."""

from typing import Annotated

from pydantic import Field, model_validator

from components.settings import PositiveInt, Section
from serving.errors import InputError


class LiveCheckConfig(Section):
    """What the server that serves the pushed models is asked after a push.

    Attributes:
        target: HOST:PORT of its gRPC interface.
        deadline_seconds: time for the server to load the version and to answer.
        pictures: test pictures or points sent to each endpoint.
    """

    target: Annotated[str, Field(pattern=r"^[^\s]+:[0-9]+$")]
    deadline_seconds: Annotated[float, Field(gt=0.0)] = 120.0
    pictures: PositiveInt = 4


class PusherConfig(Section):
    """Where a good model goes.

    Attributes:
        model_name: the name clients ask for.
        serving_root: folder above the model's own, or URL of an object store (`s3://...`); empty:
            `serving` in the work directory.
        keep_versions: versions that stay, the newest ones; older ones are removed after a push,
            unless they are served or labelled. None: all stay.
        model_config_file: the server's `--model_config_file`, in which the version gets its
            label once `live_check`, which has to be there, has seen it answer; empty: none, the
            server serves the newest version.
        label: which label that is.
        live_check: how the live server is tried after the push; None: it is not.
    """

    model_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    serving_root: str = ""
    keep_versions: PositiveInt | None = 5
    model_config_file: str = ""
    label: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")] = "stable"
    live_check: LiveCheckConfig | None = None

    @model_validator(mode="after")
    def _labels_are_checked(self) -> "PusherConfig":
        # A server refuses a file that moves a label to a version it has not loaded.
        if self.model_config_file and not self.live_check:
            raise InputError(
                "pusher.model_config_file",
                expected="pusher.live_check besides it: a label moves to a loaded version only",
                found="none",
            )
        return self

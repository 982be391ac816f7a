"""The pusher step: a good model goes where it is served."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.pusher.component import Pusher
    from components.pusher.settings import PusherConfig
else:
    __getattr__ = lazily(__name__, Pusher="component", PusherConfig="settings")

STEP = Step(name="pusher", cached=False, cached_on_cluster=False, uses="models")

__all__ = ["STEP", "Pusher", "PusherConfig"]

"""The pusher step: a good model goes where it is served."""

from components.steps import Step, lazily

__getattr__ = lazily(__name__, Pusher="component", PusherConfig="settings")

STEP = Step(name="pusher", cached=False, uses="models")

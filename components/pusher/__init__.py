"""The pusher step: a good model goes where it is served."""

from components.steps import Step, lazily

STEP = Step(name="pusher", cached=False, cached_on_cluster=False, uses="models")
__getattr__ = lazily(__name__, Pusher="component", PusherConfig="settings")

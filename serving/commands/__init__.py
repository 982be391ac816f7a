"""The commands that ask a running server. Need no TensorFlow."""

from serving.commands.run import Options, run

__all__ = ["Options", "run"]

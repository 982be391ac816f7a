"""The commands that ask a running server. Need no TensorFlow."""

from serving.commands.run import Options, run_explain, run_predict, run_segment

__all__ = ["Options", "run_explain", "run_predict", "run_segment"]

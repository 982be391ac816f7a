"""The commands that ask a running server. Need no TensorFlow."""

from serving.commands.options import Options
from serving.commands.run import run_explain, run_predict, run_segment

__all__ = ["Options", "run_explain", "run_predict", "run_segment"]

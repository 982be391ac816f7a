"""The course of a training."""

"""Numerics that the tasks share: counts over examples, figures from counts, their intervals."""

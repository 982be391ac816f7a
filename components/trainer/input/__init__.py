"""From Examples on disk to batches."""

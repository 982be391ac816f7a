"""The same pipeline on Kubeflow Pipelines: compiled, submitted, scheduled, and run in its pods."""

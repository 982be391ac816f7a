"""Submits and schedules compiled pipelines: what talks to a Kubeflow Pipelines server."""

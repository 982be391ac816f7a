"""The gRPC client: images in, labels, heat maps and masks out. Needs no TensorFlow."""

from serving.client.connection import (
    CLASSIFIER_NAME,
    DEFAULT_TARGET,
    DEFAULT_TIMEOUT_SECONDS,
    CallOptions,
    Tls,
)
from serving.client.image_client import ImageClient
from serving.client.images import BATCH_SIZE, Image, check_image

__all__ = [
    "BATCH_SIZE",
    "CLASSIFIER_NAME",
    "DEFAULT_TARGET",
    "DEFAULT_TIMEOUT_SECONDS",
    "CallOptions",
    "Image",
    "ImageClient",
    "Tls",
    "check_image",
]

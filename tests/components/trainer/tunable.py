"""A small architecture that can be fine-tuned, as the large ones are; named by its import path."""

from components.models.spec import ModelSpec

SPEC = ModelSpec(
    "tunable",
    "components.models.convnet_small_150:build",
    "image_classification",
    fine_tune_from="conv3",
)

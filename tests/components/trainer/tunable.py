"""A small architecture that can be fine-tuned, as the large ones are; named by its import path."""

from components.models.spec import ModelSpec

SPEC = ModelSpec(
    "tunable",
    "components.models.convnets:convnet_small_150",
    "image_classification",
    fine_tune_from="conv3",
)

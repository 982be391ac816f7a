"""Which layers Grad-CAM takes, and what is said of the others."""

import pytest


@pytest.mark.parametrize(
    ("layer", "found"),
    [
        ("trunk_outptu", "which mini_xception does not have; the nearest: 'trunk_output'"),
        ("zzz", "which mini_xception does not have; the nearest: 'trunk_output'"),
        ("global_pool", "whose output is no such map"),
        ("probability", "whose output is no such map"),
        ("image", "from which the logits do not follow"),
    ],
)
def test_a_layer_that_cannot_be_explained_is_refused(layer, found):
    from components import models
    from components.explanations.grad_cam import check_layer
    from serving.errors import InputError

    model = models.build("mini_xception", 32, 2)
    with pytest.raises(InputError, match=found) as caught:
        check_layer(model, layer, "logits", "trainer.export.grad_cam_layer")
    assert str(caught.value).startswith("trainer.export.grad_cam_layer: expected a layer")
    check_layer(model, "block3_pool", "logits", "trainer.export.grad_cam_layer")


def test_a_layer_after_the_scores_of_the_pixels_is_refused():
    from components import models
    from components.explanations.grad_cam import check_layer
    from serving.errors import InputError

    model = models.build("segmentation_convnet", 32, 3)
    for layer in ("logits", "probabilities"):
        with pytest.raises(InputError, match="from which the logits do not follow"):
            check_layer(model, layer, "logits", "key")

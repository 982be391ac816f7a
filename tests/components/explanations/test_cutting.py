import pytest

from components import models
from components.explanations.cutting import check_layer
from serving.errors import InputError

KEY = "trainer.export.grad_cam_layer"


@pytest.mark.parametrize(
    ("name", "classes", "layer", "found"),
    [
        ("mini_xception", 2, "trunk_outptu", "does not have; the nearest: 'trunk_output'"),
        ("mini_xception", 2, "zzz", "which mini_xception does not have; the nearest: 'trunk_o"),
        ("mini_xception", 2, "global_pool", "whose output is no such map"),
        ("mini_xception", 2, "image", "from which the logits do not follow"),
        # The scores of pixels are maps, too.
        ("segmentation_convnet", 3, "logits", "from which the logits do not follow"),
        ("segmentation_convnet", 3, "probabilities", "from which the logits do not follow"),
    ],
)
def test_a_layer_that_cannot_be_explained_is_refused(name, classes, layer, found):
    model = models.build(name, 32, classes)
    with pytest.raises(InputError, match=found) as caught:
        check_layer(model, layer, "logits", KEY)
    assert str(caught.value).startswith(f"{KEY}: expected a layer")
    if name == "mini_xception":  # one before the last is taken
        check_layer(model, "block3_pool", "logits", KEY)

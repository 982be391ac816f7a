"""What `trainer.export` fixes in the SavedModel."""

from pathlib import Path

import numpy as np
import pytest

from components import features as f
from components.errors import InputError


@pytest.mark.parametrize(
    ("model", "layer", "message"),
    [
        ("mini_xception", "trunk_outptu", r"does not have; the nearest: 'trunk_output'"),
        ("mini_xception", "probability", r"no such map"),
        # Keras makes this name up, with another number in every build.
        ("xception", "conv2d_1", r"does not have; the nearest: 'conv2d_\d+'"),
    ],
)
def test_a_layer_that_cannot_be_explained_is_refused_before_the_training(
    make_fn_args, model, layer, message
):
    import keras

    from components.trainer import run

    keras.backend.clear_session()  # the first build has the lowest numbers
    fn_args = make_fn_args(
        "classification",
        model=model,
        model_args={},
        image_size=96,
        export={"grad_cam_layer": layer},
    )
    with pytest.raises(InputError, match=rf"trainer\.export\.grad_cam_layer: .*{message}"):
        run.run_fn(fn_args)
    assert not Path(fn_args.serving_model_dir).exists()


def test_the_layer_asked_for_is_explained(make_fn_args):
    import keras
    import tensorflow as tf

    from components.preprocessing import decode_images
    from components.trainer import run
    from serving.grad_cam import grad_cam, split_model

    layer = "block2_conv_b"  # a residual sum leads round it
    fn_args = make_fn_args(
        "classification",
        model="residual_convnet",
        model_args={},
        epochs=1,
        export={"grad_cam_layer": layer},
    )
    run.run_fn(fn_args)
    pixels = np.random.default_rng(3).integers(0, 256, (32, 32, 3)).astype(np.uint8)
    picture = tf.io.encode_png(pixels)[None]
    loaded = tf.saved_model.load(fn_args.serving_model_dir)
    answer = loaded.signatures[f.SIGNATURE_GRAD_CAM](
        image_bytes=picture, class_index=tf.constant([1])
    )
    best = keras.models.load_model(Path(fn_args.model_run_dir, run.BEST_CHECKPOINT))

    def expected(name):
        halves = split_model(best, name, "logits")
        return grad_cam(*halves, decode_images(picture, 32), lambda logits, _: logits[:, 0])[0]

    heatmap = answer[f.OUTPUT_HEATMAP].numpy()
    np.testing.assert_allclose(heatmap, expected(layer).numpy(), atol=1e-4)
    assert np.abs(heatmap - expected("trunk_output").numpy()).max() > 0.1

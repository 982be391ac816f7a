"""Random weights: what they do to heatmaps of a trained model, and to those that ignore it."""

import numpy as np
import pytest

SIDE = 32


def picture(rng, label):
    """A red or a blue square on grey: uint8 [SIDE, SIDE, 3]."""
    pixels = rng.uniform(90, 110, (SIDE, SIDE, 3))
    top, left = rng.integers(1, SIDE - 13, 2)
    pixels[top : top + 12, left : left + 12] = (255, 0, 0) if label == 0 else (0, 0, 255)
    return pixels.astype(np.uint8)


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(5)
    labels = np.arange(128) % 2
    return np.stack([picture(rng, label) for label in labels]), labels


@pytest.fixture(scope="module")
def explained(pictures, tmp_path_factory):
    """explained(explain) gives the folder of one trained SavedModel that explains itself so."""
    import keras

    from components.export.saved_model import ExportOptions, export_model
    from components.models import ModelSpec
    from components.models.blocks import class_output
    from components.tasks import get_task
    from serving.classes import Classes

    keras.utils.set_random_seed(1)
    layers = keras.layers
    inputs = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Conv2D(8, 3, strides=2, use_bias=False, padding="same", name="stem")(x)
    x = layers.ReLU()(layers.BatchNormalization(name="norm")(x))
    x = layers.Conv2D(16, 3, strides=2, activation="relu", padding="same", name="trunk_output")(x)
    model = keras.Model(inputs, class_output(layers.GlobalAveragePooling2D()(x), 2))
    model.compile(
        keras.optimizers.Adam(1e-2), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    images, labels = pictures
    history = model.fit(images.astype(np.float32), labels, epochs=20, verbose=0).history
    assert history["accuracy"][-1] > 0.95

    def export(explain):
        folder = tmp_path_factory.mktemp("explained") / "1"
        options = ExportOptions(ModelSpec("tiny", "elsewhere:build"), explain=explain)
        told = {"task": get_task("image_classification"), "classes": Classes(("red", "blue"))}
        export_model(model, folder, **told, side=SIDE, options=options)
        return str(folder)

    return export


@pytest.fixture(scope="module")
def tried(explained, pictures):
    """tried(explain, seed=0) gives the stages of the cascade, on 16 pictures."""
    import tensorflow as tf

    from components.explanations.sanity import cascade

    images, labels = pictures
    encoded = [tf.io.encode_png(image).numpy() for image in images[:16]]
    return lambda explain, seed=0: cascade(explained(explain), encoded, labels[:16], seed)


def edges(trunk, head, images, score):
    import tensorflow as tf

    _, probabilities = head(trunk(images, training=False), training=False)
    return tf.reduce_sum(tf.abs(tf.image.sobel_edges(images)), [-1, -2]), probabilities


def activations(trunk, head, images, score):
    """Looks at the trunk alone."""
    import tensorflow as tf

    between = trunk(images, training=False)
    features = between[0] if isinstance(between, list) else between
    return tf.reduce_sum(features, -1), head(between, training=False)[1]


def test_grad_cam_changes_with_the_weights_and_edges_do_not(tried):
    from components.explanations.methods import grad_cam

    drawn, seen = tried(edges), tried(grad_cam)
    assert list(drawn) == list(seen) == [1, 2, 3, 4]
    np.testing.assert_allclose(np.stack(list(drawn.values())), 1)
    assert seen[4].shape == (16,)
    assert seen[4].mean() < 0.5
    assert seen[1].mean() < 0.5  # what speaks for the class is in the last layer


def test_the_output_goes_first_and_all_end_random(tried):
    stages = tried(activations)
    np.testing.assert_allclose(stages[1], 1)
    assert stages[2].max() < 1
    assert stages[4].mean() < stages[2].mean() - 0.1
    again, other = tried(activations), tried(activations, seed=1)
    np.testing.assert_array_equal(again[4], stages[4])
    assert np.abs(other[4] - stages[4]).max() > 1e-3


def test_layers_come_from_the_output_with_their_moving_statistics():
    import keras

    from components.explanations.sanity import layers_from_output

    inputs = keras.Input((4, 4, 3))
    x = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(2, 1, name="conv")(inputs))
    x = keras.layers.Dropout(0.5, seed=1)(x)
    model = keras.Model(inputs, keras.layers.Dense(2, name="out")(x))
    found = layers_from_output([variable.value for variable in model.variables])
    assert [[variable.name.partition(":")[0] for variable in layer] for layer in found] == [
        ["out/kernel", "out/bias"],
        ["norm/gamma", "norm/beta", "norm/moving_mean", "norm/moving_variance"],
        ["conv/kernel", "conv/bias"],
    ]


def test_rank_correlation_by_hand():
    from components.explanations.sanity import rank_correlation

    def ranks(values):  # equal ones share the mean of their places
        return (values[:, None] > values).sum(axis=1) + (values[:, None] == values).sum(axis=1) / 2

    rng = np.random.default_rng(0)
    maps = np.maximum(rng.normal(0, 1, (2, 5, 9, 9)), 0)
    maps[1, 1] = maps[0, 1] ** 3  # of equal ranks
    maps[1, 2] = maps[0, 2].max() - maps[0, 2]
    maps[1, 3] = maps[0, 4] = 0.25  # which points nowhere
    found = rank_correlation(*maps)
    expected = np.corrcoef(ranks(maps[0, 0].ravel()), ranks(maps[1, 0].ravel()))[0, 1]
    np.testing.assert_allclose(found, [expected, 1, -1, 0, np.nan], atol=1e-12)
    assert 0.01 < abs(found[0]) < 0.5

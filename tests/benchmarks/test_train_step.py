import numpy as np
import pytest


@pytest.fixture
def train_step():
    from benchmarks import train_step

    return train_step


def test_both_kinds_of_steps_do_the_same_work(train_step):
    import keras

    losses = []
    for fused in (True, False):
        keras.utils.set_random_seed(1)
        train, validate = train_step.steps_of("mini_xception", 64, "float32", fused=fused)
        taken = [float(step()["loss"]) for step in (train, validate)]
        losses.append(taken)
    np.testing.assert_allclose(*losses, rtol=1e-3)
    assert losses[0][0] != losses[0][1]


def test_both_sides_read_the_same_images(train_step, tmp_path):
    from components import preprocessing

    folder = tmp_path / "drawn"
    split, seconds = train_step.prepare(folder, 40, 32)  # what fills no batch is not drawn
    assert seconds > 0
    assert split.inputs.shape == (32, 32, 32, 3)
    paths = sorted(folder.rglob("*.jpg"))
    assert len(paths) == 32
    decoded = {
        np.rint(preprocessing.decode_image(path.read_bytes(), 32))
        .astype(np.uint8)
        .tobytes(): path.parent.name == "Dog"
        for path in paths
    }
    for image, target in zip(split.inputs, split.targets, strict=True):
        assert decoded.pop(image.tobytes()) == target[0]
    assert not decoded

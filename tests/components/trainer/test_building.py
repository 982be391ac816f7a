import hashlib

import keras
import numpy as np
import pytest

from components.models import build
from components.trainer.fit.building import digests, load_weights
from components.trainer.settings import TrainerConfig
from serving.errors import InputError


@pytest.mark.parametrize("suffix", [".weights.h5", ".keras"])
def test_weights_come_back(tmp_path, suffix):
    keras.utils.set_random_seed(1)
    saved = build("mini_xception", 32, 2)
    path = tmp_path / f"model{suffix}"
    saved.save(path) if suffix == ".keras" else saved.save_weights(path)
    # The network takes images of any size.
    keras.utils.set_random_seed(2)
    model = build("mini_xception", 64, 2)
    load_weights(model, str(path), "trainer.weights")
    for one, other in zip(saved.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("name", "args"), [("segmentation_convnet", {}), ("mini_xception", {"residual": False})]
)
def test_weights_of_another_architecture_are_refused(tmp_path, name, args):
    path = tmp_path / "other.weights.h5"
    build(name, 32, 2, **args).save_weights(path)
    line = r"^trainer.weights: expected weights of mini_xception .*does not fit.*$"
    with pytest.raises(InputError, match=line):
        load_weights(build("mini_xception", 32, 2), str(path), "trainer.weights")


def test_weights_of_more_layers_than_the_model_has_are_refused(tmp_path):
    """Every layer finds some array of its own shape, and some are left over."""

    def net(deep: int) -> keras.Model:
        return keras.Sequential([keras.Input((3,)), *(keras.layers.Dense(3) for _ in range(deep))])

    path = tmp_path / "deep.weights.h5"
    net(3).save_weights(path)
    with pytest.raises(InputError, match=r"arrays too many: 2"):
        load_weights(net(2), str(path), "trainer.weights")


def test_no_file_no_weights_file_and_no_known_name(tmp_path):
    model = build("mini_xception", 32, 2)
    with pytest.raises(InputError, match=r"expected an existing file, found .*which is not there"):
        load_weights(model, str(tmp_path / "no.weights.h5"), "trainer.weights")
    with pytest.raises(InputError, match=r"expected a file named \*\.weights\.h5 or \*\.keras"):
        load_weights(model, str(tmp_path / "weights.ckpt"), "trainer.weights")
    for name in ("broken.weights.h5", "broken.keras"):
        (tmp_path / name).write_bytes(b"no weights at all")
        with pytest.raises(InputError, match=r"which does not fit"):
            load_weights(model, str(tmp_path / name), "trainer.weights")


def test_digests_tell_the_content_of_what_a_training_starts_from(tmp_path):
    path = tmp_path / "a.weights.h5"
    path.write_bytes(b"one")
    config = TrainerConfig(model="vgg16", weights=str(path), model_args={"weights": "imagenet"})
    assert digests(config) == {"trainer.weights": hashlib.sha256(b"one").hexdigest()}
    path.write_bytes(b"two")
    assert digests(config) == {"trainer.weights": hashlib.sha256(b"two").hexdigest()}
    with pytest.raises(InputError, match=r"^trainer.model_args.weights: expected an existing file"):
        digests(TrainerConfig(model="vgg16", model_args={"weights": str(tmp_path / "no.h5")}))
    assert digests(TrainerConfig(model="vgg16")) == {}

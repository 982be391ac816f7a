"""The model that a training starts with, fresh or from a file, and the one that it leaves."""

import contextlib
import hashlib
import io
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import keras

from components import models
from components.tasks.parts import Training
from components.trainer.settings import TrainerConfig
from serving.errors import InputError

SUFFIXES = (".weights.h5", ".keras")


def build_model(config: TrainerConfig, part: Training) -> keras.Model:
    """What a training starts with: fresh, or with the weights of a file.

    Returns:
        The task's trainee; it shares all weights of the model that is exported.

    Raises:
        InputError: the architecture cannot be built so, or the weights do not fit it.
    """
    keras.utils.set_random_seed(config.seed)
    model = _build(config, part)
    if config.weights:
        load_weights(model, config.weights, "trainer.weights")
    return part.trainee(model)


def bare_model(config: TrainerConfig, part: Training) -> keras.Model:
    """The whole model for weights to come, computing in float32 whatever it was trained in.

    What is served must not depend on the trainer's hardware; the weights are float32 anyway.
    """
    with dtype_policy("float32"):
        return _build(config.without_weights, part)


@contextlib.contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Keras's dtype policy for as long as the context lasts."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _build(config: TrainerConfig, part: Training) -> keras.Model:
    return models.build(config.model, config.image_size, len(part.classes), **config.model_args)


def weight_files(config: TrainerConfig) -> dict[str, str]:
    """Paths of the files that a training starts from, by key."""
    named = {
        "trainer.weights": config.weights,
        "trainer.model_args.weights": str(config.model_args.get("weights", "")),
    }
    return {key: path for key, path in named.items() if path not in ("", "imagenet")}


def digests(config: TrainerConfig) -> dict[str, str]:
    """SHA-256 of the files that a training starts from, by key: what is in them counts, not where.

    Raises:
        InputError: a file is not there.
    """
    found = {}
    for key, path in weight_files(config).items():
        file = _existing(path, key)
        with file.open("rb") as content:
            found[key] = hashlib.file_digest(content, "sha256").hexdigest()
    return found


def load_weights(model: keras.Model, path: str, key: str) -> None:
    """Loads all weights of a fresh model; it is useless afterwards if the file does not fit.

    The file is a `.weights.h5` or `.keras`, written under any Keras backend.

    Raises:
        InputError: there is no such file, it cannot be read, or it holds another architecture's.
    """
    if not path.endswith(SUFFIXES):
        raise InputError(key, expected=f"a file named *{' or *'.join(SUFFIXES)}", found=f"'{path}'")
    file = _existing(path, key)
    fitting = f"weights of {model.name} ({model.count_params():,} parameters)"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.load_weights(file)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split()).partition(". ")[0][:200]
        found = f"'{path}', which does not fit ({reason})"
        raise InputError(key, expected=fitting, found=found) from error
    surplus = _arrays(file) - len(model.weights)  # Keras tells what is missing, not what is left
    if surplus:
        found = f"'{path}', which does not fit (arrays too many: {surplus})"
        raise InputError(key, expected=fitting, found=found)


def _existing(path: str, key: str) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        raise InputError(key, expected="an existing file", found=f"'{path}', which is not there")
    return file


def _arrays(file: Path) -> int:
    """Arrays of the layers that a weights file holds, those of the optimizer left out."""
    source: Path | io.BytesIO = file
    if file.suffix == ".keras":
        with zipfile.ZipFile(file) as archive:
            source = io.BytesIO(archive.read("model.weights.h5"))
    names: list[str] = []
    with h5py.File(source) as content:
        content["layers"].visititems(
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
        )
    # Layers that draw at random also keep the state of their generator.
    return sum("seed_generator" not in name for name in names)

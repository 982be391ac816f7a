"""The step `Converter`: declares what goes in and out; `executor.py` works."""

from dataclasses import KW_ONLY
from typing import Annotated

from tfx.types import BaseChannel
from tfx.types.standard_artifacts import Examples, ModelRun

from components.artifacts import Conversions
from components.converter.executor import Executor
from components.converter.settings import ConverterConfig
from components.declared import DeclaredComponent


class Converter(DeclaredComponent, executor=Executor, outputs={"conversions": Conversions}):
    """Converts the bare model to TensorFlow Lite and ONNX and compares each with the original.

    The bare model takes float32 [batch, side, side, 3] in [0, 255] and gives probabilities; it
    decodes no images.

    Args:
        examples: `Examples` with a `test` split, and their classes.
        model_run: holds the exported epoch as a Keras file.
        task: name or import path, of one of images.
        config: formats and tolerances.
    """

    examples: Annotated[BaseChannel, Examples]
    model_run: Annotated[BaseChannel, ModelRun]
    _: KW_ONLY
    task: str = "image_classification"
    config: ConverterConfig

"""What can be said about conversions; a section of the pipeline's configuration."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from components.settings import PositiveInt, Section, Share
from serving.errors import InputError

Format = Literal["tflite", "tflite_quantized", "onnx"]


class ToleranceConfig(Section):
    """By format, how far a probability may be from the original's, on average."""

    tflite: Share = 1e-4
    """Float32 as the original is; only the order of additions differs."""
    onnx: Share = 1e-4
    """The same."""
    tflite_quantized: Share = 0.02
    """Weights of 8 bits."""


class ConverterConfig(Section):
    """Into what the bare model is converted beside the SavedModel."""

    formats: Annotated[list[Format], Field(min_length=1)]
    """`tflite`, `tflite_quantized` (TensorFlow Lite with dynamic-range quantization: weights of 8
    bits, about a quarter of the size) and `onnx`."""
    images: PositiveInt = 500
    """Images of the test split that each is compared on, at most."""
    tolerance: ToleranceConfig = ToleranceConfig()
    """Largest mean difference by format; what differs more fails the run."""

    def mistakes(self) -> Iterator[InputError]:
        """A format that is named twice."""
        if len(set(self.formats)) < len(self.formats):
            yield InputError(
                "converter.formats", expected="each format once", found=str(self.formats)
            )

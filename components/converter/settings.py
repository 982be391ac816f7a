"""What can be said about conversions; a section of the pipeline's configuration."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from components.settings import PositiveInt, Section
from serving.errors import InputError

Format = Literal["tflite", "tflite_quantized", "onnx"]
Difference = Annotated[float, Field(ge=0.0, le=1.0)]


class ToleranceConfig(Section):
    """By format, how far a probability may be from the original's, on average.

    Attributes:
        tflite, onnx: float32 as the original is; only the order of additions differs.
        tflite_quantized: weights of 8 bits.
    """

    tflite: Difference = 1e-4
    onnx: Difference = 1e-4
    tflite_quantized: Difference = 0.02


class ConverterConfig(Section):
    """Into what the bare model is converted beside the SavedModel.

    Attributes:
        formats: `tflite`, `tflite_quantized` (TensorFlow Lite with dynamic-range quantization:
            weights of 8 bits, about a quarter of the size) and `onnx`.
        pictures: pictures of the test split that each is compared on, at most.
        tolerance: see there; what differs more fails the run.
    """

    formats: Annotated[list[Format], Field(min_length=1)]
    pictures: PositiveInt = 500
    tolerance: ToleranceConfig = ToleranceConfig()

    @model_validator(mode="after")
    def _each_once(self) -> "ConverterConfig":
        if len(set(self.formats)) < len(self.formats):
            raise InputError(
                "converter.formats", expected="each format once", found=str(self.formats)
            )
        return self

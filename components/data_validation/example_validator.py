"""TFX's own ExampleValidator, beside its neighbours."""

from tfx.components.example_validator.component import ExampleValidator

__all__ = ["ExampleValidator"]

"""The infra_validator step: the model really answers in a server."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.infra_validator.component import InfraValidator
else:
    __getattr__ = lazily(__name__, InfraValidator="component")

STEP = Step(name="infra_validator", sources=("serving.server.__main__",))

__all__ = ["STEP", "InfraValidator"]

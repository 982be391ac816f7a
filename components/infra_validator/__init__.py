"""The infra_validator step: the model really answers in a server."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.infra_validator.component import InfraValidator
    from components.infra_validator.settings import InfraValidatorConfig
else:
    __getattr__ = lazily(__name__, InfraValidator="component", InfraValidatorConfig="settings")

STEP = Step(name="infra_validator", sources=("serving.server.__main__",))

__all__ = ["STEP", "InfraValidator", "InfraValidatorConfig"]

"""The infra_validator step: the model really answers in a server."""

from components.steps import Step, lazily

__getattr__ = lazily(__name__, InfraValidator="component", InfraValidatorConfig="settings")

STEP = Step(name="infra_validator", sources=("serving.server.__main__",))

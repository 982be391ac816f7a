"""The infra_validator step: the model really answers in a server."""

from components.steps import Step, lazily

STEP = Step(name="infra_validator", sources=("serving.server.__main__",))
__getattr__ = lazily(__name__, InfraValidator="component", InfraValidatorConfig="settings")

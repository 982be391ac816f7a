"""The interpreter step: what the model sees, as a report."""

from components.steps import Step, lazily

__getattr__ = lazily(__name__, Interpreter="component", InterpreterConfig="settings")

STEP = Step(name="interpreter")

"""The interpreter step: what the model sees, as a report."""

from typing import TYPE_CHECKING

from components.steps import Step, lazily

if TYPE_CHECKING:
    from components.interpreter.component import Interpreter
    from components.interpreter.settings import InterpreterConfig
else:
    __getattr__ = lazily(__name__, Interpreter="component", InterpreterConfig="settings")

STEP = Step(name="interpreter")

__all__ = ["STEP", "Interpreter", "InterpreterConfig"]

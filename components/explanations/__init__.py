"""What an answer rests on: one implementation for endpoint, report and metric."""

from typing import Any

from components import extension

# Each is a function as `components.explanations.grad_cam.grad_cam` is one.
SHIPPED = {"grad_cam": "components.explanations.grad_cam:grad_cam"}
KEY = "trainer.export.explanation"


def explanation_path(name: str) -> str:
    """The import path of an explanation: a shipped or announced one, or that path itself.

    Raises:
        InputError: there is none of that name.
    """
    return extension.resolve(name, SHIPPED, kind="explanations", key=KEY)


def load_explanation(name: str) -> Any:
    """The function itself; see `extension.load_function`."""
    takes = ("trunk", "head", "images", "score")
    return extension.load_function(explanation_path(name), key=KEY, takes=takes)

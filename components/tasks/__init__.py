"""The kinds of problems: a folder each, behind one interface (`components.tasks.base.Task`)."""

from components import extension
from components.tasks.base import Task
from serving.errors import InputError

SHIPPED = {
    "image_classification": "components.tasks.image_classification:ImageClassification",
    "image_segmentation": "components.tasks.image_segmentation:ImageSegmentation",
    "points": "components.tasks.points:Points",
}
# What `problem:` said before there were tasks.
PROBLEMS = {"classification": "image_classification", "segmentation": "image_segmentation"}


def get_task(name: str, key: str = "task") -> Task:
    """The task of a name or import path.

    Args:
        name: one of `SHIPPED`, an announced one, or `package.module:Class`.
        key: the setting that names it, for messages.

    Raises:
        InputError: there is no such task.
    """
    path = extension.resolve(name, SHIPPED, kind="tasks", key=key)
    found = extension.load(path, key=key)
    if not (isinstance(found, type) and issubclass(found, Task)):
        raise InputError(
            key, expected="a subclass of components.tasks.base.Task", found=f"'{name}'"
        )
    with extension.calling(path, key, "a task that can be made"):
        task: Task = found()
    task.name = name  # type: ignore[misc]  # an outside one is known by its import path
    return task


__all__ = ["PROBLEMS", "SHIPPED", "Task", "get_task"]

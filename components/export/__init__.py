"""The SavedModel: its endpoints, their signatures, its classes, and what warms a server up."""

from serving.classes import Classes
from serving.names import ASSETS_EXTRA, MODEL_CLASSES_FILE


def model_classes(folder: str) -> Classes | None:
    """The classes that a SavedModel tells apart; None: it tells none, as it was made elsewhere.

    Raises:
        InputError: the file holds something else.
    """
    from tfx.dsl.io import fileio
    from tfx.utils import io_utils

    where = f"{folder}/{ASSETS_EXTRA}/{MODEL_CLASSES_FILE}"
    if not fileio.exists(where):
        return None
    return Classes.from_json(io_utils.read_string_file(where), where)

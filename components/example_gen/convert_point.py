"""One point to one Example, or the reason why not."""

import tensorflow as tf

from components import features as f
from components.datasets import Point
from components.example_gen.convert import Converted, RejectedError, add_bytes
from components.example_gen.split_key import point_key


def convert_point(point: Point) -> Converted:
    """Encodes a point.

    Raises:
        RejectedError: the row it was read from is unusable.
    """
    if point.problem or point.label is None:
        raise RejectedError(point.problem or "no label", point.detail)
    key = point_key(point.x, point.y)
    example = tf.train.Example()
    example.features.feature[f.POINT_X].float_list.value.append(point.x)
    example.features.feature[f.POINT_Y].float_list.value.append(point.y)
    example.features.feature[f.POINT_LABEL].int64_list.value.append(point.label)
    add_bytes(example, f.POINT_LABEL_NAME, f.POINT_CLASS_NAMES[point.label].encode())
    add_bytes(example, f.POINT_ROW, point.path.encode())
    add_bytes(example, f.POINT_KEY, key.encode())
    return Converted(
        path=point.path,
        number=None,
        label=point.label,
        key=key,
        digest=key,
        example=example.SerializeToString(deterministic=True),
    )

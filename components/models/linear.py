"""The book's linear classifier of points ("Deep Learning with Python", 2nd edition, chapter 3).

3 parameters: W and b. Its score is a plain affine function, trained by squared loss on targets
0 and 1: above 0.5 a point is of class 1.
"""

import keras

from components.models.spec import LOGITS_LAYER


def linear(image_size: int | None, classes: int) -> keras.Model:
    """Builds the model.

    Args:
        image_size: not used: points have no size.
        classes: two, which one score tells apart.

    Returns:
        A functional model from float32 [batch, 2], x and y in any unit, to float32 [batch, 1],
        the score: any number.
    """
    del image_size, classes
    inputs = keras.Input((2,), dtype="float32", name="points")
    affine = keras.layers.Dense(1, kernel_initializer="random_normal", name=LOGITS_LAYER)
    return keras.Model(inputs, affine(inputs), name="linear")

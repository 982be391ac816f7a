"""The book's linear classifier of points ("Deep Learning with Python", 2nd edition, chapter 3).

3 parameters: W and b. Its score is a plain affine function, trained by squared loss on targets
0 and 1: above 0.5 a point is of class 1.
"""

import keras

from components.models.spec import LOGITS_LAYER


@keras.saving.register_keras_serializable(package="pawlens")
class SimpleDense(keras.layers.Layer):
    """inputs @ W + b, written out (3.6.1 of the book).

    Args:
        units: length of the output.
        **kwargs: of every Keras layer.

    Input: float32 [batch, features]. Output: float32 [batch, units], any number.
    """

    def __init__(self, units: int, **kwargs: object):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes W [features, units], small random numbers, and b [units], zeros."""
        self.W = self.add_weight(
            shape=(input_shape[-1], self.units), initializer="random_normal", name="W"
        )
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", name="b")

    def call(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        """Applies the layer."""
        return keras.ops.matmul(inputs, self.W) + self.b

    def get_config(self) -> dict[str, object]:
        """What the layer is made again from."""
        return {**super().get_config(), "units": self.units}


def build(image_size: int | None, classes: int) -> keras.Model:
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
    return keras.Model(inputs, SimpleDense(1, name=LOGITS_LAYER)(inputs), name="linear")

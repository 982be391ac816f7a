"""Settings of the step `interpreter`."""

from components.settings import PositiveInt, Section


class InterpreterConfig(Section):
    """What the report shows."""

    images: PositiveInt = 12
    """Test images shown with prediction and Grad-CAM, or test points with their scores; half of
    them wrong ones if there are."""

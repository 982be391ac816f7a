"""What architectures refuse: sizes and arguments out of range, each told in one line."""

from serving.errors import InputError


def check_image_size(
    name: str, image_size: int, *, minimum: int, multiple_of: int = 1, why: str
) -> None:
    """Refuses sizes that an architecture cannot take.

    Args:
        name: the architecture.
        image_size: side of the square input in pixels.
        minimum: smallest side it takes.
        multiple_of: the side has to be a multiple of this.
        why: the reason, for the message.

    Raises:
        InputError: the size does not fit.
    """
    if image_size >= minimum and image_size % multiple_of == 0:
        return
    expected = f"at least {minimum}"
    if multiple_of > 1:
        expected += f" and a multiple of {multiple_of}"
    raise InputError(
        f"trainer.image_size for {name}",
        expected=f"{expected} ({why})",
        found=str(image_size),
        todo=f"try {max(minimum, -(-image_size // multiple_of) * multiple_of)}",
    )


def check_below_one(argument: str, value: float) -> None:
    """Refuses a share, such as a momentum or a dropout rate, that is not in [0, 1).

    Args:
        argument: its name among the architecture's arguments.
        value: what was given.

    Raises:
        InputError: the value is out of range (or not a number).
    """
    if not 0.0 <= value < 1.0:
        raise InputError(
            f"trainer.model_args.{argument}", expected="a number in [0, 1)", found=repr(value)
        )

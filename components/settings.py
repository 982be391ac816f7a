"""What all sections of a configuration share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values are not coerced from other types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def expected_by(message: str) -> str:
    """What would have been right, from a message of pydantic's."""
    return message.removeprefix("Input should be ").removeprefix("a valid ")

"""What all sections of a configuration share."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from serving.errors import InputError, Mistakes

PositiveInt = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values are not coerced from other types.

    The text below a field describes it, in the JSON Schema and in docs/configuration.md.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )

    def mistakes(self) -> Iterator[InputError]:
        """What is wrong although each field by itself is right; all of it is told."""
        yield from ()

    @model_validator(mode="after")
    def _no_mistakes(self) -> Self:
        found = list(self.mistakes())
        if found:
            raise Mistakes(found)
        return self


def expected_by(message: str) -> str:
    """What would have been right, from a message of pydantic's."""
    message = message.replace("String should match", "a text of the")
    return message.removeprefix("Input should be ").removeprefix("a valid ")

"""What all sections of a configuration share."""

from collections.abc import Collection, Iterator
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from serving.errors import InputError, Mistakes

PositiveInt = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
BelowOne = Annotated[float, Field(ge=0.0, lt=1.0)]


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


def leaves(
    tree: dict[str, Any], prefix: str = "", *, whole: Collection[str] = ()
) -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of sections in sections; one with a key of `whole` is a value."""
    for key, value in tree.items():
        if isinstance(value, dict) and value and value.keys().isdisjoint(whole):
            yield from leaves(value, f"{prefix}{key}.", whole=whole)
        else:
            yield f"{prefix}{key}", value


def expected_by(message: str) -> str:
    """What would have been right, from a message of pydantic's."""
    message = message.replace("String should match", "a text of the")
    return message.removeprefix("Input should be ").removeprefix("a valid ")

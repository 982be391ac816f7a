"""All steps that a pipeline may have, in their order; what each is, its own package tells."""

from collections.abc import Iterable, Iterator

from components import (
    baseline,
    converter,
    data_validation,
    evaluator,
    example_gen,
    infra_validator,
    interpreter,
    pusher,
    trainer,
    tuner,
)
from components.steps import Step
from serving.errors import InputError, check_one_of, mistakes_of

STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        example_gen.STEP,
        *data_validation.STEPS,
        tuner.STEP,
        trainer.STEP,
        baseline.STEP,
        evaluator.STEP,
        interpreter.STEP,
        converter.STEP,
        infra_validator.STEP,
        pusher.STEP,
    )
}
BEAM_STEPS = tuple(name for name, step in STEPS.items() if step.beam)


def using(what: str) -> list[str]:
    """The steps that need something of a cluster: `data`, `models` or `state`."""
    return [name for name, step in STEPS.items() if step.uses == what]


def unknown(key: str, names: Iterable[str], valid: Iterable[str]) -> Iterator[InputError]:
    """A mistake for each name, under a key, that is not among the valid ones."""
    for name in names:
        yield from mistakes_of(check_one_of, key, name, valid)

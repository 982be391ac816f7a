"""What steps tell of themselves, without their weight."""

from pipelines.steps import BEAM_STEPS, STEPS, using


def test_what_runners_ask_is_answered_by_the_steps():
    assert next(iter(STEPS)) == "example_gen"
    assert list(STEPS)[-1] == "pusher"
    assert all(name == step.name for name, step in STEPS.items())
    assert BEAM_STEPS == ("example_gen", "statistics_gen", "evaluator")
    assert using("state") == ["tuner", "trainer"]
    assert [name for name, step in STEPS.items() if not step.cached] == ["pusher"]
    assert {step.section for step in STEPS.values()} == {"", "tuner", "converter"}


def test_a_package_exports_its_component():
    import components.pusher

    assert components.pusher.Pusher.__module__ == "components.pusher.component"
    assert not hasattr(components.pusher, "Pushr")

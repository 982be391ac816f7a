import pytest

from pipelines.ablate import ablate_command
from serving.errors import InputError


@pytest.fixture
def ablate(tmp_path):
    """ablate(model, **options) with a work directory that has to stay away."""

    def call(model: str, *, data=None, sets=(), config=None):
        ablate_command(
            model,
            config_name=config,
            data=data,
            workdir=tmp_path / "work",
            sets=list(sets),
            output=None,
        )

    yield call
    assert not (tmp_path / "work").exists()


def test_a_model_without_switches_is_refused(ablate):
    with pytest.raises(InputError) as error:
        ablate("convnet_baseline")
    assert str(error.value) == (
        "model 'convnet_baseline': expected one with switches (mini_xception, or a ModelSpec with "
        "ablations), found none in it"
    )


def test_an_unknown_model_names_the_nearest(ablate):
    with pytest.raises(InputError, match=r"did you mean 'mini_xception'\?"):
        ablate("mini_xeption")


def test_the_configuration_is_that_of_the_models_task(ablate, tmp_path):
    with pytest.raises(InputError, match=r"data\.path: .*'missing'"):
        ablate("mini_xception", data="missing")
    with pytest.raises(InputError, match=r"pets_segmentation\.yaml: .*a model for image_segment"):
        ablate("mini_xception", config="pets_segmentation", data=str(tmp_path))


def test_a_model_from_outside_needs_switches(ablate, tmp_path, monkeypatch):
    (tmp_path / "ablated_nets.py").write_text("def plain(image_size, classes): ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"model 'ablated_nets:plain': expected one with switches"):
        ablate("ablated_nets:plain")


def test_wrong_settings_are_told_in_one_line(ablate, tmp_path):
    with pytest.raises(InputError, match=r"trainer\.epoch: unknown key; did you mean"):
        ablate("mini_xception", data=str(tmp_path), sets=["trainer.epoch=3"])


def test_stages_are_not_compared(ablate, tmp_path):
    with pytest.raises(InputError, match=r"trainer\.stages: expected none with an ablation"):
        ablate("mini_xception", config="cats_vs_dogs_book", data=str(tmp_path))
    given = ["trainer.epochs=0", "trainer.weights=a.keras"]
    with pytest.raises(InputError, match=r"trainer\.epochs: expected 1 or more with an ablation"):
        ablate("mini_xception", data=str(tmp_path), sets=given)

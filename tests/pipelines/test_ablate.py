import pytest

from pipelines.ablate import ablate_command
from serving.errors import InputError


@pytest.fixture(autouse=True)
def from_outside(tmp_path, monkeypatch):
    (tmp_path / "ablated_nets.py").write_text("def plain(image_size, classes): ...\n")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.parametrize(
    ("model", "config", "sets", "line"),
    [
        (
            "convnet_baseline",
            None,
            [],
            "model 'convnet_baseline': expected one with switches (mini_xception, or a ModelSpec "
            "with ablations), found none in it",
        ),
        ("ablated_nets:plain", None, [], "model 'ablated_nets:plain': expected one with switches"),
        ("mini_xeption", None, [], "did you mean 'mini_xception'?"),
        ("mini_xception", None, ["data.path=missing"], "data.path: expected an existing folder"),
        ("mini_xception", "pets_segmentation", [], "a model for image_segment"),
        ("mini_xception", None, ["trainer.epoch=3"], "trainer.epoch: unknown key; did you mean"),
        # Stages are not compared.
        (
            "mini_xception",
            "cats_vs_dogs_book",
            [],
            "trainer.stages: expected none with",
        ),
        (
            "mini_xception",
            None,
            ["trainer.epochs=0", "trainer.weights=a.keras"],
            "trainer.epochs: expected 1 or more with an ablation",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_made(
    tmp_path, model, config, sets, line
):
    sets = [f"data.path={tmp_path}", *sets]
    work = tmp_path / "work"
    with pytest.raises(InputError) as error:
        ablate_command(model, config_name=config, data=None, workdir=work, sets=sets, output=None)
    assert line in str(error.value)
    assert not work.exists()

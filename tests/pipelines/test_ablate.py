import pytest

from pipelines.ablate import ablate_command
from serving.errors import InputError


@pytest.mark.parametrize(
    ("model", "config", "sets", "line"),
    [
        ("convnet_baseline", None, [], "with ablations), found none in it"),
        ("mini_xeption", None, [], "did you mean 'mini_xception'?"),
        ("mini_xception", "pets_segmentation", [], "a model for image_segment"),
        # Stages are not compared.
        ("mini_xception", "cats_vs_dogs_book", [], "trainer.stages: expected none with"),
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

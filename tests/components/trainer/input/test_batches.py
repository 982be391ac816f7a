import numpy as np
import pytest


@pytest.fixture(scope="module")
def input():
    from components.trainer.input.batches import batches as input

    return input


def epochs_of(input, pictures, first_epoch, epochs, *, batch_size=7, seed=1):
    """Row numbers seen, epoch by epoch."""
    rows = {image.tobytes(): row for row, image in enumerate(pictures.images)}
    steps = input.steps_per_epoch(pictures, batch_size)
    batches = list(
        input.training_batches(pictures, batch_size, seed, first_epoch, epochs).as_numpy_iterator()
    )
    assert len(batches) == steps * (epochs - first_epoch)
    seen = [
        [(rows[i.astype(np.uint8).tobytes()], float(t[0])) for i, t in zip(*batch, strict=True)]
        for batch in batches
    ]
    return [
        [pair for batch in seen[start : start + steps] for pair in batch]
        for start in range(0, len(seen), steps)
    ]


def test_every_epoch_sees_every_picture_once_in_an_order_of_its_own(loading, input, splits):
    index = loading.index_split(splits[0], "train", "classification")
    pictures = loading.load_split(index, "classification", 32)
    epochs = epochs_of(input, pictures, 0, 3)
    for epoch in epochs:
        assert sorted(row for row, _ in epoch) == list(range(24))
        assert all(target == pictures.targets[row, 0] for row, target in epoch)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs == epochs_of(input, pictures, 0, 3)
    assert epochs[2:] == epochs_of(input, pictures, 2, 3)
    assert epochs != epochs_of(input, pictures, 0, 3, seed=2)


def test_batches_are_what_the_models_take(loading, input, splits):
    from components.trainer.devices.sharing import evaluation_rows

    index = loading.index_split(splits[1], "eval", "segmentation")
    pictures = loading.load_split(index, "segmentation", 32)
    rows = evaluation_rows(len(pictures), 5, 1)
    batches = list(input.batches_of(pictures, rows).as_numpy_iterator())
    assert [len(images) for images, _ in batches] == [5, 3]
    assert batches[0][0].dtype == np.float32
    np.testing.assert_array_equal(np.concatenate([b[0] for b in batches]), pictures.images)
    np.testing.assert_array_equal(np.concatenate([b[1] for b in batches]), pictures.targets)

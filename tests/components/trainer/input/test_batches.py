import numpy as np

from components.trainer.devices.replicas import evaluation_rows
from components.trainer.input.batches import batches_of, steps_per_epoch, training_batches


def epochs_of(split, first_epoch, epochs, *, batch_size=7, seed=1):
    """Row numbers seen, epoch by epoch."""
    rows = {image.tobytes(): row for row, image in enumerate(split.inputs)}
    steps = steps_per_epoch(split, batch_size)
    found = training_batches(split, batch_size, seed, first_epoch, epochs)
    batches = list(found.as_numpy_iterator())
    assert len(batches) == steps * (epochs - first_epoch)
    seen = [
        [(rows[i.astype(np.uint8).tobytes()], float(t[0])) for i, t in zip(*batch, strict=True)]
        for batch in batches
    ]
    return [
        [pair for batch in seen[start : start + steps] for pair in batch]
        for start in range(0, len(seen), steps)
    ]


def test_every_epoch_sees_every_image_once_in_an_order_of_its_own(load, splits):
    split = load(splits[0])
    epochs = epochs_of(split, 0, 3)
    for epoch in epochs:
        assert sorted(row for row, _ in epoch) == list(range(24))
        assert all(target == split.targets[row, 0] for row, target in epoch)
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs == epochs_of(split, 0, 3)
    assert epochs[2:] == epochs_of(split, 2, 3)
    assert epochs != epochs_of(split, 0, 3, seed=2)


def test_batches_are_what_the_models_take(load, splits):
    split = load(splits[1], "eval", "image_segmentation")
    rows = evaluation_rows(len(split), 5, 1)
    batches = list(batches_of(split, rows).as_numpy_iterator())
    assert [len(images) for images, _ in batches] == [5, 3]
    assert batches[0][0].dtype == np.float32
    np.testing.assert_array_equal(np.concatenate([b[0] for b in batches]), split.inputs)
    np.testing.assert_array_equal(np.concatenate([b[1] for b in batches]), split.targets)

import numpy as np


def test_both_kinds_of_steps_do_the_same_work():
    import keras

    from benchmarks import train_step

    losses = []
    for fused in (True, False):
        keras.utils.set_random_seed(1)
        train, validate = train_step.steps_of("mini_xception", 64, "float32", fused=fused)
        taken = [float(step()["loss"]) for step in (train, validate)]
        losses.append(taken)
    np.testing.assert_allclose(*losses, rtol=1e-3)
    assert losses[0][0] != losses[0][1]

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from components.trainer import run

TRAINER = {"model": "residual_convnet", "model_args": {}, "epochs": 2, "batch_size": 8, "seed": 5}
# Two sizes, one after the other.
STAGED = TRAINER | {"epochs": 1, "stages": [{"image_size": 48}, {}]}
PROGRAM = Path(__file__).with_name("run_training.py")


@pytest.mark.slow
def test_two_nodes_train_as_one_and_the_chief_alone_writes(
    zygote, tf_configs, make_fn_args, values, tmp_path
):
    *nodes, one = (
        make_fn_args("image_classification", n + 1, state_dir=f"{tmp_path}/state-{n}", **STAGED)
        for n in range(3)
    )
    run.run_fn(one)
    processes = [
        zygote.start(PROGRAM, "run_fn", json.dumps([asdict(fn_args)]), TF_CONFIG=tf_config)
        for fn_args, tf_config in zip(nodes, tf_configs(), strict=True)
    ]
    try:
        outputs = [process.end(status=0).output for process in processes]
    finally:
        for process in processes:
            process.kill()
    found, expected = (values(each.history()["epochs"]) for each in (nodes[0], one))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)
    assert Path(nodes[0].serving_model_dir, "saved_model.pb").exists()
    assert outputs[0].count("epoch 1/1") == 2
    assert "epoch 1/1" not in outputs[1]
    assert not Path(nodes[1].model_run_dir).exists()
    assert not Path(nodes[1].serving_model_dir).exists()
    assert not (tmp_path / "state-1").exists()


@pytest.mark.slow
def test_two_devices_train_as_one_also_when_interrupted(zygote, splits, train, values, tmp_path):
    [alone] = train(**TRAINER, image_size=32)
    arguments = [*splits, TRAINER | {"image_size": 32}, str(tmp_path / "state")]
    output = zygote.call(PROGRAM, "mirrored", json.dumps(arguments)).output
    assert "training goes on after epoch 1 of 2" in output
    records, measured = json.loads(output.splitlines()[-1])
    np.testing.assert_allclose(values(records), values(alone.epochs), rtol=1e-3, atol=1e-5)
    for name in ("val_loss", "val_accuracy"):
        assert measured[name] == pytest.approx(records[-1][name], rel=1e-5)

"""The trainer itself on several devices and nodes: the same history, and one writer."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from components import artifacts

TRAINER = {"model": "residual_convnet", "model_args": {}, "epochs": 2, "batch_size": 8, "seed": 5}
SECONDS = 400  # that a run may take on a busy machine

RUN = """
import json, sys, types
from components.trainer import run
run.run_fn(types.SimpleNamespace(**json.loads(sys.argv[1])))
"""

# As `run_fn` does on two GPUs, but on two devices that every machine has.
MIRRORED = """
import json, sys
from pathlib import Path
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

from components.trainer import building, loop, pictures
from components.trainer.distribution import Distribution
from components.trainer.settings import TrainerConfig
from components.trainer.state import TrainingState

train, evaluation, trainer, folder = json.loads(sys.argv[1])
config = TrainerConfig.model_validate(trainer)
distribution = Distribution(["CPU:0", "CPU:1"])
with distribution.scope():
    model = building.build_model(config)
splits = [
    pictures.load_split(pictures.index_split(p, split, "classification"), "classification", 32)
    for p, split in ((train, "train"), (evaluation, "eval"))
]
state = TrainingState(Path(folder))
for epochs in (1, 2):  # the second call goes on where the first one stopped
    config = config.model_copy(update={"epochs": epochs})
    records = loop.fit(
        model, *splits, problem="classification", config=config, progress=state,
        distribution=distribution,
    )
    with distribution.scope():
        model = building.build_model(config)
print(json.dumps(records))
"""


def start(code: str, arguments: object, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
    )


def finish(process: subprocess.Popen) -> str:
    try:
        output, _ = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, output
    return output


def values(epochs: list[dict]) -> list[list[float]]:
    return [[v for k, v in sorted(epoch.items()) if k != "seconds"] for epoch in epochs]


def history(fn_args) -> list[dict]:
    return json.loads(Path(fn_args.model_run_dir, artifacts.HISTORY).read_text())["epochs"]


@pytest.fixture
def alone(make_fn_args):
    """The history of one process on one device."""
    from components.trainer import run

    fn_args = make_fn_args("classification", 0, **TRAINER)
    run.run_fn(fn_args)
    return values(history(fn_args))


@pytest.mark.slow
def test_two_nodes_train_as_one_and_the_chief_alone_writes(make_fn_args, alone, tmp_path):
    ports = []
    for _ in range(2):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            ports.append(probe.getsockname()[1])
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    nodes = [
        make_fn_args("classification", n + 1, state_dir=str(tmp_path / f"state-{n}"), **TRAINER)
        for n in range(2)
    ]
    processes = [
        start(
            RUN,
            asdict(fn_args),
            TF_CONFIG=json.dumps({"cluster": cluster, "task": {"type": "worker", "index": n}}),
        )
        for n, fn_args in enumerate(nodes)
    ]
    try:
        outputs = [finish(process) for process in processes]
    finally:
        for process in processes:
            process.kill()
    np.testing.assert_allclose(values(history(nodes[0])), alone, rtol=1e-3, atol=1e-5)
    assert Path(nodes[0].serving_model_dir, "saved_model.pb").exists()
    assert "epoch 2/2" in outputs[0]
    assert "epoch 2/2" not in outputs[1]
    assert not Path(nodes[1].model_run_dir).exists()
    assert not Path(nodes[1].serving_model_dir).exists()
    assert not (tmp_path / "state-1").exists()


@pytest.mark.slow
def test_two_devices_train_as_one_also_after_an_interruption(splits, alone, tmp_path):
    trainer = TRAINER | {"image_size": 32}
    output = finish(start(MIRRORED, [*splits, trainer, str(tmp_path / "state")]))
    assert "training goes on after epoch 1 of 2" in output
    np.testing.assert_allclose(
        values(json.loads(output.splitlines()[-1])), alone, rtol=1e-3, atol=1e-5
    )

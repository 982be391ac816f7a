import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCENARIOS = Path(__file__).with_name("scenarios.py")
DEVICES = 3

# Weights after a few steps, two summation orders apart; measured differences are below 1e-6.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}
FLOAT16_CLOSE = {"rtol": 2e-3, "atol": 1e-4}

SAME = ("normalised", "one_row_left", "clipped", "segmenter", "overflow")


@pytest.fixture(scope="module")
def start_nodes(zygote: Any, tf_configs: Any) -> Iterator[Callable[..., list[Any]]]:
    """start_nodes(folder, *names) starts two nodes that write node0.npz and node1.npz."""
    started = []

    def start(folder: Path, *names: str) -> list[Any]:
        nodes = [
            zygote.start(SCENARIOS, folder / f"node{n}.npz", 1, *names, TF_CONFIG=config)
            for n, config in enumerate(tf_configs())
        ]
        started.extend(nodes)
        return nodes

    yield start
    for node in started:
        node.kill()


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as file:
        return dict(file)


def of(results: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    start = f"{prefix} "
    return {key.removeprefix(start): x for key, x in results.items() if key.startswith(start)}


@pytest.fixture(scope="module")
def one_process(zygote: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Results on one device, and on several."""
    path = tmp_path_factory.mktemp("devices") / "devices.npz"
    zygote.call(SCENARIOS, path, f"1,{DEVICES}", *SAME, "apart")
    return load(path)


@pytest.fixture(scope="module")
def two_nodes(start_nodes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("nodes")
    nodes = start_nodes(folder, *SAME, "apart")
    for node in nodes:
        node.end(status=0)
    return [load(folder / f"node{n}.npz") for n in range(len(nodes))]


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
def test_devices_give_what_one_gives(one_process: dict[str, np.ndarray], name: str) -> None:
    check_same(of(one_process, f"{DEVICES} {name}"), of(one_process, f"1 {name}"), name)


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
def test_nodes_give_what_one_gives(one_process, two_nodes, name):
    chief, other = (of(node, f"1 {name}") for node in two_nodes)
    check_same(chief, of(one_process, f"1 {name}"), name)
    for key, value in chief.items():
        np.testing.assert_array_equal(other[key], value, err_msg=key)


def check_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], name: str) -> None:
    assert found.keys() == expected.keys()
    assert any(key.startswith("log val_") for key in found)
    close = FLOAT16_CLOSE if name == "overflow" else CLOSE
    for key, value in expected.items():
        if key == "seeds" or (name == "one_row_left" and key in ("log loss", "log mae")):
            continue  # the row that all replicas share counts once for each of them
        np.testing.assert_allclose(found[key], value, **close, err_msg=f"{name} {key}")


@pytest.mark.slow
def test_an_overflow_on_one_replica_skips_the_step_on_all(one_process, two_nodes):
    for results in (one_process, *two_nodes):
        scales = [value for key, value in results.items() if key.endswith("overflow scale")]
        assert scales and set(map(float, scales)) == {2.0**14}  # halved once, at the first step


@pytest.mark.slow
def test_replicas_draw_their_own_random_numbers_and_nodes_hear_the_chief(one_process, two_nodes):
    for devices in (1, DEVICES):
        seeds = one_process[f"{devices} apart seeds"]
        assert seeds.tolist() == [[7 + replica, 0] for replica in range(devices)]
    for index, node in enumerate(two_nodes):
        assert node["1 apart seeds"].tolist() == [[7 + index, 0]]
        assert int(node["1 apart chief"]) == 0


@pytest.mark.parametrize("victim", [0, 1], ids=["chief", "other"])
def test_a_killed_node_ends_the_others(start_nodes, tmp_path, victim):
    nodes = start_nodes(tmp_path, "endless")
    for node in nodes:
        node.wait_for(lambda node=node: "training" in node.output_so_far() or node.ended())
        assert not node.ended(), node.output_so_far()[-3000:]
    assert nodes[victim].kill().status == -signal.SIGKILL
    left = nodes[1 - victim].end(60)
    assert left.status == 1
    last = left.output.splitlines()[-1]
    assert last.startswith("FailedError: one of 2 nodes was lost during training")

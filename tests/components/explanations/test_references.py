"""Maps and grades against Quantus and Xplique: see `references.py`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXPLAINERS = Path(sys.prefix, "explainers")

pytestmark = pytest.mark.skipif(
    not EXPLAINERS.exists(), reason=f"no {EXPLAINERS}; `make setup` makes it"
)


@pytest.fixture(scope="module")
def found():
    """By name what is ours and what is theirs."""
    path = os.pathsep.join([str(EXPLAINERS), str(Path(__file__).parents[3])])
    done = subprocess.run(
        # Without -P, the folder of these tests would hide what it tests.
        [sys.executable, "-P", str(Path(__file__).with_name("references.py"))],
        env=os.environ | {"PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["grad_cam", "grad_cam_plus_plus", "hires_cam"])
def test_maps_are_those_of_xplique(found, name):
    ours, theirs = np.array(found[name])
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    others = [np.array(found[key][0]) for key in found.keys() - {name} if np.ndim(found[key]) == 4]
    assert min(np.abs(ours - other).max() for other in others) > 0.1
    assert np.ptp(ours, axis=(1, 2)).min() > 0.5


def test_grades_are_those_of_quantus_and_xplique(found):
    """Not there: how much a model needs the object (`dependence`)."""
    numbers = {name: np.array(pair) for name, pair in found.items() if np.ndim(pair) == 2}
    assert len(numbers) == 6
    for name, (ours, theirs) in numbers.items():
        np.testing.assert_allclose(ours, theirs, atol=1e-4, err_msg=name)
        assert np.ptp(ours) > 1e-3, name

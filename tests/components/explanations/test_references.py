"""Maps and grades against Quantus and Xplique: see `references.py`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXPLAINERS = Path(sys.prefix, "explainers")
PROGRAM = Path(__file__).with_name("references.py")


@pytest.mark.skipif(not EXPLAINERS.exists(), reason=f"no {EXPLAINERS}; `make setup` makes it")
def test_maps_and_grades_are_those_of_other_libraries():
    """Not among them: mosaics, and how much a model needs the object (`dependence`)."""
    # Without -P, the folder of these tests would hide what it tests.
    done = subprocess.run(
        [sys.executable, "-P", PROGRAM],
        env=os.environ
        | {
            "PYTHONPATH": f"{EXPLAINERS}{os.pathsep}{PROGRAM.parents[3]}",
            "TF_USE_LEGACY_KERAS": "0",  # which TFX sets where it is imported
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = {name: np.array(x) for name, x in json.loads(done.stdout.splitlines()[-1]).items()}
    assert len(found) == 8
    for name, (ours, theirs) in found.items():
        np.testing.assert_allclose(ours, theirs, atol=1e-4, err_msg=name)
        assert np.ptp(ours) > 0.01, name
    maps = [x[0] for name, x in found.items() if "cam" in name]
    assert min(np.abs(maps[a] - maps[b]).max() for a, b in ((0, 1), (0, 2), (1, 2))) > 0.1

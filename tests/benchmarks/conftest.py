import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# The benchmarks are run from the project's folder and are not installed.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

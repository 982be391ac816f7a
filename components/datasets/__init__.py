"""Where the data comes from: the layouts on disk that can be read, and data made by drawing.

Importing this package is cheap; `components.datasets.synth` needs NumPy and Pillow.
"""

from components.datasets.checking import check
from components.datasets.layouts import BLOBS, LAYOUT_NAMES, LAYOUTS, Picture, list_pictures
from components.datasets.points import Point, list_points

__all__ = [
    "BLOBS",
    "LAYOUTS",
    "LAYOUT_NAMES",
    "Picture",
    "Point",
    "check",
    "list_pictures",
    "list_points",
]

"""The keys of an Example and the label maps: the only place that spells them.

Every picture, and every point, becomes one `tf.train.Example` with the features below; training,
evaluation, validation, the report and the `from_examples` endpoint read them by these names.
"""

# Picture -------------------------------------------------------------------------------------
IMAGE = "image/encoded"  # bytes: JPEG or PNG, longest side bounded at ingest
WIDTH = "image/width"  # int64: pixels, as stored
HEIGHT = "image/height"  # int64: pixels, as stored
FILENAME = "image/filename"  # bytes: path relative to the data folder, with "/"
KEY = "image/key"  # bytes: the split key (components/example_gen/split_key.py), lower-case hex
ORIENTATION = "image/orientation"  # bytes: one of ORIENTATIONS; an evaluation slice

# Classification ------------------------------------------------------------------------------
LABEL = "image/label"  # int64: index into CLASS_NAMES
LABEL_NAME = "image/label_name"  # bytes: CLASS_NAMES[label]; an evaluation slice

# Segmentation --------------------------------------------------------------------------------
MASK = "mask/encoded"  # bytes: 8-bit grey PNG of class ids, same size as the picture
MASK_FRACTIONS = (  # float: share of pixels of each mask class, each in [0, 1], sum 1
    "mask/fraction_foreground",
    "mask/fraction_background",
    "mask/fraction_contour",
)

# Points --------------------------------------------------------------------------------------
POINT_X = "point/x"  # float: finite
POINT_Y = "point/y"  # float: finite
POINT_ROW = "point/row"  # bytes: where the point stood, "file.csv:line"
POINT_KEY = "point/key"  # bytes: the split key, lower-case hex
POINT_LABEL = "point/label"  # int64: index into POINT_CLASS_NAMES
POINT_LABEL_NAME = "point/label_name"  # bytes: POINT_CLASS_NAMES[label]; an evaluation slice

CLASS_NAMES = ("cat", "dog")
MASK_CLASS_NAMES = ("foreground", "background", "contour")
POINT_CLASS_NAMES = ("negative", "positive")
SCORE_THRESHOLD = 0.5  # a point with a score above it is of class 1
ORIENTATIONS = ("landscape", "portrait", "square")

SPLITS = ("train", "eval", "test")

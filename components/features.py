"""The keys of an Example: the only place that spells them.

Every picture, and every point, becomes one `tf.train.Example` with the features below; training,
evaluation, validation, the report and the `from_examples` endpoint read them by these names.
"""

# Picture -------------------------------------------------------------------------------------
IMAGE = "image/encoded"  # bytes: JPEG or PNG, longest side bounded at ingest
WIDTH = "image/width"  # int64: pixels, as stored
HEIGHT = "image/height"  # int64: pixels, as stored
FILENAME = "image/filename"  # bytes: path relative to the data folder, with "/"
KEY = "image/key"  # bytes: the split key (components/tasks/images.py), lower-case hex
ORIENTATION = "image/orientation"  # bytes: one of ORIENTATIONS; an evaluation slice

# Classification ------------------------------------------------------------------------------
LABEL = "image/label"  # int64: index into the classes
LABEL_NAME = "image/label_name"  # bytes: the name of that class; an evaluation slice

# bytes, only where the data has masks: 8-bit grey PNG, as large as the picture, 0 off the object
OBJECT_MASK = "image/mask"

# Segmentation --------------------------------------------------------------------------------
# bytes: 8-bit grey PNG of class ids, 255 where ignored, same size as the picture
MASK = "mask/encoded"
# float [classes]: share of the pixels that count of each class, each in [0, 1], sum 1
MASK_FRACTIONS = "mask/fractions"

# Points --------------------------------------------------------------------------------------
POINT_X = "point/x"  # float: finite
POINT_Y = "point/y"  # float: finite
POINT_ROW = "point/row"  # bytes: where the point stood, "file.csv:line"
POINT_KEY = "point/key"  # bytes: the split key, lower-case hex
POINT_LABEL = "point/label"  # int64: index into the classes
POINT_LABEL_NAME = "point/label_name"  # bytes: the name of that class; an evaluation slice

SCORE_THRESHOLD = 0.5  # a point with a score above it is of class 1
ORIENTATIONS = ("landscape", "portrait", "square")

SPLITS = ("train", "eval", "test")

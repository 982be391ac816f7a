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

# Names of the SavedModel's signatures and of their tensors ---------------------------------------
SIGNATURE_SERVING = "serving_default"
SIGNATURE_GRAD_CAM = "grad_cam"
SIGNATURE_FROM_EXAMPLES = "from_examples"
SIGNATURE_CLASSIFY = "classify"  # of a classifier, for the Classify call
SIGNATURE_LABELS = "labels_from_examples"  # evaluation only: ground truth at model size

INPUT_IMAGE_BYTES = "image_bytes"  # string [batch]: encoded JPEG, PNG, GIF or BMP
INPUT_POINTS = "points"  # float32 [batch, 2]: x and y
# int32 scalar, [1] or [batch]: what to explain; -1: the predicted class or the foreground
INPUT_CLASS_INDEX = "class_index"
INPUT_EXAMPLES = "examples"  # string [batch]: serialized tf.train.Example
INPUT_CLASSIFY = "inputs"  # the same; the name that TensorFlow Serving's Classify asks for

OUTPUT_LABEL = "label"  # string [batch]: predicted class name
OUTPUT_PROBABILITY = "probability"  # float32 [batch]: probability of that class
OUTPUT_PROBABILITIES = "probabilities"  # float32 [batch, classes]: sums to 1
OUTPUT_SCORE = "score"  # float32 [batch]: of a point, any number; see SCORE_THRESHOLD
OUTPUT_MASK = "mask"  # uint8 [batch, height, width]: class ids, at model size
OUTPUT_MASK_PNG = "mask_png_bytes"  # string [batch]: the mask as 8-bit grey PNG of class ids
OUTPUT_CLASS_FRACTIONS = "class_fractions"  # float32 [batch, classes]: share of pixels
OUTPUT_TRUE_MASK = "true_mask"  # uint8 [batch, height, width]: ground truth at model size
OUTPUT_HEATMAP = "heatmap"  # float32 [batch, height, width], in [0, 1], at model size
# string [batch]: RGB PNG, jet at 0.4 over the picture, at its own size (serving/overlay.py)
OUTPUT_OVERLAY_PNG = "overlay_png_bytes"
OUTPUT_CLASSES = "classes"  # string [batch, classes]: CLASS_NAMES for each picture
OUTPUT_SCORES = "scores"  # float32 [batch, classes]: their probabilities

# Files that travel in a SavedModel's assets.extra/; TensorFlow Serving reads the last one only ---
ASSETS_EXTRA = "assets.extra"
TRAINING_KEYS_FILE = "pawlens_training_keys.txt"  # split keys that were trained on, a line each
DIGEST_FILE = "pawlens_digest.txt"  # content digest of the version (serving/versions.py)
ROLLBACK_FILE = "pawlens_rollback.json"  # of which version a rolled-back one is the copy
UNCHECKED_FILE = "pawlens_unchecked.txt"  # there until the live server was seen to serve it well
WARMUP_FILE = "tf_serving_warmup_requests"  # replayed by a server before the version answers

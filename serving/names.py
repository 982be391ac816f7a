"""Names of signatures, of their tensors, and of the files that travel in a SavedModel."""

# Signatures and their tensors
SIGNATURE_SERVING = "serving_default"
SIGNATURE_GRAD_CAM = "grad_cam"
SIGNATURE_FROM_EXAMPLES = "from_examples"
SIGNATURE_CLASSIFY = "classify"  # of a classifier, for the Classify call
SIGNATURE_LABELS = "labels_from_examples"  # evaluation only: ground truth at model size

INPUT_IMAGE_BYTES = "image_bytes"  # string [batch]: encoded JPEG, PNG, GIF, BMP or WebP
INPUT_POINTS = "points"  # float32 [batch, 2]: x and y
# int32 scalar, [1] or [batch]: what to explain; -1: the predicted class, or the first of masks
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
# string [batch]: RGB PNG, jet at 0.4 over the image, at its own size
OUTPUT_OVERLAY_PNG = "overlay_png_bytes"
OUTPUT_CLASSES = "classes"  # string [batch, classes]: all names, in order, per image
OUTPUT_SCORES = "scores"  # float32 [batch, classes]: their probabilities

# Files that travel in a SavedModel's assets.extra/; TensorFlow Serving reads the last one only ---
ASSETS_EXTRA = "assets.extra"
TRAINING_KEYS_FILE = "pawlens_training_keys.txt"  # split keys that were trained on, a line each
DIGEST_FILE = "pawlens_digest.txt"  # content digest of the version (serving/versions.py)
ROLLBACK_FILE = "pawlens_rollback.json"  # of which version a rolled-back one is the copy
UNCHECKED_FILE = "pawlens_unchecked.txt"  # there until the live server was seen to serve it well
WARMUP_FILE = "tf_serving_warmup_requests"  # replayed by a server before the version answers
MODEL_FILE = "pawlens_model.json"  # architecture and what is explained of it, to look into it
MODEL_CLASSES_FILE = "pawlens_classes.json"  # the model's classes (serving/classes.py)

"""The gRPC methods of TensorFlow Serving that client and server share, and their limits."""

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"

METADATA_FIELD = "signature_def"

# A batch of camera pictures, or of heat maps and masks on the way back.
MAX_MESSAGE_BYTES = 64 * 2**20
MESSAGE_SIZE_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
)

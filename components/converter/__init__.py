"""The optional step that converts the model to other formats and compares them with it."""

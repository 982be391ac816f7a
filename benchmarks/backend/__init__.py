"""Training from arrays under any Keras backend: what `benchmarks.train_backend` runs."""

"""What a training leaves for later."""

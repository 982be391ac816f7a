"""One training on several devices and nodes."""

"""The layouts of data on disk: a reader a file, `read(root, data) -> Listing`."""

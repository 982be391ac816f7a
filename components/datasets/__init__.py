"""Where the data comes from: layouts on disk, the classes in them, and data made by drawing."""

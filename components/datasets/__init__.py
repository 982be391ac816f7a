"""Where the data comes from: layouts on disk, the classes in them, and data made by drawing.

Importing this package is cheap; `synth` needs NumPy and Pillow, masks need them when opened.
"""

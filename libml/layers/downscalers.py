"""The downscalers by name, for those who do without TensorFlow; libml/layers/resample.py has their functions."""

# Name -> the least side of an LR image that it can make.
LEAST_LORES = {"average": 1, "bicubic": 3, "antialias": 1}

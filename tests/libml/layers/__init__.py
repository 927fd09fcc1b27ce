"""Tests of libml.layers.scaled_conv."""

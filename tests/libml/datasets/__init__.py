"""Tests of libml.datasets."""

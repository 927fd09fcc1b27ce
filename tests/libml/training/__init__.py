"""Tests of libml.training."""

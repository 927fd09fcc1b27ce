"""Tests of libml.metrics.distances."""

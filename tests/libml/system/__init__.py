"""Tests of libml.system."""

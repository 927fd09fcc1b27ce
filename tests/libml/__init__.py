"""Tests of libml."""

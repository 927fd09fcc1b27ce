"""Tests of libml.compared.method."""

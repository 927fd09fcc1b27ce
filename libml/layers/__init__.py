"""Layers and resampling."""

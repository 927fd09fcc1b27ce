"""Tests of lag.upscaling."""

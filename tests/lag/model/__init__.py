"""Tests of lag.model.training."""

"""Tests of lag.performance."""

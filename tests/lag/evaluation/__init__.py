"""Tests of lag.evaluation.evaluate."""

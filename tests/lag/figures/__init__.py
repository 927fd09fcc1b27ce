"""Tests of lag.figures.paper."""

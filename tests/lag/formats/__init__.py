"""Tests of lag.formats."""

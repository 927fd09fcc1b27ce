"""Tests of the programs, the documents and the house."""

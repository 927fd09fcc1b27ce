"""Pairs of true and generated images, the measures on them, and the report."""

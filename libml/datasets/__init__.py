"""Datasets in files: how they are made and checked, and what a file, a record and a manifest hold."""

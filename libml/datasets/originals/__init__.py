"""The standard sets' original files, as people have them."""

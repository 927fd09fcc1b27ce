"""The parts of a picture: each module has a function draw(pen, face)."""

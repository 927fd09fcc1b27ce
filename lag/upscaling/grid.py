"""A picture of a small picture beside its results."""

import numpy as np

from lag.upscaling.picture_file import MAX_RESULT_PIXELS, Picture
from libml.errors import UserError
from libml.images import round_levels

GRID_COLUMNS = 9


class Grid:
    """The small picture, its pixels enlarged, then its results, in rows of GRID_COLUMNS."""

    def __init__(self, picture: Picture, samples: int, scale: int):
        """A white canvas with the small picture.

        Raises:
            UserError: if it would be too large.
        """
        h, w, channels = picture.pixels.shape
        self._height, self._width, self._columns = scale * h, scale * w, min(1 + samples, GRID_COLUMNS)
        height, width = -(-(1 + samples) // self._columns) * self._height, self._columns * self._width
        if height * width > MAX_RESULT_PIXELS:
            raise UserError(
                f"its grid would have {width} x {height} pixels, more than {MAX_RESULT_PIXELS}: use --nogrid"
            )
        self.pixels = np.full([height, width, channels], 255, np.uint8)
        for y, row in enumerate(round_levels(picture.pixels)):
            self.pixels[scale * y : scale * (y + 1), : self._width] = row.repeat(scale, axis=0)

    def put(self, cell: int, result: np.ndarray) -> None:
        """Shows a result, uint8 or uint16 [H, W, C], in a cell; cell 0 is the small picture's."""
        if result.dtype == np.uint16:
            result = round_levels(result / np.float32(257))
        row, column = divmod(cell, self._columns)
        y, x = row * self._height, column * self._width
        self.pixels[y : y + self._height, x : x + self._width] = result

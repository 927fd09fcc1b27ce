"""Large pictures in overlapping tiles, computed as if in one piece."""

from collections.abc import Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """A tile along one axis, in LR pixels."""

    read_start: int  # what goes into the network: the tile and its surroundings
    read_stop: int
    start: int  # what of it is kept
    stop: int

    @property
    def inner(self) -> tuple[int, int]:
        """Where the kept part lies within what is read."""
        return self.start - self.read_start, self.stop - self.read_start


def spans(length: int, tile: int, overlap: int) -> Iterator[Span]:
    """Tiles along an axis: together they keep each pixel once, and each reads `overlap` more on both sides.

    At the ends of the axis nothing is there to read: the network pads with zeros there, as it does for the whole.
    """
    count = -(-length // tile)
    for i in range(count):
        start, stop = i * length // count, (i + 1) * length // count
        yield Span(max(0, start - overlap), min(length, stop + overlap), start, stop)


def tiles(height: int, width: int, tile: int, overlap: int) -> list[tuple[Span, Span]]:
    """(rows, columns) of each tile of a picture."""
    return [(y, x) for y in spans(height, tile, overlap) for x in spans(width, tile, overlap)]

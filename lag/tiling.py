"""Large pictures in overlapping tiles, computed as if in one piece."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # they import TensorFlow
    from lag.networks import Generator
    from libml.layers import ScaledConv2D


def _radius(layer: "ScaledConv2D") -> int:
    """How far a convolution looks, in its own pixels."""
    return layer.kernel.shape[0] // 2


def receptive_radius(generator: "Generator", lod_stop: int) -> int:
    """How many LR pixels away an input can be and still change an output pixel, in either direction.

    Followed from the image down through the stages: `features` and `image` are how far the outputs of a stage are
    looked at, in that stage's pixels; a pixel of stage k covers two of stage k + 1, hence the halving, rounded up.

    Args:
        generator: the network.
        lod_stop: last stage in use.
    """
    features = image = 0
    for k in range(lod_stop, 0, -1):
        conv_0, conv_1, to_rgb = generator.stage_layers(k)
        features = max(features, image + _radius(to_rgb))
        features += _radius(conv_1) + _radius(conv_0)
        features, image = -(-features // 2), -(-image // 2)
    return features + sum(_radius(layer) for layer in generator.stage_layers(0))


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

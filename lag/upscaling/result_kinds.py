"""The kinds of files that results are written as: each is one row of KINDS. Imports nothing, since --help reads it."""

from typing import Any, NamedTuple


class Kind(NamedTuple):
    """A kind of picture file."""

    suffix: str
    save: dict[str, Any]  # how Pillow writes it
    longest: int = 0  # pixels that a side can have; 0: as many as anybody has
    deep: bool = False  # whether it can have 16 bits a channel
    lossless: bool = True  # whether a file holds the very pixels it is given


KINDS = {
    "png": Kind(".png", {"format": "PNG", "compress_level": 6}, deep=True),
    "webp": Kind(".webp", {"format": "WEBP", "lossless": True, "exact": True}, 16383),
    "jpeg": Kind(".jpg", {"format": "JPEG", "quality": 95, "subsampling": 0}, 65500, lossless=False),
    "tiff": Kind(".tif", {"format": "TIFF", "compression": "tiff_adobe_deflate"}, deep=True),
}

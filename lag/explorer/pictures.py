"""The pictures that a session knows: small ones by their hashes, large ones to crop from, in bounded memory."""

import tempfile
from collections import OrderedDict
from pathlib import Path, PurePath
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from lag.upscaling.picture_file import Picture, content_hash, read_picture
from libml.datasets.making.pictures import SUFFIXES
from libml.errors import UserError
from libml.images import round_levels

MOST_SMALL, MOST_LARGE = 512, 3

Item = TypeVar("Item")


class Known(NamedTuple):
    """A small picture, and the large one that it was made of, where there is one."""

    picture: Picture
    original: np.ndarray | None = None  # uint8 [scale h, scale w, C]


class Newest(Generic[Item]):
    """Things by name, of which the oldest are forgotten."""

    def __init__(self, most: int, what: str):
        """Args: how many are kept; what they are, for the message."""
        self._items: OrderedDict[str, Item] = OrderedDict()
        self._most, self._what = most, what

    def put(self, name: str, item: Item) -> None:
        """Adds or replaces one."""
        self._items[name] = item
        self._items.move_to_end(name)
        while len(self._items) > self._most:
            self._items.popitem(last=False)

    def find(self, name: str) -> Item | None:
        """The one of that name, which is now the newest, or None."""
        if name in self._items:
            self._items.move_to_end(name)
        return self._items.get(name)

    def __getitem__(self, name: str) -> Item:
        """As find, but raises a MissingError."""
        if (item := self.find(name)) is None:
            raise MissingError(f"there is no {self._what} {name[:12]} here: give it again")
        return item


class MissingError(UserError):
    """What a request names is not, or no longer, known."""


def read_upload(data: bytes, name: str, colors: int) -> Picture:
    """An uploaded file, read as upscale.py reads it; its name's suffix can matter.

    Raises:
        UserError: if it is no picture.
    """
    if not data:
        raise UserError("cannot read it as a picture: it is empty")
    suffix = PurePath(name.replace("\\", "/")).suffix.lower()
    with tempfile.TemporaryDirectory(prefix="lag_explore_") as folder:
        path = Path(folder) / f"upload{suffix if suffix in SUFFIXES else ''}"
        path.write_bytes(data)
        try:
            return read_picture(path, colors)
        except UserError as e:
            raise UserError(str(e).replace(str(path), "the file").replace(path.name, "the file")) from None


def of_pixels(pixels: np.ndarray) -> Picture:
    """A picture of uint8 pixels [h, w, C]: as its PNG file would be read."""
    levels = pixels.astype(np.float32)
    return Picture(levels, None, "", content_hash(levels))


def as_image(picture: Picture) -> np.ndarray:
    """A picture's colours as uint8 [h, w, C]."""
    return round_levels(picture.pixels)

"""PNG files that say what made them: the recipe as text within."""

import binascii
import io
import struct
import warnings

import numpy as np
from PIL import Image

from lag.explorer import recipe as recipes
from lag.explorer.recipe import Recipe
from lag.upscaling.picture_file import Picture, encode_result
from libml.errors import UserError, reason

KEYWORD = "lag"
_HEAD = 33  # bytes of a PNG's signature and its first chunk, IHDR


def encode(pixels: np.ndarray, picture: Picture, recipe: Recipe, scale: int) -> bytes:
    """A large picture as PNG, with the small one's transparency and the recipe; the same bytes each time."""
    png = encode_result(pixels, picture.alpha, scale)
    text = b"tEXt" + KEYWORD.encode() + b"\0" + recipe.json().encode("ascii")
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", binascii.crc32(text))
    return png[:_HEAD] + chunk + png[_HEAD:]


def recipes_in(data: bytes) -> list[Recipe]:
    """The recipes of a file: a PNG that encode made, or text with a recipe a line.

    Raises:
        UserError: if there is none, or one is not as it must be.
    """
    if data.startswith(b"\x89PNG"):
        return [recipes.parse(_text(data))]
    found = [line for line in data.splitlines() if line.strip()]
    if not found:
        raise UserError("it holds no recipe: give a PNG of the explorer, or lines of JSON")
    return [recipes.parse(line) for line in found]


def _text(png: bytes) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
                text = image.info.get(KEYWORD)
    except Exception as e:  # Pillow's decoders meet damage with whatever their code runs into
        raise UserError(f"cannot read it as a PNG: {reason(e)}") from e
    if not isinstance(text, str):
        raise UserError("it is a PNG without a recipe: only the explorer's have one")
    return text

"""Pictures: [-1, 1] and grey levels of 0..255, grids, PNG and WebP files."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from libml.errors import UserError
from libml.system.files import write_atomic

MOST_WEBP = 16383  # pixels of a side
Array = TypeVar("Array", bound=Any)  # NumPy's or TensorFlow's


def to_float(levels: Array) -> Array:
    """Grey levels 0..255, uint8 or float32, to float32 in [-1, 1]; any shape. A tensor must be float32."""
    return levels * np.float32(2 / 255) - 1


def to_levels(images: Array) -> Array:
    """Float32 in [-1, 1] to float32 grey levels 0..255, not rounded; any shape, an array or a tensor."""
    return (images + 1) * 127.5


def to_uint8(images: np.ndarray) -> np.ndarray:
    """[-1, 1] to uint8 grey levels, rounded and clipped; any shape."""
    return round_levels(to_levels(np.asarray(images, np.float32)))


def round_levels(levels: np.ndarray, bits: int = 8) -> np.ndarray:
    """Float grey levels 0..255 to uint8, or to uint16 0..65535, rounded and clipped; any shape."""
    if bits == 16:
        return np.clip(np.rint(levels * 257), 0, 65535).astype(np.uint16)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def grid(images: np.ndarray) -> np.ndarray:
    """[rows, columns, H, W, C] to one image [rows * H, columns * W, C]."""
    rows, columns, h, w, c = images.shape
    return images.transpose(0, 2, 1, 3, 4).reshape(rows * h, columns * w, c)


def as_pillow(image: np.ndarray) -> Image.Image:
    """A uint8 image [H, W, 1 or 3] as Pillow's."""
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def encode_png(image: np.ndarray, compress_level: int = 6) -> bytes:
    """A uint8 image [H, W, 1 or 3] as PNG bytes; compress_level from 1, fast, to 9, small."""
    buffer = io.BytesIO()
    as_pillow(image).save(buffer, format="PNG", compress_level=compress_level)
    return buffer.getvalue()


def check_webp(image: np.ndarray) -> None:
    """Raises UserError for an image that is larger than WebP files can be."""
    height, width = image.shape[:2]
    if max(height, width) > MOST_WEBP:
        raise UserError(f"a WebP file has at most {MOST_WEBP:,} pixels a side, not {width:,} x {height:,}: show less")


def encode_webp(frames: Sequence[np.ndarray], milliseconds: int) -> bytes:
    """An endless animation of uint8 images [H, W, 3] of one size as a WebP file's bytes, without loss.

    Args:
        frames: at least one.
        milliseconds: that each of them is shown.

    Raises:
        UserError: if they are larger than WebP files can be.
    """
    check_webp(frames[0])
    first, *others = (Image.fromarray(frame) for frame in frames)
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": others, "duration": milliseconds, "loop": 0, "lossless": True}
    first.save(buffer, format="WEBP", **options)
    return buffer.getvalue()


def save_png(path: str | Path, images: np.ndarray) -> None:
    """Writes an image [H, W, C] in [-1, 1] as a PNG file, whole or not at all.

    Raises:
        UserError: if the file system refuses.
    """
    write_atomic(path, encode_png(to_uint8(images)))

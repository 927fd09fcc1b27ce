"""Small pictures made of large ones: a crop, at the size that the model makes, then the model's own downscaler."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from lag.upscaling.consistency import boxes
from libml.errors import UserError
from libml.images import as_pillow, round_levels, to_float, to_levels


def crop(image: np.ndarray, box: Sequence[float], size: int) -> np.ndarray:
    """A square of an image at another size: uint8 [H, W, C] to [size, size, C].

    Args:
        image: the whole.
        box: left, top and side of the square, in pixels.
        size: side of the result.

    Raises:
        UserError: if the square is not within the image.
    """
    left, top, side = box
    height, width, channels = image.shape
    if not (min(left, top) >= 0 and side >= 1 and left + side <= width and top + side <= height):  # nor is NaN
        raise UserError(f"the crop {list(box)} (left, top, side) is not within the picture of {width} x {height}")
    picture = as_pillow(image)
    area = (left, top, left + side, top + side)
    made = np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS, box=area, reducing_gap=3.0))
    return made[..., None] if channels == 1 else made


def shrink(image: np.ndarray, scale: int, downscaler: str) -> np.ndarray:
    """An image as a model's downscaler makes it small: uint8 [scale h, scale w, C] to [h, w, C].

    Raises:
        UserError: if it needs TensorFlow and that is missing, or the image is too small for it.
    """
    if downscaler == "average":
        return round_levels(boxes(image, scale).mean(axis=-1))
    try:
        import tensorflow as tf

        from libml.layers.resample import DOWNSCALERS
    except ImportError:
        raise UserError(f"making a picture small by {downscaler} needs TensorFlow: give a small picture") from None
    try:
        made = DOWNSCALERS[downscaler](tf.constant(to_float(image[None])), scale)
    except (KeyError, ValueError) as e:
        raise UserError(f"cannot make a picture small by {downscaler}: {e}") from None
    return round_levels(to_levels(made.numpy()[0]))

"""How well a large picture agrees with the small one it was made from, and making it agree. Values are grey levels."""

import numpy as np


def boxes(hires: np.ndarray, scale: int) -> np.ndarray:
    """The pixels of each LR pixel's box: [..., scale h, scale w, C] -> [..., h, w, C, scale * scale]."""
    *n, H, W, c = hires.shape
    y = hires.reshape(*n, H // scale, scale, W // scale, scale, c)
    return np.moveaxis(y, (-4, -2), (-2, -1)).reshape(*n, H // scale, W // scale, c, scale * scale)


def unboxes(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Inverse of boxes."""
    *n, h, w, c, _ = pixels.shape
    y = np.moveaxis(pixels.reshape(*n, h, w, c, scale, scale), (-2, -1), (-4, -2))
    return np.ascontiguousarray(y).reshape(*n, h * scale, w * scale, c)


def project(hires: np.ndarray, lores: np.ndarray, scale: int, bits: int = 8) -> np.ndarray:
    """The picture of 8 or 16 bits nearest to `hires` whose box means are `lores`.

    x + up(y - down(x)) shifts each box by one number so that its mean is right. Where that leaves 0..255 and is cut
    off, the mean is off again; there the shift is sought that is right after the cut. Rounding then goes down for
    some pixels and up for those of the largest fractions, as many as it takes for the sum. With 8-bit lores the box
    means of the result are exact; otherwise they are within 0.5 / scale^2. With 16 bits the same holds of 257 times
    the values, up to 65535.

    Args:
        hires: [..., scale h, scale w, C], any values.
        lores: [..., h, w, C] in 0..255.
        scale: size of a box.
        bits: of the result, 8 or 16.

    Returns:
        uint8 or uint16 [..., scale h, scale w, C].
    """
    unit, dtype = (1, np.uint8) if bits == 8 else (257, np.uint16)
    x = unit * boxes(np.asarray(hires, np.float64), scale)
    y = unit * np.asarray(lores, np.float64)[..., None]
    x = x + (y - x.mean(-1, keepdims=True))
    cut = (x.min(-1) < 0) | (x.max(-1) > 255 * unit)
    x[cut] = _shifted_and_cut(x[cut], y[cut], 255 * unit)
    floor = np.floor(x)
    short = np.rint(y * scale**2 - floor.sum(-1, keepdims=True))
    by_fraction = np.argsort(floor - x, axis=-1)  # the largest first
    raised = np.zeros_like(x)
    np.put_along_axis(raised, by_fraction, (np.arange(scale**2) < short).astype(raised.dtype), axis=-1)
    return unboxes((floor + raised).astype(dtype), scale)


def _shifted_and_cut(x: np.ndarray, y: np.ndarray, most: int) -> np.ndarray:
    """Boxes [N, pixels] shifted, each by one number, so that cut to 0..most their means are y [N, 1].

    The mean rises with the shift, from 0 at `low` to `most` at `high`: bisection finds it.
    """
    low, high = -x.max(-1, keepdims=True), most - x.min(-1, keepdims=True)
    for _ in range(40):
        middle = (low + high) / 2
        below = np.clip(x + middle, 0, most).mean(-1, keepdims=True) < y
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.clip(x + (low + high) / 2, 0, most)


def lores_errors(hires: np.ndarray, lores: np.ndarray, scale: int) -> np.ndarray:
    """Box means of a picture of 8 or 16 bits minus the small one: [..., scale h, scale w, C] -> [..., h, w, C]."""
    means = boxes(hires, scale).mean(axis=-1, dtype=np.float64)
    return (means / 257 if hires.dtype == np.uint16 else means) - lores

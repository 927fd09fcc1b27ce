"""Images whose small version is exactly a given one: S with H S = 1, where H is a downscaler, and x + S (y - H x).

H and S act on rows and columns alike, each by a matrix of one axis. The matrices are made by operations of the graph,
so that a graph can make them for sides that it learns only when it runs. Along an axis, h is the side of the small
image, h * m that of the large one, and n the factor of H, which takes h * n pixels. Before growing ends, m is below
n: H takes each pixel of the large image n / m times.
"""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

from libml.layers.resample import shape_of

Side = int | tf.Tensor

# Newton's steps to the inverse of H V, whose eigenvalues are in [0.3, 1.7]: each squares what is left, 0.7 at first.
STEPS = 7


def _indices(count: Side) -> tf.Tensor:
    return tf.cast(tf.range(count), tf.float64)


def _keys_kernel(t: tf.Tensor) -> tf.Tensor:
    """The Keys cubic with a = -1/2, as libml.layers.resample's."""
    t = tf.abs(t)
    inner = 1.5 * t**3 - 2.5 * t**2 + 1
    outer = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return tf.where(t <= 1, inner, tf.where(t < 2, outer, tf.zeros_like(t)))


def _average(h: Side, n: int) -> tf.Tensor:
    rows, columns = _indices(h)[:, None], _indices(h * n)[None]
    return tf.cast(tf.equal(tf.floor(columns / n), rows), tf.float64) / n


def _antialias(h: Side, n: int) -> tf.Tensor:
    rows, columns = _indices(h)[:, None], _indices(h * n)[None]
    matrix = _keys_kernel((columns + 0.5) / n - (rows + 0.5))
    return matrix / tf.reduce_sum(matrix, 1, keepdims=True)


def _bicubic(h: Side, n: int) -> tf.Tensor:
    """Sides of 1 and 2, which the downscaler itself refuses, are allowed: reflected as often as the kernel reaches."""
    rows, columns = _indices(h)[:, None], _indices(h * n)[None]
    last = tf.cast(h * n - 1, tf.float64)
    inside = tf.cast((columns > 0) & (columns < last), tf.float64)  # a pixel on the border is its own reflection
    matrix = tf.zeros_like(rows * columns)
    for period in range(-3, 4):
        shift = 2 * last * period - rows * n - 0.5
        matrix += _keys_kernel((shift + columns) / n) + inside * _keys_kernel((shift - columns) / n)
    return matrix / tf.reduce_sum(matrix, 1, keepdims=True)


H: dict[str, Callable[[Side, int], tf.Tensor]] = {"average": _average, "bicubic": _bicubic, "antialias": _antialias}


def _bilinear(h: Side, m: int) -> tf.Tensor:
    """Upscaling by m with aligned boxes, [h m, h]; beyond the border the image goes on as it ends."""
    position = (_indices(h * m)[:, None] + 0.5) / m - 0.5
    position = tf.clip_by_value(position, 0.0, tf.cast(h - 1, tf.float64))
    return tf.maximum(1 - tf.abs(position - _indices(h)[None]), 0)


def _matrices(h: Side, m: int, n: int, downscaler: str) -> tuple[tf.Tensor, tf.Tensor]:
    """H [h, h m] and S [h m, h] of an axis, float64.

    S = V (H V)^-1. V is bilinear upscaling, so that S y is smooth. Of the bicubic downscaler, which is off centre, V is
    H's transpose, and S the pseudo-inverse.
    """
    down = tf.reduce_sum(tf.reshape(H[downscaler](h, n), [h, h * m, n // m]), -1)
    up = m * tf.transpose(down) if downscaler == "bicubic" else _bilinear(h, m)
    product, one = down @ up, tf.eye(h, dtype=tf.float64)
    inverse = one
    for _ in range(STEPS):
        inverse = inverse @ (2 * one - product @ inverse)
    return down, up @ inverse


@functools.lru_cache(maxsize=64)
def _known(h: int, m: int, n: int, downscaler: str) -> tuple[np.ndarray, np.ndarray]:
    with tf.init_scope(), tf.device("CPU"):
        return tuple(matrix.numpy() for matrix in _matrices(h, m, n, downscaler))


def matrices(h: Side, m: int, n: int, downscaler: str) -> tuple[tf.Tensor, tf.Tensor]:
    """H and S of an axis, with H S = 1.

    Args:
        h: side of the small image.
        m: factor to the large image.
        n: factor of the downscaler, a multiple of m.
        downscaler: its name.

    Returns:
        float32 [h, h m] and [h m, h].
    """
    made = (_known if isinstance(h, int) else _matrices)(h, m, n, downscaler)
    return tuple(tf.cast(matrix, tf.float32) for matrix in made)


def consistent(image: tf.Tensor, lores: tf.Tensor, m: int, n: int, downscaler: str) -> tf.Tensor:
    """S y + (x - S H x), computed as x + S (y - H x): the image x with the small version y.

    Args:
        image: x, [N, h m, w m, C].
        lores: y, [N, h, w, C].
        m: factor between them.
        n: factor of the downscaler, which takes x with each pixel repeated n / m times in either direction.
        downscaler: its name.

    Returns:
        [N, h m, w m, C].
    """
    _, h, w, _ = shape_of(lores)
    (down_rows, up_rows), (down_columns, up_columns) = (matrices(side, m, n, downscaler) for side in (h, w))
    error = lores - tf.einsum("ih,nhwc,jw->nijc", down_rows, image, down_columns)
    return image + tf.einsum("hi,nijc,wj->nhwc", up_rows, error, up_columns)


def reach(m: int, n: int, downscaler: str) -> int:
    """How many small pixels away an input of `consistent` can be and still change a pixel by more than 1e-5 of itself.

    S is not local, but what it takes from afar decays: by a factor of 3 to 6 a pixel.
    """
    side = 33
    down, up = _known(side, m, n, downscaler)
    middle = slice(side // 2 * m, (side // 2 + 1) * m)
    weights = np.maximum(np.abs(up[middle]), np.abs(up @ down)[middle].reshape(m, side, m).max(-1)).max(0)
    return int(np.max(np.abs(np.flatnonzero(weights > 1e-5) - side // 2)))

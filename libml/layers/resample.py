"""Resampling of images."""

import functools
from collections.abc import Callable

import numpy as np
import tensorflow as tf


def shape_of(x: tf.Tensor) -> list[int | tf.Tensor]:
    """The sides of x: numbers where they are known, else scalars of the graph."""
    shape = tf.shape(x)
    return [shape[i] if side is None else side for i, side in enumerate(x.shape)]


def ilog2(n: int) -> int:
    """Smallest integer k with 2**k >= n, for n >= 1."""
    return (n - 1).bit_length()


def downscale2d(x: tf.Tensor, n: int = 2) -> tf.Tensor:
    """Means over n x n boxes: [N, H, W, C] -> [N, H/n, W/n, C].

    Raises:
        ValueError: if a known height or width is no multiple of n.
    """
    if n == 1:
        return x
    if any(side is not None and side % n for side in x.shape[1:3]):
        raise ValueError(f"cannot take {n} x {n} box means of an image of shape {x.shape}")

    @tf.custom_gradient
    def means(x):
        # The pooling kernels' own gradient is slower.
        return tf.nn.avg_pool2d(x, n, n, "VALID"), lambda dy: upscale2d(dy / (n * n), n)

    return means(x)


def upscale2d(x: tf.Tensor, n: int = 2) -> tf.Tensor:
    """Nearest neighbour, each pixel repeated n x n times: [N, H, W, C] -> [N, H*n, W*n, C]."""
    if n == 1:
        return x

    @tf.custom_gradient
    def repeated(x):
        # Written out because the resize kernels have no second derivative; its adjoint is a box sum, which pooling
        # does several times as fast as the reduction that a broadcast would otherwise be differentiated into. To copy
        # pixels, then rows, is faster than the broadcast, too.
        _, h, w, c = shape_of(x)
        rows = tf.reshape(tf.concat([tf.reshape(x, [-1, c])] * n, axis=1), [-1, w * n * c])
        y = tf.reshape(tf.concat([rows] * n, axis=1), [-1, h * n, w * n, c])
        return y, lambda dy: downscale2d(dy, n) * (n * n)

    return repeated(x)


def remove_details2d(x: tf.Tensor, k: int = 2) -> tf.Tensor:
    """The image with each k x k box replaced by its mean; shape unchanged."""
    return upscale2d(downscale2d(x, k), k)


def blend(low: tf.Tensor, high: tf.Tensor, alpha: tf.Tensor | float) -> tf.Tensor:
    """low + alpha * (high - low): low at alpha = 0, high at alpha = 1."""
    return low + alpha * (high - low)


def _keys_kernel(t: np.ndarray) -> np.ndarray:
    """The Keys cubic with a = -1/2, at offsets t in units of LR pixels."""
    t = np.abs(t)
    inner = 1.5 * t**3 - 2.5 * t**2 + 1
    outer = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, inner, np.where(t < 2, outer, 0.0))


@functools.lru_cache(maxsize=64)
def bicubic_matrix(size: int, n: int, repeat: int = 1) -> np.ndarray:
    """One axis of the bicubic operator as a matrix.

    Args:
        size: HR pixels along the axis.
        n: downscaling factor.
        repeat: the operator takes an image in which each of size / repeat pixels stands for `repeat` equal HR ones.

    Returns:
        float32 [size / n, size / repeat]; rows sum to 1.

    Raises:
        ValueError: if the axis is too short to be reflected (size <= 2 n) or no multiple of n.
    """
    if size % n or size <= 2 * n:
        raise ValueError(f"bicubic downscaling by {n} needs a size above {2 * n} that is a multiple of {n}, got {size}")
    taps = _keys_kernel((np.arange(-2 * n, 2 * n) + 0.5) / n)
    taps /= taps.sum()
    padded = np.pad(np.arange(size), (2 * n - 1, 2 * n), mode="reflect")
    matrix = np.zeros([size // n, size])
    for row in range(size // n):
        np.add.at(matrix[row], padded[row * n : row * n + 4 * n], taps)
    return matrix.reshape(size // n, size // repeat, repeat).sum(-1).astype(np.float32)


def bicubic_downscale2d(x: tf.Tensor, n: int, repeat: int = 1) -> tf.Tensor:
    """The reference's bicubic operator, applied to upscale2d(x, repeat) without forming it.

    It samples n/2 - 1 HR pixels away from the box centre, as the reference does.

    Args:
        x: [N, H/repeat, W/repeat, C], height and width known; H and W above 2 n.
        n: downscaling factor.
        repeat: see above.

    Returns:
        [N, H/n, W/n, C].
    """
    return _separable(x, n, repeat, bicubic_matrix)


def _separable(x: tf.Tensor, n: int, repeat: int, matrix: Callable[[int, int, int], np.ndarray]) -> tf.Tensor:
    sides = x.shape[1:3]
    if None in sides:
        raise ValueError(f"bicubic downscaling needs an image of known height and width, got shape {x.shape}")
    rows, columns = (tf.constant(matrix(side * repeat, n, repeat), x.dtype) for side in sides)
    return tf.einsum("ih,nhwc,jw->nijc", rows, x, columns)


def average_downscale2d(x: tf.Tensor, n: int, repeat: int = 1) -> tf.Tensor:
    """Box means by n of upscale2d(x, repeat): [N, H/repeat, W/repeat, C] -> [N, H/n, W/n, C]."""
    return downscale2d(x, n // repeat)


@functools.lru_cache(maxsize=64)
def antialias_matrix(size: int, n: int, repeat: int = 1) -> np.ndarray:
    """One axis of the aligned bicubic operator; arguments, shape and errors as bicubic_matrix, but of any size.

    Output pixel i is centred on its box; the kernel, 4 n wide, is cut off at the borders and normalised again there,
    as Pillow does.
    """
    if size % n:
        raise ValueError(f"downscaling by {n} needs a size that is a multiple of {n}, got {size}")
    centers = (np.arange(size // n)[:, None] + 0.5) * n
    matrix = _keys_kernel((np.arange(size)[None] + 0.5 - centers) / n)
    matrix /= matrix.sum(1, keepdims=True)
    return matrix.reshape(size // n, size // repeat, repeat).sum(-1).astype(np.float32)


def antialias_downscale2d(x: tf.Tensor, n: int, repeat: int = 1) -> tf.Tensor:
    """The bicubic downscaling of common programs (Pillow's BICUBIC), aligned; arguments as bicubic_downscale2d."""
    return _separable(x, n, repeat, antialias_matrix)


def space_to_channels(x: tf.Tensor, k: int = 2) -> tf.Tensor:
    """k x k pixels to channels, channel-major: output channel c*k*k + dy*k + dx.

    [N, H, W, C] -> [N, H/k, W/k, C*k*k]. Not the order of tf.nn.space_to_depth.
    """
    n, h, w, c = shape_of(x)
    y = tf.reshape(x, [n, h // k, k, w // k, k, c])
    return tf.reshape(tf.transpose(y, [0, 1, 3, 5, 2, 4]), [n, h // k, w // k, c * k * k])


def channels_to_space(x: tf.Tensor, k: int = 2) -> tf.Tensor:
    """Inverse of space_to_channels: input channel c*k*k + dy*k + dx.

    [N, H, W, C*k*k] -> [N, H*k, W*k, C]. Not the order of tf.nn.depth_to_space.
    """
    n, h, w, c = shape_of(x)
    y = tf.reshape(x, [n, h, w, c // (k * k), k, k])
    return tf.reshape(tf.transpose(y, [0, 1, 4, 2, 5, 3]), [n, h * k, w * k, c // (k * k)])


DOWNSCALERS = {"average": average_downscale2d, "bicubic": bicubic_downscale2d, "antialias": antialias_downscale2d}

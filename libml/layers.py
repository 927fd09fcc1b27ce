"""Image primitives and the runtime-scaled convolution. Images are NHWC, float, [-1, 1]; all shapes are [N, H, W, C].

Everything here has the second derivative that a gradient penalty needs.
"""

import contextlib
import contextvars
import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from libml import convolution, rng
from libml.activation import SLOPES, activate

GREY_LEVELS = 127.5  # of 0..255 in a unit of [-1, 1]


def ilog2(n: int) -> int:
    """Smallest integer k with 2**k >= n, for n >= 1."""
    return (n - 1).bit_length()


def _static_size(x: tf.Tensor, purpose: str) -> tuple[int, int]:
    h, w = x.shape[1], x.shape[2]
    if h is None or w is None:
        raise ValueError(f"{purpose} needs an image of known height and width, got shape {x.shape}")
    return h, w


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
        _, h, w, c = convolution.shape_of(x)
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
    h, w = _static_size(x, "bicubic downscaling")
    rows, columns = (tf.constant(matrix(side * repeat, n, repeat), x.dtype) for side in (h, w))
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


DOWNSCALERS = {"average": average_downscale2d, "bicubic": bicubic_downscale2d, "antialias": antialias_downscale2d}


def space_to_channels(x: tf.Tensor, k: int = 2) -> tf.Tensor:
    """k x k pixels to channels, channel-major: output channel c*k*k + dy*k + dx.

    [N, H, W, C] -> [N, H/k, W/k, C*k*k]. Not the order of tf.nn.space_to_depth.
    """
    n, h, w, c = convolution.shape_of(x)
    y = tf.reshape(x, [n, h // k, k, w // k, k, c])
    return tf.reshape(tf.transpose(y, [0, 1, 3, 5, 2, 4]), [n, h // k, w // k, c * k * k])


def channels_to_space(x: tf.Tensor, k: int = 2) -> tf.Tensor:
    """Inverse of space_to_channels: input channel c*k*k + dy*k + dx.

    [N, H, W, C*k*k] -> [N, H*k, W*k, C]. Not the order of tf.nn.depth_to_space.
    """
    n, h, w, c = convolution.shape_of(x)
    y = tf.reshape(x, [n, h, w, c // (k * k), k, k])
    return tf.reshape(tf.transpose(y, [0, 1, 4, 2, 5, 3]), [n, h * k, w * k, c // (k * k)])


def straight_through_round(x: tf.Tensor, quantum: float = 4.0) -> tf.Tensor:
    """To multiples of so many grey levels, half to even, with gradient 1 (paper eq. 11, whose text says 1 level)."""
    resolution = GREY_LEVELS / quantum

    @tf.custom_gradient
    def rounded(x):
        return tf.round(x * resolution) / resolution, lambda dy: dy

    return rounded(x)


def grey_mse(image: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Mean square error in squared grey levels of 0..255: its root is the reported rmse."""
    return GREY_LEVELS**2 * tf.reduce_mean(tf.square(image - target))


# A value for each thread, as the replicas of a strategy have threads of their own.
_shared: contextvars.ContextVar[dict | None] = contextvars.ContextVar("effective weights", default=None)


@contextlib.contextmanager
def weights_read_once() -> Iterator[None]:
    """Within it ScaledConv2Ds make their effective weights only once, whatever number of times they are called.

    For the passes that one gradient tape records, during which no weight changes.
    """
    before = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(before)


class ScaledConv2D(keras.layers.Layer):
    """3 x 3 SAME convolution whose N(0, 1) kernel is multiplied at run time by sqrt(2 / ((1 + s^2) fan_in)).

    s is the slope of what follows: 0 before ReLU, 0.2 before LeakyReLU, 1 for linear. Maps [N, H, W, C] to
    [N, H, W, filters], in the compute type of its dtype policy. Its form says what is done to the image before, in one
    with the convolution and equal to the two but for rounding: 'upscaled', upscale2d, to [N, 2 H, 2 W, filters];
    'shuffled', space_to_channels, to [N, H/2, W/2, filters].
    """

    def __init__(
        self,
        filters: int,
        activation: str = "linear",
        *,
        form: str = "plain",
        seed: int | None = None,
        **kwargs,
    ):
        """Args: filters; activation 'linear', 'relu' or 'lrelu'; form; seed of the kernel's initial values."""
        super().__init__(autocast=False, **kwargs)
        for name, value, known in (("activation", activation, SLOPES), ("form", form, convolution.FORMS)):
            if value not in known:
                raise ValueError(f"{name} must be one of {sorted(known)}, got {value!r}")
        self.filters = filters
        self.activation = activation
        self.form = form
        self.seed = seed

    def build(self, input_shape) -> None:
        """Makes kernel [3, 3, C, filters] and bias [filters]; C is that of the shuffled image where it is shuffled."""
        shape = (3, 3, input_shape[-1], self.filters)
        slope = SLOPES[self.activation]
        self.scale = math.sqrt(2 / ((1 + slope**2) * math.prod(shape[:3])))
        self.kernel = self.add_weight(
            name="kernel", shape=shape, initializer=keras.initializers.RandomNormal(0.0, 1.0, seed=self.seed)
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")

    def call(self, x, frozen: bool = False) -> tf.Tensor:
        """Convolves; with frozen=True gradients reach x but not the weights."""
        return self.convolve(x, *self.effective_weights(frozen))

    def effective_weights(self, frozen: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """(kernel, bias) as they meet the image."""
        known = {} if _shared.get() is None else _shared.get()
        if self not in known:
            kernel, bias = (tf.convert_to_tensor(v) for v in (self.kernel, self.bias))
            weights = self.effective_kernel(kernel), bias
            known[self] = tuple(tf.cast(w, self.compute_dtype) for w in weights)
        return tuple(tf.stop_gradient(w) for w in known[self]) if frozen else known[self]

    def convolve(self, x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """What a call does, with given effective weights."""
        y = convolution.FORMS[self.form](tf.cast(x, self.compute_dtype), kernel)
        # TensorFlow fuses them with convolutions, not with the transposed one that an upscaled one is.
        return activate(y, bias, self.activation, fused=self.form != "upscaled")

    def effective_kernel(self, kernel: tf.Tensor) -> tf.Tensor:
        """What the image is convolved with."""
        return kernel * self.scale

    def get_config(self) -> dict:
        """Constructor arguments."""
        names = ("filters", "activation", "form", "seed")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def through(
    layers: Sequence[ScaledConv2D],
    run: Callable[..., Any],
    *inputs: tf.Tensor,
    frozen: bool = False,
    remat: bool = False,
) -> Any:
    """run(convolutions, *inputs), where the convolutions are those of the layers.

    Args:
        layers: the convolutions that `run` gets, as functions of an image.
        run: what to compute.
        inputs: further arguments of `run`.
        frozen: let gradients reach the inputs but not the weights.
        remat: keep nothing of the inside for the backward pass, but compute it again there. First derivatives only.
    """
    weights = [w for layer in layers for w in layer.effective_weights(frozen)]

    def body(*args):
        images, values = args[: len(inputs)], args[len(inputs) :]
        pairs = zip(layers, values[::2], values[1::2], strict=True)
        return run([functools.partial(layer.convolve, kernel=k, bias=b) for layer, k, b in pairs], *images)

    return (tf.recompute_grad(body) if remat else body)(*inputs, *weights)


def conv2d(
    name: str,
    filters: int,
    size: int,
    seed: int,
    strides: int = 1,
    initializer: type[keras.initializers.Initializer] = keras.initializers.GlorotUniform,
    **options,
) -> keras.layers.Conv2D:
    """A SAME convolution with bias, whose initial values follow from the seed of what it is part of and its name.

    Args:
        name: of the layer.
        filters: output channels.
        size: side of the kernel.
        seed: of the network.
        strides: as tf.nn.conv2d's.
        initializer: of the kernel; `options` are its further arguments.
    """
    kernel = initializer(seed=rng.small_key(seed, name), **options)
    return keras.layers.Conv2D(filters, size, strides, padding="same", kernel_initializer=kernel, name=name)

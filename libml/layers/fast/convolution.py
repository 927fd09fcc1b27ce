"""3 x 3 SAME convolutions of images [N, H, W, C], of images before an upscaling, and of shuffled ones, computed fast.

Each takes an image and a kernel [3, 3, C, filters], has derivatives of every order, and equals the function of its name
in libml/layers/reference.py but for rounding. libml/layers/fast/choose.py decides which form is used.
"""

import numpy as np
import tensorflow as tf

from libml.layers import reference
from libml.layers.fast import choose
from libml.layers.fast import weights_gradient as gradients
from libml.layers.resample import shape_of

# Name scopes by which lag/performance/profiling.py knows operations: sums of a kernel's taps, and gradients.
SPREAD, GRADIENT = "spread", "gradient_tape"

# [place in 4, tap of 3]: row p, column t is 1 where tap t of the flipped kernel falls on pixel pair p after doubling.
_PAIRS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]])
# [pixel of 4, place in 2, tap of 3]: 1 where the tap of a result sees the pixel, for two neighbouring results and the
# four pixels around them:
#   result 0: tap 0 1 2 .
#   result 1:     . 0 1 2
_NEIGHBOURS = np.stack([np.eye(4, 3, -place) for place in (0, 1)], axis=1)


def plain(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """[N, H, W, C] -> [N, H, W, filters]."""
    return convolve(x, kernel, 1) if choose.own_gradients_pay(x, kernel.shape) else reference.plain(x, kernel)


def upscaled(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The convolution of upscale2d(x), from x itself: [N, H, W, C] -> [N, 2 H, 2 W, filters].

    A box of 2 x 2 equal pixels meets the 3 x 3 kernel in 4 x 4 sums of its taps: a transposed convolution of stride 2
    with 16 multiplications a small pixel in place of 36.
    """
    taps = tf.transpose(kernel, [0, 1, 3, 2])
    sums = tf.reshape(_spread(taps, np.einsum("ai,bj->abij", _PAIRS, _PAIRS)), [4, 4, *taps.shape[2:]])
    return transpose_convolve(x, sums, 2) if choose.own_gradients_pay(x, sums.shape) else _transposed(x, sums, 2)


def shuffled(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The convolution of space_to_channels(x): [N, H, W, C / 4] -> [N, H / 2, W / 2, filters].

    TensorFlow's own shuffle is faster, and a kernel is small to reorder.
    """
    h, w, inputs, filters = kernel.shape
    kernel = tf.transpose(tf.reshape(kernel, [h, w, inputs // 4, 4, filters]), [0, 1, 3, 2, 4])
    return plain(tf.nn.space_to_depth(x, 2), tf.reshape(kernel, [h, w, inputs, filters]))


FORMS = {"plain": plain, "upscaled": upscaled, "shuffled": shuffled}


def _spread(kernel: tf.Tensor, places: np.ndarray) -> tf.Tensor:
    """For each place the sum of the kernel's taps that are there, by places [..., 3, 3]: [places, channels]."""
    with tf.name_scope(SPREAD):
        counts = tf.constant(places.reshape(-1, 9), kernel.dtype)
        return tf.matmul(counts, tf.reshape(kernel, [9, -1]))


def _transposed(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    n, h, w, _ = shape_of(x)
    return tf.nn.conv2d_transpose(x, kernel, [n, stride * h, stride * w, kernel.shape[2]], stride, "SAME")


def _in_blocks(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The convolution of stride 1 for few filters: 2 x 2 pixels of the result are made as channels of one.

    1.8 times the multiplications, but vectors that the filters of a single pixel would leave mostly idle.
    """
    _, h, w, channels = shape_of(x)
    places = np.einsum("ayi,bxj->abyxij", _NEIGHBOURS, _NEIGHBOURS)
    blocks = tf.reshape(_spread(kernel, places), [16, 4, channels, -1])
    blocks = tf.reshape(tf.transpose(blocks, [0, 2, 1, 3]), [4, 4, channels, -1])
    y = tf.nn.depth_to_space(tf.nn.conv2d(x, blocks, 2, "SAME"), 2)
    return y[:, :h, :w]


def _gradient_scope() -> tf.name_scope:
    """The names that TensorFlow gives a gradient of what is computed here; those of own gradients it leaves out."""
    return tf.name_scope("/".join(filter(None, (GRADIENT, tf.get_current_name_scope()))) + "/")


def convolve(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """A SAME convolution in our forms: [N, H, W, C] -> [N, H / stride, W / stride, filters]."""

    @tf.custom_gradient
    def run(x, kernel):
        gradient = _gradient_scope()

        def grad(dy):
            with gradient:
                return transpose_convolve(dy, kernel, stride), gradients.weights_gradient(x, dy, kernel.shape, stride)

        if stride == 1 and choose.few(kernel.shape[3], kernel.shape[2]):
            return _in_blocks(x, kernel), grad
        return tf.nn.conv2d(x, kernel, stride, "SAME"), grad

    return run(x, kernel)


def transpose_convolve(x: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """The transpose of convolve, with the same kernel: [N, h, w, filters] -> [N, h stride, w stride, C]."""

    @tf.custom_gradient
    def run(x, kernel):
        gradient = _gradient_scope()

        def grad(dy):
            with gradient:
                return convolve(dy, kernel, stride), gradients.weights_gradient(dy, x, kernel.shape, stride)

        if stride == 1 and choose.few(kernel.shape[2], kernel.shape[3]):
            return _in_blocks(x, gradients.flipped(kernel)), grad
        return _transposed(x, kernel, stride), grad

    return run(x, kernel)

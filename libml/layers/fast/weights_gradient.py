"""The gradient of a SAME convolution for its kernel, in the form that libml/layers/fast/choose.py says is fastest.

A convolution maps x [N, h stride, w stride, C] to [N, h, w, filters] with a kernel [taps, taps, C, filters]: 3 taps
where the stride is 1, 4 where it is 2, so that it reaches one pixel of the result far. dy is a loss' gradient for the
result.
"""

import itertools
from collections.abc import Sequence

import tensorflow as tf

from libml.layers import reference
from libml.layers.fast import choose

OVER_BATCH = "over_batch"  # the name scope by which lag/performance/profiling.py knows that form


def flipped(kernel: tf.Tensor) -> tf.Tensor:
    """The kernel of the transposed convolution of stride 1: [taps, taps, C, filters] -> [taps, taps, filters, C]."""
    return tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])


def weights_gradient(x: tf.Tensor, dy: tf.Tensor, shape: Sequence[int], stride: int) -> tf.Tensor:
    """As reference.weights_gradient, computed fast."""
    taps, _, channels, filters = shape
    if stride == 1 and choose.few(filters, channels):
        # With the roles of image and result exchanged the many channels are the output.
        return flipped(weights_gradient(dy, x, [taps, taps, filters, channels], 1))
    if choose.pays("products", x, shape):
        return products(x, dy, taps)
    if choose.pays("over_batch", dy, shape):
        return over_batch(x, dy)
    return reference.weights_gradient(x, dy, shape, stride)


@tf.function(autograph=False)  # traced once for all convolutions of a shape
def products(x: tf.Tensor, dy: tf.Tensor, taps: int) -> tf.Tensor:
    """weights_gradient as a product of two matrices for each tap; x and dy of known shape.

    Pad each image by one zero row and column and lay all pixels out in one line. The input pixels under a tap are then
    the output pixels shifted by a constant: a slice, no copy.
    """
    (n, h, w, filters), channels = dy.shape, x.shape[-1]
    stride, image = x.shape[1] // h, (h + 1) * (w + 1)
    with tf.control_dependencies([dy]):  # or the copy would be made, and kept, in the forward pass
        x = tf.identity(x)
    # Where the stride is 2, four matrices of every other pixel.
    parts = tf.transpose(tf.reshape(x, [n, h, stride, w, stride, channels]), [2, 4, 0, 1, 3, 5])
    parts = tf.pad(parts, [[0, 0], [0, 0], [0, 0], [0, 1], [0, 1], [0, 0]])
    parts = tf.split(tf.reshape(parts, [-1, channels]), stride**2)
    # An image of zeros before and after, too, for what the first and the last tap miss.
    dy = tf.reshape(tf.pad(dy, [[1, 1], [0, 1], [0, 1], [0, 0]]), [-1, filters])
    found = []
    for i, j in itertools.product(range(taps), repeat=2):
        (down, row), (right, column) = divmod(i - 1, stride), divmod(j - 1, stride)
        seen = tf.slice(dy, [image - down * (w + 1) - right, 0], [n * image, filters])
        found.append(tf.matmul(parts[row * stride + column], seen, transpose_a=True))
    return tf.reshape(tf.stack(found), [taps, taps, channels, filters])


def over_batch(x: tf.Tensor, dy: tf.Tensor) -> tf.Tensor:
    """weights_gradient of 3 taps as a convolution with kernel dy: images are the channels of x, channels the batch."""
    with tf.name_scope(OVER_BATCH):
        images, kernel = tf.transpose(x, [3, 1, 2, 0]), tf.transpose(dy, [1, 2, 0, 3])
        return tf.transpose(tf.nn.conv2d(images, kernel, 1, [[0, 0], [1, 1], [1, 1], [0, 0]]), [1, 2, 0, 3])

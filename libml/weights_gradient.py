"""The gradient of a SAME convolution for its kernel, in the form that is fastest.

A convolution maps x [N, h stride, w stride, C] to [N, h, w, filters] with a kernel [taps, taps, C, filters]: 3 taps
where the stride is 1, 4 where it is 2, so that it reaches one pixel of the result far. dy is a loss' gradient for the
result.
"""

import itertools
from collections.abc import Sequence

import tensorflow as tf

from libml import cpu

PRODUCT_CHANNELS = 16  # with fewer, products of matrices are no faster than oneDNN's gradient
FEW_CHANNELS = 4  # so few leave most of a vector idle
SMALL_IMAGE, SMALL_IMAGE_BATCH, SMALL_IMAGE_FILTERS = 8, 8, 32  # at most and at least, for a convolution over the batch


def flipped(kernel: tf.Tensor) -> tf.Tensor:
    """The kernel of the transposed convolution of stride 1: [taps, taps, C, filters] -> [taps, taps, filters, C]."""
    return tf.transpose(tf.reverse(kernel, [0, 1]), [0, 1, 3, 2])


def few(outputs: int, inputs: int) -> bool:
    """Whether a convolution makes few channels of many, as colours of features."""
    return outputs <= FEW_CHANNELS < inputs


def products_pay(x: tf.Tensor, shape: Sequence[int]) -> bool:
    """Whether products of matrices are the fastest gradient for a kernel of that shape.

    Where AVX2 is the widest, oneDNN computes that gradient at about half the rate of the other convolutions.
    """
    wide = min(shape[2:]) >= PRODUCT_CHANNELS
    return wide and cpu.has_only_avx2() and x.dtype == tf.float32 and x.shape.is_fully_defined()


def over_batch_pays(dy: tf.Tensor, shape: Sequence[int]) -> bool:
    """Whether a convolution over the batch is the fastest gradient for a kernel of that shape.

    In bfloat16 oneDNN's gradient begins and ends its sums at every row of an image: the shorter, the slower.
    """
    n, h, w = dy.shape[:3]
    small = n is not None and n >= SMALL_IMAGE_BATCH and None not in (h, w) and max(h, w) <= SMALL_IMAGE
    # With 4 taps it would be dilated, of which TensorFlow has no derivatives on CPUs.
    wide = shape[0] == 3 and shape[3] >= SMALL_IMAGE_FILTERS
    return small and wide and dy.dtype == tf.bfloat16 and cpu.has_bfloat16()


def weights_gradient(x: tf.Tensor, dy: tf.Tensor, shape: Sequence[int], stride: int) -> tf.Tensor:
    """The gradient of sum(dy * convolve(x, kernel, stride)) for the kernel, which has that shape."""
    taps, _, channels, filters = shape
    if stride == 1 and few(filters, channels):
        # With the roles of image and result exchanged the many channels are the output.
        return flipped(weights_gradient(dy, x, [taps, taps, filters, channels], 1))
    if products_pay(x, shape):
        return products(x, dy, taps)
    if over_batch_pays(dy, shape):
        return over_batch(x, dy)
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=shape, out_backprop=dy, strides=[1, stride, stride, 1], padding="SAME"
    )


@tf.function(autograph=False)  # traced once for all convolutions of a shape
def products(x: tf.Tensor, dy: tf.Tensor, taps: int) -> tf.Tensor:
    """weights_gradient as a product of two matrices for each tap; x and dy of known shape.

    With a column and a row of zeros after each image, and all pixels in a row, a tap's pixels are those of the result
    from a fixed distance on: a slice, which takes no copy.
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
    with tf.name_scope("over_batch"):
        images, kernel = tf.transpose(x, [3, 1, 2, 0]), tf.transpose(dy, [1, 2, 0, 3])
        return tf.transpose(tf.nn.conv2d(images, kernel, 1, [[0, 0], [1, 1], [1, 1], [0, 0]]), [1, 2, 0, 3])

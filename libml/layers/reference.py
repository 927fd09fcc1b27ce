"""The plain twin of each fast form: what it computes, in TensorFlow's own operations and derivatives.

The modules of libml/layers/fast equal these functions but for rounding, and their tests hold them to it. Where no fast
form pays (libml/layers/fast/choose.py) they call the twin itself. Images are [N, H, W, C], kernels [3, 3, C, filters],
convolutions SAME.
"""

from collections.abc import Sequence

import tensorflow as tf

LRELU_SLOPE = 0.2


def plain(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The convolution of x: [N, H, W, C] -> [N, H, W, filters]."""
    return tf.nn.conv2d(x, kernel, 1, "SAME")


def upscaled(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The convolution of x with each pixel repeated 2 x 2 times: [N, H, W, C] -> [N, 2 H, 2 W, filters]."""
    return plain(tf.repeat(tf.repeat(x, 2, axis=1), 2, axis=2), kernel)


def shuffled(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The convolution of x with 2 x 2 pixels as channels: [N, H, W, C / 4] -> [N, H / 2, W / 2, filters].

    Channel c of pixel (dy, dx) becomes channel 4 c + 2 dy + dx.
    """
    n, h, w, c = x.shape
    pixels = tf.transpose(tf.reshape(x, [n, h // 2, 2, w // 2, 2, c]), [0, 1, 3, 5, 2, 4])
    return plain(tf.reshape(pixels, [n, h // 2, w // 2, 4 * c]), kernel)


FORMS = {"plain": plain, "upscaled": upscaled, "shuffled": shuffled}


def weights_gradient(x: tf.Tensor, dy: tf.Tensor, shape: Sequence[int], stride: int) -> tf.Tensor:
    """The gradient of sum(dy * conv2d(x, kernel, stride)) for the kernel, which has that shape."""
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=shape, out_backprop=dy, strides=[1, stride, stride, 1], padding="SAME"
    )


def activate(y: tf.Tensor, bias: tf.Tensor, activation: str) -> tf.Tensor:
    """The activation 'linear', 'relu' or 'lrelu' of y + bias; y [N, H, W, C], bias [C]."""
    y = y + bias
    return {"linear": y, "relu": tf.nn.relu(y), "lrelu": tf.maximum(y, LRELU_SLOPE * y)}[activation]


def leaky_relu_gradient(dy: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
    """The gradient of LeakyReLU for its input; features are its input or its output, whose signs are the same."""
    return tf.raw_ops.LeakyReluGrad(gradients=dy, features=features, alpha=LRELU_SLOPE)

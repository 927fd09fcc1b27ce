"""What follows a convolution, bias and activation, with the second derivatives that a gradient penalty needs.

The result equals reference.activate but for rounding. TensorFlow's kernels for CPUs are hardly vectorized in bfloat16;
where libml/layers/fast/choose.py says so, XLA compiles those that TensorFlow does not fuse with a convolution.
"""

import tensorflow as tf

from libml.layers import reference
from libml.layers.fast import choose
from libml.layers.reference import LRELU_SLOPE

SLOPES = {"linear": 1.0, "relu": 0.0, "lrelu": LRELU_SLOPE}  # below 0


def activate(y: tf.Tensor, bias: tf.Tensor, activation: str, fused: bool = True) -> tf.Tensor:
    """The activation of y + bias.

    Args:
        y: [N, H, W, C], what a convolution made.
        bias: [C].
        activation: one of SLOPES.
        fused: whether TensorFlow fuses bias and activation with the operation that made y.
    """
    if activation == "lrelu":
        compiled = not fused and choose.pays("compiled", y)
        return _biased_leaky_relu(y, bias) if compiled else leaky_relu(add_bias(y, bias))
    y = add_bias(y, bias)
    return tf.nn.relu(y) if activation == "relu" else y


@tf.custom_gradient
def leaky_relu(x: tf.Tensor) -> tf.Tensor:
    """max(x, 0.2 x), with the second derivative 0 left out of the graph instead of propagated as tensors of zeros."""
    y = tf.nn.leaky_relu(x, LRELU_SLOPE)
    # y has the sign of x, so x itself need not be kept.
    return y, lambda dy: _leaky_relu_grad(dy, y)


@tf.custom_gradient
def _leaky_relu_grad(dy: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
    if choose.pays("compiled", dy):
        # stop_gradient: otherwise an outer tape makes the compiled function return intermediates for a gradient that we
        # define ourselves.
        dx = _compiled_leaky_relu_grad(tf.stop_gradient(dy), tf.stop_gradient(features))
    else:
        dx = reference.leaky_relu_gradient(dy, features)
    return dx, lambda ddx: (_leaky_relu_grad(ddx, features), None)


@tf.custom_gradient
def add_bias(y: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """A number for each channel added to [N, H, W, C]; its gradient is summed in float32.

    On CPUs TensorFlow's own gradient, where it is not fused with another operation, adds bfloat16 to bfloat16.
    """
    return tf.nn.bias_add(y, bias), lambda dy: (dy, _bias_grad(dy))


def _bias_grad(dy: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(dy, axis=[0, 1, 2])


@tf.custom_gradient
def _biased_leaky_relu(y: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    features = _compiled_biased_leaky_relu(tf.stop_gradient(y), tf.stop_gradient(bias))

    def grad(dy):
        dx = _leaky_relu_grad(dy, features)
        return dx, _bias_grad(dx)

    return features, grad


@tf.function(autograph=False, jit_compile=True)
def _compiled_leaky_relu_grad(dy: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
    slope = tf.cast(dy, tf.float32)
    # The sign of an integer is quicker to find.
    return tf.cast(tf.where(tf.bitcast(features, tf.int16) > 0, slope, LRELU_SLOPE * slope), dy.dtype)


@tf.function(autograph=False, jit_compile=True)
def _compiled_biased_leaky_relu(y: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    x = tf.cast(y, tf.float32) + tf.cast(bias, tf.float32)
    return tf.cast(tf.maximum(x, LRELU_SLOPE * x), y.dtype)

"""Spectral normalisation (Miyato et al., 2018): kernels divided by an estimate of their largest singular value.

One power iteration a training step, from a stored vector u. A call reads u and never writes it, so all calls of a step
start from the same one; update_u writes the next, once, before an optimizer changes the kernel.
"""

import keras
import tensorflow as tf

from libml.layers.scaled_conv import ScaledConv2D

_EPSILON = 1e-12  # of the squared norms


def normalized(kernel: tf.Tensor, u: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A kernel over its estimated spectral norm, and the vector that the next estimate starts from.

    With W the kernel as a matrix [rest, out]: v = normalize(u W^T), u' = normalize(v W), sigma = v W u'^T. Gradients
    flow through v and u' too, to the kernel (and u), and have derivatives themselves.

    Args:
        kernel: [..., out].
        u: [1, out].

    Returns:
        (kernel / sigma [..., out], u' [1, out]).
    """
    kernel, u = tf.convert_to_tensor(kernel), tf.convert_to_tensor(u)
    w = tf.reshape(kernel, [-1, kernel.shape[-1]])
    v = tf.math.l2_normalize(tf.matmul(u, w, transpose_b=True), epsilon=_EPSILON)
    vw = tf.matmul(v, w)
    next_u = tf.math.l2_normalize(vw, epsilon=_EPSILON)
    sigma = tf.reduce_sum(vw * next_u)
    return kernel / sigma, next_u


class _SpectralNorm:
    """What the three layers share: u, [1, out], saved with the weights and not trained."""

    def __init__(self, *args, u_seed: int | None = None, **kwargs):
        """Args: as those of the layer without the norm; seed of the first u."""
        super().__init__(*args, **kwargs)
        self.u_seed = u_seed

    def build(self, input_shape) -> None:
        """Makes kernel and bias as the layer without the norm does, and u from a truncated normal."""
        super().build(input_shape)
        self.u = self.add_weight(
            name="u",
            shape=(1, self.kernel.shape[-1]),
            initializer=keras.initializers.TruncatedNormal(0.0, 1.0, seed=self.u_seed),
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",  # all replicas compute the same
        )

    def update_u(self) -> None:
        """Writes the u that follows from the present kernel and u."""
        self.u.assign(normalized(self.kernel, self.u)[1])


class SpectralNormConv2D(_SpectralNorm, keras.layers.Conv2D):
    """keras.layers.Conv2D with a spectrally normalised kernel: [N, H, W, C] -> [N, H', W', filters]."""

    def convolution_op(self, inputs, kernel) -> tf.Tensor:
        """Convolves with the normalised kernel; Keras adds the bias."""
        return super().convolution_op(inputs, normalized(kernel, self.u)[0])


class SpectralNormDense(_SpectralNorm, keras.layers.Dense):
    """keras.layers.Dense with a spectrally normalised kernel: [..., in] -> [..., units]."""

    def call(self, inputs, training=None) -> tf.Tensor:
        """Multiplies by the normalised kernel and adds the bias."""
        y = keras.ops.matmul(inputs, normalized(self.kernel, self.u)[0])
        y = y if self.bias is None else y + self.bias
        return y if self.activation is None else self.activation(y)


class SpectralNormScaledConv2D(_SpectralNorm, ScaledConv2D):
    """ScaledConv2D whose kernel is divided by its spectral norm instead of multiplied by a constant."""

    def effective_kernel(self, kernel: tf.Tensor) -> tf.Tensor:
        """The normalised kernel."""
        return normalized(kernel, self.u)[0]

"""The runtime-scaled 3 x 3 convolution of images [N, H, W, C], with the second derivative of a gradient penalty."""

import math

import keras
import tensorflow as tf

from libml.layers.fast import convolution
from libml.layers.fast.activation import SLOPES, activate


class ScaledConv2D(keras.layers.Layer):
    """3 x 3 SAME convolution whose N(0, 1) kernel is multiplied at run time by sqrt(2 / ((1 + s^2) fan_in)).

    s is the slope of what follows: 0 before ReLU, 0.2 before LeakyReLU, 1 for linear. Maps [N, H, W, C] to
    [N, H, W, filters], in the compute type of its dtype policy. `form` names an operation fused into the convolution;
    the result equals doing the two in turn, up to rounding: 'upscaled', upscale2d, to [N, 2 H, 2 W, filters];
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
        initializer = keras.initializers.RandomNormal(0.0, 1.0, seed=self.seed)
        # autocast=False: within a network's call Keras would cast a variable when it is read, before it is scaled.
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=initializer, autocast=False)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros", autocast=False)

    def call(self, x) -> tf.Tensor:
        """Convolves."""
        return self.convolve(x, *self.effective_weights())

    def effective_weights(self) -> tuple[tf.Tensor, tf.Tensor]:
        """(kernel, bias) as they meet the image: read, scaled, and cast to the compute type."""
        kernel, bias = (tf.convert_to_tensor(v) for v in (self.kernel, self.bias))
        return tuple(tf.cast(w, self.compute_dtype) for w in (self.effective_kernel(kernel), bias))

    def convolve(self, x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
        """What a call does, with effective weights given."""
        y = convolution.FORMS[self.form](tf.cast(x, self.compute_dtype), kernel)
        # TensorFlow fuses bias and activation with a convolution, but not with a transposed one, which 'upscaled' is.
        return activate(y, bias, self.activation, fused=self.form != "upscaled")

    def effective_kernel(self, kernel: tf.Tensor) -> tf.Tensor:
        """The kernel that the image is convolved with."""
        return kernel * self.scale

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
import tensorflow as tf

from libml.layers.fast import convolution
from libml.layers.fast.activation import SLOPES, activate

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

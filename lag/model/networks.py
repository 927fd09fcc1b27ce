"""The three networks. Paper symbol <-> name here:

G(y, z)      Generator(lores, z)      y: lores, the LR image; z: a noise map of the same size
P(x, delta)  Projection(x, delta)     x: an image; delta = |y - H(x)|, how far its LR version is from y (eq. 10)
F(p)         CriticHead(latent)       p: a point of the perceptual latent space
C(x, y)      F(P(x, delta))           the critic

Images are [N, H, W, C] in [-1, 1]. n = scale, L = log2(n); stage k works at 2**k times the LR size with
max(filters_min, filters >> k) filters. Progressive growing is at a Level (start, stop, lod): stages up to `stop` are in
use and, where start is below stop, stage `stop` is faded in with weight lod - start.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from libml import rng
from libml.layers import right_inverse
from libml.layers.resample import downscale2d, ilog2, upscale2d
from libml.layers.scaled_conv import ScaledConv2D
from libml.layers.spectral_norm import SpectralNormScaledConv2D
from libml.training.schedule import Level

StageWeights = list[tuple[tf.Tensor, tf.Tensor]]  # (kernel, bias) of each convolution, scaled and cast
Weights = list[StageWeights]  # of stages 0 to level.stop


def stage_widths(scale: int, filters: int, filters_min: int) -> tuple[int, ...]:
    """Filters of stages 0 .. log2(scale): halved at each doubling of the size, down to filters_min."""
    return tuple(max(filters_min, filters >> k) for k in range(ilog2(scale) + 1))


def _float32(x: tf.Tensor | float) -> tf.Tensor:
    return tf.cast(x, tf.float32)


def _bound(layers: Sequence[ScaledConv2D], weights: StageWeights) -> list[Callable[[tf.Tensor], tf.Tensor]]:
    """The convolutions of a stage as functions of an image, with the weights given."""
    pairs = zip(layers, weights, strict=True)
    return [functools.partial(layer.convolve, kernel=kernel, bias=bias) for layer, (kernel, bias) in pairs]


def _recomputed(run: Callable, remat: bool) -> Callable:
    """With remat=True `run` keeps no intermediate result for the backward pass, which computes them again.

    It then has first derivatives only, with respect to every tensor among its arguments.
    """
    return tf.recompute_grad(run) if remat else run


def conv(
    name: str,
    filters: int,
    activation: str,
    seed: int,
    kind: type[ScaledConv2D] = ScaledConv2D,
    **options,
) -> ScaledConv2D:
    """A convolution whose initial values follow from the seed of what it is part of and its name in it."""
    if kind is SpectralNormScaledConv2D:
        options["u_seed"] = rng.small_key(seed, f"{name}/u")
    return kind(filters, activation, seed=rng.small_key(seed, name), name=name, **options)


class GeneratorStage(keras.layers.Layer):
    """Doubles the size: nearest upscaling, two LeakyReLU convolutions, and a linear one to colours beside them."""

    def __init__(self, filters: int, colors: int, *, seed: int, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.conv_0 = conv("conv_0", filters, "lrelu", seed, form="upscaled", dtype=self.dtype_policy)
        self.conv_1 = conv("conv_1", filters, "lrelu", seed, dtype=self.dtype_policy)
        self.to_rgb = conv("to_rgb", colors, "linear", seed, dtype=self.dtype_policy)

    def build(self, input_shape) -> None:
        """Builds the convolutions for features [N, h, w, C]."""
        self.conv_0.build(input_shape)
        features = (*input_shape[:3], self.conv_0.filters)
        self.conv_1.build(features)
        self.to_rgb.build(features)

    @property
    def convs(self) -> list[ScaledConv2D]:
        """Its convolutions in order of creation."""
        return [self.conv_0, self.conv_1, self.to_rgb]

    def call(self, y, weights: StageWeights, remat: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """[N, h, w, C] -> features [N, 2h, 2w, filters] and image [N, 2h, 2w, colors]."""

        def run(y, weights):
            conv_0, conv_1, to_rgb = _bound(self.convs, weights)
            y = conv_1(conv_0(y))
            return y, _float32(to_rgb(y))

        return _recomputed(run, remat)(y, weights)


def share(z: tf.Tensor, channels: int) -> tf.Tensor:
    """A noise map [N, h, w, C] whose first channels have the value of the map's first cell, z[:, 0, 0], everywhere.

    What is standard normal stays so. A network of small reach can then draw what belongs together, as two eyes do.
    """
    if not channels:
        return z
    shared, own = z[..., :channels], z[..., channels:]
    return tf.concat([tf.broadcast_to(shared[:, :1, :1], tf.shape(shared)), own], axis=-1)


class StagedModel(keras.Model):
    """A network of stages, each of them convolutions.

    A call takes effective weights as values. Several passes within a gradient tape share them, so they are made once;
    passing tf.stop_gradient of them freezes the network. A call without weights makes them of the variables.
    """

    def stage_layers(self, k: int) -> list[ScaledConv2D]:
        """Convolutions of stage k, in a fixed order."""
        raise NotImplementedError

    def stage_variables(self, k: int) -> list[keras.Variable]:
        """Kernels and biases of stage k."""
        return [v for layer in self.stage_layers(k) for v in (layer.kernel, layer.bias)]

    def variables_up_to(self, lod_stop: int) -> list[keras.Variable]:
        """Kernels and biases of stages 0 to lod_stop, stage by stage."""
        return [v for k in range(lod_stop + 1) for v in self.stage_variables(k)]

    def effective_weights(self, level: Level) -> Weights:
        """The weights of stages 0 to level.stop, read from the variables, scaled and cast."""
        return [[layer.effective_weights() for layer in self.stage_layers(k)] for k in range(level.stop + 1)]


class Generator(StagedModel):
    """G(y, z): an LR image and a noise map to an image 2**level.stop times as large (paper section 3.1)."""

    def __init__(
        self,
        *,
        colors: int,
        scale: int,
        blocks: int,
        filters: int,
        filters_min: int,
        noise_dim: int,
        shared_dim: int = 0,
        consistent_with: str = "",
        seed: int = 0,
        dtype: str = "float32",
    ):
        """Builds every stage.

        Args:
            colors: channels of the images.
            scale: largest upscaling factor, a power of two.
            blocks: residual blocks at the LR size.
            filters: filters at the LR size.
            filters_min: floor of the filters of the larger sizes.
            noise_dim: channels of z.
            shared_dim: how many of them, the first, have one value for the whole picture: that of its first cell.
            consistent_with: the downscaler that makes lores of each image, exactly; none if empty.
            seed: of the initial weights.
            dtype: Keras' name of the precision: float32 or mixed_bfloat16. Variables and images are float32 in both.
        """
        # autocast would round lod, an exact fade weight, to the compute precision.
        super().__init__(name="generator", autocast=False, dtype=dtype)
        self.colors, self.scale, self.blocks = colors, scale, blocks
        self.noise_dim, self.shared_dim = noise_dim, shared_dim
        self.consistent_with = consistent_with
        self.widths = stage_widths(scale, filters, filters_min)
        self.lods = len(self.widths) - 1
        # Attributes, not a list: what a list holds is left out of a tf.train.Checkpoint.
        seed = rng.key(seed, "generator")
        self.stem = conv("stem", self.widths[0], "linear", seed, dtype=dtype)
        for b in range(blocks):
            for i, activation in enumerate(("relu", "linear")):
                name = f"block_{b}_conv_{i}"
                setattr(self, name, conv(name, self.widths[0], activation, seed, dtype=dtype))
        for k in range(1, self.lods + 1):
            name = f"stage_{k}"
            setattr(
                self, name, GeneratorStage(self.widths[k], colors, seed=rng.key(seed, name), name=name, dtype=dtype)
            )
        self.build()

    def build(self, input_shape=None) -> None:
        """Makes every variable, whatever the phase; the input's shape is known from the constructor."""
        self.stem.build((None, None, None, self.colors + self.noise_dim))
        for conv in self._block_convs():
            conv.build((None, None, None, self.widths[0]))
        for k in range(1, self.lods + 1):
            getattr(self, f"stage_{k}").build((None, None, None, self.widths[k - 1]))

    def _block_convs(self) -> list[ScaledConv2D]:
        return [getattr(self, f"block_{b}_conv_{i}") for b in range(self.blocks) for i in (0, 1)]

    def stage_layers(self, k: int) -> list[ScaledConv2D]:
        """Convolutions of stage k in order of creation; those of stage 0 are the stem and the residual blocks."""
        if k == 0:
            return [self.stem, *self._block_convs()]
        return getattr(self, f"stage_{k}").convs

    def call(self, lores, z, *, level: Level, weights: Weights | None = None, remat: bool = False) -> tf.Tensor:
        """lores [N, h, w, C] in [-1, 1] and z [N, h, w, noise_dim] -> float32 [N, h 2^stop, w 2^stop, C].

        There is no squashing at the end: values may leave [-1, 1]. With consistent_with, H of the image, its pixels
        repeated up to the full size, is lores, whatever the level. `weights` are what effective_weights returns. With
        remat=True the stages are computed again in the backward pass.
        """
        level = dataclasses.replace(level, lod=_float32(level.lod))
        weights = self.effective_weights(level) if weights is None else weights
        stem, *blocks = _bound(self.stage_layers(0), weights[0])
        y = stem(tf.concat([lores, share(z, self.shared_dim)], axis=-1))
        for conv_0, conv_1 in zip(blocks[::2], blocks[1::2], strict=True):
            y += conv_1(conv_0(y)) / self.blocks
        y, image = self.stage_1(y, weights[1], remat=remat)
        for k in range(2, level.stop + 1):
            y, rgb = getattr(self, f"stage_{k}")(y, weights[k], remat=remat)
            image = upscale2d(image) + (rgb if k <= level.start else level.fade * rgb)
        if not self.consistent_with:
            return image
        return right_inverse.consistent(image, lores, 2**level.stop, self.scale, self.consistent_with)


class ProjectionStage(keras.layers.Layer):
    """Halves the size: a LeakyReLU convolution, space to channels, a LeakyReLU convolution; and one from colours."""

    def __init__(self, filters: int, filters_out: int, *, seed: int, kind: type[ScaledConv2D] = ScaledConv2D, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.filters, self.filters_out = filters, filters_out
        options = {"seed": seed, "kind": kind, "dtype": self.dtype_policy}
        self.from_rgb = conv("from_rgb", filters, "lrelu", **options)
        self.conv_0 = conv("conv_0", filters, "lrelu", **options)
        self.conv_1 = conv("conv_1", filters_out, "lrelu", form="shuffled", **options)

    def build(self, input_shape) -> None:
        """Builds the convolutions for images [N, h, w, colors]."""
        self.from_rgb.build(input_shape)
        self.conv_0.build((*input_shape[:3], self.filters))
        self.conv_1.build((*input_shape[:3], 4 * self.filters))

    @property
    def convs(self) -> list[ScaledConv2D]:
        """Its convolutions in the reference's order."""
        return [self.from_rgb, self.conv_0, self.conv_1]

    def call(self, inputs: Sequence[tf.Tensor], weights: StageWeights, fade=None, remat: bool = False) -> tf.Tensor:
        """The image at this size and the features of the stage above -> the features of this stage.

        Args:
            inputs: the image [N, h, w, colors] and, but in the first stage, the features above [N, h, w, filters].
            weights: effective weights of its convolutions.
            fade: float32 weight of the features above; None for 1.
            remat: compute the inside again in the backward pass.

        Returns:
            [N, h/2, w/2, filters_out].
        """

        def run(inputs, weights):
            from_rgb, conv_0, conv_1 = _bound(self.convs, weights)
            y = from_rgb(inputs[0])
            if len(inputs) > 1:
                y += inputs[1] if fade is None else tf.cast(fade * _float32(inputs[1]), y.dtype)
            return conv_1(conv_0(y))

        return _recomputed(run, remat)(inputs, weights)


class Projection(StagedModel):
    """P(x, delta): an image and its LR error to the perceptual latent space (paper eqs. 2 and 10)."""

    def __init__(
        self,
        *,
        colors: int,
        scale: int,
        blocks: int,
        filters: int,
        filters_min: int,
        spectral_norm: bool = False,
        seed: int = 0,
        dtype: str = "float32",
    ):
        """Builds every stage.

        Arguments as those of Generator, `blocks` being plain convolutions here, and spectral_norm: whether kernels
        are divided by their spectral norm instead of being scaled.
        """
        super().__init__(name="projection", autocast=False, dtype=dtype)
        self.colors, self.scale, self.blocks = colors, scale, blocks
        self.spectral_norm = spectral_norm
        self.widths = stage_widths(scale, filters, filters_min)
        self.lods = len(self.widths) - 1
        seed, kind = rng.key(seed, "projection"), SpectralNormScaledConv2D if spectral_norm else ScaledConv2D
        for k in range(self.lods, 0, -1):
            name, (width, width_out) = f"stage_{k}", (self.widths[k], self.widths[k - 1])
            setattr(
                self,
                name,
                ProjectionStage(width, width_out, seed=rng.key(seed, name), name=name, kind=kind, dtype=dtype),
            )
        for b in range(blocks):
            setattr(self, f"block_{b}", conv(f"block_{b}", self.widths[0], "lrelu", seed, kind, dtype=dtype))
        self.build()

    def build(self, input_shape=None) -> None:
        """Makes every variable, whatever the phase; the input's shape is known from the constructor."""
        for k in range(1, self.lods + 1):
            getattr(self, f"stage_{k}").build((None, None, None, self.colors))
        for b in range(self.blocks):
            channels = self.widths[0] + (self.colors if b == 0 else 0)
            getattr(self, f"block_{b}").build((None, None, None, channels))

    def stage_layers(self, k: int) -> list[ScaledConv2D]:
        """Convolutions of stage k in the reference's order; those of stage 0 follow the concatenation with delta."""
        if k == 0:
            return [getattr(self, f"block_{b}") for b in range(self.blocks)]
        return getattr(self, f"stage_{k}").convs

    def update_norms(self, lod_stop: int) -> None:
        """One step of the estimates of the spectral norms of the stages up to lod_stop, where kernels have them."""
        for k in range(lod_stop + 1 if self.spectral_norm else 0):
            for layer in self.stage_layers(k):
                layer.update_u()

    def call(self, x, delta, *, level: Level, weights: Weights | None = None, remat: bool = False) -> tf.Tensor:
        """x [N, h 2^stop, w 2^stop, C] and delta [N, h, w, C] -> latent, float32 [N, h, w, latent channels].

        `weights` are what effective_weights returns. With remat=True the stages are computed again in the backward
        pass, which then has no second derivative.
        """
        level = dataclasses.replace(level, lod=_float32(level.lod))
        weights = self.effective_weights(level) if weights is None else weights
        above = []  # the features of the stage above; none before the first stage
        for k in range(level.stop, 0, -1):
            fade = level.fade if k == level.start else None
            above = [getattr(self, f"stage_{k}")([x, *above], weights[k], fade=fade, remat=remat)]
            x = downscale2d(x) if k > 1 else x
        y = tf.concat([*above, tf.cast(delta, above[0].dtype)], axis=-1)
        for conv in _bound(self.stage_layers(0), weights[0]):
            y = conv(y)
        # With alternating signs the mean of what LeakyReLU leaves, F's score, starts near 0 (the reference's "center").
        signs = np.where(np.arange(y.shape[-1]) % 2, 1.0, -1.0)
        return _float32(y) * tf.constant(signs, tf.float32)


class CriticHead(keras.Model):
    """F(p): the realism of each point of the latent space, the mean of its coordinates. It has no weights."""

    def call(self, latent) -> tf.Tensor:
        """[N, h, w, C] -> [N]."""
        return tf.reduce_mean(latent, axis=[1, 2, 3])


def _radius(layer: ScaledConv2D) -> int:
    """How far a convolution looks, in its own pixels."""
    return layer.kernel.shape[0] // 2


def receptive_radius(generator: Generator, lod_stop: int) -> int:
    """How many LR pixels away an input can be and still change an output pixel, in either direction.

    Followed from the image down through the stages: `features` and `image` are how far the outputs of a stage are
    looked at, in that stage's pixels; a pixel of stage k covers two of stage k + 1, hence the halving, rounded up. What
    makes an image consistent looks everywhere; it counts as far as it can be told from rounding in 8 bits.

    Args:
        generator: the network.
        lod_stop: last stage in use.
    """
    features = image = 0
    for k in range(lod_stop, 0, -1):
        conv_0, conv_1, to_rgb = generator.stage_layers(k)
        features = max(features, image + _radius(to_rgb))
        features += _radius(conv_1) + _radius(conv_0)
        features, image = -(-features // 2), -(-image // 2)
    radius = features + sum(_radius(layer) for layer in generator.stage_layers(0))
    if not generator.consistent_with:
        return radius
    return radius + right_inverse.reach(2**lod_stop, generator.scale, generator.consistent_with)

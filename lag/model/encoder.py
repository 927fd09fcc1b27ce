"""E(x): the z of a training image, so that x need not lie at the centre of what y can become.

Paper section 2.1 names it as future research; the form here is this project's own, that of a variational autoencoder:
E gives a normal distribution of z, and a prior term holds that near N(0, 1). Images are [N, H, W, C] in [-1, 1].
"""

import tensorflow as tf

from lag.model.networks import Projection, StagedModel, conv
from libml import rng
from libml.layers.scaled_conv import ScaledConv2D
from libml.training.schedule import Level


class Encoder(StagedModel):
    """A network of P's form that sees y beside x, with means and log variances of z at its end."""

    def __init__(self, *, noise_dim: int, seed: int = 0, dtype: str = "float32", **sizes):
        """Builds every stage; arguments, and the further `sizes`, as those of lag.model.networks.Generator."""
        super().__init__(name="encoder", autocast=False, dtype=dtype)
        seed = rng.key(seed, "encoder")
        self.body = Projection(seed=seed, dtype=dtype, **sizes)
        self.moments = conv("moments", 2 * noise_dim, "linear", seed, dtype=dtype)
        self.build()

    def build(self, input_shape=None) -> None:
        """Makes every variable; the body's are there already."""
        self.moments.build((None, None, None, self.body.widths[0]))

    def stage_layers(self, k: int) -> list[ScaledConv2D]:
        """Convolutions of stage k; those of the moments belong to stage 0."""
        return self.body.stage_layers(k) + ([] if k else [self.moments])

    def call(self, x, lores, noise, *, level: Level, remat: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """A sample of z given x, and how far its distribution is from N(0, 1).

        Args:
            x: the real image of the phase, [N, h 2^stop, w 2^stop, C].
            lores: y, [N, h, w, C].
            noise: standard normal, [N, h, w, noise_dim].
            level: of detail.
            remat: compute the stages again in the backward pass.

        Returns:
            (z [N, h, w, noise_dim], the Kullback-Leibler divergence in nats an image, a scalar).
        """
        y = self.body(x, lores, level=level, remat=remat)
        mean, log_variance = tf.split(tf.cast(self.moments(y), tf.float32), 2, axis=-1)
        z = mean + tf.exp(log_variance / 2) * noise
        nats = (tf.square(mean) + tf.exp(log_variance) - 1 - log_variance) / 2
        return z, tf.reduce_mean(tf.reduce_sum(nats, axis=[1, 2, 3]))

"""Trains SRGAN, a GAN with a perceptual loss: python srgan.py --dataset=celeba128 --scale=8.

Ledig et al., 2017, with the constants of the LAG paper's comparison.
"""

if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin_with_tensorflow()

import dataclasses

import keras
import tensorflow as tf

from libml import rng
from libml.compared.adversarial import AdversarialConfig, AdversarialMethod, ConvNorm, ResidualGenerator, conv
from libml.compared.config import decayed
from libml.compared.program import main
from libml.layers.fast.activation import leaky_relu
from libml.layers.resample import ilog2


@dataclasses.dataclass(frozen=True)
class SRGANConfig(AdversarialConfig):
    """Everything that defines an SRGAN run."""

    method = "SRGAN"

    def learning_rate(self, nimg: int) -> float:
        """lr over the first half of the run, then falling exponentially to lr * lr_decay."""
        return decayed(self.lr, self.lr_decay, nimg, self.schedule().total)


class SRGANGenerator(ResidualGenerator):
    """The blocks' and the doublings' forward pass."""

    kernel_sizes = (9, 9)

    def call(self, lores, training: bool = False) -> tf.Tensor:
        """[N, h, w, C] in [-1, 1] -> [N, scale h, scale w, C] in [-1, 1]."""
        stem = y = leaky_relu(self.stem(lores))
        for b in range(self.blocks):
            dy = leaky_relu(getattr(self, f"block_{b}_0")(y, training=training))
            dy = getattr(self, f"block_{b}_1")(dy, training=training)
            y += dy
        # Goes on from the last block's branch alone, not from y, as in the comparison's own SRGAN.
        y = self.join(dy, training=training) + stem
        for k in range(self.lods):
            y = tf.nn.depth_to_space(leaky_relu(getattr(self, f"up_{k}")(y)), 2)
        return tf.tanh(self.to_image(y))


class SRGANCritic(keras.Model):
    """Pairs of convolutions, the second halving the size, down to about 4 x 4; then two dense layers a position."""

    def __init__(self, *, colors: int, size: int, filters: int, seed: int):
        """Builds every layer.

        Args:
            colors: channels of the images.
            size: their side.
            filters: of the first pair; each further pair has twice as many, up to 512.
            seed: of the initial weights.
        """
        super().__init__(name="critic")
        self.pairs = max(ilog2(size) - 2, 0)
        seed = rng.key(seed, "critic")
        for r in range(self.pairs):
            width = min(filters << r, 512)
            first = ConvNorm(f"pair_{r}_0", width, 3, seed) if r else conv("pair_0_0", width, 3, seed)
            setattr(self, f"pair_{r}_0", first)
            setattr(self, f"pair_{r}_1", ConvNorm(f"pair_{r}_1", width, 3, seed, strides=2))
        for name, units in (("hidden", 1024), ("logit", 1)):
            kernel = keras.initializers.GlorotUniform(seed=rng.small_key(seed, name))
            setattr(self, name, keras.layers.Dense(units, kernel_initializer=kernel, name=name))
        self(tf.zeros([1, size, size, colors]), training=False)  # makes every variable

    def call(self, images, training: bool = True) -> tf.Tensor:
        """[N, H, W, C] in [-1, 1] -> logits [N, h, w, 1], above 0 for real."""
        y = images
        for r in range(self.pairs):
            first, second = getattr(self, f"pair_{r}_0"), getattr(self, f"pair_{r}_1")
            y = leaky_relu(first(y, training=training) if r else first(y))
            y = leaky_relu(second(y, training=training))
        return self.logit(leaky_relu(self.hidden(y)))


class SRGAN(AdversarialMethod):
    """Both networks and their training."""

    config_type = SRGANConfig
    generator_type = SRGANGenerator
    critic_type = SRGANCritic
    activation_unit = 1000.0


if __name__ == "__main__":
    main(SRGAN)

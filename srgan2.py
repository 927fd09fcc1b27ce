"""Trains SRGAN2, SRGAN with a deeper critic of patches: python srgan2.py --dataset=celeba128 --scale=8.

After Ledig et al., 2017, in the second form of the LAG paper's comparison.
"""

if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin_with_tensorflow()

import dataclasses

import keras
import tensorflow as tf

from libml import rng
from libml.compared.adversarial import AdversarialConfig, AdversarialMethod, ConvNorm, ResidualGenerator, conv
from libml.compared.program import main
from libml.layers.fast.activation import leaky_relu
from libml.layers.resample import channels_to_space
from libml.training.config import NAMED, option


@dataclasses.dataclass(frozen=True)
class SRGAN2Config(AdversarialConfig):
    """Everything that defines an SRGAN2 run."""

    method = "SRGAN2"

    adv_weight: float = option(0.01, "Weight of the adversarial loss.", NAMED)
    pcp_weight: float = option(2e-6, "Weight of the perceptual loss; with 0 no VGG19 is needed.", NAMED)
    lr_decay: float = option(0.1, "What lr is multiplied by over half the run; it starts at lr / lr_decay.", NAMED)

    def learning_rate(self, nimg: int) -> float:
        """lr * lr_decay^((nimg - half) / half): lr / lr_decay at first, lr in the middle, lr * lr_decay at the end."""
        half = self.schedule().total / 2
        return self.lr * self.lr_decay ** ((nimg - half) / half)


class SRGAN2Generator(ResidualGenerator):
    """The blocks' and the doublings' forward pass."""

    kernel_sizes = (3, 1)

    def call(self, lores, training: bool = False) -> tf.Tensor:
        """[N, h, w, C] in [-1, 1] -> [N, scale h, scale w, C] in [-1, 1]."""
        stem = y = tf.nn.relu(self.stem(lores))
        for b in range(self.blocks):
            dy = tf.nn.relu(getattr(self, f"block_{b}_0")(y, training=training))
            y += getattr(self, f"block_{b}_1")(dy, training=training)
        y = self.join(y, training=training) + stem
        for k in range(self.lods):
            y = channels_to_space(tf.nn.relu(getattr(self, f"up_{k}")(y)), 2)
        return tf.tanh(self.to_image(y))


class SRGAN2Critic(keras.Model):
    """Halvings of the size, 1 x 1 layers down to 8f channels, a residual block, then a logit a position."""

    def __init__(self, *, colors: int, size: int, filters: int, seed: int):
        """Builds every layer.

        Args:
            colors: channels of the images.
            size: their side; larger ones are halved more often.
            filters: f, of the first layer.
            seed: of the initial weights.
        """
        super().__init__(name="critic")
        seed = rng.key(seed, "critic")
        halvings = [2, 4, 8] + [16] * (size > 32) + [32] * (size > 64)
        squeezes = [16] * (size > 64) + [8] * (size > 32)
        self.stem = conv("stem", filters, 4, seed, strides=2)
        self.trunk = [f"half_{i}" for i in range(len(halvings))] + [f"squeeze_{i}" for i in range(len(squeezes))]
        for i, times in enumerate(halvings):
            setattr(self, f"half_{i}", ConvNorm(f"half_{i}", times * filters, 4, seed, strides=2))
        for i, times in enumerate(squeezes):
            setattr(self, f"squeeze_{i}", ConvNorm(f"squeeze_{i}", times * filters, 1, seed))
        for i, (times, side) in enumerate(((2, 1), (2, 3), (8, 3))):
            setattr(self, f"residual_{i}", ConvNorm(f"residual_{i}", times * filters, side, seed))
        self.logit = conv("logit", 1, 3, seed)
        self(tf.zeros([1, size, size, colors]), training=False)  # makes every variable

    def call(self, images, training: bool = True) -> tf.Tensor:
        """[N, H, W, C] in [-1, 1] -> logits [N, h, w, 1], above 0 for real."""
        y = leaky_relu(self.stem(images))
        for name in self.trunk:
            y = leaky_relu(getattr(self, name)(y, training=training))
        dy = leaky_relu(self.residual_0(y, training=training))
        dy = leaky_relu(self.residual_1(dy, training=training))
        y = leaky_relu(y + self.residual_2(dy, training=training))
        return self.logit(y)


class SRGAN2(AdversarialMethod):
    """Both networks and their training."""

    config_type = SRGAN2Config
    generator_type = SRGAN2Generator
    critic_type = SRGAN2Critic


if __name__ == "__main__":
    main(SRGAN2)

"""Trains EDSR, a residual network for the mean square error: python edsr.py --dataset=celeba128 --scale=8.

Lim et al., 2017, with the constants of the LAG paper's comparison.
"""

if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin_with_tensorflow()

import dataclasses

import tensorflow as tf

from libml import rng
from libml.compared.config import ComparedConfig
from libml.compared.layers import conv2d
from libml.compared.method import ComparedGenerator, ComparedMethod, ComparedTerms
from libml.compared.program import main
from libml.layers.resample import channels_to_space, upscale2d
from libml.training.config import FREE, NAMED, option


@dataclasses.dataclass(frozen=True)
class EDSRConfig(ComparedConfig):
    """Everything that defines an EDSR run."""

    method = "EDSR"
    positive = ("filters", "repeat")

    lr: float = option(1e-4, "Learning rate of Adam.", NAMED)
    filters: int = option(256, "Filters of every convolution but the last.", NAMED)
    repeat: int = option(16, "Residual blocks.", NAMED)
    total_kimg: int = option(16384, "Length of the run in 1024 images.", FREE)


class EDSRGenerator(ComparedGenerator):
    """The LR image's nearest upscaling plus a residual, computed at the LR size."""

    def __init__(self, *, colors: int, scale: int, filters: int, repeat: int, seed: int):
        """Builds every layer; arguments as in EDSRConfig."""
        super().__init__(name="generator")
        self.scale, self.repeat = scale, repeat
        seed = rng.key(seed, "generator")
        # Attributes, not a list: what a list holds is left out of a tf.train.Checkpoint.
        self.stem = conv2d("stem", filters, 3, seed)
        for b in range(repeat):
            for i in (0, 1):
                setattr(self, f"block_{b}_conv_{i}", conv2d(f"block_{b}_conv_{i}", filters, 3, seed))
        self.to_image = conv2d("to_image", colors * scale**2, 3, seed)
        self(tf.zeros([1, 4, 4, colors]))  # makes every variable

    @property
    def radius(self) -> int:
        """A pixel for each of the convolutions, one after another."""
        return 2 + 2 * self.repeat

    def call(self, lores, training: bool = False) -> tf.Tensor:
        """[N, h, w, C] in [-1, 1] -> [N, scale h, scale w, C]."""
        y = self.stem(lores)
        for b in range(self.repeat):
            dy = tf.nn.relu(getattr(self, f"block_{b}_conv_0")(y))
            y += getattr(self, f"block_{b}_conv_1")(dy) / self.repeat
        return channels_to_space(self.to_image(y), self.scale) + upscale2d(lores, self.scale)


class EDSR(ComparedMethod):
    """The generator and its Adam."""

    config_type = EDSRConfig
    metrics = ("gmse",)

    @classmethod
    def make_generator(cls, config: EDSRConfig, colors: int) -> EDSRGenerator:
        """The generator of a config."""
        names = ("scale", "filters", "repeat", "seed")
        return EDSRGenerator(colors=colors, **{name: getattr(config, name) for name in names})

    def make_training(self) -> None:
        """Adam."""
        self.g_optimizer = self.adam(self.generator, 0.9, 0.999, "g_adam")

    def step_terms(self, lores: tf.Tensor, hires: tf.Tensor) -> ComparedTerms:
        """The mean square error and its gradients."""
        with tf.GradientTape() as tape:
            fake = self.generator(lores, training=True)
            gmse = tf.reduce_mean(tf.square(fake - hires))
        return ComparedTerms({"gmse": gmse}, fake, tape.gradient(gmse, self.generator.trainable_variables), [])


if __name__ == "__main__":
    main(EDSR)

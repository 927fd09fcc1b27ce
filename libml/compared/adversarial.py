"""What SRGAN and SRGAN2 share: layers, losses and the step, a mean square error plus a perceptual and a GAN loss.

Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", 2017, eq. 3.
"""

import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf

from libml import rng
from libml.compared import vgg
from libml.compared.config import ComparedConfig
from libml.compared.layers import batch_norm, conv2d
from libml.compared.method import ComparedGenerator, ComparedMethod, ComparedTerms
from libml.errors import UserError
from libml.layers.resample import ilog2
from libml.training.config import NAMED, option


@dataclasses.dataclass(frozen=True)
class AdversarialConfig(ComparedConfig):
    """Parameters of both; the defaults are SRGAN's."""

    positive = ("filters", "blocks", "lr_decay")

    lr: float = option(1e-4, "Learning rate of Adam.", NAMED)
    filters: int = option(64, "Filters of the generator, and of the critic's first layer.", NAMED)
    blocks: int = option(16, "Residual blocks of the generator.", NAMED)
    adv_weight: float = option(0.001, "Weight of the adversarial loss.", NAMED)
    pcp_weight: float = option(1.0, "Weight of the perceptual loss; with 0 no VGG19 is needed.", NAMED)
    layer_name: str = option("conv2_2", "VGG19 convolution whose activations the perceptual loss compares.", NAMED)
    lr_decay: float = option(0.1, "What lr is multiplied by over the second half of the run.", NAMED)

    def validate(self) -> None:
        """Raises UserError for the first parameter that is not valid."""
        super().validate()
        vgg.check_layer(self.layer_name)
        for name in ("adv_weight", "pcp_weight"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name}={getattr(self, name)} cannot be negative")


def conv(name: str, filters: int, size: int, seed: int, strides: int = 1) -> keras.layers.Conv2D:
    """A SAME convolution whose kernel starts N(0, 0.02); arguments as those of conv2d of libml/compared/layers.py."""
    return conv2d(name, filters, size, seed, strides, keras.initializers.RandomNormal, stddev=0.02)


class ConvNorm(keras.layers.Layer):
    """A SAME convolution, then batch normalisation: [N, H, W, C] -> [N, H/strides, W/strides, filters]."""

    def __init__(self, name: str, filters: int, size: int, seed: int, strides: int = 1):
        """Arguments as those of conv."""
        super().__init__(name=name)
        self.conv, self.norm = conv(f"{name}_conv", filters, size, seed, strides), batch_norm(f"{name}_norm")

    def call(self, x, training: bool = False) -> tf.Tensor:
        """With batch statistics in training, else with the moving ones."""
        return self.norm(self.conv(x), training=training)


class ResidualGenerator(ComparedGenerator):
    """The layers of residual blocks at the LR size, then of one doubling of the size after another."""

    kernel_sizes: ClassVar[tuple[int, int]]  # of the stem and of to_image

    def __init__(self, *, colors: int, scale: int, filters: int, blocks: int, seed: int):
        """Builds every layer; arguments as in AdversarialConfig."""
        super().__init__(name="generator")
        self.scale, self.blocks, self.lods = scale, blocks, ilog2(scale)
        seed = rng.key(seed, "generator")
        first, last = self.kernel_sizes
        # Attributes, not a list: what a list holds is left out of a tf.train.Checkpoint.
        self.stem = conv("stem", filters, first, seed)
        for b in range(blocks):
            for i in (0, 1):
                setattr(self, f"block_{b}_{i}", ConvNorm(f"block_{b}_{i}", filters, 3, seed))
        self.join = ConvNorm("join", filters, 3, seed)
        for k in range(self.lods):
            setattr(self, f"up_{k}", conv(f"up_{k}", 4 * filters, 3, seed))
        self.to_image = conv("to_image", colors, last, seed)
        self(tf.zeros([1, 4, 4, colors]))  # makes every variable

    @property
    def radius(self) -> int:
        """Followed from the image down; the convolution of a doubling works at the smaller size."""
        first, last = self.kernel_sizes
        seen = last // 2
        for _ in range(self.lods):
            seen = -(-seen // 2) + 1
        return seen + 1 + 2 * self.blocks + first // 2


def cross_entropy(logits: tf.Tensor, label: float) -> tf.Tensor:
    """Mean sigmoid cross entropy of logits of any shape against one label for all, 1 for real and 0 for fake."""
    labels = tf.fill(tf.shape(logits), label)
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logits))


class AdversarialMethod(ComparedMethod):
    """Generator, critic, an Adam each, and their step. With pcp_weight 0, gpcp is neither computed nor reported."""

    generator_type: ClassVar[type[ResidualGenerator]]
    critic_type: ClassVar[type[keras.Model]]  # each call, critic(images [N, H, W, C]) -> logits, updates its statistics
    metrics = ("gmse", "gpcp", "ggan", "dreal", "dfake")
    activation_unit: ClassVar[float] = 1.0  # what VGG19's activations are divided by

    @classmethod
    def make_generator(cls, config: AdversarialConfig, colors: int) -> ResidualGenerator:
        """The generator of a config."""
        names = ("scale", "filters", "blocks", "seed")
        return cls.generator_type(colors=colors, **{name: getattr(config, name) for name in names})

    def make_training(self) -> None:
        """The critic, VGG19 and the optimizers."""
        config = self.config
        self.critic = self.critic_type(colors=self.colors, size=self.size, filters=config.filters, seed=config.seed)
        self.g_optimizer = self.adam(self.generator, 0.9, 0.999, "g_adam")
        self.d_optimizer = self.adam(self.critic, 0.9, 0.999, "d_adam")
        if config.pcp_weight:
            self.features = vgg.load_features(self.data_dir, config.layer_name)
        else:
            self.metrics = tuple(name for name in self.metrics if name != "gpcp")

    def generator_losses(self, fake: tf.Tensor, hires: tf.Tensor, logits_fake: tf.Tensor) -> dict[str, tf.Tensor]:
        """The unweighted terms of the generator's loss: gmse, gpcp, ggan."""
        losses = {"gmse": tf.reduce_mean(tf.square(fake - hires)), "ggan": cross_entropy(logits_fake, 1.0)}
        if self.config.pcp_weight:
            distance = (self.features(fake) - self.features(hires)) / self.activation_unit
            losses["gpcp"] = tf.reduce_mean(tf.square(distance))
        return losses

    def step_terms(self, lores: tf.Tensor, hires: tf.Tensor) -> ComparedTerms:
        """Losses and gradients of both networks; the critic sees the real batch, then the fake one, once each.

        Args:
            lores: [N, h, w, C].
            hires: [N, H, W, C].
        """
        weights = {"gmse": 1.0, "gpcp": self.config.pcp_weight, "ggan": self.config.adv_weight}
        with tf.GradientTape() as g_tape:
            fake = self.generator(lores, training=True)
            with tf.GradientTape() as d_tape:  # begins after the generator, so it does not reach it
                logits_real = self.critic(hires)
                logits_fake = self.critic(fake)
                critic_terms = {"dreal": cross_entropy(logits_real, 1.0), "dfake": cross_entropy(logits_fake, 0.0)}
                critic_loss = tf.add_n(list(critic_terms.values()))
            generator_terms = self.generator_losses(fake, hires, logits_fake)
            generator_loss = tf.add_n([weights[name] * value for name, value in generator_terms.items()])
        return ComparedTerms(
            generator_terms | critic_terms,
            fake,
            g_tape.gradient(generator_loss, self.generator.trainable_variables),
            d_tape.gradient(critic_loss, self.critic.trainable_variables),
        )

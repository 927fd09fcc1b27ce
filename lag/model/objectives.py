"""The two objectives of LAG, as the paper states them (sections 2.1 and 3.1).

    L(C) = ttur (dreal + dfake + gp)                     for P's weights; F has none           (eq. 8)
    L(G) = gfake + mse_weight gmse + encoder_weight gkl  for G's weights, and E's if it exists (eq. 7)

x is a real image, y its LR version, z ~ N(0, 1), delta(x) = |y - H(x)|. Every term is a mean over the batch of N
images [N, H, W, C] in [-1, 1]. This file is the definition: each network is called where a formula calls it and each
objective has a backward pass of its own. lag/model/fast_step.py computes the same losses and gradients in less time.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from lag.config import LAGConfig
from lag.model import losses
from lag.model.networks import CriticHead, Generator, Projection
from libml.layers.resample import DOWNSCALERS, blend, downscale2d, upscale2d
from libml.training.meters import grey_mse
from libml.training.schedule import Level


class Networks(NamedTuple):
    """G, P and F, and E if there is one."""

    generator: Generator
    projection: Projection
    head: CriticHead
    encoder: keras.Model | None = None

    @property
    def trained(self) -> dict[str, keras.Model]:
        """Those that have weights, by name."""
        named = {"generator": self.generator, "projection": self.projection, "encoder": self.encoder}
        return {name: network for name, network in named.items() if network}


class Noise(NamedTuple):
    """The random numbers of a step."""

    z: tf.Tensor  # [N, h, w, noise_dim], standard normal
    rho: tf.Tensor  # [N, 1, 1, 1] in [0, 1), where the penalty is taken between real (0) and fake (1)
    center: tf.Tensor | None = None  # as z, for the encoder where there is one


class CriticPass(NamedTuple):
    """What the projection P received and returned."""

    image: tf.Tensor  # [N, H/e, W/e, C]
    delta: tf.Tensor  # [N, h, w, C]
    latent: tf.Tensor  # [N, h, w, latent channels]


class StepTerms(NamedTuple):
    """Everything one step computes."""

    losses: dict[str, tf.Tensor]  # scalars: dreal, dfake, gp, gfake, gmse, mse (squared grey levels); gkl of an encoder
    grads: dict[str, list[tf.Tensor]]  # by network: projection's of L(C), generator's and encoder's of L(G)


def up_to(lod_stop: int, network: keras.Model) -> list[keras.Variable]:
    """A network's variables that train up to lod_stop, stage by stage."""
    return [v for k in range(lod_stop + 1) for v in network.stage_variables(k)]


class Objectives:
    """Both objectives on a batch of a phase, at the present weights."""

    def __init__(
        self,
        config: LAGConfig,
        networks: Networks,
        lores: tf.Tensor,
        hires: tf.Tensor,
        level: Level,
    ):
        """Args: the run's parameters; the networks; y [N, h, w, C]; x [N, H, W, C]; the level of detail."""
        self.config, self.networks, self.lores = config, networks, lores
        self.level, self.excess = level, 2 ** (config.lods - level.stop)
        self.real = losses.real_at_level(hires, level, config.lods)

    def terms(self, noise: Noise) -> StepTerms:
        """Losses and gradients, as means over this batch."""
        with tf.GradientTape(persistent=True) as tape:
            center, sample, gkl = self.generate(noise)
            passes = self.passes(center, sample)
            l_c, of_critic = self.critic_objective(passes, self.penalty(sample, noise.rho))
            l_g, of_generator = self.generator_objective(passes, gkl)
        objectives = {"generator": l_g, "projection": l_c, "encoder": l_g}
        grads = {
            name: tape.gradient(objectives[name], [v.value for v in up_to(self.level.stop, network)])
            for name, network in self.networks.trained.items()
        }
        return StepTerms(of_critic | of_generator | {"mse": grey_mse(center, self.real)}, grads)

    def critic_objective(self, passes: dict[str, CriticPass], gp: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """L(C) = ttur (dreal + dfake + gp) (eq. 8; the reference weighs it), and its terms. For P's weights alone."""
        dreal, dfake = losses.GAN_LOSSES[self.config.gan_loss].critic(*self.scores(passes))
        objective = self.config.ttur * (dreal + dfake + gp)
        return objective, {"dreal": dreal, "dfake": dfake, "gp": gp}

    def generator_objective(
        self, passes: dict[str, CriticPass], gkl: tf.Tensor
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """L(G) = gfake + mse_weight gmse + encoder_weight gkl (eq. 7), and its terms. For G's and E's weights alone."""
        gfake = losses.GAN_LOSSES[self.config.gan_loss].generator(*self.scores(passes))
        gmse = losses.center_distance(passes["real"].latent, passes["fake"].latent)
        objective = gfake + self.config.mse_weight * gmse + self.config.encoder_weight * gkl
        return objective, {"gfake": gfake, "gmse": gmse} | ({"gkl": gkl} if self.networks.encoder else {})

    def generate(self, noise: Noise) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """The centre G(y, 0) and the sample G(y, z), [N, H/e, W/e, C] each, and 0.

        With an encoder the centre is G(y, E(x)), and the third is gkl, how far E's distributions are from N(0, 1).
        """
        center_z, gkl = tf.zeros_like(noise.z), tf.zeros([])
        if self.networks.encoder:
            center_z, gkl = self.networks.encoder(self.real, self.lores, noise.center, level=self.level)
        center, sample = (self.networks.generator(self.lores, z, level=self.level) for z in (center_z, noise.z))
        return center, sample, gkl

    def passes(self, center: tf.Tensor, sample: tf.Tensor) -> dict[str, CriticPass]:
        """What P makes of x, whose LR error is 0 by construction, of the centre and of the sample."""
        no_delta = tf.zeros_like(self.lores)
        real = CriticPass(self.real, no_delta, self.networks.projection(self.real, no_delta, level=self.level))
        return {"real": real, "fake": self.project(center), "fake_z": self.project(sample)}

    def project(self, image: tf.Tensor, hires: tf.Tensor | None = None) -> CriticPass:
        """P(x, delta(x)) (eqs. 2, 10 and 11) of an image of the phase's size, which H takes at the full size."""
        hires = upscale2d(image, self.excess) if hires is None else hires
        downscale = DOWNSCALERS[self.config.downscaler]
        delta = losses.lores_error(
            self.lores, hires, lambda x: downscale(x, self.config.scale), self.config.color_round
        )
        return CriticPass(image, delta, self.networks.projection(image, delta, level=self.level))

    def scores(self, passes: dict[str, CriticPass]) -> tuple[tf.Tensor, tf.Tensor]:
        """C = F(P) (eq. 3) of the real images, [N], and of the generated ones that the critic judges.

        Those are samples of z; with an encoder the centre is none of them, so the critic judges it as well.
        """
        fakes = ["fake_z", "fake"] if self.networks.encoder else ["fake_z"]
        real, *fake = (self.networks.head(passes[name].latent) for name in ["real", *fakes])
        return real, tf.concat(fake, 0)

    def between(self, sample: tf.Tensor, rho: tf.Tensor) -> tf.Tensor:
        """The points between x and G(y, z) where the critic's slope is held (eq. 5)."""
        return blend(self.real, sample, rho)

    def penalty(self, sample: tf.Tensor, rho: tf.Tensor) -> tf.Tensor:
        """gp (eq. 5); 0 if P is spectrally normalised instead."""
        if self.config.spectral_norm:
            return tf.zeros([])

        def score(hires):
            return tf.reduce_mean(self.project(downscale2d(hires, self.excess), hires).latent, axis=-1)

        mixed = self.between(sample, rho)
        return losses.gradient_penalty(score, mixed, self.excess, self.config.wass_target)

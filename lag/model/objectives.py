"""The two objectives of LAG, as the paper states them (sections 2.1 and 3.1).

    L(C) = ttur (dreal + dfake + gp)                     for P's weights; F has none           (eq. 8)
    L(G) = gfake + mse_weight gmse + encoder_weight gkl  for G's weights, and E's if it exists (eq. 7)

With --center_balance and --energy_balance, which are this project's own,

    L(G) = gfake + c mse_weight gmse + e energy + encoder_weight gkl

where c and e are numbers that compare gradients at G's images, and themselves have none.

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
from libml.system.devices import mean_over_replicas
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
    second: tf.Tensor | None = None  # as z, for a second sample of y where the energy score is a term


class CriticPass(NamedTuple):
    """What the projection P received and returned."""

    image: tf.Tensor  # [N, H/excess, W/excess, C]
    delta: tf.Tensor  # [N, h, w, C]
    latent: tf.Tensor  # [N, h, w, latent channels]


class StepTerms(NamedTuple):
    """Everything one step computes."""

    losses: dict[str, tf.Tensor]  # scalars, named as lag.model.training's LOSSES and more_losses
    grads: dict[str, list[tf.Tensor]]  # by network: projection's of L(C), generator's and encoder's of L(G)


class Objectives:
    """Both objectives on a batch of a phase, at the present weights."""

    def __init__(
        self,
        config: LAGConfig,
        networks: Networks,
        lores: tf.Tensor,
        hires: tf.Tensor,
        level: Level,
        done: tf.Tensor | float = 0.0,
    ):
        """Args: the run's parameters; the networks; y [N, h, w, C]; x [N, H, W, C]; the level; the share done."""
        self.config, self.networks, self.lores, self.done = config, networks, lores, done
        self.level, self.excess = level, 2 ** (config.lods - level.stop)
        self.real = losses.real_at_level(hires, level, config.lods)

    def terms(self, noise: Noise) -> StepTerms:
        """Losses and gradients, as means over this batch."""
        with tf.GradientTape(persistent=True) as tape:
            images, gkl = self.generate(noise)
            passes = self.passes(images)
            l_c, of_critic = self.critic_objective(passes, self.penalty(images["fake_z"], noise.rho))
            l_g, of_generator = self.generator_objective(passes, gkl, tape)
        objectives = {"generator": l_g, "projection": l_c, "encoder": l_g}
        grads = {
            name: tape.gradient(objectives[name], [v.value for v in network.variables_up_to(self.level.stop)])
            for name, network in self.networks.trained.items()
        }
        mse = grey_mse(images["fake"], self.real[:: self.config.center_every])
        return StepTerms(of_critic | of_generator | {"mse": mse}, grads)

    def critic_objective(self, passes: dict[str, CriticPass], gp: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """L(C) = ttur (dreal + dfake + gp) (eq. 8; the reference weighs it), and its terms. For P's weights alone."""
        dreal, dfake = losses.GAN_LOSSES[self.config.gan_loss].critic(*self.scores(passes))
        objective = self.config.ttur * (dreal + dfake + gp)
        return objective, {"dreal": dreal, "dfake": dfake, "gp": gp}

    def generator_objective(
        self, passes: dict[str, CriticPass], gkl: tf.Tensor, tape: tf.GradientTape
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """L(G) = gfake + c mse_weight gmse + e energy + encoder_weight gkl (eq. 7; there c = 1, and no energy).

        For G's and E's weights alone. Returns it and its terms. The tape has recorded the passes.
        """
        config = self.config
        gfake = losses.GAN_LOSSES[config.gan_loss].generator(*self.scores(passes))
        gmse = losses.center_distance(passes["real"].latent[:: config.center_every], passes["fake"].latent)
        center, terms = config.mse_weight * gmse, {"gfake": gfake, "gmse": gmse}
        objective = gfake + config.encoder_weight * gkl
        if self.networks.encoder:
            terms["gkl"] = gkl
        if config.center_balance or config.energy_balance:
            gan = tape.gradient(gfake, passes["fake_z"].image)
        if config.center_balance:
            c = losses.balance(config.center_balance, gan, tape.gradient(center, passes["fake"].image))
            terms["center_scale"] = tf.minimum(c, 1.0)
            center *= terms["center_scale"]
        if config.energy_balance:
            energy = terms["energy"] = self.energy(passes)
            one, two = tape.gradient(energy, [passes[name].image for name in ("fake_z", "second")])
            terms["energy_scale"] = losses.balance(config.energy_balance, gan, one[:: config.energy_every], two)
            objective += terms["energy_scale"] * energy
        return objective + center, terms

    def gradient_norms(self, noise: Noise) -> dict[str, tf.Tensor]:
        """How large the gradients of G's losses are, one by one, before any balance.

        NAME is gan (gfake), center (mse_weight gmse) and, if it is a term, energy. grad_NAME is the Euclidean norm in
        G's weights, of the gradient over the global batch. slope_NAME is losses.slope at some of G's images: those that
        the critic judges for gan, centres for center, second samples for energy.
        """
        replicas = tf.distribute.get_replica_context().num_replicas_in_sync
        with tf.GradientTape(persistent=True) as tape:
            passes = self.passes(self.generate(noise)[0])
            gfake = losses.GAN_LOSSES[self.config.gan_loss].generator(*self.scores(passes))
            real = passes["real"].latent[:: self.config.center_every]
            center = self.config.mse_weight * losses.center_distance(real, passes["fake"].latent)
            terms = {"gan": (gfake, self.judged), "center": (center, ["fake"])}
            if self.config.energy_balance:
                terms["energy"] = self.energy(passes), ["second"]
        weights, found = [v.value for v in self.networks.generator.variables_up_to(self.level.stop)], {}
        for name, (loss, of) in terms.items():
            # The loss is a mean over all these images, of which `slope` sees the number of one kind.
            of_images = tape.gradient(loss, [passes[image].image for image in of])
            found[f"slope_{name}"] = len(of) * losses.slope(*of_images)
            of_weights = [grad for grad in tape.gradient(loss, weights) if grad is not None]
            found[f"grad_{name}"] = tf.linalg.global_norm(mean_over_replicas(of_weights, replicas))
        return found

    def energy(self, passes: dict[str, CriticPass]) -> tf.Tensor:
        """The energy score of G(y, z) and a second sample of y, in the latent space."""
        real, one = (passes[name].latent[:: self.config.energy_every] for name in ("real", "fake_z"))
        return losses.energy_loss(tf.stop_gradient(real), one, passes["second"].latent)

    def generate(self, noise: Noise) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """G's images by name, [N, H/excess, W/excess, C] each, and gkl.

        `fake` is the centre G(y, 0), `fake_z` the sample G(y, z). With an encoder the centre is G(y, E(x)), and gkl is
        how far E's distributions are from N(0, 1); else gkl is 0. With the energy score `second` is a second sample.
        `fake` is made of every center_every-th y alone, `second` of every energy_every-th.
        """
        center_z, gkl = tf.zeros_like(noise.z), tf.zeros([])
        if self.networks.encoder:
            center_z, gkl = self.networks.encoder(self.real, self.lores, noise.center, level=self.level)
        inputs = {"fake": (center_z, self.config.center_every), "fake_z": (noise.z, 1)}
        if self.config.energy_balance:
            inputs["second"] = (noise.second, self.config.energy_every)
        generator = self.networks.generator
        return {k: generator(self.lores[::n], z[::n], level=self.level) for k, (z, n) in inputs.items()}, gkl

    def passes(self, images: dict[str, tf.Tensor]) -> dict[str, CriticPass]:
        """What P makes of x, whose LR error is 0 by construction, and of G's images."""
        no_delta = tf.zeros_like(self.lores)
        real = CriticPass(self.real, no_delta, self.networks.projection(self.real, no_delta, level=self.level))
        every = {"fake": self.config.center_every, "fake_z": 1, "second": self.config.energy_every}
        return {"real": real} | {k: self.project(image, self.lores[:: every[k]]) for k, image in images.items()}

    def project(self, image: tf.Tensor, lores: tf.Tensor, hires: tf.Tensor | None = None) -> CriticPass:
        """P(x, delta(x)) (eqs. 2, 10 and 11) of an image of the phase's size, which H takes at the full size.

        delta is 0 where G is consistent.
        """
        if self.config.consistent:
            no_delta = tf.zeros_like(lores)
            return CriticPass(image, no_delta, self.networks.projection(image, no_delta, level=self.level))
        hires = upscale2d(image, self.excess) if hires is None else hires
        downscale = DOWNSCALERS[self.config.downscaler]
        delta = losses.lores_error(lores, hires, lambda x: downscale(x, self.config.scale), self.config.color_round)
        return CriticPass(image, delta, self.networks.projection(image, delta, level=self.level))

    @property
    def judged(self) -> list[str]:
        """The images of G that the critic judges: samples of z, and with an encoder the centre, which is none."""
        return ["fake_z", "fake"] if self.networks.encoder else ["fake_z"]

    def scores(self, passes: dict[str, CriticPass]) -> tuple[tf.Tensor, tf.Tensor]:
        """C = F(P) (eq. 3) of the real images, [N], and of the generated ones that the critic judges."""
        real, *fake = (self.networks.head(passes[name].latent) for name in ["real", *self.judged])
        return real, tf.concat(fake, 0)

    def between(self, sample: tf.Tensor, rho: tf.Tensor) -> tf.Tensor:
        """The points between x and G(y, z) where the critic's slope is held (eq. 5); one of the two with r_gamma."""
        return blend(self.real, sample, tf.round(rho) if self.config.r_gamma else rho)

    def penalty(self, sample: tf.Tensor, rho: tf.Tensor) -> tf.Tensor:
        """gp (eq. 5, or the zero-centred penalty); 0 if P is spectrally normalised instead."""
        if self.config.spectral_norm:
            return tf.zeros([])

        def latent(hires):
            return self.project(downscale2d(hires, self.excess), self.lores, hires).latent

        def score(hires):
            return tf.reduce_mean(latent(hires), axis=-1)

        mixed = self.between(sample, rho)
        if self.config.r_gamma:
            gamma = losses.falling(self.config.r_gamma, self.config.r_gamma_end, self.done)
            return losses.zero_centred_penalty(lambda x: self.networks.head(latent(x)), mixed, self.excess, gamma)
        return losses.gradient_penalty(score, mixed, self.excess, self.config.wass_target)

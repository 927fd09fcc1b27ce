"""One training step's losses and gradients, computed fast. No weight changes here.

They must equal those of lag/model/objectives.py, which defines them: tests/lag/model/test_variants.py holds one to the
other. A change of the method begins there. N is the batch; images are [N, H, W, C] in [-1, 1].
"""

import functools

import tensorflow as tf

from lag.config import LAGConfig
from lag.model import losses
from lag.model.networks import StagedModel, Weights
from lag.model.objectives import Networks, Noise, StepTerms
from libml.layers.resample import DOWNSCALERS, blend, downscale2d, shape_of
from libml.training.meters import grey_mse
from libml.training.schedule import Level

# Weight of the fakes' mean score in the critic's objective. It is too small to change a result, but where the critic is
# certain it keeps its gradient from underflowing to 0, which no factor could turn into the generator's gradient.
CERTAIN = 1e-12


def adversarial(
    loss: losses.GanLoss, score_real: tf.Tensor, score_fake: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
    """A GAN loss of scores [N], and what turns the critic's gradients at fake images into the generator's.

    Returns:
        dreal + dfake, which P minimises; share [N], d gfake / d score over d (dreal + dfake) / d score of each fake;
        dreal, dfake and gfake by name.
    """
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        tape.watch(score_fake)
        dreal, dfake = loss.critic(score_real, score_fake)
        gfake = loss.generator(score_real, score_fake)
        objective = dreal + dfake + CERTAIN * tf.reduce_mean(score_fake)
    share = tape.gradient(gfake, score_fake) / tape.gradient(objective, score_fake)
    return objective, share, {"dreal": dreal, "dfake": dfake, "gfake": gfake}


class Step:
    """One step of a phase on a batch, at the present weights.

    One backward pass through P gives both networks' gradients. The gradient of a fake's score for its image is the same
    in both losses; only the factor in front differs, so the critic's gradient is rescaled for the generator (by
    -1 / ttur for Wasserstein). P is frozen for the perceptual centre, which only the generator learns from.
    """

    def __init__(
        self,
        config: LAGConfig,
        networks: Networks,
        joined: bool,
        lores: tf.Tensor,
        hires: tf.Tensor,
        level: Level,
        done: tf.Tensor | float = 0.0,
    ):
        """Prepares the phase's real images.

        Args:
            config: the run's parameters.
            networks: G, P and F, and E if there is one.
            joined: whether a network takes several batches in one pass (costs.Plan).
            lores: [N, h, w, C], the downscaled hires.
            hires: [N, H, W, C].
            level: of detail; its lod is a float32 scalar.
            done: the share of the run that is over.
        """
        self.config, self.joined, self.lores, self.done = config, joined, lores, done
        self.generator, self.projection, self.head, self.encoder = networks
        self.level, self.excess = level, 2 ** (config.lods - level.stop)
        self.weights = {
            name: [v.value for v in net.variables_up_to(level.stop)] for name, net in networks.trained.items()
        }
        self.real = losses.real_at_level(hires, level, config.lods)

    def terms(self, noise: Noise) -> StepTerms:
        """Losses and gradients, as means over this batch."""
        config = self.config
        tape, fakes, gkl = self._generate(noise)
        fake, fake_z, *_ = fakes
        gp, grad_gp = self._penalty(fake_z, noise.rho)
        # To save memory the penalty's pass ends before the others begin.
        with tf.control_dependencies([g for g in grad_gp if g is not None] if config.remat else []):
            values, grad_critic, grad_fakes = self._judge(self._real_after(gp), *fakes)
        if grad_gp:
            grad_critic = [a if b is None else a + b for a, b in zip(grad_critic, grad_gp, strict=True)]

        targets, cotangents = fakes, grad_fakes
        if self.encoder:
            targets, cotangents = [*fakes, gkl], [*grad_fakes, tf.constant(config.encoder_weight)]
            values["gkl"] = gkl
        generating = {name: weights for name, weights in self.weights.items() if name != "projection"}
        grads = tape.gradient(targets, generating, output_gradients=cotangents) | {"projection": grad_critic}
        mse = grey_mse(fake, self.real[:: config.center_every])
        return StepTerms(values | {"gp": gp, "mse": mse}, grads)

    def _passes(self, network: StagedModel, weights: Weights, *inputs: tuple[tf.Tensor, tf.Tensor]) -> list[tf.Tensor]:
        """What a network makes of several batches, in one pass over all of them if they are to be joined."""
        call = functools.partial(network, level=self.level, weights=weights, remat=self.config.remat)
        if not self.joined or len(inputs) == 1:
            return [call(*batch) for batch in inputs]
        made = call(*(tf.concat(parts, 0) for parts in zip(*inputs, strict=True)))
        return tf.split(made, [shape_of(first)[0] for first, _ in inputs])

    def _generate(self, noise: Noise) -> tuple[tf.GradientTape, list[tf.Tensor], tf.Tensor]:
        """The tape over G (and E), the images [N, ...] of the perceptual centre and of z, and E's prior term.

        With the energy score there are the images of the second z, too.
        """
        center_z, gkl = tf.zeros_like(noise.z), tf.zeros([])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([w for name, weights in self.weights.items() if name != "projection" for w in weights])
            if self.encoder:
                remat = self.config.remat
                center_z, gkl = self.encoder(self.real, self.lores, noise.center, level=self.level, remat=remat)
            weights = self.generator.effective_weights(self.level)
            inputs = [(center_z, self.config.center_every), (noise.z, 1)]
            if self.config.energy_balance:
                inputs.append((noise.second, self.config.energy_every))
            fakes = self._passes(self.generator, weights, *((self.lores[::n], z[::n]) for z, n in inputs))
        return tape, fakes, gkl

    def _delta(self, image: tf.Tensor, repeat: int, every: int = 1) -> tf.Tensor:
        """|y - H(x)|, rounded; 0 if G is consistent.

        x is `image` with each pixel repeated `repeat` x `repeat` times; H is computed without forming x. The images are
        those of every `every`-th y.
        """
        lores = self.lores[::every]
        if self.config.consistent:
            return tf.zeros_like(lores)
        config, downscale = self.config, DOWNSCALERS[self.config.downscaler]
        return losses.lores_error(lores, image, lambda x: downscale(x, config.scale, repeat), config.color_round)

    def _penalty(self, fake_z: tf.Tensor, rho: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor | None]]:
        """gp and its weighted gradients for P; 0 and none where P is spectrally normalised.

        A gradient is None where the slope does not depend on a weight, for example biases with no non-linearity after
        them.
        """
        if self.config.spectral_norm:
            return tf.zeros([]), []

        def latent(hires):
            return self.projection(downscale2d(hires, self.excess), self._delta(hires, 1), level=self.level)

        def score(hires):
            return tf.reduce_mean(latent(hires), axis=-1)

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.weights["projection"])
            if self.config.r_gamma:
                one_of_both = tf.stop_gradient(blend(self.real, fake_z, tf.round(rho)))
                gamma = losses.falling(self.config.r_gamma, self.config.r_gamma_end, self.done)
                gp = losses.zero_centred_penalty(lambda x: self.head(latent(x)), one_of_both, self.excess, gamma)
            else:
                mixed = tf.stop_gradient(blend(self.real, fake_z, rho))
                gp = losses.gradient_penalty(score, mixed, self.excess, self.config.wass_target)
            objective = self.config.ttur * gp
        return gp, tape.gradient(objective, self.weights["projection"])

    def _real_after(self, gp: tf.Tensor) -> tf.Tensor:
        """The real images, held back until gp is computed when the CPU runs several operations at once.

        The penalty's operations, the generator's before them included, are the longest chain of a step. Begun late,
        after what could be done at any time, it would leave all cores but one waiting in the end.
        """
        with tf.control_dependencies([] if self.joined else [gp]):
            return tf.identity(self.real)

    def _judge(
        self, real: tf.Tensor, fake: tf.Tensor, fake_z: tf.Tensor, *second: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], list[tf.Tensor], list[tf.Tensor]]:
        """Losses of the scores and latents, L(C)'s gradients for P without gp's, and L(G)'s for each of G's images.

        G's images are the centre, the sample of z and, with the energy score, the sample of the second z.
        """
        config = self.config
        # With an encoder the centre is not a sample of z ~ N(0, 1), so the critic judges it as well. tf.identity keeps
        # that gradient apart from the centre loss's.
        judged = [fake_z, tf.identity(fake)] if self.encoder else [fake_z]
        with tf.GradientTape(persistent=bool(second), watch_accessed_variables=False) as tape:
            tape.watch([*self.weights["projection"], fake, *judged, *second])
            weights = self.projection.effective_weights(self.level)
            no_delta = tf.zeros_like(self.lores)  # a real image's LR error is 0 by construction
            pairs = [(real, no_delta), *((image, self._delta(image, self.excess)) for image in judged)]
            latent_real, *latents = self._passes(self.projection, weights, *pairs)
            frozen = tf.nest.map_structure(tf.stop_gradient, weights)
            unjudged = [(fake, self._delta(fake, self.excess, config.center_every))]
            unjudged += [(image, self._delta(image, self.excess, config.energy_every)) for image in second]
            latent, *latent_second = self._passes(self.projection, frozen, *unjudged)
            score_fake = tf.concat([self.head(p) for p in latents], 0)
            critic, share, values = adversarial(losses.GAN_LOSSES[config.gan_loss], self.head(latent_real), score_fake)
            truth = tf.stop_gradient(latent_real)
            gmse = losses.center_distance(truth[:: config.center_every], latent)
            objective = config.ttur * critic + config.mse_weight * gmse
            if second:
                one = latents[0][:: config.energy_every]
                values["energy"] = losses.energy_loss(truth[:: config.energy_every], one, *latent_second)
        grad_critic, grad_center, grad_judged = tape.gradient(objective, [self.weights["projection"], fake, judged])
        shares = tf.split(share[:, None, None, None] / config.ttur, len(judged))
        grad_z, *grad_fake = [grad * part for grad, part in zip(grad_judged, shares, strict=True)]
        if config.center_balance:
            values["center_scale"] = tf.minimum(losses.balance(config.center_balance, grad_z, grad_center), 1.0)
            grad_center *= values["center_scale"]
        grad_second = []
        if second:
            energy_z, *energy_second = tape.gradient(values["energy"], [fake_z, *second])
            gradients = energy_z[:: config.energy_every], *energy_second
            factor = values["energy_scale"] = losses.balance(config.energy_balance, grad_z, *gradients)
            grad_z += factor * energy_z
            grad_second = [factor * grad for grad in energy_second]
        return values | {"gmse": gmse}, grad_critic, [tf.add_n([grad_center, *grad_fake]), grad_z, *grad_second]

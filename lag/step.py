"""One training step's losses and gradients, computed fast. No weight changes here.

They must equal those of lag/objectives.py, which defines them: tests/test_variants.py holds one to the other. A change
of the method begins there. N is the batch; images are [N, H, W, C] in [-1, 1].
"""

import functools
from collections.abc import Mapping

import keras
import tensorflow as tf

from lag import costs, losses
from lag.config import LAGConfig
from lag.networks import CriticHead
from lag.objectives import CriticPass, Noise, StepTerms, up_to
from libml.layers import DOWNSCALERS, blend, downscale2d, grey_mse, weights_read_once

# Weight of the fakes' mean score in the critic's objective. It is too small to be seen, but keeps a certain critic's
# gradient from underflowing to 0, which no factor could turn into the generator's.
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

    Both networks' gradients come from one backward pass through P: each fake's score enters both losses, so its image
    gradient serves both but for a factor, -1 / ttur with the Wasserstein loss. P is frozen for the perceptual centre,
    which only the generator learns from.
    """

    def __init__(
        self,
        config: LAGConfig,
        networks: Mapping[str, keras.Model],
        head: CriticHead,
        lores: tf.Tensor,
        hires: tf.Tensor,
        lod: tf.Tensor,
        lod_start: int,
        lod_stop: int,
    ):
        """Looks at the real images.

        Args:
            config: the run's parameters.
            networks: g, the generator; d, the projection; e, the encoder, where there is one.
            head: F.
            lores: [N, h, w, C], the downscaled hires.
            hires: [N, H, W, C].
            lod: float32 scalar, level of detail.
            lod_start: of the phase.
            lod_stop: of the phase.
        """
        self.config, self.networks, self.head, self.lores = config, networks, head, lores
        self.phase = {"lod_start": lod_start, "lod_stop": lod_stop, "lod": lod}
        self.excess = 2 ** (config.lods - lod_stop)
        self.weights = {name: [v.value for v in up_to(lod_stop, network)] for name, network in networks.items()}
        self.real = losses.real_at_phase(hires, self.excess, lod - lod_start if lod_start != lod_stop else None)
        # Small steps leave cores idle unless there are independent operations; the others want large ones.
        small = costs.is_small(config, hires.shape[-1], hires.shape[1])
        self.joined = not small or bool(tf.config.list_logical_devices("GPU"))
        self.no_delta = tf.zeros_like(lores)  # the real image's LR error is 0 by construction

    def terms(self, noise: Noise) -> StepTerms:
        """Losses and gradients, as means over this batch."""
        config = self.config
        tape, fakes, gkl = self._generate(noise)
        fake, fake_z = fakes
        gp, grad_gp, mixed = self._penalty(fake_z, noise.rho)
        # To save memory the penalty's pass ends before the others begin.
        with tf.control_dependencies([g for g in grad_gp if g is not None] if config.remat else []):
            values, passes, grad_d, grad_fakes = self._judge(self._real_after(gp), fake, fake_z)
        if grad_gp:
            grad_d = [a if b is None else a + b for a, b in zip(grad_d, grad_gp, strict=True)]

        targets, cotangents = fakes, grad_fakes
        if config.encoder:
            targets, cotangents = [*fakes, gkl], [*grad_fakes, tf.constant(config.encoder_weight)]
            values["gkl"] = gkl
        trained = {name: self.weights[name] for name in self.networks if name != "d"}
        grads = {"d": grad_d} | tape.gradient(targets, trained, output_gradients=cotangents)
        values |= {"gp": gp, "mse": grey_mse(fake, self.real)}
        return StepTerms(values, passes | mixed, grads)

    def _passes(self, network: keras.Model, *inputs: tuple[tf.Tensor, tf.Tensor]) -> list[tf.Tensor]:
        """What a network makes of several batches, in one pass over all of them if they are to be joined."""
        call = functools.partial(network, **self.phase, remat=self.config.remat)
        if not self.joined:
            return [call(*batch) for batch in inputs]
        return tf.split(call(*(tf.concat(parts, 0) for parts in zip(*inputs, strict=True))), len(inputs))

    def _generate(self, noise: Noise) -> tuple[tf.GradientTape, list[tf.Tensor], tf.Tensor]:
        """The tape over G (and E), the images [N, ...] of the perceptual centre and of z, and E's prior term."""
        center_z, gkl = tf.zeros_like(noise.z), tf.zeros([])
        with tf.GradientTape(watch_accessed_variables=False) as tape, weights_read_once():
            tape.watch([w for name, weights in self.weights.items() if name != "d" for w in weights])
            if "e" in self.networks:
                center_z, gkl = self.networks["e"](
                    self.real, self.lores, noise.center, **self.phase, remat=self.config.remat
                )
            fakes = self._passes(self.networks["g"], (self.lores, center_z), (self.lores, noise.z))
        return tape, fakes, gkl

    def _delta(self, lores: tf.Tensor, image: tf.Tensor, repeat: int) -> tf.Tensor:
        """|y - H(x)|, rounded; x is the image with each pixel repeated."""
        downscale = DOWNSCALERS[self.config.downscaler]
        return losses.lores_error(
            lores, image, lambda x: downscale(x, self.config.scale, repeat), self.config.color_round
        )

    def _penalty(self, fake_z: tf.Tensor, rho: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor], dict[str, CriticPass]]:
        """gp, its weighted gradients for P, and what P saw; nothing of it where P is spectrally normalised.

        A gradient is None where the slope does not depend on a weight, as on biases behind which nothing bends.
        """
        if self.config.spectral_norm:
            return tf.zeros([]), [], {}
        passes = {}

        def score(hires):
            image, delta = downscale2d(hires, self.excess), self._delta(self.lores, hires, 1)
            passes["mixed"] = CriticPass(image, delta, self.networks["d"](image, delta, **self.phase))
            return tf.reduce_mean(passes["mixed"].latent, axis=-1)

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.weights["d"])
            mixed = tf.stop_gradient(blend(self.real, fake_z, rho))
            gp = losses.gradient_penalty(score, mixed, self.excess, self.config.wass_target)
            objective = self.config.ttur * gp
        return gp, tape.gradient(objective, self.weights["d"]), passes

    def _real_after(self, gp: tf.Tensor) -> tf.Tensor:
        """The real images, which cores that work on several operations at a time get once the penalty is known.

        The penalty's operations, the generator's before them included, are the longest chain of a step. Begun late,
        after what could be done at any time, it would leave all cores but one waiting in the end.
        """
        with tf.control_dependencies([] if self.joined else [gp]):
            return tf.identity(self.real)

    def _judge(
        self, real: tf.Tensor, fake: tf.Tensor, fake_z: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], dict[str, CriticPass], list[tf.Tensor], list[tf.Tensor]]:
        """The losses of P's scores and of the centre's latent, what P saw, and gradients for P and for the images.

        The gradients for the images, the centre's and those of z, are the generator's.
        """
        config = self.config
        # Where z is encoded the centre is no longer among what z ~ N(0, 1) makes: the critic must judge it too.
        # As a tensor of its own, since its gradient there is another.
        judged = [fake_z, tf.identity(fake)] if config.encoder else [fake_z]
        with tf.GradientTape(watch_accessed_variables=False) as tape, weights_read_once():
            tape.watch([*self.weights["d"], fake, *judged])
            pairs = [(real, self.no_delta)]
            pairs += [(image, self._delta(self.lores, image, self.excess)) for image in judged]
            latents = self._passes(self.networks["d"], *pairs)
            delta = self._delta(self.lores, fake, self.excess)
            latent = self.networks["d"](fake, delta, **self.phase, frozen=True, remat=config.remat)
            score_real, *score_fakes = [self.head(p) for p in latents]
            loss = losses.GAN_LOSSES[config.gan_loss]
            critic, share, values = adversarial(loss, score_real, tf.concat(score_fakes, 0))
            gmse = losses.center_distance(tf.stop_gradient(latents[0]), latent)
            objective = config.ttur * critic + config.mse_weight * gmse
        grad_d, grad_center, grad_judged = tape.gradient(objective, [self.weights["d"], fake, judged])
        shares = tf.split(share[:, None, None, None] / config.ttur, len(judged))
        grad_z, *grad_fake = [grad * share for grad, share in zip(grad_judged, shares, strict=True)]
        grad_fake = tf.add_n([grad_center, *grad_fake])

        values["gmse"] = gmse
        passes = {
            "real": CriticPass(*pairs[0], latents[0]),
            "fake": CriticPass(fake, delta, latent),
            "fake_z": CriticPass(*pairs[1], latents[1]),
        }
        return values, passes, grad_d, [grad_fake, grad_z]

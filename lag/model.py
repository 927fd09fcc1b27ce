"""All that is trained, and one training step of it (paper sections 2.1 and 3.1)."""

import functools
from typing import NamedTuple

import keras
import tensorflow as tf

from lag import losses
from lag.config import LAGConfig
from lag.encoder import Encoder
from lag.networks import CriticHead, Generator, Projection
from libml import rng
from libml.devices import replica_share
from libml.layers import DOWNSCALERS, blend, downscale2d, grey_mse
from libml.meters import Meters
from libml.optimizers import FusedAdam
from libml.schedule import Phase, Schedule

LOSSES = ("dreal", "dfake", "gp", "gfake", "gmse", "mse")  # of a step; mse is in squared grey levels
METRICS = (*LOSSES[:-1], "rmse")  # the reference's log tags


class CriticPass(NamedTuple):
    """What the projection P received and returned."""

    image: tf.Tensor  # [N, H/e, W/e, C]
    delta: tf.Tensor  # [N, h, w, C]
    latent: tf.Tensor  # [N, h, w, latent channels]


class StepTerms(NamedTuple):
    """Everything one step computes before it changes a weight."""

    losses: dict[str, tf.Tensor]  # scalars, by LOSSES
    passes: dict[str, CriticPass]  # real, fake (z = 0), fake_z, mixed
    grad_d: list[tf.Tensor]  # of the critic loss, in the order of LAG.critic_variables
    grad_g: list[tf.Tensor]  # of the generator loss, in the order of LAG.generator_variables
    grad_e: list[tf.Tensor]  # of the generator loss and the prior term, in the order of the encoder's; none without it


def _up_to(lod_stop: int, network: keras.Model) -> list[keras.Variable]:
    return [v for k in range(lod_stop + 1) for v in network.stage_variables(k)]


class LAG(tf.Module):
    """G, its moving average, P, F, one Adam per network and stage, and the step that trains them."""

    batches_per_step = 1

    def __init__(
        self, config: LAGConfig, colors: int, strategy: tf.distribute.Strategy | None = None, workers: int = 1
    ):
        """Builds every stage and optimizer up front, on the strategy's devices.

        Args:
            config: the run's parameters.
            colors: channels of the images, 1 or 3.
            strategy: where to train; None for the default device.
            workers: processes that the strategy spans.
        """
        super().__init__(name="lag")
        self.config, self.colors = config, colors
        self.strategy = strategy or tf.distribute.get_strategy()
        self.downscale = DOWNSCALERS[config.downscaler]
        sizes = {k: getattr(config, k) for k in ("scale", "blocks", "filters", "filters_min", "seed")}
        dtype = "mixed_bfloat16" if config.precision == "bfloat16" else "float32"
        with self.strategy.scope():
            # Images are made in float32 whatever the precision of training.
            self.generator, self.ema = (
                Generator(colors=colors, noise_dim=config.noise_dim, dtype=dtype, **sizes)
                for dtype in (dtype, "float32")
            )
            self.ema.set_weights(self.generator.get_weights())  # a shadow starts where its weights start
            self.projection = Projection(colors=colors, spectral_norm=config.spectral_norm, dtype=dtype, **sizes)
            self.head = CriticHead(name="critic_head")
            if config.encoder:
                self.encoder = Encoder(colors=colors, noise_dim=config.noise_dim, dtype=dtype, **sizes)
            for name, network in self.trained.items():
                lr = config.lr * (config.d_lr_mult if name == "d" else 1)
                for k in range(config.lods + 1):
                    optimizer = FusedAdam(lr, beta_1=0.0, beta_2=0.99, epsilon=1e-8, name=f"{name}_adam_{k}")
                    optimizer.build(network.stage_variables(k))
                    setattr(self, f"{name}_optimizer_{k}", optimizer)
            self.losses = LOSSES + (("gkl",) if config.encoder else ())
            self.meters = Meters(METRICS + self.losses[len(LOSSES) :])
        self.workers, self.local_replicas = workers, self.strategy.num_replicas_in_sync // workers
        self._step_terms = self.step_terms
        if config.jit_compile:
            self._step_terms = tf.function(self.step_terms, autograph=False, jit_compile=True)

    @property
    def trained(self) -> dict[str, keras.Model]:
        """The networks that gradients train, by the letter of their optimizers."""
        networks = {"g": self.generator, "d": self.projection}
        return networks | ({"e": self.encoder} if self.config.encoder else {})

    @property
    def schedule(self) -> Schedule:
        """The phases of the run."""
        return self.config.schedule()

    @property
    def sampler(self) -> Generator:
        """The generator that images are made with: the moving average, or G itself where that is turned off."""
        return self.ema if self.config.weight_avg else self.generator

    def named_variables(self) -> dict[str, keras.Variable]:
        """Every weight of the networks and G's moving average, and every value of the optimizers, by name."""
        owners = ["generator", "ema", "projection", *(["encoder"] if self.config.encoder else [])]
        owners += [f"{name}_optimizer_{k}" for name in self.trained for k in range(self.config.lods + 1)]
        return {f"{name}/{v.path}": v for name in owners for v in getattr(self, name).variables}

    def generator_variables(self, lod_stop: int) -> list[keras.Variable]:
        """G's variables that train up to lod_stop, stage by stage."""
        return _up_to(lod_stop, self.generator)

    def critic_variables(self, lod_stop: int) -> list[keras.Variable]:
        """P's variables that train up to lod_stop, stage by stage; F has none."""
        return _up_to(lod_stop, self.projection)

    def step_terms(self, lores, hires, z, rho, lod, center_noise=None, *, lod_start: int, lod_stop: int) -> StepTerms:
        """Losses and both networks' gradients at the present weights, as means over this batch.

        Args:
            lores: [N, h, w, C], the downscaled hires.
            hires: [N, H, W, C] in [-1, 1].
            z: [N, h, w, noise_dim], standard normal.
            rho: [N, 1, 1, 1] in [0, 1), where the gradient penalty is taken between real (0) and fake (1).
            lod: float32 scalar, level of detail.
            center_noise: as z, the encoder's noise, where there is an encoder.
            lod_start: of the phase.
            lod_stop: of the phase.

        Both networks' gradients come from one backward pass through P: each fake's score enters both losses, so its
        image gradient serves both but for a factor, -1 / ttur with the Wasserstein loss. P is frozen for the
        perceptual centre, which only the generator learns from.
        """
        config = self.config
        excess = 2 ** (config.lods - lod_stop)
        phase = {"lod_start": lod_start, "lod_stop": lod_stop, "lod": lod}
        project = functools.partial(self.projection, **phase)
        downscale = functools.partial(self.downscale, n=config.scale)
        error = functools.partial(losses.lores_error, color_round=config.color_round)
        n = lores.shape[0]

        real = losses.real_at_phase(hires, excess, lod - lod_start if lod_start != lod_stop else None)
        with tf.GradientTape(watch_accessed_variables=False) as g_tape:
            g_variables = self.generator_variables(lod_stop)
            e_variables = _up_to(lod_stop, self.encoder) if config.encoder else []
            g_tape.watch([v.value for v in g_variables + e_variables])
            center_z, gkl = tf.zeros_like(z), tf.zeros([])
            if config.encoder:
                center_z, gkl = self.encoder(real, lores, center_noise, **phase)
            # The centre and z in one pass.
            fakes = self.generator(tf.concat([lores, lores], 0), tf.concat([center_z, z], 0), **phase)

        fake, fake_z = fakes[:n], fakes[n:]
        # Where z is encoded the centre is no longer among what z ~ N(0, 1) makes: the critic must judge it too.
        judged, judged_lores = fake_z, lores
        if config.encoder:
            judged, judged_lores = tf.concat([fake_z, fake], 0), tf.concat([lores, lores], 0)
        with tf.GradientTape(watch_accessed_variables=False) as d_tape:
            d_variables = self.critic_variables(lod_stop)
            d_tape.watch([v.value for v in d_variables])
            d_tape.watch([fake, judged])
            repeated = functools.partial(downscale, repeat=excess)
            delta, judged_delta = error(lores, fake, repeated), error(judged_lores, judged, repeated)
            no_delta = tf.zeros_like(lores)  # the real image's LR error is 0 by construction
            latents = project(tf.concat([real, judged], 0), tf.concat([no_delta, judged_delta], 0))
            latent_real = latents[:n]
            latent = project(fake, delta, frozen=True)
            scores = self.head(latents)
            adversarial = losses.GAN_LOSSES[config.gan_loss](scores[:n], scores[n:])
            dreal, dfake = adversarial.dreal, adversarial.dfake
            gmse = losses.center_distance(tf.stop_gradient(latent_real), latent)

            passes = {
                "real": CriticPass(real, no_delta, latent_real),
                "fake": CriticPass(fake, delta, latent),
                "fake_z": CriticPass(fake_z, judged_delta[:n], latents[n : 2 * n]),
            }

            def mixed_score(hires_mixed):
                image = downscale2d(hires_mixed, excess)
                delta = error(lores, hires_mixed, downscale)
                passes["mixed"] = CriticPass(image, delta, project(image, delta))
                return tf.reduce_mean(passes["mixed"].latent, axis=-1)

            gp = tf.zeros([])
            if not config.spectral_norm:
                mixed = tf.stop_gradient(blend(real, fake_z, rho))
                gp = losses.gradient_penalty(mixed_score, mixed, excess, config.wass_target)
            objective = config.ttur * (dreal + dfake + gp) + config.mse_weight * gmse
        grad_d, grad_fake, grad_judged = d_tape.gradient(objective, [[v.value for v in d_variables], fake, judged])
        grad_judged *= adversarial.generator_share[:, None, None, None] / config.ttur
        if config.encoder:
            grad_fake += grad_judged[n:]
        grad_fakes = tf.concat([grad_fake, grad_judged[:n]], 0)
        sources = [[v.value for v in g_variables], [v.value for v in e_variables]]
        cotangents = [grad_fakes, tf.constant(config.encoder_weight)]
        targets = [fakes, gkl] if config.encoder else [fakes]
        grad_g, grad_e = g_tape.gradient(targets, sources, output_gradients=cotangents[: len(targets)])

        values = {"dreal": dreal, "dfake": dfake, "gp": gp, "gfake": adversarial.gfake, "gmse": gmse}
        values |= {"mse": grey_mse(fake, real), "gkl": gkl}
        return StepTerms({name: values[name] for name in self.losses}, passes, grad_d, grad_g, grad_e)

    def _replica_step(self, lores, hires, lod, noise, lod_start: int, lod_stop: int) -> tf.Tensor:
        """One replica's share of the global batch: its gradients, applied together with the others'. self.losses."""
        lores, hires, z, rho, *center_noise = replica_share([lores, hires], noise, self.local_replicas)
        replicas = self.strategy.num_replicas_in_sync
        terms = self._step_terms(lores, hires, z, rho, lod, *center_noise, lod_start=lod_start, lod_stop=lod_stop)
        self.projection.update_norms(lod_stop)
        for name, grads in (("d", terms.grad_d), ("g", terms.grad_g), ("e", terms.grad_e)):
            # Optimizers sum over replicas; the loss is the mean over the global batch.
            grads = [g / replicas for g in grads] if replicas > 1 else list(grads)
            for k in range(lod_stop + 1 if grads else 0):
                variables = self.trained[name].stage_variables(k)
                stage_grads, grads = grads[: len(variables)], grads[len(variables) :]
                getattr(self, f"{name}_optimizer_{k}").apply(stage_grads, variables)
        return tf.stack(list(terms.losses.values())) / replicas

    def apply_step(
        self, lores, hires, z, rho, lod, center_noise=None, *, lod_start: int, lod_stop: int
    ) -> dict[str, tf.Tensor]:
        """Trains on one global batch with given noise: both networks, then the moving average. In a tf.function.

        Arguments as those of step_terms, but lores and hires are this worker's part of the batch and the noise is the
        whole batch's. Returns the losses over the global batch.
        """
        noise = [z, rho] if center_noise is None else [z, rho, center_noise]
        args = (lores, hires, lod, noise, lod_start, lod_stop)
        per_replica = self.strategy.run(self._replica_step, args=args)
        summed = self.strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)
        if self.config.weight_avg:
            for k in range(lod_stop + 1):
                for shadow, weight in zip(self.ema.stage_variables(k), self.generator.stage_variables(k), strict=True):
                    shadow, weight = shadow.value, weight.value
                    shadow.assign_sub((shadow - weight) * (1 - self.config.weight_avg))
        return dict(zip(self.losses, tf.unstack(summed), strict=True))

    def draw(self, lores, nimg) -> dict[str, tf.Tensor]:
        """z, rho and, for an encoder, center_noise of the global batch that starts at image nimg.

        Args:
            lores: this worker's part of it.
            nimg: position.
        """
        n, h, w, _ = lores.shape
        n, seed = n * self.workers, self.config.seed
        z_shape = [n, h, w, self.config.noise_dim]
        noise = {
            "z": rng.normal(z_shape, rng.key(seed, "z"), nimg),
            "rho": rng.uniform([n, 1, 1, 1], rng.key(seed, "rho"), nimg),
        }
        if self.config.encoder:
            noise["center_noise"] = rng.normal(z_shape, rng.key(seed, "center_noise"), nimg)
        return noise

    @tf.function(autograph=False)
    def _train(self, lores, hires, nimg, lod, lod_start: int, lod_stop: int):
        noise = self.draw(lores, nimg)
        values = self.apply_step(lores, hires, lod=lod, lod_start=lod_start, lod_stop=lod_stop, **noise)
        values["rmse"] = tf.sqrt(values.pop("mse"))
        self.meters.update(values, nimg)

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor], phase: Phase, nimg: int) -> None:
        """Trains on one global batch (lores, hires), the images from nimg on. The losses stay on the device."""
        lod = tf.constant(phase.lod(nimg), tf.float32)
        self._train(*batch, tf.constant(nimg, tf.int64), lod, phase.lod_start, phase.lod_stop)

    @tf.function(autograph=False)
    def _ema_mse(self, lores, hires, lod, lod_start: int, lod_stop: int):
        def share(lores, hires):
            lores, hires = replica_share([lores, hires], [], self.local_replicas)
            fade = lod - lod_start if lod_start != lod_stop else None
            real = losses.real_at_phase(hires, 2 ** (self.config.lods - lod_stop), fade)
            z = tf.zeros([*lores.shape[:3], self.config.noise_dim])
            fake = self.sampler(lores, z, lod_start=lod_start, lod_stop=lod_stop, lod=lod)
            return grey_mse(fake, real)

        return self.strategy.reduce(tf.distribute.ReduceOp.MEAN, self.strategy.run(share, (lores, hires)), axis=None)

    def report(self, batch: tuple[tf.Tensor, tf.Tensor], phase: Phase, nimg: int) -> dict[str, float]:
        """Values that only a report pays for: rmse_ema, the moving average's rmse on one batch, and lod."""
        lod = tf.constant(phase.lod(nimg), tf.float32)
        mse = self._ema_mse(*batch, lod, phase.lod_start, phase.lod_stop)
        return {"rmse_ema": float(tf.sqrt(mse)), "lod": phase.lod(nimg)}

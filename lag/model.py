"""All that is trained, and one training step of it (paper sections 2.1 and 3.1)."""

import functools
from typing import NamedTuple

import keras
import tensorflow as tf

from lag import losses
from lag.config import LAGConfig
from lag.networks import CriticHead, Generator, Projection
from libml import rng
from libml.devices import replica_share
from libml.layers import DOWNSCALERS, blend, downscale2d
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
        sizes = {k: getattr(config, k) for k in ("scale", "blocks", "filters", "filters_min")}
        with self.strategy.scope():
            generator = functools.partial(
                Generator, colors=colors, noise_dim=config.noise_dim, seed=config.seed, **sizes
            )
            self.generator, self.ema = generator(), generator()
            self.ema.set_weights(self.generator.get_weights())  # a shadow starts where its weights start
            self.projection = Projection(colors=colors, seed=config.seed, **sizes)
            self.head = CriticHead(name="critic_head")
            for k in range(config.lods + 1):
                for name, network in (("g", self.generator), ("d", self.projection)):
                    optimizer = FusedAdam(config.lr, beta_1=0.0, beta_2=0.99, epsilon=1e-8, name=f"{name}_adam_{k}")
                    optimizer.build(network.stage_variables(k))
                    setattr(self, f"{name}_optimizer_{k}", optimizer)
            self.meters = Meters(METRICS)
        self.workers, self.local_replicas = workers, self.strategy.num_replicas_in_sync // workers

    @property
    def schedule(self) -> Schedule:
        """The phases of the run."""
        return self.config.schedule()

    @property
    def sampler(self) -> Generator:
        """The generator that images are made with: the moving average, or G itself where that is turned off."""
        return self.ema if self.config.weight_avg else self.generator

    def named_variables(self) -> dict[str, keras.Variable]:
        """Every weight of G, its moving average and P, and every value of their optimizers, by name."""
        named = {}
        for name in ("generator", "ema", "projection"):
            named |= {f"{name}/{v.path}": v for v in getattr(self, name).variables}
        for k in range(self.config.lods + 1):
            for name in (f"g_optimizer_{k}", f"d_optimizer_{k}"):
                named |= {f"{name}/{v.path}": v for v in getattr(self, name).variables}
        return named

    def generator_variables(self, lod_stop: int) -> list[keras.Variable]:
        """G's variables that train up to lod_stop, stage by stage."""
        return [v for k in range(lod_stop + 1) for v in self.generator.stage_variables(k)]

    def critic_variables(self, lod_stop: int) -> list[keras.Variable]:
        """P's variables that train up to lod_stop, stage by stage; F has none."""
        return [v for k in range(lod_stop + 1) for v in self.projection.stage_variables(k)]

    def step_terms(self, lores, hires, z, rho, lod, *, lod_start: int, lod_stop: int) -> StepTerms:
        """Losses and both networks' gradients at the present weights, as means over this batch.

        Args:
            lores: [N, h, w, C], the downscaled hires.
            hires: [N, H, W, C] in [-1, 1].
            z: [N, h, w, noise_dim], standard normal.
            rho: [N, 1, 1, 1] in [0, 1), where the gradient penalty is taken between real (0) and fake (1).
            lod: float32 scalar, level of detail.
            lod_start: of the phase.
            lod_stop: of the phase.

        Both networks' gradients come from one backward pass through P: the score of G(y, z) enters the critic's loss
        with the weight ttur and the generator's with -1, so its image gradient serves both. P is frozen for
        G(y, 0), which only the generator learns from.
        """
        config = self.config
        excess = 2 ** (config.lods - lod_stop)
        phase = {"lod_start": lod_start, "lod_stop": lod_stop, "lod": lod}
        project = functools.partial(self.projection, **phase)
        downscale = functools.partial(self.downscale, n=config.scale)
        n = lores.shape[0]

        real = losses.real_at_phase(hires, excess, lod - lod_start if lod_start != lod_stop else None)
        with tf.GradientTape(watch_accessed_variables=False) as g_tape:
            g_variables = self.generator_variables(lod_stop)
            g_tape.watch([v.value for v in g_variables])
            # z = 0 and z in one pass.
            fakes = self.generator(tf.concat([lores, lores], 0), tf.concat([tf.zeros_like(z), z], 0), **phase)

        with tf.GradientTape(watch_accessed_variables=False) as d_tape:
            d_variables = self.critic_variables(lod_stop)
            d_tape.watch([v.value for v in d_variables])
            d_tape.watch(fakes)
            fake, fake_z = fakes[:n], fakes[n:]
            error = functools.partial(losses.lores_error, lores, downscale=functools.partial(downscale, repeat=excess))
            delta, delta_z = error(fake), error(fake_z)
            no_delta = tf.zeros_like(lores)  # the real image's LR error is 0 by construction
            latents = project(tf.concat([real, fake_z], 0), tf.concat([no_delta, delta_z], 0))
            latent_real, latent_z = latents[:n], latents[n:]
            latent = project(fake, delta, frozen=True)
            scores = self.head(latents)
            dreal, dfake = losses.wasserstein_terms(scores[:n], scores[n:])
            gmse = losses.center_distance(tf.stop_gradient(latent_real), latent)

            mixed = tf.stop_gradient(blend(real, fake_z, rho))
            mixed_pass = []

            def mixed_score(hires_mixed):
                image = downscale2d(hires_mixed, excess)
                delta = losses.lores_error(lores, hires_mixed, downscale)
                mixed_pass.append(CriticPass(image, delta, project(image, delta)))
                return tf.reduce_mean(mixed_pass[0].latent, axis=-1)

            gp = losses.gradient_penalty(mixed_score, mixed, excess, config.wass_target)
            objective = config.ttur * (dreal + dfake + gp) + config.mse_weight * gmse
        grad_d, grad_fakes = d_tape.gradient(objective, [[v.value for v in d_variables], fakes])
        grad_fakes = tf.concat([grad_fakes[:n], grad_fakes[n:] / -config.ttur], 0)
        grad_g = g_tape.gradient(fakes, [v.value for v in g_variables], output_gradients=grad_fakes)

        mse = losses.grey_mse(fake, real)
        return StepTerms(
            {"dreal": dreal, "dfake": dfake, "gp": gp, "gfake": -dfake, "gmse": gmse, "mse": mse},
            {
                "real": CriticPass(real, no_delta, latent_real),
                "fake": CriticPass(fake, delta, latent),
                "fake_z": CriticPass(fake_z, delta_z, latent_z),
                "mixed": mixed_pass[0],
            },
            grad_d,
            grad_g,
        )

    def _replica_step(self, lores, hires, z, rho, lod, lod_start: int, lod_stop: int) -> tf.Tensor:
        """One replica's share of the global batch: its gradients, applied together with the others'. LOSSES, [6]."""
        lores, hires, z, rho = replica_share([lores, hires], [z, rho], self.local_replicas)
        replicas = self.strategy.num_replicas_in_sync
        terms = self.step_terms(lores, hires, z, rho, lod, lod_start=lod_start, lod_stop=lod_stop)
        for name, network, grads in (("d", self.projection, terms.grad_d), ("g", self.generator, terms.grad_g)):
            # Optimizers sum over replicas; the loss is the mean over the global batch.
            grads = [g / replicas for g in grads] if replicas > 1 else list(grads)
            for k in range(lod_stop + 1):
                variables = network.stage_variables(k)
                stage_grads, grads = grads[: len(variables)], grads[len(variables) :]
                getattr(self, f"{name}_optimizer_{k}").apply(stage_grads, variables)
        return tf.stack([terms.losses[name] for name in LOSSES]) / replicas

    def apply_step(self, lores, hires, z, rho, lod, *, lod_start: int, lod_stop: int) -> dict[str, tf.Tensor]:
        """Trains on one global batch with given noise: both networks, then the moving average. In a tf.function.

        Arguments as those of step_terms, but lores and hires are this worker's part of the batch and z and rho are the
        whole batch's. Returns the losses over the global batch.
        """
        args = (lores, hires, z, rho, lod, lod_start, lod_stop)
        per_replica = self.strategy.run(self._replica_step, args=args)
        summed = self.strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)
        if self.config.weight_avg:
            for k in range(lod_stop + 1):
                for shadow, weight in zip(self.ema.stage_variables(k), self.generator.stage_variables(k), strict=True):
                    shadow, weight = shadow.value, weight.value
                    shadow.assign_sub((shadow - weight) * (1 - self.config.weight_avg))
        return dict(zip(LOSSES, tf.unstack(summed), strict=True))

    def draw(self, lores, nimg) -> tuple[tf.Tensor, tf.Tensor]:
        """(z, rho) of the global batch that starts at image nimg, of which lores is this worker's part."""
        n, h, w, _ = lores.shape
        n *= self.workers
        z = rng.normal([n, h, w, self.config.noise_dim], rng.key(self.config.seed, "z"), nimg)
        return z, rng.uniform([n, 1, 1, 1], rng.key(self.config.seed, "rho"), nimg)

    @tf.function(autograph=False)
    def _train(self, lores, hires, nimg, lod, lod_start: int, lod_stop: int):
        z, rho = self.draw(lores, nimg)
        values = self.apply_step(lores, hires, z, rho, lod, lod_start=lod_start, lod_stop=lod_stop)
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
            return losses.grey_mse(fake, real)

        return self.strategy.reduce(tf.distribute.ReduceOp.MEAN, self.strategy.run(share, (lores, hires)), axis=None)

    def report(self, batch: tuple[tf.Tensor, tf.Tensor], phase: Phase, nimg: int) -> dict[str, float]:
        """Values that only a report pays for: rmse_ema, the moving average's rmse on one batch, and lod."""
        lod = tf.constant(phase.lod(nimg), tf.float32)
        mse = self._ema_mse(*batch, lod, phase.lod_start, phase.lod_stop)
        return {"rmse_ema": float(tf.sqrt(mse)), "lod": phase.lod(nimg)}

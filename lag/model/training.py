"""All that is trained, and how a step trains it (paper sections 2.1 and 3.1)."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

from lag.config import LAGConfig
from lag.model import costs, losses
from lag.model.build import build_encoder, build_generator, build_projection
from lag.model.fast_step import Step
from lag.model.networks import CriticHead, Generator
from lag.model.objectives import Networks, Noise, Objectives, StepTerms
from libml import rng
from libml.errors import UserError
from libml.system.devices import mean_over_replicas, replica_share
from libml.training.meters import Meters, grey_mse
from libml.training.optimizer import Adam
from libml.training.schedule import KIMG, Level, Phase, Schedule

LOSSES = ("dreal", "dfake", "gp", "gfake", "gmse", "mse")  # of a step; mse is in squared grey levels
METRICS = (*LOSSES[:-1], "rmse")  # the reference's log tags
LETTERS = {"generator": "g", "projection": "d", "encoder": "e"}  # of the networks' optimizers, which checkpoints name


def _of_graph(level: Level) -> Level:
    """The level with lod as a tensor, so that one trace serves a whole phase."""
    return dataclasses.replace(level, lod=tf.constant(level.lod, tf.float32))


class WassersteinMeters(Meters):
    """Meters with the critic's gap: by how much real images score above generated ones."""

    def means(self) -> dict[str, float]:
        """Means since the last reset, and gap = -(dreal + dfake)."""
        means = super().means()
        return means | {"gap": -(means["dreal"] + means["dfake"])}


def more_losses(config: LAGConfig) -> tuple[str, ...]:
    """Names of the terms that a step has beside LOSSES."""
    named = {
        "gkl": config.encoder,
        "center_scale": config.center_balance,
        "energy": config.energy_balance,
        "energy_scale": config.energy_balance,
    }
    return tuple(name for name, used in named.items() if used)


def scale_initial(generator: Generator, z: float, rgb: float) -> None:
    """Multiplies the initial values of G's kernels of z, and of those to colours."""
    stem = generator.stem.kernel
    of_z = np.arange(stem.shape[2]) >= generator.colors
    scaled = [(stem, np.where(of_z, z, 1.0)[:, None])]
    scaled += [(generator.stage_layers(k)[2].kernel, rgb) for k in range(1, generator.lods + 1)]
    for kernel, factor in scaled:
        if np.any(factor != 1):
            kernel.assign(kernel * tf.constant(factor, tf.float32))


class LAG(tf.Module):
    """G, its moving average, P, F, one Adam per network and stage, and the step that trains them."""

    batches_per_step = 1

    def __init__(
        self,
        config: LAGConfig,
        colors: int,
        strategy: tf.distribute.Strategy | None = None,
        workers: int = 1,
        plan: costs.Plan | None = None,
    ):
        """Builds every stage and optimizer up front, on the strategy's devices.

        Args:
            config: the run's parameters.
            colors: channels of the images, 1 or 3.
            strategy: where to train; None for the default device.
            workers: processes that the strategy spans.
            plan: how steps are computed; None for costs.plan of the images that the first step gets.
        """
        super().__init__(name="lag")
        self.config, self.colors, self.plan = config, colors, plan
        self._lr_share = None  # what the learning rates were last multiplied by
        self.strategy = strategy or tf.distribute.get_strategy()
        self._check_shares()
        with self.strategy.scope():
            self.generator = build_generator(config, colors, config.dtype)
            # The moving average makes images in float32 whatever the precision of training.
            self.ema = build_generator(config, colors, "float32")
            scale_initial(self.generator, config.z_init, config.rgb_init)
            self.ema.set_weights(self.generator.get_weights())  # a shadow starts where its weights start
            self.projection = build_projection(config, colors, config.dtype)
            self.head = CriticHead(name="critic_head")
            if config.encoder:
                self.encoder = build_encoder(config, colors, config.dtype)
            for name, network in self.networks.trained.items():
                for k in range(config.lods + 1):
                    adam = Adam(self._lr(name), beta_1=0.0, beta_2=0.99, epsilon=1e-8, name=f"{LETTERS[name]}_adam_{k}")
                    adam.build(network.stage_variables(k))
                    setattr(self, f"{LETTERS[name]}_optimizer_{k}", adam)
            self.losses = LOSSES + more_losses(config)
            meters = WassersteinMeters if config.gan_loss == "wasserstein" else Meters
            self.meters = meters(METRICS + self.losses[len(LOSSES) :])
        self.workers, self.local_replicas = workers, self.strategy.num_replicas_in_sync // workers
        # Looking a trace up costs tf.function 1 ms a step; we keep the concrete functions.
        self._traced = functools.cache(self._trace)
        self._step_terms = self.step_terms
        if config.jit_compile:
            self._check_compiles()
            self._step_terms = tf.function(self.step_terms, autograph=False, jit_compile=True)

    def _check_shares(self) -> None:
        """Raises UserError where a device's part of the batch has more than every so many images of the whole."""
        config, replicas = self.config, self.strategy.num_replicas_in_sync
        share, unit = config.batch // replicas, config.least_share
        if replicas > 1 and share % unit:
            name = next(name for name in ("center_every", "energy_every") if share % getattr(config, name))
            raise UserError(
                f"--{name}={getattr(config, name)} cannot be taken of the {share} images that each of {replicas} "
                f"devices has of --batch={config.batch}: use a multiple of {replicas * unit}, fewer devices or "
                f"--{name}=1"
            )

    def _check_compiles(self) -> None:
        """Raises UserError on several devices for a flag whose terms need means over all of them."""
        flags = ["gan_loss=relativistic"] if self.config.gan_loss == "relativistic" else []
        flags += [name for name in ("center_balance", "energy_balance") if getattr(self.config, name)]
        if flags and self.strategy.num_replicas_in_sync > 1:
            raise UserError(f"--jit_compile cannot take the means of --{flags[0]} over several devices")

    @property
    def networks(self) -> Networks:
        """G, P and F, and E if there is one."""
        encoder = self.encoder if self.config.encoder else None
        return Networks(self.generator, self.projection, self.head, encoder)

    def optimizer(self, name: str, k: int) -> Adam:
        """The optimizer of stage k of a network of networks.trained."""
        return getattr(self, f"{LETTERS[name]}_optimizer_{k}")

    def _lr(self, name: str) -> float:
        """The learning rate that a network's optimizers start with."""
        return self.config.lr * (self.config.d_lr_mult if name == "projection" else 1)

    @property
    def schedule(self) -> Schedule:
        """The phases of the run."""
        return self.config.schedule()

    @property
    def sampling_generator(self) -> Generator:
        """The generator that images are made with: the moving average, or G itself where that is turned off."""
        return self.ema if self.config.weight_avg else self.generator

    def named_variables(self) -> dict[str, keras.Variable]:
        """Every weight of the networks and G's moving average, and every value of the optimizers, by name."""
        trained = self.networks.trained
        owners = ["generator", "ema", *(name for name in trained if name != "generator")]
        owners += [f"{LETTERS[name]}_optimizer_{k}" for name in trained for k in range(self.config.lods + 1)]
        return {f"{name}/{v.path}": v for name in owners for v in getattr(self, name).variables}

    def step_terms(self, lores, hires, noise: Noise, level: Level, done: tf.Tensor | float = 0.0) -> StepTerms:
        """Losses and the networks' gradients at the present weights, as means over this batch.

        Args:
            lores: [N, h, w, C], the downscaled hires.
            hires: [N, H, W, C] in [-1, 1].
            noise: of this batch.
            level: of detail; its lod is a float32 scalar.
            done: the share of the run that is over.
        """
        if self.config.step == "plain":
            return Objectives(self.config, self.networks, lores, hires, level, done).terms(noise)
        plan = self.plan or costs.plan(self.config, self.colors, hires.shape[1])
        return Step(self.config, self.networks, plan.joined, lores, hires, level, done).terms(noise)

    def _shares(self, lores, hires, noise: Noise) -> tuple[tf.Tensor, tf.Tensor, Noise]:
        """This replica's part of the images and of their noise, in replica context."""
        drawn = {name: value for name, value in noise._asdict().items() if value is not None}
        lores, hires, *parts = replica_share([lores, hires], [*drawn.values()], self.local_replicas)
        return lores, hires, Noise(**dict(zip(drawn, parts, strict=True)))

    def _replica_step(self, lores, hires, noise: Noise, level: Level, done: tf.Tensor | float) -> tf.Tensor:
        """Takes gradients on a replica's share of the global batch, and applies their mean over the replicas.

        Returns the losses over the global batch, in the order of self.losses.
        """
        lores, hires, noise = self._shares(lores, hires, noise)
        terms = self._step_terms(lores, hires, noise, level, done)
        self.projection.update_norms(level.stop)
        losses = tf.stack([terms.losses[name] for name in self.losses])
        means, losses = mean_over_replicas((terms.grads, losses), self.strategy.num_replicas_in_sync)
        for name, network in self.networks.trained.items():
            grads = means[name]
            for k in range(level.stop + 1):
                variables = network.stage_variables(k)
                stage_grads, grads = grads[: len(variables)], grads[len(variables) :]
                self.optimizer(name, k).apply(stage_grads, variables)
        return losses

    def apply_step(
        self, lores, hires, noise: Noise, level: Level, done: tf.Tensor | float = 0.0
    ) -> dict[str, tf.Tensor]:
        """Trains on one global batch with given noise: both networks, then the moving average. In a tf.function.

        Arguments as those of step_terms, but lores and hires are this worker's part of the batch and the noise is the
        whole batch's. Returns the losses over the global batch.
        """
        per_replica = self.strategy.run(self._replica_step, args=(lores, hires, noise, level, done))
        losses, *_ = self.strategy.experimental_local_results(per_replica)  # the same on each replica
        if self.config.weight_avg:
            for k in range(level.stop + 1):
                kept = self._kept(k)
                for shadow, weight in zip(self.ema.stage_variables(k), self.generator.stage_variables(k), strict=True):
                    shadow, weight = shadow.value, weight.value
                    shadow.assign_sub((shadow - weight) * (1 - kept))
        return dict(zip(self.losses, tf.unstack(losses), strict=True))

    def _kept(self, k: int) -> tf.Tensor | float:
        """What the moving average of stage k keeps of itself in this step: --weight_avg, or (1 - 1/t)^(power + 1).

        t counts the stage's steps: the average is over a share of them all, whatever their number (Karras, 2024).
        """
        if not self.config.weight_avg_power:
            return self.config.weight_avg
        steps = tf.cast(self.optimizer("generator", k).iterations.value, tf.float32)
        return (1 - 1 / steps) ** (self.config.weight_avg_power + 1)

    def draw(self, lores, nimg) -> Noise:
        """The noise of the global batch that starts at image nimg.

        Args:
            lores: this worker's part of it.
            nimg: position.
        """
        n, h, w, _ = lores.shape
        n, seed = n * self.workers, self.config.seed
        z_shape = [n, h, w, self.config.noise_dim]
        z = rng.normal(z_shape, rng.key(seed, "z"), nimg)
        rho = rng.uniform([n, 1, 1, 1], rng.key(seed, "rho"), nimg)
        used = {"center": self.config.encoder, "second": self.config.energy_balance}
        more = {name: rng.normal(z_shape, rng.key(seed, name), nimg) for name, on in used.items() if on}
        return Noise(z, rho, **more)

    def _done(self, nimg: tf.Tensor) -> tf.Tensor:
        """The share of the run that is over at image nimg."""
        return tf.cast(nimg / self.schedule.total, tf.float32)

    @tf.function(autograph=False)
    def _train(self, lores, hires, nimg, level: Level):
        values = self.apply_step(lores, hires, self.draw(lores, nimg), level, self._done(nimg))
        values["rmse"] = tf.sqrt(values.pop("mse"))
        self.meters.update(values, nimg)

    def _trace(self, lores: tuple[int, ...], hires: tuple[int, ...], start: int, stop: int):
        """The concrete _train for these image shapes between these levels."""
        inputs = [tf.TensorSpec(*of) for of in ([lores], [hires], [[], tf.int64])]
        return self._train.get_concrete_function(*inputs, Level(start, stop, tf.TensorSpec([])))

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor], phase: Phase, nimg: int) -> None:
        """Trains on one global batch (lores, hires), the images from nimg on. The losses stay on the device."""
        level = _of_graph(phase.level(nimg))
        self._set_learning_rates(nimg)
        train = self._traced(*(tuple(images.shape) for images in batch), level.start, level.stop)
        train(*batch, tf.constant(nimg, tf.int64), level)

    def _set_learning_rates(self, nimg: int) -> None:
        """Sets them, once a kimg: with --lr_decay, constant over 60 % of the run, then falling along half a cosine."""
        if self.config.lr_decay == 1:
            return
        done = nimg // KIMG * KIMG / self.schedule.total
        share = float(losses.falling(1.0, self.config.lr_decay, min(max((done - 0.6) / 0.4, 0.0), 1.0)))
        if share == self._lr_share:
            return
        self._lr_share = share
        for name in self.networks.trained:
            for k in range(self.config.lods + 1):
                self.optimizer(name, k).learning_rate = self._lr(name) * share

    @tf.function(autograph=False)
    def _ema_mse(self, lores, hires, level: Level):
        def share(lores, hires):
            lores, hires = replica_share([lores, hires], [], self.local_replicas)
            real = losses.real_at_level(hires, level, self.config.lods)
            z = tf.zeros([*lores.shape[:3], self.config.noise_dim])
            fake = self.sampling_generator(lores, z, level=level)
            return grey_mse(fake, real)

        return self.strategy.reduce(tf.distribute.ReduceOp.MEAN, self.strategy.run(share, (lores, hires)), axis=None)

    def report(self, batch: tuple[tf.Tensor, tf.Tensor], phase: Phase, nimg: int) -> dict[str, float]:
        """What is computed for a report alone: rmse_ema (the moving average's, on one batch), lod, gradient norms."""
        mse = self._ema_mse(*batch, _of_graph(phase.level(nimg)))
        values = {"rmse_ema": float(tf.sqrt(mse)), "lod": phase.lod(nimg)}
        if self.config.gradient_norms:
            norms = self._gradient_norms(*batch, tf.constant(nimg, tf.int64), _of_graph(phase.level(nimg)))
            values |= {name: float(value) for name, value in norms.items()}
        return values

    @tf.function(autograph=False)
    def _gradient_norms(self, lores, hires, nimg, level: Level) -> dict[str, tf.Tensor]:
        done = self._done(nimg)

        def norms(lores, hires, noise):
            lores, hires, noise = self._shares(lores, hires, noise)
            return Objectives(self.config, self.networks, lores, hires, level, done).gradient_norms(noise)

        per_replica = self.strategy.run(norms, (lores, hires, self.draw(lores, nimg)))
        return {k: self.strategy.reduce(tf.distribute.ReduceOp.MEAN, v, axis=None) for k, v in per_replica.items()}

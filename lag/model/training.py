"""All that is trained, and how a step trains it (paper sections 2.1 and 3.1)."""

import dataclasses
import functools

import keras
import tensorflow as tf

from lag.config import LAGConfig
from lag.model import losses
from lag.model.build import build_encoder, build_generator, build_projection
from lag.model.fast_step import Step
from lag.model.networks import CriticHead, Generator
from lag.model.objectives import Networks, Noise, Objectives, StepTerms
from lag.performance import costs
from libml import rng
from libml.errors import UserError
from libml.system.devices import replica_share
from libml.training.meters import Meters, grey_mse
from libml.training.optimizer import Adam
from libml.training.schedule import Level, Phase, Schedule

LOSSES = ("dreal", "dfake", "gp", "gfake", "gmse", "mse")  # of a step; mse is in squared grey levels
METRICS = (*LOSSES[:-1], "rmse")  # the reference's log tags
LETTERS = {"generator": "g", "projection": "d", "encoder": "e"}  # of the networks' optimizers, which checkpoints name


def _of_graph(level: Level) -> Level:
    """The level with lod as a tensor, so that one trace serves a whole phase."""
    return dataclasses.replace(level, lod=tf.constant(level.lod, tf.float32))


class WassersteinMeters(Meters):
    """With the critic's gap, by how much it holds real images for more realistic than generated ones."""

    def means(self) -> dict[str, float]:
        """Means since the last reset, and gap = -(dreal + dfake)."""
        means = super().means()
        return means | {"gap": -(means["dreal"] + means["dfake"])}


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
        self.strategy = strategy or tf.distribute.get_strategy()
        with self.strategy.scope():
            self.generator = build_generator(config, colors, config.dtype)
            # The moving average makes images in float32 whatever the precision of training.
            self.ema = build_generator(config, colors, "float32")
            self.ema.set_weights(self.generator.get_weights())  # a shadow starts where its weights start
            self.projection = build_projection(config, colors, config.dtype)
            self.head = CriticHead(name="critic_head")
            if config.encoder:
                self.encoder = build_encoder(config, colors, config.dtype)
            for name, network in self.networks.trained.items():
                lr = config.lr * (config.d_lr_mult if network is self.projection else 1)
                for k in range(config.lods + 1):
                    adam = Adam(lr, beta_1=0.0, beta_2=0.99, epsilon=1e-8, name=f"{LETTERS[name]}_adam_{k}")
                    adam.build(network.stage_variables(k))
                    setattr(self, f"{LETTERS[name]}_optimizer_{k}", adam)
            self.losses = LOSSES + (("gkl",) if config.encoder else ())
            meters = WassersteinMeters if config.gan_loss == "wasserstein" else Meters
            self.meters = meters(METRICS + self.losses[len(LOSSES) :])
        self.workers, self.local_replicas = workers, self.strategy.num_replicas_in_sync // workers
        # Looking a trace up costs tf.function 1 ms a step; we keep the concrete functions.
        self._traced = functools.cache(self._trace)
        self._step_terms = self.step_terms
        if config.jit_compile:
            if config.gan_loss == "relativistic" and self.strategy.num_replicas_in_sync > 1:
                raise UserError("--jit_compile cannot take the means of --gan_loss=relativistic over several devices")
            self._step_terms = tf.function(self.step_terms, autograph=False, jit_compile=True)

    @property
    def networks(self) -> Networks:
        """G, P and F, and E if there is one."""
        encoder = self.encoder if self.config.encoder else None
        return Networks(self.generator, self.projection, self.head, encoder)

    def optimizer(self, name: str, k: int) -> Adam:
        """That of stage k of a network of networks.trained."""
        return getattr(self, f"{LETTERS[name]}_optimizer_{k}")

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

    def step_terms(self, lores, hires, noise: Noise, level: Level) -> StepTerms:
        """Losses and the networks' gradients at the present weights, as means over this batch.

        Args:
            lores: [N, h, w, C], the downscaled hires.
            hires: [N, H, W, C] in [-1, 1].
            noise: of this batch.
            level: of detail; its lod is a float32 scalar.
        """
        if self.config.step == "plain":
            return Objectives(self.config, self.networks, lores, hires, level).terms(noise)
        plan = self.plan or costs.plan(self.config, self.colors, hires.shape[1])
        return Step(self.config, self.networks, plan.joined, lores, hires, level).terms(noise)

    def _replica_step(self, lores, hires, noise: Noise, level: Level) -> tf.Tensor:
        """One replica's share of the global batch: its gradients, applied together with the others'. self.losses."""
        given = [value for value in noise if value is not None]
        lores, hires, *given = replica_share([lores, hires], given, self.local_replicas)
        replicas = self.strategy.num_replicas_in_sync
        terms = self._step_terms(lores, hires, Noise(*given), level)
        self.projection.update_norms(level.stop)
        for name, network in self.networks.trained.items():
            # Optimizers sum over replicas; the loss is the mean over the global batch.
            grads = [g / replicas for g in terms.grads[name]] if replicas > 1 else terms.grads[name]
            for k in range(level.stop + 1):
                variables = network.stage_variables(k)
                stage_grads, grads = grads[: len(variables)], grads[len(variables) :]
                self.optimizer(name, k).apply(stage_grads, variables)
        return tf.stack([terms.losses[name] for name in self.losses]) / replicas

    def apply_step(self, lores, hires, noise: Noise, level: Level) -> dict[str, tf.Tensor]:
        """Trains on one global batch with given noise: both networks, then the moving average. In a tf.function.

        Arguments as those of step_terms, but lores and hires are this worker's part of the batch and the noise is the
        whole batch's. Returns the losses over the global batch.
        """
        per_replica = self.strategy.run(self._replica_step, args=(lores, hires, noise, level))
        summed = self.strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)
        if self.config.weight_avg:
            for k in range(level.stop + 1):
                for shadow, weight in zip(self.ema.stage_variables(k), self.generator.stage_variables(k), strict=True):
                    shadow, weight = shadow.value, weight.value
                    shadow.assign_sub((shadow - weight) * (1 - self.config.weight_avg))
        return dict(zip(self.losses, tf.unstack(summed), strict=True))

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
        return Noise(z, rho, rng.normal(z_shape, rng.key(seed, "center"), nimg) if self.config.encoder else None)

    @tf.function(autograph=False)
    def _train(self, lores, hires, nimg, level: Level):
        values = self.apply_step(lores, hires, self.draw(lores, nimg), level)
        values["rmse"] = tf.sqrt(values.pop("mse"))
        self.meters.update(values, nimg)

    def _trace(self, lores: tuple[int, ...], hires: tuple[int, ...], start: int, stop: int):
        """The concrete _train for these image shapes between these levels."""
        inputs = [tf.TensorSpec(*of) for of in ([lores], [hires], [[], tf.int64])]
        return self._train.get_concrete_function(*inputs, Level(start, stop, tf.TensorSpec([])))

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor], phase: Phase, nimg: int) -> None:
        """Trains on one global batch (lores, hires), the images from nimg on. The losses stay on the device."""
        level = _of_graph(phase.level(nimg))
        train = self._traced(*(tuple(images.shape) for images in batch), level.start, level.stop)
        train(*batch, tf.constant(nimg, tf.int64), level)

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
        """Values that only a report pays for: rmse_ema, the moving average's rmse on one batch, and lod."""
        mse = self._ema_mse(*batch, _of_graph(phase.level(nimg)))
        return {"rmse_ema": float(tf.sqrt(mse)), "lod": phase.lod(nimg)}

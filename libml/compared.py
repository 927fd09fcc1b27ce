"""What the compared methods share: one generator, perhaps a critic, one phase of training, and the program around them.

A method is a config, its networks and the losses and gradients of one step. Images are [N, H, W, C] in [-1, 1].
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from libml import app, checkpoint, program, rng
from libml.candidates import CandidateSampler
from libml.config import PINNED, RunConfig, option
from libml.data import Dataset
from libml.devices import Devices, replica_share
from libml.errors import UserError
from libml.layers import grey_mse, ilog2
from libml.meters import Meters
from libml.optimizer import Adam
from libml.run_folder import from_args, load_args, run_colors
from libml.schedule import KIMG, Phase, Schedule


@dataclasses.dataclass(frozen=True)
class ComparedConfig(RunConfig):
    """Parameters that the compared methods share."""

    positive: ClassVar[tuple[str, ...]] = ()  # fields of a method that must be above 0

    total_kimg: int = option(16384, "Length of the run in 1024 images.", PINNED)

    def validate(self) -> None:
        """Raises UserError for the first parameter that cannot be."""
        super().validate()
        for name in ("total_kimg", *self.positive):
            if getattr(self, name) <= 0:
                raise UserError(f"--{name}={getattr(self, name)} must be positive")

    def schedule(self) -> Schedule:
        """One phase, at full size."""
        return Schedule((Phase(0, self.total_kimg * KIMG, ilog2(self.scale), ilog2(self.scale)),))

    def learning_rate(self, nimg: int) -> float:
        """The learning rate at image nimg; constant unless a method says otherwise."""
        return self.lr


def decayed(lr: float, lr_decay: float, nimg: int, total: int) -> float:
    """The rate of a run of `total` images at image nimg: lr in its first half, times lr_decay over its second.

    The decay is exponential and continuous in images seen: lr * lr_decay^((nimg - half) / half) from half = total / 2.
    """
    half = total / 2
    return lr * lr_decay ** max(0.0, (nimg - half) / half)


class ComparedGenerator(keras.Model):
    """A network: generator(lores, *noise, training=...) -> [N, scale h, scale w, C]. By default it takes no noise."""

    scale: int

    def noise_shapes(self, h: int, w: int) -> list[tuple[int, int, int]]:
        """As libml.candidates.CandidateSampler."""
        return []


class ComparedTerms(NamedTuple):
    """What one step computes before it changes a weight; moving statistics are updated on the way."""

    losses: dict[str, tf.Tensor]  # scalars, by the method's `metrics`
    fake: tf.Tensor  # [N, H, W, C]
    grad_g: list[tf.Tensor]  # in the order of generator.trainable_variables
    grad_d: list[tf.Tensor]  # in the order of critic.trainable_variables; none without a critic


class ComparedMethod(tf.Module):
    """A generator, what trains it, and its step on any number of replicas."""

    config_type: ClassVar[type[ComparedConfig]]
    metrics: ClassVar[tuple[str, ...]]  # log tags of the losses
    batches_per_step = 1

    def __init__(
        self,
        config: ComparedConfig,
        colors: int,
        size: int,
        strategy: tf.distribute.Strategy | None = None,
        workers: int = 1,
        data_dir: str | Path = ".",
    ):
        """Builds networks and optimizers on the strategy's devices.

        Args:
            config: the run's parameters.
            colors: channels of the images.
            size: side of the HR images.
            strategy: where to train; None for the default device.
            workers: processes that the strategy spans.
            data_dir: folder of the datasets, and of the weights that a loss may need.
        """
        super().__init__(name=config.method.lower())
        self.config, self.colors, self.size, self.data_dir = config, colors, size, Path(data_dir)
        self.strategy = strategy or tf.distribute.get_strategy()
        self.replicas = self.strategy.num_replicas_in_sync
        self.workers, self.local_replicas = workers, self.replicas // workers
        self.critic: keras.Model | None = None
        with self.strategy.scope():
            self.generator = self.make_generator(config, colors)
            self.make_training()
            self.meters = Meters((*self.metrics, "rmse"))

    @classmethod
    def make_generator(cls, config: ComparedConfig, colors: int) -> ComparedGenerator:
        """The generator, built."""
        raise NotImplementedError

    def make_training(self) -> None:
        """Makes g_optimizer and, where there is one, the critic and d_optimizer. In the strategy's scope."""
        raise NotImplementedError

    def step_terms(self, lores: tf.Tensor, hires: tf.Tensor, *noise: tf.Tensor) -> ComparedTerms:
        """Losses and gradients at the present weights, as means over this batch, in a tf.function."""
        raise NotImplementedError

    def adam(self, network: keras.Model, beta_1: float, beta_2: float, name: str) -> Adam:
        """An Adam for a network's trainable variables, built."""
        optimizer = Adam(self.config.lr, beta_1=beta_1, beta_2=beta_2, epsilon=1e-8, name=name)
        optimizer.build(network.trainable_variables)
        return optimizer

    @property
    def schedule(self) -> Schedule:
        """The one phase of the run."""
        return self.config.schedule()

    @property
    def _networks(self) -> dict[str, keras.Model]:
        return {"generator": self.generator} | ({"critic": self.critic} if self.critic else {})

    @property
    def _optimizers(self) -> dict[str, Adam]:
        return {"g_optimizer": self.g_optimizer} | ({"d_optimizer": self.d_optimizer} if self.critic else {})

    def named_variables(self) -> dict[str, keras.Variable]:
        """Every value of the networks and their optimizers, by name."""
        owners = self._networks | self._optimizers
        return {f"{name}/{v.path}": v for name, owner in owners.items() for v in owner.variables}

    def apply(self, optimizer: Adam, network: keras.Model, grads: Sequence[tf.Tensor]) -> None:
        """Applies the mean over the replicas of their gradients; an optimizer alone would sum them."""
        grads = [g / self.replicas for g in grads] if self.replicas > 1 else grads
        optimizer.apply(grads, network.trainable_variables)

    def replica_step(self, lores: tf.Tensor, hires: tf.Tensor, noise: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
        """One replica's part of a step, from its share of the images and noise; its losses, and `mse` in grey levels.

        Both networks' gradients are taken at the same weights, then applied.
        """
        terms = self.step_terms(lores, hires, *noise)
        self.apply(self.g_optimizer, self.generator, terms.grad_g)
        if self.critic:
            self.apply(self.d_optimizer, self.critic, terms.grad_d)
        return terms.losses | {"mse": grey_mse(terms.fake, hires)}

    def draw(self, lores: tf.Tensor, nimg: tf.Tensor) -> list[tf.Tensor]:
        """The generator's noise maps for a global batch, of which lores is this worker's part: f(seed, nimg)."""
        batch, shapes = lores.shape[0] * self.workers, self.generator.noise_shapes(*lores.shape[1:3])
        keys = [rng.key(self.config.seed, f"z/{i}") for i in range(len(shapes))]
        return [rng.normal([batch, *shape], key, nimg) for shape, key in zip(shapes, keys, strict=True)]

    def _replica_share(self, lores, hires, noise) -> list[tf.Tensor]:
        lores, hires, *noise = replica_share([lores, hires], noise, self.local_replicas)
        values = self.replica_step(lores, hires, noise)
        return tf.stack([values[name] for name in (*self.metrics, "mse")]) / self.replicas

    def apply_step(self, lores: tf.Tensor, hires: tf.Tensor, nimg: tf.Tensor) -> dict[str, tf.Tensor]:
        """Trains on one global batch, of which lores and hires are this worker's part; its losses and `mse`."""
        noise = self.draw(lores, nimg)
        per_replica = self.strategy.run(self._replica_share, args=(lores, hires, noise))
        summed = self.strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)
        return dict(zip((*self.metrics, "mse"), tf.unstack(summed), strict=True))

    @tf.function(autograph=False)
    def _train(self, lores, hires, nimg, lr):
        for optimizer in self._optimizers.values():
            optimizer.learning_rate.assign(lr)
        values = self.apply_step(lores, hires, nimg)
        self.meters.update(values | {"rmse": tf.sqrt(values["mse"])}, nimg)

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor], phase: Phase, nimg: int) -> None:
        """Trains on one global batch (lores, hires), the images from nimg on. The losses stay on the device."""
        lr = tf.constant(self.config.learning_rate(nimg), tf.float32)
        self._train(*batch, tf.constant(nimg, tf.int64), lr)

    def report(self, batch: tuple[tf.Tensor, tf.Tensor], phase: Phase, nimg: int) -> dict[str, float]:
        """Values that only a report needs: the learning rate."""
        return {"lr": self.config.learning_rate(nimg)}


def batch_norm(name: str) -> keras.layers.BatchNormalization:
    """Batch normalisation whose statistics are those of the global batch on any number of replicas.

    To be made in the strategy's scope.
    """
    synchronized = tf.distribute.get_strategy().num_replicas_in_sync > 1
    return keras.layers.BatchNormalization(momentum=0.99, epsilon=1e-3, synchronized=synchronized, name=name)


class GeneratorSampler(CandidateSampler):
    """A generator in sampling mode as a function from (lores, noise maps) to images."""

    def __init__(self, generator: ComparedGenerator, config: ComparedConfig, nimg: int = 0, batch: int = 16):
        """Args: the generator; the parameters and position of its run; images at a time."""
        self.generator, self.config, self.nimg, self.batch = generator, config, nimg, batch
        self.scale = config.scale

        @tf.function(autograph=False, reduce_retracing=True)
        def generate(lores, *noise):
            return generator(lores, *noise, training=False)

        self._generate = generate

    def noise_shapes(self, h: int, w: int) -> list[tuple[int, int, int]]:
        """Those of the generator."""
        return self.generator.noise_shapes(h, w)

    def __call__(self, lores: np.ndarray, *noise: np.ndarray) -> np.ndarray:
        """lores [N, h, w, C] and the noise maps -> float32 [N, scale h, scale w, C]."""
        starts = range(0, len(lores), self.batch)
        parts = [self._generate(*(x[i : i + self.batch] for x in (lores, *noise))).numpy() for i in starts]
        return np.concatenate(parts)


def load(method: type[ComparedMethod], run: str | Path, nimg: int | None = None, batch: int = 16) -> GeneratorSampler:
    """The generator of a run's newest checkpoint, or of the one after nimg images.

    Raises:
        UserError: if the folder holds no trained run.
    """
    args = load_args(run)
    config = from_args(method.config_type, args)
    nimg, path = checkpoint.of_run(run, nimg)
    generator = method.make_generator(config, run_colors(args, run))
    # The same name as in the training checkpoint; what is not named here stays unread.
    checkpoint.restore(path, tf.train.Checkpoint(method=tf.train.Checkpoint(generator=generator)), partial=True)
    return GeneratorSampler(generator, config, nimg, batch)


def _describe(method: ComparedMethod) -> str:
    networks = method._networks.items()
    return "\n".join(f"{name:<16}{network.count_params():,} parameters" for name, network in networks)


def main(method: type[ComparedMethod]) -> None:
    """A method's training program: defines its flags, reads them, trains."""
    app.define_flags(method.config_type)
    app.define_run_flags()

    def train_from_flags() -> None:
        config, folder = app.config_and_folder(method.config_type)
        options = app.run_options()

        def build(dataset: Dataset, devices: Devices) -> tuple[ComparedMethod, Callable]:
            place = (devices.strategy, devices.workers)
            model = method(config, dataset.colors, dataset.size, *place, options["data_dir"])
            sampler = GeneratorSampler(model.generator, config)
            return model, lambda phase, nimg: sampler

        program.train_on_dataset(config, folder, app.device_options(), build, _describe, **options)

    app.run(train_from_flags)

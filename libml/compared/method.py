"""What the compared methods share: a generator, perhaps a critic, an Adam for each, and the training step.

A method is a config, its networks and the losses and gradients of one step. Images are [N, H, W, C] in [-1, 1].
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

import keras
import tensorflow as tf

from libml import rng
from libml.compared.config import ComparedConfig
from libml.system.devices import mean_over_replicas, replica_share
from libml.system.store_path import StorePath, to_path
from libml.training.meters import Meters, grey_mse
from libml.training.optimizer import Adam
from libml.training.schedule import Phase, Schedule


class ComparedGenerator(keras.Model):
    """A network: generator(lores, *noise, training=...) -> [N, scale h, scale w, C]. By default it takes no noise."""

    scale: int

    def noise_shapes(self, h: int, w: int) -> list[tuple[int, int, int]]:
        """Shapes of the noise maps for an LR image of h x w pixels, as CandidateSampler.noise_shapes."""
        return []

    @property
    def radius(self) -> int:
        """How many LR pixels away an input can be and still change an output pixel, in either direction."""
        raise NotImplementedError

    @property
    def packed_channels(self) -> int:
        """Channels of all noise maps packed into one of the LR size: a larger map's pixels are channels there."""
        return sum(math.prod(shape) for shape in self.noise_shapes(1, 1))

    def unpacked(self, z: tf.Tensor) -> list[tf.Tensor]:
        """The noise maps that are packed in z [N, h, w, packed_channels]."""
        shapes = self.noise_shapes(1, 1)
        parts = tf.split(z, [math.prod(shape) for shape in shapes], axis=-1) if shapes else []
        sides = [side for side, _, _ in shapes]
        return [tf.nn.depth_to_space(p, n) if n > 1 else p for p, n in zip(parts, sides, strict=True)]


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
        data_dir: str | Path | StorePath = ".",
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
        self.config, self.colors, self.size, self.data_dir = config, colors, size, to_path(data_dir)
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

    def apply(self, *updates: tuple[Adam, keras.Model, Sequence[tf.Tensor]]) -> None:
        """Applies the means over the replicas of their gradients, which travel in one message, each to its network."""
        means = mean_over_replicas([grads for *_, grads in updates], self.replicas)
        for (optimizer, network, _), grads in zip(updates, means, strict=True):
            optimizer.apply(grads, network.trainable_variables)

    def replica_step(self, lores: tf.Tensor, hires: tf.Tensor, noise: Sequence[tf.Tensor]) -> dict[str, tf.Tensor]:
        """One replica's part of a step, from its share of the images and noise; its losses, and `mse` in grey levels.

        Both networks' gradients are taken at the same weights, then applied.
        """
        terms = self.step_terms(lores, hires, *noise)
        updates = [(self.g_optimizer, self.generator, terms.grad_g)]
        if self.critic:
            updates.append((self.d_optimizer, self.critic, terms.grad_d))
        self.apply(*updates)
        return terms.losses | {"mse": grey_mse(terms.fake, hires)}

    def draw(self, lores: tf.Tensor, nimg: tf.Tensor) -> list[tf.Tensor]:
        """The generator's noise maps for a global batch, of which lores is this worker's part: f(seed, nimg)."""
        batch, shapes = lores.shape[0] * self.workers, self.generator.noise_shapes(*lores.shape[1:3])
        keys = [rng.key(self.config.seed, f"z/{i}") for i in range(len(shapes))]
        return [rng.normal([batch, *shape], key, nimg) for shape, key in zip(shapes, keys, strict=True)]

    def _replica_share(self, lores, hires, noise) -> tf.Tensor:
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

"""A run's networks, loaded: G, or P and F."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf

from lag.config import LAGConfig
from lag.model import losses
from lag.model.build import build_generator, build_projection
from lag.model.networks import CriticHead, Generator, receptive_radius
from lag.sampling import Sampler
from libml.errors import UserError
from libml.layers.downscalers import LEAST_LORES
from libml.layers.resample import DOWNSCALERS, downscale2d, upscale2d
from libml.sampler import CandidateSampler
from libml.system.store_path import to_path
from libml.system.tfio import tensorflow_errors
from libml.training import checkpoint
from libml.training.config import RunConfig
from libml.training.run_folder import RunFolder, from_args, load_args, run_colors
from libml.training.schedule import Phase


class TrainedCritic(NamedTuple):
    """P and F of a run, at its level of detail."""

    project: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (hires, lores) -> latents P(x, delta) [N, h, w, channels]
    head: CriticHead

    def scores(self, latents: np.ndarray) -> np.ndarray:
        """Realism of each image, C(x, y) = F(P(x, delta)): [N, h, w, channels] -> [N]; higher is more realistic."""
        return self.head(latents).numpy()


def load_critic(run: str | Path) -> TrainedCritic:
    """The critic of a run's newest checkpoint.

    Raises:
        UserError: if the folder holds no trained run; an export has no critic.
    """
    if not RunFolder(to_path(run)).is_run():
        raise UserError(f"ranking needs the critic, which {run} lacks: give a run folder as --model, not an export")
    args = load_args(run)
    if (method := args.get("method", LAGConfig.method)) != LAGConfig.method:
        raise UserError(f"{run} is a run of {method}: ranking needs the critic of a run of LAG")
    config = from_args(LAGConfig, args)
    nimg, path = checkpoint.of_run(run)
    projection = build_projection(config, run_colors(args, run))
    checkpoint.restore(path, tf.train.Checkpoint(method=tf.train.Checkpoint(projection=projection)), partial=True)
    phase = config.schedule().phase(nimg)
    level = phase.level(nimg)

    def downscale(hires):
        return DOWNSCALERS[config.downscaler](hires, config.scale)

    @tf.function(autograph=False)
    def project(hires, lores):
        if config.consistent:
            delta = tf.zeros_like(lores)  # P was trained on no other
        else:
            delta = losses.lores_error(lores, hires, downscale, config.color_round)
        # Of a run that has not grown to its end, hires is an enlarged image of the size that the critic knows.
        return projection(downscale2d(hires, 2 ** (config.lods - level.stop)), delta, level=level)

    def checked(hires: np.ndarray, lores: np.ndarray) -> np.ndarray:
        least = LEAST_LORES[config.downscaler]
        if min(lores.shape[1:3]) < least:
            raise UserError(
                f"this run's critic compares pictures after {config.downscaler} downscaling, which takes {least} x "
                f"{least} and more"
            )
        with tensorflow_errors():
            return project(tf.constant(hires), tf.constant(lores)).numpy()

    return TrainedCritic(checked, CriticHead())


class Trained(Protocol):
    """A trained generator of any method, as upscaling, export and figures ask for it."""

    config: RunConfig
    nimg: int
    lod: float
    colors: int
    noise_dim: int  # channels of z; 0 of a method that takes no noise
    radius: int  # LR pixels away that an input can be and still change an output pixel
    variables: list[keras.Variable]

    def images(self, lores: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        """[N, h, w, C] in [-1, 1] and z [N, h, w, noise_dim] -> [N, scale h, scale w, C]."""

    def sampler(self, batch: int = 16) -> CandidateSampler:
        """The generator as a function that makes `batch` images at a time."""


class TrainedGenerator(NamedTuple):
    """A generator from a checkpoint, and where in its training that was."""

    generator: Generator  # the moving average's weights, or G's own where that is turned off
    config: LAGConfig
    nimg: int

    @property
    def colors(self) -> int:
        """Colour channels."""
        return self.generator.colors

    @property
    def noise_dim(self) -> int:
        """Channels of z."""
        return self.generator.noise_dim

    @property
    def radius(self) -> int:
        """How many LR pixels away an input can be and still change an output pixel."""
        return receptive_radius(self.generator, self.phase.lod_stop)

    @property
    def variables(self) -> list[keras.Variable]:
        """The weights of the stages in use."""
        return self.generator.variables_up_to(self.phase.lod_stop)

    def images(self, lores: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        """[N, h, w, C] in [-1, 1] and z [N, h, w, noise_dim] -> [N, scale h, scale w, C]."""
        made = self.generator(lores, z, level=self.phase.level(self.nimg))
        return upscale2d(made, 2 ** (self.generator.lods - self.phase.lod_stop))

    @property
    def phase(self) -> Phase:
        """The phase of growing that the checkpoint belongs to."""
        return self.config.schedule().phase(self.nimg)

    @property
    def lod(self) -> float:
        """The level of detail it had reached."""
        return self.phase.lod(self.nimg)

    def sampler(self, batch: int = 16) -> Sampler:
        """The generator as a function that makes `batch` images at a time."""
        return Sampler(self.generator, self.phase, self.lod, batch)


def load_trained(run: str | Path, nimg: int | None = None) -> TrainedGenerator:
    """The generator of a run's newest checkpoint, or of the one after nimg images.

    Raises:
        UserError: if the folder holds no trained LAG run.
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)  # GPUs would round the convolutions' inputs
    args = load_args(run)
    config = from_args(LAGConfig, args)
    nimg, path = checkpoint.of_run(run, nimg)
    generator = build_generator(config, run_colors(args, run))
    # The same names as in the training checkpoint; what is not named here stays unread.
    method = tf.train.Checkpoint(**{"ema" if config.weight_avg else "generator": generator})
    checkpoint.restore(path, tf.train.Checkpoint(method=method), partial=True)
    return TrainedGenerator(generator, config, nimg)

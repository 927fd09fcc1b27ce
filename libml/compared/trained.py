"""A compared method's generator, loaded from a run, with all that upscaling, export and figures ask of one."""

from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from libml.compared.config import ComparedConfig
from libml.compared.method import ComparedGenerator, ComparedMethod
from libml.compared.sampler import GeneratorSampler
from libml.layers.resample import ilog2
from libml.training import checkpoint
from libml.training.run_folder import from_args, load_args, run_colors


class TrainedCompared(NamedTuple):
    """A generator from a checkpoint. All of its noise maps, of several sizes, are packed into one z of the LR size."""

    generator: ComparedGenerator
    config: ComparedConfig
    nimg: int
    colors: int

    @property
    def lod(self) -> float:
        """The level of detail: there is the last one only."""
        return float(ilog2(self.config.scale))

    @property
    def noise_dim(self) -> int:
        """Channels of z; 0 of a method that takes no noise."""
        return self.generator.packed_channels

    @property
    def radius(self) -> int:
        """How many LR pixels away an input can be and still change an output pixel."""
        return self.generator.radius

    @property
    def variables(self) -> list[keras.Variable]:
        """The weights, moving statistics among them."""
        return self.generator.variables

    def images(self, lores: tf.Tensor, z: tf.Tensor) -> tf.Tensor:
        """[N, h, w, C] in [-1, 1] and z [N, h, w, noise_dim] -> [N, scale h, scale w, C]."""
        return self.generator(lores, *self.generator.unpacked(z), training=False)

    def sampler(self, batch: int = 16) -> GeneratorSampler:
        """The generator as a function that makes `batch` images at a time."""
        return GeneratorSampler(self.generator, self.config, self.nimg, batch)


def load_compared(method: type[ComparedMethod], run: str | Path, nimg: int | None = None) -> TrainedCompared:
    """The generator of a run's newest checkpoint, or of the one after nimg images.

    Raises:
        UserError: if the folder holds no trained run.
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)  # as lag.trained.load_trained
    args = load_args(run)
    config, colors = from_args(method.config_type, args), run_colors(args, run)
    nimg, path = checkpoint.of_run(run, nimg)
    generator = method.make_generator(config, colors)
    # The same name as in the training checkpoint; what is not named here stays unread.
    checkpoint.restore(path, tf.train.Checkpoint(method=tf.train.Checkpoint(generator=generator)), partial=True)
    return TrainedCompared(generator, config, nimg, colors)

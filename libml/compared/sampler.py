"""Images of a compared method's trained generator."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from libml.compared.config import ComparedConfig
from libml.compared.method import ComparedGenerator, ComparedMethod
from libml.sampler import CandidateSampler
from libml.training import checkpoint
from libml.training.run_folder import from_args, load_args, run_colors


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

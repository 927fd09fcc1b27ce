"""Images of a compared method's trained generator."""

import numpy as np
import tensorflow as tf

from libml.compared.config import ComparedConfig
from libml.compared.method import ComparedGenerator
from libml.sampler import CandidateSampler


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

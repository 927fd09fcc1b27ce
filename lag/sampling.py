"""From a trained generator to images."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from lag.model.networks import Generator
from lag.model.training import LAG
from libml.layers.resample import upscale2d
from libml.sampler import CandidateSampler
from libml.training.schedule import Level, Phase


def batch_noise(count: tf.Tensor | int, size: Sequence, seed: tf.Tensor | int) -> tf.Tensor:
    """Noise of the items of a batch: item i's is a function of (seed, i) alone, not of how many items there are.

    Args:
        count: items N.
        size: (h, w, noise_dim).
        seed: int64.

    Returns:
        float32 [N, h, w, noise_dim], standard normal; item i is
        tf.random.stateless_normal((h, w, noise_dim), (seed, i), alg="philox").
    """

    def draw(i):
        return tf.random.stateless_normal(size, tf.stack([tf.cast(seed, tf.int64), i]), alg="philox")

    return tf.map_fn(draw, tf.range(tf.cast(count, tf.int64)), fn_output_signature=tf.float32)


class Sampler(CandidateSampler):
    """A generator at a level of detail, as a function from (lores, z) to images of the full size."""

    def __init__(self, generator: Generator, phase: Phase, lod: float, batch: int = 16):
        """Args: the generator (the moving average, as a rule); phase and lod it was trained to; images at a time."""
        self.generator, self.phase, self.lod, self.batch = generator, phase, lod, batch
        self.scale = generator.scale

        @tf.function(autograph=False, reduce_retracing=True)
        def generate(lores, z, lod):
            image = generator(lores, z, level=Level(phase.lod_start, phase.lod_stop, lod))
            return upscale2d(image, 2 ** (generator.lods - phase.lod_stop))

        self._generate = generate

    def noise_shapes(self, h: int, w: int) -> list[tuple[int, int, int]]:
        """One map z, (h, w, noise_dim); none if that is 0."""
        return [(h, w, self.generator.noise_dim)] if self.generator.noise_dim else []

    def __call__(self, lores: np.ndarray, *noise: np.ndarray) -> np.ndarray:
        """lores [N, h, w, C] in [-1, 1], and z [N, h, w, noise_dim] if any -> float32 [N, scale h, scale w, C]."""
        z = noise[0] if noise else np.zeros([*lores.shape[:3], 0], np.float32)
        starts = range(0, len(lores), self.batch)
        lod = tf.constant(self.lod, tf.float32)
        parts = [self._generate(lores[i : i + self.batch], z[i : i + self.batch], lod).numpy() for i in starts]
        return np.concatenate(parts)


class PhaseSamplers:
    """Samplers of a model in training: one for each phase, which is traced once."""

    def __init__(self, model: LAG):
        """Args: what is trained."""
        self._model, self._sampler = model, None

    def __call__(self, phase: Phase, nimg: int) -> Sampler:
        """The sampler at nimg of a phase."""
        if self._sampler is None or self._sampler.phase != phase:
            self._sampler = Sampler(self._model.sampling_generator, phase, phase.lod(nimg))
        self._sampler.lod = phase.lod(nimg)
        return self._sampler

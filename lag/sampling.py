"""From a trained generator to images: noise maps, candidates, and the grids that show them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from lag.config import LAGConfig
from lag.model import LAG
from lag.networks import Generator
from libml import rng
from libml.checkpoint import latest, restore
from libml.config import from_args, load_args
from libml.images import grid
from libml.layers import DOWNSCALERS, upscale2d
from libml.schedule import Phase

PREVIEW_IMAGES = 8
PREVIEW_STDS = (0.0, 1.0, 1.0, 1.0, 1.0)


def to_hires_size(image: tf.Tensor, lores: tf.Tensor, scale: int) -> tf.Tensor:
    """An image of an earlier stage at the full size, by nearest upscaling: [N, ., ., C] -> [N, scale h, scale w, C]."""
    return upscale2d(image, scale * lores.shape[1] // image.shape[1])


def candidate_stds(count: int) -> np.ndarray:
    """Noise standard deviations rising evenly from 0 to 1; just 0 for one candidate."""
    return np.linspace(0.0, 1.0, count)


def noise_maps(size: Sequence[int], stds: Sequence[float], seed: int, index: int) -> np.ndarray:
    """The noise of one image's candidates, a function of (seed, index of the image, place of the candidate).

    Args:
        size: (h, w, noise_dim).
        stds: standard deviation of each candidate.
        seed: of the noise.
        index: which image.

    Returns:
        float32 [len(stds), h, w, noise_dim].
    """
    maps = [rng.normal(size, rng.key(seed, f"candidate {i}"), index).numpy() for i in range(len(stds))]
    return np.stack([std * z for std, z in zip(stds, maps, strict=True)]).astype(np.float32)


class Sampler:
    """A generator at a level of detail, as a function from (lores, z) to images of the full size."""

    def __init__(self, generator: Generator, phase: Phase, lod: float, batch: int = 16):
        """Args: the generator (the moving average, as a rule); phase and lod it was trained to; images at a time."""
        self.generator, self.batch = generator, batch
        levels = {"lod_start": phase.lod_start, "lod_stop": phase.lod_stop, "lod": tf.constant(lod, tf.float32)}

        @tf.function(autograph=False, reduce_retracing=True)
        def generate(lores, z):
            return upscale2d(generator(lores, z, **levels), 2 ** (generator.lods - phase.lod_stop))

        self._generate = generate

    def __call__(self, lores: np.ndarray, z: np.ndarray) -> np.ndarray:
        """lores [N, h, w, C] in [-1, 1] and z [N, h, w, noise_dim] -> float32 [N, scale h, scale w, C]."""
        starts = range(0, len(lores), self.batch)
        parts = [self._generate(lores[i : i + self.batch], z[i : i + self.batch]).numpy() for i in starts]
        return np.concatenate(parts)

    def candidates(self, lores: np.ndarray, stds: Sequence[float], seed: int, indices: Sequence[int]) -> np.ndarray:
        """Candidates of each image.

        Args:
            lores: [N, h, w, C] in [-1, 1].
            stds: noise standard deviation of each candidate.
            seed: of the noise.
            indices: what names each image; its noise depends on that and not on the other images.

        Returns:
            float32 [N, len(stds), H, W, C].
        """
        size = (*lores.shape[1:3], self.generator.noise_dim)
        z = np.concatenate([noise_maps(size, stds, seed, index) for index in indices])
        images = self(np.repeat(lores, len(stds), axis=0), z)
        return images.reshape(len(lores), len(stds), *images.shape[1:])


def candidates_grid(
    sampler: Sampler, hires: np.ndarray, downscaler: str, stds: Sequence[float], seed: int, indices: Sequence[int]
) -> np.ndarray:
    """A row an image: HR, LR pixelated, then the candidates (paper figures 1 to 4).

    Args:
        sampler: makes the candidates.
        hires: [N, H, W, C] in [-1, 1].
        downscaler: how their LR images are made.
        stds: noise standard deviation of each candidate.
        seed: of the noise.
        indices: what names each image.

    Returns:
        One image [N * H, (2 + len(stds)) * W, C].
    """
    scale = sampler.generator.scale
    lores = DOWNSCALERS[downscaler](tf.constant(hires), scale)
    pixelated = upscale2d(lores, scale).numpy()
    made = sampler.candidates(lores.numpy(), stds, seed, indices)
    return grid(np.concatenate([hires[:, None], pixelated[:, None], made], axis=1))


def preview(model: LAG, hires: np.ndarray, phase: Phase, nimg: int) -> np.ndarray:
    """The candidates grid of fixed test images that training shows: z = 0, then z ~ N(0, 1). [H, W, C]."""
    sampler = Sampler(model.sampler, phase, phase.lod(nimg))
    config = model.config
    return candidates_grid(sampler, hires, config.downscaler, PREVIEW_STDS, config.seed, range(len(hires)))


def load_run(run: str | Path, batch: int = 16) -> tuple[Sampler, LAGConfig]:
    """The sampler of a run's newest checkpoint, and the run's parameters.

    Raises:
        UserError: if the folder holds no trained LAG run.
    """
    args = load_args(run)
    config = from_args(LAGConfig, args)
    nimg, path = latest(Path(run))
    names = ("scale", "blocks", "filters", "filters_min", "noise_dim")
    generator = Generator(colors=args["colors"], **{k: getattr(config, k) for k in names})
    # The same names as in the training checkpoint; what is not named here stays unread.
    method = tf.train.Checkpoint(**{"ema" if config.weight_avg else "generator": generator})
    restore(path, tf.train.Checkpoint(method=method), partial=True)
    phase = config.schedule().phase(nimg)
    return Sampler(generator, phase, phase.lod(nimg), batch), config

"""From a trained generator to images: noise maps, candidates, and the grids that show them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lag.config import LAGConfig
from lag.model import LAG
from lag.networks import Generator
from libml import rng
from libml.checkpoint import latest, list_checkpoints, restore
from libml.config import from_args, load_args
from libml.errors import UserError
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
        self.generator, self.phase, self.lod, self.batch = generator, phase, lod, batch

        @tf.function(autograph=False, reduce_retracing=True)
        def generate(lores, z, lod):
            image = generator(lores, z, lod_start=phase.lod_start, lod_stop=phase.lod_stop, lod=lod)
            return upscale2d(image, 2 ** (generator.lods - phase.lod_stop))

        self._generate = generate

    def __call__(self, lores: np.ndarray, z: np.ndarray) -> np.ndarray:
        """lores [N, h, w, C] in [-1, 1] and z [N, h, w, noise_dim] -> float32 [N, scale h, scale w, C]."""
        starts = range(0, len(lores), self.batch)
        lod = tf.constant(self.lod, tf.float32)
        parts = [self._generate(lores[i : i + self.batch], z[i : i + self.batch], lod).numpy() for i in starts]
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


class Preview:
    """The candidates grid of fixed test images that training shows: z = 0, then z ~ N(0, 1)."""

    def __init__(self, model: LAG, hires: np.ndarray):
        """Args: what is trained; test images [N, H, W, C] in [-1, 1]."""
        self._model, self._hires, self._sampler = model, hires, None

    def __call__(self, phase: Phase, nimg: int) -> np.ndarray:
        """The picture at nimg, [N * H, (2 + columns) * W, C]. Traced once a phase."""
        if self._sampler is None or self._sampler.phase != phase:
            self._sampler = Sampler(self._model.sampler, phase, phase.lod(nimg))
        self._sampler.lod = phase.lod(nimg)
        config, indices = self._model.config, range(len(self._hires))
        return candidates_grid(self._sampler, self._hires, config.downscaler, PREVIEW_STDS, config.seed, indices)


class Trained(NamedTuple):
    """A generator from a checkpoint, and where in its training that was."""

    generator: Generator  # the moving average's weights, or G's own where that is turned off
    config: LAGConfig
    nimg: int

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


def run_colors(args: dict, run: str | Path) -> int:
    """Colour channels of a run, from its args.json.

    Raises:
        UserError: if it does not say.
    """
    if args.get("colors") not in (1, 3):
        raise UserError(f'{run}/args/args.json does not say the number of colours: add "colors": 3, or 1 for grey ones')
    return args["colors"]


def checkpoint_of(run: str | Path, nimg: int | None = None) -> tuple[int, Path]:
    """(nimg, folder) of a run's newest checkpoint, or of the one after nimg images.

    Raises:
        UserError: if the run has none, or not that one.
    """
    newest = latest(Path(run))
    if nimg is None:
        return newest
    kept = dict(list_checkpoints(Path(run) / "tf"))
    if nimg not in kept:
        raise UserError(f"{run} has no checkpoint after {nimg} images: those it has are after {sorted(kept)}")
    return nimg, kept[nimg]


def load_trained(run: str | Path, nimg: int | None = None) -> Trained:
    """The generator of a run's newest checkpoint, or of the one after nimg images.

    Raises:
        UserError: if the folder holds no trained LAG run.
    """
    args = load_args(run)
    config = from_args(LAGConfig, args)
    nimg, path = checkpoint_of(run, nimg)
    names = ("scale", "blocks", "filters", "filters_min", "noise_dim")
    generator = Generator(colors=run_colors(args, run), **{k: getattr(config, k) for k in names})
    # The same names as in the training checkpoint; what is not named here stays unread.
    method = tf.train.Checkpoint(**{"ema" if config.weight_avg else "generator": generator})
    restore(path, tf.train.Checkpoint(method=method), partial=True)
    return Trained(generator, config, nimg)


def load_run(run: str | Path, batch: int = 16) -> tuple[Sampler, LAGConfig]:
    """The sampler of a run's newest checkpoint, and the run's parameters.

    Raises:
        UserError: if the folder holds no trained LAG run.
    """
    trained = load_trained(run)
    return trained.sampler(batch), trained.config

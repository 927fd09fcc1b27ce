"""Candidates: several images of one LR image, from noise maps that do not depend on what else is made with them."""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from libml import rng
from libml.images import grid
from libml.layers.resample import DOWNSCALERS, upscale2d
from libml.page import Figure


def candidate_stds(count: int) -> np.ndarray:
    """Noise standard deviations rising evenly from 0 to 1; just 0 for one candidate."""
    return np.linspace(0.0, 1.0, count)


def noise_maps(
    size: Sequence[int], stds: Sequence[float], seed: int, index: int, map_name: str = "", first: int = 0
) -> np.ndarray:
    """The noise of one image's candidates, a function of (seed, index of the image, place of the candidate).

    Args:
        size: (h, w, channels).
        stds: standard deviation of each candidate.
        seed: of the noise.
        index: which image.
        map_name: tells the maps of a generator that takes several apart.
        first: place of the first candidate.

    Returns:
        float32 [len(stds), h, w, channels].
    """
    keys = [rng.key(seed, f"candidate {i}{map_name}") for i in range(first, first + len(stds))]
    # The numbers of rng.normal(size, key, index), which takes TensorFlow five times as long outside of a graph.
    maps = [rng.normal_parts([0], math.prod(size), key, index).reshape(size) for key in keys]
    return np.stack([std * z for std, z in zip(stds, maps, strict=True)]).astype(np.float32)


class CandidateSampler:
    """A generator as a function from (lores, noise maps) to images of the full size."""

    scale: int

    @property
    def stochastic(self) -> bool:
        """Whether it takes noise at all."""
        return bool(self.noise_shapes(1, 1))

    @property
    def parameters(self) -> int:
        """Numbers that the generator learnt; 0 where there is no generator."""
        generator = getattr(self, "generator", None)
        return generator.count_params() if generator else 0

    def noise_shapes(self, h: int, w: int) -> list[tuple[int, int, int]]:
        """(height, width, channels) of each noise map for an LR image of h x w; none for a deterministic generator."""
        return []

    def __call__(self, lores: np.ndarray, *noise: np.ndarray) -> np.ndarray:
        """lores [N, h, w, C] in [-1, 1] and a map of each shape -> float32 [N, scale h, scale w, C]."""
        raise NotImplementedError

    def candidates(
        self, lores: np.ndarray, stds: Sequence[float], seed: int, indices: Sequence[int], first: int = 0
    ) -> np.ndarray:
        """Candidates of each image.

        Args:
            lores: [N, h, w, C] in [-1, 1].
            stds: noise standard deviation of each candidate.
            seed: of the noise.
            indices: what names each image; its noise depends on that and not on the other images.
            first: place of the first candidate: those of places 3 and 4 are the same whether made with 0 to 2 or alone.

        Returns:
            float32 [N, len(stds), H, W, C].
        """
        noise = []
        for m, shape in enumerate(self.noise_shapes(*lores.shape[1:3])):
            name = f"/{m}" if m else ""
            noise.append(np.concatenate([noise_maps(shape, stds, seed, index, name, first) for index in indices]))
        images = self(np.repeat(lores, len(stds), axis=0), *noise)
        return images.reshape(len(lores), len(stds), *images.shape[1:])


def candidates_grid(
    sampler: CandidateSampler,
    hires: np.ndarray,
    downscaler: str,
    stds: Sequence[float],
    seed: int,
    indices: Sequence[int],
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
    return grid(_cells(sampler, hires, downscaler, stds, seed, indices))


def candidates_figure(
    sampler: CandidateSampler,
    hires: np.ndarray,
    downscaler: str,
    stds: Sequence[float],
    seed: int,
    indices: Sequence[int],
    title: str,
) -> Figure:
    """The images of candidates_grid with a title and a label for each row and column; its arguments, and the title."""
    cells = _cells(sampler, hires, downscaler, stds, seed, indices)
    h, w = (side // sampler.scale for side in hires.shape[1:3])
    columns = ["original", f"input {w} x {h}", *("centre z = 0" if std == 0 else f"noise {std:.2g}" for std in stds)]
    return Figure(title, columns, [(f"#{index}", list(row)) for index, row in zip(indices, cells, strict=True)])


def _cells(sampler, hires, downscaler, stds, seed, indices) -> np.ndarray:
    """[N, 2 + len(stds), H, W, C]"""
    lores = DOWNSCALERS[downscaler](tf.constant(hires), sampler.scale)
    pixelated = upscale2d(lores, sampler.scale).numpy()
    made = sampler.candidates(lores.numpy(), stds, seed, indices)
    return np.concatenate([hires[:, None], pixelated[:, None], made], axis=1)

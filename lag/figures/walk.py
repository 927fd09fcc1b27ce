"""A walk through z as an animation: from the centre to one sample, on to others, and back to the centre."""

import numpy as np

from lag.figures.inputs import Inputs
from libml.page import Figure
from libml.sampler import CandidateSampler, noise_maps

STATIONS = 3  # samples that a walk passes


def path(frames: int) -> np.ndarray:
    """How much of each station's z the noise of each frame has, [frames, STATIONS].

    The walk rises from z = 0 straight to the first station. It goes from station to station on arcs: the noise is
    equally strong all along. It returns straight to z = 0; it is closed, so the frame after the last is the first.
    """
    legs = (STATIONS + 1) * np.arange(frames) / frames
    weights = np.zeros([frames, STATIONS])
    for row, at in zip(weights, legs, strict=True):
        leg, part = int(at), at % 1
        if leg == 0:
            row[0] = part
        elif leg == STATIONS:
            row[-1] = 1 - part
        else:
            row[leg - 1 : leg + 1] = np.cos(part * np.pi / 2), np.sin(part * np.pi / 2)
    return weights


def walk(sampler: CandidateSampler, inputs: Inputs, frames: int, noise: float, seed: int, title: str) -> list[Figure]:
    """The frames of a walk, each a figure of original, input and the image on the way.

    Args:
        sampler: makes the images.
        inputs: what to show; a row each.
        frames: how many.
        noise: standard deviation of z at the stations, which are the samples of places 1, 2, ... of the seed.
        seed: of the noise.
        title: of each frame.
    """
    lores, weights = inputs.downscaled(inputs.hires), noise * path(frames)
    small, (h, w) = inputs.pixelated(lores), lores.shape[1:3]
    ways = [_way(sampler, image, index, weights, seed) for image, index in zip(lores, inputs.indices, strict=True)]
    figures = []
    for i, strength in enumerate(np.linalg.norm(weights, axis=1)):
        rows = zip(inputs.indices, inputs.hires, small, ways, strict=True)
        rows = [(f"#{index}", [hires, pixels, way[i]]) for index, hires, pixels, way in rows]
        figures.append(Figure(title, ["original", f"input {w} x {h}", f"noise {strength:.2f}"], rows))
    return figures


def _way(sampler: CandidateSampler, lores: np.ndarray, index: int, weights: np.ndarray, seed: int) -> np.ndarray:
    """One image on the way, [frames, H, W, C]."""
    maps = []
    for m, shape in enumerate(sampler.noise_shapes(*lores.shape[:2])):
        stations = noise_maps(shape, [1.0] * STATIONS, seed, index, f"/{m}" if m else "", first=1)
        maps.append(np.tensordot(weights, stations, axes=1).astype(np.float32))
    return sampler(np.repeat(lores[None], len(weights), axis=0), *maps)

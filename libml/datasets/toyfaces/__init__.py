"""Toyfaces: an embedded dataset of cartoon faces, drawn from a seed so that the program can be tried without any data.

A face is sampled once (`sample_face`) and can be drawn at any size: its geometry is in face units, and only the pen
makes pixels of it. Each part of the face has a small dataclass in `face`, and a module in `parts` that draws it.

Pictures are the same on every machine: chance comes from PCG64's integers and doubles alone, geometry uses only
correctly rounded arithmetic (see `shapes`) and ends in whole pixels of a larger canvas, and from there on all is
integer arithmetic.
"""

import functools
from collections.abc import Iterator

import numpy as np

from libml.datasets.toyfaces.render import render
from libml.datasets.toyfaces.sampling import sample_face
from libml.images import encode_png
from libml.system.workers import ordered_map

__all__ = ["SEED", "TEST_IMAGES", "TRAIN_IMAGES", "draw_face", "generate", "sample_face"]

TRAIN_IMAGES = 8192  # Faces 0 .. 8191.
TEST_IMAGES = 512  # Faces 8192 .. 8703.
SEED = 0


def draw_face(seed: int, index: int, size: int) -> np.ndarray:
    """Face number `index` of the dataset with this seed: uint8 [size, size, 3]; the same person at every size."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
    return render(sample_face(rng), size)


def generate(seed: int, start: int, stop: int, size: int, workers: int | None = None) -> Iterator[bytes]:
    """The faces `start` .. `stop` - 1 as PNG, in order, each of shape [size, size, 3].

    By default as many processes draw them as is worth it; see `workers.ordered_map`.
    """
    return ordered_map(functools.partial(_png, seed, size), range(start, stop), workers)


def _png(seed: int, size: int, index: int) -> bytes:
    return encode_png(draw_face(seed, index, size), compress_level=1)  # Drawn once, read soon: fast beats small.

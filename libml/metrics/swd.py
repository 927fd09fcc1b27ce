"""Sliced Wasserstein distance between the patches of two sets of images, by size of detail.

As Karras et al. 2018 (progressive growing of GANs, section 5) define it: patches of the levels of a Laplacian
pyramid, each colour channel normalised over the set, and the mean distance of their sorted projections on random
directions. The values are multiplied by 1000, as theirs are.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from scipy.ndimage import correlate1d

from libml import seeds
from libml.metrics.bootstrap import Blocked, blocks

SMALLEST = 16  # pixels a side of the last level
PATCH, PATCHES = 7, 128  # side in pixels, number in each image
REPEATS, DIRECTIONS = 4, 128
CHUNK = 64  # images whose pyramids are in memory at a time
TOGETHER = 16  # directions whose projections are in memory at a time
_BLUR = np.array([1, 4, 6, 4, 1], np.float32) / 16


def seed_of(seed: int) -> int:
    """The seed of the patches and directions, from that of a run or of an evaluation."""
    return seeds.key(seed, "sliced Wasserstein distance")


def _blurred(images: np.ndarray) -> np.ndarray:
    return correlate1d(correlate1d(images, _BLUR, axis=1, mode="mirror"), _BLUR, axis=2, mode="mirror")


def _halved(images: np.ndarray) -> np.ndarray:
    return _blurred(images)[:, ::2, ::2]


def _doubled(images: np.ndarray) -> np.ndarray:
    n, h, w, c = images.shape
    spread = np.zeros([n, 2 * h, 2 * w, c], np.float32)
    spread[:, ::2, ::2] = 4 * images  # three of four pixels are 0
    return _blurred(spread)


def level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes of the levels of an image, the full size first: halved while both sides are even and stay >= 16."""
    sizes = [(height, width)]
    while all(side % 2 == 0 and side // 2 >= SMALLEST for side in sizes[-1]):
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


def pyramid_level(images: np.ndarray, level: int) -> np.ndarray:
    """One level of the Laplacian pyramid of images [N, H, W, C]; the last one is what remains, not a difference."""
    last = len(level_sizes(*images.shape[1:3])) - 1
    current = images.astype(np.float32)
    for _ in range(level):
        current = _halved(current)
    return current if level == last else current - _doubled(_halved(current))


def _patches(images: np.ndarray, level: int, rng: np.random.Generator) -> np.ndarray:
    """Normalised patches of a level at random places: uint8 [N, H, W, C] -> float32 [128 N, 49 C]."""
    colors, near = images.shape[-1], np.arange(PATCH)
    patches = np.empty([len(images) * PATCHES, PATCH, PATCH, colors], np.float32)
    for start in range(0, len(images), CHUNK):
        chunk = pyramid_level(images[start : start + CHUNK], level)
        n, h, w, _ = chunk.shape
        i = np.arange(n).repeat(PATCHES)[:, None, None]
        y = rng.integers(0, h - PATCH + 1, n * PATCHES)[:, None, None] + near[:, None]
        x = rng.integers(0, w - PATCH + 1, n * PATCHES)[:, None, None] + near
        patches[start * PATCHES : (start + n) * PATCHES] = chunk[i, y, x]
    patches -= patches.mean(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)
    # A channel of equal values, as of a flat image, has no scale to be brought to.
    patches /= np.maximum(patches.std(axis=(0, 1, 2), dtype=np.float64), 1e-8).astype(np.float32)
    return patches.reshape(len(patches), -1)


def sliced_distances(a: np.ndarray, b: np.ndarray, rng: np.random.Generator, parts: Sequence[slice] = ()) -> np.ndarray:
    """Mean over 4 x 128 random directions of the mean distance of the sorted projections of a and b, both [N, D].

    Of the whole sets, then of each of their parts: [1 + parts].
    """
    found = np.zeros(1 + len(parts))
    for _ in range(REPEATS):
        directions = rng.standard_normal([DIRECTIONS, a.shape[1]], np.float32)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        for start in range(0, DIRECTIONS, TOGETHER):
            one, other = (directions[start : start + TOGETHER] @ x.T for x in (a, b))
            for i, part in enumerate((slice(None), *parts)):
                apart = np.sort(one[:, part], axis=1) - np.sort(other[:, part], axis=1)
                found[i] += np.abs(apart, out=apart).sum(dtype=np.float64) / apart.shape[1]
    return found / (REPEATS * DIRECTIONS)


def sliced_wasserstein(a: np.ndarray, b: np.ndarray, seed: int) -> dict[int, float]:
    """Distance between two sets of images at each level of detail.

    Args:
        a: uint8 [N, H, W, C], sides of at least 7 pixels.
        b: as many of the same shape.
        seed: of the places and directions.

    Returns:
        Height of the level -> distance x 1000, the full size first.
    """
    return {height: distance.value for height, distance in distances([a], b, seed).items()}


def distances(sets: Iterable[np.ndarray], truth: np.ndarray, seed: int) -> dict[int, Blocked]:
    """The mean distance of sets of images from the true ones, and that of blocks of the images.

    Args:
        sets: uint8 [N, H, W, C], each as large as the truth.
        truth: uint8 [N, H, W, C], sides of at least 7 pixels.
        seed: of the places and directions.

    Returns:
        Height of the level -> distance x 1000, the full size first.
    """
    sets, found = list(sets), {}
    parts = [slice(PATCHES * part.start, PATCHES * part.stop) for part in blocks(len(truth))]
    for level, (height, _) in enumerate(level_sizes(*truth.shape[1:3])):
        # Places of their own for each side: at the same ones, images that keep to the true pixels would look realistic.
        true_patches = _patches(truth, level, np.random.default_rng([seed, level, 1]))
        of_sets = []
        for images in sets:
            patches = _patches(images, level, np.random.default_rng([seed, level, 0]))
            of_sets.append(sliced_distances(patches, true_patches, np.random.default_rng([seed, level, 2]), parts))
        whole, *of_parts = 1000 * np.mean(of_sets, axis=0)
        found[height] = Blocked(float(whole), np.array(of_parts))
    return found

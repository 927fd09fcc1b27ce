"""Sliced Wasserstein distance between the patches of two sets of images, by size of detail.

As Karras et al. 2018 (progressive growing of GANs, section 5) define it: patches of the levels of a Laplacian
pyramid, each colour channel normalised over the set, and the mean distance of their sorted projections on random
directions. The values are multiplied by 1000, as theirs are.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import correlate1d

from libml import seeds
from libml.metrics.bootstrap import Blocked, blocks

SMALLEST = 16  # pixels a side of the last level
PATCH, PATCHES = 7, 128  # side in pixels, number in each image
REPEATS, DIRECTIONS = 4, 128
CHUNK = 64  # images whose pyramids are in memory at a time
TOGETHER = 64  # directions whose projections are in memory at a time
SUMMED = 16  # directions whose distances are one sum: rounding depends on the order
ROWS = 16384  # pixels that are doubles at a time
SETS = 2  # sets of images whose patches are in memory at a time
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
    colors = images.shape[-1]
    patches = np.empty([len(images) * PATCHES, PATCH, PATCH * colors], np.float32)
    for start in range(0, len(images), CHUNK):
        chunk = pyramid_level(images[start : start + CHUNK], level)
        n, h, w, _ = chunk.shape
        y, x = rng.integers(0, h - PATCH + 1, n * PATCHES), rng.integers(0, w - PATCH + 1, n * PATCHES)
        patches[start * PATCHES : (start + n) * PATCHES] = _windows(chunk)[np.arange(n).repeat(PATCHES), y, x]
    pixels = patches.reshape(-1, colors)
    pixels -= pixels.mean(axis=0, dtype=np.float64).astype(np.float32)
    # A channel of equal values, as of a flat image, has no scale to be brought to.
    pixels /= np.maximum(_deviation(pixels), 1e-8).astype(np.float32)
    return patches.reshape(len(patches), -1)


def _windows(images: np.ndarray) -> np.ndarray:
    """All patches of images [N, H, W, C] without a copy: [N, H - 6, W - 6, 7, 7 C]."""
    rows = sliding_window_view(images.reshape(*images.shape[:2], -1), (PATCH, PATCH * images.shape[-1]), (1, 2))
    return rows[:, :, :: images.shape[-1]]


def _deviation(pixels: np.ndarray) -> np.ndarray:
    """Standard deviation of each colour of float32 [M, C], as float64 [C], without a copy of all of them."""
    mean, squares = pixels.mean(axis=0, dtype=np.float64), 0.0
    for start in range(0, len(pixels), ROWS):
        apart = pixels[start : start + ROWS] - mean
        squares = squares + np.einsum("ij,ij->j", apart, apart)
    return np.sqrt(squares / len(pixels))


def sliced_distances(
    sets: Sequence[np.ndarray], truth: np.ndarray, rng: np.random.Generator, parts: Sequence[slice] = ()
) -> np.ndarray:
    """Mean over 4 x 128 random directions of the mean distance of the sorted projections of each set and the truth.

    Args:
        sets: points [N, D].
        truth: as many points [N, D].
        rng: draws the directions.
        parts: of the points, which are compared by themselves, too.

    Returns:
        Of the whole sets, then of each of their parts: [sets, 1 + parts].
    """
    found, parts = np.zeros([len(sets), 1 + len(parts)]), (slice(None), *parts)
    for _ in range(REPEATS):
        directions = rng.standard_normal([DIRECTIONS, truth.shape[1]], np.float32)
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        for start in range(0, DIRECTIONS, TOGETHER):
            some = directions[start : start + TOGETHER]
            true = some @ truth.T
            true = [np.sort(true[:, part], axis=1) for part in parts]
            for i, points in enumerate(sets):
                made = some @ points.T
                for j, part in enumerate(parts):
                    apart = np.sort(made[:, part], axis=1)
                    apart = np.abs(np.subtract(apart, true[j], out=apart), out=apart)
                    for line in range(0, TOGETHER, SUMMED):
                        found[i, j] += apart[line : line + SUMMED].sum(dtype=np.float64) / apart.shape[1]
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
        for start in range(0, len(sets), SETS):
            some = [_patches(s, level, np.random.default_rng([seed, level, 0])) for s in sets[start : start + SETS]]
            of_sets += [*sliced_distances(some, true_patches, np.random.default_rng([seed, level, 2]), parts)]
        whole, *of_parts = 1000 * np.mean(of_sets, axis=0)
        found[height] = Blocked(float(whole), np.array(of_parts))
    return found

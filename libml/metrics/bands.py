"""How strong the details of each size are: standard deviations of the levels of the Laplacian pyramid.

The sliced Wasserstein distance divides each set of patches by its own standard deviation, so it does not see how strong
details are, nor how contrasted colours.
"""

from collections.abc import Sequence

import numpy as np

from libml.metrics.bootstrap import Blocked, blocks
from libml.metrics.swd import CHUNK, level_sizes, pyramid_level


def moments(images: np.ndarray) -> np.ndarray:
    """Mean and mean square of each level and colour of each image: [N, H, W, C] -> float64 [N, levels, C, 2]."""
    levels = len(level_sizes(*images.shape[1:3]))
    found = np.empty([len(images), levels, images.shape[-1], 2])
    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        for level in range(levels):
            pixels = pyramid_level(images[part], level).astype(np.float64)
            found[part, level, :, 0] = pixels.mean(axis=(1, 2))
            found[part, level, :, 1] = np.square(pixels).mean(axis=(1, 2))
    return found


def ratios(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Standard deviation of a set over that of the truth, the mean over colours, for each level.

    Args:
        images: moments, averaged over the set, [levels, C, 2].
        truth: the same of the true images.

    Returns:
        [levels], the full size first; 1 when right. nan where the truth is flat.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        of_colors = _deviation(images) / _deviation(truth)
    return np.where(np.isfinite(of_colors), of_colors, np.nan).mean(axis=-1)


def compare(sets: Sequence[np.ndarray], of_truth: np.ndarray) -> dict[int, Blocked]:
    """Ratios of several sets together.

    Args:
        sets: uint8 [N, H, W, C], each as large as the truth.
        of_truth: moments of the N true images.

    Returns:
        Height of the level -> ratio, the full size first.
    """
    of_images = np.mean([moments(images) for images in sets], axis=0)

    def of(part: slice) -> np.ndarray:
        return ratios(of_images[part].mean(axis=0), of_truth[part].mean(axis=0))

    whole, parts = of(slice(None)), np.array([of(part) for part in blocks(len(of_truth))])
    heights = [height for height, _ in level_sizes(*sets[0].shape[1:3])]
    return {height: Blocked(float(whole[i]), parts[:, i]) for i, height in enumerate(heights)}


def _deviation(mean_moments: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(mean_moments[..., 1] - np.square(mean_moments[..., 0]), 0))

"""Standard errors: how far a number would move if other images of the same kind had been measured.

Means over images, and what is computed of such means: bootstrap (Efron 1979). Images are drawn with replacement, the
same ones for every row and measure, so that differences of rows may be compared resample by resample. Distances between
sets, which a repeated image would bend: blocks of images, each measured by itself.
"""

from collections.abc import Callable, Sequence

import numpy as np

RESAMPLES = 200
BLOCKS = 10

Statistic = Callable[[np.ndarray], float]  # means of the components [C...] -> a number


def resamples(count: int, seed: int) -> np.ndarray:
    """The share that each of `count` images has in each resample, float64 [RESAMPLES, count]; rows sum to 1."""
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES) / count


def standard_error(components: np.ndarray, statistic: Statistic, shares: np.ndarray) -> float:
    """Bootstrap error of a statistic of means over images.

    Args:
        components: what each image adds, [N, ...].
        statistic: of their mean, [...].
        shares: of the images in the resamples, [R, N].
    """
    means = np.tensordot(shares, components, axes=1)
    return float(np.std([statistic(mean) for mean in means], ddof=1))


def blocks(count: int) -> list[slice]:
    """Up to BLOCKS runs of equally many of `count` images, 2 or more each; the last few images are in none."""
    each = max(2, count // BLOCKS)
    return [slice(start, start + each) for start in range(0, count - each + 1, each)][:BLOCKS]


def error_of_blocks(values: Sequence[float]) -> float:
    """Standard error of a measure of a whole set, from its values on blocks; nan of a single block."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")

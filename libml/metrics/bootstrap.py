"""Standard errors: how far a number would move if other images of the same kind had been measured.

Means over images, and what is computed of such means: bootstrap (Efron 1979). Images are drawn with replacement, the
same ones for every row and measure, so that differences of rows may be compared resample by resample. Distances between
sets, which a repeated image would bend: blocks of images, each measured by itself.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

RESAMPLES = 200
BLOCKS = 10

Statistic = Callable[[np.ndarray], np.ndarray]  # means of the components [...] -> a number or several


class Blocked(NamedTuple):
    """A measure of whole sets, and of blocks of them."""

    value: float
    blocks: np.ndarray  # [B], its value on each block of images

    @property
    def draws(self) -> np.ndarray:
        """By how much the value may be off, [B]: their standard deviation is its standard error; none of one block."""
        return (self.blocks - self.blocks.mean()) / np.sqrt(len(self.blocks)) if len(self.blocks) > 1 else np.empty(0)

    @property
    def error(self) -> float:
        """Standard error of the value; nan of a single block."""
        return spread(self.draws)

    @classmethod
    def mean(cls, several: Sequence["Blocked"]) -> "Blocked":
        """Their mean, block by block."""
        return cls(float(np.mean([b.value for b in several])), np.mean([b.blocks for b in several], axis=0))


def resamples(count: int, seed: int) -> np.ndarray:
    """The share that each of `count` images has in each resample, float64 [RESAMPLES, count]; rows sum to 1."""
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES) / count


def draws(components: np.ndarray, statistic: Statistic, shares: np.ndarray) -> np.ndarray:
    """By how much a statistic of means over images may be off, as the bootstrap has it: [R], or [R, ...] of several.

    Args:
        components: what each image adds, [N, ...].
        statistic: of their mean, [...].
        shares: of the images in the resamples, [R, N].
    """
    means = np.tensordot(shares, components, axes=1)
    return np.array([statistic(mean) for mean in means]) - statistic(components.mean(axis=0))


def spread(draws: np.ndarray) -> float:
    """Standard error, from draws [R]; nan of fewer than two."""
    return float(np.std(draws, ddof=1)) if len(draws) > 1 else float("nan")


def blocks(count: int, least: int = 2) -> list[slice]:
    """Up to BLOCKS runs of equally many of `count` images, `least` or more each; the last few images are in none."""
    each = max(least, count // BLOCKS)
    return [slice(start, start + each) for start in range(0, count - each + 1, each)][:BLOCKS]


def blocked(measure: Callable[[np.ndarray, np.ndarray], float], a: np.ndarray, b: np.ndarray) -> Blocked:
    """A measure of two sets of as many images or features [N, ...], and of their blocks."""
    return Blocked(measure(a, b), np.array([measure(a[part], b[part]) for part in blocks(len(a))]))

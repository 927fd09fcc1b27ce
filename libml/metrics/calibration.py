"""Whether the truth could be one of the samples of an input: its rank among them, and how near the nearest comes.

The centre of an input is its image at z = 0, which depends on neither truth nor samples. Where the samples are drawn
from p(x | y), the truth is as likely to be the nearest to the centre as the second nearest and so on: each rank of the
M + 1 images is met equally often. More high ranks: the samples are too alike. More low ranks: they are too spread.
"""

import numpy as np


def rank_shares(samples: np.ndarray, target: np.ndarray, center: np.ndarray) -> np.ndarray:
    """The truth's rank by its distance to the centre among the samples', as shares [M + 1]; ties share alike.

    Args:
        samples: uint8 [M, H, W, C].
        target: uint8 [H, W, C].
        center: uint8 [H, W, C].
    """
    own, others = _squares(target[None], center)[0], _squares(samples, center)
    first, ties = np.count_nonzero(others < own), np.count_nonzero(others == own)
    shares = np.zeros(len(samples) + 1)
    shares[first : first + ties + 1] = 1 / (ties + 1)
    return shares


def mean_rank(shares: np.ndarray) -> float:
    """The mean of the rank over its largest: 0.5 when right, above it where the samples are too alike; [M + 1]."""
    return float(shares @ np.arange(len(shares)) / (len(shares) - 1))


def miscalibration(shares: np.ndarray) -> float:
    """Mean difference of the ranks' distribution function from that of equal shares [M + 1]: 0 to 0.5."""
    return float(np.abs(np.cumsum(shares - 1 / len(shares)))[:-1].mean())


def nearest(samples: np.ndarray, target: np.ndarray) -> np.ndarray:
    """RMS distance from the truth of the nearest of the first 1, 2, ... M samples, grey levels [M]."""
    return np.sqrt(np.minimum.accumulate(_squares(samples, target)))


def _squares(samples: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Mean square difference of each sample [M, H, W, C] from [H, W, C], one at a time."""
    return np.array([np.square(sample.astype(np.float64) - target).mean() for sample in samples])

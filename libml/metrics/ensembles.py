"""Whether the samples of an input are spread as they should be: energy score, spread ratio, gain of the mean.

Let x be the truth, G and G' two samples, |.| the root of the mean square over pixels and colours. Where the samples are
drawn from p(x | y), truth and samples cannot be told apart, so |G - G'| is |x - G| on average, the energy score
|x - G| - |G - G'| / 2 is the smallest of all (Gneiting and Raftery 2007), and the mean of n samples has (n + 1) / 2n of
the squared error that one sample has.
"""

from typing import NamedTuple

import numpy as np

from libml.metrics.distances import BEST_PSNR, CHUNK, pairwise_rms


class Ensemble(NamedTuple):
    """The samples of one input against their truth."""

    error: float  # mean of |x - G|
    distance: float  # mean of |G - G'| over pairs; 0 for a single sample
    mse: float  # mean of |x - G|^2
    mse_of_mean: float  # |x - mean of the samples|^2


def ensemble(samples: np.ndarray, target: np.ndarray) -> Ensemble:
    """Distances of the samples [M, H, W, C] of an input from the truth [H, W, C] and from each other."""
    truth, squares, total = target.astype(np.float64), [], np.zeros(target.shape)
    for start in range(0, len(samples), CHUNK):
        chunk = samples[start : start + CHUNK].astype(np.float64)
        squares.append(np.square(chunk - truth).reshape(len(chunk), -1).mean(axis=1))
        total += chunk.sum(axis=0)
    squares = np.concatenate(squares)
    distance = pairwise_rms(samples) if len(samples) > 1 else 0.0
    of_mean = np.square(total / len(samples) - truth).mean()
    return Ensemble(float(np.sqrt(squares).mean()), distance, float(squares.mean()), float(of_mean))


def energy_score(error: float, distance: float) -> float:
    """|x - G| - |G - G'| / 2, each a mean over images: the smaller the better, strictly proper."""
    return float(error - distance / 2)


def spread_ratio(error: float, distance: float) -> float:
    """|G - G'| / |x - G|, each a mean over images: 1 when right, below 1 for samples that are too alike."""
    return float(distance / error) if error else float("nan")


def gain_of_mean(mse: float, mse_of_mean: float) -> float:
    """PSNR of the mean of the samples minus that of one, in dB, of squared errors that are means over images."""
    return float(_psnr(mse_of_mean) - _psnr(mse))


def ideal_gain(samples: int) -> float:
    """What gain_of_mean is where samples are spread as the truth is: 10 log10(2n / (n + 1)) dB."""
    return float(10 * np.log10(2 * samples / (samples + 1)))


def _psnr(mse: float) -> float:
    return min(BEST_PSNR, 10 * np.log10(255**2 / mse)) if mse else BEST_PSNR

"""How near images are to the truth, and how far the samples of one input are from each other."""

import numpy as np
import tensorflow as tf
from scipy.spatial.distance import cdist, pdist

from libml.layers.resample import downscale2d

BEST_PSNR = 100.0  # dB; what equal images count as, so that a mean stays a number
SSIM_SIZE = 11  # pixels a side: the window of SSIM
CHUNK = 32  # samples of an image that are compared at a time
MS_SSIM_SIZE = 161  # the window still fits after MS-SSIM has halved the image four times


def psnr(images: np.ndarray, targets: np.ndarray, max_val: float) -> np.ndarray:
    """Peak signal-to-noise ratio in dB, at most 100: two arrays [N, H, W, C] -> [N].

    Args:
        images: any type; floats are taken as they are.
        targets: what they should be.
        max_val: width of the range of values: 255 for uint8, 2 for [-1, 1].
    """
    return np.minimum(tf.image.psnr(images, targets, max_val).numpy(), BEST_PSNR)


def ssim(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Structural similarity (Wang et al. 2004): two uint8 arrays [N, H, W, C] -> [N]; 1 for equal images.

    Height and width are at least SSIM_SIZE.
    """
    return tf.image.ssim(images, targets, 255).numpy()


def ms_ssim(images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """SSIM over five scales (Wang et al. 2003): two uint8 arrays [N, H, W, C] -> [N]; 1 for equal images.

    Height and width are at least MS_SSIM_SIZE.
    """
    return tf.image.ssim_multiscale(images, targets, 255).numpy()


def pairwise_rms(samples: np.ndarray) -> float:
    """Mean over all pairs of two samples of the RMS of their difference; samples [M, ...], M at least 2."""
    points, total = samples.reshape(len(samples), -1), 0.0
    chunks = [points[i : i + CHUNK] for i in range(0, len(points), CHUNK)]
    for i, chunk in enumerate(chunks):
        rows = chunk.astype(np.float64)
        total += pdist(rows).sum() + sum(cdist(rows, other.astype(np.float64)).sum() for other in chunks[i + 1 :])
    pairs = len(points) * (len(points) - 1) // 2
    return float(total / pairs / np.sqrt(points.shape[1]))


def space_score(samples: np.ndarray, target: np.ndarray, box: int = 1) -> float:
    """How much better the best sample of each place is than the best sample of the whole image, in percent.

    The score of the NTIRE 2021 challenge on learning the super-resolution space (Lugmayr et al. 2021),
    100 (global - local) / global, where d(m, i) is how far sample m is from the truth at place i,
    global = min over m of the mean over i of d(m, i), and local = the mean over i of the min over m of d(m, i).
    0 for equal samples. The challenge's d is the map of LPIPS; here it is the squared error, averaged over colours
    and over boxes of box x box pixels.

    Args:
        samples: [M, H, W, C].
        target: [H, W, C].
        box: side of a place in pixels, a divisor of H and W.
    """
    best, local = np.inf, np.inf
    for start in range(0, len(samples), CHUNK):
        chunk = samples[start : start + CHUNK].astype(np.float32)
        errors = np.square(chunk - target.astype(np.float32)).mean(-1, keepdims=True)
        distances = downscale2d(tf.constant(errors), box).numpy().reshape(len(chunk), -1).astype(np.float64)
        best = min(best, distances.mean(axis=1).min())
        local = np.minimum(local, distances.min(axis=0))
    return _space_score(best, local.mean())


def space_score_of_maps(distances: np.ndarray) -> float:
    """space_score with d given: maps [M, h, w] of any kind of distance of M samples from the truth."""
    return _space_score(distances.mean(axis=(1, 2)).min(), distances.min(axis=0).mean())


def _space_score(best: float, local: float) -> float:
    return float(100 * (best - local) / best) if best else 0.0

"""How two sets of images differ in their colours, their smallest patterns and their frequencies."""

from collections.abc import Callable, Iterable

import numpy as np

from libml.metrics.bootstrap import Blocked, blocks

CHUNK = 64  # images that are worked on at a time
_AROUND = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))
FLOOR = 1e-3  # grey levels squared: below it, power is what rounding leaves


def colors(images: np.ndarray) -> np.ndarray:
    """Share of each grey level in each colour: uint8 [N, H, W, C] -> [C, 256]."""
    counts = np.zeros([images.shape[-1], 256])
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK].reshape(-1, images.shape[-1])
        counts += np.stack([np.bincount(levels, minlength=256) for levels in part.T])
    return counts / counts.sum(axis=1, keepdims=True)


def color_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean over colours of the 1-Wasserstein distance of two histograms [C, 256], in grey levels."""
    return float(np.abs(np.cumsum(a - b, axis=1)).sum(axis=1).mean())


def patterns(images: np.ndarray) -> np.ndarray:
    """Share of each local binary pattern (Ojala et al. 2002): uint8 [N, H, W, C] -> [256].

    The pattern of a 3 x 3 patch has a bit for each of the 8 pixels around the middle one: is it at least as bright? The
    brightness is the sum of the colours.
    """
    counts = np.zeros(256)
    for start in range(0, len(images), CHUNK):
        bright = images[start : start + CHUNK].sum(axis=-1, dtype=np.int32)
        h, w = bright.shape[1:]
        middle = bright[:, 1:-1, 1:-1]
        codes = np.zeros(middle.shape, np.uint8)
        for bit, (y, x) in enumerate(_AROUND):
            codes |= (bright[:, 1 + y : h - 1 + y, 1 + x : w - 1 + x] >= middle).astype(np.uint8) << bit
        counts += np.bincount(codes.ravel(), minlength=256)
    return counts / counts.sum()


def pattern_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Total variation distance of two histograms [256], 0 to 1."""
    return float(np.abs(a - b).sum() / 2)


def colors_in_blocks(images: np.ndarray) -> np.ndarray:
    """colors of images [N, H, W, C], then of each block of them: [1 + blocks, C, 256]."""
    return _in_blocks(colors, images)


def patterns_in_blocks(images: np.ndarray) -> np.ndarray:
    """patterns of images [N, H, W, C], then of each block of them: [1 + blocks, 256]."""
    return _in_blocks(patterns, images)


def compare_colors(sets: Iterable[np.ndarray], of_truth: np.ndarray) -> Blocked:
    """color_distance of all images of the sets [N, H, W, C] from N true ones, of which this is colors_in_blocks."""
    return _compare([colors_in_blocks(images) for images in sets], of_truth, color_distance)


def compare_patterns(sets: Iterable[np.ndarray], of_truth: np.ndarray) -> Blocked:
    """pattern_distance of all images of the sets [N, H, W, C] from N true ones, of which this is patterns_in_blocks."""
    return _compare([patterns_in_blocks(images) for images in sets], of_truth, pattern_distance)


def _in_blocks(histogram: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    return np.stack([histogram(images[part]) for part in (slice(None), *blocks(len(images)))])


def _compare(of_sets: list[np.ndarray], of_truth: np.ndarray, distance: Callable) -> Blocked:
    whole, *of_parts = (distance(a, b) for a, b in zip(np.mean(of_sets, axis=0), of_truth, strict=True))
    return Blocked(whole, np.array(of_parts))


def spectra(images: np.ndarray) -> np.ndarray:
    """Radial power spectrum of each image: [N, H, W, C] -> float64 [N, R], R half the shorter side.

    The mean over colours and over rings of frequencies 1, 2, ... cycles a shorter side of |DFT|^2 / (H W) of the image
    under a Hann window, its mean taken off.
    """
    h, w = images.shape[1:3]
    side = min(h, w)
    window = np.hanning(h + 2)[1:-1, None] * np.hanning(w + 2)[1:-1]
    radius = np.hypot(np.fft.fftfreq(h)[:, None], np.fft.rfftfreq(w)) * side
    ring = np.rint(radius).astype(int)
    rings = np.arange(1, side // 2 + 1)
    counts = np.bincount(ring.ravel(), minlength=side)[rings]
    found = np.empty([len(images), len(rings)])
    for start in range(0, len(images), CHUNK):
        part = images[start : start + CHUNK].astype(np.float64)
        part = (part - part.mean(axis=(1, 2), keepdims=True)) * window[..., None]
        power = (np.abs(np.fft.rfft2(part, axes=(1, 2))) ** 2).mean(axis=-1) / (h * w)
        for i, image in enumerate(power):
            found[start + i] = np.bincount(ring.ravel(), image.ravel(), minlength=side)[rings] / counts
    return found


def spectrum_distance(mean_spectra: np.ndarray) -> float:
    """Mean over frequencies of the difference of two mean spectra [2, R] in dB."""
    a, b = 10 * np.log10(np.maximum(mean_spectra, FLOOR))
    return float(np.abs(a - b).mean())

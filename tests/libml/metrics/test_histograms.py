"""Colours, patterns and spectra against SciPy, loops and closed forms."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from libml.metrics import histograms
from tests.support.images import blobs


def test_color_distance_is_scipys():
    a, b = blobs(20, 16), blobs(30, 16, seed=1) // 2
    expected = np.mean([wasserstein_distance(a[..., c].ravel(), b[..., c].ravel()) for c in range(3)])
    assert histograms.color_distance(histograms.colors(a), histograms.colors(b)) == pytest.approx(expected)


def test_patterns_written_out():
    images = np.random.default_rng(0).integers(0, 256, [70, 8, 9, 1], np.uint8)  # more than are worked on at a time
    shares = histograms.patterns(images)
    expected = np.zeros(256)
    for image in images[..., 0].astype(int):
        for y in range(1, 7):
            for x in range(1, 8):
                ring = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
                expected[sum(2**i for i, (v, u) in enumerate(ring) if image[y + v, x + u] >= image[y, x])] += 1
    np.testing.assert_allclose(shares, expected / expected.sum())
    assert histograms.pattern_distance(shares, shares) == 0
    assert histograms.pattern_distance(np.eye(256)[0], np.eye(256)[1]) == 1


def test_sets_are_compared_as_a_whole_and_in_blocks():
    truth = blobs(40, 16)
    colors, patterns = histograms.colors_in_blocks(truth), histograms.patterns_in_blocks(truth)
    for compare, of_truth in ((histograms.compare_colors, colors), (histograms.compare_patterns, patterns)):
        same, other = compare([truth, truth], of_truth), compare([truth, 255 - truth], of_truth)
        assert same.value == 0 and len(same.blocks) == 10 and other.value > 0 and np.all(other.blocks > 0)
    one = histograms.compare_colors([truth + 1 - (truth == 255)], colors)
    assert one.value == pytest.approx(np.mean(truth != 255))


def test_a_wave_has_the_power_of_its_frequency():
    at = np.arange(32) / 32
    wave = np.broadcast_to(50 * np.sin(2 * np.pi * 5 * at)[:, None, None], [32, 32, 1])
    spectrum = histograms.spectra(np.stack([wave] * 70))
    assert spectrum.shape == (70, 16) and np.argmax(spectrum[69]) == 4  # cycles from 1 on
    assert spectrum[0, [2, 3, 4, 5, 6]].sum() > 0.99 * spectrum[0].sum()


def test_white_noise_has_a_flat_spectrum_of_its_variance():
    noise = np.random.default_rng(0).normal(0, 20, [200, 24, 32, 3])
    h, w = np.hanning(26)[1:-1], np.hanning(34)[1:-1]
    expected = 400 * np.mean(h**2) * np.mean(w**2)
    np.testing.assert_allclose(histograms.spectra(noise).mean(axis=0)[1:], expected, rtol=0.05)
    twice = np.stack([np.full(12, 2.0), np.full(12, 1.0)])
    assert histograms.spectrum_distance(twice) == pytest.approx(10 * np.log10(2))

"""Strength of details against a pyramid written out."""

import numpy as np
import pytest
from scipy.signal import convolve2d

from libml.metrics import bands
from tests.support.images import blobs

KERNEL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def blurred(x):
    return convolve2d(np.pad(x, 2, mode="reflect"), KERNEL, mode="valid")


def two_levels(x):
    """The Laplacian pyramid of one colour of 32 pixels."""
    small = blurred(x)[::2, ::2]
    spread = np.zeros_like(x)
    spread[::2, ::2] = 4 * small
    return x - blurred(spread), small


def test_ratios_written_out():
    truth, images = blobs(5, 32).astype(float), blobs(4, 32, seed=1).astype(float)
    images[..., 2] = images[..., 2] / 3 + 40
    found = bands.ratios(*(bands.moments(np.uint8(x)).mean(axis=0) for x in (images, truth)))

    def deviations(x):
        pyramids = [[two_levels(np.floor(image[..., c])) for c in range(3)] for image in x]
        return [[np.std([p[c][level] for p in pyramids]) for c in range(3)] for level in range(2)]

    expected = (np.array(deviations(images)) / deviations(truth)).mean(axis=1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_grain_shows_at_the_finest_level_and_blur_as_well():
    truth = blobs(80, 32)  # more than are worked on at a time
    grain = np.uint8(np.clip(truth + np.random.default_rng(0).normal(0, 20, truth.shape), 0, 255))
    small = bands.moments(truth)
    fine, coarse = bands.ratios(bands.moments(grain).mean(axis=0), small.mean(axis=0))
    assert fine > 1.3 and coarse == pytest.approx(1, abs=0.05)
    assert bands.ratios(small.mean(axis=0), small.mean(axis=0)) == pytest.approx([1, 1])
    assert np.all(np.isnan(bands.ratios(small.mean(axis=0), 0 * small.mean(axis=0))))

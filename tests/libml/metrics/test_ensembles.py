"""Energy score, spread and gain against written-out loops and closed forms."""

import itertools

import numpy as np
import pytest

from libml.metrics import ensembles
from libml.metrics.distances import CHUNK

RNG = np.random.default_rng(0)


def rms(a, b):
    return np.sqrt(np.mean((a.astype(float) - b.astype(float)) ** 2))


@pytest.mark.parametrize("count", [1, 2, 5, CHUNK + 3])
def test_distances_of_an_input_written_out(count):
    truth = RNG.integers(0, 256, [6, 4, 3], np.uint8)
    samples = RNG.integers(0, 256, [count, 6, 4, 3], np.uint8)
    found = ensembles.ensemble(samples, truth)
    assert found.error == pytest.approx(np.mean([rms(s, truth) for s in samples]), rel=1e-12)
    pairs = [rms(a, b) for a, b in itertools.combinations(samples, 2)]
    assert found.distance == pytest.approx(np.mean(pairs) if pairs else 0, rel=1e-12)
    assert found.mse == pytest.approx(np.mean([rms(s, truth) ** 2 for s in samples]), rel=1e-12)
    assert found.mse_of_mean == pytest.approx(rms(samples.mean(axis=0), truth) ** 2, rel=1e-12)


def test_numbers_of_fixed_distances():
    assert ensembles.energy_score(40.0, 36.0) == 22.0
    assert ensembles.spread_ratio(40.0, 36.0) == 0.9
    assert np.isnan(ensembles.spread_ratio(0.0, 0.0))
    assert ensembles.gain_of_mean(200.0, 100.0) == pytest.approx(3.0103, abs=1e-4)
    assert ensembles.gain_of_mean(0.0, 0.0) == 0
    assert [ensembles.ideal_gain(n) for n in (1, 5, 8)] == pytest.approx([0, 2.2185, 2.4988], abs=1e-4)


def test_samples_drawn_as_the_truth_have_a_spread_of_1_and_the_least_energy():
    """Truth and samples are m + s N(0, 1): |x - G| is s sqrt(2) for s = 1, and sqrt(1 + s^2) else."""
    centers = RNG.normal(size=[400, 1, 16, 16, 1]) * 50

    def measured(spread):
        truth = centers[:, 0] + RNG.normal(size=[400, 16, 16, 1])
        samples = centers + spread * RNG.normal(size=[400, 5, 16, 16, 1])
        return np.mean([ensembles.ensemble(s, t) for s, t in zip(samples, truth, strict=True)], axis=0)

    error, distance, mse, mse_of_mean = right = measured(1.0)
    assert ensembles.spread_ratio(error, distance) == pytest.approx(1, abs=0.01)
    assert ensembles.gain_of_mean(mse, mse_of_mean) == pytest.approx(ensembles.ideal_gain(5), abs=0.05)
    scores = [ensembles.energy_score(*found[:2]) for found in (right, measured(0.5), measured(2.0), measured(0.0))]
    expected = [np.sqrt(1 + s**2) - np.sqrt(2) * s / 2 for s in (1, 0.5, 2, 0)]
    assert scores == pytest.approx(expected, abs=0.01) and min(scores) == scores[0]

"""Ranks and nearest samples, by hand and of known distributions."""

import numpy as np
import pytest

from libml.metrics import calibration


def grey(*levels):
    return np.uint8(levels)[:, None, None, None] * np.ones([1, 2, 3, 1], np.uint8)


def test_ranks_by_hand():
    center = grey(100)[0]
    samples = grey(90, 105, 130)  # 10, 5 and 30 from the centre
    for truth, expected in ((101, [1, 0, 0, 0]), (107, [0, 1, 0, 0]), (80, [0, 0, 1, 0]), (60, [0, 0, 0, 1])):
        assert calibration.rank_shares(samples, grey(truth)[0], center).tolist() == expected
    assert calibration.rank_shares(samples, grey(110)[0], center).tolist() == [0, 0.5, 0.5, 0]  # as far as one sample
    assert calibration.rank_shares(grey(100, 100), center, center).tolist() == pytest.approx([1 / 3] * 3)


def test_numbers_of_ranks():
    assert calibration.mean_rank(np.array([0, 0, 0, 1.0])) == 1
    assert calibration.mean_rank(np.full(4, 0.25)) == pytest.approx(0.5)
    assert calibration.miscalibration(np.full(4, 0.25)) == pytest.approx(0)
    # Distribution function 0, 0, 0 against 1/4, 2/4, 3/4.
    assert calibration.miscalibration(np.array([0, 0, 0, 1.0])) == pytest.approx(0.5)
    assert calibration.miscalibration(np.array([0.5, 0, 0, 0.5])) == pytest.approx((1 / 4 + 0 + 1 / 4) / 3)


def test_samples_drawn_as_the_truth_are_calibrated():
    rng = np.random.default_rng(0)

    def shares(spread):
        center = np.full([4, 4, 1], 128.0)
        found = []
        for _ in range(600):
            size = rng.gamma(2, 10)  # of this input
            truth = center + rng.normal(0, size, center.shape)
            found.append(calibration.rank_shares(center + rng.normal(0, spread * size, [5, 4, 4, 1]), truth, center))
        return np.mean(found, axis=0)

    right, narrow, wide = (shares(spread) for spread in (1, 0.7, 1.5))
    np.testing.assert_allclose(right, 1 / 6, atol=0.05)
    assert calibration.miscalibration(right) < 0.03
    assert calibration.mean_rank(wide) < 0.35 and calibration.mean_rank(narrow) > 0.65
    assert min(calibration.miscalibration(narrow), calibration.miscalibration(wide)) > 0.15


def test_nearest_of_the_first_samples():
    truth = grey(50)[0]
    assert calibration.nearest(grey(60, 80, 47, 54), truth).tolist() == [10, 10, 3, 3]

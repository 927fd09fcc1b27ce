"""Standard errors against closed forms."""

import numpy as np
import pytest

from libml.metrics import bootstrap

RNG = np.random.default_rng(0)


def standard_error(components, statistic, shares):
    return bootstrap.spread(bootstrap.draws(components, statistic, shares))


def test_error_of_a_mean_is_the_textbooks():
    values = RNG.normal(5, 3, 400)
    shares = bootstrap.resamples(400, 0)
    assert shares.shape == (200, 400) and shares.sum(axis=1) == pytest.approx(1)
    assert standard_error(values, float, shares) == pytest.approx(values.std() / 20, rel=0.15)
    root = standard_error(values**2, np.sqrt, shares)  # by the delta method
    assert root == pytest.approx((values**2).std() / 20 / 2 / np.sqrt((values**2).mean()), rel=0.15)


def test_error_of_a_ratio_of_means_is_that_of_paired_values():
    error = RNG.uniform(1, 100, [300, 1])
    components = np.concatenate([error, 0.9 * error], axis=1)  # they rise and fall together
    shares = bootstrap.resamples(300, 1)
    assert standard_error(components, lambda m: m[1] / m[0], shares) < 1e-12
    assert standard_error(components[:, 0], float, shares) > 0.5


def test_the_seed_decides():
    first, again, other = (bootstrap.resamples(20, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_blocks():
    assert bootstrap.blocks(1000)[:2] == [slice(0, 100), slice(100, 200)] and len(bootstrap.blocks(1000)) == 10
    assert len(bootstrap.blocks(1009)) == 10 and bootstrap.blocks(1009)[-1].stop == 1000
    assert bootstrap.blocks(7) == [slice(0, 2), slice(2, 4), slice(4, 6)] and bootstrap.blocks(3) == [slice(0, 2)]


def test_error_of_what_is_measured_in_blocks():
    a, b = RNG.normal(0, 3, 1000), RNG.normal(0, 1, 1000)
    found = bootstrap.blocked(lambda x, y: x.mean() - y.mean(), a, b)
    assert found.value == a.mean() - b.mean()
    means = (a - b).reshape(10, 100).mean(axis=1)
    assert found.error == pytest.approx(np.std(means, ddof=1) / 10**0.5)
    other = bootstrap.Blocked(found.value + 2, found.blocks + 2)
    assert bootstrap.Blocked.mean([found, other]).value == pytest.approx(found.value + 1)
    assert bootstrap.Blocked.mean([found, other]).error == pytest.approx(found.error)
    assert np.isnan(bootstrap.blocked(lambda x, y: 1.0, a[:3], b[:3]).error)
    assert bootstrap.spread(found.draws) == found.error and found.draws.mean() == pytest.approx(0, abs=1e-12)

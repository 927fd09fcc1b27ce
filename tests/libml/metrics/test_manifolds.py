"""Precision, recall, density and coverage against their definitions written out, and of known sets."""

import numpy as np
import pytest

from libml.metrics import manifolds

RNG = np.random.default_rng(0)


def radius(points, i, k):
    return sorted(np.linalg.norm(points[i] - p) for j, p in enumerate(points) if j != i)[k - 1]


def inside(p, points, i, k):
    return np.linalg.norm(p - points[i]) <= radius(points, i, k)


def test_definitions_written_out():
    truth, points = RNG.normal(size=[12, 2]), RNG.normal(1.5, 1, size=[14, 2])
    found = manifolds.manifolds(points, truth)
    assert found.precision == np.mean([any(inside(p, truth, i, 3) for i in range(12)) for p in points])
    assert found.recall == np.mean([any(inside(t, points, i, 3) for i in range(14)) for t in truth])
    assert found.density == pytest.approx(
        sum(inside(p, truth, i, 5) for p in points for i in range(12)) / (5 * len(points))
    )
    assert found.coverage == np.mean([any(inside(p, truth, i, 5) for p in points) for i in range(12)])
    assert 0 < found.precision < 1 and 0 < found.recall < 1


def test_sets_of_known_kind():
    truth, same = RNG.normal(size=[700, 4]), RNG.normal(size=[700, 4])  # more than are compared at a time
    alike, narrow, far = (manifolds.manifolds(p, truth) for p in (same, same / 5, same + 50))
    assert alike.precision > 0.8 and alike.recall > 0.8 and alike.coverage > 0.9
    assert alike.density == pytest.approx(1, abs=0.1)
    assert narrow.precision > 0.95 and narrow.recall < 0.2 and narrow.coverage < 0.5
    assert far == (0, 0, 0, 0)

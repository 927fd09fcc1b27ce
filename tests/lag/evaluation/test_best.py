"""Which rows are the best, by numbers that are known to move together or apart."""

import numpy as np
import pytest

from lag.evaluation import measure
from lag.evaluation.best import best
from lag.evaluation.evaluate import Row

DRAWS = np.random.default_rng(0).normal(size=[3, 200])


def row(value, draws):
    return Row("", 0, 1, {} if value is None else {"x": value}, {}, {}, 0, 1.0, np.empty(0), {"x": draws})


def test_rows_that_move_together_are_told_apart():
    rows = [row(10.0, DRAWS[0]), row(10.5, DRAWS[0]), row(10.5, DRAWS[1]), row(14.0, DRAWS[2]), row(None, DRAWS[0])]
    assert best(rows, "x", measure.DOWN) == [True, False, True, False, False]
    assert best(rows, "x", measure.UP) == [False, False, False, True, False]


@pytest.mark.parametrize("better, values, expected", [
    (measure.ONE, (0.75, 1.5, 1.25), [True, False, True]),
    (measure.HALF, (0.45, 0.52, 0.7), [False, True, False]),
    (measure.NONE, (1, 2, 3), [False, False, False]),
])  # fmt: skip
def test_nearest_to_what_is_right(better, values, expected):
    assert best([row(v, DRAWS[0] * 0) for v in values], "x", better) == expected


def test_without_errors_only_the_best_is_marked():
    assert best([row(1.0, np.empty(0)), row(1.0001, np.empty(0))], "x", measure.DOWN) == [True, False]
    assert best([row(np.nan, DRAWS[0]), row(2.0, DRAWS[0])], "x", measure.UP) == [False, True]

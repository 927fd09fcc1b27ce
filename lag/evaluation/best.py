"""Which rows of a column are the best, and which cannot be told from it."""

from collections.abc import Callable, Sequence

import numpy as np

from lag.evaluation.evaluate import Row
from lag.evaluation.measure import DOWN, HALF, ONE, UP
from libml.metrics import bootstrap

# From a value to its score: the lower the better.
_WORSE: dict[str, Callable] = {
    DOWN: lambda value: value,
    UP: lambda value: -value,
    ONE: lambda value: np.abs(value - 1),
    HALF: lambda value: np.abs(value - 0.5),
}
ERRORS = 2  # standard errors of a difference: less may be chance


def best(rows: Sequence[Row], key: str, better: str) -> list[bool]:
    """Which rows have the best number, or one whose difference from it is below two standard errors of the difference.

    Rows are measured on the same images, so the error of a difference is that of paired images: numbers that rise and
    fall together are told apart more easily than their own errors say.
    """
    worse = _WORSE.get(better)
    values = np.array([row.values.get(key, np.nan) for row in rows], float)
    if worse is None or np.all(np.isnan(values)):
        return [False] * len(rows)
    scores = worse(values)
    first = int(np.nanargmin(scores))
    best_draws = _drawn(rows[first], key, worse)
    found = []
    for row, score in zip(rows, scores, strict=True):
        own = _drawn(row, key, worse) if np.isfinite(score) else np.empty(0)
        paired = len(own) == len(best_draws)
        error = bootstrap.spread(own - best_draws) if paired else np.nan
        found.append(bool(score == scores[first] or score - scores[first] < ERRORS * error))
    return found


def _drawn(row: Row, key: str, worse: Callable) -> np.ndarray:
    """Draws of how far the score of a row may be off."""
    value = row.values[key]
    return worse(value + row.draws.get(key, np.empty(0))) - worse(value)

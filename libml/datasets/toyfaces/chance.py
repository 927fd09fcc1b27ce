"""Random choices, from the integers and doubles of a generator alone: those are the same on every machine."""

from typing import Any

import numpy as np


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A uniform number in [low, high)."""
    return low + (high - low) * rng.random()


def around_zero(rng: np.random.Generator, reach: float) -> float:
    """A number in (-reach, reach), more often near 0."""
    return reach * (rng.random() - rng.random())


def pick(rng: np.random.Generator, options: tuple) -> Any:
    """One of the options; an option that is listed twice is twice as likely."""
    return options[int(rng.integers(len(options)))]


def happens(rng: np.random.Generator, probability: float) -> bool:
    """True with the given probability."""
    return bool(rng.random() < probability)

"""Shapes that follow the head, for the several parts of the face that do."""

import math

import numpy as np

from libml.datasets.toyfaces.face import Head
from libml.datasets.toyfaces.shapes import ACROSS, CIRCLE, CROWN, points


def head_outline(head: Head, circle: np.ndarray = CIRCLE) -> np.ndarray:
    """The outline of the head, or the part of it that belongs to a part of the unit circle."""
    x, y = circle[:, 0], circle[:, 1]
    low = np.maximum(y, 0)
    return points(head.width * x * (1 + head.jaw * low * low), y)


def scalp(width: float, line: np.ndarray | float, volume: float, side: float) -> np.ndarray:
    """What covers a head of this half width, reaching `volume` beyond it.

    Its lower edge runs at height `line` (one number, or one for each of ACROSS) and, outside the face, at `side`.
    """
    over = CROWN * (width + 0.45 * volume, 1 + volume)
    over = over[over[:, 1] <= side]
    edge = points(0.93 * width * ACROSS, line)
    corner = np.array([(1.01 * width * math.sqrt(1 - min(side, 0) * side), side)])
    return np.concatenate([corner * (-1, 1), over, corner, edge[::-1]])

"""Precision and recall, density and coverage: is an image among the true ones, is a true one among the images.

An image is within a set where it lies in the ball around one of the set's points that reaches to that point's k-th
nearest neighbour in the set (Kynkäänniemi et al. 2019; Naeem et al. 2020). Points are features of images.
"""

from typing import NamedTuple

import numpy as np

from libml.metrics.bootstrap import Blocked, blocks

NEAREST_OF_PRECISION, NEAREST_OF_DENSITY = 3, 5  # k, as their papers have it
LEAST = NEAREST_OF_DENSITY + 1  # points of a set
ROWS = 256  # points whose distances to all others are in memory at a time


class Manifolds(NamedTuple):
    """How two sets of points cover each other. Precision and density ask for realism, the others for diversity."""

    precision: float  # share of the points that are within the truth
    recall: float  # share of the true points that are within the set
    density: float  # in how many of the truth's balls a point lies, over k: 1 on average for the truth itself
    coverage: float  # share of the truth's balls in which a point lies


def manifolds(points: np.ndarray, truth: np.ndarray) -> Manifolds:
    """The four numbers of two sets.

    Args:
        points: features [N, D] of images, N at least LEAST.
        truth: features [M, D] of true images, M likewise.
    """
    points, truth = points.astype(np.float64), truth.astype(np.float64)
    (near_points,) = _radii(points, NEAREST_OF_PRECISION)
    near_truth, wide_truth = _radii(truth, NEAREST_OF_PRECISION, NEAREST_OF_DENSITY)
    precise = dense = 0
    nearest_point, within = np.full(len(truth), np.inf), np.zeros(len(truth), bool)
    for start in range(0, len(points), ROWS):
        apart = _distances(points[start : start + ROWS], truth)
        precise += np.count_nonzero((apart <= near_truth).any(axis=1))
        dense += np.count_nonzero(apart <= wide_truth)
        nearest_point = np.minimum(nearest_point, apart.min(axis=0))
        within |= (apart <= near_points[start : start + ROWS, None]).any(axis=0)
    return Manifolds(
        precision=float(precise / len(points)),
        recall=float(within.mean()),
        density=float(dense / (NEAREST_OF_DENSITY * len(points))),
        coverage=float((nearest_point <= wide_truth).mean()),
    )


def _radii(points: np.ndarray, *k: int) -> np.ndarray:
    """How far the k-th nearest other point is from each, for each k: [len(k), N]."""
    parts = (_distances(points[i : i + ROWS], points) for i in range(0, len(points), ROWS))
    # The 0th is the point itself.
    return np.concatenate([np.partition(apart, k, axis=1)[:, k].T for apart in parts], axis=1)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Euclidean distances of all points of a from all of b, by one product of matrices."""
    squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0))


def in_blocks(points: np.ndarray, truth: np.ndarray) -> dict[str, Blocked]:
    """Each number by its name, with that of blocks of as many points and true points."""
    whole = manifolds(points, truth)
    parts = [manifolds(points[part], truth[part]) for part in blocks(len(truth), LEAST)]
    return {name: Blocked(getattr(whole, name), np.array([getattr(p, name) for p in parts])) for name in whole._fields}

"""Shapes: outlines and paths as arrays [points, 2] of (x, y).

Geometry uses only correctly rounded arithmetic (+ - * / sqrt), so that it is the same on every machine.
"""

import math

import numpy as np

# Rounded, as sines and cosines may differ in their last digits from machine to machine.
CIRCLE = np.array([(math.cos(k * math.pi / 24), math.sin(k * math.pi / 24)) for k in range(48)]).round(12)
CROWN = np.concatenate([CIRCLE[24:], CIRCLE[:1]])  # The upper half, from (-1, 0) over (0, -1) to (1, 0).
ACROSS = np.linspace(-1, 1, 17)  # From left to right through a feature.
BULGE = 1 - ACROSS * ACROSS  # A parabola over ACROSS: 0 at its ends, 1 in the middle.


def points(x: np.ndarray | float, y: np.ndarray | float) -> np.ndarray:
    """Points [n, 2] from their x and y coordinates; a number stands for as many as the other has."""
    joined = np.empty((max(np.size(x), np.size(y)), 2))
    joined[:, 0], joined[:, 1] = x, y
    return joined


def ellipse(x: float, y: float, width: float, height: float) -> np.ndarray:
    """An ellipse around (x, y), from its half width and half height; of fewer points if it is small."""
    circle = CIRCLE if width + height > 0.5 else CIRCLE[::2]
    return circle * (width, height) + (x, y)


def curve(*anchors: tuple[float, float]) -> np.ndarray:
    """A smooth (Catmull-Rom) curve through the anchors, 6 steps between two."""
    p = np.array((anchors[0], *anchors, anchors[-1]), dtype=np.float64)
    t = (np.arange(6) / 6)[:, None]
    a, b, c, d = (p[k : len(p) - 3 + k, None] for k in range(4))
    inner = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t)
    return np.concatenate([inner.reshape(-1, 2), p[-1:]])


def ribbon(path: np.ndarray, thickness: float, taper: float = 0.0, closed: bool = False) -> np.ndarray:
    """The outline of a stroke along `path`; with `taper` its ends thin out, from 0 (not at all) to 1 (to a point)."""
    if closed:
        path = np.concatenate([path, path[:1]])
    before, after = (path[-2:-1], path[1:2]) if closed else (path[:1], path[-1:])
    padded = np.concatenate([before, path, after])
    along = padded[2:] - padded[:-2]
    length = np.sqrt(along[:, :1] * along[:, :1] + along[:, 1:] * along[:, 1:]) + 1e-9
    place = np.arange(1 - len(path), len(path), 2)[:, None] / (len(path) - 1)  # From -1 to 1.
    offset = along[:, ::-1] * (-1, 1) / length * (0.5 * thickness * (1 - taper * place * place))
    return np.concatenate([path + offset, (path - offset)[::-1]])


def band(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """The area between two paths that both run from left to right."""
    return np.concatenate([top, bottom[::-1]])


def symmetric(*left: tuple[float, float]) -> np.ndarray:
    """A symmetric area from the anchors of its left edge."""
    edge = curve(*left)
    return band(edge, mirrored(edge))


def mirrored(shape: np.ndarray, side: int = -1) -> np.ndarray:
    """The shape seen in a mirror (side -1), or as it is (side 1)."""
    return shape * (side, 1)

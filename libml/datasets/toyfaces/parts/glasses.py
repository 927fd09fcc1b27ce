"""Glasses."""

import numpy as np

from libml.datasets.toyfaces.face import Face, Glasses
from libml.datasets.toyfaces.palette import GLASS, SUNGLASS, WHITE
from libml.datasets.toyfaces.pen import Pen
from libml.datasets.toyfaces.shapes import CIRCLE, CROWN, curve, points, ribbon


def draw(pen: Pen, face: Face) -> None:
    """Two lenses, a bridge and the temples."""
    glasses, eyes = face.glasses, face.eyes
    if glasses.kind == "none":
        return
    y, x = eyes.y + 0.02, max(eyes.spacing, glasses.size + 0.04)
    pen.fill(ribbon(curve((-0.09, y - 0.04), (0, y - 0.1), (0.09, y - 0.04)), 0.06), glasses.color)
    for side in (-1, 1):
        temple = curve((side * (x + glasses.size - 0.02), y - 0.06), (side * face.head.width, y - 0.08))
        pen.fill(ribbon(temple, 0.055), glasses.color)
        _draw_lens(pen, glasses, side, (side * x, y))


def _draw_lens(pen: Pen, glasses: Glasses, side: int, middle: tuple[float, float]) -> None:
    """The glass, a reflection, and the rim."""
    glass = _lens_outline(glasses, side, CIRCLE) + middle
    if glasses.kind == "sun":
        pen.fill(glass, SUNGLASS, 236)
    else:
        pen.fill(glass, GLASS, 26)
    glint = np.array([(-0.5, -0.55), (-0.15, -0.55), (-0.45, 0.4), (-0.8, 0.4)]) * glasses.size * (0.8, 0.75)
    pen.fill(glint + middle, WHITE, 56)
    if glasses.kind == "half":
        pen.fill(ribbon(_lens_outline(glasses, side, CROWN) + middle, 0.06), glasses.color)
    else:
        pen.fill(ribbon(glass, 0.055, closed=True), glasses.color)


def _lens_outline(glasses: Glasses, side: int, circle: np.ndarray) -> np.ndarray:
    """The edge of a lens around its middle, or the part of it that belongs to a part of the unit circle."""
    if glasses.kind == "round":
        return circle * glasses.size
    x, y = np.clip(1.3 * circle, -1, 1).T  # A square with rounded corners.
    if glasses.kind == "cat":
        y = y - 0.6 * np.maximum(0, side * x) * (y < 0)
    if glasses.kind == "sun":
        x, y = x * (1 - 0.12 * np.maximum(0, y)), 1.1 * y
    return points(glasses.size * x, 0.72 * glasses.size * y)

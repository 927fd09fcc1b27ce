"""The eyes, open or closed."""

from collections.abc import Callable

import numpy as np

from libml.datasets.toyfaces.face import Eyes, Face
from libml.datasets.toyfaces.palette import INK, PUPIL, WHITE, Color, mix, shaded
from libml.datasets.toyfaces.pen import Pen
from libml.datasets.toyfaces.shapes import ACROSS, BULGE, band, ellipse, mirrored, points, ribbon


def draw(pen: Pen, face: Face) -> None:
    """Both eyes."""
    for side, closed in zip((-1, 1), face.eyes.closed, strict=True):
        if closed:
            _draw_closed(pen, face.eyes, side)
        else:
            _draw_open(pen, face, side)


def _placer(eyes: Eyes, side: int) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Turns (u, y) into points: u from -1, inner corner, to 1, outer; y downwards from the line between the corners."""

    def place(u: np.ndarray, y: np.ndarray) -> np.ndarray:
        return points(side * (eyes.spacing + eyes.width * u), eyes.y + y - eyes.slant * u)

    return place


def _draw_closed(pen: Pen, eyes: Eyes, side: int) -> None:
    """A bent line: up for a smiling eye, down for a sleeping one."""
    lid = _placer(eyes, side)(ACROSS, eyes.closed_bend * BULGE - 0.3 * eyes.closed_bend)
    pen.fill(ribbon(lid, 0.035 + eyes.lashes, 0.7), INK)


def _draw_open(pen: Pen, face: Face, side: int) -> None:
    """White, iris, pupil and highlight, cut off at the lids."""
    eyes, skin, place = face.eyes, face.head.skin, _placer(face.eyes, side)
    top, bottom = place(ACROSS, -eyes.upper * BULGE), place(ACROSS, eyes.lower * BULGE)
    if eyes.shadow:
        pen.fill(band(place(1.1 * ACROSS, -2.0 * eyes.upper * BULGE), bottom), eyes.shadow, 110)
    pen.fill(band(top, bottom), WHITE)

    def disc(dx: float, dy: float, radius: float, color: Color) -> None:
        # Both eyes look the same way, though u runs outwards in each of them.
        x, y = mirrored(ellipse(side * (eyes.gaze[0] + dx), eyes.gaze[1] + dy, radius, radius), side).T
        u = np.clip(x / eyes.width, -1, 1)
        pen.fill(place(u, np.clip(y, -eyes.upper * (1 - u * u), eyes.lower * (1 - u * u))), color)

    disc(0, 0, eyes.iris_size, shaded(eyes.iris, 0.35))
    disc(0, 0.012, eyes.iris_size * 0.8, mix(eyes.iris, WHITE, 0.12))
    disc(0, 0, eyes.iris_size * 0.5, PUPIL)
    disc(0.4 * eyes.iris_size * face.head.light[0], -0.035, eyes.iris_size * 0.32, WHITE)
    pen.fill(ribbon(top, 0.02 + eyes.lashes, 0.6), INK)
    pen.fill(ribbon(bottom, 0.022, 0.8), shaded(skin, 0.55))
    pen.fill(ribbon(top - (0, 0.07), 0.022, 1), shaded(skin, 0.45))

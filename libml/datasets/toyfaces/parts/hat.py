"""The hat, over the hair."""

import numpy as np

from libml.datasets.toyfaces.face import Face
from libml.datasets.toyfaces.head_shapes import scalp
from libml.datasets.toyfaces.palette import WHITE, mix, shaded
from libml.datasets.toyfaces.pen import Pen
from libml.datasets.toyfaces.shapes import ACROSS, BULGE, band, curve, ellipse, points, ribbon, symmetric


def draw(pen: Pen, face: Face) -> None:
    """The hat, if there is one."""
    if face.hair.hat != "none":
        HATS[face.hair.hat](pen, face)


def _draw_beanie(pen: Pen, face: Face) -> None:
    """A knitted hat with a folded edge."""
    color, width = face.hair.hat_color, face.head.width
    pen.fill(scalp(width, -0.6, 0.24, -0.5), color)
    pen.fill(_strip(width, -0.46, 0.26, 1.06), mix(color, WHITE, 0.25))
    for x in ACROSS[2:-1:3] * width:
        pen.fill(ribbon(curve((x, -0.64), (0.8 * x, -0.95), (0.4 * x, -1.16)), 0.03, 1), shaded(color, 0.3), 120)
    pen.fill(ellipse(0, -1.26, 0.17, 0.15), mix(color, WHITE, 0.5))


def _draw_cap(pen: Pen, face: Face) -> None:
    """A baseball cap."""
    color, yaw = face.hair.hat_color, face.pose.yaw
    pen.fill(scalp(face.head.width, -0.5, 0.16, -0.42), color)
    pen.fill(ellipse(0.6 * yaw, -0.98, 0.26, 0.15), mix(color, WHITE, 0.55))
    pen.fill(ellipse(0.3 * yaw, -0.42, 0.72, 0.16), shaded(color, 0.3))
    pen.fill(ellipse(0.3 * yaw, -0.38, 0.62, 0.08), shaded(color, 0.6))


def _draw_brim(pen: Pen, face: Face) -> None:
    """A hat with a wide brim and a ribbon."""
    color = face.hair.hat_color
    pen.fill(ellipse(0, -0.55, 1.3, 0.2), shaded(color, 0.3))
    pen.fill(symmetric((0, -1.24), (-0.2, -1.27), (-0.4, -1.3), (-0.68, -1.05), (-0.7, -0.55)), color)
    pen.fill(_strip(face.head.width, -0.62, 0.18, 0.93), shaded(color, 0.5))


def _draw_headband(pen: Pen, face: Face) -> None:
    """A band over the forehead."""
    pen.fill(_strip(face.head.width, -0.62, 0.17, 0.9), face.hair.hat_color)


def _strip(width: float, y: float, height: float, reach: float) -> np.ndarray:
    """A strip of this height around a head of this half width; its lower edge is at y, and lower in the middle."""
    x, bend = reach * width * ACROSS, 0.1 * BULGE
    return band(points(x, y - height + bend), points(x, y + bend))


HATS = {"beanie": _draw_beanie, "cap": _draw_cap, "brim": _draw_brim, "headband": _draw_headband}

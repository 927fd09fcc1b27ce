"""The background: a gradient and a pattern on it."""

import numpy as np
from PIL import Image

from libml.datasets.toyfaces.face import Face
from libml.datasets.toyfaces.pen import Pen
from libml.datasets.toyfaces.shapes import CIRCLE, ellipse

Pattern = list[tuple[np.ndarray, int]]  # Shapes in frames, each with its alpha.


def draw(pen: Pen, face: Face) -> None:
    """A gradient between four corner colours, and a pattern on it."""
    scene = face.scene
    corners = Image.fromarray(np.array(scene.corners, np.uint8).reshape(2, 2, 3))
    gradient = corners.resize((pen.side, pen.side), Image.Resampling.BILINEAR, box=(0.5, 0.5, 1.5, 1.5))
    pen.image.paste(gradient, (0, 0))
    if scene.pattern != "none":
        for shape, alpha in PATTERNS[scene.pattern](scene.pattern_phase):
            pen.fill(shape, scene.pattern_color, alpha, space="frame")


def _stripes(phase: float) -> Pattern:
    """Slanted or upright stripes."""
    slant = (0.0, 0.35, -0.35)[int(phase * 3)]
    starts = [(k + phase) * 0.25 - 0.6 for k in range(9)]
    return [(np.array([(x, 0), (x + 0.1, 0), (x + 0.1 + slant, 1), (x + slant, 1)]), 120) for x in starts]


def _dots(phase: float) -> Pattern:
    """A grid of dots, every other row shifted."""
    grid = [(k + 0.5 * (row % 2), row + phase) for row in range(-1, 6) for k in range(6)]
    return [(ellipse(0.2 * x, 0.2 * y, 0.045, 0.045)[::2], 130) for x, y in grid]


def _hills(phase: float) -> Pattern:
    """Two hills, a far one and a near one."""
    return [(ellipse(1.1 - phase, 1.0, 0.8, 0.62), 90), (ellipse(phase, 1.05, 0.75, 0.5), 120)]


def _bokeh(phase: float) -> Pattern:
    """Lights out of focus, large and faint."""
    places = [((0.37 * k + phase) % 1.0, (0.61 * k + 0.3 * phase) % 0.9, 0.06 + 0.02 * (k % 4)) for k in range(11)]
    return [(ellipse(x, y, r, r), 90) for x, y, r in places]


def _window(phase: float) -> Pattern:
    """The four panes of a bright window."""
    left = phase - 0.35
    return [
        (np.array([(x, y), (x + 0.27, y), (x + 0.27, y + 0.3), (x, y + 0.3)]), 170)
        for x in (left, left + 0.3)
        for y in (0.06, 0.39)
    ]


def _rays(phase: float) -> Pattern:
    """Rays from behind the head."""
    turn = int(phase * 4)
    far = CIRCLE * 0.9 + 0.5
    return [(np.array([(0.5, 0.5), far[(k + turn) % 48], far[(k + turn + 2) % 48]]), 110) for k in range(0, 48, 4)]


PATTERNS = {"stripes": _stripes, "dots": _dots, "hills": _hills, "bokeh": _bokeh, "window": _window, "rays": _rays}

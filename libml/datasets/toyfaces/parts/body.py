"""Neck, shoulders and clothes."""

from collections.abc import Callable

import numpy as np

from libml.datasets.toyfaces.face import Face, Scene
from libml.datasets.toyfaces.palette import WHITE, Color, mix, shaded
from libml.datasets.toyfaces.pen import Pen
from libml.datasets.toyfaces.shapes import curve, ellipse, mirrored, ribbon, symmetric

Fill = Callable[..., None]  # (shape, color, alpha=255): Pen.fill, for a body that leans.


def draw(pen: Pen, face: Face) -> None:
    """Neck and shoulders, with the shadow of the head on the neck."""
    skin, scene = shaded(face.head.skin, 0.1), face.scene
    lean = np.array((-0.6 * face.pose.tilt, 0))

    def fill(shape: np.ndarray, color: Color, alpha: int = 255) -> None:
        pen.fill(shape + lean, color, alpha, space="body")

    if scene.clothes == "hoodie":
        fill(ellipse(0, 1.2, 0.72, 0.3), shaded(scene.fabric, 0.25))
    fill(symmetric((-0.36, 0.5), (-0.35, 1.0), (-0.5, 1.3), (-0.7, 1.7)), skin)
    fill(ellipse(0, 0.85, 0.33, 0.42), shaded(skin, 0.3), 150)
    width = scene.shoulders
    torso = symmetric((-0.3, 1.14), (-0.62, 1.22), (-width, 1.36), (-width - 0.12, 1.9))
    shade = torso + np.array((0.06 if face.head.light[0] > 0 else -0.06, 0.16))
    fill(torso, scene.fabric)
    fill(shade, shaded(scene.fabric, 0.2), 90)
    COLLARS[scene.clothes](fill, scene, skin)


def _crew(fill: Fill, scene: Scene, skin: Color) -> None:
    """A round neckline with a rim."""
    fill(ellipse(0, 1.12, 0.41, 0.22), shaded(scene.fabric, 0.25))
    fill(ellipse(0, 1.1, 0.36, 0.18), skin)


def _vee(fill: Fill, scene: Scene, skin: Color) -> None:
    """A neckline that runs to a point."""
    fill(np.array([(-0.42, 1.1), (0.42, 1.1), (0, 1.68)]), scene.trim)
    fill(np.array([(-0.36, 1.0), (0.36, 1.0), (0, 1.56)]), skin)


def _shirt(fill: Fill, scene: Scene, skin: Color) -> None:
    """A shirt with a folded collar."""
    fill(np.array([(-0.3, 1.05), (0.3, 1.05), (0, 1.46)]), skin)
    leaf = np.array([(-0.42, 1.06), (-0.3, 1.04), (0.0, 1.44), (-0.22, 1.6), (-0.46, 1.28)])
    for shape in (leaf, mirrored(leaf)):
        fill(shape, mix(scene.fabric, WHITE, 0.45))


def _turtleneck(fill: Fill, scene: Scene, skin: Color) -> None:
    """A collar up to the chin."""
    fill(curve((-0.42, 1.3), (-0.38, 0.92), (0, 1.02), (0.38, 0.92), (0.42, 1.3)), shaded(scene.fabric, 0.12))


def _hoodie(fill: Fill, scene: Scene, skin: Color) -> None:
    """The edge of a hood, with two strings."""
    fill(ellipse(0, 1.1, 0.36, 0.24), skin)
    edge = curve((-0.66, 1.1), (-0.4, 1.3), (0, 1.42), (0.4, 1.3), (0.66, 1.1))
    fill(ribbon(edge, 0.14, 0.5), mix(scene.fabric, WHITE, 0.15))
    for x in (-0.16, 0.16):
        fill(ribbon(curve((x, 1.4), (x * 1.2, 1.75)), 0.05), WHITE)


def _striped(fill: Fill, scene: Scene, skin: Color) -> None:
    """Stripes, with a wide neckline."""
    for y in (1.38, 1.62):
        fill(ribbon(curve((-1.6, y + 0.12), (0, y), (1.6, y + 0.12)), 0.1), scene.trim)
    fill(ellipse(0, 1.12, 0.46, 0.2), skin)


COLLARS = {
    "crew": _crew, "vee": _vee, "shirt": _shirt, "turtleneck": _turtleneck, "hoodie": _hoodie, "striped": _striped,
}  # fmt: skip

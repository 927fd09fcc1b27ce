"""The brows."""

from libml.datasets.toyfaces.face import Face
from libml.datasets.toyfaces.palette import INK, mix, shaded
from libml.datasets.toyfaces.pen import Pen
from libml.datasets.toyfaces.shapes import curve, ribbon


def draw(pen: Pen, face: Face) -> None:
    """Strokes above the eyes that taper towards their ends."""
    brows, eyes = face.brows, face.eyes
    color = shaded(mix(face.hair.color, INK, 0.3), 0.1)
    inner, outer = eyes.spacing - 0.17, eyes.spacing + 0.25
    for side in (-1, 1):
        y = eyes.y - eyes.upper - 0.16 - brows.lift + side * brows.skew * 0.5
        path = curve(
            (side * inner, y + brows.slope),
            (side * (inner + 0.22), y - brows.arch),
            (side * outer, y - 0.6 * brows.slope + 0.03),
        )
        pen.fill(ribbon(path, brows.thickness, 0.55), color)

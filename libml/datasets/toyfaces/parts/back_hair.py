"""The hair behind the head."""

import numpy as np

from libml.datasets.toyfaces.face import Face, Hair
from libml.datasets.toyfaces.palette import shaded
from libml.datasets.toyfaces.pen import Pen
from libml.datasets.toyfaces.shapes import CIRCLE, curve, ellipse, mirrored, symmetric

LEFT_EDGES = {  # Of falling hair, from beside the crown down; x in half widths of the hair.
    "bob": ((-1.08, 0.1), (-1.12, 0.7), (-0.7, 0.86)),
    "long": ((-1.05, 0.2), (-1.12, 1.1), (-1.0, 1.7)),
    "wavy": ((-1.02, -0.1), (-1.2, 0.25), (-1.08, 0.55), (-1.32, 0.95), (-1.16, 1.3), (-1.3, 1.7)),
}


def draw(pen: Pen, face: Face) -> None:
    """What falls, stands or is tied up behind the head."""
    hair = face.hair
    if hair.back == "none":
        return
    shapes = STANDING[hair.back](hair) if hair.back in STANDING else [_falling(hair, face.head.width)]
    for shape in shapes:
        pen.fill(shape, shaded(hair.color, 0.28))


def _falling(hair: Hair, head_width: float) -> np.ndarray:
    """Loose hair."""
    return symmetric((0, -0.98), (-0.9, -0.6), *LEFT_EDGES[hair.back]) * (head_width + hair.volume, 1)


def _afro(hair: Hair) -> list[np.ndarray]:
    """A large round mass of curls."""
    centre, reach = (0, -0.32), 0.94 + hair.volume
    bumps = [ellipse(x * reach, y * reach, 0.2, 0.2) + centre for x, y in CIRCLE[::3]]
    return [CIRCLE * (reach + 0.06) + centre, *bumps]


def _bun(hair: Hair) -> list[np.ndarray]:
    """A knot on top."""
    return [ellipse(hair.part * 0.2, -1.14 - hair.volume, 0.34, 0.27)]


def _ponytail(hair: Hair) -> list[np.ndarray]:
    """A tail that shows on one side."""
    tail = curve((0.5, -0.6), (1.0, -0.55), (1.3, 0.0), (1.22, 0.7), (1.0, 1.0), (0.98, 0.3), (0.7, 0))
    return [mirrored(tail, 1 if hair.part > 0 else -1)]


def _pigtails(hair: Hair) -> list[np.ndarray]:
    """Two tufts at the sides."""
    tuft = curve((-0.6, -0.2), (-1.05, -0.25), (-1.3, 0.25), (-1.1, 0.85), (-0.95, 0.4), (-0.7, 0.15))
    return [tuft, mirrored(tuft)]


STANDING = {"afro": _afro, "bun": _bun, "ponytail": _ponytail, "pigtails": _pigtails}

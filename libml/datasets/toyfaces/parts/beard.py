"""Beard, moustache or stubble."""

import numpy as np

from libml.datasets.toyfaces.face import Face, Head, Mouth
from libml.datasets.toyfaces.head_shapes import head_outline
from libml.datasets.toyfaces.palette import shaded
from libml.datasets.toyfaces.pen import Pen
from libml.datasets.toyfaces.shapes import CIRCLE, band, curve, symmetric


def draw(pen: Pen, face: Face) -> None:
    """The beard, in a shade of the hair."""
    alpha = 56 if face.hair.beard == "stubble" else 255
    for shape in _shapes(face):
        pen.fill(shape, shaded(face.hair.color, 0.12), alpha)


def _shapes(face: Face) -> list[np.ndarray]:
    """The shapes of the beard; none for a bare chin."""
    kind, w, mouth = face.hair.beard, face.head.width, face.mouth
    lip = mouth.y - mouth.fullness - 0.3 * mouth.opening
    cheek = ((-0.93 * w, 0.05), (-0.86 * w, 0.32), (-0.56 * w, 0.5), (-0.2, lip - 0.07), (0, lip - 0.05))
    if kind == "stubble":
        return [_along_jaw(face.head, 1.0, *cheek)]
    if kind == "full":
        return [_along_jaw(face.head, 1.1, *cheek)]
    if kind == "chinstrap":
        strap = _along_jaw(face.head, 1.04, (-0.92 * w, 0.05), (-0.8 * w, 0.5), (-0.3, 0.8), (0, 0.82))
        return [strap, _moustache(mouth, lip)]
    if kind == "goatee":
        chin = symmetric((0, 0.8), (-0.16, 0.76), (-0.3, 0.7), (-0.3, 0.94), (0, 1.1))
        return [chin, _moustache(mouth, lip)]
    return [_moustache(mouth, lip)] if kind == "moustache" else []


def _along_jaw(head: Head, grow: float, *edge: tuple[float, float]) -> np.ndarray:
    """The area from the jaw, stretched downwards by `grow`, up to an edge, given by its left half."""
    jaw = head_outline(head, CIRCLE[24::-1]) * (1.01, grow)  # From left to right.
    return band(jaw, curve(*edge, *((-x, y) for x, y in edge[-2::-1])))


def _moustache(mouth: Mouth, lip: float) -> np.ndarray:
    """A moustache above the upper lip, whose edge is at height `lip`."""
    reach = mouth.width + 0.1
    above, below = (-0.5 * reach, lip - 0.09), (-0.5 * reach, lip + 0.02)
    return symmetric((0, lip - 0.06), above, (-reach, mouth.y + 0.08), below, (0, lip + 0.02))

"""The whole picture of a face."""

import numpy as np

from libml.datasets.toyfaces.face import Face, Head
from libml.datasets.toyfaces.parts import (
    back_hair,
    background,
    beard,
    body,
    brows,
    eyes,
    glasses,
    hair,
    hat,
    head,
    mouth,
    nose,
)
from libml.datasets.toyfaces.pen import Pen

BACK_TO_FRONT = (background, back_hair, body, head, beard, nose, mouth, eyes, hair, brows, glasses, hat)


def render(face: Face, size: int) -> np.ndarray:
    """Draws a face: uint8 [size, size, 3]."""
    pen = Pen(face.pose, face.head.width, size)
    for part in BACK_TO_FRONT:
        part.draw(pen, face)
    return _expose(pen.finish(), face.head)


def _expose(image: np.ndarray, head: Head) -> np.ndarray:
    """The picture uint8 [size, size, 3] under its light: brighter where that comes from, tinted by its colour."""
    size = len(image)
    place = 2 * np.arange(size) + 1 - size  # From -size to size.
    x, y = (int(0.04 * 256 * head.contrast * part) for part in head.light)
    fall = (place[None, :] * x + place[:, None] * y) // size
    gain = (fall[:, :, None] + np.array(head.exposure)).astype(np.int32)  # In 256ths.
    return np.minimum(image * gain >> 8, 255).astype(np.uint8)

"""The nose."""

import numpy as np

from libml.datasets.toyfaces.face import Face
from libml.datasets.toyfaces.palette import WARM_LIGHT, mix, shaded
from libml.datasets.toyfaces.pen import Pen
from libml.datasets.toyfaces.shapes import ACROSS, curve, ellipse, points, ribbon


def draw(pen: Pen, face: Face) -> None:
    """A nose of one of four kinds, shaded on the side away from the light."""
    nose, skin = face.nose, face.head.skin
    dark, bright = shaded(skin, 0.42), mix(skin, WARM_LIGHT, 0.7)
    side = -1 if face.head.light[0] > 0 else 1
    tip, wing = nose.length, nose.width
    base = points(wing * ACROSS, tip + 0.045 - 0.085 * ACROSS * ACROSS)
    if nose.kind == "wedge":
        pen.fill(np.array([(0.0, -0.06), (side * wing, tip), (0, tip + 0.05)]), dark, 130)
    elif nose.kind == "ridge":
        pen.fill(ribbon(curve((side * 0.09, -0.08), (side * 0.05, 0.12), (side * wing, tip - 0.03)), 0.04, 0.6), dark)
    elif nose.kind == "wide":
        for x in (-0.5 * wing, 0.5 * wing):
            pen.fill(ellipse(x * 1.1, tip + 0.01, 0.035, 0.025), shaded(skin, 0.65))
        base = base * (1.35, 1)
    elif nose.kind == "button":
        pen.fill(ellipse(0, tip - 0.04, wing, 0.1), shaded(skin, 0.25), 110)
    pen.fill(ribbon(base, 0.045, 0.7), dark)
    pen.fill(ellipse(-side * 0.03, tip - 0.07, 0.045, 0.04), bright, 170)

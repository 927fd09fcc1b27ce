"""The mouth."""

import numpy as np

from libml.datasets.toyfaces.face import Face
from libml.datasets.toyfaces.palette import THROAT, TONGUE, WHITE, shaded
from libml.datasets.toyfaces.pen import Pen
from libml.datasets.toyfaces.shapes import ACROSS, BULGE, band, points, ribbon


def draw(pen: Pen, face: Face) -> None:
    """Lips around a line, or around an opening with a tongue and perhaps teeth."""
    mouth = face.mouth
    x, line = mouth.width * ACROSS, mouth.y - mouth.bend * (ACROSS * ACROSS - 0.4) + mouth.skew * ACROSS
    upper, lower = line - 0.3 * mouth.opening * BULGE, line + mouth.opening * BULGE
    dip = 0.35 * np.maximum(0, 1 - 16 * ACROSS * ACROSS)  # The dent in the middle of the upper lip.
    pen.fill(band(points(x, upper - mouth.fullness * (BULGE - dip)), points(x, line)), shaded(mouth.lips, 0.12))
    pen.fill(band(points(x, line), points(x, lower + 1.2 * mouth.fullness * BULGE)), mouth.lips)
    if mouth.opening == 0:
        pen.fill(ribbon(points(x, line), 0.04, 0.5), shaded(mouth.lips, 0.7))
        return
    pen.fill(band(points(x, upper), points(x, lower)), THROAT)
    tongue = np.maximum(upper, lower - 0.45 * mouth.opening * BULGE)
    pen.fill(band(points(0.7 * x, tongue), points(0.7 * x, lower)), TONGUE)
    if mouth.teeth:
        edge = np.minimum(lower, upper + np.maximum(0.09, 0.45 * mouth.opening) * np.minimum(1, 3 * BULGE))
        pen.fill(band(points(x, upper), points(x, edge)), WHITE)

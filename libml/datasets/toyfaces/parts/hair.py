"""The hair on the head."""

import numpy as np

from libml.datasets.toyfaces.face import FALLING_HAIR, FULL_HATS, Face, Hair
from libml.datasets.toyfaces.head_shapes import scalp
from libml.datasets.toyfaces.palette import WARM_LIGHT, mix, shaded
from libml.datasets.toyfaces.pen import Pen
from libml.datasets.toyfaces.shapes import ACROSS, CROWN, band, curve, ellipse, mirrored, points, ribbon


def draw(pen: Pen, face: Face) -> None:
    """A full head of hair, or what is left of it."""
    if face.hair.top == "buzz":
        pen.fill(scalp(face.head.width, _hairline(face.hair), 0.02, -0.1), face.hair.color, 190)
    elif face.hair.top == "balding":
        _draw_tufts(pen, face)
    elif face.hair.top != "bald":
        _draw_full(pen, face)


def _draw_tufts(pen: Pen, face: Face) -> None:
    """Hair at the sides only."""
    tuft = curve((-0.86, -0.5), (-1.06, -0.35), (-1.1, 0.05), (-0.93, 0.12), (-0.9, -0.2)) * (face.head.width, 1)
    for side in (-1, 1):
        pen.fill(mirrored(tuft, side), face.hair.color)


def _draw_full(pen: Pen, face: Face) -> None:
    """Hair with its shadow on the forehead, curls or spikes, locks and a shine."""
    hair, width = face.hair, face.head.width
    line = _hairline(hair)
    volume = hair.volume + (0.1 if hair.top in ("swept", "spiky") else 0)
    if hair.hat in FULL_HATS:
        volume = 0.04
    x = 0.9 * width * ACROSS
    pen.fill(band(points(x, line - 0.05), points(x, line + 0.07)), shaded(face.head.skin, 0.5), 90)
    pen.fill(scalp(width, line, volume, hair.side), hair.color)
    for extra in _extras(hair, width, line, volume):
        pen.fill(extra, hair.color)
    if hair.back in FALLING_HAIR:
        _draw_locks(pen, face)
    _draw_shine(pen, face)


def _hairline(hair: Hair) -> np.ndarray:
    """The height of the edge of the hair on the forehead at each of ACROSS."""
    u = ACROSS
    square, fourth = u * u, u * u * u * u
    if hair.top == "fringe":
        return -0.36 + 0.05 * square + 0.35 * fourth * fourth
    if hair.top == "parted":
        reach = np.where(u > hair.part, 1 - hair.part, 1 + hair.part)
        slope = (u - hair.part) / reach
        return -0.8 + 0.62 * slope * slope + 0.14 * fourth * fourth
    if hair.top == "swept":
        return hair.line - 0.1 + 0.14 * u * (1 if hair.part > 0 else -1) + 0.5 * fourth
    if hair.top == "spiky":
        return hair.line + 0.08 * (np.arange(len(u)) % 2) + 0.5 * fourth
    return hair.line + 0.5 * fourth


def _extras(hair: Hair, width: float, line: np.ndarray, volume: float) -> list[np.ndarray]:
    """Curls or spikes along the edges of the hair."""
    reach = (width + 0.3 * volume, 1 + 0.6 * volume)
    if hair.top == "curly":
        outside = [ellipse(x * reach[0], y * reach[1], 0.15, 0.15) for x, y in CROWN[::2]]
        inside = [ellipse(0.85 * width * u, y, 0.12, 0.11) for u, y in zip(ACROSS[1:-1:2], line[1:-1:2], strict=True)]
        return outside + inside
    if hair.top == "spiky":
        return [
            np.array([CROWN[k - 2] * reach, CROWN[k] * reach * 1.28 + (0.1 * hair.part, 0), CROWN[k + 2] * reach])
            for k in range(4, 22, 2)
        ]
    return []


def _draw_locks(pen: Pen, face: Face) -> None:
    """Locks in front of the ears, for hair that hangs down."""
    hair, inner = face.hair, -face.head.width
    end = 0.8 if hair.back == "bob" else 1.9
    outer = inner - 0.7 * hair.volume
    anchors = ((0.8 * inner, -0.6), (1.06 * outer, -0.1), (1.12 * outer, 0.5), (1.1 * outer, end))
    lock = curve(*anchors, (0.93 * inner, 0.97 * end), (0.9 * inner, 0.5), (0.86 * inner, 0.0))
    crease = curve((0.95 * inner, -0.2), (1.02 * inner, 0.4), (1.0 * inner, 0.9 * end))
    for side in (1, -1):
        pen.fill(mirrored(lock, side), hair.color)
        pen.fill(ribbon(mirrored(crease, side), 0.07, 1), shaded(hair.color, 0.35), 110)


def _draw_shine(pen: Pen, face: Face) -> None:
    """Dark strands that follow the shape of the head, and a bright arc towards the light."""
    hair, width = face.hair, face.head.width
    root = hair.part * width * 0.6
    for u in (-0.85, -0.5, -0.15, 0.25, 0.6, 0.9):
        end = (u * width * 0.98, -0.72 + 0.5 * u * u)
        strand = curve((root, -0.93), (0.5 * (root + end[0]) + 0.06 * u, -0.82), end)
        pen.fill(ribbon(strand, 0.04, 1), shaded(hair.color, 0.4), 110)
    middle = 12 + int(6 * face.head.light[0])
    arc = CROWN[middle - 5 : middle + 6] * (width * 0.84, 0.9)
    pen.fill(ribbon(arc, 0.12, 1), mix(hair.color, WARM_LIGHT, 0.6), 90)

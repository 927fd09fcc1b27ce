"""The head: skin, ears and cheeks, and light on them."""

import numpy as np

from libml.datasets.toyfaces.face import FALLING_HAIR, Face, Head
from libml.datasets.toyfaces.head_shapes import head_outline
from libml.datasets.toyfaces.palette import BLUSH, GOLD, WARM_LIGHT, shaded
from libml.datasets.toyfaces.pen import Pen
from libml.datasets.toyfaces.shapes import ellipse, ribbon


def draw(pen: Pen, face: Face) -> None:
    """Ears and head in plain skin, then light and shadow on them, then cheeks and earrings."""
    head = face.head
    outline, ears = head_outline(head), _ear_outlines(face)
    for ear in ears:
        pen.fill(ear, shaded(head.skin, 0.1))
        pen.fill((ear - ear.mean(axis=0)) * 0.55 + ear.mean(axis=0), shaded(head.skin, 0.3))
    pen.fill(outline, head.skin)
    _draw_light(pen, head, outline, ears)
    _draw_cheeks(pen, head)
    if face.hair.back not in FALLING_HAIR:
        _draw_earrings(pen, head, ears)


def _ear_outlines(face: Face) -> list[np.ndarray]:
    """Both ears; turning the head hides one of them and shows more of the other."""
    head, yaw = face.head, face.pose.yaw
    return [ellipse(side * head.width - 0.35 * yaw, 0.1, head.ear * 0.72, head.ear * 1.15) for side in (-1, 1)]


def _draw_light(pen: Pen, head: Head, outline: np.ndarray, ears: list[np.ndarray]) -> None:
    """Shadow that deepens away from the light and towards the edges, and a bright spot where the light falls."""
    light_x, light_y = head.light

    def shadow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x = x / head.width
        return head.contrast * (0.32 * (x * x + y * y) - 0.4 * (x * light_x + y * light_y) - 0.12)

    def light(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x, y = x / head.width - 0.45 * light_x, y - 0.45 * light_y
        return 0.4 * head.contrast * (1 - 1.3 * (x * x + y * y))

    pen.soften([outline, *ears], shadow, shaded(head.skin, 0.75))
    pen.soften([outline], light, WARM_LIGHT)


def _draw_cheeks(pen: Pen, head: Head) -> None:
    """Blush (fading outwards) and freckles."""
    for side in (-1, 1):
        for radius in (0.2, 0.16, 0.11):
            pen.fill(ellipse(side * 0.43, 0.3, radius, 0.75 * radius), BLUSH, head.blush + 4)
    for x, y in head.freckles:
        pen.fill(ellipse(x, y, 0.022, 0.02)[::3], shaded(head.skin, 0.45), 190)


def _draw_earrings(pen: Pen, head: Head, ears: list[np.ndarray]) -> None:
    """A stud, a hoop or a drop below each ear."""
    for ear in ears:
        x, y = float(ear[:, 0].mean()), float(ear[:, 1].max())
        if head.earring == "stud":
            pen.fill(ellipse(x, y - 0.02, 0.045, 0.045), GOLD)
        elif head.earring == "hoop":
            pen.fill(ribbon(ellipse(x, y + 0.1, 0.1, 0.12), 0.045, closed=True), GOLD)
        elif head.earring == "drop":
            pen.fill(np.array([(x, y - 0.02), (x - 0.06, y + 0.2), (x, y + 0.26), (x + 0.06, y + 0.2)]), GOLD)

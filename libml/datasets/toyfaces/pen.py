"""The pen: from shapes in face units to pixels."""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from libml.datasets.toyfaces.face import Pose
from libml.datasets.toyfaces.palette import Color
from libml.datasets.toyfaces.shapes import points


class Pen:
    """Fills shapes on a canvas several times as large as the picture.

    Shapes are given in one of three spaces: "head" (face units, turned and tilted with the head), "body" (face units
    that stay upright) and "frame" (the picture, from 0 to 1).
    """

    def __init__(self, pose: Pose, head_width: float, size: int):
        self.pose, self.head_width = pose, head_width
        self.oversampling = 8 if size <= 32 else 4 if size <= 64 else 3 if size <= 128 else 2
        self.side = size * self.oversampling
        self.image = Image.new("RGB", (self.side, self.side))
        self._opaque = ImageDraw.Draw(self.image)
        self._blended = ImageDraw.Draw(self.image, "RGBA")

    def fill(self, shape: np.ndarray, color: Color, alpha: int = 255, space: str = "head") -> None:
        """Fills the shape [points, 2] with a colour; `alpha` below 255 lets what is beneath it show through."""
        corners = self._to_canvas(shape, space)
        if alpha == 255:
            self._opaque.polygon(corners, fill=color)
        else:
            self._blended.polygon(corners, fill=(*color, alpha))

    def soften(
        self, shapes: list[np.ndarray], strength: Callable[[np.ndarray, np.ndarray], np.ndarray], color: Color
    ) -> None:
        """Blends `color` into the union of head shapes.

        Args:
            shapes: arrays [points, 2].
            strength: from x [1, n] and y [n, 1], upright face units, to how much of the colour [n, n]; 0 .. 1 after
                clipping.
            color: what to blend in.
        """
        outlines = [self._to_canvas(shape, "head") for shape in shapes]
        mask = Image.new("L", (self.side, self.side))
        draw = ImageDraw.Draw(mask)
        for outline in outlines:
            draw.polygon(outline, fill=255)
        flat = np.concatenate(outlines)
        left, right = max(0, int(flat[::2].min())), min(self.side, int(flat[::2].max()) + 1)
        top, bottom = max(0, int(flat[1::2].min())), min(self.side, int(flat[1::2].max()) + 1)
        steps = (np.arange(48) + 0.5) / 48  # The strength is smooth: so many values are enough for any size.
        x = ((left + (right - left) * steps) / self.side - self.pose.x) / self.pose.scale
        y = ((top + (bottom - top) * steps) / self.side - self.pose.y) / self.pose.scale
        amount = np.floor(255 * np.clip(strength(x[None, :], y[:, None]), 0, 1) + 0.5).astype(np.uint8)
        amount = Image.fromarray(amount).resize((right - left, bottom - top), Image.Resampling.BILINEAR)
        box = (left, top, right, bottom)
        self.image.paste(color, box, ImageChops.multiply(mask.crop(box), amount))

    def finish(self) -> np.ndarray:
        """The picture: uint8 [size, size, 3]."""
        return np.asarray(self.image.reduce(self.oversampling))

    def _to_canvas(self, shape: np.ndarray, space: str) -> list[int]:
        """The canvas coordinates x0, y0, x1, y1, ... of the points [n, 2] of a shape."""
        if space == "head":
            shape = self._turned(shape)
        if space != "frame":
            shape = shape * self.pose.scale + (self.pose.x, self.pose.y)
        return np.floor(shape * self.side + 0.5).astype(int).ravel().tolist()

    def _turned(self, shape: np.ndarray) -> np.ndarray:
        """Points on the head after it turned to the side (which moves what bulges towards us most) and tilted."""
        pose = self.pose
        x, y = shape[:, 0], shape[:, 1]
        across = x / self.head_width
        bulge = np.maximum(0, 1 - across * across - y * y)
        x, y = x + pose.yaw * bulge, y + pose.pitch * bulge
        cosine = math.sqrt(1 - pose.tilt * pose.tilt)
        return points(x * cosine - y * pose.tilt, x * pose.tilt + y * cosine)

"""A page of titled images."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from libml.images import to_uint8

SMALLEST_CELL = 96  # pixels a side
MARGIN = 8
INK, PAPER = (20, 20, 20), (255, 255, 255)
LabelledRow = tuple[str, list[np.ndarray]]  # label, images [H, W, C]


class Figure(NamedTuple):
    """A grid of images of one size with a label for each row and column."""

    title: str
    columns: list[str]
    rows: list[LabelledRow]


def draw(figure: Figure, cell: int = SMALLEST_CELL) -> np.ndarray:
    """The figure as a picture, uint8 [H, W, 3].

    Args:
        figure: what to draw.
        cell: pixels a side that an image has at least; smaller images are shown with larger pixels.
    """
    side = figure.rows[0][1][0].shape[1]
    zoom = -(-cell // side)
    cell = zoom * side
    font = ImageFont.load_default(size=max(13, min(cell // 7, 32)))
    text = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    line = font.getbbox("Ag")[3] + MARGIN
    left = MARGIN + max(int(text.textlength(label, font)) for label, _ in figure.rows) + MARGIN
    column = max(cell, *(int(text.textlength(label, font)) + 4 for label in figure.columns)) + 2
    heights = [zoom * images[0].shape[0] + 2 for _, images in figure.rows]
    top = 2 * line + MARGIN
    title_width = int(text.textlength(figure.title, font)) + 2 * MARGIN
    width = max(left + column * len(figure.columns) + MARGIN, title_width)
    page = Image.new("RGB", (width, top + sum(heights) + MARGIN), PAPER)
    pen = ImageDraw.Draw(page)
    pen.text((MARGIN, MARGIN // 2), figure.title, INK, font)
    for i, label in enumerate(figure.columns):
        pen.text((left + i * column + cell / 2, line + MARGIN // 2), label, INK, font, anchor="ma")
    y = top
    for (label, images), height in zip(figure.rows, heights, strict=True):
        pen.text((MARGIN, y + height / 2), label, INK, font, anchor="lm")
        for i, image in enumerate(images):
            pixels = to_uint8(image).repeat(zoom, axis=0).repeat(zoom, axis=1)
            pixels = pixels.repeat(3, axis=-1) if pixels.shape[-1] == 1 else pixels
            page.paste(Image.fromarray(pixels), (left + i * column, int(y)))
        y += height
    return np.array(page)

"""A plot of two measures against each other, one curve a method, drawn with Pillow."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 960, 640
LEFT, RIGHT, TOP, BOTTOM = 90, 200, 60, 80  # margins; the legend is on the right
SMOOTH = 2  # supersampling: the page is drawn larger by this factor, then reduced
INK, GRID, PAPER = (20, 20, 20), (225, 225, 225), (255, 255, 255)
# Okabe and Ito's colours, which remain distinct to the colour-blind.
COLORS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (230, 159, 0), (110, 110, 110))


class Curve(NamedTuple):
    """A method's points in order, with a word at each."""

    label: str
    points: list[tuple[float, float]]
    notes: list[str]


def ticks(low: float, high: float) -> list[float]:
    """Round numbers, about five, that cover [low, high]."""
    width = max(high - low, 1e-9, 1e-6 * abs(high)) / 4
    unit = 10.0 ** math.floor(math.log10(width))
    step = unit * next(m for m in (1, 2, 5, 10) if m * unit >= width)
    return [step * i for i in range(math.floor(low / step), math.ceil(high / step) + 1)]


class Axis:
    """From values to pixels along one side."""

    def __init__(self, values: Sequence[float], start: float, stop: float):
        """Args: what it covers; pixels of the lowest and the highest tick."""
        self.ticks = ticks(min(values), max(values))
        if len(self.ticks) == 1:  # one round value: give it a neighbour
            self.ticks.append(self.ticks[0] + 1)
        self._start, self._stop = start, stop

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        low, high = self.ticks[0], self.ticks[-1]
        return self._start + (self._stop - self._start) * (value - low) / (high - low)


def scatter(title: str, x_label: str, y_label: str, curves: Sequence[Curve]) -> np.ndarray:
    """Draws curves with markers, notes, axes and a legend.

    Args:
        title: above it.
        x_label: of the horizontal axis.
        y_label: of the vertical axis.
        curves: what to draw; at least one point in all.

    Returns:
        uint8 [HEIGHT, WIDTH, 3].
    """
    k = SMOOTH
    page = Image.new("RGB", (k * WIDTH, k * HEIGHT), PAPER)
    pen, font, small = ImageDraw.Draw(page), ImageFont.load_default(size=16 * k), ImageFont.load_default(size=12 * k)
    points = [point for curve in curves for point in curve.points]
    x = Axis([p[0] for p in points], k * LEFT, k * (WIDTH - RIGHT))
    y = Axis([p[1] for p in points], k * (HEIGHT - BOTTOM), k * TOP)
    for value in x.ticks:
        pen.line([(x(value), k * TOP), (x(value), k * (HEIGHT - BOTTOM))], GRID, k)
        pen.text((x(value), k * (HEIGHT - BOTTOM + 8)), f"{value:g}", INK, small, anchor="ma")
    for value in y.ticks:
        pen.line([(k * LEFT, y(value)), (k * (WIDTH - RIGHT), y(value))], GRID, k)
        pen.text((k * (LEFT - 8), y(value)), f"{value:g}", INK, small, anchor="rm")
    pen.text((k * LEFT, k * 12), title, INK, font)
    pen.text((k * LEFT, k * 36), y_label, INK, small)
    pen.text((k * (LEFT + WIDTH - RIGHT) / 2, k * (HEIGHT - 36)), x_label, INK, small, anchor="ma")
    for i, curve in enumerate(curves):
        color = COLORS[i % len(COLORS)]
        _draw_curve(pen, [(x(a), y(b)) for a, b in curve.points], curve.notes, color, small)
        at = (k * (WIDTH - RIGHT + 40), k * (TOP + 12 + 24 * i))
        _mark(pen, at, color)
        pen.text((at[0] + k * 14, at[1]), curve.label, INK, small, anchor="lm")
    return np.array(page.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS))


def _mark(pen: ImageDraw.ImageDraw, at: tuple[float, float], color: tuple[int, int, int]) -> None:
    pen.circle(at, SMOOTH * 5, fill=color, outline=PAPER, width=SMOOTH)


def _draw_curve(
    pen: ImageDraw.ImageDraw,
    points: Sequence[tuple[float, float]],
    notes: Sequence[str],
    color: tuple[int, int, int],
    font: ImageFont.FreeTypeFont,
) -> None:
    if len(points) > 1:
        pen.line(points, color, 2 * SMOOTH, joint="curve")
    for at in points:
        _mark(pen, at, color)
    for at, note in zip(points, notes, strict=True):
        pen.text((at[0], at[1] - SMOOTH * 8), note, color, font, anchor="mb")

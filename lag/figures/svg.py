"""A plot of curves as SVG, for pages."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from lag.figures.scatter import COLORS, Axis

WIDTH, HEIGHT = 560, 360
LEFT, RIGHT, TOP, BOTTOM = 60, 150, 36, 48  # margins; the legend is on the right


class Line(NamedTuple):
    """Points in order. A dashed one is a reference, not a measurement."""

    label: str
    points: list[tuple[float, float]]
    dashed: bool = False


def plot(title: str, x_label: str, y_label: str, lines: Sequence[Line]) -> str:
    """An <svg> element with axes and a legend; a point says its values under the mouse. At least one point in all."""
    points = [point for line in lines for point in line.points]
    x, y = Axis([p[0] for p in points], LEFT, WIDTH - RIGHT), Axis([p[1] for p in points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        _text(LEFT, 16, title, "start", "title"),
        _text(LEFT, 30, y_label, "start"),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x_label, "middle"),
    ]
    for value in x.ticks:
        parts.append(f'<path class="grid" d="M{x(value):.1f} {TOP}V{HEIGHT - BOTTOM}"/>')
        parts.append(_text(x(value), HEIGHT - BOTTOM + 16, f"{value:g}", "middle"))
    for value in y.ticks:
        parts.append(f'<path class="grid" d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}"/>')
        parts.append(_text(LEFT - 6, y(value) + 4, f"{value:g}", "end"))
    for i, line in enumerate(lines):
        color = "#{:02x}{:02x}{:02x}".format(*COLORS[i % len(COLORS)])
        parts += _line(line, [(x(a), y(b)) for a, b in line.points], color)
        parts.append(f'<circle cx="{WIDTH - RIGHT + 16}" cy="{TOP + 12 + 18 * i}" r="4" fill="{color}"/>')
        parts.append(_text(WIDTH - RIGHT + 26, TOP + 16 + 18 * i, line.label, "start"))
    return "\n".join([*parts, "</svg>"])


def _line(line: Line, at: Sequence[tuple[float, float]], color: str) -> list[str]:
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in at)
    dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
    parts = [f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"{dashes}/>']
    if not line.dashed:
        for (a, b), (x, y) in zip(at, line.points, strict=True):
            says = escape(f"{line.label}: {x:.4g}, {y:.4g}")
            parts.append(f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{color}"><title>{says}</title></circle>')
    return parts


def _text(x: float, y: float, words: str, anchor: str, name: str = "word") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{name}">{escape(words)}</text>'

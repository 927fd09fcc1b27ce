"""The plots of a report's page."""

from collections.abc import Sequence

import numpy as np

from lag.evaluation.evaluate import Row
from lag.evaluation.tables import Report
from lag.figures.svg import Line, plot
from libml.metrics.histograms import FLOOR


def plots(report: Report) -> list[str]:
    """Those whose numbers were measured, as SVG."""
    by_method = {label: [row for row in report.rows if row.label == label] for label in report.labels}
    strongest = report.strongest
    full = [row for row in report.rows if row.std and row.std == strongest]  # of each method that takes noise
    found = [
        _against(by_method, "rmse", "swd", "Distortion against realism", "RMSE (grey levels)", "SWD mean"),
        _over_noise(by_method, "energy_score", "Energy score", "grey levels, lower is better"),
        _over_noise(by_method, "spread", "Spread ratio", "1 when right", ideal=1.0),
        _over_noise(by_method, "swd_over_chance", "SWD over chance", "0 when right", ideal=0.0),
        _ranks([row for row in full if "truth_rank" in row.means], strongest),
        _nearest([row for row in full if "nearest_sample" in row.means], strongest),
        _spectra([row for row in report.rows if row.std in (0, strongest) and "spectrum" in row.means]),
    ]
    return [svg for svg in found if svg]


def _against(by_method: dict[str, list[Row]], x: str, y: str, title: str, x_label: str, y_label: str) -> str:
    lines = [
        Line(label, [(row.values[x], row.values[y]) for row in rows if x in row.values and y in row.values])
        for label, rows in by_method.items()
    ]
    return _plot(f"{title}: noise rises along a line", x_label, y_label, lines)


def _over_noise(by_method: dict[str, list[Row]], key: str, title: str, y_label: str, ideal: float | None = None) -> str:
    lines = []
    for label, rows in by_method.items():
        points = [(row.std, row.values[key]) for row in rows if np.isfinite(row.values.get(key, np.nan))]
        if len(rows) == 1 and points:  # a method without noise is the same at each
            lines.append(Line(label, [(0.0, points[0][1]), (1.0, points[0][1])], dashed=True))
        else:
            lines.append(Line(label, points))
    if ideal is not None and any(line.points for line in lines):
        lines.append(Line("right", [(0.0, ideal), (1.0, ideal)], dashed=True))
    return _plot(title, "standard deviation of z", y_label, lines)


def _ranks(rows: Sequence[Row], std: float) -> str:
    lines = []
    for row in rows:
        shares = row.means["truth_rank"]
        lines.append(Line(row.label, _points(np.arange(len(shares) + 1) / len(shares), [0, *np.cumsum(shares)])))
    if lines:
        lines.append(Line("right", [(0.0, 0.0), (1.0, 1.0)], dashed=True))
    x_label = "the truth's rank by its distance to the centre"
    return _plot(f"Calibration at noise {std:g}", x_label, "share of inputs", lines)


def _nearest(rows: Sequence[Row], std: float) -> str:
    lines = []
    for row in rows:
        curve = row.means["nearest_sample"]
        lines.append(Line(row.label, _points(np.arange(1, len(curve) + 1), curve)))
    return _plot(f"Nearest sample at noise {std:g}", "samples", "RMSE of the nearest (grey levels)", lines)


def _spectra(rows: Sequence[Row]) -> str:
    lines = []
    for row in rows:
        images, truth = 10 * np.log10(np.maximum(row.means["spectrum"], FLOOR))
        label = f"{row.label}, {row.std:g}" if row.std else row.label
        lines.append(Line(label, _points(np.arange(1, len(images) + 1), images - truth)))
    return _plot("Power over the true images'", "cycles an image", "dB, 0 when right", lines)


def _points(x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]


def _plot(title: str, x_label: str, y_label: str, lines: Sequence[Line]) -> str:
    lines = [line for line in lines if line.points]
    return plot(title, x_label, y_label, lines) if lines else ""

"""Writes what an evaluation found: tables, and pictures that show it."""

import json
from pathlib import Path

import numpy as np

from lag.evaluation.page import as_html
from lag.evaluation.pairs import Pairs
from lag.evaluation.records import as_csv, as_json, speeds_as_csv
from lag.evaluation.tables import Report, as_markdown
from lag.figures.scatter import Curve, scatter
from libml.images import encode_png, to_float
from libml.page import Figure, draw
from libml.system.files import write_atomic


def write(report: Report, folder: Path) -> None:
    """Writes report.html, .md, .json and .csv, speed.csv, tradeoff.png and images.png, each whole or not at all.

    Raises:
        UserError: if the file system refuses.
    """
    write_atomic(folder / "tradeoff.png", encode_png(tradeoff(report)))
    shown = encode_png(images(report))
    write_atomic(folder / "images.png", shown)
    write_atomic(folder / "report.html", as_html(report, shown).encode())
    write_atomic(folder / "speed.csv", speeds_as_csv(report).encode())
    write_atomic(folder / "report.csv", as_csv(report).encode())
    content = json.dumps(as_json(report), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomic(folder / "report.json", f"{content}\n".encode())
    pictures = "\n![RMSE against SWD](tradeoff.png)\n\n![The first images](images.png)\n"
    write_atomic(folder / "report.md", (as_markdown(report) + pictures).encode())


def tradeoff(report: Report) -> np.ndarray:
    """Distortion against realism (RMSE, SWD), a curve a method over the noise; uint8 picture [H, W, 3]."""
    curves = []
    for label in report.labels:
        rows = [row for row in report.rows if row.label == label]
        ends = (0, len(rows) - 1) if len(rows) > 1 else ()  # a word at each point would hide the others
        notes = [f"{row.std:g}" if i in ends else "" for i, row in enumerate(rows)]
        curves.append(Curve(label, [(row.values["rmse"], row.values["swd"]) for row in rows], notes))
    title = f"{report.dataset}, {report.pairs.scale}x: better is lower left; numbers are the noise at each end"
    return scatter(title, "RMSE (grey levels)", "SWD mean", curves)


def images(report: Report) -> np.ndarray:
    """The first images under every method: HR, LR, enlargements, z = 0, a sample of the strongest noise; a picture,
    uint8 [H, W, 3].
    """
    noisy, std = {row.label for row in report.rows if row.std}, report.strongest
    shown = [row for row in report.rows if row.std in (0.0, std)]
    sample = "z ~ N" if std == 1 else f"z ~ {std:g} N"
    titles = [f"{r.label} {sample}" if r.std else f"{r.label} z = 0" if r.label in noisy else r.label for r in shown]
    rows = []
    for i in range(len(shown[0].shown)):
        made = [to_float(row.shown[i]) for row in shown]
        rows.append((f"#{i}", [to_float(report.pairs.hires[i]), _lores_in_place(report.pairs, i), *made]))
    title = f"{report.dataset}, {report.pairs.scale}x {report.pairs.downscaler}"
    return draw(Figure(title, ["HR", "LR", *titles], rows))


def _lores_in_place(pairs: Pairs, index: int) -> np.ndarray:
    """An LR image at its own size in the middle of a white one of HR size, float32 [H, W, C] in [-1, 1]."""
    lores, page = pairs.lores[index], np.ones(pairs.hires.shape[1:], np.float32)
    top, left = ((outer - inner) // 2 for outer, inner in zip(page.shape[:2], lores.shape[:2], strict=True))
    page[top : top + lores.shape[0], left : left + lores.shape[1]] = lores
    return page

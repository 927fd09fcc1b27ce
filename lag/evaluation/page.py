"""A report as one HTML page that needs nothing else: pictures inside, plots as SVG, tables that sort."""

import base64
import math
import re
from collections.abc import Sequence
from html import escape

import numpy as np

from lag.evaluation import plots
from lag.evaluation.best import best
from lag.evaluation.evaluate import Row
from lag.evaluation.tables import Column, Report, cell, described, notes

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 76em; padding: 0 1em; color: #141414 }
table { border-collapse: collapse; margin: .5em 0 1.5em; display: block; overflow-x: auto }
th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th { cursor: pointer; background: #f4f4f4 } th:first-child, td:first-child { text-align: left }
.error { color: #767676 } .plots { display: flex; flex-wrap: wrap; gap: 1em }
svg { width: 35em; max-width: 100% } .grid { stroke: #e1e1e1; fill: none } .word { font-size: 11px }
.title { font-size: 13px; font-weight: 600 } img { max-width: 100%; image-rendering: pixelated }
"""
SCRIPT = """
for (const table of document.querySelectorAll("table")) {
  table.querySelectorAll("th").forEach((head, at) => head.addEventListener("click", () => {
    const down = head.dataset.sorted !== "down", rows = [...table.tBodies[0].rows];
    const key = row => row.cells[at].dataset.value ?? row.cells[at].textContent;
    rows.sort((a, b) => {
      const [x, y] = [key(a), key(b)], apart = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return (x === "") - (y === "") || (down ? apart : -apart);
    });
    table.querySelectorAll("th").forEach(other => delete other.dataset.sorted);
    head.dataset.sorted = down ? "down" : "up";
    table.tBodies[0].append(...rows);
  }));
}
"""


def as_html(report: Report, images: bytes) -> str:
    """The page.

    Args:
        report: what was found.
        images: PNG of the first images under every method.
    """
    title, *about = described(report)
    picture = base64.b64encode(images).decode()
    parts = [
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{_words(line)}</p>" for line in about),
        f'<img alt="The first images under every method" src="data:image/png;base64,{picture}">',
        '<h2>Plots</h2><div class="plots">',
        *plots.plots(report),
        "</div><p>A click on a column's head sorts a table.</p>",
    ]
    for heading, columns in report.groups.items():
        parts += [f"<h2>{escape(heading)}</h2>", _table(columns, report.rows)]
    parts += ["<h2>Speed</h2>", _speeds(report.rows)]
    parts += ["<h2>Notes</h2><ul>", *(f"<li>{_words(note)}</li>" for note in notes(report)), "</ul>"]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join([*parts, f"<script>{SCRIPT}</script>"])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


def _words(line: str) -> str:
    """Markdown's code and bold words in HTML."""
    line = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(line, quote=False))
    return re.sub(r"\*\*([^*]+)\*\*", r"<b>\1</b>", line)


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    marks = [best(rows, column.key, column.measure.better) for column in columns]
    lines = [[_cell(row, c, mark[i]) for c, mark in zip(columns, marks, strict=True)] for i, row in enumerate(rows)]
    return _html_table([column.header for column in columns], rows, lines)


def _html_table(headers: Sequence[str], rows: Sequence[Row], cells: Sequence[Sequence[str]]) -> str:
    heads = "".join(f"<th>{escape(h)}</th>" for h in ("method", "noise", *headers))
    body = "\n".join(
        f"<tr><td>{escape(row.label)}</td><td>{row.std:g}</td>{''.join(those)}</tr>"
        for row, those in zip(rows, cells, strict=True)
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>\n{body}\n</tbody></table>"


def _cell(row: Row, column: Column, mark: bool) -> str:
    value = row.values.get(column.key, math.nan)
    number, error = cell(row, column)
    number = f"<b>{number}</b>" if mark else number
    shown = f'{number} <span class="error">± {error}</span>' if error else number
    return f'<td data-value="{"" if math.isnan(value) else repr(float(value))}">{shown}</td>'


def _speeds(rows: Sequence[Row]) -> str:
    """Images a second of the sampler alone, on the machine and under the load of this evaluation."""
    cells = [[f"<td>{row.parameters}</td>", f"<td>{np.format_float_positional(row.speed, 3)}</td>"] for row in rows]
    return _html_table(["parameters", "images a second"], rows, cells)

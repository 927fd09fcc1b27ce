"""What an evaluation found, as tables and notes in Markdown."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from lag.evaluation import measures
from lag.evaluation.best import ERRORS, best
from lag.evaluation.evaluate import Row
from lag.evaluation.measure import Measure
from lag.evaluation.methods import LoadedRun
from lag.evaluation.pairs import Pairs
from libml.metrics import bootstrap
from libml.training.schedule import KIMG

DASH = "-"


class Column(NamedTuple):
    """A column of a table: a measure, or one level of a measure."""

    key: str
    name: str
    measure: Measure
    meaning: str = ""

    @property
    def header(self) -> str:
        """The name, and an arrow that says which way is better."""
        return f"{self.name} {self.measure.better}".rstrip()


def _columns(measure: Measure, rows: Sequence[Row]) -> list[Column]:
    heights = [key.removeprefix(f"{measure.key}_") for key in rows[0].values] if measure.levels else []
    each = [Column(f"{measure.key}_{n}", f"{measure.levels} {n}", measure) for n in heights if n.isdigit()]
    return [*each, Column(measure.key, measure.name, measure, measure.meaning)]


class Report(NamedTuple):
    """An evaluation, ready to be written."""

    dataset: str
    asked: int  # images
    samples: int
    seed: int
    critic_run: str
    pairs: Pairs
    runs: Sequence[LoadedRun]
    rows: Sequence[Row]
    skipped: dict[str, str]
    halves: dict[int, float]  # SWD of each level between two halves of the true images

    @property
    def groups(self) -> dict[str, list[Column]]:
        """The tables, by heading."""
        groups: dict[str, list[Column]] = {}
        for measure in measures.MEASURES:
            groups.setdefault(measure.group, []).extend(_columns(measure, self.rows))
        return groups

    @property
    def labels(self) -> list[str]:
        """The methods, each once."""
        return list(dict.fromkeys(row.label for row in self.rows))

    @property
    def strongest(self) -> float:
        """The strongest noise that was measured, which pictures and curves show; 0 if no method takes any."""
        return max(row.std for row in self.rows)

    @property
    def keys(self) -> list[str]:
        """All measures, in the order of the tables."""
        return [column.key for columns in self.groups.values() for column in columns]


def skipped_lines(report: Report) -> list[str]:
    """'measure, measure: why not', one for each reason."""
    names = {measure.key: measure.name for measure in measures.MEASURES}
    by_reason: dict[str, list[str]] = {}
    for key, reason in report.skipped.items():
        by_reason.setdefault(reason, []).append(names[key])
    return [f"{', '.join(those)}: {reason}" for reason, those in by_reason.items()]


def described(report: Report) -> list[str]:
    """A title, then what was compared and on what, a line each, in Markdown's words."""
    pairs, n = report.pairs, len(report.pairs.hires)
    fewer = f" ({report.asked} were asked for, the dataset has no more)" if n < report.asked else ""
    height, width = pairs.hires.shape[1:3]
    return [
        f"{report.dataset}, {pairs.scale}x",
        f"N = {n} test images{fewer} of {width} x {height} pixels, made small by `{pairs.downscaler}`; "
        f"{report.samples} samples an image where noise is above 0; seed {report.seed}.",
        *(
            f"{run.label}: `{run.folder}`, trained on {run.config.dataset}, {run.nimg / KIMG:g} kimg, "
            f"{run.sampler.parameters:,} parameters"
            for run in report.runs
        ),
        "nearest: each pixel repeated",
        'bicubic: `tf.image.resize(method="bicubic")`, Keys\' cubic with a = -1/2',
    ]


def as_markdown(report: Report) -> str:
    """Tables, then what their columns mean and why some values are missing."""
    title, about, *compared = described(report)
    lines = [f"# {title}", "", about, "", *(f"- {line}" for line in compared)]
    for heading, columns in report.groups.items():
        lines += ["", f"## {heading}", "", *_table(columns, report.rows)]
    return "\n".join([*lines, "", "## Notes", "", *(f"- {note}" for note in notes(report)), ""])


def _table(columns: Sequence[Column], rows: Sequence[Row]) -> list[str]:
    lines = [f"| method | noise | {' | '.join(c.header for c in columns)} |", f"|---|{'--:|' * (len(columns) + 1)}"]
    marks = [best(rows, column.key, column.measure.better) for column in columns]
    for row, *marked in zip(rows, *marks, strict=True):
        cells = [" ± ".join(filter(None, cell(row, c))) for c in columns]
        shown = [f"**{words}**" if mark else words for words, mark in zip(cells, marked, strict=True)]
        lines.append(f"| {row.label} | {row.std:g} | {' | '.join(shown)} |")
    return lines


def cell(row: Row, column: Column) -> tuple[str, str]:
    """A number as tables show it, and its standard error; '' if it has none."""
    value, error = (found.get(column.key, math.nan) * column.measure.factor for found in (row.values, row.errors))
    if math.isnan(value):
        return DASH, ""
    exact = math.isnan(error) or column.measure.exact
    return f"{value:.{column.measure.digits}f}", "" if exact else f"{error:.{column.measure.digits}f}"


def notes(report: Report) -> list[str]:
    """What the columns mean, what chance makes, and why values are missing, in Markdown's words."""
    columns = [column for group in report.groups.values() for column in group]
    lines = [f"**{c.name}**: {c.meaning}." for c in columns if c.meaning]
    lines.append(
        "Noise is the standard deviation of z. All but the LR measures of unrounded images are taken of 8 bits."
    )
    lines.append(
        "± is the standard error: how far the number would move with other images of the same kind. Of means over "
        f"images, and what is made of them: bootstrap, {bootstrap.RESAMPLES} resamples of the images, the same for all "
        f"rows. Of whole sets: from the measure's values on up to {bootstrap.BLOCKS} blocks of the images."
    )
    lines.append(
        "Bold is the best of a column, and what cannot be told from it: a difference below "
        f"{ERRORS} standard errors of the difference, on the same images."
    )
    halves = ", ".join(f"SWD {size} {distance:.2f}" for size, distance in report.halves.items())
    lines.append(
        f"Two random halves of the true images, {len(report.pairs.hires) // 2} each, are {halves} apart: the "
        "difference expected by chance at this sample size."
    )
    lines.append("A dash under Diversity and Spread: one image of an input has none.")
    lines += [f"No {reason}." for reason in skipped_lines(report)]
    if report.critic_run:
        lines.append(f"The latent space is that of the critic of `{report.critic_run}`, for every method.")
    if report.pairs.downscaler == "bicubic":
        shift = report.pairs.scale // 2 - 1
        lines.append(
            f"This `bicubic` downscaler looks {shift} pixels away from the centre of each box: runs have learnt "
            "that; the plain enlargements have not, and are shifted against the truth."
        )
    return lines

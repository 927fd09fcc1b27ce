"""What an evaluation found, for programs: as JSON and CSV."""

import csv
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lag.evaluation.evaluate import Row
from lag.evaluation.tables import Report

CURVES = ("truth_rank", "nearest_sample", "spectrum")  # measures whose curves report.json has
DIGITS = 6  # of a value


def as_json(report: Report) -> dict[str, Any]:
    """All that was found; a measure that there is not is null."""
    pairs = report.pairs
    return {
        "dataset": report.dataset,
        "images": len(pairs.hires),
        "images_asked": report.asked,
        "size": list(pairs.hires.shape[1:3]),
        "scale": pairs.scale,
        "downscaler": pairs.downscaler,
        "samples": report.samples,
        "seed": report.seed,
        "critic": report.critic_run or None,
        "runs": [
            {
                "method": run.label,
                "run": run.folder,
                "dataset": run.config.dataset,
                "nimg": run.nimg,
                "parameters": run.sampler.parameters,
            }
            for run in report.runs
        ],
        "skipped": report.skipped,
        "swd_of_true_halves": {str(size): _rounded(distance) for size, distance in report.halves.items()},
        "rows": [_record(row, report.keys) | {"curves": _curves(row)} for row in report.rows],
    }


def _curves(row: Row) -> dict[str, list]:
    """Of each measure that is made of several numbers an image, their means: the nearest of 1, 2, ... samples, say."""
    curves = {key: mean for key, mean in row.means.items() if key in CURVES}
    return {key: [[_rounded(v) for v in line] for line in np.atleast_2d(mean)] for key, mean in curves.items()}


def speeds_as_csv(report: Report) -> str:
    """Parameters, and images a second of the generator alone, a line a row: not the same from run to run."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["method", "noise", "parameters", "images_per_second"])
    table.writerows([row.label, f"{row.std:g}", row.parameters, _rounded(row.speed)] for row in report.rows)
    return text.getvalue()


def _record(row: Row, keys: Sequence[str]) -> dict[str, Any]:
    numbers = {}
    for key in keys:
        numbers[key], numbers[f"{key}_error"] = (
            _rounded(found.get(key, math.nan)) for found in (row.values, row.errors)
        )
    return {"method": row.label, "noise": row.std, "samples": row.samples, **numbers}


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.{DIGITS}g}")


def as_csv(report: Report) -> str:
    """A line for each row, with the standard error of each number; a measure that there is not is empty."""
    text = io.StringIO()
    table = csv.DictWriter(text, list(_record(report.rows[0], report.keys)), lineterminator="\n")
    table.writeheader()
    table.writerows(_record(row, report.keys) for row in report.rows)
    return text.getvalue()

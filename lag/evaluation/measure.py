"""What a measure of a report is: how it is computed, what it needs and how it is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lag.evaluation.pairs import Pairs
from lag.evaluation.yardsticks import Yardsticks

UP, DOWN, ONE, HALF, NONE = "↑", "↓", "→ 1", "→ 0.5", ""  # which way is better
DISTORTION, CONSISTENCY, DIVERSITY = "Distortion", "Consistency with the input", "Diversity"
SPREAD, REALISM, FEATURES = "Spread", "Realism", "Realism by features"  # headings of tables


@dataclass(frozen=True)
class Measure:
    """A column of the report, how it is computed and how it is shown.

    `compute` takes what `sees` says:
        PerImage -> [M, ...], a value or several of each image; the report has the mean over inputs and samples.
        PerInput -> a value or several for the samples of one input; the report has the mean over inputs. Only of
            2 samples and more, or of the one image without noise where the measure has `of_center`.
        PerSet -> a value of the set, and the same of blocks of it.
    With `levels` a dictionary of each level's; the report has them and their mean.
    """

    key: str  # in report.json and report.csv
    name: str  # in report.md
    better: str  # which way: UP, DOWN, ONE, HALF or NONE
    group: str  # heading of its table
    digits: int  # behind the point, in report.md
    sees: type
    compute: Callable[[Any], Any]
    meaning: str  # a note of report.md
    needs: str = ""  # the field of Yardsticks that it is computed with
    least_side: int = 0  # of images, in pixels
    least_images: int = 0
    of_mean: Callable[[Any], Any] = float  # what is made of the mean over images
    of_center: bool = False  # whether the one image without noise is measured, too, as one sample
    inputs: int = 0  # how many inputs it is measured of, from the first on; 0: of all
    exact: bool = False  # whether it has no error
    factor: float = 1  # report.md shows the value times this
    levels: str = ""  # name of the columns of its levels, which their mean follows

    def lack(self, pairs: Pairs, yardsticks: Yardsticks) -> str:
        """Why it cannot be measured; '' if it can."""
        side = min(pairs.hires.shape[1:3])
        if side < self.least_side:
            return f"it needs images of {self.least_side} pixels and more, these have {side}"
        if len(pairs.hires) < self.least_images:
            return f"it needs {self.least_images} images and more, these are {len(pairs.hires)}"
        return yardsticks.missing.get(self.needs, "")

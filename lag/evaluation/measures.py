"""The measures of a report: each is one row of MEASURES."""

from lag.evaluation import of_images, of_sets
from lag.evaluation.pairs import Pairs
from lag.evaluation.yardsticks import Yardsticks

MEASURES = (*of_images.MEASURES, *of_sets.MEASURES)


def skipped(pairs: Pairs, yardsticks: Yardsticks) -> dict[str, str]:
    """Keys of the measures that cannot be measured, and why."""
    reasons = {measure.key: measure.lack(pairs, yardsticks) for measure in MEASURES}
    return {key: reason for key, reason in reasons.items() if reason}

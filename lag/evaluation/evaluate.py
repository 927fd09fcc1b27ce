"""Measures upscaling methods on test images: a row of numbers for each method and strength of noise."""

from collections.abc import Sequence

import tqdm

from lag.evaluation.measures import Row, Yardsticks, _Judge, _too_small
from lag.evaluation.methods import LoadedRun, bicubic, nearest
from lag.evaluation.pairs import Pairs
from libml.sampler import CandidateSampler

STDS = (0.25, 0.5, 0.75, 1.0)  # of z, besides z = 0


def evaluate(
    runs: Sequence[LoadedRun], pairs: Pairs, yardsticks: Yardsticks, samples: int, seed: int, batch: int
) -> tuple[list[Row], dict[str, str]]:
    """Measures plain enlargements and every method, at z = 0 and, where there is a z, at each of STDS.

    Args:
        runs: of the methods.
        pairs: what to show them.
        yardsticks: what to measure with.
        samples: images that are made of each input where there is noise.
        seed: of the noise, and of what the measures draw.
        batch: inputs at a time.

    Returns:
        (rows, what could not be measured and why).

    Raises:
        UserError: if a run makes images that are not finite.
    """
    plan: list[tuple[str, CandidateSampler, float, int]] = [
        ("nearest", nearest(pairs.scale), 0.0, 1),
        ("bicubic", bicubic(pairs.scale), 0.0, 1),
    ]
    for run in runs:
        plan.append((run.label, run.sampler, 0.0, 1))
        if run.sampler.stochastic:
            plan += [(run.label, run.sampler, std, samples) for std in STDS]
    judge = _Judge(pairs, yardsticks, seed, batch)
    rows = []
    with tqdm.tqdm(total=len(plan) * len(pairs.hires), unit="image", disable=None) as bar:
        for label, sampler, std, count in plan:
            bar.set_description(f"{label}, noise {std:g}")
            values, shown = judge.measure(label, sampler, std, count, bar.update)
            rows.append(Row(label, std, count, values, shown))
    return rows, {**yardsticks.skipped, **_too_small(pairs)}

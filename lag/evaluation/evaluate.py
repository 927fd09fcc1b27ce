"""Measures upscaling methods on test images: a row of numbers for each method and strength of noise."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tqdm

from lag.evaluation import measures
from lag.evaluation.measures import ImageSet, PerImage, PerInput, PerSet
from lag.evaluation.methods import LoadedRun, bicubic, nearest
from lag.evaluation.pairs import Pairs
from lag.evaluation.yardsticks import Yardsticks
from libml.errors import UserError
from libml.images import to_uint8
from libml.layers.resample import DOWNSCALERS
from libml.sampler import CandidateSampler

STDS = (0.25, 0.5, 0.75, 1.0)  # of z, besides z = 0
SHOWN = 8  # images of each row that are kept for pictures


class Row(NamedTuple):
    """What was measured of a method at one strength of noise."""

    label: str
    std: float
    samples: int  # an image
    values: dict[str, float]
    each: dict[str, np.ndarray]  # of a measure that is a mean: what it is the mean of, [N, samples] or [N]
    shown: np.ndarray  # uint8 [up to SHOWN, H, W, C], the first sample of each image


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
            rows.append(judge.measure(label, sampler, std, count, bar.update))
    return rows, measures.skipped(pairs, yardsticks)


class _Judge:
    """Measures one row after another against the same truth."""

    def __init__(self, pairs: Pairs, yardsticks: Yardsticks, seed: int, batch: int):
        self.pairs, self.yardsticks, self.seed, self.batch = pairs, yardsticks, seed, batch
        self.truth = ImageSet(pairs.hires, yardsticks)
        self.measures = [m for m in measures.MEASURES if not m.lack(pairs, yardsticks)]

    def measure(
        self, label: str, sampler: CandidateSampler, std: float, samples: int, advance: Callable[[int], object]
    ) -> Row:
        """A row. Calls advance(images) on the way."""
        parts, firsts = [], []
        together = max(1, self.batch // samples)  # inputs whose samples are in memory
        for start in range(0, len(self.pairs.hires), together):
            part = self.pairs.part(start, together)
            found, saved = self._inputs(label, sampler, std, samples, part)
            parts.append(found)
            firsts.append(saved[:, 0].copy())
            advance(len(part.hires))
        each = {key: np.concatenate([found[key] for found in parts]) for key in parts[0]}
        saved = np.concatenate(firsts)
        values = {m.key: m.of_mean(float(np.mean(each[m.key].ravel()))) for m in self.measures if m.key in each}
        values |= self._as_sets(saved)
        return Row(label, std, samples, values, each, saved[:SHOWN].copy())

    def _inputs(
        self, label: str, sampler: CandidateSampler, std: float, samples: int, part: Pairs
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Values of each image or input, [N, samples] or [N], and the images as they would be saved.

        No more than `batch` samples are floats at a time, the others bytes.
        """
        saved, found = np.empty([len(part.hires), samples, *part.hires.shape[1:]], np.uint8), []
        for first in range(0, samples, self.batch):
            stds = [std] * min(self.batch, samples - first)
            images = sampler.candidates(part.lores, stds, self.seed, part.indices, first)
            if not np.all(np.isfinite(images)):
                raise UserError(f"{label} makes images that are not finite, at noise {std:g}: has its run diverged?")
            saved[:, first : first + len(stds)] = to_uint8(images)
            found.append(self._images(images, saved[:, first : first + len(stds)], part))
        values = {key: np.concatenate([f[key] for f in found], axis=1) for key in found[0]}
        if samples > 1:
            values |= self._samples(saved, part)
        return values, saved

    def _images(self, images: np.ndarray, saved: np.ndarray, part: Pairs) -> dict[str, np.ndarray]:
        """Values of each image, [N, samples].

        Args:
            images: float32 [N, samples, H, W, C].
            saved: the same as they would be saved.
            part: their inputs.
        """
        n, samples, *shape = images.shape
        seen = PerImage(
            images.reshape(-1, *shape),
            saved.reshape(-1, *shape),
            part.hires.repeat(samples, axis=0),
            part.lores.repeat(samples, axis=0),
            lambda x: DOWNSCALERS[part.downscaler](tf.constant(x), part.scale).numpy(),
        )
        return {m.key: m.compute(seen).reshape(n, samples) for m in self.measures if m.sees is PerImage}

    def _samples(self, saved: np.ndarray, part: Pairs) -> dict[str, np.ndarray]:
        """Values of the samples of each input, [N]."""
        of_inputs = zip(saved, part.hires, part.lores, strict=True)
        seen = [PerInput(*input_, part.scale, self.yardsticks, self.batch) for input_ in of_inputs]
        return {m.key: np.array([m.compute(s) for s in seen]) for m in self.measures if m.sees is PerInput}

    def _as_sets(self, saved: np.ndarray) -> dict[str, float]:
        """How far the images [N, H, W, C], one an input, are as a set from the true ones."""
        seen, values = PerSet(ImageSet(saved, self.yardsticks), self.truth, self.seed), {}
        for measure in self.measures:
            if measure.sees is PerSet:
                value = measure.compute(seen)
                if measure.levels:
                    values |= {f"{measure.key}_{level}": number for level, number in value.items()}
                    value = float(np.mean(list(value.values())))
                values[measure.key] = value
        return values

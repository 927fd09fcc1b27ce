"""Measures upscaling methods on test images: a row of numbers for each method and strength of noise."""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lag.evaluation import measures
from lag.evaluation.image_folders import ImageFolders
from lag.evaluation.measure import Measure
from lag.evaluation.methods import LoadedRun, bicubic, nearest
from lag.evaluation.pairs import Pairs
from lag.evaluation.seen import Halves, ImageSet, PerImage, PerInput, PerSet
from lag.evaluation.yardsticks import Yardsticks
from libml import rng
from libml.errors import UserError
from libml.images import to_uint8
from libml.layers.resample import DOWNSCALERS
from libml.metrics import bootstrap
from libml.metrics.bootstrap import Blocked
from libml.sampler import CandidateSampler
from libml.system.counting import Counting
from libml.system.scratch import on_disk

STDS = (0.25, 0.5, 0.75, 1.0)  # of z, besides z = 0
SHOWN = 8  # images of each row that are kept for pictures

Found = tuple[float, np.ndarray]  # a number, and draws of how far it may be off


class Row(NamedTuple):
    """What was measured of a method at one strength of noise."""

    label: str
    std: float
    samples: int  # of each input
    values: dict[str, float]
    errors: dict[str, float]  # standard errors of the values
    means: dict[str, np.ndarray]  # over images, of what PerImage and PerInput measures compute: of curves, too
    parameters: int  # of the generator
    speed: float  # images a second of the generator alone, on this machine
    shown: np.ndarray  # uint8 [up to SHOWN, H, W, C], the first sample of each image
    draws: dict[str, np.ndarray]  # of how far each value may be off: the same images in every row


def evaluate(
    runs: Sequence[LoadedRun],
    pairs: Pairs,
    yardsticks: Yardsticks,
    samples: int,
    seed: int,
    batch: int,
    folders: ImageFolders | None = None,
    stds: Sequence[float] = STDS,
) -> tuple[list[Row], dict[str, str], dict[int, float]]:
    """Measures plain enlargements and every method, at z = 0 and, where there is a z, at each of stds.

    Args:
        runs: of the methods.
        pairs: what to show them.
        yardsticks: what to measure with.
        samples: images that are made of each input where there is noise.
        seed: of the noise, and of what the measures draw.
        batch: images, samples included, at a time.
        folders: take all images that are measured.
        stds: strengths of the noise.

    Returns:
        (rows, what could not be measured and why, SWD of each level between two random halves of the true images).

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
            plan += [(run.label, run.sampler, std, samples) for std in stds]
    judge = _Judge(pairs, yardsticks, seed, batch, folders)
    rows = []
    with Counting("measured", len(plan) * len(pairs.hires), "image") as counting:
        for label, sampler, std, count in plan:
            counting.turn_to(f"{label}, noise {std:g}")
            rows.append(judge.measure(label, sampler, std, count, counting.advance))
    return rows, measures.skipped(pairs, yardsticks), judge.halves.by_chance


class _Clock:
    """Sums the seconds of what it is put around."""

    def __init__(self):
        self.seconds = 0.0

    def __enter__(self):
        self._start = time.perf_counter()

    def __exit__(self, *_):
        self.seconds += time.perf_counter() - self._start


class _Judge:
    """Measures one row after another against the same truth."""

    def __init__(self, pairs: Pairs, yardsticks: Yardsticks, seed: int, batch: int, folders: ImageFolders | None):
        if folders:
            folders.save_truth(pairs.hires)
        self.folders = folders
        self.pairs, self.yardsticks, self.seed, self.batch = pairs, yardsticks, seed, batch
        self.truth, self.halves = ImageSet(pairs.hires, yardsticks), Halves(pairs.hires, seed)
        self.measures = [m for m in measures.MEASURES if not m.lack(pairs, yardsticks)]
        self.shares = {}  # number of images -> the share that each has in each resample
        self.centers = None  # uint8 [N, H, W, C], the images at z = 0 of the method that is measured
        self.clock = None  # sums the generator's time in the row that is measured

    def measure(
        self, label: str, sampler: CandidateSampler, std: float, samples: int, advance: Callable[[int], object]
    ) -> Row:
        """A row. Calls advance(images) on the way. A method's row at z = 0 comes before its others."""
        self.clock = _Clock()
        each, saved = self._all_inputs(label, sampler, std, samples, advance)
        if std == 0:
            self.centers = saved[0]
        if self.folders:
            self.folders.save_row(label, std, saved)
        found = self._numbers(each, saved)
        draws = {key: drawn for key, (_, drawn) in found.items()}
        return Row(
            label,
            std,
            samples,
            values={key: value for key, (value, _) in found.items()},
            errors={key: bootstrap.spread(drawn) for key, drawn in draws.items()},
            means={key: values.mean(axis=0) for key, values in each.items()},
            parameters=sampler.parameters,
            speed=saved[:, :, 0, 0, 0].size / self.clock.seconds,
            shown=saved[0, :SHOWN].copy(),
            draws=draws,
        )

    def _all_inputs(
        self, label: str, sampler: CandidateSampler, std: float, samples: int, advance: Callable[[int], object]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """What each input adds to the measures, [N, ...], and the images as they would be saved, on the disk."""
        parts, saved = [], on_disk([samples, *self.pairs.hires.shape], np.uint8)
        together = max(1, self.batch // samples)  # inputs whose samples are in memory
        for start in range(0, len(self.pairs.hires), together):
            part = self.pairs.part(start, together)
            found, of_part = self._inputs(label, sampler, std, samples, part)
            parts.append(found)
            saved[:, start : start + together] = of_part.swapaxes(0, 1)
            advance(len(part.hires))
        return {key: np.concatenate([found[key] for found in parts if key in found]) for key in parts[0]}, saved

    def _numbers(self, each: dict[str, np.ndarray], saved: np.ndarray) -> dict[str, Found]:
        """The numbers of all measures, from what each input adds to them and from the images as sets."""
        sets = PerSet([ImageSet(images, self.yardsticks) for images in saved], self.truth, self.seed, self.halves)
        found = {}
        for measure in self.measures:
            if measure.key in each:
                found |= self._of_images(measure, each[measure.key])
            elif measure.sees is PerSet:
                found |= self._of_sets(measure, sets)
        return found

    def _inputs(
        self, label: str, sampler: CandidateSampler, std: float, samples: int, part: Pairs
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """What each input adds to the measures, [N, ...], and the images as they would be saved.

        No more than `batch` samples are floats at a time, the others bytes.
        """
        saved, sums = np.empty([len(part.hires), samples, *part.hires.shape[1:]], np.uint8), {}
        for first in range(0, samples, self.batch):
            stds = [std] * min(self.batch, samples - first)
            with self.clock:
                images = sampler.candidates(part.lores, stds, self.seed, part.indices, first)
            if not np.all(np.isfinite(images)):
                raise UserError(f"{label} makes images that are not finite, at noise {std:g}: has its run diverged?")
            saved[:, first : first + len(stds)] = to_uint8(images)
            for key, found in self._images(images, saved[:, first : first + len(stds)], part).items():
                sums[key] = sums.get(key, 0) + found.sum(axis=1, dtype=np.float64)
        means = {key: total / samples for key, total in sums.items()}
        center = saved[:, 0] if std == 0 else self.centers[part.indices.start : part.indices.stop]
        return means | self._samples(saved, center, part, std), saved

    def _images(self, images: np.ndarray, saved: np.ndarray, part: Pairs) -> dict[str, np.ndarray]:
        """Values of each image, [N, samples, ...].

        Args:
            images: float32 [N, samples, H, W, C].
            saved: the same as they would be saved.
            part: their inputs.
        """
        n, samples, *shape = images.shape
        seen = PerImage(
            images=images.reshape(-1, *shape),
            saved=saved.reshape(-1, *shape),
            lores=part.lores.repeat(samples, axis=0),
            downscale=lambda x: DOWNSCALERS[part.downscaler](tf.constant(x), part.scale).numpy(),
            true_set=self.truth,
            numbers=np.repeat(part.indices, samples),
        )
        found = {m.key: m.compute(seen) for m in self.measures if m.sees is PerImage}
        return {key: value.reshape(n, samples, *value.shape[1:]) for key, value in found.items()}

    def _samples(self, saved: np.ndarray, center: np.ndarray, part: Pairs, std: float) -> dict[str, np.ndarray]:
        """Values of the samples of each input, [N, ...], or of the first inputs only where a measure asks for few."""
        several = saved.shape[1] > 1
        chosen = [m for m in self.measures if m.sees is PerInput and (several or (m.of_center and std == 0))]
        of_inputs = zip(saved, center, part.lores, part.indices, strict=True)
        shared = (part.scale, self.batch, self.yardsticks, self.truth)
        seen = [PerInput(s, c, y, *shared, number) for s, c, y, number in of_inputs]
        found = {}
        for m in chosen:
            few = seen[: max(0, m.inputs - part.indices.start)] if m.inputs else seen
            if few:
                found[m.key] = np.array([m.compute(s) for s in few], np.float64)
        return found

    def _of_images(self, measure: Measure, each: np.ndarray) -> dict[str, Found]:
        """The measure's number from what each image adds to it, with bootstrap draws."""
        if len(each) not in self.shares:
            self.shares[len(each)] = bootstrap.resamples(len(each), rng.key(self.seed, "bootstrap"))
        draws = bootstrap.draws(each, measure.of_mean, self.shares[len(each)])
        return {measure.key: (float(measure.of_mean(each.mean(axis=0))), draws)}

    def _of_sets(self, measure: Measure, seen: PerSet) -> dict[str, Found]:
        """How far the images are as sets from the true ones, with draws from blocks of them."""
        found = measure.compute(seen)
        if measure.levels:
            mean = Blocked.mean(list(found.values()))
            found = {f"{measure.key}_{level}": distance for level, distance in found.items()} | {measure.key: mean}
        else:
            found = {measure.key: found}
        return {key: (distance.value, distance.draws) for key, distance in found.items()}

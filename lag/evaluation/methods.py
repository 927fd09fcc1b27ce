"""What is compared: runs of LAG and of the other methods, and plain enlargement."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lag.any_method import load_any
from libml.errors import UserError
from libml.layers.resample import upscale2d
from libml.sampler import CandidateSampler
from libml.training.config import RunConfig


class LoadedRun(NamedTuple):
    """A run's trained generator, under the name that a report has for it."""

    label: str
    sampler: CandidateSampler
    folder: str
    config: RunConfig
    colors: int
    nimg: int


def load_run(run: str, batch: int) -> LoadedRun:
    """The newest checkpoint of a run of any method.

    Args:
        run: its folder.
        batch: images that are made at a time.

    Raises:
        UserError: if it is no trained run of a known method.
    """
    trained = load_any(run)
    label, config = trained.config.name or trained.config.method, trained.config
    return LoadedRun(label, trained.sampler(batch), run, config, trained.colors, trained.nimg)


def load_runs(folders: Sequence[str], batch: int) -> list[LoadedRun]:
    """Runs that can be compared: of one scale, way of downscaling and number of colours.

    Several runs of one method are labelled LAG 1, LAG 2, ...

    Raises:
        UserError: for the first that is no run, or unlike those before it.
    """
    runs = [load_run(folder, batch) for folder in folders]
    for run in runs[1:]:
        check_alike(runs[0], run.folder, run.config, run.colors)
    return _told_apart(runs)


def check_alike(first: LoadedRun, folder: str, config: RunConfig, colors: int) -> None:
    """Refuses a run that cannot be compared with the first.

    Args:
        first: the first run.
        folder: of the other.
        config: its parameters.
        colors: its colour channels.

    Raises:
        UserError: if they differ in scale, way of downscaling or colours.
    """
    for what, ours, theirs in (
        ("scale", first.config.scale, config.scale),
        ("downscaler", first.config.downscaler, config.downscaler),
        ("colours", first.colors, colors),
    ):
        if ours != theirs:
            raise UserError(
                f"runs of different {what} cannot be compared: {first.folder} has {ours}, {folder} has {theirs}"
            )


def _told_apart(runs: Sequence[LoadedRun]) -> list[LoadedRun]:
    seen, labelled = Counter(("nearest", "bicubic")), []  # which are rows of every report
    totals = seen + Counter(run.label for run in runs)
    for run in runs:
        seen[run.label] += 1
        number = f" {seen[run.label]}" if totals[run.label] > 1 else ""
        labelled.append(run._replace(label=run.label + number))
    return labelled


class Enlargement(CandidateSampler):
    """Interpolation in place of a network."""

    def __init__(self, scale: int, interpolate: Callable[[np.ndarray, int], tf.Tensor]):
        """Args: upscaling factor; a function of (lores, scale)."""
        self.scale, self._interpolate = scale, interpolate

    def __call__(self, lores: np.ndarray, *noise: np.ndarray) -> np.ndarray:
        """lores [N, h, w, C] -> float32 [N, scale h, scale w, C]."""
        return self._interpolate(lores, self.scale).numpy()


def nearest(scale: int) -> Enlargement:
    """Each pixel repeated."""
    return Enlargement(scale, lambda lores, n: upscale2d(tf.constant(lores), n))


def bicubic(scale: int) -> Enlargement:
    """tf.image.resize(method="bicubic"): the Keys cubic with a = -1/2, pixel centres aligned."""

    def resize(lores: np.ndarray, n: int) -> tf.Tensor:
        return tf.image.resize(lores, [n * side for side in lores.shape[1:3]], method="bicubic")

    return Enlargement(scale, resize)

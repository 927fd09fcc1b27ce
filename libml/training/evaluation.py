"""Measures of the generator on fixed test images during training."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from libml.errors import UserError
from libml.images import to_uint8
from libml.layers.resample import DOWNSCALERS
from libml.metrics.calibration import mean_rank, rank_shares
from libml.metrics.ensembles import energy_score, ensemble, spread_ratio
from libml.metrics.swd import seed_of, sliced_wasserstein
from libml.sampler import CandidateSampler
from libml.training.config import MEASURES, OF_SAMPLES, RunConfig
from libml.training.meters import GREY_LEVELS
from libml.training.schedule import Phase

SAMPLES = 4  # an image, where there is noise
TOGETHER = 16  # images whose samples are in memory as floats


class Evaluation:
    """The measures of the config's first test images, always with the same noise.

    Images are compared as they would be saved, except for the LR error: that is of what the generator makes.
    """

    def __init__(self, sampler: Callable[[Phase, int], CandidateSampler], config: RunConfig, hires: np.ndarray):
        """Args: (phase, nimg) -> the sampler there; the run's parameters; test images [N, H, W, C] in [-1, 1]."""
        self._sampler, self._config, self._hires = sampler, config, to_uint8(hires)
        self._lores = DOWNSCALERS[config.downscaler](tf.constant(hires), config.scale).numpy()

    def check(self, phase: Phase) -> None:
        """Raises UserError if the run keeps the best by a measure that its method has not."""
        name = self._config.keep_best
        if name in OF_SAMPLES and not self._sampler(phase, phase.nimg_start).stochastic:
            rest = ", ".join(measure for measure in MEASURES if measure not in OF_SAMPLES)
            raise UserError(
                f"--keep_best={name} compares samples, and {self._config.method} makes one image: use {rest}"
            )

    def __call__(self, phase: Phase, nimg: int) -> dict[str, float]:
        """The measures at nimg: those of the centre (rmse) and of SAMPLES samples of each image at full noise.

        swd, lr_error and rmse only of a method that takes no noise.
        """
        sampler = self._sampler(phase, nimg)
        parts = [self._part(sampler, slice(i, i + TOGETHER)) for i in range(0, len(self._hires), TOGETHER)]
        centers, saved, errors = (np.concatenate(part) for part in zip(*parts, strict=True))
        swd = sliced_wasserstein(saved[:, 0], self._hires, seed_of(self._config.seed))
        values = {"swd": float(np.mean(list(swd.values()))), "lr_error": float(errors.mean())}
        values["rmse"] = float(np.sqrt(np.square(centers.astype(np.float32) - self._hires).mean(dtype=np.float64)))
        return values | (self._of_samples(centers, saved) if sampler.stochastic else {})

    def _part(self, sampler: CandidateSampler, part: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Some centres [n, H, W, C] and samples [n, SAMPLES, H, W, C] as saved, and the samples' LR errors."""
        lores, stds = self._lores[part], [1.0] * SAMPLES if sampler.stochastic else [0.0]
        indices = range(len(self._hires))[part]
        center = sampler.candidates(lores, [0.0], self._config.seed, indices)
        made = sampler.candidates(lores, stds, self._config.seed, indices, first=1) if sampler.stochastic else center
        again = DOWNSCALERS[self._config.downscaler](made.reshape(-1, *made.shape[2:]), self._config.scale).numpy()
        errors = GREY_LEVELS * np.abs(again - lores.repeat(len(stds), axis=0)).mean(axis=(1, 2, 3))
        return to_uint8(center[:, 0]), to_uint8(made), errors

    def _of_samples(self, centers: np.ndarray, saved: np.ndarray) -> dict[str, float]:
        """How the samples of an image are spread about its centre and its truth."""
        found = [ensemble(samples, truth) for samples, truth in zip(saved, self._hires, strict=True)]
        error, distance = (float(np.mean([getattr(e, name) for e in found])) for name in ("error", "distance"))
        ranks = [rank_shares(*images) for images in zip(saved, self._hires, centers, strict=True)]
        return {
            "energy": energy_score(error, distance),
            "diversity": distance,
            "spread": spread_ratio(error, distance),
            "rank": mean_rank(np.mean(ranks, axis=0)),
        }

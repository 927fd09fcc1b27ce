"""The preview pictures of a training."""

from collections.abc import Callable

import numpy as np

from libml.sampler import CandidateSampler, candidates_grid
from libml.training.config import RunConfig
from libml.training.schedule import Phase

PREVIEW_IMAGES = 8
PREVIEW_STDS = (0.0, 1.0, 1.0, 1.0, 1.0)


class Preview:
    """The candidates grid of fixed test images that training shows: z = 0, then z ~ N(0, 1) where there is a z."""

    def __init__(self, sampler: Callable[[Phase, int], CandidateSampler], config: RunConfig, hires: np.ndarray):
        """Args: (phase, nimg) -> the sampler there; the run's parameters; test images [N, H, W, C] in [-1, 1]."""
        self._sampler, self._config, self._hires = sampler, config, hires

    def __call__(self, phase: Phase, nimg: int) -> np.ndarray:
        """The picture at nimg, [N * H, (2 + columns) * W, C]."""
        sampler, config = self._sampler(phase, nimg), self._config
        stds = PREVIEW_STDS if sampler.stochastic else (0.0,)
        return candidates_grid(sampler, self._hires, config.downscaler, stds, config.seed, range(len(self._hires)))

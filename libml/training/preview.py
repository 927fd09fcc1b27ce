"""The preview pictures of a training."""

from collections.abc import Callable

import numpy as np

from libml.page import draw
from libml.sampler import CandidateSampler, candidates_figure
from libml.training.config import RunConfig
from libml.training.schedule import Phase

PREVIEW_IMAGES = 8
PREVIEW_STDS = (0.0, 0.5, 1.0)


class Preview:
    """The candidates of fixed test images that training shows, enlarged and labelled: always of the same noise."""

    def __init__(self, sampler: Callable[[Phase, int], CandidateSampler], config: RunConfig, hires: np.ndarray):
        """Args: (phase, nimg) -> the sampler there; the run's parameters; test images [N, H, W, C] in [-1, 1]."""
        self._sampler, self._config, self._hires = sampler, config, hires

    def __call__(self, phase: Phase, nimg: int) -> np.ndarray:
        """The picture at nimg, uint8 [H, W, 3]."""
        sampler, config = self._sampler(phase, nimg), self._config
        stds = PREVIEW_STDS if sampler.stochastic else (0.0,)
        title, indices = f"{config.method}, {config.dataset} {config.scale}x", range(len(self._hires))
        return draw(candidates_figure(sampler, self._hires, config.downscaler, stds, config.seed, indices, title))

"""What measures see: images, the samples of an input, sets of images."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from lag.evaluation.yardsticks import Yardsticks
from libml import rng
from libml.images import to_float
from libml.metrics import calibration, histograms, manifolds, swd
from libml.metrics.bootstrap import Blocked
from libml.metrics.ensembles import Ensemble, ensemble


@dataclass(frozen=True)
class ImageSet:
    """Images of one source, and what is made of them, each once."""

    images: np.ndarray  # uint8 [N, H, W, C]
    yardsticks: Yardsticks
    _made: dict = field(default_factory=dict)

    def once(self, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """function(images): a function of the measures' modules, not one that is made anew for each call."""
        return self._kept(function, lambda: function(self.images))

    def features(self, network: str) -> np.ndarray:
        """Those of a network, float32 [N, D]; network: the field of Yardsticks."""
        return self._kept(network, lambda: getattr(self.yardsticks, network).features(self.images))

    def activations(self, number: int) -> list[np.ndarray]:
        """EfficientNet-Lite0's of one image, [1, ...] a stage."""
        return self._kept(number, lambda: self.yardsticks.lite0.activations(self.images[number, None]))

    def _kept(self, name: Hashable, make: Callable[[], Any]) -> Any:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]


@dataclass(frozen=True)
class PerImage:
    """What a measure of each image sees: generated images beside the true ones, M of each."""

    images: np.ndarray  # float32 [M, H, W, C]
    saved: np.ndarray  # uint8 [M, H, W, C]: the same as they would be saved
    lores: np.ndarray  # float32 [M, h, w, C] in [-1, 1]
    downscale: Callable[[np.ndarray], np.ndarray]  # the runs' own
    true_set: ImageSet
    numbers: np.ndarray  # int [M]: which true image is each one's

    @cached_property
    def truth(self) -> np.ndarray:
        """The true images, uint8 [M, H, W, C]."""
        return self.true_set.images[self.numbers]

    @cached_property
    def again(self) -> np.ndarray:
        """The images made small again, float32 [M, h, w, C]."""
        return self.downscale(self.images)

    @cached_property
    def saved_again(self) -> np.ndarray:
        """The saved images made small again, float32 [M, h, w, C]."""
        return self.downscale(to_float(self.saved))

    @cached_property
    def spectra(self) -> np.ndarray:
        """Radial power of the images and of the truth, [M, 2, R]."""
        of_truth = self.true_set.once(histograms.spectra)[self.numbers]
        return np.stack([histograms.spectra(self.saved), of_truth], axis=1)


@dataclass(frozen=True)
class PerInput:
    """What a measure of an input's samples sees."""

    saved: np.ndarray  # uint8 [M, H, W, C]: the samples as they would be saved
    center: np.ndarray  # uint8 [H, W, C]: the image at z = 0
    lores: np.ndarray  # float32 [h, w, C] in [-1, 1]
    scale: int
    batch: int  # images that a network takes at a time
    yardsticks: Yardsticks
    true_set: ImageSet
    number: int  # which true image is this input's

    @cached_property
    def truth(self) -> np.ndarray:
        """The true image, uint8 [H, W, C]."""
        return self.true_set.images[self.number]

    @cached_property
    def ensemble(self) -> Ensemble:
        """How far the samples are from the truth and from each other, in grey levels."""
        return ensemble(self.saved, self.truth)

    @cached_property
    def activations(self) -> list[np.ndarray]:
        """EfficientNet-Lite0's of the samples, one array a stage."""
        return self.yardsticks.lite0.activations(self.saved)

    @property
    def true_activations(self) -> list[np.ndarray]:
        """The same of the truth, of one image."""
        return self.true_set.activations(self.number)

    @cached_property
    def rank_shares(self) -> np.ndarray:
        """How the rank of the truth among the samples is distributed, by the distance to the image at z = 0."""
        return calibration.rank_shares(self.saved, self.truth, self.center)

    def latents(self) -> np.ndarray:
        """Points of the samples in the critic's latent space, [M, ...]."""
        parts = [to_float(self.saved[i : i + self.batch]) for i in range(0, len(self.saved), self.batch)]
        project = self.yardsticks.critic.project
        return np.concatenate([project(part, self.lores[None].repeat(len(part), axis=0)) for part in parts])


class Halves:
    """Two random halves of the true images: what chance makes of distances between sets of their size."""

    def __init__(self, truth: np.ndarray, seed: int):
        """Args: true images uint8 [N, H, W, C]; a seed."""
        order = np.random.default_rng(rng.key(seed, "halves")).permutation(len(truth))
        half = len(truth) // 2
        self.sides = np.sort(order[:half]), np.sort(order[half : 2 * half])  # indices
        self._truth, self._seed = truth, seed

    @cached_property
    def apart(self) -> dict[int, Blocked]:
        """The sliced Wasserstein distance of the halves, of each level."""
        return self._distances([self._truth[self.sides[0]]], self._truth[self.sides[1]])

    @property
    def by_chance(self) -> dict[int, float]:
        """The distances that chance alone makes."""
        return {size: distance.value for size, distance in self.apart.items()}

    def across(self, samples: Sequence[np.ndarray]) -> dict[int, Blocked]:
        """The same between images made of one half's inputs and the true images of the other half, of each level.

        Even samples are made of the first half's inputs, odd ones of the second's; the mean is over samples.
        """
        found = []
        for turn, (one, other) in enumerate((self.sides, self.sides[::-1])):
            chosen = [images[one] for images in samples[turn::2]]
            if chosen:
                found += [self._distances(chosen, self._truth[other])] * len(chosen)
        return {size: Blocked.mean([f[size] for f in found]) for size in found[0]}

    def _distances(self, sets: Sequence[np.ndarray], truth: np.ndarray) -> dict[int, Blocked]:
        return swd.distances(sets, truth, swd.seed_of(self._seed))


@dataclass(frozen=True)
class PerSet:
    """What a measure of two sets of images sees."""

    samples: Sequence[ImageSet]  # the first sample of each input, the second of each, ...
    truth: ImageSet
    seed: int
    halves: Halves

    @cached_property
    def manifolds(self) -> dict[str, Blocked]:
        """How the features of the images and of the truth cover each other, on EfficientNet-Lite0."""
        return manifolds.in_blocks(self.made.features("lite0"), self.truth.features("lite0"))

    @property
    def images(self) -> list[np.ndarray]:
        """Those of each of the samples."""
        return [made.images for made in self.samples]

    @property
    def made(self) -> ImageSet:
        """The first sample of each input."""
        return self.samples[0]

"""The measures of a report: each is one row of MEASURES."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lag.evaluation.pairs import Pairs
from lag.evaluation.yardsticks import Yardsticks
from libml import rng
from libml.images import to_float
from libml.metrics import distances, fid, swd

UP, DOWN = "↑", "↓"  # which way is better
DISTORTION, CONSISTENCY, DIVERSITY, REALISM = "Distortion", "Consistency with the input", "Diversity", "Realism"


@dataclass(frozen=True)
class PerImage:
    """What a measure of each image sees: generated images beside the true ones, M of each."""

    images: np.ndarray  # float32 [M, H, W, C]
    saved: np.ndarray  # uint8 [M, H, W, C]: the same as they would be saved
    truth: np.ndarray  # uint8 [M, H, W, C]
    lores: np.ndarray  # float32 [M, h, w, C] in [-1, 1]
    downscale: Callable[[np.ndarray], np.ndarray]  # the runs' own

    @cached_property
    def again(self) -> np.ndarray:
        """The images made small again, float32 [M, h, w, C]."""
        return self.downscale(self.images)

    @cached_property
    def saved_again(self) -> np.ndarray:
        """The saved images made small again, float32 [M, h, w, C]."""
        return self.downscale(to_float(self.saved))


@dataclass(frozen=True)
class PerInput:
    """What a measure of an input's samples sees."""

    saved: np.ndarray  # uint8 [M, H, W, C]: the samples as they would be saved, M at least 2
    truth: np.ndarray  # uint8 [H, W, C]
    lores: np.ndarray  # float32 [h, w, C] in [-1, 1]
    scale: int
    yardsticks: Yardsticks
    batch: int  # images that a network takes at a time

    def latents(self) -> np.ndarray:
        """Points of the samples in the critic's latent space, [M, ...]."""
        parts = [to_float(self.saved[i : i + self.batch]) for i in range(0, len(self.saved), self.batch)]
        project = self.yardsticks.critic.project
        return np.concatenate([project(part, self.lores[None].repeat(len(part), axis=0)) for part in parts])


@dataclass(frozen=True)
class ImageSet:
    """Images of one source, and what networks make of them."""

    images: np.ndarray  # uint8 [N, H, W, C]
    yardsticks: Yardsticks

    @cached_property
    def features(self) -> np.ndarray:
        """InceptionV3's, float32 [N, 2048]."""
        return self.yardsticks.features(self.images)


@dataclass(frozen=True)
class PerSet:
    """What a measure of two sets of images sees."""

    made: ImageSet  # the first sample of each input
    truth: ImageSet
    seed: int


@dataclass(frozen=True)
class Measure:
    """A column of the report, how it is computed and how it is shown.

    `compute` takes what `sees` says:
        PerImage -> [M], a value of each image; the report has the mean over inputs and samples.
        PerInput -> a number for the samples of one input; the report has the mean over inputs. Only with 2 samples.
        PerSet -> a number; with `levels` a number of each level, {level: number}.
    """

    key: str  # in report.json and report.csv
    name: str  # in report.md
    better: str  # UP or DOWN
    group: str  # heading of its table
    digits: int  # behind the point, in report.md
    sees: type
    compute: Callable[[Any], Any]
    meaning: str  # a note of report.md
    needs: str = ""  # the field of Yardsticks that it is computed with
    least_side: int = 0  # of images, in pixels
    of_mean: Callable[[float], float] = float  # what is made of the mean over images
    factor: float = 1  # that report.md shows it times
    levels: str = ""  # name of the columns of its levels, which their mean follows

    def lack(self, pairs: Pairs, yardsticks: Yardsticks) -> str:
        """Why it cannot be measured; '' if it can."""
        side = min(pairs.hires.shape[1:3])
        if side < self.least_side:
            return f"it needs images of {self.least_side} pixels and more, these have {side}"
        return yardsticks.missing.get(self.needs, "")


def skipped(pairs: Pairs, yardsticks: Yardsticks) -> dict[str, str]:
    """Keys of the measures that cannot be measured, and why."""
    reasons = {measure.key: measure.lack(pairs, yardsticks) for measure in MEASURES}
    return {key: reason for key, reason in reasons.items() if reason}


def _grey_error(again: np.ndarray, lores: np.ndarray) -> np.ndarray:
    return 127.5 * np.abs(again - lores).mean(axis=(1, 2, 3))


def _swd(images: np.ndarray, truth: np.ndarray, seed: int) -> dict[int, float]:
    return swd.sliced_wasserstein(images, truth, rng.key(seed, "sliced Wasserstein distance"))


def halves_apart(pairs: Pairs, seed: int) -> dict[int, float]:
    """The sliced Wasserstein distance that chance alone makes: between two halves of the true images."""
    half = len(pairs.hires) // 2
    return _swd(pairs.hires[:half], pairs.hires[half : 2 * half], seed)


MEASURES = (
    Measure(
        "psnr",
        "PSNR",
        better=UP,
        group=DISTORTION,
        digits=2,
        sees=PerImage,
        compute=lambda seen: distances.psnr(seen.saved, seen.truth, 255),
        meaning="dB, against the true image; mean over images and samples",
    ),
    Measure(
        "rmse",
        "RMSE",
        better=DOWN,
        group=DISTORTION,
        digits=2,
        sees=PerImage,
        compute=lambda seen: np.square(seen.saved.astype(np.float32) - seen.truth).mean(axis=(1, 2, 3)),
        meaning="grey levels, root of the mean square over everything",
        of_mean=lambda mse: mse**0.5,
    ),
    Measure(
        "ssim",
        "SSIM",
        better=UP,
        group=DISTORTION,
        digits=4,
        sees=PerImage,
        compute=lambda seen: distances.ssim(seen.saved, seen.truth),
        meaning="tf.image.ssim, 11 x 11 window",
        least_side=distances.SSIM_SIZE,
    ),
    Measure(
        "ms_ssim",
        "MS-SSIM",
        better=UP,
        group=DISTORTION,
        digits=4,
        sees=PerImage,
        compute=lambda seen: distances.ms_ssim(seen.saved, seen.truth),
        meaning="tf.image.ssim_multiscale, five scales",
        least_side=distances.MS_SSIM_SIZE,
    ),
    Measure(
        "lr_psnr",
        "LR PSNR",
        better=UP,
        group=CONSISTENCY,
        digits=2,
        sees=PerImage,
        compute=lambda seen: distances.psnr(seen.again, seen.lores, 2),
        meaning="dB, of the image made small again by the runs' downscaler against the input",
    ),
    Measure(
        "lr_error",
        "LR error",
        better=DOWN,
        group=CONSISTENCY,
        digits=3,
        sees=PerImage,
        compute=lambda seen: _grey_error(seen.again, seen.lores),
        meaning="mean absolute difference of the same in grey levels",
    ),
    Measure(
        "lr_psnr_8bit",
        "LR PSNR, 8 bits",
        better=UP,
        group=CONSISTENCY,
        digits=2,
        sees=PerImage,
        compute=lambda seen: distances.psnr(seen.saved_again, seen.lores, 2),
        meaning="LR PSNR after the image is clipped and rounded to 8 bits",
    ),
    Measure(
        "lr_error_8bit",
        "LR error, 8 bits",
        better=DOWN,
        group=CONSISTENCY,
        digits=3,
        sees=PerImage,
        compute=lambda seen: _grey_error(seen.saved_again, seen.lores),
        meaning="LR error after the same",
    ),
    Measure(
        "diversity",
        "pixel distance",
        better=UP,
        group=DIVERSITY,
        digits=2,
        sees=PerInput,
        compute=lambda seen: distances.pairwise_rms(seen.saved),
        meaning="mean RMS distance of two samples of an input, grey levels",
    ),
    Measure(
        "diversity_latent",
        "latent distance",
        better=UP,
        group=DIVERSITY,
        digits=4,
        sees=PerInput,
        compute=lambda seen: distances.pairwise_rms(seen.latents()),
        meaning="the same between their points P(x, delta) in the critic's latent space",
        needs="critic",
    ),
    Measure(
        "space_score",
        "SR space score",
        better=UP,
        group=DIVERSITY,
        digits=2,
        sees=PerInput,
        compute=lambda seen: distances.space_score(seen.saved, seen.truth, seen.scale),
        meaning="percent: 100 (global - local) / global, the score of the NTIRE 2021 challenge on learning the "
        "super-resolution space with another distance. Global: the mean distance to the truth of the sample whose mean "
        "is smallest; local: the mean over places of the smallest distance that any sample has there; then the mean "
        "over images. **The challenge's distance is LPIPS, a learnt one. Here it is the mean squared error of the "
        "scale x scale box of pixels of each input pixel**: values do not compare with the challenge's",
    ),
    Measure(
        "swd",
        "SWD mean",
        better=DOWN,
        group=REALISM,
        digits=2,
        sees=PerSet,
        compute=lambda seen: _swd(seen.made.images, seen.truth.images, seen.seed),
        meaning="sliced Wasserstein distance x 1000 (Karras et al. 2018) between 7 x 7 patches, 128 an image, of each "
        "level of the Laplacian pyramid, and the mean over levels; the first sample of each input",
        levels="SWD",
    ),
    Measure(
        "fid",
        "FID",
        better=DOWN,
        group=REALISM,
        digits=2,
        sees=PerSet,
        compute=lambda seen: fid.frechet_distance(seen.made.features, seen.truth.features),
        meaning="on Keras' InceptionV3, not the network of published FIDs; the first sample",
        needs="features",
    ),
    Measure(
        "kid",
        "KID x 1000",
        better=DOWN,
        group=REALISM,
        digits=2,
        sees=PerSet,
        compute=lambda seen: fid.kernel_distance(seen.made.features, seen.truth.features, rng.key(seen.seed, "KID")),
        meaning="on the same features",
        needs="features",
        factor=1000,
    ),
)

"""The measures of a report: each is one row of MEASURES."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lag.evaluation.pairs import Pairs
from lag.evaluation.seen import Halves, PerImage, PerInput, PerSet, swd_seed
from lag.evaluation.yardsticks import Yardsticks
from libml import rng
from libml.metrics import bands, distances, ensembles, fid, swd
from libml.metrics.bootstrap import Blocked, blocked

UP, DOWN, ONE, NONE = "↑", "↓", "→ 1", ""  # which way is better
DISTORTION, CONSISTENCY, DIVERSITY = "Distortion", "Consistency with the input", "Diversity"
SPREAD, REALISM = "Spread", "Realism"


@dataclass(frozen=True)
class Measure:
    """A column of the report, how it is computed and how it is shown.

    `compute` takes what `sees` says:
        PerImage -> [M, ...], a value or several of each image; the report has the mean over inputs and samples.
        PerInput -> a value or several for the samples of one input; the report has the mean over inputs. Only with 2
            samples, or of the one image without noise where the measure has `of_center`.
        PerSet -> a value of the set, and the same of blocks of it.
    With `levels` a dictionary of each level's; the report has them and their mean.
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
    of_mean: Callable[[Any], Any] = float  # what is made of the mean over images
    of_center: bool = False  # the only image without noise is measured as the samples are
    exact: bool = False  # it has no error
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


def _swd(seen: PerSet) -> dict[int, Blocked]:
    return swd.distances([made.images for made in seen.samples], seen.truth.images, swd_seed(seen.seed))


def _swd_over_chance(seen: PerSet) -> Blocked:
    across, apart = (_mean(x) for x in (seen.halves.across([s.images for s in seen.samples]), seen.halves.apart))
    return Blocked(across.value - apart.value, across.blocks - apart.blocks)


def _mean(levels: dict[int, Blocked]) -> Blocked:
    return Blocked.mean(list(levels.values()))


def halves_apart(pairs: Pairs, seed: int) -> dict[int, float]:
    """The sliced Wasserstein distance that chance alone makes: between two random halves of the true images."""
    return {size: distance.value for size, distance in Halves(pairs.hires, seed).apart.items()}


def _bands(seen: PerSet) -> dict[int, Blocked]:
    return bands.compare((made.images for made in seen.samples), seen.truth.images)


def _kid(seen: PerSet) -> Blocked:
    seed = rng.key(seen.seed, "KID")
    return blocked(lambda a, b: fid.kernel_distance(a, b, seed), seen.made.features, seen.truth.features)


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
        "energy_score",
        "energy score",
        better=DOWN,
        group=SPREAD,
        digits=2,
        sees=PerInput,
        compute=lambda seen: seen.ensemble[:2],
        of_mean=lambda mean: ensembles.energy_score(*mean),
        of_center=True,
        meaning="mean of |x - G| - |G - G'| / 2 in grey levels, |.| the root of the mean square over an image, x the "
        "truth, G and G' two samples (Gneiting and Raftery 2007): the smallest for samples of the true distribution. "
        "Of one image without noise it is |x - G|",
    ),
    Measure(
        "spread",
        "spread ratio",
        better=ONE,
        group=SPREAD,
        digits=3,
        sees=PerInput,
        compute=lambda seen: seen.ensemble[:2],
        of_mean=lambda mean: ensembles.spread_ratio(*mean),
        meaning="mean of |G - G'| over mean of |x - G|: 1 where the truth could be one of the samples, below 1 where "
        "samples are too alike",
    ),
    Measure(
        "mean_gain",
        "gain of the mean",
        better=NONE,
        group=SPREAD,
        digits=2,
        sees=PerInput,
        compute=lambda seen: seen.ensemble[2:],
        of_mean=lambda mean: ensembles.gain_of_mean(*mean),
        meaning="dB: PSNR of the mean of an input's samples less that of one sample, of the mean squared error over "
        "everything",
    ),
    Measure(
        "mean_gain_ideal",
        "its ideal",
        better=NONE,
        group=SPREAD,
        digits=2,
        sees=PerInput,
        compute=lambda seen: ensembles.ideal_gain(len(seen.saved)),
        exact=True,
        meaning="10 log10(2n / (n + 1)) dB for n samples: the gain of samples of the true distribution",
    ),
    Measure(
        "swd",
        "SWD mean",
        better=DOWN,
        group=REALISM,
        digits=2,
        sees=PerSet,
        compute=_swd,
        meaning="sliced Wasserstein distance x 1000 (Karras et al. 2018) between 7 x 7 patches, 128 an image, of each "
        "level of the Laplacian pyramid, and the mean over levels; the mean over samples, each with one image an input",
        levels="SWD",
    ),
    Measure(
        "swd_over_chance",
        "SWD over chance",
        better=DOWN,
        group=REALISM,
        digits=2,
        sees=PerSet,
        compute=_swd_over_chance,
        meaning="SWD mean of the images made of one random half of the inputs against the true images of the other "
        "half, less that of the two true halves: 0 for images that cannot be told from true ones",
    ),
    Measure(
        "band",
        "band ratio mean",
        better=ONE,
        group=REALISM,
        digits=3,
        sees=PerSet,
        compute=_bands,
        meaning="standard deviation of each level of the Laplacian pyramid over that of the true images, mean over "
        "colours: grain is above 1, blur below; SWD does not see it",
        levels="band ratio",
    ),
    Measure(
        "fid",
        "FID",
        better=DOWN,
        group=REALISM,
        digits=2,
        sees=PerSet,
        compute=lambda seen: blocked(fid.frechet_distance, seen.made.features, seen.truth.features),
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
        compute=_kid,
        meaning="on the same features",
        needs="features",
        factor=1000,
    ),
)

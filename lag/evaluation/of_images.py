"""The measures of each image, and of the samples of each input."""

import numpy as np

from lag.evaluation.measure import CONSISTENCY, DISTORTION, DIVERSITY, DOWN, HALF, NONE, ONE, SPREAD, UP, Measure
from lag.evaluation.seen import PerImage, PerInput
from libml.metrics import calibration, distances, ensembles, lite0


def _grey_error(again: np.ndarray, lores: np.ndarray) -> np.ndarray:
    return 127.5 * np.abs(again - lores).mean(axis=(1, 2, 3))


def _lite0_space_score(seen: PerInput) -> float:
    return distances.space_score_of_maps(lite0.distance_maps(seen.activations, seen.true_activations))


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
        compute=lambda seen: seen.ensemble.distance,
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
        "diversity_lite0",
        "Lite0 distance",
        better=UP,
        group=DIVERSITY,
        digits=3,
        sees=PerInput,
        compute=lambda seen: lite0.pairwise_distance(seen.activations),
        meaning="mean distance of two samples of an input, as LPIPS without learnt weights on EfficientNet-Lite0's "
        "activations: compares with no published LPIPS",
        needs="lite0",
        inputs=100,
    ),
    Measure(
        "space_score_lite0",
        "Lite0 space score",
        better=UP,
        group=DIVERSITY,
        digits=2,
        sees=PerInput,
        compute=_lite0_space_score,
        meaning="percent: the SR space score with the Lite0 distance, on 56 x 56 places",
        needs="lite0",
        inputs=100,
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
        "truth_rank",
        "truth's rank",
        better=HALF,
        group=SPREAD,
        digits=3,
        sees=PerInput,
        compute=lambda seen: seen.rank_shares,
        of_mean=calibration.mean_rank,
        meaning="how many samples are nearer to the image at z = 0 than the truth is, as a share of all: 0.5 on "
        "average where the truth could be one of the samples, more where samples are too alike, less where they are "
        "too spread",
    ),
    Measure(
        "miscalibration",
        "miscalibration",
        better=DOWN,
        group=SPREAD,
        digits=3,
        sees=PerInput,
        compute=lambda seen: seen.rank_shares,
        of_mean=calibration.miscalibration,
        meaning="mean distance of the distribution of that rank from equal shares, 0 to 0.5",
    ),
    Measure(
        "nearest_sample",
        "nearest sample",
        better=DOWN,
        group=SPREAD,
        digits=2,
        sees=PerInput,
        compute=lambda seen: calibration.nearest(seen.saved, seen.truth),
        of_mean=lambda curve: curve[-1],
        meaning="RMS distance in grey levels from the truth of the nearest sample of an input",
    ),
)

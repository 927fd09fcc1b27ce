"""The measures of images as a set against the true ones."""

import numpy as np

from lag.evaluation.measure import DOWN, FEATURES, ONE, REALISM, UP, Measure
from lag.evaluation.seen import PerImage, PerSet
from libml import rng
from libml.metrics import bands, fid, histograms, lite0, manifolds, swd
from libml.metrics.bootstrap import Blocked, blocked


def _swd(seen: PerSet) -> dict[int, Blocked]:
    return swd.distances(seen.images, seen.truth.images, swd.seed_of(seen.seed))


def _swd_over_chance(seen: PerSet) -> Blocked:
    across, apart = (_mean(x) for x in (seen.halves.across(seen.images), seen.halves.apart))
    return Blocked(across.value - apart.value, across.blocks - apart.blocks)


def _mean(levels: dict[int, Blocked]) -> Blocked:
    return Blocked.mean(list(levels.values()))


def _features(seen: PerSet, network: str) -> tuple[np.ndarray, np.ndarray]:
    return seen.made.features(network), seen.truth.features(network)


def _kid(seen: PerSet, network: str) -> Blocked:
    seed = rng.key(seen.seed, "KID")
    return blocked(lambda a, b: fid.kernel_distance(a, b, seed), *_features(seen, network))


MEASURES = (
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
        compute=lambda seen: bands.compare(seen.images, seen.truth.once(bands.moments)),
        meaning="standard deviation of each level of the Laplacian pyramid over that of the true images, mean over "
        "colours: grain is above 1, blur below; SWD does not see it",
        levels="band ratio",
    ),
    Measure(
        "spectrum",
        "spectrum",
        better=DOWN,
        group=REALISM,
        digits=2,
        sees=PerImage,
        compute=lambda seen: seen.spectra,
        of_mean=histograms.spectrum_distance,
        meaning="dB, mean over frequencies of the difference of the radial power spectrum from that of the true images",
    ),
    Measure(
        "colors",
        "colours",
        better=DOWN,
        group=REALISM,
        digits=2,
        sees=PerSet,
        compute=lambda seen: histograms.compare_colors(seen.images, seen.truth.once(histograms.colors_in_blocks)),
        meaning="grey levels, 1-Wasserstein distance of the histogram of each colour from that of the true images, "
        "mean over colours; all samples",
    ),
    Measure(
        "patterns",
        "patterns",
        better=DOWN,
        group=REALISM,
        digits=4,
        sees=PerSet,
        compute=lambda seen: histograms.compare_patterns(seen.images, seen.truth.once(histograms.patterns_in_blocks)),
        meaning="total variation distance, 0 to 1, of the histogram of 3 x 3 patches' local binary patterns (Ojala et "
        "al. 2002) from that of the true images; all samples",
    ),
    Measure(
        "kid_lite0",
        "KID-Lite0 x 1000",
        better=DOWN,
        group=FEATURES,
        digits=2,
        sees=PerSet,
        compute=lambda seen: _kid(seen, "lite0"),
        meaning="kernel distance (Binkowski et al. 2018) on EfficientNet-Lite0's pooled features, images enlarged to "
        "224 pixels, bicubic: compares with no published KID; the first sample of each input",
        needs="lite0",
        factor=1000,
    ),
    Measure(
        "fd_lite0",
        "FD-Lite0",
        better=DOWN,
        group=FEATURES,
        digits=3,
        sees=PerSet,
        compute=lambda seen: blocked(fid.frechet_distance, *(lite0.projected(x) for x in _features(seen, "lite0"))),
        meaning="Frechet distance on 128 fixed random combinations of the same features: compares with no published "
        "FID. It grows as images become fewer: compare at equal numbers",
        needs="lite0",
    ),
    *(
        Measure(
            f"{key}_lite0",
            f"{key}-Lite0",
            better=UP,
            group=FEATURES,
            digits=3,
            sees=PerSet,
            compute=lambda seen, key=key: seen.manifolds[key],
            meaning=f"{meaning}, on the same features",
            needs="lite0",
            least_images=manifolds.LEAST,
        )
        for key, meaning in (
            ("precision", "share of the images that lie among true ones (Kynkäänniemi et al. 2019, k = 3)"),
            ("recall", "share of the true images that lie among the images"),
            (
                "density",
                "in how many true images' neighbourhoods an image lies (Naeem et al. 2020, k = 5), 1 when right",
            ),
            ("coverage", "share of the true images in whose neighbourhood an image lies"),
        )
    ),
    Measure(
        "fid",
        "FID",
        better=DOWN,
        group=FEATURES,
        digits=2,
        sees=PerSet,
        compute=lambda seen: blocked(fid.frechet_distance, *_features(seen, "inception")),
        meaning="on Keras' InceptionV3, not the network of published FIDs; the first sample",
        needs="inception",
    ),
    Measure(
        "kid",
        "KID x 1000",
        better=DOWN,
        group=FEATURES,
        digits=2,
        sees=PerSet,
        compute=lambda seen: _kid(seen, "inception"),
        meaning="on InceptionV3's features",
        needs="inception",
        factor=1000,
    ),
)

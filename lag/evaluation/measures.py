"""The measures of a report, and what they need."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lag.config import LAGConfig
from lag.evaluation.methods import LoadedRun, check_alike
from lag.evaluation.pairs import Pairs
from lag.trained import TrainedCritic, load_critic
from libml import rng
from libml.errors import UserError
from libml.images import to_float, to_uint8
from libml.layers.resample import DOWNSCALERS
from libml.metrics import distances as metrics
from libml.metrics import fid, swd
from libml.sampler import CandidateSampler
from libml.training.run_folder import from_args, load_args, run_colors

SHOWN = 8  # images of each row that are kept for pictures


class Row(NamedTuple):
    """What was measured of a method at one strength of noise."""

    label: str
    std: float
    samples: int  # an image
    values: dict[str, float]
    shown: np.ndarray  # uint8 [up to SHOWN, H, W, C], the first sample of each image


class Yardsticks(NamedTuple):
    """What is needed to measure besides the images. What is missing is named in `skipped`."""

    critic: TrainedCritic | None
    critic_run: str  # whose critic that is
    features: fid.Features | None
    skipped: dict[str, str]  # measure -> why it is not there


def load_yardsticks(runs: Sequence[LoadedRun], critic_run: str, inception_weights: str, batch: int) -> Yardsticks:
    """The critic that spans the latent space, and InceptionV3.

    Args:
        runs: that are compared.
        critic_run: the LAG run whose critic it is; '' for the first of LAG's among the runs.
        inception_weights: file of InceptionV3's weights; '' for Keras' own.
        batch: images at a time.

    Raises:
        UserError: if the critic's run is none, or cannot be compared with the runs; if there is no such file.
    """
    skipped = {}
    own = next((run.folder for run in runs if isinstance(run.config, LAGConfig)), "")
    critic_run = critic_run or own
    critic = _fitting_critic(critic_run, runs[0]) if critic_run else None
    if critic is None:
        skipped["diversity_latent"] = "no LAG run is compared, nor named by --critic"
    features = None
    try:
        features = fid.load_features(inception_weights, batch)
    except fid.NoWeightsError as e:
        reason = f"InceptionV3's weights are not here (--inception_weights) and cannot be fetched: {e}"
        skipped["fid"] = skipped["kid"] = reason
    return Yardsticks(critic, critic_run, features, skipped)


def _fitting_critic(folder: str, first: LoadedRun) -> TrainedCritic:
    args = load_args(folder)
    check_alike(first, folder, from_args(LAGConfig, args), run_colors(args, folder))
    return load_critic(folder)


def halves_apart(pairs: Pairs, seed: int) -> dict[int, float]:
    """The sliced Wasserstein distance that chance alone makes: between two halves of the true images."""
    half = len(pairs.hires) // 2
    return swd.sliced_wasserstein(pairs.hires[:half], pairs.hires[half : 2 * half], _swd_seed(seed))


def _swd_seed(seed: int) -> int:
    return rng.key(seed, "sliced Wasserstein distance")


def _too_small(pairs: Pairs) -> dict[str, str]:
    """Measures that images of this size have not, and why."""
    side, reasons = min(pairs.hires.shape[1:3]), {}
    for name, needed in (("ssim", metrics.SSIM_SIZE), ("ms_ssim", metrics.MS_SSIM_SIZE)):
        if side < needed:
            reasons[name] = f"it needs images of {needed} pixels and more, these have {side}"
    return reasons


class _Judge:
    """Measures one row after another against the same truth."""

    def __init__(self, pairs: Pairs, yardsticks: Yardsticks, seed: int, batch: int):
        self.pairs, self.critic, self.features, self.batch = pairs, yardsticks.critic, yardsticks.features, batch
        self.swd_seed, self.kid_seed = _swd_seed(seed), rng.key(seed, "KID")
        self.noise_seed = seed
        self.true_features = self.features(pairs.hires) if self.features else None

    def measure(
        self, label: str, sampler: CandidateSampler, std: float, samples: int, advance: Callable[[int], object]
    ) -> tuple[dict[str, float], np.ndarray]:
        """The values of a row, and the first images of it. Calls advance(images) on the way."""
        parts, firsts = [], []
        together = max(1, self.batch // samples)  # inputs whose samples are in memory
        for start in range(0, len(self.pairs.hires), together):
            part = self.pairs.part(start, together)
            values, saved = self._inputs(label, sampler, std, samples, part)
            parts.append(values)
            firsts.append(saved[:, 0].copy())
            advance(len(part.hires))
        values = {name: float(np.mean(np.concatenate([p[name] for p in parts]))) for name in parts[0]}
        values["rmse"] = values.pop("mse") ** 0.5
        saved = np.concatenate(firsts)
        return {**values, **self._as_sets(saved)}, saved[:SHOWN].copy()

    def _inputs(
        self, label: str, sampler: CandidateSampler, std: float, samples: int, part: Pairs
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Measures of each image or input, [N * samples] or [N], and the images as they would be saved.

        No more than `batch` samples are floats at a time, the others bytes.
        """
        saved, found = np.empty([len(part.hires), samples, *part.hires.shape[1:]], np.uint8), []
        for first in range(0, samples, self.batch):
            stds = [std] * min(self.batch, samples - first)
            images = sampler.candidates(part.lores, stds, self.noise_seed, part.indices, first)
            if not np.all(np.isfinite(images)):
                raise UserError(f"{label} makes images that are not finite, at noise {std:g}: has its run diverged?")
            saved[:, first : first + len(stds)] = to_uint8(images)
            found.append(self._each(images, saved[:, first : first + len(stds)], part))
        values = {name: np.concatenate([f[name] for f in found], axis=1).ravel() for name in found[0]}
        if samples > 1:
            values |= self._diversity(saved, part)
        return values, saved

    def _each(self, images: np.ndarray, saved: np.ndarray, part: Pairs) -> dict[str, np.ndarray]:
        """Measures of each image, [N, samples].

        Args:
            images: float32 [N, samples, H, W, C].
            saved: the same as they would be saved.
            part: their inputs.
        """
        samples = images.shape[1]
        flat, truth = saved.reshape(-1, *saved.shape[2:]), part.hires.repeat(samples, axis=0)
        lores = part.lores.repeat(samples, axis=0)
        values = {
            "psnr": metrics.psnr(flat, truth, 255),
            "mse": np.square(flat.astype(np.float32) - truth).mean(axis=(1, 2, 3)),
            **self._consistency("", images.reshape(flat.shape), lores),
            **self._consistency("_8bit", to_float(flat), lores),
        }
        side = min(flat.shape[1:3])
        if side >= metrics.SSIM_SIZE:
            values["ssim"] = metrics.ssim(flat, truth)
        if side >= metrics.MS_SSIM_SIZE:
            values["ms_ssim"] = metrics.ms_ssim(flat, truth)
        return {name: value.reshape(-1, samples) for name, value in values.items()}

    def _consistency(self, suffix: str, images: np.ndarray, lores: np.ndarray) -> dict[str, np.ndarray]:
        """How near H(image) is to the LR image: PSNR, and mean distance in grey levels."""
        again = DOWNSCALERS[self.pairs.downscaler](tf.constant(images), self.pairs.scale).numpy()
        return {
            f"lr_psnr{suffix}": metrics.psnr(again, lores, 2),
            f"lr_error{suffix}": 127.5 * np.abs(again - lores).mean(axis=(1, 2, 3)),
        }

    def _diversity(self, saved: np.ndarray, part: Pairs) -> dict[str, list[float]]:
        """How far the samples of each input are apart, and how much of the truth they span."""
        scores = zip(saved, part.hires, strict=True)
        values = {
            "diversity": [metrics.pairwise_rms(s) for s in saved],
            "space_score": [metrics.space_score(s, truth, self.pairs.scale) for s, truth in scores],
        }
        if self.critic:
            latents = (self._latents(s, lores) for s, lores in zip(saved, part.lores, strict=True))
            values["diversity_latent"] = [metrics.pairwise_rms(p) for p in latents]
        return values

    def _latents(self, saved: np.ndarray, lores: np.ndarray) -> np.ndarray:
        """Points of an input's samples in the critic's latent space, [M, ...]."""
        parts = (saved[i : i + self.batch] for i in range(0, len(saved), self.batch))
        return np.concatenate([self.critic.project(to_float(s), lores[None].repeat(len(s), axis=0)) for s in parts])

    def _as_sets(self, saved: np.ndarray) -> dict[str, float]:
        """How far the images [N, H, W, C], one an input, are as a set from the true ones."""
        levels = swd.sliced_wasserstein(saved, self.pairs.hires, self.swd_seed)
        values = {f"swd_{size}": distance for size, distance in levels.items()}
        values["swd"] = float(np.mean(list(levels.values())))
        if self.features:
            features = self.features(saved)
            values["fid"] = fid.frechet_distance(features, self.true_features)
            values["kid"] = fid.kernel_distance(features, self.true_features, self.kid_seed)
        return values


class Column(NamedTuple):
    """A measure as tables show it."""

    key: str
    header: str  # an arrow says which way is better
    digits: int
    meaning: str

    @property
    def name(self) -> str:
        """The header without its arrow."""
        return self.header.rstrip(" ↑↓")


def _realism(rows: Sequence[Row]) -> tuple[Column, ...]:
    levels = [key.removeprefix("swd_") for key in rows[0].values if key.startswith("swd_")]
    each = (Column(f"swd_{n}", f"SWD {n} ↓", 2, "") for n in levels)
    return (
        *each,
        Column(
            "swd",
            "SWD mean ↓",
            2,
            "sliced Wasserstein distance x 1000 (Karras et al. 2018) between 7 x 7 patches, 128 an image, of each "
            "level of the Laplacian pyramid, and the mean over levels; the first sample of each input",
        ),
        Column("fid", "FID ↓", 2, "on Keras' InceptionV3, not the network of published FIDs; the first sample"),
        Column("kid", "KID x 1000 ↓", 2, "on the same features"),
    )


DISTORTION = (
    Column("psnr", "PSNR ↑", 2, "dB, against the true image; mean over images and samples"),
    Column("rmse", "RMSE ↓", 2, "grey levels, root of the mean square over everything"),
    Column("ssim", "SSIM ↑", 4, "tf.image.ssim, 11 x 11 window"),
    Column("ms_ssim", "MS-SSIM ↑", 4, "tf.image.ssim_multiscale, five scales"),
)
CONSISTENCY = (
    Column("lr_psnr", "LR PSNR ↑", 2, "dB, of the image made small again by the runs' downscaler against the input"),
    Column("lr_error", "LR error ↓", 3, "mean absolute difference of the same in grey levels"),
    Column("lr_psnr_8bit", "LR PSNR, 8 bits ↑", 2, "LR PSNR after the image is clipped and rounded to 8 bits"),
    Column("lr_error_8bit", "LR error, 8 bits ↓", 3, "LR error after the same"),
)
DIVERSITY = (
    Column("diversity", "pixel distance ↑", 2, "mean RMS distance of two samples of an input, grey levels"),
    Column(
        "diversity_latent",
        "latent distance ↑",
        4,
        "the same between their points P(x, delta) in the critic's latent space",
    ),
    Column(
        "space_score",
        "SR space score ↑",
        2,
        "percent: 100 (global - local) / global, the score of the NTIRE 2021 challenge on learning the "
        "super-resolution space with another distance. Global: the mean distance to the truth of the sample whose mean "
        "is smallest; local: the mean over places of the smallest distance that any sample has there; then the mean "
        "over images. **The challenge's distance is LPIPS, a learnt one. Here it is the mean squared error of the "
        "scale x scale box of pixels of each input pixel**: values do not compare with the challenge's",
    ),
)

"""Measures upscaling methods on test images: a row of numbers for each method and strength of noise."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tqdm

from lag.config import LAGConfig
from lag.inputs import fitting_dataset
from lag.methods import LoadedRun, bicubic, check_alike, nearest
from lag.ranking import TrainedCritic, load_critic
from libml import fid, metrics, rng, swd
from libml.candidates import CandidateSampler
from libml.errors import UserError
from libml.images import to_float, to_uint8
from libml.layers import DOWNSCALERS
from libml.run_folder import from_args, load_args, run_colors
from libml.stream import Images

STDS = (0.25, 0.5, 0.75, 1.0)  # of z, besides z = 0
SHOWN = 8  # images of each row that are kept for pictures


class Pairs(NamedTuple):
    """Test images and their LR versions."""

    hires: np.ndarray  # uint8 [N, H, W, C]
    lores: np.ndarray  # float32 [N, h, w, C] in [-1, 1], made of the images before they were rounded
    indices: range  # their numbers
    scale: int
    downscaler: str

    def part(self, start: int, count: int) -> "Pairs":
        """Up to `count` of them from `start` on."""
        chosen = slice(start, start + count)
        return self._replace(hires=self.hires[chosen], lores=self.lores[chosen], indices=self.indices[chosen])


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


def load_pairs(name: str, data_dir: str, limit: int, run: LoadedRun, batch: int) -> Pairs:
    """The first test images of a dataset, and their LR versions as a run makes them.

    Args:
        name: of the dataset.
        data_dir: folder of the datasets.
        limit: how many at most.
        run: for its parameters.
        batch: images that are downscaled at a time.

    Raises:
        UserError: if there are fewer than two, or the run cannot take them.
    """
    config = run.config
    dataset = fitting_dataset(name, data_dir, config, run.colors)
    held_out = Images(dataset, data_dir).held_out()
    records = held_out.select(limit=limit)
    if len(records) < 2:  # the scale of distances between sets is that of two halves
        raise UserError(f"{dataset.name}: measuring takes at least 2 test images, found {len(records)}")
    hires, lores = np.empty([len(records), dataset.size, dataset.size, dataset.colors], np.uint8), []
    for part in held_out.batches(records, batch):
        start = batch * len(lores)
        hires[start : start + len(part)] = to_uint8(part)
        lores.append(DOWNSCALERS[config.downscaler](tf.constant(part), config.scale).numpy())
    return Pairs(hires, np.concatenate(lores), range(len(hires)), config.scale, config.downscaler)


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


def evaluate(
    runs: Sequence[LoadedRun], pairs: Pairs, yardsticks: Yardsticks, samples: int, seed: int, batch: int
) -> tuple[list[Row], dict[str, str]]:
    """Measures plain enlargements and every method, at z = 0 and, where there is a z, at each of STDS.

    Args:
        runs: of the methods.
        pairs: what to show them.
        yardsticks: what to measure with.
        samples: images that are made of each input where there is noise.
        seed: of the noise, and of what the measures draw.
        batch: inputs at a time.

    Returns:
        (rows, what could not be measured and why).

    Raises:
        UserError: if a run makes images that are not finite.
    """
    plan: list[tuple[str, CandidateSampler, float, int]] = [
        ("nearest", nearest(pairs.scale), 0.0, 1),
        ("bicubic", bicubic(pairs.scale), 0.0, 1),
    ]
    for run in runs:
        plan.append((run.label, run.sampler, 0.0, 1))
        if run.sampler.stochastic:
            plan += [(run.label, run.sampler, std, samples) for std in STDS]
    judge = _Judge(pairs, yardsticks, seed, batch)
    rows = []
    with tqdm.tqdm(total=len(plan) * len(pairs.hires), unit="image", disable=None) as bar:
        for label, sampler, std, count in plan:
            bar.set_description(f"{label}, noise {std:g}")
            values, shown = judge.measure(label, sampler, std, count, bar.update)
            rows.append(Row(label, std, count, values, shown))
    return rows, {**yardsticks.skipped, **_too_small(pairs)}


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

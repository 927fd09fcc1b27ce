"""Choosing among samples with the critic: the most realistic ones, or those farthest apart in its latent space P."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lag import losses
from lag.config import LAGConfig
from lag.networks import CriticHead, Projection
from libml import checkpoint
from libml.errors import UserError
from libml.layers import DOWNSCALERS, downscale2d
from libml.run_folder import RunFolder, from_args, load_args, run_colors
from libml.tfio import tensorflow_errors


class TrainedCritic(NamedTuple):
    """P and F of a run, at its level of detail."""

    project: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (hires, lores) -> latents P(x, delta) [N, h, w, channels]
    head: CriticHead

    def scores(self, latents: np.ndarray) -> np.ndarray:
        """Realism of each image, C(x, y) = F(P(x, delta)): [N, h, w, channels] -> [N]; higher is more realistic."""
        return self.head(latents).numpy()


def load_critic(run: str | Path) -> TrainedCritic:
    """The critic of a run's newest checkpoint.

    Raises:
        UserError: if the folder holds no trained run; an export has no critic.
    """
    if not RunFolder(Path(run)).is_run():
        raise UserError(f"ranking needs the critic, which {run} lacks: give a run folder as --model, not an export")
    args = load_args(run)
    config = from_args(LAGConfig, args)
    nimg, path = checkpoint.of_run(run)
    names = ("scale", "blocks", "filters", "filters_min", "spectral_norm")
    projection = Projection(colors=run_colors(args, run), **{k: getattr(config, k) for k in names})
    checkpoint.restore(path, tf.train.Checkpoint(method=tf.train.Checkpoint(projection=projection)), partial=True)
    phase = config.schedule().phase(nimg)
    level = phase.level(nimg)

    def downscale(hires):
        return DOWNSCALERS[config.downscaler](hires, config.scale)

    @tf.function(autograph=False)
    def project(hires, lores):
        delta = losses.lores_error(lores, hires, downscale, config.color_round)
        # Of a run that has not grown to its end, hires is an enlarged image of the size that the critic knows.
        return projection(downscale2d(hires, 2 ** (config.lods - level.stop)), delta, level=level)

    def checked(hires: np.ndarray, lores: np.ndarray) -> np.ndarray:
        if config.downscaler == "bicubic" and min(lores.shape[1:3]) <= 2:
            raise UserError("this run's critic compares pictures after bicubic downscaling, which takes 3 x 3 and more")
        with tensorflow_errors():
            return project(tf.constant(hires), tf.constant(lores)).numpy()

    return TrainedCritic(checked, CriticHead())


def best(scores: np.ndarray, keep: int) -> list[int]:
    """Indices of the highest scores, best first."""
    return np.argsort(-scores, kind="stable")[:keep].tolist()


def diverse(latents: np.ndarray, keep: int) -> list[int]:
    """Indices of samples that are far apart: from the first on, always the one farthest from all that are chosen.

    Args:
        latents: [N, ...]; the first is that of z = 0.
        keep: how many to choose.
    """
    points = latents.reshape(len(latents), -1).astype(np.float64)
    chosen = [0]
    nearest = np.linalg.norm(points - points[0], axis=1)
    while len(chosen) < keep:
        nearest[chosen] = -1.0
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.linalg.norm(points - points[chosen[-1]], axis=1))
    return chosen

"""Choosing among samples with the critic: the most realistic ones, or those farthest apart in its latent space P."""

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from lag.upscaling.one_picture import TILE, Upscaler, at_once, sample_noise
from lag.upscaling.picture_file import Picture
from libml.errors import UserError

if TYPE_CHECKING:  # it needs TensorFlow, which a model in an ONNX file does not
    from lag.trained import TrainedCritic


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


@dataclasses.dataclass(frozen=True)
class Options:
    """How pictures are upscaled."""

    samples: int = 4  # how many results a picture
    noise: float = 1.0
    seed: int = 0
    consistent: bool = False
    tile: int = TILE
    choose: str = ""  # best or diverse: choose the results among `of` samples
    of: int = 0
    grid: bool = False
    format: str = "png"  # of the results: one of result_kinds.KINDS
    bits: int = 8  # of the results: 8, or 16 with png and tiff
    overwrite: bool = False
    model_path: str = ""  # of the model, for people
    large: bool = False  # make results of more than MOST_UNASKED pixels a picture

    def settings(self, model: Upscaler) -> dict[str, Any]:
        """What two results must have in common to lie in one folder."""
        chosen = {k: getattr(self, k) for k in ("noise", "seed", "consistent", "choose", "of", "format", "bits")}
        return {"model": model.fingerprint, **({"model_path": self.model_path} if self.model_path else {}), **chosen}


def choose(
    model: Upscaler, critic: "TrainedCritic | None", picture: Picture, options: Options
) -> tuple[list[int], list[str]]:
    """Which samples of a picture to keep, in order, and their scores as text.

    Raises:
        UserError: if the picture is too large to be ranked.
    """
    if critic is None:
        return list(range(options.samples)), [""] * options.samples

    h, w, _ = picture.pixels.shape
    if max(h, w) > options.tile:
        raise UserError(f"ranking looks at a picture in one piece: {w} x {h} needs --tile={max(h, w)}")
    parts, latents = [], []
    step = at_once(model, h, w, options.tile)
    for chunk in (range(i, min(i + step, options.of)) for i in range(0, options.of, step)):
        z = sample_noise(picture, model, chunk, options.noise, options.seed)
        lores = picture.lores(model.colors).repeat(len(chunk), axis=0)
        latent = critic.project(model.generate(lores, z), lores)
        parts.append(critic.scores(latent))
        latents.append(latent)
    scores = np.concatenate(parts)
    if options.choose == "best":
        chosen = best(scores, options.samples)
    else:
        chosen = diverse(np.concatenate(latents), options.samples)
    return chosen, [f"{scores[i]:.6g}" for i in chosen]

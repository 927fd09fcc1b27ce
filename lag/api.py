"""From Python: small pictures in, sets of plausible large ones out, all as arrays. See docs/python.md."""

import functools
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lag.box import TOY_FACES
from lag.formats.registry import load_model
from lag.upscaling.consistency import project
from lag.upscaling.one_picture import TILE, Upscaler, at_once, generate_tiles, generated_levels, sample_noise
from lag.upscaling.picture_file import Picture, content_hash
from libml.errors import UserError
from libml.images import round_levels, to_float, to_levels
from libml.system import starting
from libml.training.run_folder import RunFolder
from libml.training.run_names import find_model

if TYPE_CHECKING:  # it imports TensorFlow
    from lag.trained import TrainedCritic

MOST = 2.0  # beyond that a float is no value of [-1, 1]: bicubic downscaling overshoots by less


def load(path: str | os.PathLike[str] = TOY_FACES) -> "Model":
    """The generator of a run's folder (its newest checkpoint), of an export, or of an ONNX file.

    By default that of toy faces which comes with lag.

    An ONNX file, or the folder that it was exported to, needs onnxruntime; the others need TensorFlow.

    Raises:
        UserError: if it is none of these.
    """
    with starting.quietly_for_others():  # TensorFlow, where the model needs it
        path = find_model(os.fspath(path))
        return Model(load_model(path), path)


class Model:
    """A trained generator: a small picture and noise to a large one.

    A small picture y is an array [h, w, C], or several of one size [N, h, w, C]: uint8, or float in [-1, 1]. h and w
    may be anything. C is the model's number of colours; a model of 3 takes grey ones too (C = 1) and returns grey ones.
    Images come back as y came: uint8, or float32 in [-1, 1].
    """

    def __init__(self, generator: Upscaler, path: Path):
        """Args: the generator; where it came from."""
        self._generator, self._path = generator, path

    def __repr__(self) -> str:
        card = self.card
        return f"<lag.Model {card['method']} {self.scale}x of {card['dataset']}, {card['nimg']} images seen>"

    @property
    def scale(self) -> int:
        """How many times larger the images are, in either direction."""
        return self._generator.scale

    @property
    def colors(self) -> int:
        """Colour channels: 1 or 3."""
        return self._generator.colors

    @functools.cached_property
    def card(self) -> dict[str, Any]:
        """What the model is: method, scale, colors, dataset, downscaler, nimg, fingerprint of the weights, parameters
        of the training, and more: the contents of an export's model.json.
        """
        return {"method": "LAG", **self._generator.card}

    def center(self, y: np.ndarray) -> np.ndarray:
        """The centre of the plausible images, z = 0: what scripts/upscale.py writes as NAME_0.png.

        Args:
            y: [h, w, C] or [N, h, w, C].

        Returns:
            [scale h, scale w, C] or [N, scale h, scale w, C].

        Raises:
            UserError: if y is no such array.
        """
        small, kind, single = self._pictures(y)
        images = self._make(small, [0], 0.0, 0, kind)[:, 0]
        return images[0] if single else images

    def sample(self, y: np.ndarray, n: int = 8, noise: float = 1.0, seed: int = 0) -> np.ndarray:
        """Plausible images: samples 1 to n, what scripts/upscale.py writes as NAME_1.png, NAME_2.png, ...

        A sample is a function of the picture, its number and the seed, whatever else is asked for.

        Args:
            y: [h, w, C] or [N, h, w, C].
            n: how many samples a picture.
            noise: standard deviation of z.
            seed: of the noise.

        Returns:
            [n, scale h, scale w, C] or [N, n, scale h, scale w, C].

        Raises:
            UserError: if y is no such array, or n, noise or seed cannot be.
        """
        if not _is_integer(n) or n < 1:
            raise UserError(f"n={n!r} must be a whole number of at least 1")
        if not _is_integer(seed):
            raise UserError(f"seed={seed!r} must be a whole number")
        if not 0 <= noise < math.inf:  # nor is NaN
            raise UserError(f"noise={noise!r} must be a number of at least 0")
        small, kind, single = self._pictures(y)
        images = self._make(small, range(1, n + 1), float(noise), int(seed), kind)
        return images[0] if single else images

    def rank(self, y: np.ndarray, images: np.ndarray) -> np.ndarray:
        """The critic's score C(x, y) of images x of a small picture y; higher is more realistic.

        Args:
            y: [h, w, C] or [N, h, w, C].
            images: [n, scale h, scale w, C] or [N, n, scale h, scale w, C]; uint8, or float in [-1, 1].

        Returns:
            float32 [n] or [N, n].

        Raises:
            UserError: if the model is no run's, since only a run has a critic; if the arrays do not fit.
        """
        critic = self._critic
        small, _, single = self._pictures(y)
        images = _to_float("images", images)
        images = images[None] if single else images
        h, w, channels = small[0].pixels.shape
        expected = (len(small), self.scale * h, self.scale * w, channels)
        if images.ndim != 5 or not images.shape[1] or (len(images), *images.shape[2:]) != expected:
            shown = ("" if single else f"{len(small)}, ") + f"n, {', '.join(map(str, expected[1:]))}"
            given = images.shape[1:] if single else images.shape
            raise UserError(f"images have the shape {list(given)}: images of this y are [{shown}]")
        scores = [self._scores(critic, picture, of_one) for picture, of_one in zip(small, images, strict=True)]
        return scores[0] if single else np.stack(scores)

    @functools.cached_property
    def _critic(self) -> "TrainedCritic":
        if not RunFolder(self._path).is_run():
            raise UserError(f"rank needs the critic, which {self._path} lacks: load a run's folder")
        from lag.trained import load_critic

        return load_critic(self._path)

    def _scores(self, critic: "TrainedCritic", picture: Picture, images: np.ndarray) -> np.ndarray:
        h, w, channels = picture.pixels.shape
        images = images.repeat(self.colors // channels, axis=-1)
        lores, scores = picture.lores(self.colors), []
        step = at_once(self._generator, h, w, TILE)
        for chunk in (images[i : i + step] for i in range(0, len(images), step)):
            scores.append(critic.scores(critic.project(chunk, lores.repeat(len(chunk), axis=0))))
        return np.concatenate(scores)

    def _pictures(self, y: np.ndarray) -> tuple[list[Picture], type, bool]:
        """The small pictures, the type of their images, and whether y is one alone."""
        y = np.asarray(y)
        kind = np.uint8 if y.dtype == np.uint8 else np.float32
        pixels = y.astype(np.float32) if kind is np.uint8 else _levels(_to_float("y", y))
        if pixels.ndim not in (3, 4) or pixels.shape[-1] not in (1, self.colors) or not pixels.size:
            wanted = "1" if self.colors == 1 else "3 (or 1: grey)"
            raise UserError(f"y has the shape {list(y.shape)}: give [h, w, C] or [N, h, w, C], where C is {wanted}")
        single = pixels.ndim == 3
        pixels = pixels[None] if single else pixels
        return [Picture(p, None, "", content_hash(p)) for p in pixels], kind, single

    def _make(
        self, small: Sequence[Picture], indices: Sequence[int], noise: float, seed: int, kind: type
    ) -> np.ndarray:
        """Samples of pictures of one size, 0 being the centre: [pictures, indices, scale h, scale w, C]."""
        (h, w, channels), scale = small[0].pixels.shape, self.scale
        made: np.ndarray = np.empty([len(small) * len(indices), scale * h, scale * w, channels], kind)
        items = [(picture, i) for picture in small for i in indices]
        step = at_once(self._generator, h, w, TILE)
        for first in range(0, len(items), step):
            self._make_at_once(items[first : first + step], noise, seed, made[first : first + step])
        return made.reshape(len(small), len(indices), *made.shape[1:])

    def _make_at_once(self, items: list[tuple[Picture, int]], noise: float, seed: int, made: np.ndarray) -> None:
        """Fills `made` with the images of (picture, sample's number), in the same calls of the generator."""
        (h, w, channels), scale = items[0][0].pixels.shape, self.scale

        def inputs(rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
            lores = [picture.lores(self.colors, rows, columns) for picture, _ in items]
            z = [sample_noise(p, self._generator, [i], noise, seed, rows, columns) for p, i in items]
            return np.concatenate(lores), np.concatenate(z)

        for (y, x), part in generate_tiles(self._generator, inputs, h, w, TILE):
            if made.dtype != np.uint8:
                part = np.clip(part.mean(-1, keepdims=True) if channels < self.colors else part, -1, 1)
            elif self._generator.consistent:
                at = slice(y.start, y.stop), slice(x.start, x.stop)
                small = np.stack([picture.pixels[at] for picture, _ in items])
                part = project(generated_levels(part, channels), small, scale)
            else:
                part = round_levels(generated_levels(part, channels))
            made[:, scale * y.start : scale * y.stop, scale * x.start : scale * x.stop] = part


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _to_float(name: str, values: np.ndarray) -> np.ndarray:
    """uint8, or floats in [-1, 1], as float32 in [-1, 1].

    Raises:
        UserError: if they are neither.
    """
    values = np.asarray(values)
    if values.dtype == np.uint8:
        return to_float(values)
    if not np.issubdtype(values.dtype, np.floating):
        raise UserError(f"{name} is of type {values.dtype}: give uint8, or float in [-1, 1]")
    if not np.all(np.abs(values) <= MOST):  # nor are NaN
        raise UserError(f"{name} has values outside of [-1, 1]: give such floats (x / 127.5 - 1), or uint8")
    return values.astype(np.float32)


def _levels(values: np.ndarray) -> np.ndarray:
    """Floats in [-1, 1] as float32 grey levels; whole ones exactly, as the noise is a function of the values."""
    levels = to_levels(values)
    whole = np.rint(levels)
    return np.where(np.abs(levels - whole) < 1e-3, whole, levels)

"""What the explorer can do, without a word of HTTP: pictures in, candidates and their measures out."""

import dataclasses
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lag.explorer.examples import Examples
from lag.explorer.pictures import MOST_LARGE, MOST_SMALL, Known, Newest, as_image, of_pixels, read_upload
from lag.explorer.recipe import Recipe
from lag.explorer.rendering import LARGEST, check, painted, render
from lag.explorer.result_file import encode
from lag.explorer.shrinking import crop, shrink
from lag.formats.card import ONNX_FILE
from lag.upscaling.choosing import Options, choose
from lag.upscaling.consistency import lores_errors
from lag.upscaling.one_picture import Upscaler
from lag.upscaling.picture_file import Picture, encode_result
from libml.errors import UserError
from libml.images import as_pillow, encode_png, encode_webp, round_levels, to_float

if TYPE_CHECKING:  # it imports TensorFlow, which a model in an ONNX file does not need
    from lag.trained import TrainedCritic

MOST_RESULTS = 256  # kept, so that undo and a slider on its way back need no model
PREVIEW = 1024  # side of what is shown of a large picture
MOST_FRAMES, FRAME_MS = 48, 80
MOST_AMONG = 128  # samples to choose among
CENTER = {"op": "sample", "index": 0, "noise": 0.0}  # the operation of z = 0


class Result:
    """A made picture, its file and its measures. Distances are in grey levels."""

    def __init__(self, pixels: np.ndarray, png: bytes, measures: dict[str, float]):
        """Args: uint8 [H, W, C]; the file; lores_rmse, lores_max, from_center."""
        self.pixels, self.png, self.measures = pixels, png, measures


class Session:
    """A model, its critic if it has one, and the pictures that it was given. Not safe for threads."""

    def __init__(self, model: Upscaler, critic: "TrainedCritic | None", examples: Examples):
        """Args: the generator; the critic of a run, else None; test images."""
        self.model, self.critic, self.examples = model, critic, examples
        self.known: Newest[Known] = Newest(MOST_SMALL, "picture")
        self.large: Newest[np.ndarray] = Newest(MOST_LARGE, "large picture")
        self._results: Newest[Result] = Newest(MOST_RESULTS, "result")
        side = examples.size or 8 * model.scale
        self.side = max(1, min(LARGEST, side // model.scale))  # of the small pictures that it was trained on

    def warm_up(self) -> None:
        """Makes an image of the usual size, as the first one takes much longer than others."""
        picture = of_pixels(np.zeros([self.side, self.side, self.model.colors], np.uint8))
        recipe = Recipe(self.model.fingerprint, picture.content, 0, (CENTER,))
        made = render(self.model, picture, recipe)
        if self.critic:
            self._score(self.critic, picture, made)

    def describe(self) -> dict[str, Any]:
        """What the page needs to know of the model."""
        card = self.model.card
        facts = {name: card.get(name) for name in ("dataset", "downscaler", "nimg", "complete", "note")}
        facts |= {"scale": self.model.scale, "colors": self.model.colors, "fingerprint": self.model.fingerprint}
        return facts | {
            "consistent": self.model.consistent,
            "critic": self.critic is not None,
            "examples": self.examples.count,
            "side": self.side,
            "largest": LARGEST,
        }

    def upload(self, data: bytes, name: str) -> dict[str, Any]:
        """Takes in a picture file; it can be cropped, and be taken as it is if it is small enough.

        Raises:
            UserError: if it cannot be read.
        """
        picture = read_upload(data, name, self.model.colors)
        height, width, _ = picture.pixels.shape
        name = picture.content
        self.large.put(name, as_image(picture))
        said = {"large": name, "width": width, "height": height, "notes": list(picture.remarks)}
        if max(height, width) > LARGEST:
            return said
        return said | self._take(Known(picture))

    def crop(self, large: str, box: list[float], size: int) -> dict[str, Any]:
        """Makes a small picture of a square of a large one.

        Args:
            large: its name.
            box: left, top and side of the square.
            size: side of the small picture.

        Raises:
            UserError: if that cannot be.
        """
        if not 1 <= size <= LARGEST:
            raise UserError(f"a small picture's side is from 1 to {LARGEST}, not {size}")
        return self._shrunk(crop(self.large[large], box, size * self.model.scale))

    def example(self, index: int) -> dict[str, Any]:
        """Makes a small picture of a test image.

        Raises:
            UserError: if there is no such image.
        """
        return self._shrunk(self.examples.image(index))

    def _shrunk(self, original: np.ndarray) -> dict[str, Any]:
        small = shrink(original, self.model.scale, self.model.card.get("downscaler", "average"))
        return self._take(Known(of_pixels(small), original))

    def _take(self, known: Known) -> dict[str, Any]:
        name = known.picture.content
        if known.original is None and (before := self.known.find(name)):
            known = known._replace(original=before.original)
        self.known.put(name, known)
        return {
            "picture": name,
            "small": list(known.picture.pixels.shape[1::-1]),
            "grey": known.picture.pixels.shape[-1] == 1,
            "original": known.original is not None,
        }

    def make(self, recipe: Recipe) -> Result:
        """A candidate.

        Raises:
            UserError: if the picture is not known, or the recipe does not fit.
        """
        name = recipe.json()
        if result := self._results.find(name):
            return result
        picture = self.known[recipe.picture].picture
        pixels = render(self.model, picture, recipe)
        center = _center(recipe)
        middle = pixels if recipe == center else self.make(center).pixels
        small = painted(picture, recipe)
        errors = lores_errors(pixels, small.pixels, self.model.scale)
        measures = {
            "lores_rmse": _rms(errors),
            "lores_max": float(np.max(np.abs(errors))),
            "from_center": _rms(pixels.astype(np.float32) - middle),
        }
        result = Result(pixels, encode(pixels, picture, recipe, self.model.scale), measures)
        self._results.put(name, result)
        return result

    def score(self, recipe: Recipe) -> float:
        """The critic's score of a candidate; higher is more realistic.

        Raises:
            UserError: if the model has no critic.
        """
        result = self.make(recipe)
        if "score" not in result.measures:
            small = painted(self.known[recipe.picture].picture, recipe)
            result.measures["score"] = self._score(self._needed_critic(), small, result.pixels)
        return result.measures["score"]

    def _score(self, critic: "TrainedCritic", small: Picture, pixels: np.ndarray) -> float:
        image = to_float(pixels[None].repeat(self.model.colors // pixels.shape[-1], axis=-1))
        return float(critic.scores(critic.project(image, small.lores(self.model.colors)))[0])

    def _needed_critic(self) -> "TrainedCritic":
        if self.critic is None:
            raise UserError("only a run's folder has a critic: an export has none")
        return self.critic

    def choose(self, recipe: Recipe, way: str, keep: int, of: int, noise: float) -> list[int]:
        """The numbers of the samples of a picture that the critic finds best, or farthest apart.

        Args:
            recipe: of the picture and its paint, with the seed.
            way: best or diverse.
            keep: how many.
            of: among how many.
            noise: of the samples.

        Raises:
            UserError: if that cannot be.
        """
        critic = self._needed_critic()
        if way not in ("best", "diverse") or not 1 <= keep <= of <= MOST_AMONG or not 0 <= noise <= 10:
            raise UserError(f"choose best or diverse, 1 <= keep <= of <= {MOST_AMONG}, noise from 0 to 10")
        picture = self.known[recipe.picture].picture
        check(self.model, picture, recipe)
        options = Options(samples=keep, noise=noise, seed=recipe.seed, choose=way, of=of)
        return choose(self.model, critic, painted(picture, recipe), options)[0]

    def animation(self, recipe: Recipe, frames: int) -> bytes:
        """The walk that ends a recipe, there and back, as an animated WebP.

        Raises:
            UserError: if it does not end with a walk.
        """
        if not 2 <= frames <= MOST_FRAMES:
            raise UserError(f"an animation has 2 to {MOST_FRAMES} frames, not {frames}")
        last = len(recipe.operations) - 1 - (recipe.operations[-1]["op"] == "consistent")
        if recipe.operations[last]["op"] != "walk":
            raise UserError("only a walk can be animated: the recipe does not end with one")
        picture, made = self.known[recipe.picture].picture, []
        for at in np.linspace(0, 1, frames).tolist():
            operations = list(recipe.operations)
            operations[last] = {**operations[last], "at": at}
            pixels = render(self.model, picture, dataclasses.replace(recipe, operations=tuple(operations)))
            made.append(pixels.repeat(3 // pixels.shape[-1], axis=-1))
        return encode_webp(made + made[-2:0:-1], FRAME_MS)  # there and back

    def small_png(self, name: str) -> bytes:
        """A small picture, as the model is shown it, in 8 bits."""
        return encode_png(as_image(self.known[name].picture))

    def file_png(self, name: str) -> bytes:
        """A small picture as a file that holds the very picture: also its transparency, and levels of 16 bits."""
        picture = self.known[name].picture
        bits = 8 if np.array_equal(picture.pixels, as_image(picture)) else 16
        return encode_result(round_levels(picture.pixels, bits), picture.alpha, scale=1)

    def original_png(self, name: str) -> bytes:
        """The large picture that a small one was made of.

        Raises:
            UserError: if there is none.
        """
        if (original := self.known[name].original) is None:
            raise UserError("this small picture was not made of a large one here")
        return encode_png(original, compress_level=1)

    def example_png(self, index: int) -> bytes:
        """A test image."""
        return encode_png(self.examples.image(index), compress_level=1)

    def bicubic_png(self, recipe: Recipe) -> bytes:
        """The small picture with its paint, enlarged by bicubic interpolation."""
        picture = self.known[recipe.picture].picture
        check(self.model, picture, recipe)
        image = as_pillow(as_image(painted(picture, recipe)))
        size = (image.width * self.model.scale, image.height * self.model.scale)
        made = np.asarray(image.resize(size, Image.Resampling.BICUBIC))
        return encode_png(made[..., None] if made.ndim == 2 else made)

    def preview_png(self, name: str) -> bytes:
        """A large picture, small enough to be shown."""
        image = as_pillow(self.large[name])
        image.thumbnail((PREVIEW, PREVIEW))
        file = io.BytesIO()
        image.save(file, "PNG", compress_level=1)
        return file.getvalue()


def load_session(path: Path, data_dir: str) -> Session:
    """The session of a run's folder, an export or an ONNX file; imports TensorFlow for the first two.

    Raises:
        UserError: if it is none of these.
    """
    from lag.formats.registry import load_model
    from libml.training.run_folder import RunFolder

    model, critic = load_model(path), None
    is_run = RunFolder(path).is_run() and not (path / ONNX_FILE).exists()
    if is_run and model.card.get("method", "LAG") == "LAG":  # no other method's critic ranks images
        from lag.trained import load_critic

        critic = load_critic(path)
    return Session(model, critic, Examples(str(model.card.get("dataset")), model.colors, data_dir))


def _center(recipe: Recipe) -> Recipe:
    """The centre, z = 0, of a recipe's picture with its paint."""
    paint = [o for o in recipe.operations if o["op"] == "paint"]
    last = [o for o in recipe.operations if o["op"] == "consistent"]
    return dataclasses.replace(recipe, seed=0, operations=(*paint, CENTER, *last))


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))

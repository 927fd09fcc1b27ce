"""From a recipe to its large picture: the same pixels whenever and wherever they are asked for."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lag.explorer.recipe import Operation, Recipe
from lag.upscaling.consistency import project
from lag.upscaling.one_picture import Upscaler, generated_levels, sample_noise
from lag.upscaling.picture_file import Picture
from libml import seeds
from libml.errors import UserError
from libml.images import round_levels

LARGEST = 64  # side of a small picture in pixels
MOST_LAYERS = 32


class Layer(NamedTuple):
    """One image of a candidate: its noise map, and where it is seen in front of those before it."""

    z: np.ndarray  # float32 [h, w, noise_dim]
    weight: np.ndarray  # float32 [scale h, scale w, 1] in 0..1; of the first 1, as it is seen everywhere


def render(model: Upscaler, picture: Picture, recipe: Recipe) -> np.ndarray:
    """The large picture: uint8 [scale h, scale w, colours of the picture].

    Each image is made in a call of its own, so that it never depends on what is made with it.

    Raises:
        UserError: if the recipe is of another picture or model, or does not fit the picture.
    """
    check(model, picture, recipe)
    operations = [o for o in recipe.operations if o["op"] not in ("paint", "consistent")]
    small = painted(picture, recipe)
    lores = small.lores(model.colors)

    def made(layer: Layer) -> np.ndarray:
        return generated_levels(model.generate(lores, layer.z[None])[0], small.pixels.shape[-1])

    first, *others = _layers(model, picture, recipe.seed, operations)
    levels = made(first)
    for layer in others:
        levels = _in_front(made(layer), levels, layer.weight)
    if recipe.operations[-1]["op"] == "consistent":
        return project(levels, small.pixels, model.scale)
    return round_levels(levels)


def check(model: Upscaler, picture: Picture, recipe: Recipe) -> None:
    """Whether a recipe is of this model and picture.

    Raises:
        UserError: if it is not, or the picture is too large.
    """
    if recipe.model != model.fingerprint:
        raise UserError(f"the recipe is of the model {recipe.model}, this one is {model.fingerprint}")
    if recipe.picture != picture.content:
        raise UserError(f"the recipe is of the picture {recipe.picture[:12]}, this one is {picture.content[:12]}")
    h, w, _ = picture.pixels.shape
    if max(h, w) > LARGEST:
        raise UserError(f"the picture has {w} x {h} pixels: recipes are of pictures of {LARGEST} x {LARGEST} at most")


def painted(picture: Picture, recipe: Recipe) -> Picture:
    """The small picture that the model is shown: with what the recipe paints over it.

    Raises:
        UserError: if a painted pixel does not fit the picture.
    """
    if recipe.operations[0]["op"] != "paint":
        return picture
    pixels = picture.pixels.copy()
    h, w, channels = pixels.shape
    for row, column, *levels in recipe.operations[0]["pixels"]:
        if row >= h or column >= w or len(levels) != channels:
            raise UserError(f"paint has a pixel [{row}, {column}] of {len(levels)} colours: this picture is {w} x {h}")
        pixels[row, column] = levels
    return picture._replace(pixels=pixels)


def _layers(model: Upscaler, picture: Picture, seed: int, operations: Sequence[Operation]) -> list[Layer]:
    first, *others = operations
    layers = [Layer(sample_noise(picture, model, [first["index"]], first["noise"], seed)[0], np.ones(1, np.float32))]
    for operation in others:
        layers = _APPLY[operation["op"]](model, picture, seed, layers, operation)
        if len(layers) > MOST_LAYERS:
            raise UserError(f"a candidate may hold {MOST_LAYERS} regions at most: let the rest follow, or start anew")
    return layers


def _draw(model: Upscaler, picture: Picture, seed: int, operation: Operation) -> np.ndarray:
    """Noise of near and region, each a draw of its own: float32 [h, w, noise_dim]."""
    h, w, _ = picture.pixels.shape
    key = seeds.key(seed, f"explore {operation['op']} {picture.content}")
    values = model.normal_parts([0], h * w * model.noise_dim, key, operation["index"])
    return np.float32(operation["noise"]) * values.reshape(h, w, model.noise_dim)


def _turned(a: np.ndarray, b: np.ndarray, angle: float) -> np.ndarray:
    """cos(angle) a + sin(angle) b: as much noise as they have, which a straight mixture would not have."""
    return (np.cos(angle) * a + np.sin(angle) * b).astype(np.float32)


def _near(model: Upscaler, picture: Picture, seed: int, layers: list[Layer], operation: Operation) -> list[Layer]:
    other = _draw(model, picture, seed, operation)
    angle = np.deg2rad(operation["degrees"])
    return [layer._replace(z=_turned(layer.z, other, angle)) for layer in layers]


def _region(model: Upscaler, picture: Picture, seed: int, layers: list[Layer], operation: Operation) -> list[Layer]:
    cells = mask(operation["cells"], *picture.pixels.shape[:2])
    new = _draw(model, picture, seed, operation)
    changed = cells[..., None] & (np.arange(model.noise_dim) >= model.shared_dim)  # the others count everywhere
    followed = [layer._replace(z=np.where(changed, new, layer.z)) for layer in layers]
    if not operation["hold"]:
        return followed
    return [*layers, Layer(followed[-1].z, feathered(cells, model.scale))]


def _walk(model: Upscaler, picture: Picture, seed: int, layers: list[Layer], operation: Operation) -> list[Layer]:
    """Every layer walks to the other's first one; the other's further ones start at this one's last, and fade in."""
    others = _layers(model, picture, operation["seed"], operation["to"])
    at = operation["at"]
    angle = at * np.pi / 2
    moved = [layer._replace(z=_between(layer.z, others[0].z, angle, at)) for layer in layers]
    shown = [Layer(_between(layers[-1].z, o.z, angle, at), np.float32(at) * o.weight) for o in others[1:]]
    return moved + shown


def _between(a: np.ndarray, b: np.ndarray, angle: float, at: float) -> np.ndarray:
    return b if at == 1 else _turned(a, b, angle)  # the cosine of a right angle is not quite 0


_APPLY = {"near": _near, "region": _region, "walk": _walk}


def mask(cells: str, height: int, width: int) -> np.ndarray:
    """A recipe's mask as bool [height, width].

    Raises:
        UserError: if it is one of another size.
    """
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(cells), np.uint8))
    size = height * width
    if len(bits) != -(-size // 8) * 8 or bits[size:].any() or not bits[:size].any():
        raise UserError(f"cells is no mask of {height} x {width} pixels: it has {len(bits) // 8} bytes")
    return bits[:size].reshape(height, width).astype(bool)


def feathered(cells: np.ndarray, scale: int) -> np.ndarray:
    """How much of a region is seen: 0 outside, rising to 1 over half an LR pixel inside, float32 [H, W, 1]."""
    large = np.pad(cells.repeat(scale, 0).repeat(scale, 1), scale, "edge")  # beyond the picture there is no border
    weight = np.zeros(large.shape, np.float32)
    inside = large
    steps = max(1, scale // 2)
    for _ in range(steps):  # a ring of pixels nearer to the middle each time
        weight += inside
        inside = inside & _eroded(inside)
    weight = np.where(large, (weight - 0.5) / np.float32(steps - 0.5), 0) if steps > 1 else weight
    return np.clip(weight, 0, 1)[scale:-scale, scale:-scale, None]


def _eroded(inside: np.ndarray) -> np.ndarray:
    """The pixels whose eight neighbours are inside, too."""
    h, w = inside.shape
    around = np.pad(inside, 1, "edge")
    return np.all([around[y : y + h, x : x + w] for y in range(3) for x in range(3)], axis=0)


def _in_front(new: np.ndarray, old: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """new over old; where the weight is 0, old to the last bit."""
    return np.where(weight == 0, old, weight * new + (1 - weight) * old)

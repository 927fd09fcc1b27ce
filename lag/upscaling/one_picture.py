"""Sets of large pictures from a small one of any size."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from lag.upscaling.consistency import lores_errors, project
from lag.upscaling.picture_file import ALL, Picture
from lag.upscaling.tiling import Span, tiles
from libml import seeds
from libml.images import round_levels, to_levels

NormalParts = Callable[[Iterable[int], int, int, int], np.ndarray]  # as libml.rng.normal_parts

TILE = 64  # side in LR pixels of the tiles that large pictures are made in, unless another is asked for
MOST_AT_ONCE = 16  # images in one call of the generator


class Upscaler(NamedTuple):
    """What upscaling asks of a generator, from a run or an export."""

    generate: Callable[[np.ndarray, np.ndarray], np.ndarray]  # (lores [N, h, w, C], z) -> [N, scale h, scale w, C]
    scale: int
    colors: int
    noise_dim: int
    radius: int  # LR pixels away that an input can be and still change an output pixel
    fingerprint: str  # of the weights
    card: dict[str, Any]  # all that an export's model.json says
    normal_parts: NormalParts  # draws z

    @property
    def consistent(self) -> bool:
        """Whether the box means of its images equal the small picture, until these are cut off and rounded."""
        return self.card.get("parameters", {}).get("consistent", False) and self.card["downscaler"] == "average"

    @property
    def shared_dim(self) -> int:
        """Channels of z, the first, that count in the picture's first cell alone, and for the whole picture."""
        return self.card.get("shared_dim", 0)


class Result(NamedTuple):
    """One large picture."""

    pixels: np.ndarray  # uint8 or uint16 [H, W, C]
    lores_rmse: float  # grey levels between its box means and the small picture
    lores_max: float


def upscaler_of(
    generate: Callable[[np.ndarray, np.ndarray], np.ndarray], card: dict[str, Any], normal_parts: NormalParts
) -> Upscaler:
    """A generator with what its card says of it."""
    scale, colors, noise_dim, radius, fingerprint = (
        card[name] for name in ("scale", "colors", "noise_dim", "receptive_radius", "fingerprint")
    )
    return Upscaler(generate, scale, colors, noise_dim, radius, fingerprint, card, normal_parts)


def try_out(model: Upscaler) -> None:
    """Makes an image of a pixel.

    Raises:
        ValueError: if the generator is not as the model's numbers say; whatever running it may raise.
    """
    made = model.generate(*(np.zeros([1, 1, 1, channels], np.float32) for channels in (model.colors, model.noise_dim)))
    if made.shape != (1, model.scale, model.scale, model.colors):
        raise ValueError(f"a pixel becomes an image of shape {made.shape[1:]}, which is not what its description says")


def sample_noise(
    picture: Picture,
    model: Upscaler,
    indices: Sequence[int],
    noise: float,
    seed: int,
    rows: slice = ALL,
    columns: slice = ALL,
) -> np.ndarray:
    """A part of the noise maps of samples: 0 for sample 0, else a function of (content of the picture, seed, sample).

    The part is drawn alone, in the memory that it takes itself, and equals that part of the whole.

    Returns:
        float32 [len(indices), rows, columns, noise_dim].
    """
    height, width, _ = picture.pixels.shape
    (top, bottom, _), (left, right, _) = rows.indices(height), columns.indices(width)
    key = seeds.key(seed, f"upscale {picture.content}")
    z = np.zeros([len(indices), bottom - top, right - left, model.noise_dim], np.float32)
    if not model.noise_dim:
        return z
    starts = range((top * width + left) * model.noise_dim, bottom * width * model.noise_dim, width * model.noise_dim)
    for sample_map, i in zip(z, indices, strict=True):
        if i:
            values = model.normal_parts(starts, (right - left) * model.noise_dim, key, i)
            sample_map[:] = noise * values.reshape(sample_map.shape)
    return z


def generated_levels(images: np.ndarray, channels: int) -> np.ndarray:
    """A generator's images [..., C] in [-1, 1] as grey levels, not rounded; grey ones if the small picture is grey.

    Args:
        images: of the generator.
        channels: of the small picture.
    """
    levels = to_levels(images)
    return levels.mean(-1, keepdims=True) if channels < images.shape[-1] else levels


def generate_tiles(
    model: Upscaler, inputs: Callable[[slice, slice], tuple[np.ndarray, np.ndarray]], height: int, width: int, tile: int
) -> Iterator[tuple[tuple[Span, Span], np.ndarray]]:
    """Large images tile by tile: equal to those made in one piece, in the memory of one tile.

    Args:
        model: the generator.
        inputs: (rows, columns) -> that part of lores [N, h, w, C] in [-1, 1] and of z [N, h, w, noise_dim].
        height: h.
        width: w.
        tile: side in LR pixels; each tile also reads the receptive field around it.

    Yields:
        ((rows, columns), the tile's part of the images [N, scale rows, scale columns, C]).
    """
    n, shared = model.scale, model.shared_dim
    first = inputs(slice(0, 1), slice(0, 1))[1][..., :shared] if shared else None
    for y, x in tiles(height, width, tile, model.radius):
        lores, z = inputs(slice(y.read_start, y.read_stop), slice(x.read_start, x.read_stop))
        if first is not None:
            z = z.copy()
            z[:, :1, :1, :shared] = first
        (top, bottom), (left, right) = y.inner, x.inner
        yield (y, x), model.generate(lores, z)[:, n * top : n * bottom, n * left : n * right]


def at_once(model: Upscaler, height: int, width: int, tile: int) -> int:
    """How many images of a size to make in one call: as many as take the memory of one whole tile."""
    side = tile + 2 * model.radius
    return max(1, min(MOST_AT_ONCE, side * side // (min(height, side) * min(width, side))))


def calls(model: Upscaler, height: int, width: int, samples: int, tile: int) -> int:
    """How many times the generator is called for so many samples of a picture: the tiles of all of them."""
    return -(-samples // at_once(model, height, width, tile)) * len(tiles(height, width, tile, model.radius))


def upscale(
    model: Upscaler,
    picture: Picture,
    indices: Sequence[int],
    noise: float,
    seed: int,
    tile: int,
    consistent: bool,
    bits: int = 8,
    tile_done: Callable[[], object] = lambda: None,
) -> Iterator[Result]:
    """Large pictures of a small one.

    Args:
        model: the generator.
        picture: the small one.
        indices: which samples; 0 is the centre, z = 0.
        noise: standard deviation of z of the others.
        seed: of the noise.
        tile: side of the tiles in LR pixels.
        consistent: shift each result so that its box means equal the small picture.
        bits: 8 or 16, of the results.
        tile_done: called so many times as `calls` says.
    """
    h, w, _ = picture.pixels.shape
    step = at_once(model, h, w, tile)
    for chunk in (indices[i : i + step] for i in range(0, len(indices), step)):
        results = _upscale_at_once(model, picture, chunk, noise, seed, tile, consistent, bits, tile_done)
        while results:
            yield results.pop(0)  # no result is held while the next ones are made


def _upscale_at_once(
    model: Upscaler,
    picture: Picture,
    indices: Sequence[int],
    noise: float,
    seed: int,
    tile: int,
    consistent: bool,
    bits: int,
    tile_done: Callable[[], object],
) -> list[Result]:
    """As upscale, all in the same calls of the generator."""
    (h, w, channels), n, count = picture.pixels.shape, model.scale, len(indices)
    made = np.empty([count, n * h, n * w, channels], np.uint8 if bits == 8 else np.uint16)
    errors = np.empty([count, h, w, channels], np.float32)

    def inputs(rows, columns):
        lores = picture.lores(model.colors, rows, columns).repeat(count, axis=0)
        return lores, sample_noise(picture, model, indices, noise, seed, rows, columns)

    for (y, x), part in generate_tiles(model, inputs, h, w, tile):
        part = generated_levels(part, channels)
        small = picture.pixels[y.start : y.stop, x.start : x.stop]
        if consistent:
            pixels = project(part, np.broadcast_to(small, [count, *small.shape]), n, bits)
        else:
            pixels = round_levels(part, bits)
        made[:, n * y.start : n * y.stop, n * x.start : n * x.stop] = pixels
        errors[:, y.start : y.stop, x.start : x.stop] = lores_errors(pixels, small, n)
        tile_done()
    return [
        Result(pixels, float(np.sqrt(np.mean(error**2))), float(np.max(np.abs(error))))
        for pixels, error in zip(made, errors, strict=True)
    ]

"""Recipes and small pictures for tests of the explorer."""

import numpy as np

from lag.explorer import recipe as recipes
from lag.upscaling.picture_file import Picture, content_hash

SAMPLE = {"op": "sample", "index": 1, "noise": 1.0}
CENTER = {"op": "sample", "index": 0, "noise": 1.0}


def small(h=5, w=6, colors=3, seed=0) -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, [h, w, colors]).astype(np.float32)
    return Picture(pixels, None, "", content_hash(pixels))


def cells(mask: np.ndarray) -> str:
    """A mask as a recipe writes it."""
    return np.packbits(mask.astype(bool)).tobytes().hex()


def made(model, picture, *operations, seed=0) -> recipes.Recipe:
    value = {"recipe": 1, "model": model.fingerprint, "picture": picture.content, "seed": seed}
    return recipes.parse(value | {"operations": list(operations)})

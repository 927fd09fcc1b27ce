"""Small images to train on, and a network small enough for tests."""

import numpy as np

from libml.datasets import records
from libml.images import encode_png

TINY = {"scale": 4, "batch": 4, "blocks": 1, "filters": 8, "filters_min": 4, "noise_dim": 2}


def blobs(count: int, size: int = 32, colors: int = 3, seed: int = 0) -> np.ndarray:
    """uint8 images [count, size, size, colors] of one soft blob each: small, distinct, with something to learn."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    center, radius = rng.uniform(0.3, 0.7, [count, 2, 1, 1]), rng.uniform(0.1, 0.3, [count, 1, 1])
    inside = np.exp(-((x - center[:, 0]) ** 2 + (y - center[:, 1]) ** 2) / radius**2)[..., None]
    front, back = rng.uniform(0, 255, [2, count, 1, 1, colors])
    return np.rint(back + (front - back) * inside).astype(np.uint8)


def write_images(path, images: np.ndarray) -> None:
    """Writes images as a TFRecord file of PNGs."""
    records.write(path, (records.example(encode_png(image), label=i) for i, image in enumerate(images)))

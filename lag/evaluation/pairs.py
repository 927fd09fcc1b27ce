"""Pairs of a low resolution image and the high resolution image that it was made of."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lag.evaluation.methods import LoadedRun
from lag.figures.inputs import fitting_dataset
from libml.datasets.held_out import held_out
from libml.errors import UserError
from libml.images import to_uint8
from libml.layers.resample import DOWNSCALERS
from libml.system.scratch import on_disk


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
    images = held_out(dataset, data_dir)
    records = images.select(limit=limit)
    if len(records) < 2:  # the scale of distances between sets is that of two halves
        raise UserError(f"{dataset.name}: measuring takes at least 2 test images, found {len(records)}")
    hires, lores = on_disk([len(records), dataset.size, dataset.size, dataset.colors], np.uint8), []
    for part in images.batches(records, batch):
        start = batch * len(lores)
        hires[start : start + len(part)] = to_uint8(part)
        lores.append(DOWNSCALERS[config.downscaler](tf.constant(part), config.scale).numpy())
    return Pairs(hires, np.concatenate(lores), range(len(hires)), config.scale, config.downscaler)

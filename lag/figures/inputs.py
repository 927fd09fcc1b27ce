"""Test images to show a trained run."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from libml.datasets.catalogue import Dataset, check_sizes, lookup
from libml.datasets.held_out import held_out
from libml.errors import UserError
from libml.layers.resample import DOWNSCALERS, upscale2d
from libml.training.config import RunConfig


def fitting_dataset(name: str, data_dir: str, config: RunConfig, colors: int) -> Dataset:
    """A dataset whose images a run can be shown.

    Args:
        name: of the dataset.
        data_dir: folder of the datasets.
        config: the run's parameters.
        colors: that the run was trained on.

    Raises:
        UserError: if there is no such dataset, or the run cannot take its images.
    """
    dataset = lookup(name, data_dir)
    if dataset.colors != colors:
        raise UserError(f"{dataset.name} has {dataset.colors} colour channels, the run was trained on {colors}")
    check_sizes(dataset, config.scale, config.downscaler)
    return dataclasses.replace(dataset, make=None)  # a set that is made on the spot is made for training alone


def load_test_images(name: str, data_dir: str, indices: Sequence[int], config: RunConfig, colors: int) -> np.ndarray:
    """Test images of a dataset.

    Args:
        name: of the dataset; '' for the run's own.
        data_dir: folder of the datasets.
        indices: which test images.
        config: the run's parameters.
        colors: that the run was trained on.

    Returns:
        [N, H, W, C] in [-1, 1].

    Raises:
        UserError: if there are no such images, or the run cannot take them.
    """
    dataset = fitting_dataset(name or config.dataset, data_dir, config, colors)
    images = held_out(dataset, data_dir)
    return images.images(images.select(indices))


class Inputs(NamedTuple):
    """The test images that a figure starts from."""

    hires: np.ndarray  # [N, H, W, C]
    indices: Sequence[int]  # their numbers, which their noise depends on
    downscaler: str
    scale: int

    def downscaled(self, hires: np.ndarray) -> np.ndarray:
        """[N, H, W, C] -> [N, h, w, C]."""
        return DOWNSCALERS[self.downscaler](tf.constant(hires, tf.float32), self.scale).numpy()

    def pixelated(self, lores: np.ndarray) -> np.ndarray:
        """[N, h, w, C] -> [N, H, W, C], each pixel repeated."""
        return upscale2d(tf.constant(lores), self.scale).numpy()

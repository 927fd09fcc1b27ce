"""Test images to show a trained run."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from libml.config import RunConfig
from libml.data import Dataset, check_sizes, lookup
from libml.errors import UserError
from libml.stream import Images


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
    dataset = lookup(name, Path(data_dir))
    if dataset.colors != colors:
        raise UserError(f"{dataset.name} has {dataset.colors} colour channels, the run was trained on {colors}")
    check_sizes(dataset, config.scale, config.downscaler)
    return dataset


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
    return Images(dataset, data_dir).test_images(indices)

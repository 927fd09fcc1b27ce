"""Test images of the dataset that a model was trained on."""

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from libml.datasets import toyfaces
from libml.datasets.catalogue import Dataset, lookup
from libml.errors import UserError
from libml.images import to_uint8
from libml.system.store_path import to_path

if TYPE_CHECKING:  # it imports TensorFlow
    from libml.datasets.held_out import HeldOut

MOST = 48


class Examples:
    """The first test images, none where they are not at hand."""

    def __init__(self, dataset: str, colors: int, data_dir: str):
        """Finds them. The cartoon faces are drawn; other datasets need TensorFlow, and are read where it is in use.

        Args:
            dataset: its name.
            colors: of the model.
            data_dir: folder of the datasets.
        """
        self.name, self.count, self.drawn = dataset, 0, False  # drawn: by the project
        self._held_out: HeldOut | None = None
        self.size: int | None = None  # side of the images
        try:
            found = lookup(dataset, data_dir)
        except UserError:
            return
        self.size = found.size
        if found.colors != colors:
            return
        if found.base.startswith("toyfaces"):
            self.count, self.drawn = MOST, True
        elif sys.modules.get("tensorflow"):
            self._find(found, to_path(data_dir))

    def _find(self, dataset: Dataset, data_dir: Path) -> None:
        from libml.datasets.held_out import held_out

        try:
            images = held_out(dataset, data_dir)
            self._records = images.select(limit=MOST)
        except UserError:
            return
        self._held_out, self.count = images, len(self._records)

    @functools.lru_cache(maxsize=MOST)  # noqa: B019  one object a process
    def image(self, index: int) -> np.ndarray:
        """One of them: uint8 [H, W, C].

        Raises:
            UserError: if there are not so many.
        """
        if not 0 <= index < self.count:
            raise UserError(f"there are {self.count} test images here: {index} is none of them")
        if self._held_out is None:
            return toyfaces.draw_face(toyfaces.SEED, toyfaces.TRAIN_IMAGES + index, cast(int, self.size))
        return to_uint8(self._held_out.images(self._records[index : index + 1]))[0]

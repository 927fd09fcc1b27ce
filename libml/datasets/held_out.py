"""The test images of a dataset, by number."""

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from libml.datasets.catalogue import Dataset
from libml.datasets.decoding import image_at, loads, locate_bad, looked_up, options, plain, reading
from libml.datasets.finding import find_files, known_counts, present_files
from libml.datasets.shards import Shards
from libml.datasets.usable import Usable
from libml.errors import UserError
from libml.images import to_float
from libml.system.store_path import StorePath, to_path

LOOKED_AT = 256  # heads of records at a time


class HeldOut:
    """Test images: those of right channels, in the order of the files; the members of a mixture take turns."""

    def __init__(self, dataset: Dataset, members: Sequence[Dataset], data_dir: Path):
        """Finds the test files.

        Args:
            dataset: whose test images they are.
            members: of a mixture, those that take part; otherwise the dataset alone.
            data_dir: where it is.

        Raises:
            UserError: if there are none, or files are missing or cut short.
        """
        self.dataset = dataset
        self.members = _with_test_files(dataset, members, data_dir) if dataset.members else members
        files = [find_files(member, data_dir, "test") for member in self.members]
        self.shards = Shards(files, known_counts(self.members, data_dir))
        self._usable = Usable(self.shards, self.members)

    def _turns(self) -> Iterator[int]:
        """Numbers of records that hold test images: one of each member in turn, as long as it has some."""
        streams = [self._of_member(i) for i in range(len(self.members))]
        while streams:
            for stream in tuple(streams):
                number = next(stream, None)
                if number is None:
                    streams.remove(stream)
                else:
                    yield number

    def _of_member(self, member: int) -> Iterator[int]:
        mine = self.shards.group_of_file == member
        first = int(self.shards.firsts[mine][0])
        end = first + int(self.shards.counts[mine].sum())
        for start in range(first, end, LOOKED_AT):
            numbers = np.arange(start, min(start + LOOKED_AT, end))
            yield from numbers[self._usable(numbers)].tolist()

    def select(self, indices: Sequence[int] | None = None, limit: int | None = None) -> np.ndarray:
        """The records of test images.

        Args:
            indices: which images; None for the first `limit`.
            limit: how many where no indices are given; None for all.

        Returns:
            Numbers of records, int64 [N].

        Raises:
            UserError: if there are not so many, or none; if a file is damaged.
        """
        wanted = limit if indices is None else max(indices, default=-1) + 1
        found = np.fromiter(itertools.islice(self._turns(), wanted and min(wanted, sys.maxsize)), np.int64)
        if indices is not None and len(found) < wanted:
            raise UserError(f"{self.dataset.name} has {len(found)} test images: there is no number {wanted - 1}")
        if wanted != 0 and not len(found):
            raise UserError(f"{self.dataset.name} has no test image of {self.dataset.colors} channels")
        return found if indices is None else found[np.asarray(indices, np.int64)]

    @plain
    def _dataset(self, records: np.ndarray, batch: int) -> tf.data.Dataset:
        def load(*place: tf.Tensor) -> tf.Tensor:
            image, _ = image_at(self.shards, self.members, place)
            return tf.ensure_shape(image, [self.dataset.size, self.dataset.size, self.dataset.colors])

        places = looked_up(self.shards, tf.data.Dataset.from_tensor_slices(records))
        return places.map(load, num_parallel_calls=loads(self.dataset)).batch(batch).with_options(options())

    def batches(self, records: np.ndarray, batch: int) -> Iterator[np.ndarray]:
        """The images of those records, `batch` at a time: float32 [N, H, W, C] in [-1, 1].

        Raises:
            UserError: if one cannot be read.
        """
        for part in reading(self._dataset(records, batch), lambda: locate_bad(self.shards, self.members)):
            yield to_float(part.numpy())

    def images(self, records: np.ndarray) -> np.ndarray:
        """All of them in one array, as batches."""
        size, colors = self.dataset.size, self.dataset.colors
        images = np.empty([len(records), size, size, colors], np.float32)
        for i, part in enumerate(self.batches(records, 1)):
            images[i] = part[0]
        return images


def held_out(dataset: Dataset, data_dir: str | os.PathLike | StorePath) -> HeldOut:
    """The test images of a dataset, whose training images need not be there.

    Of a mixture's members those take part that training takes, or all where it takes none.

    Raises:
        UserError: as of HeldOut.
    """
    place = to_path(data_dir)
    trained = [member for member in dataset.members if present_files(member, place, "train")]
    return HeldOut(dataset, trained or dataset.members or (dataset,), place)


def _with_test_files(mixture: Dataset, members: Sequence[Dataset], data_dir: Path) -> list[Dataset]:
    """The members whose test files are there, after one line about the others."""
    present = [m for m in members if present_files(m, data_dir, "test")]
    missing = [f"{m.name} ({' or '.join(m.test)})" for m in members if m not in present]
    if not present:
        raise UserError(f"no test files of {mixture.name} are in {data_dir}: looked for those of {', '.join(missing)}")
    if missing:
        names, missing = ", ".join(m.name for m in present), ", ".join(missing)
        print(f"test images of {mixture.name} are those of {names}; no test files of: {missing}", file=sys.stderr)
    return present

"""The deterministic streams of (LR, HR) batches that training reads, and test images.

A training stream is an endless sequence of records whose order, flips included, is a pure function of the seed:
position p is record p % n of epoch p // n, so a run goes on anywhere by starting at its position. The numbers of the
records are shuffled, not the records: each is read from its place when its turn has come.
"""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from libml import rng
from libml.datasets.catalogue import Dataset
from libml.datasets.damage import damaged_records, sound_pieces
from libml.datasets.decoding import (
    LOOKED_UP,
    fitting,
    image_at,
    image_bytes,
    in_pipeline,
    loads,
    locate_bad,
    looked_up,
    options,
    places_of,
    plain,
    reading,
)
from libml.datasets.finding import find_files, known_counts, present_files
from libml.datasets.held_out import HeldOut
from libml.datasets.shards import Shards
from libml.datasets.usable import Usable
from libml.errors import UserError
from libml.images import to_float
from libml.layers.resample import DOWNSCALERS
from libml.system.cpu import available_cores
from libml.system.store_path import to_path

SHUFFLE_BUFFER = 4096  # numbers of records; the reference's holds at least 1024 records


class Images:
    """A dataset's files in a data folder: the training stream and the test images."""

    def __init__(self, dataset: Dataset, data_dir: str | Path, skip_bad_records: bool = False):
        """Finds the training files and counts their records.

        Args:
            dataset: what to read.
            data_dir: where it is.
            skip_bad_records: leave out damaged records and what is no image, instead of raising; reads all of the
                training files once to find the damaged ones.

        Raises:
            UserError: if files are missing or cut short.
        """
        self.dataset, self.data_dir = dataset, to_path(data_dir)
        self.members = self._present_members() if dataset.members else (dataset,)
        files = [find_files(m, self.data_dir, "train") for m in self.members]
        self.train = Shards(files, known_counts(self.members, self.data_dir))
        self.skip_bad_records = skip_bad_records
        damaged = [damaged_records(f) if skip_bad_records else [] for f in self.train.files]
        self._pieces = [self._sound_pieces(i, damaged) for i in range(len(self.members))]
        self.counts = [sum(size for _, size in pieces) for pieces in self._pieces]
        # Records of an epoch that are left out before they are counted.
        self._damaged = [sum(len(damaged[f]) for f in self._files_of(i)) for i in range(len(self.members))]
        if empty := [m.name for m, n in zip(self.members, self.counts, strict=True) if not n]:
            raise UserError(f"every training record of {empty[0]} is damaged: make the dataset again")

    def _files_of(self, member: int) -> list[int]:
        """Indices of a member's training files."""
        return np.flatnonzero(self.train.group_of_file == member).tolist()

    def _sound_pieces(self, member: int, damaged: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
        """(number of the first record, records) of the stretches of a member's files between damaged records."""
        pieces = []
        for f in self._files_of(member):
            first, count = int(self.train.firsts[f]), int(self.train.counts[f])
            pieces += [(first + start, size) for start, size in sound_pieces(count, damaged[f])]
        return pieces

    def _present_members(self) -> tuple[Dataset, ...]:
        """The members of a mixture that are there, after one line about the others."""
        present = [m for m in self.dataset.members if present_files(m, self.data_dir, "train")]
        missing = [m.name for m in self.dataset.members if m not in present]
        if not present:
            raise UserError(
                f"no dataset of {self.dataset.name} is in {self.data_dir}: looked for {', '.join(missing)}; set "
                f"--data_dir or $ML_DATA to the folder that has them, or make them: {self.dataset.how_to_make}"
            )
        if missing:
            names = ", ".join(m.name for m in present)
            print(f"{self.dataset.name} is made of {names}; missing: {', '.join(missing)}", file=sys.stderr)
        return tuple(present)

    def in_order(self, member: int, order: tf.Tensor | None = None) -> tf.data.Dataset:
        """The numbers of a member's sound records, in the order of the files or another one of their stretches."""
        starts, sizes = (tf.constant(part, tf.int64) for part in zip(*self._pieces[member], strict=True))
        if order is not None:
            starts, sizes = tf.gather(starts, order), tf.gather(sizes, order)
        pieces = tf.data.Dataset.from_tensor_slices((starts, sizes))
        return pieces.flat_map(lambda start, size: tf.data.Dataset.range(start, start + size))

    def _member_numbers(self, member: int, seed: int, position: int) -> tf.data.Dataset:
        """Endless (index, number) of one member from a position of its own; a seeded shuffle in every epoch."""
        count, pieces = self.counts[member], len(self._pieces[member])
        shuffle_key = rng.key(seed, f"shuffle/{self.members[member].name}")

        def epoch_numbers(epoch: tf.Tensor) -> tf.data.Dataset:
            order = tf.random.experimental.stateless_shuffle(tf.range(pieces), rng.stateless_seed(shuffle_key, epoch))
            numbers = self.in_order(member, order)
            numbers = numbers.shuffle(SHUFFLE_BUFFER, seed=shuffle_key % (1 << 40) + epoch)
            start = epoch * count
            passed = tf.maximum(tf.constant(position, tf.int64) - start, 0)
            return numbers.skip(passed).enumerate(start + passed)

        return tf.data.Dataset.range(position // count, np.iinfo(np.int64).max).flat_map(epoch_numbers)

    def numbers(self, seed: int, position: int) -> tf.data.Dataset:
        """Endless (position, number of a record): the members take turns."""
        m = len(self.members)
        if m == 1:
            return self._member_numbers(0, seed, position)
        streams = []
        for i in range(m):
            start = (position - i + m - 1) // m  # turns that member i has had before this position

            def place(index, number, i=i):
                return index * m + i, number

            streams.append(self._member_numbers(i, seed, start).map(place))
        turns = tf.data.Dataset.range(position, np.iinfo(np.int64).max).map(lambda p: p % m)
        return tf.data.Dataset.choose_from_datasets(streams, turns)

    @plain
    def batches(
        self,
        *,
        batch: int,
        scale: int,
        downscaler: str,
        seed: int,
        position: int = 0,
        worker: int = 0,
        workers: int = 1,
    ) -> tf.data.Dataset:
        """The endless training stream, or one worker's part of it.

        Args:
            batch: images an element.
            scale: downscaling factor.
            downscaler: how LR images are made, a key of libml.layers.resample.DOWNSCALERS.
            seed: of order and flips.
            position: records already consumed, by all workers.
            worker: which of the workers; they take turns of `batch` records, so that together they read the same
                global batches as one that reads alone.
            workers: how many share the stream.

        Returns:
            A dataset of (position after the batch, lores [N, h, w, C], hires [N, H, W, C]), float32 in [-1, 1].
        """
        flip_key = rng.key(seed, "flip")

        def load(p, *place):
            image, fits = image_at(self.train, self.members, place, rng.uniform([], flip_key, p) < 0.5)
            return p, to_float(image), fits  # one image fits into a core's cache, a batch does not

        def finish(p, hires, _):
            return p[-1] + 1, DOWNSCALERS[downscaler](hires, scale), hires

        numbers = self.numbers(seed, position)
        if workers > 1:
            places = places_of(self.train, self._share(numbers.batch(LOOKED_UP), batch, worker, workers)).unbatch()
        else:
            places = looked_up(self.train, numbers)
        images = places.map(load, num_parallel_calls=loads(self.dataset))
        if self.skip_bad_records:
            images = images.ignore_errors()
        images = images.filter(lambda p, image, fits: fits)
        held = fitting(batch * image_bytes(self.dataset))
        pairs = images.batch(batch, drop_remainder=True).map(finish, num_parallel_calls=min(held, available_cores()))
        return pairs.prefetch(min(held, 2)).with_options(options())

    def _share(self, numbers: tf.data.Dataset, batch: int, worker: int, workers: int) -> tf.data.Dataset:
        """One worker's part of (positions, numbers), in batches: usable images are dealt out, `batch` to each in turn.

        Every worker knows which images are usable, so that no worker is ahead of the others by what it passes over.
        """
        usable = Usable(self.train, self.members)
        if self.skip_bad_records:
            sound = (self.in_order(i) for i in range(len(self.members)))
            usable.decode_all(functools.reduce(tf.data.Dataset.concatenate, sound), loads(self.dataset))

        def deal(dealt: tf.Tensor, element: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tuple]:
            positions, numbers = element
            fits = tf.ensure_shape(tf.numpy_function(in_pipeline(usable), [numbers], tf.bool), [None])
            turns = dealt + tf.cumsum(tf.cast(fits, tf.int64), exclusive=True)
            own = fits & (turns // batch % workers == worker)
            dealt += tf.reduce_sum(tf.cast(fits, tf.int64))
            return dealt, (tf.boolean_mask(positions, own), tf.boolean_mask(numbers, own))

        return numbers.scan(tf.constant(0, tf.int64), deal)

    @plain
    def check(self) -> None:
        """Reads until the first usable training image, so that a stream of none cannot hang.

        Raises:
            UserError: if no training image has the declared number of channels, or none can be read.
        """
        for i, member in enumerate(self.members):
            places = looked_up(self.train, self.in_order(i))  # a shuffle would first look through many files
            images = places.map(lambda *place: image_at(self.train, self.members, place))
            images = images.ignore_errors() if self.skip_bad_records else images
            usable = images.filter(lambda image, fits: fits).take(1)
            if not any(True for _ in reading(usable, self.locate_bad)):
                raise UserError(
                    f"none of the {self.counts[i]} training images of {member.name} can be used: they must have "
                    f"{member.colors} channels ({self.train.files[self._files_of(i)[0]]}, ...)"
                )

    def locate_bad(self) -> str:
        """Which training record cannot be read: the first damaged one, else the first that is no image."""
        found = locate_bad(self.train, self.members)
        return found and f"{found}; --skip_bad_records would leave it out"

    def skipped(self, position: int, taken: int) -> int:
        """How many records were passed over on the way to a position, by which so many images were taken."""
        turns, damaged = len(self.members), 0
        for i, (count, bad) in enumerate(zip(self.counts, self._damaged, strict=True)):
            damaged += (position - i + turns - 1) // turns // count * bad
        return position - taken + damaged

    def held_out(self) -> HeldOut:
        """The test images.

        Raises:
            UserError: if there are no test files, or they are damaged.
        """
        return HeldOut(self.dataset, self.members, self.data_dir)

    @plain
    def test_images(self, indices: Sequence[int] | None = None, limit: int | None = None) -> np.ndarray:
        """Test images in the order of the files, without flips; those of a mixture's members in turns.

        Args:
            indices: which ones; None for the first `limit`.
            limit: how many where no indices are given; None for all.

        Returns:
            float32 [N, H, W, C] in [-1, 1].

        Raises:
            UserError: if there are not so many.
        """
        held_out = self.held_out()
        return held_out.images(held_out.select(indices, limit))
